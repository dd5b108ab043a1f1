//! Where scripts run.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ttn_core::{id::ApplicationId, map::Map};

use super::engine::{Engine, Watch};
use crate::format::FormatError;

/// Runs functions of scripts, bounded in time and memory.
#[async_trait]
pub trait ScriptHost: fmt::Debug + Send + Sync + 'static {
    /// Runs a function. The answer is JSON for [`super::result`]: also a script that failed gives one. Safe to drop
    /// halfway: the run ends.
    ///
    /// # Errors
    ///
    /// The host could not run the script to its end.
    async fn run(&self, call: &ScriptCall<'_>) -> Result<Vec<u8>, FormatError>;
}

/// A function to run.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "taken apart by hosts")]
pub struct ScriptCall<'a> {
    /// Whose turn it takes.
    pub application: &'a ApplicationId,
    /// The text of the script.
    pub script: &'a str,
    /// The function.
    pub function: Function,
    /// Its argument.
    pub input: &'a Value,
}

/// The functions of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[repr(u8)]
pub enum Function {
    /// Decodes a downlink.
    DecodeDownlink = 0,
    /// Decodes an uplink, and normalises what it gave.
    DecodeUplink = 1,
    /// Encodes a downlink.
    EncodeDownlink = 2,
}

impl Function {
    /// Its name in scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DecodeDownlink => "decodeDownlink",
            Self::DecodeUplink => "decodeUplink",
            Self::EncodeDownlink => "encodeDownlink",
        }
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::DecodeDownlink),
            1 => Some(Self::DecodeUplink),
            2 => Some(Self::EncodeDownlink),
            _ => None,
        }
    }
}

/// What a script may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Limits {
    /// How much processor time a run may take. A worker that takes ten times as long by the clock is killed.
    pub timeout: Duration,
    /// The memory of a script, in octets.
    pub memory_max: usize,
    /// Its stack, in octets.
    pub stack_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_millis(100), memory_max: 32 << 20, stack_max: 256 << 10 }
    }
}

/// Runs trusted scripts within this process, on the caller's thread.
///
/// A run is bounded by steps instead of time (about as many as take 100 ms), so that the same run ends the same way in
/// virtual time. Some functions of the language cannot be interrupted: a hostile script stops the process.
pub struct InProcessHost {
    engine: Mutex<(Scripts, Engine)>,
}

impl InProcessHost {
    /// Makes a host; the time limit is not used.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let engine = Engine::new(limits, Watch::steps());
        Self { engine: Mutex::new((Scripts::default(), engine)) }
    }
}

#[async_trait]
impl ScriptHost for InProcessHost {
    async fn run(&self, call: &ScriptCall<'_>) -> Result<Vec<u8>, FormatError> {
        let input = call.input.to_string();
        let mut guard = self.engine.lock();
        let (scripts, engine) = &mut *guard;
        let number = scripts.number(call.script);
        if !engine.has(number) {
            engine.add(number, call.script);
        }
        Ok(engine.run(number, call.function, &input))
    }
}

impl fmt::Debug for InProcessHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessHost").finish_non_exhaustive()
    }
}

/// Gives scripts numbers: the same text has the same number, and a number never gets another text.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    numbers: Map<Arc<str>, u64>,
    size: usize,
    last: u64,
}

/// How much text is remembered; then all is forgotten, and scripts get new numbers.
const TEXT_SIZE_MAX: usize = 64 << 20;

impl Scripts {
    pub(super) fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        if self.size + text.len() > TEXT_SIZE_MAX {
            self.numbers.clear();
            self.size = 0;
        }
        self.last += 1;
        self.size += text.len();
        self.numbers.insert(Arc::from(text), self.last);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_never_gets_another_text() {
        let mut scripts = Scripts::default();
        let (a, b) = (scripts.number("a"), scripts.number("b"));
        assert_ne!(a, b);
        assert_eq!(scripts.number("a"), a);
        scripts.number(&"x".repeat(TEXT_SIZE_MAX));
        let again = scripts.number("a");
        assert!(again > b);
        assert_eq!(scripts.numbers.len(), 1, "all was forgotten, twice");
    }
}
