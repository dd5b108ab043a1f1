//! Messages that nobody received: an application tries out what becomes of them (AS-19).

use ttn_core::{msg::ApplicationUp, msg::Up};

use crate::{ApplicationServer, Error};

impl ApplicationServer {
    /// Appends an uplink, a place or service data in clear octets, flagged as simulated. It is decoded and delivered
    /// as if it were real; sessions, activation and the registered places of the device do not change.
    ///
    /// # Errors
    ///
    /// The device is not registered, the message is of another kind, or the log takes nothing now.
    pub fn simulate(&self, mut up: ApplicationUp) -> Result<(), Error> {
        if !matches!(up.up, Up::LocationSolved(_) | Up::ServiceData(_) | Up::Uplink(_)) {
            return Err(Error::NotSimulated);
        }
        let mut state = self.state.lock();
        let key = up.ids.key.clone();
        let entry = state.devices.get(&key).ok_or_else(|| Error::DeviceNotFound(key.clone()))?;
        let session = entry.hot.current.as_ref().map(|session| session.dev_addr);
        up.ids = entry.device.ids.clone();
        up.ids.dev_addr = session.or(up.ids.dev_addr);
        up.received_at = self.clock.utc();
        (up.simulated, up.repeated) = (true, false);
        let mut change = entry.change();
        self.add_simulated(&state, entry, &mut change, up);
        let lane = change.hot.lane;
        self.commit(&mut state, lane, vec![change]).map_err(Error::Refused)?;
        Ok(())
    }
}
