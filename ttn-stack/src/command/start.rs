//! `ttn-stack start`: the whole stack on real sockets.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use data_encoding::BASE32_NOPAD;
use ttn_as::format::javascript::{Limits, ProcessHost, WorkerCommand};
use ttn_core::{
    clock::{Clock, SystemClock},
    rand::{Entropy, OsEntropy},
    task::Tasks,
};
use ttn_gs::frontend::udp::Transport as _;
use ttn_store_embedded::LocalVault;

use super::demo;
use crate::{
    compose::{HttpSockets, Listeners, MqttSockets, Parts, Stack, Stores, tls::Certificates},
    config::{Config, Store},
};

/// How long tasks may take to end by themselves.
const GRACE: Duration = Duration::from_secs(5);
/// The user that the first start creates.
const ADMIN: &str = "admin";

/// Runs the stack until it is told to stop.
pub(super) async fn run(mut config: Config, with_demo: bool) -> anyhow::Result<()> {
    let _demo_store = if with_demo { Some(DemoStore::take(&mut config)?) } else { None };
    raise_limits();
    let listeners = Listeners::bind(&config).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
    make_private(&config.data)?;
    let stores = Stores::open(&config).await?;
    let vault = LocalVault::load_or_create(config.kek_path(), &*entropy)?;
    let parts = Parts {
        clock: clock.clone(),
        entropy: entropy.clone(),
        stores,
        vault: Arc::new(vault),
        scripts: Arc::new(script_workers(&config, clock.clone())?),
        webhooks: None,
    };
    let udp_port = listeners.udp.local_addr().port();
    let (mqtt_port, http_port) =
        (listeners.mqtt.local_addr()?.port(), listeners.http.local_addr()?.port());
    let certificates = Certificates::load(&config)?;
    let listens = describe(&listeners)?;
    let Listeners { udp, mqtt, mqtt_tls, mqtt_ws, mqtt_wss, grpc, grpc_tls, http, http_tls } =
        listeners;
    let stack = Stack::build(&config, parts, udp).await?;
    let api_key = first_start(&stack, &config, &*entropy).await?;
    let mut tasks = Tasks::new();
    println!(
        "ttn-stack {} listens on {}: {listens}; data in {}{}",
        env!("CARGO_PKG_VERSION"),
        config.listen,
        config.data.display(),
        match &config.store {
            Store::Embedded => String::new(),
            database => format!(" and {database}"),
        },
    );
    stack.start(&mut tasks);
    let mqtt_clients = |listener| MqttSockets::new(listener, clock.clone());
    let tls = certificates.server_config(&[])?;
    stack.serve_mqtt(mqtt_clients(mqtt), &mut tasks);
    stack.serve_mqtt(mqtt_clients(mqtt_tls).tls(&tls), &mut tasks);
    stack.serve_mqtt(mqtt_clients(mqtt_ws).websocket(), &mut tasks);
    stack.serve_mqtt(mqtt_clients(mqtt_wss).tls(&tls).websocket(), &mut tasks);
    let router = stack.api().router();
    let clients = |listener| {
        HttpSockets::new(listener, router.clone(), &config.trusted_proxies, clock.clone())
    };
    let tls = certificates.server_config(&[b"h2", b"http/1.1"])?;
    let stopping = tasks.stopping();
    tasks.spawn("grpc", clients(grpc).serve(stopping.clone()));
    tasks.spawn("grpc-tls", clients(grpc_tls).tls(tls.clone()).serve(stopping.clone()));
    tasks.spawn("http", clients(http).serve(stopping.clone()));
    tasks.spawn("https", clients(http_tls).tls(tls).serve(stopping));
    tasks.spawn("certificates", certificates.watch(clock.clone()));
    if with_demo {
        let key = api_key.context("the demo starts with an empty store")?;
        let ports = demo::Ports { udp: udp_port, mqtt: mqtt_port, http: http_port };
        demo::start(&stack, &key, ports, clock.clone(), &mut tasks).await?;
    }
    let waiting = clock.clone();
    // Reckoned from the moment of stopping: it is polled for the first time then.
    let grace = async move { waiting.sleep_until(waiting.monotonic().plus(GRACE)).await };
    tasks.until_shutdown(stopped(), grace).await?;
    drop(stack);
    Ok(())
}

/// Where the server listens, for people and programs that started it.
fn describe(listeners: &Listeners) -> anyhow::Result<String> {
    let mut text = format!("UDP {}", listeners.udp.local_addr().port());
    let named = [
        ("MQTT", &listeners.mqtt),
        ("MQTTS", &listeners.mqtt_tls),
        ("MQTT-WS", &listeners.mqtt_ws),
        ("MQTT-WSS", &listeners.mqtt_wss),
        ("gRPC", &listeners.grpc),
        ("gRPC-TLS", &listeners.grpc_tls),
        ("HTTP", &listeners.http),
        ("HTTPS", &listeners.http_tls),
    ];
    for (name, listener) in named {
        write!(text, ", {name} {}", listener.local_addr()?.port())?;
    }
    Ok(text)
}

/// Takes as many files and sockets as this process may have: each client is one.
fn raise_limits() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
    }
}

/// Makes the directory of what belongs to this server, for nobody else's eyes.
fn make_private(directory: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.recursive(true).create(directory);
    made.with_context(|| format!("the directory {}", directory.display()))
}

/// Processes of this program that run scripts of payload formatters.
fn script_workers(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<ProcessHost> {
    let program = std::env::current_exe().context("the path of this program")?;
    let command = WorkerCommand { program, arguments: vec!["script-worker".into()] };
    Ok(ProcessHost::new(command, config.formatters.workers.get(), Limits::default(), clock))
}

/// Creates the administrator on the first start and shows his secrets, once. Gives the API key.
async fn first_start(
    stack: &Stack,
    config: &Config,
    entropy: &dyn Entropy,
) -> anyhow::Result<Option<String>> {
    let mut secret = [0; 15];
    entropy.fill(&mut secret);
    let password = BASE32_NOPAD.encode(&secret).to_lowercase();
    let created =
        stack.identity.ensure_admin(&ADMIN.parse()?, &password, "admin@localhost").await?;
    let Some(created) = created else { return Ok(None) };
    stack.identity.ensure_cli_client(&ADMIN.parse()?).await?;
    println!("First start: the store is new. These are shown only once; keep them.");
    println!("  user      {ADMIN}");
    println!("  password  {password}");
    println!("  API key   {}", created.api_key);
    println!("  The key that wraps all keys at rest is in {}.", config.kek_path().display());
    println!("  Back it up with the data: without it, stored keys cannot be read.");
    Ok(Some(created.api_key))
}

/// Ends with SIGINT or SIGTERM.
async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                biased;
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}

/// A directory of its own for one demo, whatever the configuration names: a demo needs an empty store. It is removed at the
/// end.
struct DemoStore(PathBuf);

impl DemoStore {
    fn take(config: &mut Config) -> anyhow::Result<Self> {
        let directory = std::env::temp_dir().join(format!("ttn-demo-{}", std::process::id()));
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("the directory of the demo {}", directory.display()))?;
        config.data = directory.join("data");
        config.kek_file = None;
        config.store = Store::Embedded;
        Ok(Self(directory))
    }
}

impl Drop for DemoStore {
    fn drop(&mut self) {
        // What is left over lies in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
