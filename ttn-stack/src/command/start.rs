//! `ttn-stack start`: the whole stack on real sockets.

use std::{fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use ttn_as::format::javascript::{Limits, ProcessHost, WorkerCommand};
use ttn_core::{
    clock::{Clock, SystemClock},
    rand::{Entropy, OsEntropy},
    task::Tasks,
};
use ttn_gs::frontend::udp::{SocketTransport, Transport as _};
use ttn_is::tenant::TenantHost;
use ttn_store_embedded::LocalVault;

use super::{demo, draw_password, make_private};
use crate::{
    compose::{HttpSockets, Listeners, MqttSockets, Parts, Stack, Stores, tls::Certificates},
    config::{Config, Store},
    tenancy::{Shared, Tenants},
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
    let parts = parts(&config, clock.clone(), entropy.clone()).await?;
    let udp_port = listeners.udp.local_addr().port();
    let (mqtt_port, http_port) =
        (listeners.mqtt.local_addr()?.port(), listeners.http.local_addr()?.port());
    let certificates = Certificates::load(&config)?;
    let listens = describe(&listeners)?;
    let Listeners {
        udp,
        mqtt,
        mqtt_tls,
        mqtt_ws,
        mqtt_wss,
        grpc,
        grpc_tls,
        http,
        http_tls,
        interop,
        ..
    } = listeners;
    let (stack, tenants) = build(&config, parts, udp).await?;
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
    let tenants = start_tenants(&stack, tenants, &mut tasks).await?;
    let mut serve_mqtt = |listener| match &tenants {
        Some(tenants) => stack.serve_mqtt_of_tenants(listener, tenants.mqtt(), &mut tasks),
        None => stack.serve_mqtt(listener, &mut tasks),
    };
    let mqtt_clients = |listener| MqttSockets::new(listener, clock.clone());
    let tls = certificates.server_config(&[])?;
    serve_mqtt(mqtt_clients(mqtt));
    serve_mqtt(mqtt_clients(mqtt_tls).tls(&tls));
    serve_mqtt(mqtt_clients(mqtt_ws).websocket());
    serve_mqtt(mqtt_clients(mqtt_wss).tls(&tls).websocket());
    let router = stack.api().router();
    let router = tenants.iter().fold(router, |router, tenants| tenants.router(router));
    let sockets = |listener, router: &axum::Router| {
        HttpSockets::new(listener, router.clone(), &config.trusted_proxies, clock.clone())
    };
    let clients = |listener| sockets(listener, &router);
    let tls = certificates.server_config(&[b"h2", b"http/1.1"])?;
    let stopping = tasks.stopping();
    tasks.spawn("grpc", clients(grpc).serve(stopping.clone()));
    tasks.spawn("grpc-tls", clients(grpc_tls).tls(tls.clone()).serve(stopping.clone()));
    tasks.spawn("http", clients(http).serve(stopping.clone()));
    if let Some(interop) = interop {
        let networks = sockets(interop, &stack.interop(&config));
        tasks.spawn("interop", networks.serve(stopping.clone()));
    }
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

/// What the stack is made of: the store, the key that wraps keys at rest, processes for scripts.
async fn parts(
    config: &Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> anyhow::Result<Parts> {
    make_private(&config.data)?;
    let stores = Stores::open(config).await?;
    let vault = Arc::new(LocalVault::load_or_create(config.kek_path(), &*entropy)?);
    let scripts = Arc::new(script_workers(config, clock.clone())?);
    Ok(Parts { clock, entropy, stores, vault, scripts, webhooks: None })
}

/// Tenants, and the socket that they share.
type WithSocket = (Arc<Tenants>, SocketTransport);

/// Builds the stack; with tenants, the socket of gateways is theirs too.
async fn build(
    config: &Config,
    parts: Parts,
    udp: SocketTransport,
) -> anyhow::Result<(Stack, Option<WithSocket>)> {
    if !config.tenancy.enabled {
        return Ok((Stack::build(config, parts, udp).await?, None));
    }
    let Parts { clock, entropy, scripts, .. } = &parts;
    let shared =
        Shared { clock: clock.clone(), entropy: entropy.clone(), scripts: scripts.clone() };
    let (tenants, transport) = Tenants::new(config, shared, &udp);
    let host: Arc<dyn TenantHost> = tenants.clone();
    let stack = Stack::build_with_tenants(config, parts, transport, Some(host)).await?;
    Ok((stack, Some((tenants, udp))))
}

async fn start_tenants(
    stack: &Stack,
    tenants: Option<WithSocket>,
    tasks: &mut Tasks,
) -> anyhow::Result<Option<Arc<Tenants>>> {
    let Some((tenants, udp)) = tenants else { return Ok(None) };
    tenants.start(&stack.identity, udp, tasks).await?;
    Ok(Some(tenants))
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
    if let Some(interop) = &listeners.interop {
        write!(text, ", interop {}", interop.local_addr()?.port())?;
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

/// Processes of this program that run scripts of payload formatters.
fn script_workers(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<ProcessHost> {
    let program = std::env::current_exe().context("the path of this program")?;
    let command = WorkerCommand { program, arguments: vec!["script-worker".into()] };
    Ok(ProcessHost::new(command, config.formatters.workers.get(), Limits::default(), clock))
}

/// Creates the administrator on the first start and shows his secrets, once. Gives the API key; none if somebody is an
/// administrator already.
async fn first_start(
    stack: &Stack,
    config: &Config,
    entropy: &dyn Entropy,
) -> anyhow::Result<Option<String>> {
    if stack.identity.has_admin().await? {
        return Ok(None);
    }
    let password = draw_password(entropy);
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
