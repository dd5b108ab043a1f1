//! Rules of passwords (IS-35).

use ttn_core::error::Attributes;

use crate::config::PasswordRules;

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
    /// Too few special characters.
    #[error("the password needs at least {n} characters that are neither letters nor digits")]
    Special {
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
            Self::Special { .. } => "password_strength_special",
            Self::Uppercase { .. } => "password_strength_uppercase",
        }
    }

    pub(crate) fn attributes(self) -> Attributes {
        match self {
            Self::Digits { n }
            | Self::MaxLength { n }
            | Self::MinLength { n }
            | Self::Special { n }
            | Self::Uppercase { n } => Attributes::from([("n", n.into())]),
            Self::ContainsUserId | Self::EqualsOld => Attributes::new(),
        }
    }
}

/// Checks a new password.
pub(crate) fn check(
    rules: &PasswordRules,
    password: &str,
    user_id: &str,
) -> Result<(), PasswordRule> {
    let length = password.chars().count();
    if length < rules.min_length {
        return Err(PasswordRule::MinLength { n: rules.min_length });
    }
    if length > rules.max_length {
        return Err(PasswordRule::MaxLength { n: rules.max_length });
    }
    let count = |is: fn(char) -> bool| password.chars().filter(|c| is(*c)).count();
    if count(char::is_uppercase) < rules.min_uppercase {
        return Err(PasswordRule::Uppercase { n: rules.min_uppercase });
    }
    if count(char::is_numeric) < rules.min_digits {
        return Err(PasswordRule::Digits { n: rules.min_digits });
    }
    if count(|c| !c.is_alphanumeric()) < rules.min_special {
        return Err(PasswordRule::Special { n: rules.min_special });
    }
    if rules.reject_user_id && password.to_lowercase().contains(user_id) {
        return Err(PasswordRule::ContainsUserId);
    }
    Ok(())
}

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
            let rules = PasswordRules::default();
            assert_eq!(check(&rules, password, "alice"), expected, "{password}");
        }
        let special = PasswordRules { min_special: 2, ..PasswordRules::default() };
        assert_eq!(check(&special, "Correct-horse1", "bob"), Err(PasswordRule::Special { n: 2 }));
        assert!(check(&special, &"A1".repeat(501), "alice").is_err());
    }
}
