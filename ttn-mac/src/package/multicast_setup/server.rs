//! The end of the server: a group, and what is known of each member. Own design around the commands of TS005.

use ttn_core::{addr::DevAddr, key::Aes128Key};

use super::{Downlink, GroupSetup, Session, SessionAns, SessionKind, Uplink};
use crate::crypto::multicast::{encrypt_mc_key, mc_app_s_key, mc_nwk_s_key};

/// A group as the server has it.
#[derive(Clone, Debug)]
pub struct Group {
    mc_addr: DevAddr,
    mc_key: Aes128Key,
    f_cnt_end: u32,
}

impl Group {
    /// A group with its address, its key, and the counter at which it ends.
    #[must_use]
    pub const fn new(mc_addr: DevAddr, mc_key: Aes128Key, f_cnt_end: u32) -> Self {
        Self { mc_addr, mc_key, f_cnt_end }
    }

    /// Makes a device a member; `f_cnt_next` is the counter of the next frame, `mc_ke_key` the key of the device.
    #[must_use]
    pub fn setup(&self, mc_group_id: u8, f_cnt_next: u32, mc_ke_key: &Aes128Key) -> Downlink {
        Downlink::McGroupSetupReq(GroupSetup {
            mc_group_id,
            mc_addr: self.mc_addr,
            mc_key_encrypted: encrypt_mc_key(mc_ke_key, &self.mc_key),
            min_mc_f_cnt: f_cnt_next,
            max_mc_f_cnt: self.f_cnt_end,
        })
    }

    /// The key of the payloads of the group.
    #[must_use]
    pub fn mc_app_s_key(&self) -> Aes128Key {
        mc_app_s_key(&self.mc_key, self.mc_addr)
    }

    /// The key that proves the frames of the group.
    #[must_use]
    pub fn mc_nwk_s_key(&self) -> Aes128Key {
        mc_nwk_s_key(&self.mc_key, self.mc_addr)
    }
}

/// What is known of a group in one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    mc_group_id: u8,
    defined: bool,
    session: Option<Session>,
}

/// What a member answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum MemberEvent {
    /// It is in the group.
    Defined,
    /// It is not in the group any more, or never was.
    Deleted,
    /// It does not have as many groups.
    Refused,
    /// It will listen. `clock_error` is by how many seconds it thinks to be earlier than it is: with a large one, let
    /// it synchronize its clock and set the session up again.
    Scheduled {
        /// The seconds.
        clock_error: i64,
    },
    /// It will not listen.
    SessionRefused(SessionAns),
}

impl Member {
    /// A device that was asked to be in a group.
    #[must_use]
    pub const fn new(mc_group_id: u8) -> Self {
        Self { mc_group_id, defined: false, session: None }
    }

    /// Whether it has said that it is in the group.
    #[must_use]
    pub const fn is_defined(&self) -> bool {
        self.defined
    }

    /// The session that was asked for last.
    #[must_use]
    pub const fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Asks for a session in the group of the member.
    #[must_use]
    pub fn schedule(&mut self, session: Session) -> Downlink {
        let session = Session { mc_group_id: self.mc_group_id, ..session };
        self.session = Some(session);
        Downlink::McSessionReq(session)
    }

    /// Takes the member out of the group.
    #[must_use]
    pub const fn delete(&self) -> Downlink {
        Downlink::McGroupDeleteReq { mc_group_id: self.mc_group_id }
    }

    /// Takes a command of the device; `received_at` is when the uplink ended, seconds since the GPS epoch modulo 2^32.
    /// Commands of other groups are left alone.
    pub fn handle(&mut self, received_at: u32, command: &Uplink) -> Option<MemberEvent> {
        match command {
            Uplink::McClassBSessionAns(answer) => self.session_answer(received_at, answer, true),
            Uplink::McClassCSessionAns(answer) => self.session_answer(received_at, answer, false),
            Uplink::McGroupDeleteAns { mc_group_id, .. } if *mc_group_id == self.mc_group_id => {
                *self = Self::new(self.mc_group_id);
                Some(MemberEvent::Deleted)
            }
            Uplink::McGroupSetupAns { mc_group_id, id_error }
                if *mc_group_id == self.mc_group_id =>
            {
                self.defined = !id_error;
                Some(if *id_error { MemberEvent::Refused } else { MemberEvent::Defined })
            }
            Uplink::McGroupDeleteAns { .. }
            | Uplink::McGroupSetupAns { .. }
            | Uplink::McGroupStatusAns { .. }
            | Uplink::PackageVersionAns { .. } => None,
        }
    }

    fn session_answer(
        &mut self,
        received_at: u32,
        answer: &SessionAns,
        class_b: bool,
    ) -> Option<MemberEvent> {
        let asked = self.session?;
        let is_b = matches!(asked.kind, SessionKind::ClassB { .. });
        if answer.mc_group_id != self.mc_group_id || is_b != class_b {
            return None;
        }
        if answer.mc_group_undefined {
            self.defined = false;
        }
        let Some(told) = answer.time_to_start else {
            self.session = None;
            return Some(MemberEvent::SessionRefused(*answer));
        };
        let expected = asked.session_time.wrapping_sub(received_at).cast_signed();
        let clock_error = i64::from(told).saturating_sub(expected.into());
        Some(MemberEvent::Scheduled { clock_error })
    }
}
