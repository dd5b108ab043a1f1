//! The end of the device: sessions, answers, blocks.

use alloc::{vec, vec::Vec};

use ttn_core::key::Aes128Key;

use super::{
    Decoder, Downlink, FragmentError, IDENTIFIER, Inserted, Limits, N_MAX, Reception, SESSIONS_MAX,
    Setup, SetupAns, StatusAns, Uplink, parse_downlink,
};
use crate::{
    crypto::{mic_matches, multicast::data_block_mic},
    package::{ParseError, Source, Version},
};

/// The fragmentation sessions of a device: at most [`SESSIONS_MAX`] blocks within [`Limits`] each.
#[derive(Clone, Debug)]
pub struct Device {
    /// The key of version 2; a device without one speaks version 1.
    data_block_int_key: Option<Aes128Key>,
    limits: Limits,
    sessions_max: usize,
    descriptors: Vec<[u8; 4]>,
    sessions: [Option<Session>; SESSIONS_MAX],
    counters: [Option<u16>; SESSIONS_MAX],
}

#[derive(Clone, Debug)]
struct Session {
    setup: Setup,
    progress: Progress,
    received: u16,
    memory_error: bool,
    /// The device told that it has the block, and nobody answered.
    unacknowledged: bool,
}

#[derive(Clone, Debug)]
enum Progress {
    Done { mic_error: bool },
    Receiving(Decoder),
}

/// What to do after a downlink.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Effect {
    /// Send a command; if many devices may do so, after a random time of up to so many seconds.
    Answer {
        /// The command.
        command: Uplink,
        /// The longest delay in seconds, 0 for none.
        delay_s_max: u16,
    },
    /// A block is complete, and in version 2 its integrity is proven.
    Block {
        /// The session, 0 to 3.
        frag_index: u8,
        /// What the block is.
        descriptor: [u8; 4],
        /// The block without padding.
        data: Vec<u8>,
    },
    /// A block is complete but its integrity code does not fit: it is gone.
    Corrupt {
        /// The session, 0 to 3.
        frag_index: u8,
    },
    /// Nothing happened.
    Ignored(Ignored),
}

/// Why nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// The block of the session is complete.
    Complete {
        /// The session, 0 to 3.
        frag_index: u8,
    },
    /// The fragment was not taken.
    Fragment(FragmentError),
    /// The group may not bring fragments to the session.
    Group {
        /// The McGroupID.
        group: u8,
    },
    /// Not a command; what follows it is not read.
    Malformed(ParseError),
    /// The command came to a group and goes to devices one by one only.
    NotForGroups,
    /// There is no such session.
    Session {
        /// The session, 0 to 3.
        frag_index: u8,
    },
}

impl Device {
    /// A device without sessions. With the key of data blocks it speaks version 2, without one version 1.
    #[must_use]
    pub const fn new(data_block_int_key: Option<Aes128Key>, limits: Limits) -> Self {
        Self {
            data_block_int_key,
            limits,
            sessions_max: SESSIONS_MAX,
            descriptors: Vec::new(),
            sessions: [const { None }; SESSIONS_MAX],
            counters: [None; SESSIONS_MAX],
        }
    }

    /// Sets how many sessions there may be, at most [`SESSIONS_MAX`]: those with a lower index.
    #[must_use]
    pub fn with_sessions_max(mut self, sessions_max: usize) -> Self {
        self.sessions_max = sessions_max.min(SESSIONS_MAX);
        self
    }

    /// Takes blocks of these descriptors only; all if there are none.
    #[must_use]
    pub fn with_descriptors(mut self, descriptors: Vec<[u8; 4]>) -> Self {
        self.descriptors = descriptors;
        self
    }

    /// Sets the counters of sessions that were accepted before, from where they outlived a restart.
    #[must_use]
    pub const fn with_session_counters(mut self, counters: [Option<u16>; SESSIONS_MAX]) -> Self {
        self.counters = counters;
        self
    }

    /// The counters of the sessions that were accepted last; keep them over a restart.
    #[must_use]
    pub const fn session_counters(&self) -> [Option<u16>; SESSIONS_MAX] {
        self.counters
    }

    /// The version that the device speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        if self.data_block_int_key.is_some() { Version::V2 } else { Version::V1 }
    }

    /// The numbers of the fragments that a session still misses as they are; `None` without one that is receiving.
    pub fn missing_fragments(&self, frag_index: u8) -> Option<impl Iterator<Item = u16>> {
        match &self.sessions.get(usize::from(frag_index))?.as_ref()?.progress {
            Progress::Receiving(decoder) => Some(decoder.missing_fragments()),
            Progress::Done { .. } => None,
        }
    }

    /// What tells again that a block is there, as long as nobody answered. When and how often is the caller's decision.
    #[must_use]
    pub fn repeat(&self, frag_index: u8) -> Option<Uplink> {
        let session = self.sessions.get(usize::from(frag_index))?.as_ref()?;
        match session.progress {
            Progress::Done { mic_error } if session.unacknowledged => {
                Some(Uplink::FragDataBlockReceivedReq { frag_index, mic_error })
            }
            _ => None,
        }
    }

    /// Takes the commands of a downlink in order.
    pub fn handle(&mut self, source: Source, payload: &[u8]) -> Vec<Effect> {
        let mut effects = Vec::new();
        for command in parse_downlink(self.version(), payload) {
            match command {
                Ok(command) => self.command(source, command, &mut effects),
                Err(error) => effects.push(Effect::Ignored(Ignored::Malformed(error))),
            }
        }
        effects
    }

    fn command(&mut self, source: Source, command: Downlink, effects: &mut Vec<Effect>) {
        // TS004-2.0.0 §3: only these two go to groups.
        let for_groups = matches!(
            command,
            Downlink::DataFragment { .. } | Downlink::FragSessionStatusReq { .. }
        );
        if !for_groups && source != Source::Unicast {
            return effects.push(Effect::Ignored(Ignored::NotForGroups));
        }
        let answer = match command {
            Downlink::DataFragment { frag_index, n, data } => {
                return self.fragment(source, frag_index, n, &data, effects);
            }
            Downlink::FragSessionStatusReq { frag_index, participants } => {
                return effects.push(self.status(source, frag_index, participants));
            }
            Downlink::FragDataBlockReceivedAns { frag_index } => {
                if let Some(session) = self.session(frag_index) {
                    session.unacknowledged = false;
                }
                return;
            }
            Downlink::FragSessionDeleteReq { frag_index } => {
                let slot = self.sessions.get_mut(usize::from(frag_index));
                let session_does_not_exist = slot.and_then(Option::take).is_none();
                Uplink::FragSessionDeleteAns { frag_index, session_does_not_exist }
            }
            Downlink::FragSessionSetupReq(setup) => Uplink::FragSessionSetupAns(self.set_up(setup)),
            Downlink::PackageVersionReq => Uplink::PackageVersionAns {
                identifier: IDENTIFIER,
                version: self.version().number(),
            },
        };
        effects.push(Effect::Answer { command: answer, delay_s_max: 0 });
    }

    fn session(&mut self, frag_index: u8) -> Option<&mut Session> {
        self.sessions.get_mut(usize::from(frag_index))?.as_mut()
    }

    fn set_up(&mut self, setup: Setup) -> SetupAns {
        let index = usize::from(setup.frag_index);
        let decoder = Decoder::new(self.version(), setup.nb_frag, setup.frag_size, self.limits);
        let repeated = self.is_repeated(&setup);
        let counter = self.counters.get(index).copied().flatten();
        // TS004-2.0.0 §3.3
        let replayed = setup
            .integrity
            .is_some_and(|integrity| counter.is_some_and(|last| integrity.session_cnt <= last));
        let unwanted =
            !self.descriptors.is_empty() && !self.descriptors.contains(&setup.descriptor);
        let answer = SetupAns {
            frag_index: setup.frag_index,
            frag_algo_unsupported: setup.frag_algo != 0,
            not_enough_memory: decoder.is_err() || setup.block_length().is_none(),
            frag_index_unsupported: index >= self.sessions_max,
            wrong_descriptor: unwanted,
            session_cnt_replay: replayed,
        };
        // The answer to the same request of version 1 got lost: what came since stays.
        if !answer.is_accepted() || repeated {
            return answer;
        }
        if let (Some(slot), Ok(decoder)) = (self.sessions.get_mut(index), decoder) {
            let progress = Progress::Receiving(decoder);
            let (memory_error, unacknowledged) = (false, false);
            *slot = Some(Session { setup, progress, received: 0, memory_error, unacknowledged });
        }
        if let (Some(counter), Some(integrity)) = (self.counters.get_mut(index), setup.integrity) {
            *counter = Some(integrity.session_cnt);
        }
        answer
    }

    fn is_repeated(&mut self, setup: &Setup) -> bool {
        self.session(setup.frag_index).is_some_and(|session| session.setup == *setup)
    }

    fn status(&mut self, source: Source, frag_index: u8, participants: bool) -> Effect {
        let version = self.version();
        let Some(session) = self.session(frag_index) else {
            let nothing = Effect::Ignored(Ignored::Session { frag_index });
            let status = StatusAns { session_does_not_exist: true, ..StatusAns::default() };
            let command = Uplink::FragSessionStatusAns(status);
            // Version 1 cannot say it; and a whole group need not.
            let answers = version == Version::V2 && source == Source::Unicast;
            return if answers { Effect::Answer { command, delay_s_max: 0 } } else { nothing };
        };
        let (missing, mic_error) = match &session.progress {
            Progress::Receiving(decoder) => (decoder.missing(), false),
            Progress::Done { mic_error } => (0, *mic_error),
        };
        // TS004-2.0.0 §3.2
        if missing == 0 && !participants {
            return Effect::Ignored(Ignored::Complete { frag_index });
        }
        let reception = Reception {
            frag_index,
            nb_frag_received: session.received,
            missing_frag: u8::try_from(missing).unwrap_or(u8::MAX),
        };
        let status = StatusAns {
            memory_error: session.memory_error,
            mic_error,
            session_does_not_exist: false,
            reception: Some(reception),
        };
        let delay_s_max = match source {
            Source::Unicast => 0,
            Source::Multicast(_) => session.setup.answer_delay_s_max(),
        };
        Effect::Answer { command: Uplink::FragSessionStatusAns(status), delay_s_max }
    }

    fn fragment(
        &mut self,
        source: Source,
        frag_index: u8,
        n: u16,
        data: &[u8],
        effects: &mut Vec<Effect>,
    ) {
        let ignored = match self.session(frag_index) {
            None => Ignored::Session { frag_index },
            Some(session) => match session.take(source, n, data) {
                Ok(Some(decoder)) => {
                    let setup = session.setup;
                    return self.complete(&setup, &decoder, effects);
                }
                Ok(None) => return,
                Err(ignored) => ignored,
            },
        };
        effects.push(Effect::Ignored(ignored));
    }

    fn complete(&mut self, setup: &Setup, decoder: &Decoder, effects: &mut Vec<Effect>) {
        let frag_index = setup.frag_index;
        let mut data = decoder.data().unwrap_or_default().to_vec();
        data.truncate(setup.block_length().unwrap_or_default());
        let integrity = setup.integrity.zip(self.data_block_int_key.as_ref());
        let mic_error = integrity.is_some_and(|(integrity, key)| {
            let count = integrity.session_cnt;
            let mic = data_block_mic(key, count, frag_index, setup.descriptor, &data);
            !mic.is_some_and(|mic| mic_matches(&mic, &integrity.mic))
        });
        let tells = setup.integrity.is_some_and(|integrity| integrity.ack_reception);
        if let Some(session) = self.session(frag_index) {
            session.progress = Progress::Done { mic_error };
            session.unacknowledged = tells;
        }
        if tells {
            let command = Uplink::FragDataBlockReceivedReq { frag_index, mic_error };
            // TS004-2.0.0 §3.5: spread over time if groups may have got it.
            let grouped = setup.mc_group_bit_mask != 0;
            let delay_s_max = if grouped { setup.answer_delay_s_max() } else { 0 };
            effects.push(Effect::Answer { command, delay_s_max });
        }
        effects.push(if mic_error {
            Effect::Corrupt { frag_index }
        } else {
            Effect::Block { frag_index, descriptor: setup.descriptor, data }
        });
    }
}

impl Session {
    /// Takes a fragment; gives the decoder when the block is complete.
    fn take(&mut self, source: Source, n: u16, data: &[u8]) -> Result<Option<Decoder>, Ignored> {
        if let Source::Multicast(group) = source
            && self.setup.mc_group_bit_mask.unbounded_shr(group.into()) & 1 == 0
        {
            return Err(Ignored::Group { group });
        }
        let frag_index = self.setup.frag_index;
        let Progress::Receiving(decoder) = &mut self.progress else {
            return Err(Ignored::Complete { frag_index });
        };
        self.received = self.received.saturating_add(1).min(N_MAX);
        match decoder.insert(n, data) {
            Ok(Inserted::Complete) => {
                let done = Progress::Done { mic_error: false };
                match core::mem::replace(&mut self.progress, done) {
                    Progress::Receiving(decoder) => Ok(Some(decoder)),
                    Progress::Done { .. } => Ok(None),
                }
            }
            Ok(Inserted::Missing(_) | Inserted::Redundant) => Ok(None),
            Err(error) => {
                self.memory_error |= matches!(error, FragmentError::Rows { .. });
                Err(Ignored::Fragment(error))
            }
        }
    }
}

impl Effect {
    /// The commands of effects, for those who send at once.
    #[must_use]
    pub fn answers(effects: &[Self]) -> Vec<Uplink> {
        let mut answers = vec![];
        for effect in effects {
            if let Self::Answer { command, .. } = effect {
                answers.push(*command);
            }
        }
        answers
    }
}
