//! Rules of passwords (IS-35).

use ttn_core::error::Attributes;

/// A rule that a new password breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordRule {
    /// The id of the user is part of it.
    #[error("the password contains the user id")]
    ContainsUserId,
    /// Too few digits.
    #[error("the password needs at least {n} digits")]
    Digits {
        /// How many it needs.
        n: usize,
    },
    /// It is the old one.
    #[error("the new password is the old one")]
    EqualsOld,
    /// Too long.
    #[error("the password has more than {n} characters")]
    MaxLength {
        /// How many it may have.
        n: usize,
    },
    /// Too short.
    #[error("the password needs at least {n} characters")]
    MinLength {
        /// How many it needs.
        n: usize,
    },
    /// Too few capital letters.
    #[error("the password needs at least {n} capital letters")]
    Uppercase {
        /// How many it needs.
        n: usize,
    },
}

impl PasswordRule {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ContainsUserId => "password_contains_user_id",
            Self::Digits { .. } => "password_strength_digits",
            Self::EqualsOld => "password_equals_old",
            Self::MaxLength { .. } => "password_strength_max_length",
            Self::MinLength { .. } => "password_strength_min_length",
            Self::Uppercase { .. } => "password_strength_uppercase",
        }
    }

    pub(crate) fn attributes(self) -> Attributes {
        match self {
            Self::Digits { n }
            | Self::MaxLength { n }
            | Self::MinLength { n }
            | Self::Uppercase { n } => Attributes::from([("n", n.into())]),
            Self::ContainsUserId | Self::EqualsOld => Attributes::new(),
        }
    }
}

/// Checks a new password.
pub(crate) fn check(password: &str, user_id: &str) -> Result<(), PasswordRule> {
    let length = password.chars().count();
    if length < LENGTH_MIN {
        return Err(PasswordRule::MinLength { n: LENGTH_MIN });
    }
    if length > LENGTH_MAX {
        return Err(PasswordRule::MaxLength { n: LENGTH_MAX });
    }
    if !password.chars().any(char::is_uppercase) {
        return Err(PasswordRule::Uppercase { n: 1 });
    }
    if !password.chars().any(char::is_numeric) {
        return Err(PasswordRule::Digits { n: 1 });
    }
    if password.to_lowercase().contains(user_id) {
        return Err(PasswordRule::ContainsUserId);
    }
    Ok(())
}

const LENGTH_MIN: usize = 8;
const LENGTH_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    // IS-35
    #[test]
    fn names_the_rule_that_a_password_breaks() {
        let cases = [
            ("Aa3", Err(PasswordRule::MinLength { n: 8 })),
            ("abcdefg1", Err(PasswordRule::Uppercase { n: 1 })),
            ("Abcdefgh", Err(PasswordRule::Digits { n: 1 })),
            ("1Alice-and-bob", Err(PasswordRule::ContainsUserId)),
            ("Correct-horse-1", Ok(())),
        ];
        for (password, expected) in cases {
            assert_eq!(check(password, "alice"), expected, "{password}");
        }
        assert!(check(&"A1".repeat(501), "alice").is_err());
    }
}
