//! Pub/subs over real brokers, in real time: Debian's `nats-server` and `mosquitto`.
//!
//! Scenarios whose broker is not installed are listed as ignored, and fail if `TTN_REQUIRE` contains `nats-server` or
//! `mosquitto-server`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests stop at the first surprise, and these live in real time"
)]

use std::{
    env,
    net::TcpListener,
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::StreamExt as _;
use libtest_mimic::{Arguments, Failed, Trial};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, PublishOptions, QoS};
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet};
use ttn_as::{
    ApplicationServer, Config, DeviceSessions,
    integration::pubsub::{
        MqttSettings, NatsSettings, Provider, ProviderKind, PubSub, PubSubProvider,
        mqtt::MqttProvider, nats::NatsProvider,
    },
    log::MemoryLog,
    store::{Device, MemoryStore, Session},
    testing,
};
use ttn_core::{
    addr::DevAddr,
    clock::SystemClock,
    event::{Event as Happened, EventSink},
    id::DeviceKey,
    key::Aes128Key,
    msg::{ApplicationBatch, ApplicationUp, Downlink, Up},
    net::Reach,
    peer::{AsNs, Local, NsAs as _, PeerError},
    rand::{Entropy, OsEntropy},
    store::{LaneId, Replaces},
    task::Tasks,
    time::Timestamp,
};

const NATS: &str = "nats-server";
const MOSQUITTO: &str = "mosquitto";
/// How long anything may take before a scenario fails.
const LIMIT: Duration = Duration::from_secs(30);
const REQUEST: &str = r#"{"end_device_ids":{"device_id":"my-dev","application_ids":{"application_id":"my-app"}},"downlinks":[{"f_port":5,"frm_payload":"aGVsbG8="}]}"#;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = vec![
        trial(NATS, "nats-server", "nats_carries_messages_and_downlinks", || run(nats())),
        trial(NATS, "nats-server", "a_private_address_is_out_of_reach", || run(out_of_reach())),
        trial(
            MOSQUITTO,
            "mosquitto-server",
            "mqtt_carries_messages_and_downlinks_at_qos_0",
            || run(mqtt(0)),
        ),
        trial(
            MOSQUITTO,
            "mosquitto-server",
            "mqtt_carries_messages_and_downlinks_at_qos_1",
            || run(mqtt(1)),
        ),
        trial(
            MOSQUITTO,
            "mosquitto-server",
            "mqtt_carries_messages_and_downlinks_at_qos_2",
            || run(mqtt(2)),
        ),
        trial(MOSQUITTO, "mosquitto-server", "mqtt_over_tls_and_websockets", || run(secured())),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(program: &'static str, word: &str, name: &str, scenario: fn()) -> Trial {
    if path(program).is_some() {
        return Trial::test(name, move || {
            scenario();
            Ok(())
        });
    }
    let required = env::var("TTN_REQUIRE").is_ok_and(|list| list.split(',').any(|it| it == word));
    let reason = format!("{program} is not installed");
    Trial::test(format!("{name}: {reason}"), move || Err(Failed::from(reason)))
        .with_ignored_flag(!required)
}

/// Where a program is; brokers are not on everybody's path.
fn path(program: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    places.into_iter().map(|place| place.join(program)).find(|file| file.is_file())
}

fn run(scenario: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT * 2, scenario).await.expect("in time") });
}

/// A broker on a port of its own; it ends with the scenario.
struct Broker {
    port: u16,
    child: Child,
}

/// A way to a broker that can be cut.
struct Way {
    port: u16,
    to: u16,
    tasks: JoinSet<()>,
}

impl Way {
    async fn new(to: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut way = Self { port, to, tasks: JoinSet::new() };
        way.tasks.spawn(forward(listener, to));
        way
    }

    /// Ends every connection; new ones are refused.
    async fn cut(&mut self) {
        self.tasks.shutdown().await;
    }

    async fn mend(&mut self) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.tasks.spawn(forward(listener, self.to));
    }
}

async fn forward(listener: tokio::net::TcpListener, to: u16) {
    let mut connections = JoinSet::new();
    loop {
        let (mut here, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            let Ok(mut there) = TcpStream::connect(("127.0.0.1", to)).await else { return };
            let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
        });
    }
}

impl Broker {
    async fn start(program: &'static str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = spawn(program, port);
        let broker = Self { port, child };
        broker.ready().await;
        broker
    }

    async fn ready(&self) {
        let connect = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, connect).await.expect("a broker that listens");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &'static str, port: u16) -> Child {
    let mut command = Command::new(path(program).unwrap());
    command.args(["-p", &port.to_string()]);
    if program == NATS {
        command.args(["-a", "127.0.0.1"]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A Network Server that tells what is queued.
#[derive(Debug)]
struct Ns(mpsc::UnboundedSender<Downlink>);

#[async_trait]
impl AsNs for Ns {
    async fn push_downlinks(&self, _: &DeviceKey, list: Vec<Downlink>) -> Result<(), PeerError> {
        list.into_iter().for_each(|downlink| self.0.send(downlink).unwrap());
        Ok(())
    }

    async fn replace_downlinks(&self, _: &DeviceKey, _: Vec<Downlink>) -> Result<(), PeerError> {
        Ok(())
    }

    async fn list_downlinks(&self, _: &DeviceKey) -> Result<Vec<Downlink>, PeerError> {
        Ok(Vec::new())
    }
}

/// Tells the events of pub/subs.
#[derive(Debug)]
struct Told(mpsc::UnboundedSender<String>);

impl EventSink for Told {
    fn publish(&self, event: Happened) {
        if event.definition.name.starts_with("as.pubsub") {
            let _ = self.0.send(format!("{} {:?}", event.definition.name, event.data));
        }
    }
}

struct World {
    server: Arc<ApplicationServer>,
    downlinks: mpsc::UnboundedReceiver<Downlink>,
    events: mpsc::UnboundedReceiver<String>,
    _peers: (Arc<Local>, Arc<Ns>),
    _tasks: Tasks,
}

impl World {
    async fn new(reach: Reach) -> Self {
        let log = Arc::new(MemoryLog::new());
        let store = Arc::new(MemoryStore::new(log.clone()));
        let peers = Arc::new(Local::default());
        let (sender, downlinks) = mpsc::unbounded_channel();
        let ns = Arc::new(Ns(sender));
        peers.set_as_ns(&ns);
        let (sender, events) = mpsc::unbounded_channel();
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
        let mqtt: Arc<dyn PubSubProvider> = Arc::new(MqttProvider::new(reach, entropy.clone()));
        let clock = Arc::new(SystemClock::new());
        let server = ApplicationServer::builder(
            Config::default(),
            clock,
            entropy,
            peers.clone(),
            log,
            store,
        )
        .events(Arc::new(Told(sender)))
        .pubsub_provider(ProviderKind::Mqtt, mqtt)
        .pubsub_provider(ProviderKind::Nats, Arc::new(NatsProvider::new(reach)))
        .build();
        server.load().await.unwrap();
        let mut tasks = Tasks::new();
        server.start(&mut tasks);
        let device = Device::new(testing::ids("my-app.my-dev"), Timestamp::UNIX_EPOCH);
        let dev_addr = DevAddr::from_u32(0x2601_0203);
        let mut session = Session::new(testing::session_key_id(), dev_addr);
        session.app_s_key = Some(Aes128Key::new([7; 16]).into());
        let sessions = DeviceSessions { current: Some(session), pending: None };
        server.set_device(device, Some(sessions), Replaces::Nothing).await.unwrap();
        Self { server, downlinks, events, _peers: (peers, ns), _tasks: tasks }
    }

    /// Sets the pub/sub, anew or once more.
    async fn set(&self, provider: Provider) {
        let kinds = [("uplink_message", "up"), ("downlink_push", "push")];
        let topics = kinds.map(|(kind, topic)| (kind.to_owned(), topic.to_owned()));
        let pubsub = PubSub {
            format: "json".to_owned(),
            base_topic: "my-base".to_owned(),
            topics: topics.into(),
            provider: Some(provider),
            ..PubSub::default()
        };
        let application = "my-app".parse().unwrap();
        let set = self.server.set_pubsub(&application, "my-pubsub", &pubsub, Replaces::Any);
        set.await.unwrap();
    }

    fn uplink(&self, f_cnt: u32) {
        let up = Up::Uplink(Box::new(testing::uplink(f_cnt, b"payload")));
        let message = (testing::owned(), ApplicationUp { ..testing::up(up) });
        let batch = ApplicationBatch { lane: LaneId(0), messages: vec![message] };
        self.server.uplinks(batch).unwrap();
    }

    /// Waits for an event of the pub/sub.
    async fn event(&mut self, name: &str) -> String {
        let find = async {
            loop {
                let event = self.events.recv().await.unwrap();
                if event.starts_with(name) {
                    return event;
                }
            }
        };
        tokio::time::timeout(LIMIT, find).await.expect("an event")
    }

    async fn downlink(&mut self) -> Downlink {
        let received = tokio::time::timeout(LIMIT, self.downlinks.recv()).await;
        received.expect("a downlink in time").unwrap()
    }
}

fn f_cnt(payload: &[u8]) -> u64 {
    let json: serde_json::Value = serde_json::from_slice(payload).unwrap();
    json["uplink_message"]["f_cnt"].as_u64().unwrap()
}

// AS-47, AS-50, AS-51
async fn nats() {
    let broker = Broker::start(NATS).await;
    let mut way = Way::new(broker.port).await;
    let server_url = format!("nats://127.0.0.1:{}", way.port);
    let mut world = World::new(Reach::Private).await;
    world.set(Provider::Nats(NatsSettings { server_url })).await;
    world.event("as.pubsub.start").await;

    let url = format!("nats://127.0.0.1:{}", broker.port);
    let client = async_nats::connect(&url).await.unwrap();
    let mut messages = client.subscribe("my-base.>").await.unwrap();
    client.flush().await.unwrap();
    world.uplink(1);
    let message = tokio::time::timeout(LIMIT, messages.next()).await.unwrap().unwrap();
    assert_eq!((message.subject.as_str(), f_cnt(&message.payload)), ("my-base.up", 1));
    client.publish("my-base.push", REQUEST.into()).await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(world.downlink().await.f_port, 5);

    way.cut().await;
    world.event("as.pubsub.fail").await;
    world.uplink(2);
    world.uplink(3);
    way.mend().await;
    let ups = messages.filter(|message| {
        let is_up = message.subject.as_str() == "my-base.up";
        async move { is_up }
    });
    let mut ups = std::pin::pin!(ups);
    for expected in [2, 3] {
        let message = tokio::time::timeout(LIMIT, ups.next()).await.unwrap().unwrap();
        assert_eq!(f_cnt(&message.payload), expected);
    }
}

// DESIGN 8
async fn out_of_reach() {
    let broker = Broker::start(NATS).await;
    let mut world = World::new(Reach::Public).await;
    let server_url = format!("nats://127.0.0.1:{}", broker.port);
    world.set(Provider::Nats(NatsSettings { server_url })).await;
    let event = world.event("as.pubsub.fail").await;
    assert!(event.contains("loopback"), "{event}");
}

async fn subscribe(port: u16) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new("a-test", ("127.0.0.1", port));
    options.set_keep_alive(10).set_clean_session(false);
    let (client, mut events) = AsyncClient::builder(options).capacity(8).build();
    client.subscribe("my-base/up", QoS::ExactlyOnce).await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Incoming::SubAck(_))) {}
    (client, events)
}

async fn next(events: &mut EventLoop) -> (String, u64) {
    let find = async {
        loop {
            if let Event::Incoming(Incoming::Publish(publish)) = events.poll().await.unwrap() {
                let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                return (topic, f_cnt(&publish.payload));
            }
        }
    };
    tokio::time::timeout(LIMIT, find).await.expect("a message")
}

// AS-48, AS-50, AS-51
async fn mqtt(qos: u32) {
    let broker = Broker::start(MOSQUITTO).await;
    let mut way = Way::new(broker.port).await;
    let mut world = World::new(Reach::Private).await;
    world
        .set(Provider::Mqtt(MqttSettings {
            server_url: format!("mqtt://127.0.0.1:{}", way.port),
            subscribe_qos: qos,
            publish_qos: qos,
            ..MqttSettings::default()
        }))
        .await;
    world.event("as.pubsub.start").await;
    let (client, mut events) = subscribe(broker.port).await;
    let up = |f_cnt| ("my-base/up".to_owned(), f_cnt);
    world.uplink(1);
    assert_eq!(next(&mut events).await, up(1));
    let options = PublishOptions::new(QoS::AtLeastOnce);
    client.publish("my-base/push", REQUEST.as_bytes(), options).await.unwrap();
    let polled = async {
        loop {
            events.poll().await.unwrap();
        }
    };
    tokio::select! {
        downlink = world.downlink() => assert_eq!(downlink.f_port, 5),
        () = polled => {}
    }

    way.cut().await;
    world.event("as.pubsub.fail").await;
    world.uplink(2);
    world.uplink(3);
    way.mend().await;
    assert_eq!(next(&mut events).await, up(2));
    assert_eq!(next(&mut events).await, up(3));
}

/// A certificate authority, and certificates of it with their keys, all PEM.
struct Certificates {
    authority: String,
    server: (String, String),
    client: (String, String),
}

impl Certificates {
    fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            // A subject that is the issuer's would make it a certificate that vouches for itself.
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &issuer).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        Self { authority: pem, server: issue("127.0.0.1"), client: issue("client") }
    }
}

/// A broker with listeners that are plain, with TLS and client certificates, with WebSockets, with both.
async fn secure_broker(
    certificates: &Certificates,
    directory: &std::path::Path,
) -> (Broker, [u16; 3]) {
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let authority = write("ca.pem", &certificates.authority);
    let certificate = write("server.pem", &certificates.server.0);
    let key = write("server.key", &certificates.server.1);
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [free(), free(), free(), free()].map(|it| it.local_addr().unwrap().port());
    let [plain, tls, ws, wss] = ports;
    let files = format!("cafile {authority}\ncertfile {certificate}\nkeyfile {key}\n");
    let file = write(
        "mosquitto.conf",
        &format!(
            "user root\nallow_anonymous true\nlistener {plain} 127.0.0.1\n\
             listener {tls} 127.0.0.1\n{files}require_certificate true\n\
             listener {ws} 127.0.0.1\nprotocol websockets\n\
             listener {wss} 127.0.0.1\nprotocol websockets\n{files}"
        ),
    );
    let mut command = Command::new(path(MOSQUITTO).unwrap());
    command.args(["-c", &file]).stdout(Stdio::null()).stderr(Stdio::null());
    let broker = Broker { port: plain, child: command.spawn().unwrap() };
    broker.ready().await;
    (broker, [tls, ws, wss])
}

// AS-48
async fn secured() {
    let certificates = Certificates::new();
    let directory = tempfile::tempdir().unwrap();
    let (broker, [tls, ws, wss]) = secure_broker(&certificates, directory.path()).await;
    let mut world = World::new(Reach::Private).await;
    let (client, mut events) = subscribe(broker.port).await;
    let settings = |server_url: String| MqttSettings {
        server_url,
        publish_qos: 1,
        subscribe_qos: 1,
        ..MqttSettings::default()
    };
    let trusting = |server_url| {
        let tls_ca = certificates.authority.clone().into_bytes();
        MqttSettings { tls_ca, ..settings(server_url) }
    };
    let with_certificate = MqttSettings {
        tls_client_cert: certificates.client.0.clone().into_bytes(),
        tls_client_key: certificates.client.1.clone().into_bytes(),
        ..trusting(format!("mqtts://127.0.0.1:{tls}"))
    };
    let mut with_headers = settings(format!("ws://127.0.0.1:{ws}/mqtt"));
    with_headers.headers.insert("X-Test".to_owned(), "yes".to_owned());
    let reach = [with_certificate, with_headers, trusting(format!("wss://127.0.0.1:{wss}/mqtt"))];
    for (settings, number) in reach.into_iter().zip(1..) {
        let url = settings.server_url.clone();
        world.set(Provider::Mqtt(settings)).await;
        world.event("as.pubsub.start").await;
        world.uplink(number);
        let expected = ("my-base/up".to_owned(), u64::from(number));
        assert_eq!(next(&mut events).await, expected, "{url}");
        let options = PublishOptions::new(QoS::AtLeastOnce);
        client.publish("my-base/push", REQUEST.as_bytes(), options).await.unwrap();
        let polled = async {
            loop {
                events.poll().await.unwrap();
            }
        };
        tokio::select! {
            downlink = world.downlink() => assert_eq!(downlink.f_port, 5, "{url}"),
            () = polled => {}
        }
    }
    let mut replaced = settings(format!("ws://127.0.0.1:{ws}/mqtt"));
    replaced.headers.insert("Sec-WebSocket-Key".to_owned(), "x".to_owned());
    let without = trusting(format!("mqtts://127.0.0.1:{tls}"));
    let mut distrusted = settings(format!("wss://127.0.0.1:{wss}/mqtt"));
    distrusted.tls_ca = Certificates::new().authority.into_bytes();
    for (settings, reason) in [
        (replaced, "Sec-WebSocket-Key"),
        (distrusted, "invalid peer certificate"),
        (without, "CertificateRequired"),
    ] {
        world.set(Provider::Mqtt(settings)).await;
        // One of the settings before may fail once more.
        while !world.event("as.pubsub.fail").await.contains(reason) {}
    }
}
