//! A device in memory, and how it comes there from the store.

use std::{collections::VecDeque, sync::Arc};

use ttn_core::{
    error::{ErrorBody, ErrorKind},
    event::RadioIds,
    msg::{
        ApplicationUp, CorrelationIds, Downlink, DownlinkError, DownlinkPath, TransmissionId, Up,
    },
    store::{PartitionId, Revision, Versioned},
    time::{Now, Timestamp},
};
use ttn_mac::{
    adr::{AdrAlgorithm, DefaultAdr},
    band::{self, Band},
    engine::{Engine, Slot, TxReport},
    plan::{FrequencyPlan, Plans},
    state::{Candidate, Hot, MacSettings, MacState},
};

use super::{DeviceView, Effects, Handle, Shard};
use crate::{
    device::Device,
    error::{Error, NAMESPACE},
    store::{DeviceRecord, HotRecord, HotRow, NetworkWrite, RecordError, first_copy},
};

/// A device in memory.
pub(super) struct Entry {
    pub(super) revision: Revision,
    /// The registration; its `state` is in `mac`.
    pub(super) device: Device,
    pub(super) band: &'static Band,
    pub(super) plan: Arc<FrequencyPlan>,
    pub(super) mac: MacState,
    /// What the application wants to send, with the numbers in the store.
    pub(super) queue: VecDeque<(u64, Downlink)>,
    pub(super) queue_seq_next: u64,
    /// The data downlink between plan and report.
    pub(super) flight: Option<Box<Flight>>,
    /// A confirmed downlink that was sent and waits for the next uplink.
    pub(super) awaiting_ack: Option<Box<(u64, Downlink)>>,
    /// Items below this number were handed over with a join-accept (NS-29).
    pub(super) handed_over_seq: u64,
    /// The receive windows of the last uplink, as long as nothing was sent in them.
    pub(super) open: Option<OpenSlot>,
    /// The frame that is in the session record until it is processed.
    pub(super) first_copy: Option<FirstCopy>,
}

/// A data downlink between plan and report.
pub(super) struct Flight {
    pub(super) id: TransmissionId,
    pub(super) f_cnt: u32,
    pub(super) item: Option<(u64, Downlink)>,
    pub(super) correlation_ids: CorrelationIds,
    /// Whether the gateway that took it reports on transmissions. Without reports, what it took counts as sent.
    pub(super) reports: bool,
}

/// A first copy that is acknowledged before its window ends: it survives a crash (`ack = durable`).
pub(super) struct FirstCopy {
    /// Of which window.
    pub(super) window: u64,
    pub(super) octets: Vec<u8>,
}

/// Receive windows that are open, and the ways to the device.
#[derive(Clone)]
pub(super) struct OpenSlot {
    pub(super) slot: Slot,
    pub(super) paths: Vec<DownlinkPath>,
    pub(super) correlation_ids: CorrelationIds,
}

/// What holds for all devices of a network: settings where a device has none, the ADR policy, the frequency plans.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Defaults {
    /// MAC settings of devices that do not set them (NS-38).
    pub settings: MacSettings,
    /// The ADR policy.
    pub adr: Arc<dyn AdrAlgorithm>,
    /// The frequency plans that there are (NS-107).
    pub plans: Arc<Plans>,
}

impl Defaults {
    /// The default policy and the plans that are built in, with these settings.
    #[must_use]
    pub fn new(settings: MacSettings) -> Self {
        Self { settings, adr: Arc::<DefaultAdr>::default(), plans: Arc::default() }
    }
}

/// The rules for a device.
pub(crate) fn engine<'a>(
    band: &'a Band,
    plan: &'a FrequencyPlan,
    device: &'a Device,
    defaults: &'a Defaults,
) -> Engine<'a> {
    Engine::new(band, plan, &device.settings, &defaults.settings, defaults.adr.as_ref())
        .with_classes(device.classes())
}

/// The band and the plan of a device.
pub(crate) fn rules(
    device: &Device,
    plans: &Plans,
) -> Result<(&'static Band, Arc<FrequencyPlan>), Error> {
    let plan = plans.get(device.frequency_plan_id.as_str()).map_err(|error| Error::FieldValue {
        field: "frequency_plan_id",
        reason: error.to_string(),
    })?;
    let band = band::get(plan.band_id, device.phy_version).map_err(|error| Error::FieldValue {
        field: "lorawan_phy_version",
        reason: error.to_string(),
    })?;
    Ok((band, plan.clone()))
}

impl Entry {
    pub(super) fn new(
        mut device: Device,
        revision: Revision,
        hot: Option<Hot>,
        defaults: &Defaults,
    ) -> Result<Self, Error> {
        let (band, plan) = rules(&device, &defaults.plans)?;
        let mac = match device.state.take() {
            Some(slow) => MacState::new(*slow, hot.unwrap_or_default()),
            None => engine(band, &plan, &device, defaults).new_otaa(device.mac_version),
        };
        Ok(Self {
            revision,
            device,
            band,
            plan,
            mac,
            queue: VecDeque::new(),
            queue_seq_next: 1,
            flight: None,
            awaiting_ack: None,
            handed_over_seq: 0,
            open: None,
            first_copy: None,
        })
    }

    /// The sessions with their addresses.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (ttn_core::addr::DevAddr, Candidate)> {
        [Candidate::Current, Candidate::Pending].into_iter().filter_map(|candidate| {
            self.mac.session(candidate).map(|session| (session.dev_addr, candidate))
        })
    }

    /// The registration with its state, as it is stored.
    pub(super) fn to_device(&self) -> Device {
        let mut device = self.device.clone();
        let slow = &self.mac.slow;
        device.ids.dev_addr = slow.session.as_ref().map(|session| session.dev_addr);
        if slow.session.is_some() || slow.pending_session.is_some() {
            device.state = Some(Box::new(slow.clone()));
        }
        device
    }

    pub(super) fn view(&self) -> DeviceView {
        DeviceView {
            device: self.to_device(),
            hot: self.mac.hot,
            queue: self.queue.iter().map(|(_, downlink)| downlink.clone()).collect(),
            revision: self.revision,
        }
    }

    /// A message about the device.
    /// What events say of it.
    pub(super) fn radio_ids(&self) -> RadioIds {
        let dev_addr = self.mac.slow.session.as_ref().map(|session| session.dev_addr);
        RadioIds { dev_addr, ..RadioIds::from(&self.device.ids) }
    }

    pub(super) fn up(
        &self,
        now: Timestamp,
        correlation_ids: CorrelationIds,
        up: Up,
    ) -> ApplicationUp {
        let mut ids = self.device.ids.clone();
        ids.dev_addr = self.mac.slow.session.as_ref().map(|session| session.dev_addr);
        ApplicationUp {
            ids,
            correlation_ids,
            received_at: now,
            up,
            simulated: false,
            repeated: false,
        }
    }
}

/// Why a downlink will not be sent, for the application.
pub(super) fn failure(name: &'static str, message: String) -> DownlinkError {
    DownlinkError(ErrorBody::new(NAMESPACE, name, ErrorKind::Aborted, message))
}

impl Shard {
    /// Takes a device over from the store. A downlink that was in flight has an unknown outcome: its counter stays
    /// taken, and the application is told (DESIGN 6).
    ///
    /// # Errors
    ///
    /// The record does not decode, its keys cannot be unwrapped, or its plan is not known. The device is left out; its
    /// number stays taken.
    pub fn load(
        &mut self,
        now: Now,
        partition: PartitionId,
        row: HotRow,
        out: &mut Effects,
    ) -> Result<(), LoadError> {
        let handle = Handle { partition, no: row.device };
        let highest = self.device_no_max.entry(partition).or_default();
        *highest = (*highest).max(row.device.0);
        let Versioned { value: record, revision } = row.record;
        let first_copy = row.hot.as_ref().and_then(|record| record.first_copy.clone());
        let hot = row.hot.map(|record| record.hot);
        let in_flight = hot.is_some_and(|hot| hot.in_flight.is_some());
        if row.queue.is_empty() && first_copy.is_none() && !in_flight {
            return self.devices.insert_resting(handle, (record, revision), hot, &self.sealer);
        }
        let device = record.open(&self.sealer)?;
        let mut entry = Entry::new(device, revision, hot, &self.defaults)?;
        entry.queue_seq_next = row.queue.last().map_or(1, |(seq, _)| seq + 1);
        entry.queue = row.queue.into_iter().map(|(seq, item)| (seq, item.downlink)).collect();
        self.devices.insert(handle, entry);
        self.recover(now, handle, out);
        if let Some(octets) = first_copy {
            self.recover_first_copy(now, handle, &octets, out);
        }
        Ok(())
    }

    /// An uplink was acknowledged, and the process ended before its window did: now it is processed (DESIGN 4). What
    /// the application has got already, it knows by session and counter.
    fn recover_first_copy(&mut self, now: Now, handle: Handle, octets: &[u8], out: &mut Effects) {
        match first_copy::decode(octets, now) {
            Ok(uplink) => self.process_uplink(now, Some(handle), &Arc::new(uplink), out),
            Err(error) => {
                tracing::error!(%error, "an uplink that was acknowledged cannot be read");
                self.count("first_copy_unreadable");
            }
        }
        // Whatever became of it, it is not pending any more.
        self.store_hot(handle, out);
    }

    /// Sorts out what a crash interrupted.
    fn recover(&mut self, now: Now, handle: Handle, out: &mut Effects) {
        let defaults = self.defaults.clone();
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        let take = |entry: &mut Entry, f_cnt: u32| {
            let session = entry.mac.slow.session.as_ref().map(|s| s.session_key_id.clone());
            let at = entry.queue.iter().position(|(_, item)| {
                item.f_cnt == f_cnt && Some(&item.session_key_id) == session.as_ref()
            })?;
            entry.queue.remove(at)
        };
        let Some(flight) = entry.mac.hot.in_flight else {
            if let (true, Some(f_cnt)) = (entry.mac.hot.ack_pending, entry.mac.hot.conf_f_cnt_down)
            {
                entry.awaiting_ack = take(entry, f_cnt).map(Box::new);
            }
            return;
        };
        let item = if flight.queue_item { take(entry, flight.f_cnt) } else { None };
        let report = TxReport::Unknown { f_cnt: flight.f_cnt };
        let outcome = engine(entry.band, &entry.plan, &entry.device, &defaults)
            .on_tx_report(&mut entry.mac, report);
        if outcome.slow_changed {
            self.store_device(handle, out);
        }
        if let Some((seq, downlink)) = item {
            self.fail_item(
                now,
                handle,
                seq,
                downlink,
                failure(
                    "unknown_outcome",
                    "the server stopped while the downlink was on its way; it may have been sent"
                        .to_owned(),
                ),
                out,
            );
        }
        self.store_hot(handle, out);
    }

    /// Writes the session record.
    pub(super) fn store_hot(&mut self, handle: Handle, out: &mut Effects) {
        let Some(entry) = self.devices.get(&handle) else { return };
        let first_copy = entry.first_copy.as_ref().map(|copy| copy.octets.clone());
        let hot = HotRecord { hot: entry.mac.hot, first_copy };
        self.write(handle, NetworkWrite::Hot { device: handle.no, hot }, out);
    }

    /// Writes the registration against the revision in memory.
    pub(super) fn store_device(&mut self, handle: Handle, out: &mut Effects) {
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        match DeviceRecord::seal(&entry.to_device(), &self.sealer) {
            Ok(record) => {
                let replaces = ttn_core::store::Replaces::Revision(entry.revision);
                entry.revision = Revision(entry.revision.0 + 1);
                let record = Box::new(record);
                let write = NetworkWrite::Device { device: handle.no, replaces, record };
                self.write(handle, write, out);
            }
            Err(error) => {
                // The label is checked when the component is built; a vault that forgets it later is a defect.
                tracing::error!(device = %entry.device.ids.key, %error, "cannot wrap session keys");
                self.count("vault_failed");
            }
        }
    }

    /// Tells the application that a downlink will not be sent, and forgets it.
    pub(super) fn fail_item(
        &mut self,
        now: Now,
        handle: Handle,
        seq: u64,
        downlink: Downlink,
        error: DownlinkError,
        out: &mut Effects,
    ) {
        self.finish_item(now, handle, seq, downlink, |item| Up::DownlinkFailed(item, error), out);
    }

    /// Tells the application how a downlink ended, and forgets it.
    pub(super) fn finish_item(
        &mut self,
        now: Now,
        handle: Handle,
        seq: u64,
        downlink: Downlink,
        up: impl FnOnce(Downlink) -> Up,
        out: &mut Effects,
    ) {
        let Some(entry) = self.devices.get(&handle) else { return };
        let message = entry.up(now.utc, downlink.correlation_ids.clone(), up(downlink));
        self.tell_application(handle, message, out);
        self.write(handle, NetworkWrite::QueueItem { device: handle.no, seq, item: None }, out);
    }
}

/// Why a stored device was left out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The record does not decode.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The band or the plan of the device is not known.
    #[error(transparent)]
    Rules(#[from] Error),
}
