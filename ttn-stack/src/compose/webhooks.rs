//! What webhooks need from outside: templates and the way to endpoints.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use ttn_as::{
    api::WebhookTemplate,
    config::WebhookConfig,
    integration::webhook::{TemplateFile, Transport, http::HttpTransport},
};
use ttn_core::net::Reach;

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
    let certificates = match &config.webhooks.ca_file {
        Some(path) => {
            fs::read(path).with_context(|| format!("`webhooks.ca_file` {}", path.display()))?
        }
        None => Vec::new(),
    };
    let transport = HttpTransport::new(reach, &certificates).context("`webhooks.ca_file`")?;
    Ok(Arc::new(transport))
}

/// Reads the templates of a directory: every `.yml` file but the list `templates.yml`.
pub(super) fn templates(directory: Option<&Path>) -> anyhow::Result<Vec<WebhookTemplate>> {
    let Some(directory) = directory else { return Ok(Vec::new()) };
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
    let file: TemplateFile = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
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

    // AS-43
    #[test]
    fn templates_of_a_directory_are_read_in_order_and_a_wrong_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("my-cloud.yml", TEMPLATE);
        write("a-cloud.yml", &TEMPLATE.replace("my-cloud", "a-cloud"));
        write("templates.yml", "- my-cloud\n- a-cloud\n");
        write("readme.md", "# Templates\n");
        let read = templates(Some(directory.path())).unwrap();
        let ids = read.iter().map(|it| it.ids.as_ref().unwrap().template_id.as_str());
        assert_eq!(ids.collect::<Vec<_>>(), ["a-cloud", "my-cloud"]);
        write("wrong.yml", &TEMPLATE.replace("json", "xml"));
        let error = format!("{:#}", templates(Some(directory.path())).unwrap_err());
        assert!(error.contains("wrong.yml") && error.contains("xml"), "{error}");
        assert!(templates(None).unwrap().is_empty());
        templates(Some(&directory.path().join("none"))).expect_err("no such directory");
    }
}
