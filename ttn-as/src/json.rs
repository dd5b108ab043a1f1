//! Messages as JSON of the API. Comes next; nothing reads it yet.

use crate::log::Record;

/// The message as an `ApplicationUp` of the API.
pub(crate) fn application_up(record: &Record) -> Vec<u8> {
    let _ = record;
    Vec::new()
}
