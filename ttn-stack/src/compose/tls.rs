//! The certificate of TLS listeners: the one that the configuration names, else one that is made on the first start.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
};

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

/// What TLS listeners present. Without `tls.certificate`, a certificate for `public_host` is made once and kept in
/// `DATA/tls`.
///
/// # Errors
///
/// A file is missing or wrong; the error names it and its key.
pub fn server_config(config: &Config) -> Result<Arc<ServerConfig>, TlsError> {
    let (certificate, key) = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        // The configuration was checked to have both or none.
        _ => own_certificate(config)?,
    };
    let wrong =
        |key, what, path: &Path, source| TlsError::Pem { key, what, path: path.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(&certificate).and_then(Iterator::collect);
    let chain: Vec<_> =
        chain.map_err(|source| wrong("tls.certificate", "certificate", &certificate, source))?;
    let secret = PrivateKeyDer::from_pem_file(&key)
        .map_err(|source| wrong("tls.key", "private key", &key, source))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Unusable)?;
    let server = builder.with_no_client_auth().with_single_cert(chain, secret);
    Ok(Arc::new(server.map_err(TlsError::Unusable)?))
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
        server_config(&config).unwrap();
        let certificate = directory.path().join("data/tls/certificate.pem");
        let made = fs::read(&certificate).unwrap();
        server_config(&config).unwrap();
        assert_eq!(fs::read(&certificate).unwrap(), made);
        // The same files, named.
        config.tls.certificate = Some(certificate.clone());
        config.tls.key = Some(directory.path().join("data/tls/key.pem"));
        server_config(&config).unwrap();
        config.tls.key = Some(certificate);
        let error = server_config(&config).unwrap_err().to_string();
        assert!(error.contains("tls.key") && error.contains("private key"), "{error}");
    }
}
