//! How a store is opened.
#![expect(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "built by other crates")]

/// How a store is opened. The defaults suit a small machine and keep every promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Who commits.
    pub commit: Commit,
    /// What a commit survives.
    pub survives: Survives,
    /// How much memory caches what was read, in octets.
    pub cache_bytes: u64,
    /// How much memory each of the three parts of the engine collects before it writes a table, in octets.
    pub memtable_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            commit: Commit::Thread,
            survives: Survives::PowerLoss,
            cache_bytes: 8 << 20,
            memtable_bytes: 8 << 20,
        }
    }
}

/// Who commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// A thread of the store: batches are grouped, callers go on.
    Thread,
    /// The caller, before `submit` returns: for virtual time, which knows no other threads.
    Inline,
}

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// Loss of power and crashes of the operating system: every commit is synced.
    PowerLoss,
    /// The end of the process, however it ends: commits are handed to the operating system. For simulations.
    ProcessKill,
}
