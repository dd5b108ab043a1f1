//! What goes wrong when commands of application packages (TS003 to TS006, TS009) are read or built.

use core::fmt;

use super::Version;

/// Octets that are no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// The payload ends within a command.
    Short {
        /// The command.
        cid: u8,
        /// How many octets follow its identifier.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// The command is not known; what follows it cannot be read either.
    Unknown {
        /// The command.
        cid: u8,
    },
    /// A field has a value that is reserved.
    Value {
        /// The command.
        cid: u8,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u8,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { cid, expected, got } => {
                write!(f, "command {cid:#04x} has {expected} octets, and {got} are there")
            }
            Self::Unknown { cid } => write!(f, "command {cid:#04x} is not known"),
            Self::Value { cid, field, value } => {
                write!(f, "command {cid:#04x}: {field} is {value}, which is reserved")
            }
        }
    }
}

impl core::error::Error for ParseError {}

/// A command that does not go onto the wire. What was there stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// A frequency that 24 bits of its unit cannot carry.
    Frequency {
        /// The field.
        field: &'static str,
        /// The frequency in hertz.
        hz: u64,
        /// The unit in hertz.
        step: u32,
    },
    /// A number does not go into its field.
    Value {
        /// The field.
        field: &'static str,
        /// The number.
        value: u64,
        /// The smallest that goes.
        min: u64,
        /// The largest that goes.
        max: u64,
    },
    /// A field or command that does not go with the version: it is there and may not, or it lacks.
    Version {
        /// The field or command.
        field: &'static str,
        /// The version.
        version: Version,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frequency { field, hz, step } => {
                write!(f, "{field} is {hz} Hz, which 24 bits of {step} Hz cannot carry")
            }
            Self::Value { field, value, min, max } => {
                write!(f, "{field} is {value}, not {min} to {max}")
            }
            Self::Version { field, version } => {
                write!(f, "{field} does not go with version {}", version.number())
            }
        }
    }
}

impl core::error::Error for BuildError {}
