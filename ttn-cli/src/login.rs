//! Servers by name, with the keys that they take: a file that only its owner can read.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// An API key. It is shown by nothing but [`Self::expose`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiKey(String);

/// A server that somebody logged in to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "what the file says of a server")]
pub struct Login {
    /// Its URL.
    pub url: String,
    /// The key.
    pub api_key: ApiKey,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::exhaustive_structs, reason = "what the file says")]
pub struct Logins {
    /// The name of the server that commands use.
    pub current: Option<String>,
    /// Servers by name.
    pub servers: BTreeMap<String, Login>,
}

/// The name of a server that is given none.
pub const DEFAULT_NAME: &str = "default";

impl ApiKey {
    /// A key as it was given.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

impl From<String> for ApiKey {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Logins {
    /// The file that is used if none is named: `ttn/cli.json` in the user's directory for configuration.
    #[must_use]
    pub fn default_path() -> PathBuf {
        let config = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
        config.or_else(home).unwrap_or_default().join("ttn").join("cli.json")
    }

    /// Reads the file; one that is not there says nothing.
    ///
    /// # Errors
    ///
    /// It cannot be read, or others can.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Credentials { path: path.to_owned(), source };
        let octets = match fs::read(path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
        };
        check_private(path).map_err(failed)?;
        serde_json::from_slice(&octets).map_err(|error| failed(error.into()))
    }

    /// Writes the file with mode 0600; it is the old one or the new one at any moment.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        self.write(path).map_err(|source| Error::Credentials { path: path.to_owned(), source })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(directory) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
            fs::create_dir_all(directory)?;
        }
        let new = path.with_extension("json.new");
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(&new)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(new, path)
    }
}

#[cfg(unix)]
fn check_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::other(format!("others can read it (mode {:03o})", mode & 0o777)))
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins() -> Logins {
        let login = Login { url: "http://a".to_owned(), api_key: ApiKey::new("NNSXS.secret") };
        Logins { current: Some("a".to_owned()), servers: [("a".to_owned(), login)].into() }
    }

    #[test]
    fn what_is_written_is_read_and_only_by_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ttn").join("cli.json");
        assert_eq!(Logins::load(&path).unwrap(), Logins::default());
        logins().save(&path).unwrap();
        assert_eq!(Logins::load(&path).unwrap(), logins());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let error = Logins::load(&path).unwrap_err();
            assert!(error.advice().contains("chmod 600"), "{}", error.advice());
        }
    }

    #[test]
    fn keys_do_not_show() {
        assert!(!format!("{:?}", logins()).contains("secret"));
    }
}
