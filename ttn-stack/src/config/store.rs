//! Which store.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};

/// Where everything is stored.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
#[expect(clippy::exhaustive_enums, reason = "matched by embedders")]
pub enum Store {
    /// In the directory `data`.
    #[default]
    Embedded,
    /// In a PostgreSQL database, by its URL. It is shown without its password.
    Postgres(String),
}

/// A text that names no store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a store is `embedded` or `postgres://user:password@host:port/database`")]
#[non_exhaustive]
pub struct NoStore;

impl FromStr for Store {
    type Err = NoStore;

    fn from_str(text: &str) -> Result<Self, NoStore> {
        match text {
            "embedded" => Ok(Self::Embedded),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Self::Postgres(url.to_owned()))
            }
            _ => Err(NoStore),
        }
    }
}

impl TryFrom<String> for Store {
    type Error = NoStore;

    fn try_from(text: String) -> Result<Self, NoStore> {
        text.parse()
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Store {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A URL without the passwords in it.
pub(super) fn without_password(url: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    // A password may have unescaped slashes and question marks only where the URL is wrong.
    let address = match rest.rsplit_once('@') {
        Some((login, host)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}")
        }
        None => address.to_owned(),
    };
    let options = query.split('&').filter(|it| !it.is_empty() && !it.starts_with("password="));
    let query = options.collect::<Vec<_>>().join("&");
    if query.is_empty() { address } else { format!("{address}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://ttn:hunter2@db:5432/ttn", "postgres://ttn@db:5432/ttn"),
            (
                "postgresql://ttn:hunter2@db/ttn?sslmode=disable",
                "postgresql://ttn@db/ttn?sslmode=disable",
            ),
            ("postgres:///ttn?host=/run&password=hunter2", "postgres:///ttn?host=/run"),
            ("postgres://ttn:hunter@2@db/ttn", "postgres://ttn@db/ttn"),
        ] {
            let store: Store = url.parse().unwrap();
            assert_eq!(store.to_string(), shown);
            assert_eq!(format!("{store:?}"), shown);
            assert_eq!(serde_json::to_value(&store).unwrap(), shown);
        }
    }

    #[test]
    fn other_texts_name_no_store() {
        assert_eq!("embedded".parse(), Ok(Store::Embedded));
        assert_eq!("mysql://db".parse::<Store>(), Err(NoStore));
        assert_eq!("".parse::<Store>(), Err(NoStore));
    }
}
