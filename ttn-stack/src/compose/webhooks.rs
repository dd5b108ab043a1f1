//! What webhooks need from outside: templates and the way to endpoints.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use ttn_as::{
    api::WebhookTemplate,
    config::WebhookConfig,
    integration::webhook::{TemplateFile, Transport, http::HttpTransport},
};
use ttn_core::net::Reach;

use super::download;
use crate::config::Config;

/// How many templates are read.
const TEMPLATES_MAX: usize = 1000;

pub(super) fn config(config: &Config) -> WebhookConfig {
    let port = config.ports.http.saturating_add(config.ports.offset);
    let default = || format!("http://{}:{port}", config.public_host);
    WebhookConfig {
        public_url: config.webhooks.public_url.clone().unwrap_or_else(default),
        ..WebhookConfig::default()
    }
}

/// Requests over sockets, as far as the configuration allows.
pub(super) fn transport(config: &Config) -> anyhow::Result<Arc<dyn Transport>> {
    let reach = if config.allow_private_targets { Reach::Private } else { Reach::Public };
    let certificates = certificates(config)?;
    let transport = HttpTransport::new(reach, &certificates).context("`webhooks.ca_file`")?;
    Ok(Arc::new(transport))
}

/// The certificates that are trusted besides public ones.
fn certificates(config: &Config) -> anyhow::Result<Vec<u8>> {
    match &config.webhooks.ca_file {
        Some(path) => {
            fs::read(path).with_context(|| format!("`webhooks.ca_file` {}", path.display()))
        }
        None => Ok(Vec::new()),
    }
}

/// Reads templates from a directory, or from a server. A server that does not answer holds up nobody: then there are
/// none, and a warning says so.
pub(super) async fn templates(config: &Config) -> anyhow::Result<Vec<WebhookTemplate>> {
    let Some(source) = config.webhooks.templates.as_deref() else { return Ok(Vec::new()) };
    if !download::is_address(source) {
        return in_directory(Path::new(source));
    }
    // The address is the operator's own, and may be a private one.
    let transport = HttpTransport::new(Reach::Private, &certificates(config)?)?;
    let templates = download::in_time(downloaded(&transport, source)).await;
    Ok(templates.unwrap_or_else(|error| {
        tracing::warn!("no templates of webhooks from {source}: {error:#}");
        Vec::new()
    }))
}

/// The templates that `templates.yml` lists, each in a file of its name.
async fn downloaded(transport: &HttpTransport, base: &str) -> anyhow::Result<Vec<WebhookTemplate>> {
    let list: Vec<String> = serde_saphyr::from_str(&file(transport, base, "templates").await?)
        .context("templates.yml")?;
    ensure!(list.len() <= TEMPLATES_MAX, "more than {TEMPLATES_MAX} templates are listed");
    let mut templates = Vec::with_capacity(list.len());
    for id in list {
        let is_plain = id.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
        ensure!(is_plain, "templates.yml lists {id:?}, which is no id");
        let text = file(transport, base, &id).await?;
        templates.push(parsed(&text).with_context(|| format!("{id}.yml"))?);
    }
    Ok(templates)
}

async fn file(transport: &HttpTransport, base: &str, name: &str) -> anyhow::Result<String> {
    download::text(transport, base, &format!("{name}.yml")).await
}

/// Reads the templates of a directory: every `.yml` file but the list `templates.yml`.
fn in_directory(directory: &Path) -> anyhow::Result<Vec<WebhookTemplate>> {
    let entries = fs::read_dir(directory)
        .with_context(|| format!("`webhooks.templates` {}", directory.display()))?;
    let mut paths =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.retain(|path| {
        path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
            && path.file_stem().is_some_and(|name| name != "templates")
    });
    ensure!(
        paths.len() <= TEMPLATES_MAX,
        "`webhooks.templates` has more than {TEMPLATES_MAX} files"
    );
    paths.sort();
    paths.iter().map(|path| template(path).with_context(|| path.display().to_string())).collect()
}

fn template(path: &Path) -> anyhow::Result<WebhookTemplate> {
    parsed(&fs::read_to_string(path)?)
}

fn parsed(text: &str) -> anyhow::Result<WebhookTemplate> {
    let file: TemplateFile = serde_saphyr::from_str(text)?;
    Ok(file.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "
template-id: my-cloud
name: My Cloud
format: json
base-url: https://example.com/{token}
fields:
- id: token
  name: Token
  secret: true
paths:
  uplink-message: /up
";

    fn config(templates: &str) -> Config {
        let mut config = Config::default();
        config.webhooks.templates = Some(templates.to_owned());
        config
    }

    fn ids(templates: &[WebhookTemplate]) -> Vec<&str> {
        templates.iter().map(|it| it.ids.as_ref().unwrap().template_id.as_str()).collect()
    }

    // AS-43
    #[tokio::test]
    async fn templates_of_a_directory_are_read_in_order_and_a_wrong_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("my-cloud.yml", TEMPLATE);
        write("a-cloud.yml", &TEMPLATE.replace("my-cloud", "a-cloud"));
        write("templates.yml", "- my-cloud\n- a-cloud\n");
        write("readme.md", "# Templates\n");
        let named = config(directory.path().to_str().unwrap());
        assert_eq!(ids(&templates(&named).await.unwrap()), ["a-cloud", "my-cloud"]);
        write("wrong.yml", &TEMPLATE.replace("json", "xml"));
        let error = format!("{:#}", templates(&named).await.unwrap_err());
        assert!(error.contains("wrong.yml") && error.contains("xml"), "{error}");
        assert!(templates(&Config::default()).await.unwrap().is_empty());
        let none = directory.path().join("none");
        templates(&config(none.to_str().unwrap())).await.expect_err("no such directory");
    }

    /// The templates of a server that has these files.
    async fn served(files: &'static [(&'static str, &'static str)]) -> Vec<WebhookTemplate> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/templates/", listener.local_addr().unwrap());
        let routes = files.iter().fold(axum::Router::new(), |routes, (path, text)| {
            routes.route(path, axum::routing::get(move || async move { *text }))
        });
        let config = config(&url);
        tokio::select! {
            templates = templates(&config) => templates.unwrap(),
            ended = axum::serve(listener, routes).into_future() => panic!("{ended:?}"),
        }
    }

    // AS-43
    #[tokio::test]
    async fn templates_of_a_server_are_those_of_its_list() {
        let both = served(&[
            ("/templates/templates.yml", "- my-cloud\n"),
            ("/templates/my-cloud.yml", TEMPLATE),
            ("/templates/other.yml", "not listed"),
        ])
        .await;
        assert_eq!(ids(&both), ["my-cloud"]);
        let wrong: [&'static [(&'static str, &'static str)]; 3] = [
            &[],
            &[("/templates/templates.yml", "- ../../secret\n")],
            &[("/templates/templates.yml", "- missing\n")],
        ];
        for files in wrong {
            assert!(served(files).await.is_empty(), "{files:?}");
        }
        assert!(templates(&config("http://127.0.0.1:1/")).await.unwrap().is_empty());
    }
}
