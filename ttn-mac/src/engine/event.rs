//! What happens in the state machine, for events and counters.

use crate::{
    adr::AdrDecision,
    command::{Command, CommandError},
    engine::NoClassB,
    state::DeviceClass,
};

/// Something that happened while a frame was processed or made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MacEvent {
    /// The ADR policy wants other parameters.
    AdrDecided(AdrDecision),
    /// The device answered a request; `accepted` if it does what was asked.
    Answered {
        /// The request.
        request: Command,
        /// The answer.
        answer: Command,
        /// Whether the device does it.
        accepted: bool,
    },
    /// The device answered what was not asked, or not any more.
    AnswerUnexpected(Command),
    /// The device says that it is in class B, but the network cannot reach it there (NS-36).
    ClassBIgnored(NoClassB),
    /// The device listens at other times from now on (NS-35).
    ClassSwitched(DeviceClass),
    /// The network answers a command of the device.
    AnswerQueued(Command),
    /// The device sent a command or an indication.
    Received(Command),
    /// The network asks for something.
    RequestQueued(Command),
    /// A request was not answered in the next uplink (NS-39).
    Unanswered(Command),
    /// The octets of MAC commands could not be read to their end (NS-65).
    Unreadable(CommandError),
    /// A command that is understood but not acted on yet.
    Unsupported(Command),
}

impl MacEvent {
    /// The last part of the event's name, behind `ns.mac.<command>.`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AdrDecided(_) => "adr",
            Self::ClassBIgnored(_) => "class_b.ignored",
            Self::ClassSwitched(DeviceClass::A) => "switch.a",
            Self::ClassSwitched(DeviceClass::B) => "switch.b",
            Self::ClassSwitched(DeviceClass::C) => "switch.c",
            Self::Answered { accepted: true, .. } => "answer.accept",
            Self::Answered { accepted: false, .. } => "answer.reject",
            Self::AnswerUnexpected(_) => "answer.unexpected",
            Self::AnswerQueued(_) => "answer",
            Self::Received(_) => "receive",
            Self::RequestQueued(_) => "request",
            Self::Unanswered(_) => "unanswered",
            Self::Unreadable(_) => "unknown",
            Self::Unsupported(_) => "unsupported",
        }
    }
}
