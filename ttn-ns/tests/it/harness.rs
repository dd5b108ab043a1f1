//! A shard with a memory store, virtual time, and everything that it wants done, recorded.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _};
use ttn_core::{
    addr::{DevAddr, NetId},
    error::{ErrorBody, ErrorKind},
    eui::{DevEui, JoinEui},
    event::Event,
    id::{DeviceIds, DeviceKey},
    key::{Aes128Key, SessionKeyId},
    msg::{
        ApplicationUp, Downlink, JoinAnswer, JoinRequest, RxMetadata, Scheduled, SessionKeys,
        TxAck, TxRequest, TxResult, TxSettings, Up, Uplink, UplinkBatch,
    },
    peer::PeerError,
    radio::DataRateIndex,
    rand::Entropy,
    store::{LaneId, OwnerId, Position, Replaces, Watermark as _},
    time::{Monotonic, Now, Timestamp},
    version::{MacVersion, PhyVersion},
};
use ttn_mac::{
    adr::DefaultAdr,
    band::{self, BandId},
    crypto::{
        derive::{join_server_keys, session_keys_1_0, session_keys_1_1},
        join::{JoinAcceptMic, JoinReqType, seal_join_accept},
    },
    device::{DevNonces, DeviceConfig, DeviceSession, DeviceTx, RootKeys},
    engine::Engine,
    frame::{self, CfList, DlSettings, JoinAccept},
    plan,
    session::NetworkKeys,
    state::{MacSettings, Session},
};
use ttn_ns::{
    config::Config,
    device::Device,
    error::Error,
    shard::{
        CallId, Command, Defaults, DeviceView, Effect, Effects, Input, JoinId, NotScheduled, Reply,
        Shard,
    },
    store::{MemoryNetworkStore, NetworkBatch, NetworkStore as _, Sealer},
};

/// Numbers that count up through a mixer: the same for every run.
#[derive(Debug, Default)]
pub(crate) struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for octet in buffer {
            let n = self.0.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
            *octet = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
        }
    }
}

pub(crate) const APP_KEY: Aes128Key = Aes128Key::new([0x2B; 16]);
pub(crate) const NWK_KEY: Aes128Key = Aes128Key::new([0x3C; 16]);
pub(crate) const NWK_S_KEY: Aes128Key = Aes128Key::new([0x4D; 16]);
pub(crate) const APP_S_KEY: Aes128Key = Aes128Key::new([0x5E; 16]);

pub(crate) struct World {
    pub(crate) shard: Shard,
    pub(crate) store: Arc<MemoryNetworkStore>,
    pub(crate) now: Now,
    pub(crate) events: Vec<Event>,
    pub(crate) application: Vec<ApplicationUp>,
    pub(crate) transmissions: Vec<TxRequest>,
    pub(crate) joins: Vec<(JoinId, JoinRequest)>,
    replies: BTreeMap<CallId, Result<Reply, Error>>,
    submitted: VecDeque<(u64, Position)>,
    call: u64,
    device: Device,
    pub(crate) entropy: Seeded,
}

pub(crate) fn key() -> DeviceKey {
    "app.device".parse().unwrap()
}

pub(crate) fn euis() -> (JoinEui, DevEui) {
    (JoinEui::from_u64(0x70B3_D57E_D000_0000), DevEui::from_u64(0x70B3_D57E_D000_0001))
}

pub(crate) fn session_id() -> SessionKeyId {
    SessionKeyId::new(b"abp-session").unwrap()
}

/// Settings of a network that asks no device for its status: what is sent is what the test wants.
pub(crate) fn quiet() -> MacSettings {
    MacSettings {
        status_count_periodicity: Some(0),
        status_time_periodicity: Some(Duration::ZERO),
        ..MacSettings::default()
    }
}

/// A registration of an EU868 device that joins.
pub(crate) fn otaa(version: MacVersion) -> Device {
    let (join_eui, dev_eui) = euis();
    let ids =
        DeviceIds { join_eui: Some(join_eui), dev_eui: Some(dev_eui), ..DeviceIds::new(key()) };
    let phy = if version.is_1_1() { PhyVersion::RP001_V1_1_REV_B } else { PHY };
    Device::new(ids, "EU_863_870_TTN".parse().unwrap(), version, phy)
}

const PHY: PhyVersion = PhyVersion::RP001_V1_0_3_REV_A;

/// A registration with a session from the start.
pub(crate) fn abp() -> Device {
    let mut device = otaa(MacVersion::V1_0_3);
    device.supports_join = false;
    let session = Session {
        dev_addr: DevAddr::from_u32(0x2601_0203),
        keys: NetworkKeys::v1_0(NWK_S_KEY),
        session_key_id: session_id(),
        started_at: Timestamp::from_unix_secs(1_790_000_000),
    };
    let settings = MacSettings { rx1_delay: Some(5), ..MacSettings::default() };
    device.settings = settings;
    let plan = plan::get("EU_863_870_TTN").unwrap();
    let band = band::get(plan.band_id, device.phy_version).unwrap();
    let defaults = MacSettings::default();
    let adr: DefaultAdr = Default::default();
    let engine = Engine::new(band, plan, &device.settings, &defaults, &adr);
    let mut state = engine.new_abp(device.mac_version, session).slow;
    // Nothing that the network wants changed: only what a test asks for is sent.
    state.desired = state.current.clone();
    device.state = Some(Box::new(state));
    device
}

fn device_config(version: MacVersion, phy: PhyVersion) -> DeviceConfig {
    DeviceConfig {
        band: band::get(BandId::EU_863_870, phy).unwrap(),
        version,
        channels: None,
        data_rate: DataRateIndex::from_low_bits(5),
        adr: false,
        dev_nonces: DevNonces::Counter(1),
        first_f_cnt_up: 0,
    }
}

/// The device of [`abp`].
pub(crate) fn abp_device() -> ttn_mac::device::Device {
    let mut device = ttn_mac::device::Device::abp(
        device_config(MacVersion::V1_0_3, PHY),
        DeviceSession {
            version: MacVersion::V1_0_3,
            dev_addr: DevAddr::from_u32(0x2601_0203),
            keys: NetworkKeys::v1_0(NWK_S_KEY),
            app_s_key: APP_S_KEY,
            next_f_cnt_up: 0,
            last_n_f_cnt_down: None,
            last_a_f_cnt_down: None,
        },
    );
    device.set_data_rate(DataRateIndex::from_low_bits(5));
    device
}

/// The device of [`otaa`].
pub(crate) fn otaa_device(version: MacVersion) -> ttn_mac::device::Device {
    let (join_eui, dev_eui) = euis();
    let phy = otaa(version).phy_version;
    let root = RootKeys {
        join_eui,
        dev_eui,
        app_key: APP_KEY,
        nwk_key: version.is_1_1().then_some(NWK_KEY),
    };
    ttn_mac::device::Device::otaa(device_config(version, phy), root)
}

pub(crate) fn downlink(f_cnt: u32, confirmed: bool) -> Downlink {
    let payload = [0xAA_u8, 0xBB].as_slice();
    Downlink { confirmed, ..Downlink::new(session_id(), 10, f_cnt, payload) }
}

impl World {
    pub(crate) fn new(device: &Device) -> Self {
        Self::with_store(device, MemoryNetworkStore::new())
    }

    pub(crate) fn with_store(device: &Device, store: MemoryNetworkStore) -> Self {
        let now = Now {
            utc: Timestamp::from_unix_secs(1_790_000_000),
            monotonic: Monotonic::from_nanos(1_000_000_000),
        };
        let mut world = Self {
            shard: new_shard(),
            store: Arc::new(store),
            now,
            events: Vec::new(),
            application: Vec::new(),
            transmissions: Vec::new(),
            joins: Vec::new(),
            replies: BTreeMap::new(),
            submitted: VecDeque::new(),
            call: 0,
            device: device.clone(),
            entropy: Seeded::default(),
        };
        world.load();
        world
    }

    /// A world in which the device exists.
    pub(crate) fn with(device: &Device) -> Self {
        let mut world = Self::new(device);
        world.put(device.clone(), Replaces::Nothing).unwrap();
        world
    }

    /// Starts anew from what the store has, as after a crash.
    pub(crate) fn restart(&mut self) {
        self.store.crash();
        self.shard = new_shard();
        self.submitted.clear();
        self.load();
    }

    fn load(&mut self) {
        let partition = self.device.partition();
        let store = self.store.clone();
        let epoch = store.acquire(partition, OwnerId(1)).now_or_never().unwrap().unwrap();
        self.shard.own(partition, epoch);
        let pages: Vec<_> = store.load(partition, epoch).collect().now_or_never().unwrap();
        let mut effects = Effects { events_wanted: true, ..Effects::default() };
        for row in pages.into_iter().flat_map(Result::unwrap) {
            self.shard.load(self.now, partition, row, &mut effects).unwrap();
        }
        self.carry_out(effects);
    }

    pub(crate) fn handle(&mut self, input: Input) {
        let mut effects = Effects { events_wanted: true, ..Effects::default() };
        self.shard.handle(self.now, input, &mut effects);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Effects) {
        if let Some(commit) = effects.commit {
            self.application.extend(commit.application.into_iter().map(|(_, up)| up));
            let batch = NetworkBatch { lane: LaneId(0), writes: commit.writes };
            let position = self.store.submit(batch).expect("the store takes the batch");
            self.submitted.push_back((commit.ticket, position));
        }
        for effect in effects.now {
            match effect {
                Effect::Event(event) => self.events.push(*event),
                Effect::Join { join, request } => self.joins.push((join, *request)),
                Effect::Reply { call, result } => {
                    self.replies.insert(call, result);
                }
                Effect::Transmit { request, proof } => {
                    assert!(proof.position().seq > 0, "there is a proof");
                    self.transmissions.push(*request);
                }
                other => panic!("unknown effect {other:?}"),
            }
        }
        self.watermark();
    }

    /// Tells the shard what is durable.
    pub(crate) fn watermark(&mut self) {
        while let Some((ticket, position)) = self.submitted.front().copied() {
            let mut cx = Context::from_waker(Waker::noop());
            match self.store.poll_durable(position.lane, position.seq, &mut cx) {
                Poll::Ready(Ok(proof)) => {
                    self.submitted.pop_front();
                    self.handle(Input::Durable { ticket, proof });
                }
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => return,
            }
        }
    }

    /// Lets time pass, tick by tick.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = self.now.monotonic.plus(duration);
        while let Some(deadline) = self.shard.next_deadline().filter(|at| *at <= end) {
            self.move_to(deadline.max(self.now.monotonic));
            self.handle(Input::Tick);
        }
        self.move_to(end);
    }

    fn move_to(&mut self, at: Monotonic) {
        let passed = at.since(self.now.monotonic);
        self.now = Now { utc: self.now.utc.plus(passed), monotonic: at };
    }

    pub(crate) fn call(&mut self, command: Command) -> Option<Result<Reply, Error>> {
        self.call += 1;
        let call = CallId(self.call);
        self.handle(Input::Call { call, command });
        self.replies.remove(&call)
    }

    pub(crate) fn put(&mut self, device: Device, replaces: Replaces) -> Result<DeviceView, Error> {
        let device = Box::new(device);
        match self.call(Command::Put { device, hot: None, replaces }).expect("an answer")? {
            Reply::Device(view) => Ok(*view),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn view(&mut self) -> DeviceView {
        match self.call(Command::Get { key: key() }).unwrap().unwrap() {
            Reply::Device(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn push(&mut self, downlinks: Vec<Downlink>) -> Result<Reply, Error> {
        self.call(Command::PushQueue { key: key(), downlinks }).expect("an answer")
    }

    /// A gateway receives a frame now.
    pub(crate) fn receive(&mut self, tx: &DeviceTx, gateway: &str) {
        let uplink = self.uplink(tx, gateway);
        self.handle(Input::Uplinks(UplinkBatch { uplinks: vec![uplink] }));
    }

    pub(crate) fn uplink(&self, tx: &DeviceTx, gateway: &str) -> Uplink {
        let phy = frame::parse(tx.bytes.clone()).unwrap();
        let settings = TxSettings::new(tx.data_rate, tx.frequency);
        let (id, token) = (gateway.parse().unwrap(), gateway.as_bytes());
        let metadata = RxMetadata::new(id, self.now.utc, -80.0, 7.0, token);
        let round_trip_p95 = Some(Duration::from_millis(50));
        Uplink { round_trip_p95, ..Uplink::new(phy, settings, vec![metadata], self.now) }
    }

    /// The frame arrives and its window passes.
    pub(crate) fn receive_and_wait(&mut self, tx: &DeviceTx) {
        self.receive(tx, "gateway-a");
        self.advance(Duration::from_millis(300));
    }

    /// The Gateway Server takes the last transmission and the gateway reports on it.
    pub(crate) fn transmitted(&mut self, result: TxResult) -> TxRequest {
        let request = self.transmissions.pop().expect("a transmission");
        let gateway_id = "gateway-a".parse().unwrap();
        let scheduled =
            Scheduled { reports: true, ..Scheduled::new(gateway_id, Duration::from_secs(1)) };
        self.handle(Input::Scheduled { id: request.id, result: Ok(scheduled) });
        self.handle(Input::TxAcks(vec![TxAck {
            gateway_id: "gateway-a".parse().unwrap(),
            id: request.id,
            result,
            correlation_ids: Vec::new(),
        }]));
        request
    }

    /// The Gateway Server refuses the last transmission.
    pub(crate) fn refused(&mut self) -> TxRequest {
        let request = self.transmissions.pop().expect("a transmission");
        let body = ErrorBody::new("pkg/gatewayserver", "schedule", ErrorKind::Aborted, "busy");
        let error = NotScheduled::NotSent(PeerError::Rejected(Box::new(body)));
        self.handle(Input::Scheduled { id: request.id, result: Err(error) });
        request
    }

    /// The Join Server answers the last request.
    pub(crate) fn answer_join(&mut self, version: MacVersion, join_nonce: u32) {
        let (join, request) = self.joins.pop().expect("a join");
        let answer = join_answer(version, &request, join_nonce);
        self.handle(Input::JoinAnswered { join, result: Ok(Box::new(answer)) });
    }

    /// The kinds of the messages to the application, oldest first; they are taken.
    pub(crate) fn take_ups(&mut self) -> Vec<&'static str> {
        self.application.drain(..).map(|up| kind(&up.up)).collect()
    }

    pub(crate) fn drop_reasons(&self) -> Vec<String> {
        let of = |event: &&Event| event.definition.name.ends_with(".drop");
        let drops = self.events.iter().filter(of);
        drops
            .filter_map(|event| event.data.to_json()["reason"].as_str().map(str::to_owned))
            .collect()
    }

    pub(crate) fn event_names(&self) -> Vec<&'static str> {
        self.events.iter().map(|event| event.definition.name).collect()
    }
}

pub(crate) const fn kind(up: &Up) -> &'static str {
    match up {
        Up::DownlinkAck(_) => "ack",
        Up::DownlinkFailed(..) => "failed",
        Up::DownlinkNack(_) => "nack",
        Up::DownlinkQueueInvalidated(_) => "invalidated",
        Up::DownlinkSent(_) => "sent",
        Up::JoinAccept(_) => "join",
        Up::Uplink(_) => "uplink",
        _ => "other",
    }
}

fn new_shard() -> Shard {
    let config = Config {
        net_id: NetId::from_u32(0x13).unwrap(),
        dev_addr_prefixes: vec!["26000000/7".parse().unwrap()],
        // Every device rests whenever it can, so that every test shows that nobody notices.
        devices_awake: 0,
        ..Config::default()
    };
    let defaults = Defaults::new(quiet());
    Shard::new(config, defaults, LaneId(0), Sealer::clear(), Arc::new(Seeded::default()))
}

fn join_answer(version: MacVersion, request: &JoinRequest, join_nonce: u32) -> JoinAnswer {
    let band = band::get(BandId::EU_863_870, PHY).unwrap();
    let step = band.frequency_step;
    let accept = JoinAccept {
        join_nonce,
        net_id: request.net_id,
        dev_addr: request.dev_addr,
        dl_settings: DlSettings {
            opt_neg: request.dl_settings.opt_neg,
            rx1_dr_offset: request.dl_settings.rx1_dr_offset,
            rx2_dr: request.dl_settings.rx2_dr,
        },
        rx_delay: request.rx_delay,
        cf_list: request.cf_list.map(|list| CfList::decode(&list, step).unwrap()),
    };
    let nonce = request.dev_nonce;
    let (phy, keys) = if version.is_1_1() {
        let js = join_server_keys(&NWK_KEY, request.dev_eui);
        let mic = JoinAcceptMic::V1_1 {
            js_int_key: &js.js_int_key,
            join_req_type: JoinReqType::JoinRequest,
            join_eui: request.join_eui,
            dev_nonce: nonce,
        };
        let keys = session_keys_1_1(&NWK_KEY, &APP_KEY, join_nonce, request.join_eui, nonce);
        (seal_join_accept(&accept, step, mic, &NWK_KEY).unwrap(), keys)
    } else {
        let mic = JoinAcceptMic::V1_0(&APP_KEY);
        let keys = session_keys_1_0(&APP_KEY, join_nonce, request.net_id, nonce);
        (seal_join_accept(&accept, step, mic, &APP_KEY).unwrap(), keys)
    };
    JoinAnswer {
        phy: phy.into(),
        keys: SessionKeys {
            id: SessionKeyId::new(&join_nonce.to_be_bytes()).unwrap(),
            f_nwk_s_int_key: keys.network.f_nwk_s_int_key.into(),
            s_nwk_s_int_key: keys.network.s_nwk_s_int_key.into(),
            nwk_s_enc_key: keys.network.nwk_s_enc_key.into(),
            app_s_key: Some(keys.app_s_key.into()),
        },
        lifetime: None,
        correlation_ids: Vec::new(),
        warnings: Vec::new(),
    }
}
