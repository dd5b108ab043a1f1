//! A whole stack in this process, served on loopback.

use std::{fs, path::PathBuf, sync::Arc};

use clap::Parser as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};
use ttn_as::format::javascript::{InProcessHost, Limits};
use ttn_cli::{
    api::{Api, Http, Transport},
    command::{Arguments, Connect, run_over},
    error::Error,
    login::ApiKey,
};
use ttn_core::{
    clock::{Clock, SystemClock},
    rand::{Entropy, OsEntropy},
    task::Tasks,
};
use ttn_gs::{config::UdpConfig, frontend::udp::SocketTransport};
use ttn_stack::{
    compose::{Parts, Stack, Stores},
    config::Config,
};
use ttn_store_embedded::{EmbeddedStore, LocalVault, Options};

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) api_key: String,
    pub(crate) directory: TempDir,
    // In the order in which they end.
    _tasks: Tasks,
    _stack: Stack,
    _runtime: Runtime,
}

/// Code and report of an error.
pub(crate) type Failure = (u8, String);

impl Server {
    /// A stack on an empty store, and the key of its administrator.
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (url, api_key, tasks, stack) =
            runtime.block_on(Self::serve(&directory.path().join("data")));
        Self { url, api_key, directory, _tasks: tasks, _stack: stack, _runtime: runtime }
    }

    async fn serve(data: &std::path::Path) -> (String, String, Tasks, Stack) {
        let mut config = Config::default();
        config.data = data.to_owned();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
        let store = EmbeddedStore::open(data, Options::default()).unwrap();
        let vault = LocalVault::load_or_create(config.kek_path(), &*entropy).unwrap();
        let vault = Arc::new(vault);
        let scripts = Arc::new(InProcessHost::new(Limits::default()));
        let stores = Stores::embedded(&store);
        let parts = Parts { clock, entropy, stores, vault, scripts, webhooks: None };
        let udp = UdpConfig::default().receive_buffer;
        let udp = SocketTransport::bind("127.0.0.1:0".parse().unwrap(), udp).unwrap();
        let stack = Stack::build(&config, parts, udp).await.unwrap();
        let admin = "admin".parse().unwrap();
        let created = stack.identity.ensure_admin(&admin, "Secret-1", "a@b.example").await;
        let api_key = created.unwrap().unwrap().api_key;
        let mut tasks = Tasks::new();
        stack.start(&mut tasks);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = stack.api().router();
        tasks.spawn_fallible("http", async move { Ok(axum::serve(listener, router).await?) });
        (url, api_key, tasks, stack)
    }

    /// Runs the client in the name of the administrator.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Result<String, Failure> {
        self.cli_with(&self.api_key, arguments, &connect)
    }

    /// Runs the client; gives the JSON that it wrote.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let all = [&["--json"], arguments].concat();
        serde_json::from_str(&self.cli(&all).unwrap()).unwrap()
    }

    pub(crate) fn cli_with(
        &self,
        api_key: &str,
        arguments: &[&str],
        connect: &Connect,
    ) -> Result<String, Failure> {
        let credentials = self.credentials();
        let mut all = vec!["ttn-cli", "--server", &self.url, "--api-key", api_key, "--credentials"];
        all.push(credentials.to_str().unwrap());
        all.extend(arguments);
        cli(&all, connect)
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.directory.path().join("cli.json")
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The API without the client.
    pub(crate) fn api(&self) -> Api {
        Api::new(&self.url, connect(&self.url).unwrap(), Some(ApiKey::new(&self.api_key)))
    }

    pub(crate) fn create_application(&self) {
        self.cli(&["applications", "create", "app1"]).unwrap();
    }
}

/// Runs the client with all of its arguments.
pub(crate) fn cli(arguments: &[&str], connect: &Connect) -> Result<String, Failure> {
    let arguments = Arguments::try_parse_from(arguments).map_err(|error| (2, error.to_string()))?;
    let json = arguments.json;
    let mut out = Vec::new();
    match run_over(arguments, &mut out, connect) {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(error) => Err((error.code(), error.report(json))),
    }
}

pub(crate) fn connect(url: &str) -> Result<Box<dyn Transport>, Error> {
    Ok(Box::new(Http::new(url).unwrap()))
}
