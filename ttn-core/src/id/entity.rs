//! One newtype per family of entity ids.

use alloc::{string::String, sync::Arc};
use core::{fmt, str::FromStr};

/// An identifier that breaks the rules of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdError {
    /// What was to be parsed.
    pub kind: &'static str,
    /// The text that was refused, cut to 64 characters.
    pub value: String,
}

impl IdError {
    pub(crate) fn new(kind: &'static str, value: &str) -> Self {
        Self { kind, value: value.chars().take(64).collect() }
    }
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no valid {}: use lower-case letters, digits and single dashes between them, \
             at most 36 characters",
            self.value, self.kind
        )
    }
}

impl core::error::Error for IdError {}

/// The longest entity id.
pub(super) const ID_LENGTH_MAX: usize = 36;

fn is_entity_id(text: &str, length_min: usize) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.len() >= length_min
        && bytes.len() <= ID_LENGTH_MAX
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
        && !text.contains("--")
}

fn is_plan_id(text: &str, length_min: usize) -> bool {
    text.len() >= length_min
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

macro_rules! entity_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:ident, $min:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses an identifier.
            ///
            /// # Errors
            ///
            /// The text breaks the rules of this kind of identifier.
            pub fn new(text: &str) -> Result<Self, IdError> {
                if $check(text, $min) { Ok(Self(Arc::from(text))) } else { Err(IdError::new($kind, text)) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                Self::from(&*id.0)
            }
        }
    };
}

entity_id!(
    /// The id of an application.
    ApplicationId, "application id", is_entity_id, 3
);
entity_id!(
    /// The id of an OAuth client.
    ClientId, "client id", is_entity_id, 3
);
entity_id!(
    /// The id of an end device, unique within its application.
    DeviceId, "device id", is_entity_id, 3
);
entity_id!(
    /// The id of a frequency plan, such as `EU_863_870_TTN`.
    FrequencyPlanId, "frequency plan id", is_plan_id, 1
);
entity_id!(
    /// The id of a gateway.
    GatewayId, "gateway id", is_entity_id, 3
);
entity_id!(
    /// The id of an organization.
    OrganizationId, "organization id", is_entity_id, 3
);
entity_id!(
    /// The id of a tenant: a network of its own in a server.
    TenantId, "tenant id", is_entity_id, 3
);
entity_id!(
    /// The id of a user; two characters are enough.
    UserId, "user id", is_entity_id, 2
);

#[cfg(test)]
mod tests {
    use super::*;

    // IS-01
    #[test]
    fn accepts_and_refuses_ids_by_the_rules() {
        for good in ["abc", "a1b", "my-app", "a-b-c", "123"] {
            assert!(ApplicationId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "Abc", "a--b", "-ab", "ab-", "a_b", "a.b", &"a".repeat(37)] {
            assert!(ApplicationId::new(bad).is_err(), "{bad}");
        }
        assert!(UserId::new("ab").is_ok());
        assert!(UserId::new("a").is_err());
    }
}
