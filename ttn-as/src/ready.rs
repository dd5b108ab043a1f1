//! Devices whose pending messages nobody works on yet: applications take turns.

use std::collections::VecDeque;

use ttn_core::{
    id::{ApplicationId, DeviceKey},
    map::Map,
};

/// Devices by application. A device is in it once at most: [`crate::state::Entry::busy`] says so.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    applications: Map<ApplicationId, Application>,
    /// Applications with devices; the next is the first.
    order: VecDeque<ApplicationId>,
}

#[derive(Debug, Default)]
struct Application {
    devices: VecDeque<DeviceKey>,
    running: usize,
}

impl Ready {
    /// Adds a device.
    pub(crate) fn push(&mut self, key: DeviceKey) {
        let id = key.application_id.clone();
        let application = self.applications.entry(id.clone()).or_default();
        application.devices.push_back(key);
        if application.devices.len() == 1 {
            self.order.push_back(id);
        }
    }

    /// Takes a device of an application that works on fewer than `max`; [`Self::done`] has to follow.
    pub(crate) fn pop(&mut self, max: usize) -> Option<DeviceKey> {
        let may_run =
            |id: &ApplicationId| self.applications.get(id).is_some_and(|it| it.running < max);
        let at = self.order.iter().position(may_run)?;
        let id = self.order.remove(at)?;
        let application = self.applications.get_mut(&id)?;
        let key = application.devices.pop_front()?;
        application.running += 1;
        if !application.devices.is_empty() {
            self.order.push_back(id);
        }
        Some(key)
    }

    /// A device of the application is worked on no more.
    pub(crate) fn done(&mut self, id: &ApplicationId) {
        let Some(application) = self.applications.get_mut(id) else { return };
        application.running = application.running.saturating_sub(1);
        if application.running == 0 && application.devices.is_empty() {
            self.applications.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_take_turns_and_none_takes_all() {
        let mut ready = Ready::default();
        for key in ["app-a.one", "app-a.two", "app-a.three", "app-a.four", "app-b.one", "app-b.two"]
        {
            ready.push(key.parse().unwrap());
        }
        let taken: Vec<_> =
            std::iter::from_fn(|| ready.pop(2)).map(|key| key.to_string()).collect();
        assert_eq!(taken, ["app-a.one", "app-b.one", "app-a.two", "app-b.two"]);
        ready.done(&"app-a".parse().unwrap());
        assert_eq!(ready.pop(2).unwrap().to_string(), "app-a.three");
        for id in ["app-a", "app-a", "app-b", "app-b"] {
            ready.done(&id.parse().unwrap());
        }
        assert_eq!(ready.pop(2).unwrap().to_string(), "app-a.four");
        ready.done(&"app-a".parse().unwrap());
        assert!(ready.applications.is_empty());
    }
}
