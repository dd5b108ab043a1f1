//! How long a caller waits: the `grpc-timeout` of a call.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use ttn_core::clock::Clock;
use ttn_proto::rpc::Rpc;
use ttn_proto::status;

/// The most digits of a timeout.
const DIGITS_MAX: usize = 8;

/// The timeout of a call, if it has one that is well-formed.
pub(super) fn of(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Waits for `call`, but not longer than `timeout`.
pub(crate) async fn within<F: Future>(
    timeout: Option<Duration>,
    clock: &dyn Clock,
    call: F,
) -> Option<F::Output> {
    let Some(timeout) = timeout else { return Some(call.await) };
    let end = clock.sleep_until(clock.monotonic().plus(timeout));
    match select(pin!(call), end).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// The answer for a call that took too long.
pub(super) fn exceeded(rpc: &Rpc) -> Status {
    let text = format!("{}.{} took longer than the caller waits", rpc.service, rpc.name);
    status::named(Code::DeadlineExceeded, "pkg/errors", "context_deadline_exceeded", &text, [])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_digits_and_a_unit() {
        let read = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            of(&metadata)
        };
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("150m"), Some(Duration::from_millis(150)));
        for text in ["", "5", "S", "5x", "123456789S", "-5S"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
