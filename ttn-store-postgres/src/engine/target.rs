//! Which database: its URL.

use std::{path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;
use tokio_postgres::config::{Config, Host, SslMode};
use ttn_core::store::{StoreError, StoreErrorKind};

use super::tls::Tls;

/// A database, with its password: never shown.
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) tls: Tls,
    /// Which database it is, for errors: without user and password.
    pub(super) name: String,
}

impl Target {
    /// Reads `postgres://user:password@host:port/database?…`. `sslmode` is `disable`, or `require` with a checked
    /// certificate; by default `disable` for a socket and this machine, else `require`. `sslrootcert` names the file of
    /// the certificates that are trusted instead of public ones. Everything else is libpq's.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let refused =
            |why: &str| StoreError::new(StoreErrorKind::Io, format!("the database: {why}, which"));
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut rest = Vec::new();
        let (mut ssl_mode, mut root_file) = (None, None);
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslmode", mode)) => ssl_mode = Some(mode),
                Some(("sslrootcert", file)) => {
                    root_file =
                        Some(PathBuf::from(percent_decode_str(file).decode_utf8_lossy().as_ref()));
                }
                _ => rest.push(option),
            }
        }
        let url = format!("{address}?{}", rest.join("&"));
        // The error of the parser does not repeat the URL.
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            refused("its URL is not `postgres://user:password@host:port/database`").caused_by(error)
        })?;
        let needs_tls = match ssl_mode {
            None => config.get_hosts().iter().any(is_remote),
            Some("disable") => false,
            Some("require" | "verify-full") => true,
            Some(_) => return Err(refused("its sslmode is neither `disable` nor `require`")),
        };
        let tls = if needs_tls { Tls::trusting(root_file.as_deref())? } else { Tls::none() };
        config.ssl_mode(if needs_tls { SslMode::Require } else { SslMode::Disable });
        config.connect_timeout(CONNECT_MAX);
        config.keepalives_idle(KEEPALIVE);
        if config.get_application_name().is_none() {
            config.application_name("ttn-stack");
        }
        let name = name(&config);
        Ok(Self { config, tls, name })
    }
}

fn is_remote(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let address = name.parse().map(|ip: std::net::IpAddr| ip.is_loopback());
            !address.unwrap_or(name == "localhost")
        }
        #[cfg(unix)]
        Host::Unix(_) => false,
    }
}

fn name(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or_else(|| config.get_user()).unwrap_or("(unnamed)");
    format!("the database {database} at {host}:{port}")
}

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// After which silence a connection is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_left_out_on_this_machine_only() {
        for (url, mode) in [
            ("postgres://ttn@localhost/ttn", SslMode::Disable),
            ("postgresql:///ttn?host=/run/postgresql", SslMode::Disable),
            ("postgres://ttn@db.example.com/ttn", SslMode::Require),
            ("postgres://ttn@db.example.com/ttn?sslmode=disable", SslMode::Disable),
            ("postgres://ttn@127.0.0.1/ttn?sslmode=require", SslMode::Require),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.config.get_ssl_mode(), mode, "{url}");
        }
        let name =
            Target::parse("postgres://ttn:secret@db:5433/lora?sslmode=disable").unwrap().name;
        assert_eq!(name, "the database lora at db:5433");
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for url in [
            "postgres://ttn:hunter2@db/ttn?sslmode=prefer",
            "postgres://ttn:hunter2@db:x/ttn",
            "postgres://ttn:hunter2@db/ttn?what=ever",
            "postgres://ttn:hunter2@db/ttn?sslrootcert=/nowhere/ca.pem",
        ] {
            let error = Target::parse(url).err().unwrap().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
