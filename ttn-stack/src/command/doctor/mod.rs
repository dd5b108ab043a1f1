//! `ttn-stack doctor`: what is wrong with this machine, the files, the store and the devices in it, and what to do.
//!
//! Each family of checks is a file; what a check decides is a pure function of what was measured or read.

mod clock;
mod devices;
mod disk;
mod files;
mod keys;
mod ports;
mod repair;
mod server;
mod store;

use std::fmt;

use anyhow::bail;
use serde::Serialize;

use crate::config::Config;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The check: `clock`, `disk`, `files`, `kek`, `tls`, `store`, `devices`, `keys`, `ports`, `gateways` or `codecs`.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is so. Keys are never part of it.
    pub text: String,
    /// What to do; empty if nothing.
    pub fix: String,
}

/// How bad a finding is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Severity {
    /// Something does not work, or is not safe.
    Error,
    /// Something will not work for long, or for somebody.
    Warning,
    /// Something could not be checked.
    Skipped,
    /// All is well.
    Fine,
}

impl Finding {
    fn new(
        check: &'static str,
        severity: Severity,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { check, severity, text: text.into(), fix: fix.into() }
    }

    fn error(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(check, Severity::Error, text, fix)
    }

    fn warning(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(check, Severity::Warning, text, fix)
    }

    fn skipped(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(check, Severity::Skipped, text, fix)
    }

    fn fine(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Severity::Fine, text, "")
    }

    fn print(&self) {
        println!("{:<8} {:<8} {}", self.severity, self.check, self.text);
        if !self.fix.is_empty() {
            println!("{:<17} → {}", "", self.fix);
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "ERROR",
            Self::Warning => "warning",
            Self::Skipped => "skipped",
            Self::Fine => "ok",
        })
    }
}

/// A running server, and in whose name it is asked.
#[derive(Debug, Default, clap::Args)]
#[expect(clippy::exhaustive_structs, reason = "flags")]
pub struct Running {
    /// The running server to ask about gateways and payload formatters; the one of the configuration without it.
    #[arg(long, value_name = "URL", env = "TTN_SERVER")]
    pub server: Option<String>,
    /// The API key of an administrator. Others on this machine see it in the list of processes: better set TTN_API_KEY.
    #[arg(long, value_name = "KEY", env = "TTN_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
}

impl Running {
    fn url(&self, config: &Config) -> String {
        let port = config.ports.http.saturating_add(config.ports.offset);
        self.server.clone().unwrap_or_else(|| format!("http://127.0.0.1:{port}"))
    }
}

/// Runs every check.
pub async fn examine(config: &Config, running: &Running) -> Vec<Finding> {
    let mut findings = clock::check();
    findings.extend(files::check(config));
    findings.extend(disk::check(&config.data));
    findings.extend(ports::check(config));
    let (of_store, inventory) = store::read(config).await;
    findings.extend(of_store);
    if let Some(inventory) = inventory {
        findings.extend(devices::check(&inventory));
        findings.extend(keys::check(&inventory));
    }
    findings.extend(server::check(&running.url(config), running.api_key.as_deref()));
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// What the doctor looks at alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum Alone {
    /// Devices that were created or deleted in part; the server has to be stopped.
    Devices,
}

/// Examines devices, and repairs them if that is wanted.
pub(super) async fn devices(config: &Config, repair: bool) -> anyhow::Result<()> {
    repair::run(config, repair).await
}

/// Examines and prints.
pub(super) async fn run(config: &Config, running: &Running, json: bool) -> anyhow::Result<()> {
    let findings = examine(config, running).await;
    if json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        findings.iter().for_each(Finding::print);
    }
    let errors = findings.iter().filter(|it| it.severity == Severity::Error).count();
    if errors > 0 {
        bail!("{errors} of {} findings are errors", findings.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Method;
    use serde_json::{Value, json};
    use ttn_as::format::javascript::{InProcessHost, Limits};
    use ttn_core::{
        clock::{Clock, SystemClock},
        rand::{Entropy, OsEntropy},
        task::Tasks,
    };
    use ttn_gs::{config::UdpConfig, frontend::udp::SocketTransport};
    use ttn_store_embedded::{EmbeddedStore, LocalVault, Options};

    use super::*;
    use crate::{
        client::Client,
        compose::{Parts, Stack, Stores},
    };

    fn config(directory: &std::path::Path) -> Config {
        Config {
            data: directory.join("data"),
            listen: [127, 0, 0, 1].into(),
            ports: crate::config::Ports {
                udp: 0,
                mqtt: 0,
                mqtt_tls: 0,
                mqtt_ws: 0,
                mqtt_wss: 0,
                grpc: 0,
                grpc_tls: 0,
                http: 0,
                http_tls: 0,
                interop: None,
                offset: 0,
            },
            ..Config::default()
        }
    }

    /// Composes a stack, lets `act` call its API, and closes it.
    async fn with_stack(config: &Config, act: impl AsyncFnOnce(Client)) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
        let store = EmbeddedStore::open(&config.data, Options::default()).unwrap();
        let vault = Arc::new(LocalVault::load_or_create(config.kek_path(), &*entropy).unwrap());
        let scripts = Arc::new(InProcessHost::new(Limits::default()));
        let stores = Stores::embedded(&store);
        let parts = Parts { clock, entropy, stores, vault, scripts, webhooks: None };
        drop(store);
        let address = "127.0.0.1:0".parse().unwrap();
        let udp = SocketTransport::bind(address, UdpConfig::default().receive_buffer).unwrap();
        let stack = Stack::build(config, parts, udp).await.unwrap();
        let admin = "admin".parse().unwrap();
        let created = stack.identity.ensure_admin(&admin, "Secret-1", "a@b.example").await;
        let key = created.unwrap().unwrap().api_key;
        let mut tasks = Tasks::new();
        stack.start(&mut tasks);
        act(stack.client().with_key(&key)).await;
        let now = std::future::ready;
        tasks.until_shutdown(now(()), now(())).await.ok();
        drop(stack);
    }

    async fn create(client: &Client, id: &str, number: u8, app_key: &str) {
        let ids = json!({
            "application_ids": { "application_id": "app1" }, "device_id": id,
            "dev_eui": format!("70B3D57ED00000{number:02X}"), "join_eui": "0000000000000000",
        });
        let path = "/applications/app1/devices";
        client.post(path, json!({ "end_device": { "ids": ids } })).await.unwrap();
        let set = |server: &str, mut device: Value, paths: Value| {
            device["ids"] = ids.clone();
            let path = format!("/{server}{path}/{id}");
            async move {
                let body = json!({ "end_device": device, "field_mask": { "paths": paths } });
                client.put(&path, body).await.unwrap();
            }
        };
        let root_keys = json!({ "root_keys": { "app_key": { "key": app_key } } });
        set("js", root_keys, json!(["root_keys.app_key.key"])).await;
        let settings = json!({
            "frequency_plan_id": "EU_863_870_TTN", "lorawan_version": "MAC_V1_0_3",
            "lorawan_phy_version": "PHY_V1_0_3_REV_A", "supports_join": true,
        });
        let paths =
            json!(["frequency_plan_id", "lorawan_version", "lorawan_phy_version", "supports_join"]);
        set("ns", settings, paths).await;
        let formatters = json!({ "formatters": { "up_formatter": "FORMATTER_CAYENNELPP" } });
        set("as", formatters, json!(["formatters.up_formatter"])).await;
    }

    #[test]
    fn planted_halves_and_weak_keys_are_found_and_keys_are_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let findings = runtime.block_on(async {
            with_stack(&config, async |client| {
                let body = json!({ "application": { "ids": { "application_id": "app1" } } });
                client.post("/users/admin/applications", body).await.unwrap();
                create(&client, "good", 1, "8F3C51D2A9E04B7766C1F00D9B2E4A15").await;
                create(&client, "weak", 2, "000102030405060708090A0B0C0D0E0F").await;
                create(&client, "half", 3, "11C5D2A9E04B7766C1F00D9B2E4A158F").await;
                let path = "/ns/applications/app1/devices/half";
                client.call(Method::DELETE, path, Value::Null).await.unwrap();
            })
            .await;
            examine(&config, &Running::default()).await
        });
        let of = |check: &str| -> Vec<&Finding> {
            findings
                .iter()
                .filter(|it| it.check == check && it.severity < Severity::Skipped)
                .collect()
        };
        let [half] = of("devices")[..] else { panic!("{findings:?}") };
        assert!(
            half.text.contains("app1.half") && half.text.contains("Network Server"),
            "{half:?}"
        );
        let [weak] = of("keys")[..] else { panic!("{findings:?}") };
        assert!(weak.text.contains("app1.weak") && weak.text.contains("AppKey"), "{weak:?}");
        let text = serde_json::to_string(&findings).unwrap();
        assert!(!text.contains("0405060708"), "keys are never shown");
        let findings = runtime.block_on(async {
            repair::run(&config, true).await.unwrap();
            examine(&config, &Running::default()).await
        });
        let whole = findings.iter().find(|it| it.check == "devices").unwrap();
        assert_eq!(whole.text, "all 2 devices are whole");
    }

    #[test]
    fn a_store_that_is_held_is_named_and_a_new_directory_is_fine() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let errors = |findings: &[Finding]| {
            findings.iter().filter(|it| it.severity == Severity::Error).cloned().collect::<Vec<_>>()
        };
        let new: Vec<_> = runtime.block_on(examine(&config, &Running::default()));
        let new: Vec<_> = new.into_iter().filter(|it| it.check != "clock").collect();
        assert_eq!(errors(&new), []);
        assert!(!config.data.exists(), "the doctor makes nothing");
        let held = EmbeddedStore::open(&config.data, Options::default()).unwrap();
        let findings = runtime.block_on(examine(&config, &Running::default()));
        let of_store: Vec<_> = findings.iter().filter(|it| it.check == "store").collect();
        assert!(of_store[0].text.contains("in use"), "{of_store:?}");
        drop(held);
    }
}
