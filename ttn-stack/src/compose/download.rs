//! Files from a server that the operator names: frequency plans, templates of webhooks.

use std::{future::Future, time::Duration};

use anyhow::Context as _;
use ttn_as::integration::webhook::http::HttpTransport;

/// How large a file is at most, in octets.
pub(super) const FILE_SIZE_MAX: usize = 1 << 20;
/// How long all files of a source may take; the start waits for them.
const DURATION_MAX: Duration = Duration::from_secs(20);

/// Whether a source is the address of a server rather than a directory.
pub(super) fn is_address(source: &str) -> bool {
    source.starts_with("https://") || source.starts_with("http://")
}

/// One file of a source as text.
///
/// # Errors
///
/// The address cannot be read, the file is larger than [`FILE_SIZE_MAX`] or no UTF-8; the error names the address.
pub(super) async fn text(
    transport: &HttpTransport,
    base: &str,
    name: &str,
) -> anyhow::Result<String> {
    let url = format!("{}/{name}", base.trim_end_matches('/'));
    let octets = transport.download(url.parse().with_context(|| url.clone())?, FILE_SIZE_MAX).await;
    let octets = octets.with_context(|| url.clone())?;
    String::from_utf8(octets.into()).with_context(|| url)
}

/// Ends a download that takes too long.
///
/// # Errors
///
/// Those of the download, and its end after [`DURATION_MAX`].
pub(super) async fn in_time<T>(
    download: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::time::timeout(DURATION_MAX, download)
        .await
        .unwrap_or_else(|_| anyhow::bail!("it took longer than {DURATION_MAX:?}"))
}
