//! The certificate of TLS listeners: the one that the configuration names, else one that is made on the first start.
//! Files that change are taken up while the server runs.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use ttn_core::clock::Clock;

use crate::config::Config;

/// A certificate that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// No certificate could be made.
    #[error("no certificate could be made for {host:?} (key `public_host`): {source}")]
    Generate {
        /// The name.
        host: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A file cannot be read or written.
    #[error("{} cannot be read or written: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no PEM.
    #[error("{} (key `{key}`) holds no {what}: {source}", path.display())]
    Pem {
        /// The key of the configuration.
        key: &'static str,
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Certificate and key do not fit.
    #[error("the certificate (key `tls.certificate`) and its key (`tls.key`) cannot be used: {0}")]
    Unusable(#[source] rustls::Error),
}

/// The directory of the certificate that is made, in the directory of the data.
const DIRECTORY: &str = "tls";

/// How often the files are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

/// What TLS listeners present. New connections get what the files held when they were last read and sound.
#[derive(Debug)]
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

/// What the files hold, as far as it can be read.
#[derive(PartialEq, Eq)]
struct Content(Option<Vec<u8>>, Option<Vec<u8>>);

impl Certificates {
    /// Reads the files of the configuration. Without `tls.certificate`, a certificate for `public_host` is made once and
    /// kept in `DATA/tls`.
    ///
    /// # Errors
    ///
    /// A file is missing or wrong; the error names it and its key.
    pub fn load(config: &Config) -> Result<Arc<Self>, TlsError> {
        let (certificate, key) = match (&config.tls.certificate, &config.tls.key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            // The configuration was checked to have both or none.
            _ => own_certificate(config)?,
        };
        let current = RwLock::new(Arc::new(read(&certificate, &key)?));
        Ok(Arc::new(Self { certificate, key, current }))
    }

    /// How to speak TLS with these certificates and one of some protocols (ALPN); any if there are none.
    ///
    /// # Errors
    ///
    /// The library supports no version of TLS.
    pub fn server_config(
        self: &Arc<Self>,
        protocols: &[&[u8]],
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Unusable)?;
        let mut server = builder.with_no_client_auth().with_cert_resolver(self.clone());
        server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(server))
    }

    /// Reads the files again. What was presented before stays if they are not sound.
    ///
    /// # Errors
    ///
    /// A file is missing or wrong; the error names it and its key.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.certificate, &self.key)?;
        *self.current.write() = Arc::new(fresh);
        Ok(())
    }

    /// Takes up files that change, for ever. Certificate and key may be written one after the other: as long as they do
    /// not fit, the old ones stay.
    pub async fn watch(self: Arc<Self>, clock: Arc<dyn Clock>) {
        let mut seen = self.content();
        loop {
            clock.sleep_until(clock.monotonic().plus(WATCH_INTERVAL)).await;
            let content = self.content();
            if content == seen {
                continue;
            }
            seen = content;
            let certificate = self.certificate.display();
            match self.reload() {
                Ok(()) => tracing::info!(%certificate, "TLS listeners present a new certificate"),
                Err(error) => {
                    tracing::error!(%error, "TLS listeners go on with the old certificate");
                }
            }
        }
    }

    fn content(&self) -> Content {
        Content(fs::read(&self.certificate).ok(), fs::read(&self.key).ok())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().clone())
    }
}

/// Checks the files of the configuration, if it names any.
///
/// # Errors
///
/// A file is missing or wrong; the error names it and its key.
pub(crate) fn check(config: &Config) -> Result<(), TlsError> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => read(certificate, key).map(drop),
        _ => Ok(()),
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let wrong =
        |key, what, path: &Path, source| TlsError::Pem { key, what, path: path.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain: Vec<_> =
        chain.map_err(|source| wrong("tls.certificate", "certificate", certificate, source))?;
    if chain.is_empty() {
        let source = pem::Error::NoItemsFound;
        return Err(wrong("tls.certificate", "certificate", certificate, source));
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|source| wrong("tls.key", "private key", key, source))?;
    CertifiedKey::from_der(chain, secret, &ring::default_provider()).map_err(TlsError::Unusable)
}

/// The files of the certificate that is made, and made if it is missing.
fn own_certificate(config: &Config) -> Result<(PathBuf, PathBuf), TlsError> {
    let directory = config.data.join(DIRECTORY);
    let files = (directory.join("certificate.pem"), directory.join("key.pem"));
    // The key is written first: with the certificate, both are there.
    if files.0.exists() {
        return Ok(files);
    }
    let host = config.public_host.clone();
    let names = [host.as_str(), "localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|source| TlsError::Generate { host, source })?;
    let failed = |path: &Path, source| TlsError::Io { path: path.to_owned(), source };
    fs::create_dir_all(&directory).map_err(|source| failed(&directory, source))?;
    write_private(&files.1, &made.signing_key.serialize_pem())
        .map_err(|source| failed(&files.1, source))?;
    write_private(&files.0, &made.cert.pem()).map_err(|source| failed(&files.0, source))?;
    Ok(files)
}

/// Writes a file that nobody else may read, whole or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config { data: directory.path().join("data"), ..Config::default() };
        Certificates::load(&config).unwrap();
        let certificate = directory.path().join("data/tls/certificate.pem");
        let made = fs::read(&certificate).unwrap();
        Certificates::load(&config).unwrap();
        assert_eq!(fs::read(&certificate).unwrap(), made);
        // The same files, named.
        config.tls.certificate = Some(certificate.clone());
        config.tls.key = Some(directory.path().join("data/tls/key.pem"));
        Certificates::load(&config).unwrap();
        config.tls.key = Some(certificate);
        let error = Certificates::load(&config).unwrap_err().to_string();
        assert!(error.contains("tls.key") && error.contains("private key"), "{error}");
    }

    // CLU-08
    #[test]
    fn a_pair_that_does_not_fit_keeps_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let data = |name: &str| Config { data: directory.path().join(name), ..Config::default() };
        let certificates = Certificates::load(&data("a")).unwrap();
        Certificates::load(&data("b")).unwrap();
        let first = certificates.current.read().cert.clone();
        let replace = |file: &str| {
            let to = directory.path().join("a/tls").join(file);
            fs::copy(directory.path().join("b/tls").join(file), to).unwrap();
        };
        replace("certificate.pem");
        let error = certificates.reload().unwrap_err();
        assert!(matches!(error, TlsError::Unusable(_)), "{error}");
        assert_eq!(certificates.current.read().cert, first);
        replace("key.pem");
        certificates.reload().unwrap();
        assert_ne!(certificates.current.read().cert, first);
        fs::write(directory.path().join("a/tls/certificate.pem"), "").unwrap();
        let error = certificates.reload().unwrap_err().to_string();
        assert!(error.contains("tls.certificate"), "{error}");
    }
}
