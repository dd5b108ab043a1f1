//! Create, read, change and delete devices, as commands to their owner; and what a registration may say (NS-97).

use ttn_core::{
    id::DeviceKey,
    radio::{DataRateIndex, Frequency},
    store::{Page, Replaces, Revision, StoreError},
};
use ttn_mac::{
    band::Band,
    plan::Plans,
    state::{AdrMode, FACTORY_PRESETS_MAX, Hot, MacSettings, MacState, Session},
    version::MacRules as _,
};

use crate::{
    NetworkServer,
    device::Device,
    error::Error,
    shard::{Command, DeviceView, Reply},
    store::DeviceQuery,
};

/// How often a change is tried again after a conflict.
const UPDATE_TRIES: usize = 8;

impl NetworkServer {
    /// Creates a device. It is durable when this returns. Not to be dropped halfway.
    ///
    /// # Errors
    ///
    /// The device exists, or says something that is not possible.
    pub async fn create_device(
        &self,
        device: Device,
        hot: Option<Hot>,
    ) -> Result<DeviceView, Error> {
        self.put_device(device, hot, Replaces::Nothing).await
    }

    /// Writes a device against a revision.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if somebody else has changed it, and as [`Self::create_device`].
    pub async fn put_device(
        &self,
        device: Device,
        hot: Option<Hot>,
        replaces: Replaces,
    ) -> Result<DeviceView, Error> {
        let (device, hot) = (Box::new(device), hot.map(Box::new));
        match self.call(Command::Put { device, hot, replaces }).await? {
            Reply::Device(view) => Ok(*view),
            _ => Err(Error::Stopping),
        }
    }

    /// Reads a device.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceNotFound`].
    pub async fn device(&self, key: &DeviceKey) -> Result<DeviceView, Error> {
        match self.call(Command::Get { key: key.clone() }).await? {
            Reply::Device(view) => Ok(*view),
            _ => Err(Error::Stopping),
        }
    }

    /// Changes a device. The closure is pure: it runs again when somebody else was faster. It gives the counters if
    /// they change as well.
    ///
    /// # Errors
    ///
    /// Those of the closure, and [`Error::Conflict`] if others were faster eight times.
    pub async fn update_device<F>(
        &self,
        key: &DeviceKey,
        mut change: F,
    ) -> Result<DeviceView, Error>
    where
        F: FnMut(&mut DeviceView) -> Result<Option<Hot>, Error> + Send,
    {
        for _ in 0..UPDATE_TRIES {
            let mut view = self.device(key).await?;
            let replaces = Replaces::Revision(view.revision);
            let hot = change(&mut view)?;
            match self.put_device(view.device, hot, replaces).await {
                Err(Error::Conflict { .. }) => {}
                result => return result,
            }
        }
        Err(Error::Conflict { device: key.clone() })
    }

    /// Deletes a device with its session and its queue.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceNotFound`] and [`Error::Conflict`].
    pub async fn delete_device(&self, key: &DeviceKey, replaces: Replaces) -> Result<(), Error> {
        self.call(Command::Delete { key: key.clone(), replaces }).await.map(|_| ())
    }

    /// Lists devices as the store has them: counters may be a moment old.
    ///
    /// # Errors
    ///
    /// The store failed, or a record does not decode.
    pub async fn list_devices(
        &self,
        query: &DeviceQuery,
    ) -> Result<Page<(Device, Revision)>, Error> {
        let page = self.store.list(query).await.map_err(|source| Error::Store { source })?;
        let mut items = Vec::with_capacity(page.items.len());
        for row in page.items {
            let device = row.record.value.open(&self.sealer).map_err(|error| {
                let kind = ttn_core::store::StoreErrorKind::Corrupt;
                let context = format!("device {}", row.record.value.key());
                Error::Store { source: StoreError::new(kind, context).caused_by(error) }
            })?;
            items.push((device, row.record.revision));
        }
        Ok(Page { items, total: page.total })
    }

    /// The state of a device with a session that was not made by a join: activation by personalisation, or a session
    /// that is taken over from another network server (NS-31, NS-98). The counters start at none.
    ///
    /// # Errors
    ///
    /// The plan or the band is not known.
    pub fn session_state(&self, device: &Device, session: Session) -> Result<MacState, Error> {
        let (band, plan) = crate::shard::rules(device, &self.defaults.plans)?;
        let engine = crate::shard::engine(band, &plan, device, &self.defaults);
        Ok(engine.new_abp(device.mac_version, session))
    }

    /// The state of a device that has not joined yet.
    ///
    /// # Errors
    ///
    /// The plan or the band is not known.
    pub fn fresh_state(&self, device: &Device) -> Result<MacState, Error> {
        let (band, plan) = crate::shard::rules(device, &self.defaults.plans)?;
        let engine = crate::shard::engine(band, &plan, device, &self.defaults);
        Ok(engine.new_otaa(device.mac_version))
    }

    /// Sets a device back to what it was when it came from the factory (NS-42): who joins loses his session and joins
    /// again; who does not keeps keys and queue, and his counters start anew.
    ///
    /// # Errors
    ///
    /// The device does not exist, or somebody else changes it all the time.
    pub async fn reset_device(&self, key: &DeviceKey) -> Result<DeviceView, Error> {
        for _ in 0..UPDATE_TRIES {
            let DeviceView { mut device, revision, .. } = self.device(key).await?;
            let session = device.state.take().and_then(|state| state.session);
            if let (false, Some(mut session)) = (device.supports_join, session) {
                session.started_at = self.clock.utc();
                device.state = Some(Box::new(self.session_state(&device, session)?.slow));
            }
            let replaces = Replaces::Revision(revision);
            match self.put_device(device, Some(Hot::default()), replaces).await {
                Err(Error::Conflict { .. }) => {}
                done => return done,
            }
        }
        Err(Error::Conflict { device: key.clone() })
    }
}

/// Checks what a registration says (NS-97, as far as its settings are built).
///
/// # Errors
///
/// [`Error::FieldMissing`] and [`Error::FieldValue`] name the field.
pub fn validate(device: &Device, plans: &Plans) -> Result<(), Error> {
    let (band, _) = crate::shard::rules(device, plans)?;
    let session = device.state.as_ref().and_then(|state| state.session.as_ref());
    if device.supports_join {
        let reason = "a device that joins is found by its EUIs";
        if device.ids.dev_eui.is_none() {
            return Err(Error::FieldMissing { field: "ids.dev_eui", reason });
        }
        if device.ids.join_eui.is_none() {
            return Err(Error::FieldMissing { field: "ids.join_eui", reason });
        }
    } else {
        if device.mac_version.requires_dev_eui_for_abp()
            && device.ids.dev_eui.is_none()
            && !device.multicast
        {
            let reason = "LoRaWAN 1.0.4 and later ask for it even without a join";
            return Err(Error::FieldMissing { field: "ids.dev_eui", reason });
        }
        if session.is_none() {
            let reason = "a device that does not join has a session from the start";
            return Err(Error::FieldMissing { field: "session", reason });
        }
    }
    validate_multicast(device)?;
    if let Some(session) = session {
        let (keys, v1_1) = (&session.keys, device.mac_version.is_1_1());
        let same = keys.f_nwk_s_int_key == keys.s_nwk_s_int_key
            && keys.f_nwk_s_int_key == keys.nwk_s_enc_key;
        if !v1_1 && !same {
            let reason = "before LoRaWAN 1.1 the three network session keys are the same";
            return Err(value("session.keys", reason));
        }
    }
    validate_settings(&device.settings, band)
}

fn validate_multicast(device: &Device) -> Result<(), Error> {
    if !device.multicast {
        return Ok(());
    }
    if device.supports_join {
        return Err(value("supports_join", "a multicast group does not join"));
    }
    if !device.supports_class_b && !device.supports_class_c {
        return Err(value("multicast", "a multicast group needs class B or class C"));
    }
    Ok(())
}

fn validate_settings(of: &MacSettings, band: &Band) -> Result<(), Error> {
    for (field, delay) in [("rx1_delay", of.rx1_delay), ("desired_rx1_delay", of.desired_rx1_delay)]
    {
        if delay.is_some_and(|delay| delay == 0 || delay > 15) {
            return Err(value(field, "1 to 15 seconds"));
        }
    }
    let offsets = [of.rx1_dr_offset, of.desired_rx1_dr_offset];
    if offsets.into_iter().flatten().any(|offset| offset > 7) {
        return Err(value("rx1_data_rate_offset", "0 to 7"));
    }
    for (field, index) in [
        ("rx2_data_rate_index", of.rx2_data_rate),
        ("desired_rx2_data_rate_index", of.desired_rx2_data_rate),
    ] {
        check_data_rate(field, index, band)?;
    }
    for (field, frequency) in
        [("rx2_frequency", of.rx2_frequency), ("desired_rx2_frequency", of.desired_rx2_frequency)]
    {
        check_frequency(field, frequency, band)?;
    }
    if of.factory_preset_frequencies.len() > FACTORY_PRESETS_MAX {
        return Err(value("factory_preset_frequencies", "at most 96"));
    }
    for frequency in &of.factory_preset_frequencies {
        check_frequency("factory_preset_frequencies", Some(*frequency), band)?;
    }
    for (field, exponent) in [
        ("max_duty_cycle", of.max_duty_cycle),
        ("desired_max_duty_cycle", of.desired_max_duty_cycle),
        ("desired_adr_ack_limit_exponent", of.desired_adr_ack_limit_exponent),
        ("desired_adr_ack_delay_exponent", of.desired_adr_ack_delay_exponent),
    ] {
        if exponent.is_some_and(|exponent| exponent > 15) {
            return Err(value(field, "0 to 15"));
        }
    }
    validate_class_b(of, band)?;
    validate_adr(of.adr.as_ref(), band)
}

fn validate_class_b(of: &MacSettings, band: &Band) -> Result<(), Error> {
    if of.ping_slot_periodicity.is_some_and(|exponent| exponent > 7) {
        return Err(value("ping_slot_periodicity", "0 to 7"));
    }
    for (field, index) in [
        ("ping_slot_data_rate_index", of.ping_slot_data_rate),
        ("desired_ping_slot_data_rate_index", of.desired_ping_slot_data_rate),
    ] {
        check_data_rate(field, index, band)?;
    }
    for (field, frequency) in [
        ("ping_slot_frequency", of.ping_slot_frequency),
        ("beacon_frequency", of.beacon_frequency),
        ("desired_ping_slot_frequency", of.desired_ping_slot_frequency),
        ("desired_beacon_frequency", of.desired_beacon_frequency),
    ] {
        // 0 stands for those of the band.
        check_frequency(field, frequency.filter(|frequency| !frequency.is_zero()), band)?;
    }
    Ok(())
}

fn validate_adr(adr: Option<&AdrMode>, band: &Band) -> Result<(), Error> {
    match adr {
        Some(AdrMode::Static(fixed)) => {
            check_data_rate("adr.static.data_rate_index", Some(fixed.data_rate), band)?;
            if fixed.tx_power_index > band.max_tx_power_index() {
                return Err(value("adr.static.tx_power_index", "the band has no such index"));
            }
            if !(1..=15).contains(&fixed.nb_trans) {
                return Err(value("adr.static.nb_trans", "1 to 15"));
            }
            Ok(())
        }
        Some(AdrMode::Dynamic(limits)) => {
            check_data_rate("adr.dynamic.min_data_rate_index", limits.min_data_rate, band)?;
            check_data_rate("adr.dynamic.max_data_rate_index", limits.max_data_rate, band)
        }
        _ => Ok(()),
    }
}

fn check_data_rate(
    field: &'static str,
    index: Option<DataRateIndex>,
    band: &Band,
) -> Result<(), Error> {
    match index {
        Some(index) if band.data_rate(index).is_none() => {
            Err(value(field, format!("the band has no data rate {}", index.get())))
        }
        _ => Ok(()),
    }
}

fn check_frequency(
    field: &'static str,
    frequency: Option<Frequency>,
    band: &Band,
) -> Result<(), Error> {
    let step = u64::from(band.frequency_step.hz());
    match frequency {
        Some(frequency) if frequency.hz() < 100_000 || frequency.hz() % step != 0 => {
            Err(value(field, format!("a multiple of {step} Hz, at least 100 kHz")))
        }
        _ => Ok(()),
    }
}

fn value(field: &'static str, reason: impl Into<String>) -> Error {
    Error::FieldValue { field, reason: reason.into() }
}
