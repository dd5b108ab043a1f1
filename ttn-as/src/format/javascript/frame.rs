//! What a server and its script workers say to each other: frames of a length (4 octets, little-endian) and that many
//! octets, first a tag.

use super::host::{Function, Limits};
use crate::format::SCRIPT_SIZE_MAX;

/// The largest frame to a worker: a script and its input.
pub(super) const REQUEST_MAX: usize = SCRIPT_SIZE_MAX + (1 << 20);
/// The largest frame of a worker.
pub(super) const RESPONSE_MAX: usize = 2 << 20;

/// What a worker is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    /// Run a function of a script. `text` comes with the first call.
    Call { number: u64, text: Option<&'a str>, function: Function, input: &'a str },
    /// What scripts may use up; the first frame.
    Setup(Limits),
}

/// What a worker answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response<'a> {
    /// The answer of a call.
    Done(&'a [u8]),
    /// The script must come with its text.
    Missing,
    /// The worker waits for calls.
    Ready,
    /// A script that came with its text is compiled, and runs now.
    Started,
}

impl<'a> Request<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut octets = vec![0; 4];
        match self {
            Self::Call { number, text, function, input } => {
                octets.extend([b'C', *function as u8, u8::from(text.is_some())]);
                octets.extend(number.to_le_bytes());
                let text = text.unwrap_or_default();
                octets.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                octets.extend(text.as_bytes());
                octets.extend(input.as_bytes());
            }
            Self::Setup(limits) => {
                octets.push(b'S');
                octets.extend(serde_json::to_vec(limits).unwrap_or_default());
            }
        }
        sized(octets)
    }

    /// The request of a frame's octets.
    pub(super) fn decode(octets: &'a [u8]) -> Option<Self> {
        match octets.split_first()? {
            (b'C', rest) => {
                let ([function, has_text], rest) = rest.split_first_chunk()?;
                let (number, rest) = rest.split_first_chunk()?;
                let (length, rest) = rest.split_first_chunk()?;
                let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
                let (text, input) = rest.split_at_checked(length)?;
                let text = str::from_utf8(text).ok()?;
                Some(Self::Call {
                    number: u64::from_le_bytes(*number),
                    text: (*has_text != 0).then_some(text),
                    function: Function::from_number(*function)?,
                    input: str::from_utf8(input).ok()?,
                })
            }
            (b'S', rest) => serde_json::from_slice(rest).ok().map(Self::Setup),
            _ => None,
        }
    }
}

impl<'a> Response<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut octets = vec![0; 4];
        match self {
            Self::Done(answer) => {
                octets.push(b'D');
                octets.extend(*answer);
            }
            Self::Missing => octets.push(b'M'),
            Self::Ready => octets.push(b'R'),
            Self::Started => octets.push(b'T'),
        }
        sized(octets)
    }

    /// The response of a frame's octets.
    pub(super) fn decode(octets: &'a [u8]) -> Option<Self> {
        match octets.split_first()? {
            (b'D', answer) => Some(Self::Done(answer)),
            (b'M', []) => Some(Self::Missing),
            (b'R', []) => Some(Self::Ready),
            (b'T', []) => Some(Self::Started),
            _ => None,
        }
    }
}

/// Fills in the length.
fn sized(mut octets: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(octets.len().saturating_sub(4)).unwrap_or(u32::MAX);
    if let Some(head) = octets.first_chunk_mut() {
        *head = length.to_le_bytes();
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_encoding() {
        let function = Function::EncodeDownlink;
        for request in [
            Request::Call { number: 7, text: Some("x"), function, input: "{}" },
            Request::Call { number: u64::MAX, text: None, function, input: "" },
            Request::Setup(Limits::default()),
        ] {
            let octets = request.encode();
            assert_eq!(Request::decode(&octets[4..]), Some(request));
        }
        for response in
            [Response::Done(b"{}"), Response::Missing, Response::Ready, Response::Started]
        {
            let octets = response.encode();
            assert_eq!(octets[0] as usize, octets.len() - 4);
            assert_eq!(Response::decode(&octets[4..]), Some(response));
        }
    }

    #[test]
    fn cut_frames_are_refused() {
        let function = Function::DecodeUplink;
        let octets = Request::Call { number: 7, text: Some("abc"), function, input: "" }.encode();
        for end in 4..octets.len() {
            assert_eq!(Request::decode(&octets[4..end]), None);
        }
        assert_eq!(Response::decode(b"X"), None);
    }
}
