//! The frequency plans of a network: those built in and, in the public format, its own.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use ttn_as::integration::webhook::http::HttpTransport;
use ttn_core::net::Reach;
use ttn_mac::plan::{self, Plans};

use super::download::{self, FILE_SIZE_MAX};

/// The index of a directory of plans.
const INDEX: &str = "frequency-plans.yml";

/// Reads the plans of a directory, or of a server, that has an index; without one, there are those built in.
///
/// A source that cannot be read is an error: devices with a plan of their own would be without rules.
pub(super) async fn load(source: Option<&str>) -> anyhow::Result<Arc<Plans>> {
    let Some(source) = source else { return Ok(Arc::default()) };
    let own = if download::is_address(source) {
        download::in_time(downloaded(source)).await
    } else {
        let file = |name: &str| read(Path::new(source), name);
        file(INDEX).and_then(|index| parsed(&index, file))
    };
    own.with_context(|| format!("`frequency_plans` {source}"))
}

fn read(directory: &Path, name: &str) -> anyhow::Result<String> {
    let path = directory.join(plain(name)?);
    let context = || path.display().to_string();
    let length = fs::metadata(&path).with_context(context)?.len();
    ensure!(length <= FILE_SIZE_MAX as u64, "{} has more than {FILE_SIZE_MAX} octets", context());
    fs::read_to_string(&path).with_context(context)
}

/// An index names files beside it and nothing else.
fn plain(name: &str) -> anyhow::Result<&str> {
    let is_plain = name.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it));
    ensure!(is_plain && !name.starts_with('.'), "{name:?} in {INDEX} is no name of a file");
    Ok(name)
}

fn parsed(
    index: &str,
    mut file: impl FnMut(&str) -> anyhow::Result<String>,
) -> anyhow::Result<Arc<Plans>> {
    let mut files = BTreeMap::new();
    for name in plan::files(index)? {
        files.insert(name.clone(), file(&name)?);
    }
    let own = plan::load(index, |name| files.get(name).map(String::as_str))?;
    Ok(Arc::new(Plans::new(own)?))
}

async fn downloaded(base: &str) -> anyhow::Result<Arc<Plans>> {
    // The address is the operator's own, and may be a private one.
    let transport = HttpTransport::new(Reach::Private, &[])?;
    let index = download::text(&transport, base, INDEX).await?;
    let mut files = BTreeMap::new();
    for name in plan::files(&index)? {
        let text = download::text(&transport, base, plain(&name)?).await?;
        files.insert(name, text);
    }
    parsed(&index, |name| files.remove(name).with_context(|| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "
- id: MY_BASE
  band-id: EU_863_870
  base-frequency: 868
  file: MY_BASE.yml
- id: MY_VALLEY
  base-id: MY_BASE
  file: MY_VALLEY.yml
";
    const BASE: &str = "
band-id: EU_863_870
uplink-channels:
- frequency: 868100000
  min-data-rate: 0
  max-data-rate: 5
  radio: 0
";
    const VALLEY: &str = "
max-eirp: 7
";

    // NS-107
    #[tokio::test]
    async fn plans_of_a_directory_come_before_those_built_in() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        let source = directory.path().to_str().unwrap();
        let missing = format!("{:#}", load(Some(source)).await.unwrap_err());
        assert!(missing.contains("frequency_plans") && missing.contains(INDEX), "{missing}");
        write(INDEX, OWN);
        write("MY_BASE.yml", BASE);
        write("MY_VALLEY.yml", VALLEY);
        let plans = load(Some(source)).await.unwrap();
        let valley = plans.get("MY_VALLEY").unwrap();
        assert_eq!((valley.uplink_channels.len(), valley.max_eirp), (1, Some(7.0)));
        assert!(plans.get("EU_863_870_TTN").is_ok());
        write("MY_VALLEY.yml", "uplink-channels: 3");
        let wrong = format!("{:#}", load(Some(source)).await.unwrap_err());
        assert!(wrong.contains("MY_VALLEY"), "{wrong}");
        write(INDEX, &OWN.replace("MY_BASE.yml", "../kek"));
        let outside = format!("{:#}", load(Some(source)).await.unwrap_err());
        assert!(outside.contains("no name of a file"), "{outside}");
    }

    // NS-107
    #[tokio::test]
    async fn plans_of_a_server_are_those_of_its_index() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/plans/", listener.local_addr().unwrap());
        let files = [(INDEX, OWN), ("MY_BASE.yml", BASE), ("MY_VALLEY.yml", VALLEY)];
        let routes = files.into_iter().fold(axum::Router::new(), |routes, (path, text)| {
            let path = format!("/plans/{path}");
            routes.route(&path, axum::routing::get(move || async move { text }))
        });
        let none = url.replace("/plans", "/none");
        tokio::select! {
            () = async {
                assert!(load(Some(&url)).await.unwrap().get("MY_VALLEY").is_ok());
                let error = format!("{:#}", load(Some(&none)).await.unwrap_err());
                assert!(error.contains("/none/frequency-plans.yml"), "{error}");
            } => {}
            ended = axum::serve(listener, routes).into_future() => panic!("{ended:?}"),
        }
    }
}
