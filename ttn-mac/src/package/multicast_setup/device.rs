//! The end of the device: groups and their sessions.

use alloc::vec::Vec;

use ttn_core::{addr::DevAddr, key::Aes128Key, radio::Frequency};

use super::{
    Downlink, GROUPS_MAX, GroupSetup, IDENTIFIER, Session, SessionAns, SessionKind,
    TIME_TO_START_MAX, Uplink, parse_downlink,
};
use crate::{
    crypto::multicast::{decrypt_mc_key, mc_app_s_key, mc_nwk_s_key},
    frame::FrequencyStep,
    package::{ParseError, Source, Version},
};

/// What the radio of a device can do.
pub trait Radio {
    /// Whether it can listen at the frequency; zero stands for the frequencies of the beacon.
    fn is_usable(&self, frequency: Frequency) -> bool;

    /// Whether the region defines the data rate.
    fn is_defined(&self, dr: u8) -> bool;
}

/// The groups of a device.
#[derive(Clone, Debug)]
pub struct Device {
    version: Version,
    step: FrequencyStep,
    mc_ke_key: Aes128Key,
    groups_max: usize,
    groups: [Option<GroupContext>; GROUPS_MAX],
}

/// A group that a device is in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupContext {
    /// Its address.
    pub mc_addr: DevAddr,
    /// Encrypts its payloads.
    pub mc_app_s_key: Aes128Key,
    /// Proves its frames.
    pub mc_nwk_s_key: Aes128Key,
    /// The lowest counter that the next frame may have.
    pub f_cnt_min: u32,
    /// Frames with this counter and higher ones are not taken.
    pub f_cnt_end: u32,
    /// The session that was set up last.
    pub session: Option<Session>,
}

impl GroupContext {
    /// Takes the counter of a frame whose integrity is proven: it must be in the range of the group and rise.
    pub const fn take(&mut self, f_cnt: u32) -> bool {
        let fits = f_cnt >= self.f_cnt_min && f_cnt < self.f_cnt_end;
        if fits {
            self.f_cnt_min = f_cnt.saturating_add(1);
        }
        fits
    }
}

/// What to do after a downlink.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Effect {
    /// Send a command.
    Answer(Uplink),
    /// Not a command; what follows it is not read.
    Malformed(ParseError),
    /// The commands came to a group: they are dropped.
    NotForGroups,
}

impl Device {
    /// A device in no group. `mc_ke_key` decrypts the keys of groups.
    #[must_use]
    pub const fn new(version: Version, step: FrequencyStep, mc_ke_key: Aes128Key) -> Self {
        let groups = [const { None }; GROUPS_MAX];
        Self { version, step, mc_ke_key, groups_max: GROUPS_MAX, groups }
    }

    /// Sets in how many groups it may be, at most [`GROUPS_MAX`]: those with a lower McGroupID.
    #[must_use]
    pub fn with_groups_max(mut self, groups_max: usize) -> Self {
        self.groups_max = groups_max.min(GROUPS_MAX);
        self
    }

    /// A group.
    #[must_use]
    pub fn group(&self, mc_group_id: u8) -> Option<&GroupContext> {
        self.groups.get(usize::from(mc_group_id))?.as_ref()
    }

    /// The group with an address, and its McGroupID.
    pub fn by_addr(&mut self, mc_addr: DevAddr) -> Option<(u8, &mut GroupContext)> {
        let groups = (0_u8..).zip(&mut self.groups);
        let mut found = groups.filter_map(|(id, group)| Some((id, group.as_mut()?)));
        found.find(|(_, group)| group.mc_addr == mc_addr)
    }

    /// Takes the commands of a downlink in order. `now` is seconds since the GPS epoch modulo 2^32; an answer of several
    /// groups has at most `octets_max` octets.
    pub fn handle(
        &mut self,
        now: u32,
        radio: &dyn Radio,
        source: Source,
        payload: &[u8],
        octets_max: usize,
    ) -> Vec<Effect> {
        // TS005-1.0.0 §4: never to groups.
        if source != Source::Unicast {
            return [Effect::NotForGroups].into();
        }
        let step = self.step;
        let answer = |command| match command {
            Ok(command) => Effect::Answer(self.command(now, radio, command, octets_max)),
            Err(error) => Effect::Malformed(error),
        };
        parse_downlink(step, payload).map(answer).collect()
    }

    fn command(
        &mut self,
        now: u32,
        radio: &dyn Radio,
        command: Downlink,
        octets_max: usize,
    ) -> Uplink {
        match command {
            Downlink::McSessionReq(session) => {
                let answer = self.schedule(now, radio, session);
                match session.kind {
                    SessionKind::ClassB { .. } => Uplink::McClassBSessionAns(answer),
                    SessionKind::ClassC => Uplink::McClassCSessionAns(answer),
                }
            }
            Downlink::McGroupDeleteReq { mc_group_id } => {
                let slot = self.groups.get_mut(usize::from(mc_group_id));
                let mc_group_undefined = slot.and_then(Option::take).is_none();
                Uplink::McGroupDeleteAns { mc_group_id, mc_group_undefined }
            }
            Downlink::McGroupSetupReq(setup) => self.set_up(&setup),
            Downlink::McGroupStatusReq { req_group_mask } => {
                self.status(req_group_mask, octets_max)
            }
            Downlink::PackageVersionReq => {
                Uplink::PackageVersionAns { identifier: IDENTIFIER, version: self.version.number() }
            }
        }
    }

    fn set_up(&mut self, setup: &GroupSetup) -> Uplink {
        let mc_group_id = setup.mc_group_id;
        let (index, groups_max) = (usize::from(mc_group_id), self.groups_max);
        let slot = self.groups.get_mut(index).filter(|_| index < groups_max);
        let Some(slot) = slot else {
            return Uplink::McGroupSetupAns { mc_group_id, id_error: true };
        };
        let mc_key = decrypt_mc_key(&self.mc_ke_key, setup.mc_key_encrypted);
        *slot = Some(GroupContext {
            mc_addr: setup.mc_addr,
            mc_app_s_key: mc_app_s_key(&mc_key, setup.mc_addr),
            mc_nwk_s_key: mc_nwk_s_key(&mc_key, setup.mc_addr),
            f_cnt_min: setup.min_mc_f_cnt,
            f_cnt_end: setup.max_mc_f_cnt,
            session: None,
        });
        Uplink::McGroupSetupAns { mc_group_id, id_error: false }
    }

    fn status(&self, req_group_mask: u8, octets_max: usize) -> Uplink {
        let defined = (0_u8..).zip(&self.groups);
        let defined = defined.filter_map(|(id, group)| Some((id, group.as_ref()?.mc_addr)));
        let asked: Vec<_> = defined.collect();
        let nb_total_groups = u8::try_from(asked.len()).unwrap_or(u8::MAX);
        // TS005-2.0.0 §4.2: what does not go is left out, the highest first. Command and status take two octets.
        let room = octets_max.saturating_sub(2) / 5;
        let wanted = |id: &u8| req_group_mask.unbounded_shr((*id).into()) & 1 == 1;
        let groups = asked.into_iter().filter(|(id, _)| wanted(id)).take(room).collect();
        Uplink::McGroupStatusAns { nb_total_groups, groups }
    }

    fn schedule(&mut self, now: u32, radio: &dyn Radio, session: Session) -> SessionAns {
        let slot = self.groups.get_mut(usize::from(session.mc_group_id)).and_then(Option::as_mut);
        // More than half of 2^32 seconds ahead is behind.
        let ahead = session.session_time.wrapping_sub(now);
        let missed = ahead > u32::MAX / 2;
        let mut answer = SessionAns {
            mc_group_id: session.mc_group_id,
            dr_error: !radio.is_defined(session.dr),
            freq_error: !radio.is_usable(session.dl_frequency),
            mc_group_undefined: slot.is_none(),
            start_missed: missed && self.version == Version::V2,
            time_to_start: None,
        };
        if let Some(group) = slot.filter(|_| answer.is_accepted()) {
            group.session = Some(session);
            // Version 1 cannot say that it is late: it begins at once.
            let seconds = if missed { 0 } else { ahead };
            // TS005-2.0.0 §4.5
            answer.time_to_start = Some(seconds.min(TIME_TO_START_MAX));
        }
        answer
    }
}
