//! A device at rest: octets, and a pattern that it shares with all that are alike.

use std::{collections::VecDeque, sync::Arc};

use ttn_core::{
    addr::DevAddr,
    eui::{DevEui, JoinEui},
    id::{DeviceIds, DeviceKey},
    map::Map,
    store::Revision,
};
use ttn_mac::state::{HOT_LENGTH, Hot};

use super::entry::{Defaults, Entry, LoadError, rules};
use crate::{
    device::Device,
    store::{DeviceRecord, Own, RecordError, Sealer},
};

/// A device at rest.
pub(super) struct Rest {
    pattern: Arc<Device>,
    /// The octets of a [`Header`], then those of an [`Own`].
    octets: Box<[u8]>,
}

/// What stands at fixed places: flags, EUIs, revision and [`Hot`]; then both ids, each behind its length.
struct Header;

impl Header {
    const DEV_EUI: usize = 1;
    const JOIN_EUI: usize = 9;
    const REVISION: usize = 17;
    const HOT: usize = 25;
    const IDS: usize = Self::HOT + HOT_LENGTH;
    const HAS_DEV_EUI: u8 = 1;
    const HAS_JOIN_EUI: u8 = 2;
}

impl Rest {
    /// Of a device that was in the store, with what [`Own::only_session`] says.
    pub(super) fn of_record(
        record: DeviceRecord,
        revision: Revision,
        hot: Option<Hot>,
        sealer: &Sealer,
        (patterns, defaults): (&mut Patterns, &Defaults),
    ) -> Result<(Self, Option<Option<DevAddr>>), LoadError> {
        let ids = record.ids();
        let (common, own) = record.split(sealer)?;
        let mut octets = header(&ids, revision, &hot.unwrap_or_default());
        own.encode(&mut octets);
        let pattern = patterns.of(common, defaults)?;
        Ok((Self { pattern, octets: octets.into() }, own.only_session()))
    }

    /// Of a device that nothing happens to. Its queue is empty, and it waits for nothing.
    pub(super) fn of_entry(entry: &Entry, patterns: (&mut Patterns, &Defaults)) -> Option<Self> {
        let clear = Sealer::clear();
        let record = DeviceRecord::seal(&entry.to_device(), &clear).ok()?;
        let (rest, _) =
            Self::of_record(record, entry.revision, Some(entry.mac.hot), &clear, patterns).ok()?;
        Some(rest)
    }

    /// The device, decoded.
    pub(super) fn wake(&self, defaults: &Defaults) -> Result<Entry, LoadError> {
        let octets = &self.octets;
        let (application_id, device_id) = self.key();
        let id = |source| RecordError::Id { source };
        let key =
            DeviceKey::new(application_id.parse().map_err(id)?, device_id.parse().map_err(id)?);
        let ids =
            DeviceIds { dev_eui: self.dev_eui(), join_eui: self.join_eui(), ..DeviceIds::new(key) };
        let hot = octets.get(Header::HOT..Header::IDS).unwrap_or_default();
        let hot = Hot::decode(hot).map_err(|source| RecordError::Hot { source })?;
        let own = Header::IDS + 2 + application_id.len() + device_id.len();
        let own = Own::decode(octets.get(own..).unwrap_or_default())?;
        let device = own.complete(&self.pattern, ids)?;
        let revision = Revision(number(octets, Header::REVISION));
        Ok(Entry::new(device, revision, Some(hot), defaults)?)
    }

    pub(super) fn key(&self) -> (&str, &str) {
        let text = |at: usize| {
            let length = self.octets.get(at).copied().map_or(0, usize::from);
            let octets = self.octets.get(at + 1..at + 1 + length).unwrap_or_default();
            std::str::from_utf8(octets).unwrap_or_default()
        };
        let application_id = text(Header::IDS);
        (application_id, text(Header::IDS + 1 + application_id.len()))
    }

    pub(super) fn euis(&self) -> Option<(JoinEui, DevEui)> {
        self.join_eui().zip(self.dev_eui())
    }

    fn dev_eui(&self) -> Option<DevEui> {
        let octets = &self.octets;
        self.has(Header::HAS_DEV_EUI).then(|| DevEui::from_u64(number(octets, Header::DEV_EUI)))
    }

    fn join_eui(&self) -> Option<JoinEui> {
        let octets = &self.octets;
        self.has(Header::HAS_JOIN_EUI).then(|| JoinEui::from_u64(number(octets, Header::JOIN_EUI)))
    }

    fn has(&self, flag: u8) -> bool {
        self.octets.first().is_some_and(|flags| flags & flag != 0)
    }
}

fn header(ids: &DeviceIds, revision: Revision, hot: &Hot) -> Vec<u8> {
    let (application_id, device_id) = (ids.key.application_id.as_str(), ids.key.device_id.as_str());
    let mut octets = Vec::with_capacity(Header::IDS + application_id.len() + device_id.len() + 80);
    let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
    octets.push(
        flag(ids.dev_eui.is_some(), Header::HAS_DEV_EUI)
            | flag(ids.join_eui.is_some(), Header::HAS_JOIN_EUI),
    );
    octets.extend_from_slice(&ids.dev_eui.map_or(0, DevEui::to_u64).to_le_bytes());
    octets.extend_from_slice(&ids.join_eui.map_or(0, JoinEui::to_u64).to_le_bytes());
    octets.extend_from_slice(&revision.0.to_le_bytes());
    octets.extend_from_slice(&hot.encode());
    for id in [application_id, device_id] {
        // An id has 36 characters at most.
        octets.push(u8::try_from(id.len()).unwrap_or_default());
        octets.extend_from_slice(id.as_bytes());
    }
    octets
}

fn number(octets: &[u8], at: usize) -> u64 {
    let octets = octets.get(at..).and_then(<[u8]>::first_chunk);
    octets.map_or(0, |octets| u64::from_le_bytes(*octets))
}

/// What devices have in common, each kept once: as many as there are kinds of devices, radio parameters included.
#[derive(Default)]
pub(super) struct Patterns {
    known: Map<Box<[u8]>, Arc<Device>>,
    /// Those asked for last: comparing a record costs less than its octets.
    recent: VecDeque<(DeviceRecord, Arc<Device>)>,
    /// Above this number those that nobody has any more are forgotten.
    limit: usize,
}

/// How many patterns are kept before anybody looks for some to forget.
const PATTERNS_MIN: usize = 1024;
/// How many of those that were asked for last are looked at first.
const RECENT_MAX: usize = 8;

impl Patterns {
    fn of(&mut self, common: DeviceRecord, defaults: &Defaults) -> Result<Arc<Device>, LoadError> {
        if let Some((_, pattern)) =
            self.recent.iter().find(|(like, _)| like.has_pattern_of(&common))
        {
            return Ok(pattern.clone());
        }
        let pattern = self.find(&common, defaults)?;
        self.recent.truncate(RECENT_MAX - 1);
        self.recent.push_front((common, pattern.clone()));
        Ok(pattern)
    }

    fn find(
        &mut self,
        common: &DeviceRecord,
        defaults: &Defaults,
    ) -> Result<Arc<Device>, LoadError> {
        let octets = common.encode();
        if let Some(known) = self.known.get(octets.as_slice()) {
            return Ok(known.clone());
        }
        if self.known.len() >= self.limit {
            self.known.retain(|_, pattern| Arc::strong_count(pattern) > 1);
            self.limit = PATTERNS_MIN.max(2 * self.known.len());
        }
        let device = common.open(&Sealer::clear())?;
        rules(&device, &defaults.plans)?;
        let pattern = Arc::new(device);
        self.known.insert(octets.into(), pattern.clone());
        Ok(pattern)
    }
}
