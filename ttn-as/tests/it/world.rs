//! A server with fakes around it.

use std::{
    collections::BTreeMap,
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use parking_lot::Mutex;
use rmqtt_codec::{
    types::{Publish, QoS},
    v3::{Codec, Connect, ConnectAck, ConnectAckReason, Packet, SubscribeReturnCode},
};
use tokio::io::DuplexStream;
use tokio_util::codec::Framed;
use ttn_as::{
    ApplicationServer, Config, DeviceSessions,
    format::Formatter,
    integration::mqtt::{
        memory::{self, MemoryClients},
        serve,
    },
    log::{ApplicationLog, Cursor, LogBatch, LogFilter, LogRecord, MemoryLog, Retention},
    store::{Device, FormatterKind, Formatters, MemoryStore, Session},
    testing,
};
use ttn_core::{
    addr::DevAddr,
    auth::{AccessDenied, Caller, Credentials, Principal, Right, Rights},
    clock::{Clock, SystemClock},
    error::{ErrorBody, ErrorKind},
    eui::{DevEui, GatewayEui, JoinEui},
    event::{Event, EventBus, EventSink, Subscription},
    id::{ApplicationId, DeviceIds, DeviceKey, EntityId, GatewayId},
    key::{Aes128Key, KeyEnvelope, SessionKeyId},
    limit::{LimitState, RateLimiter},
    msg::{ApplicationBatch, ApplicationUp, Downlink, Up, UplinkUp},
    peer::{
        Access, ApplicationInfo, AsJs, AsNs, DeviceInfo, DeviceUpdate, Directory, GatewayInfo,
        Local, NsAs as _, PeerError,
    },
    rand::OsEntropy,
    store::{Durable, LaneId, Position, Refused, Replaces, StoreError, Watermark},
    task::Tasks,
    time::{Monotonic, Timestamp},
};
use ttn_mac::{command::Direction, crypto::payload::encrypt_frm_payload};

pub(crate) const APP_S_KEY: [u8; 16] = [7; 16];

pub(crate) fn dev_addr() -> DevAddr {
    DevAddr::from_u32(0x2601_0203)
}

pub(crate) fn device() -> DeviceKey {
    "my-app.my-dev".parse().unwrap()
}

pub(crate) fn key_id(name: &str) -> SessionKeyId {
    SessionKeyId::new(name.as_bytes()).unwrap()
}

pub(crate) fn crypt(direction: Direction, f_cnt: u32, payload: &[u8]) -> Vec<u8> {
    let mut octets = payload.to_vec();
    let key = Aes128Key::new(APP_S_KEY);
    encrypt_frm_payload(&key, direction, dev_addr(), f_cnt, &mut octets);
    octets
}

/// A Network Server that keeps what it is told.
#[derive(Debug, Default)]
pub(crate) struct FakeNs {
    pub(crate) pushed: Mutex<Vec<Downlink>>,
    pub(crate) replaced: Mutex<Vec<Downlink>>,
    /// Answers in order; then everything is taken.
    pub(crate) answers: Mutex<Vec<PeerError>>,
}

#[async_trait]
impl AsNs for FakeNs {
    async fn push_downlinks(&self, _: &DeviceKey, list: Vec<Downlink>) -> Result<(), PeerError> {
        if let Some(error) = self.answers.lock().pop() {
            return Err(error);
        }
        self.pushed.lock().extend(list);
        Ok(())
    }

    async fn replace_downlinks(&self, _: &DeviceKey, list: Vec<Downlink>) -> Result<(), PeerError> {
        *self.replaced.lock() = list;
        Ok(())
    }

    async fn list_downlinks(&self, _: &DeviceKey) -> Result<Vec<Downlink>, PeerError> {
        Ok(self.pushed.lock().clone())
    }
}

/// A Join Server that knows some keys, and may be away.
#[derive(Debug, Default)]
pub(crate) struct FakeJs {
    pub(crate) keys: Mutex<BTreeMap<SessionKeyId, KeyEnvelope>>,
    pub(crate) away: Mutex<bool>,
}

#[async_trait]
impl AsJs for FakeJs {
    async fn app_s_key(
        &self,
        _: JoinEui,
        _: DevEui,
        id: &SessionKeyId,
    ) -> Result<KeyEnvelope, PeerError> {
        if *self.away.lock() {
            return Err(PeerError::Unavailable { relation: "AsJs" });
        }
        self.keys.lock().get(id).cloned().ok_or_else(|| {
            let (namespace, name) = ("pkg/joinserver", "session_not_found");
            let body = ErrorBody::new(namespace, name, ErrorKind::NotFound, "no such session");
            PeerError::Rejected(Box::new(body))
        })
    }
}

/// An Identity Server that knows the keys `full`, `read` and `write`, and may be away.
#[derive(Debug, Default)]
pub(crate) struct FakeAccess {
    pub(crate) away: Mutex<bool>,
    /// Keys that were deleted.
    pub(crate) revoked: Mutex<Vec<String>>,
}

/// Virtual time since a fixed day, some days after the messages of these tests.
#[derive(Debug)]
struct TestClock(SystemClock);

impl Clock for TestClock {
    fn utc(&self) -> Timestamp {
        let passed = i64::try_from(self.0.monotonic().nanos()).unwrap();
        Timestamp::from_unix_nanos(1_795_300_000_000_000_000 + passed)
    }

    fn monotonic(&self) -> Monotonic {
        self.0.monotonic()
    }

    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()> {
        self.0.sleep_until(deadline)
    }
}

/// A rate limiter that refuses some classes and keys.
#[derive(Debug, Default)]
pub(crate) struct FakeLimiter {
    pub(crate) refused: Mutex<Vec<(&'static str, &'static str)>>,
}

#[async_trait]
impl RateLimiter for FakeLimiter {
    async fn take(&self, class: &str, key: &str) -> Option<LimitState> {
        let allowed = !self.refused.lock().contains(&(class, key));
        let (reset_after, retry_after) = <(Duration, Duration)>::default();
        Some(LimitState { allowed, limit: 1, available: 0, reset_after, retry_after })
    }
}

#[async_trait]
impl Access for FakeAccess {
    async fn principal(&self, credentials: &Credentials) -> Result<Principal, PeerError> {
        if *self.away.lock() {
            return Err(PeerError::Unavailable { relation: "Access" });
        }
        let Credentials::Bearer(key) = credentials else { panic!("a password is a bearer") };
        if self.revoked.lock().contains(key) {
            return Err(PeerError::rejected(&AccessDenied::Unauthenticated));
        }
        let rights = match key.as_str() {
            "full" => [Right::ApplicationTrafficRead, Right::ApplicationTrafficDownWrite].into(),
            "read" => vec![Right::ApplicationTrafficRead],
            "write" => vec![Right::ApplicationTrafficDownWrite],
            "settings" => vec![Right::ApplicationSettingsBasic, Right::ApplicationTrafficRead],
            _ => return Err(PeerError::rejected(&AccessDenied::Unauthenticated)),
        };
        let entity = EntityId::Application("my-app".parse().unwrap());
        let rights = rights.into_iter().collect();
        let mut principal = Principal::anonymous();
        principal.caller = api_key(entity, rights);
        principal.universal = rights;
        Ok(principal)
    }

    async fn rights_of(&self, caller: &Principal, entity: &EntityId) -> Result<Rights, PeerError> {
        let is_own = *entity == EntityId::Application("my-app".parse().unwrap());
        Ok(if is_own { caller.universal } else { Rights::NONE })
    }
}

/// Remembers the names of events.
#[derive(Debug, Default)]
struct Recorder {
    names: Mutex<Vec<String>>,
    bus: EventBus,
}

impl EventSink for Recorder {
    fn publish(&self, event: Event) {
        self.names.lock().push(event.definition.name.to_owned());
        self.bus.publish(event);
    }
}

/// An Identity Server that knows one device, and keeps what it is told.
#[derive(Debug, Default)]
pub(crate) struct FakeDirectory {
    pub(crate) info: Mutex<Option<DeviceInfo>>,
    pub(crate) updates: Mutex<Vec<DeviceUpdate>>,
    pub(crate) asked: AtomicUsize,
    pub(crate) away: Mutex<bool>,
}

#[async_trait]
impl Directory for FakeDirectory {
    async fn gateway_by_eui(&self, _: GatewayEui) -> Result<Option<GatewayInfo>, PeerError> {
        Ok(None)
    }

    async fn gateway(&self, _: &GatewayId) -> Result<Option<GatewayInfo>, PeerError> {
        Ok(None)
    }

    async fn application(&self, _: &ApplicationId) -> Result<Option<ApplicationInfo>, PeerError> {
        Ok(None)
    }

    async fn device_ids_by_euis(
        &self,
        _: JoinEui,
        _: DevEui,
    ) -> Result<Option<DeviceIds>, PeerError> {
        Ok(None)
    }

    async fn device(&self, _: &DeviceKey) -> Result<Option<DeviceInfo>, PeerError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *self.away.lock() {
            std::future::pending::<()>().await;
        }
        Ok(self.info.lock().clone())
    }

    async fn update_device(&self, _: &DeviceKey, update: DeviceUpdate) -> Result<(), PeerError> {
        if *self.away.lock() {
            return Err(PeerError::Unavailable { relation: "Directory" });
        }
        self.updates.lock().push(update);
        Ok(())
    }

    async fn report_last_seen(&self, _: Vec<(DeviceKey, Timestamp)>) -> Result<(), PeerError> {
        Ok(())
    }
}

fn api_key(entity: EntityId, rights: Rights) -> Caller {
    Caller::ApiKey { entity, id: "KEY".to_owned(), rights }
}

/// A log whose durability is held back until it is let go.
#[derive(Debug)]
pub(crate) struct HeldLog {
    inner: Arc<MemoryLog>,
    held: Mutex<(bool, Vec<std::task::Waker>)>,
}

impl HeldLog {
    pub(crate) fn hold(&self) {
        self.held.lock().0 = true;
    }

    pub(crate) fn release(&self) {
        let mut held = self.held.lock();
        held.0 = false;
        held.1.drain(..).for_each(std::task::Waker::wake);
    }
}

impl Watermark for HeldLog {
    fn poll_durable(
        &self,
        lane: LaneId,
        seq: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Durable, StoreError>> {
        let mut held = self.held.lock();
        if held.0 && seq > 0 {
            held.1.push(cx.waker().clone());
            return Poll::Pending;
        }
        self.inner.poll_durable(lane, seq, cx)
    }
}

#[async_trait]
impl ApplicationLog for HeldLog {
    fn append(&self, batch: LogBatch) -> Result<Position, Refused<LogBatch>> {
        self.inner.append(batch)
    }

    fn read<'a>(
        &'a self,
        from: &Cursor,
        filter: &LogFilter,
    ) -> BoxStream<'a, Result<LogRecord, StoreError>> {
        self.inner.read(from, filter)
    }

    fn end(&self) -> Cursor {
        self.inner.end()
    }

    async fn truncate(&self, retention: &Retention) -> Result<u64, StoreError> {
        self.inner.truncate(retention).await
    }
}

pub(crate) struct World {
    pub(crate) server: Arc<ApplicationServer>,
    pub(crate) ns: Arc<FakeNs>,
    pub(crate) js: Arc<FakeJs>,
    pub(crate) access: Arc<FakeAccess>,
    pub(crate) directory: Arc<FakeDirectory>,
    #[cfg(feature = "grpc")]
    pub(crate) broker: Arc<crate::pubsub::Broker>,
    recorder: Arc<Recorder>,
    pub(crate) peers: Arc<Local>,
    pub(crate) log: Arc<HeldLog>,
    #[cfg(feature = "webhook")]
    pub(crate) endpoint: Arc<crate::endpoint::Endpoint>,
    pub(crate) limiter: Arc<FakeLimiter>,
    events: Subscription,
    store: Arc<MemoryStore>,
    clients: MemoryClients,
    config: Config,
    _tasks: Tasks,
}

impl World {
    /// A server without devices.
    pub(crate) async fn empty(config: Config) -> Self {
        let memory = Arc::new(MemoryLog::new());
        let store = Arc::new(MemoryStore::new(memory.clone()));
        let log = Arc::new(HeldLog { inner: memory, held: Mutex::default() });
        Self::on(config, log, store, None).await
    }

    /// A server with the device `my-app.my-dev` and its session `one`.
    pub(crate) async fn new() -> Self {
        let world = Self::empty(Config::default()).await;
        world.add_device(None).await;
        world
    }

    /// A server with the device, whose uplinks are decoded.
    pub(crate) async fn with_formatter(formatter: Arc<dyn Formatter>) -> Self {
        let memory = Arc::new(MemoryLog::new());
        let store = Arc::new(MemoryStore::new(memory.clone()));
        let log = Arc::new(HeldLog { inner: memory, held: Mutex::default() });
        let world = Self::on(Config::default(), log, store, Some(formatter)).await;
        world.add_device(Some(FormatterKind::CayenneLpp)).await;
        world
    }

    /// A server with the device, whose uplinks are decoded, and an Identity Server.
    pub(crate) async fn with_directory(info: Option<DeviceInfo>) -> Self {
        let world = Self::empty(Config::default()).await;
        world.add_device(Some(FormatterKind::CayenneLpp)).await;
        world.peers.set_directory(&world.directory);
        *world.directory.info.lock() = info;
        world
    }

    /// The same store after the process was killed and started again.
    pub(crate) async fn restarted(self, formatter: Option<Arc<dyn Formatter>>) -> Self {
        let Self { config, log, store, server, .. } = self;
        drop(server);
        Self::on(config, log, store, formatter).await
    }

    async fn on(
        config: Config,
        log: Arc<HeldLog>,
        store: Arc<MemoryStore>,
        formatter: Option<Arc<dyn Formatter>>,
    ) -> Self {
        // Every device rests whenever it can, so that every test shows that nobody notices.
        let config = Config { devices_awake: 0, ..config };
        let peers = Arc::new(Local::default());
        let (ns, js, access) = <(Arc<FakeNs>, Arc<FakeJs>, Arc<FakeAccess>)>::default();
        peers.set_as_ns(&ns).set_as_js(&js).set_access(&access);
        let mut builder = ApplicationServer::builder(
            config.clone(),
            Arc::new(TestClock(SystemClock::new())),
            Arc::new(OsEntropy::default()),
            peers.clone(),
            log.clone(),
            store.clone(),
        );
        let limiter = Arc::new(FakeLimiter::default());
        let recorder = Arc::new(Recorder::default());
        let events = recorder.bus.subscribe();
        builder = builder.limiter(limiter.clone()).events(recorder.clone());
        #[cfg(feature = "grpc")]
        let broker = Arc::new(crate::pubsub::Broker::default());
        #[cfg(feature = "grpc")]
        {
            let kind = ttn_as::integration::pubsub::ProviderKind::Nats;
            let provider = Arc::new(crate::pubsub::Shared(broker.clone()));
            builder = builder.pubsub_provider(kind, provider);
        }
        if let Some(formatter) = formatter {
            builder = builder.formatter(FormatterKind::CayenneLpp, formatter);
        }
        #[cfg(feature = "webhook")]
        let endpoint = Arc::<crate::endpoint::Endpoint>::default();
        #[cfg(feature = "webhook")]
        let builder = builder.webhook_transport(endpoint.clone());
        let server = builder.build();
        server.load().await.unwrap();
        let mut tasks = Tasks::new();
        server.start(&mut tasks);
        let (clients, listener) = memory::listener();
        tasks.spawn("mqtt", serve(server.clone(), listener));
        let directory = Arc::default();
        Self {
            server,
            ns,
            js,
            access,
            directory,
            #[cfg(feature = "grpc")]
            broker,
            recorder,
            peers,
            log,
            #[cfg(feature = "webhook")]
            endpoint,
            limiter,
            events,
            store,
            clients,
            config,
            _tasks: tasks,
        }
    }

    /// The events so far as name and data, in order.
    pub(crate) fn events(&self) -> Vec<(&'static str, serde_json::Value)> {
        let events = std::iter::from_fn(|| self.events.try_next());
        events.map(|event| (event.definition.name, event.data.to_json())).collect()
    }

    pub(crate) async fn add_device(&self, formatter: Option<FormatterKind>) {
        let mut device = Device::new(testing::ids("my-app.my-dev"), Timestamp::UNIX_EPOCH);
        device.formatters =
            formatter.map(|kind| Formatters { up: kind, down: kind, ..Formatters::default() });
        let mut session = Session::new(key_id("one"), dev_addr());
        session.app_s_key = Some(Aes128Key::new(APP_S_KEY).into());
        let sessions = DeviceSessions { current: Some(session), pending: None };
        self.server.set_device(device, Some(sessions), Replaces::Nothing).await.unwrap();
    }

    /// Hands over messages as the Network Server does.
    pub(crate) fn deliver(&self, ups: Vec<Up>) -> Position {
        let message = |up| (testing::owned(), ApplicationUp { up, ..testing::up(placeholder()) });
        let messages = ups.into_iter().map(message).collect();
        self.server.uplinks(ApplicationBatch { lane: LaneId(0), messages }).unwrap()
    }

    /// The messages that a reader from the start gets by now, as their kind, FCnt and payload.
    pub(crate) async fn log(&self) -> Vec<Arc<ttn_as::log::Delivery>> {
        settle().await;
        let application = "my-app".parse().unwrap();
        let start = ttn_as::log::Start::At(Cursor::start());
        let mut reader = self.server.read(&application, start);
        let mut found = Vec::new();
        let wait = Duration::from_millis(1);
        while let Ok(Some(item)) = tokio::time::timeout(wait, reader.next()).await {
            if let ttn_as::log::Item::Message(delivery) = item.unwrap() {
                found.push(delivery);
            }
        }
        found
    }

    /// The names of the events so far that begin like this.
    pub(crate) fn event_names(&self, prefix: &str) -> Vec<String> {
        let events = self.recorder.names.lock();
        events.iter().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    pub(crate) async fn connect(&self, key: &str) -> Client {
        let (client, code) = self.try_connect("my-app", key, 0).await;
        assert_eq!(code, ConnectAckReason::ConnectionAccepted);
        client
    }

    pub(crate) async fn try_connect(
        &self,
        user: &str,
        key: &str,
        keep_alive: u16,
    ) -> (Client, ConnectAckReason) {
        let connect = Connect { keep_alive, ..connect_packet(user, key) };
        let (client, ack) = self.connect_with(connect).await;
        (client, ack.return_code)
    }

    pub(crate) async fn connect_with(&self, connect: Connect) -> (Client, ConnectAck) {
        let mut client = self.dial().await;
        client.0.send(connect.into()).await.unwrap();
        let Packet::ConnectAck(ack) = client.packet().await else { panic!("no CONNACK") };
        (client, ack)
    }

    /// A client with a session that outlives it; gives whether it was there before.
    pub(crate) async fn resume(&self, client_id: &str) -> (Client, bool) {
        let connect = Connect {
            clean_session: false,
            client_id: client_id.into(),
            ..connect_packet("my-app", "full")
        };
        let (client, ack) = self.connect_with(connect).await;
        assert_eq!(ack.return_code, ConnectAckReason::ConnectionAccepted);
        (client, ack.session_present)
    }

    /// A client that has not said who it is.
    pub(crate) async fn dial(&self) -> Client {
        Client(Framed::new(self.clients.connect().await.unwrap(), Codec::new(0)))
    }
}

pub(crate) fn connect_packet(user: &str, key: &str) -> Connect {
    Connect {
        clean_session: true,
        username: Some(user.into()),
        password: Some(Bytes::copy_from_slice(key.as_bytes())),
        ..Connect::default()
    }
}

fn placeholder() -> Up {
    Up::Uplink(Box::new(testing::uplink(0, b"")))
}

/// An uplink of session `one`, encrypted as the device does.
pub(crate) fn uplink(f_cnt: u32, payload: &[u8]) -> Up {
    uplink_of("one", f_cnt, payload)
}

pub(crate) fn uplink_of(session: &str, f_cnt: u32, payload: &[u8]) -> Up {
    let mut uplink = testing::uplink(f_cnt, &crypt(Direction::Uplink, f_cnt, payload));
    uplink.session_key_id = key_id(session);
    Up::Uplink(Box::new(uplink))
}

pub(crate) fn as_uplink(up: &Up) -> &UplinkUp {
    match up {
        Up::Uplink(uplink) => uplink,
        other => panic!("{other:?} is no uplink"),
    }
}

/// Lets everything run that can.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// An MQTT client.
pub(crate) struct Client(pub(crate) Framed<DuplexStream, Codec>);

impl Client {
    pub(crate) async fn packet(&mut self) -> Packet {
        self.0.next().await.expect("a packet before the end").expect("a good packet").0
    }

    /// Subscribes at QoS 0.
    pub(crate) async fn subscribe(&mut self, filter: &str) -> Vec<SubscribeReturnCode> {
        self.subscribe_at(QoS::AtMostOnce, &[filter]).await
    }

    pub(crate) async fn subscribe_at(
        &mut self,
        qos: QoS,
        filters: &[&str],
    ) -> Vec<SubscribeReturnCode> {
        let packet_id = 1.try_into().unwrap();
        let topic_filters = filters.iter().map(|filter| ((*filter).into(), qos)).collect();
        self.0.send(Packet::Subscribe { packet_id, topic_filters }).await.unwrap();
        match self.packet().await {
            Packet::SubscribeAck { status, .. } => status,
            other => panic!("{other:?} is no SUBACK"),
        }
    }

    pub(crate) async fn acknowledge(&mut self, packet_id: NonZeroU16) {
        self.0.send(Packet::PublishAck { packet_id }).await.unwrap();
    }

    /// The next message with its packet id, DUP and FCnt; nothing is acknowledged.
    pub(crate) async fn received(&mut self) -> (Option<NonZeroU16>, bool, u64) {
        let Packet::Publish(publish) = self.packet().await else { panic!("no PUBLISH") };
        assert_eq!(publish.packet_id.is_some(), publish.qos == QoS::AtLeastOnce);
        let json: serde_json::Value = serde_json::from_slice(&publish.payload).unwrap();
        let f_cnt = json["uplink_message"]["f_cnt"].as_u64().unwrap();
        (publish.packet_id, publish.dup, f_cnt)
    }

    /// Whether the server has closed the connection, or does within the given time.
    pub(crate) async fn is_closed_within(&mut self, duration: Duration) -> bool {
        matches!(tokio::time::timeout(duration, self.0.next()).await, Ok(None | Some(Err(_))))
    }

    pub(crate) async fn publish(&mut self, topic: &str, qos: QoS, payload: &str) {
        let packet_id = (qos != QoS::AtMostOnce).then(|| 9.try_into().unwrap());
        let publish = Publish {
            dup: false,
            retain: false,
            qos,
            topic: topic.into(),
            packet_id,
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            properties: None,
        };
        self.0.send(publish.into()).await.unwrap();
    }

    pub(crate) async fn message(&mut self) -> (String, serde_json::Value) {
        let Packet::Publish(publish) = self.packet().await else { panic!("no PUBLISH") };
        let json = serde_json::from_slice(&publish.payload).unwrap();
        (publish.topic.to_string(), json)
    }

    pub(crate) async fn is_silent(&mut self) -> bool {
        let wait = Duration::from_millis(50);
        tokio::time::timeout(wait, self.0.next()).await.is_err()
    }
}
