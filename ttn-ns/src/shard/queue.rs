//! The application's queue: what may be put into it, and its order (NS-88).

use std::time::Duration;

use ttn_core::{
    error::{ErrorBody, ErrorKind},
    id::DeviceKey,
    key::SessionKeyId,
    map::Map,
    msg::Downlink,
    peer::{QueueMismatch, QueueMismatchSession},
    time::{Now, Timestamp},
};
use ttn_mac::state::Candidate;

use super::{
    CallId, Effects, Handle, Reply, Shard,
    downlink::Waiting,
    entry::{Entry, engine},
};
use crate::{
    error::{Error, NAMESPACE, QueueError},
    store::{NetworkWrite, QueueItem},
};

/// The most downlinks of one session in a queue (NS-88).
pub const QUEUE_MAX: usize = 10_000;
/// The most downlinks of one request.
pub const REQUEST_MAX: usize = 2 * QUEUE_MAX;
/// The least time between a request and the time that it asks for.
const ABSOLUTE_TIME_LEAD: Duration = Duration::from_secs(5);
/// FHDR without options, and FPort.
const HEADER: usize = 8;

impl Shard {
    pub(super) fn list_queue(&self, key: &DeviceKey) -> Result<Vec<Downlink>, Error> {
        let handle = self.handle_of(key)?;
        let queue = self.devices.get(&handle).map(|entry| &entry.queue);
        Ok(queue.into_iter().flatten().map(|(_, item)| item.clone()).collect())
    }

    pub(super) fn change_queue(
        &mut self,
        now: Now,
        call: CallId,
        key: &DeviceKey,
        downlinks: Vec<Downlink>,
        replace: bool,
        out: &mut Effects,
    ) -> Result<(), Error> {
        let handle = self.handle_of(key)?;
        self.check(now.utc, handle, &downlinks, replace)?;
        let Some(entry) = self.devices.get_mut(&handle) else { return Ok(()) };
        let removed: Vec<u64> =
            if replace { entry.queue.drain(..).map(|(seq, _)| seq).collect() } else { Vec::new() };
        let mut added = Vec::with_capacity(downlinks.len());
        for downlink in downlinks {
            let seq = entry.queue_seq_next;
            entry.queue_seq_next += 1;
            entry.queue.push_back((seq, downlink.clone()));
            added.push((seq, downlink));
        }
        let device = handle.no;
        for seq in removed {
            self.write(handle, NetworkWrite::QueueItem { device, seq, item: None }, out);
        }
        for (seq, downlink) in added {
            let item = Some(QueueItem { downlink });
            self.write(handle, NetworkWrite::QueueItem { device, seq, item }, out);
        }
        self.when_durable(Waiting::Reply { call, result: Ok(Reply::Done) }, out);
        // The windows of the last uplink may still be open.
        if self.devices.get(&handle).is_some_and(|entry| entry.open.is_some()) {
            if self.try_downlink(now, handle, out) {
                self.store_device(handle, out);
            }
            self.store_hot(handle, out);
        }
        Ok(())
    }

    fn check(
        &self,
        now: Timestamp,
        handle: Handle,
        downlinks: &[Downlink],
        replace: bool,
    ) -> Result<(), Error> {
        let Some(entry) = self.devices.get(&handle) else { return Ok(()) };
        let sessions = self.sessions(entry, replace);
        let refuse = |reason: ErrorBody| {
            let [current, pending] = sessions.clone();
            Error::Queue(QueueError {
                mismatch: Box::new(QueueMismatch { reason, current, pending }),
            })
        };
        if downlinks.len() > REQUEST_MAX {
            return Err(refuse(capacity()));
        }
        let mut next: Map<SessionKeyId, (u32, usize)> = Map::default();
        for session in sessions.iter().flatten() {
            let queued = if replace {
                0
            } else {
                let of = |item: &&(u64, Downlink)| item.1.session_key_id == session.session_key_id;
                entry.queue.iter().filter(of).count()
            };
            next.insert(session.session_key_id.clone(), (session.min_f_cnt_down, queued));
        }
        let size_max = largest_payload(entry);
        for item in downlinks {
            check_item(entry, now, item, size_max).map_err(refuse)?;
            let Some((min, count)) = next.get_mut(&item.session_key_id) else {
                return Err(refuse(unknown_session(&item.session_key_id)));
            };
            if item.f_cnt < *min {
                return Err(refuse(f_cnt_too_low(item.f_cnt, *min)));
            }
            *min = item.f_cnt.saturating_add(1);
            *count += 1;
            if *count > QUEUE_MAX {
                return Err(refuse(capacity()));
            }
        }
        Ok(())
    }

    /// The sessions that downlinks can be encrypted for, with the lowest counter that is free.
    fn sessions(&self, entry: &Entry, replace: bool) -> [Option<QueueMismatchSession>; 2] {
        [Candidate::Current, Candidate::Pending].map(|candidate| {
            let session = entry.mac.session(candidate)?;
            let unused = match candidate {
                Candidate::Current => {
                    let defaults = &self.defaults;
                    engine(entry.band, &entry.plan, &entry.device, defaults)
                        .next_app_f_cnt(&entry.mac)
                }
                Candidate::Pending => 0,
            };
            let of = |item: &&(u64, Downlink)| item.1.session_key_id == session.session_key_id;
            let queued = entry.queue.iter().rfind(of).filter(|_| !replace);
            let behind = queued.map_or(0, |(_, last)| last.f_cnt.saturating_add(1));
            Some(QueueMismatchSession {
                session_key_id: session.session_key_id.clone(),
                dev_addr: session.dev_addr,
                min_f_cnt_down: unused.max(behind),
            })
        })
    }
}

fn check_item(
    entry: &Entry,
    now: Timestamp,
    item: &Downlink,
    size_max: usize,
) -> Result<(), ErrorBody> {
    let refuse =
        |name, message: &str| ErrorBody::new(NAMESPACE, name, ErrorKind::InvalidArgument, message);
    if item.f_port == 0 {
        let body = refuse("field_value", "FPort 0 is for the network; use 1 to 255");
        return Err(body.with("field", "f_port"));
    }
    let size = item.frm_payload.len();
    if size > size_max {
        let text = format!("{size} octets; the band carries at most {size_max}");
        let body = refuse("application_downlink_too_long", &text);
        return Err(body.with("length", size).with("max", size_max));
    }
    if entry.device.multicast {
        if item.confirmed {
            let text = "a multicast group cannot acknowledge; send it unconfirmed";
            return Err(refuse("confirmed_multicast_downlink", text));
        }
        if item.class_b_c.as_ref().is_none_or(|class_b_c| class_b_c.gateways.is_empty()) {
            let text = "a multicast downlink must name its gateways";
            return Err(refuse("no_downlink_path", text));
        }
    }
    let absolute_time = item.class_b_c.as_ref().and_then(|class_b_c| class_b_c.absolute_time);
    if absolute_time.is_some_and(|time| time < now.plus(ABSOLUTE_TIME_LEAD)) {
        let text = "the absolute time must be at least 5 s in the future";
        return Err(refuse("absolute_time", text));
    }
    Ok(())
}

/// What the best data rate of the band carries.
fn largest_payload(entry: &Entry) -> usize {
    let sizes = (0..=15).filter_map(|index| {
        let index = ttn_core::radio::DataRateIndex::new(index)?;
        entry.band.max_mac_payload(index, false)
    });
    sizes.max().map_or(0, usize::from).saturating_sub(HEADER)
}

fn capacity() -> ErrorBody {
    let text = format!("a queue holds {QUEUE_MAX} downlinks of one session");
    ErrorBody::new(NAMESPACE, "downlink_queue_capacity", ErrorKind::ResourceExhausted, text)
}

fn unknown_session(id: &SessionKeyId) -> ErrorBody {
    let text = format!("the device has no session with the key id {id}");
    ErrorBody::new(NAMESPACE, "unknown_session", ErrorKind::NotFound, text)
}

fn f_cnt_too_low(got: u32, min: u32) -> ErrorBody {
    let text = format!("counter {got} was used already; the lowest free one is {min}");
    ErrorBody::new(NAMESPACE, "f_cnt_too_low", ErrorKind::InvalidArgument, text)
        .with("f_cnt", got)
        .with("min_f_cnt", min)
}
