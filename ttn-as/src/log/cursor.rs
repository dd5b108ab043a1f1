//! Opaque places in the log.

use std::{fmt, str::FromStr};

/// A place in the log. Opaque to everybody but the store that made it; print and parse it to keep it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Cursor(Place);

#[derive(Clone, PartialEq, Eq, Hash, Default)]
enum Place {
    #[default]
    Start,
    End,
    At(Box<[u8]>),
}

impl Cursor {
    /// The longest cursor in octets.
    pub const LENGTH_MAX: usize = 64;

    /// The start: everything that is kept. Never gives a gap.
    #[must_use]
    pub const fn start() -> Self {
        Self(Place::Start)
    }

    /// The end at the time of reading: nothing of what is there.
    #[must_use]
    pub const fn end() -> Self {
        Self(Place::End)
    }

    /// A place of a store; longer ones than [`Self::LENGTH_MAX`] are cut.
    #[must_use]
    pub fn at(place: &[u8]) -> Self {
        let kept = place.get(..Self::LENGTH_MAX).unwrap_or(place);
        Self(Place::At(kept.into()))
    }

    /// A place of a store that numbers its records: behind record `number`.
    #[must_use]
    pub fn behind(number: u64) -> Self {
        Self::at(&number.to_be_bytes())
    }

    /// Whether it is the start.
    #[must_use]
    pub fn is_start(&self) -> bool {
        self.0 == Place::Start
    }

    /// Whether it is the end.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.0 == Place::End
    }

    /// The octets of the store, if it is a place of one.
    #[must_use]
    pub fn place(&self) -> Option<&[u8]> {
        match &self.0 {
            Place::At(place) => Some(place),
            Place::Start | Place::End => None,
        }
    }

    /// The number of [`Self::behind`]; `None` for other places.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        let octets = self.place()?.try_into().ok()?;
        Some(u64::from_be_bytes(octets))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Start => f.write_str("start"),
            Place::End => f.write_str("end"),
            Place::At(place) => {
                f.write_str("c")?;
                f.write_str(&data_encoding::BASE32HEX_NOPAD.encode(place))
            }
        }
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of the application log; read again from `start`")]
#[non_exhaustive]
pub struct ParseCursorError;

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, ParseCursorError> {
        match text {
            "start" => Ok(Self::start()),
            "end" => Ok(Self::end()),
            _ => {
                let place = text.strip_prefix('c').ok_or(ParseCursorError)?;
                let place = data_encoding::BASE32HEX_NOPAD
                    .decode(place.as_bytes())
                    .map_err(|_| ParseCursorError)?;
                if place.len() > Self::LENGTH_MAX {
                    return Err(ParseCursorError);
                }
                Ok(Self::at(&place))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_cursor_parses_to_the_same_place() {
        for cursor in [Cursor::start(), Cursor::end(), Cursor::behind(77), Cursor::at(b"x")] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        assert_eq!(Cursor::behind(77).number(), Some(77));
        assert_eq!("nonsense".parse::<Cursor>(), Err(ParseCursorError));
    }
}
