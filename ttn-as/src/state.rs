//! What the server knows of devices and links, in memory.

use std::{collections::VecDeque, sync::Arc};

use ttn_core::{
    addr::DevAddr,
    id::{ApplicationId, DeviceKey},
    key::{Aes128Key, SessionKeyId},
    map::Map,
    store::{Epoch, Owned, PartitionId, Position, Revision},
};

use crate::{
    devices::Devices,
    directory::KnownInfo,
    log::Record,
    ready::Ready,
    store::{Device, FormatterKind, Formatters, Link, Session, SessionRecord},
};

/// Everything that is known.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) devices: Devices,
    pub(crate) links: Map<ApplicationId, (Revision, Arc<Link>)>,
    /// Devices whose pending messages nobody works on yet.
    pub(crate) ready: Ready,
}

/// A device.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) device: Arc<Device>,
    pub(crate) revision: Revision,
    pub(crate) hot: Arc<SessionRecord>,
    /// AppSKeys in clear text, unwrapped once; the newest last.
    pub(crate) keys: Vec<(SessionKeyId, Aes128Key)>,
    /// Messages that wait to be completed, in order.
    pub(crate) queue: VecDeque<Waiting>,
    /// Whether a worker has it, or it is in [`State::ready`].
    pub(crate) busy: bool,
    /// What is registered about it.
    pub(crate) info: Option<KnownInfo>,
    /// Where its last record is.
    pub(crate) position: Position,
    pub(crate) owned: Owned,
}

/// A message that waits to be completed.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) position: Position,
    pub(crate) record: Arc<Record>,
}

/// What becomes of a device with the next batch.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: DeviceKey,
    pub(crate) owned: Owned,
    pub(crate) hot: SessionRecord,
    pub(crate) records: Vec<Record>,
    pub(crate) keys: Vec<(SessionKeyId, Aes128Key)>,
}

/// How many AppSKeys of a device are kept in clear text: current, pending, and those just left.
const KEYS_MAX: usize = 4;

impl State {
    /// The formatters of a device (AS-11).
    pub(crate) fn formatters(&self, entry: &Entry) -> Option<Formatters> {
        let default = || {
            let (_, link) = self.links.get(&entry.device.ids.key.application_id)?;
            link.default_formatters.clone()
        };
        entry.device.formatters.clone().or_else(default)
    }

    /// Whether payloads of a device are left alone if their key cannot be had (AS-05).
    pub(crate) fn skips_crypto(&self, entry: &Entry) -> bool {
        let link = || self.links.get(&entry.device.ids.key.application_id);
        let device = entry.device.skip_payload_crypto_override;
        device.or_else(|| link()?.1.skip_payload_crypto).unwrap_or_default()
    }

    /// Whether uplinks of a device are decoded.
    pub(crate) fn decodes_uplinks(&self, entry: &Entry) -> bool {
        let own = entry.device.formatters.as_ref();
        let formatters = own.or_else(|| {
            let (_, link) = self.links.get(&entry.device.ids.key.application_id)?;
            link.default_formatters.as_ref()
        });
        formatters.is_some_and(|formatters| formatters.up != FormatterKind::None)
    }
}

impl Entry {
    pub(crate) fn new(device: Device, revision: Revision) -> Self {
        let ids = &device.ids;
        let partition = PartitionId::of_device(ids.dev_eui, &ids.key.to_string());
        Self {
            owned: Owned { partition, epoch: Epoch::LATEST },
            device: Arc::new(device),
            revision,
            hot: Arc::default(),
            keys: Vec::new(),
            queue: VecDeque::new(),
            busy: false,
            info: None,
            position: Position::default(),
        }
    }

    /// Begins a change of the device. What the Network Server did not send is recorded whatever its epoch is: after a
    /// restart nobody has told it yet.
    pub(crate) fn change(&self) -> Change {
        Change {
            key: self.device.ids.key.clone(),
            owned: Owned { epoch: Epoch::LATEST, ..self.owned },
            hot: (*self.hot).clone(),
            records: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Remembers keys; the oldest go.
    pub(crate) fn remember(&mut self, keys: Vec<(SessionKeyId, Aes128Key)>) {
        for (id, key) in keys {
            self.keys.retain(|(known, _)| *known != id);
            if self.keys.len() == KEYS_MAX {
                self.keys.remove(0);
            }
            self.keys.push((id, key));
        }
    }

    /// The AppSKey of a session.
    pub(crate) fn key(&self, id: &SessionKeyId) -> Option<&Aes128Key> {
        find(&self.keys, id)
    }
}

impl Change {
    /// The AppSKey of a session, new ones included.
    pub(crate) fn key<'a>(&'a self, entry: &'a Entry, id: &SessionKeyId) -> Option<&'a Aes128Key> {
        find(&self.keys, id).or_else(|| entry.key(id))
    }

    /// The session with these keys.
    pub(crate) fn session(&self, id: &SessionKeyId) -> Option<&Session> {
        self.hot.session(id)
    }

    /// The session of an uplink (AS-04): current; pending, then promoted; or unknown, then rebuilt.
    pub(crate) fn session_of_uplink(
        &mut self,
        id: &SessionKeyId,
        dev_addr: DevAddr,
    ) -> &mut Session {
        let is = |session: &Option<Session>| {
            session.as_ref().is_some_and(|session| session.session_key_id == *id)
        };
        if !is(&self.hot.current) && is(&self.hot.pending) {
            self.hot.current = self.hot.pending.take();
        } else if !is(&self.hot.current) {
            self.hot.current = Some(Session::new(id.clone(), dev_addr));
        }
        self.hot.current.get_or_insert_with(|| Session::new(id.clone(), dev_addr))
    }

    /// The number of the next record.
    pub(crate) const fn next_number(&mut self) -> u64 {
        self.hot.last_number += 1;
        self.hot.last_number
    }
}

impl SessionRecord {
    /// The session with these keys.
    pub(crate) fn session(&self, id: &SessionKeyId) -> Option<&Session> {
        [&self.current, &self.pending]
            .into_iter()
            .flatten()
            .find(|session| session.session_key_id == *id)
    }

    /// The session with these keys.
    pub(crate) fn session_mut(&mut self, id: &SessionKeyId) -> Option<&mut Session> {
        [&mut self.current, &mut self.pending]
            .into_iter()
            .flatten()
            .find(|session| session.session_key_id == *id)
    }
}

impl Session {
    /// A session whose key is not known yet.
    #[must_use]
    pub const fn new(session_key_id: SessionKeyId, dev_addr: DevAddr) -> Self {
        Self { session_key_id, app_s_key: None, dev_addr, last_a_f_cnt_down: 0, last_uplink: None }
    }
}

fn find<'a>(keys: &'a [(SessionKeyId, Aes128Key)], id: &SessionKeyId) -> Option<&'a Aes128Key> {
    keys.iter().find(|(known, _)| known == id).map(|(_, key)| key)
}
