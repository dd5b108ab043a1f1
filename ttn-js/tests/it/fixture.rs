//! A Join Server, a device, and the device's side of a join.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
};

use futures::future::BoxFuture;
use ttn_core::{
    addr::{DevAddr, NetId},
    clock::Clock,
    event::{Event, EventSink},
    frame::JoinRequestForm,
    key::{Aes128Key, KeyEnvelope},
    msg::{DlSettings, JoinAnswer, JoinRequest},
    peer::Local,
    radio::DataRateIndex,
    rand::Entropy,
    store::Replaces,
    time::{Monotonic, Timestamp},
    vault::{KeyVault, VaultError},
    version::MacVersion,
};
use ttn_js::{
    Config, Device, Error, Euis, JoinServer,
    store::{JoinStore, MemoryStore},
};
use ttn_mac::{
    crypto::{
        derive::join_server_keys,
        join::{JoinAcceptMic, JoinReqType, join_request_mic, open_join_accept},
        wrap,
    },
    frame::{FrequencyStep, JoinAccept, encode_join_request},
};

pub(crate) const APP_KEY: [u8; 16] = [1; 16];
pub(crate) const NWK_KEY: [u8; 16] = [2; 16];

pub(crate) struct Fixture {
    pub(crate) js: Arc<JoinServer>,
    pub(crate) store: Arc<dyn JoinStore>,
    pub(crate) events: Arc<Recorded>,
    pub(crate) vault: Arc<Keks>,
}

pub(crate) fn euis() -> Euis {
    Euis {
        join_eui: "70B3D57ED0000000".parse().unwrap(),
        dev_eui: "70B3D57ED0000001".parse().unwrap(),
    }
}

pub(crate) fn device() -> Device {
    let mut device = Device::new("app.dev-1".parse().unwrap(), euis());
    device.root_keys.app_key = Some(clear(APP_KEY));
    device
}

pub(crate) fn clear(key: [u8; 16]) -> KeyEnvelope {
    Aes128Key::new(key).into()
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_store(Arc::new(MemoryStore::new()))
    }

    pub(crate) fn with_store(store: Arc<dyn JoinStore>) -> Self {
        let events = Arc::new(Recorded::default());
        let vault = Arc::new(Keks::new(&["at-rest", "ns/000013", "ns/own", "as/own"]));
        let js = JoinServer::builder(
            Config::default(),
            Arc::new(FixedClock),
            Arc::new(Counting::default()),
            Arc::new(Local::default()),
        )
        .store(store.clone())
        .vault(vault.clone())
        .events(events.clone())
        .build()
        .unwrap();
        Self { js, store, events, vault }
    }

    /// A Join Server on the same store that finds others.
    #[cfg(feature = "grpc")]
    pub(crate) fn with_peers(&self, peers: Arc<Local>) -> Arc<JoinServer> {
        let (clock, entropy) = (Arc::new(FixedClock), Arc::new(Counting::default()));
        JoinServer::builder(Config::default(), clock, entropy, peers)
            .store(self.store.clone())
            .vault(self.vault.clone())
            .build()
            .unwrap()
    }

    pub(crate) async fn with_device(device: &Device) -> Self {
        let fixture = Self::new();
        fixture.js.set_device(device, Replaces::Nothing).await.unwrap();
        fixture
    }

    pub(crate) async fn join(&self, request: &JoinRequest) -> Result<JoinAnswer, Error> {
        self.js.handle_join(request).await
    }

    pub(crate) async fn reject_name(&self, request: &JoinRequest) -> &'static str {
        use ttn_core::error::ApiError as _;
        self.join(request).await.unwrap_err().name()
    }
}

/// A join-request of the device, with its integrity code.
pub(crate) fn request(version: MacVersion, key: [u8; 16], dev_nonce: u16) -> JoinRequest {
    let Euis { join_eui, dev_eui } = euis();
    let mut phy = encode_join_request(&JoinRequestForm { join_eui, dev_eui, dev_nonce }).to_vec();
    let mic = join_request_mic(&Aes128Key::new(key), &phy).unwrap();
    phy.extend_from_slice(&mic);
    JoinRequest {
        phy: phy.into(),
        join_eui,
        dev_eui,
        dev_nonce,
        dev_addr: DevAddr::from_u32(0x2600_0001),
        net_id: NetId::from_u32(0x13).unwrap(),
        mac_version: version,
        dl_settings: DlSettings {
            opt_neg: version.is_1_1(),
            rx1_dr_offset: 0,
            rx2_dr: DataRateIndex::ZERO,
        },
        rx_delay: 5,
        cf_list: None,
        correlation_ids: Vec::new(),
    }
}

/// Opens an accept as the device does.
pub(crate) fn open(answer: &JoinAnswer, key: [u8; 16], request: &JoinRequest) -> JoinAccept {
    let key = Aes128Key::new(key);
    let js = join_server_keys(&key, request.dev_eui);
    open_join_accept(&answer.phy, FrequencyStep::Hz100, &key, |accept| {
        if accept.dl_settings.opt_neg {
            JoinAcceptMic::V1_1 {
                js_int_key: &js.js_int_key,
                join_req_type: JoinReqType::JoinRequest,
                join_eui: request.join_eui,
                dev_nonce: request.dev_nonce,
            }
        } else {
            JoinAcceptMic::V1_0(&key)
        }
    })
    .unwrap()
}

#[derive(Debug)]
struct FixedClock;

impl Clock for FixedClock {
    fn utc(&self) -> Timestamp {
        Timestamp::from_unix_secs(1_700_000_000)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(0)
    }

    fn sleep_until(&self, _deadline: Monotonic) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        buffer.iter_mut().rev().zip(number.iter().rev()).for_each(|(to, from)| *to = *from);
    }
}

#[derive(Debug)]
pub(crate) struct Keks(BTreeMap<&'static str, [u8; 16]>);

impl Keks {
    fn new(labels: &[&'static str]) -> Self {
        Self((1..).zip(labels).map(|(octet, label)| (*label, [octet; 16])).collect())
    }
}

impl KeyVault for Keks {
    fn wrap(&self, key: &Aes128Key, kek_label: &str) -> Result<KeyEnvelope, VaultError> {
        let kek = self
            .0
            .get(kek_label)
            .ok_or_else(|| VaultError::KekNotFound { label: kek_label.into() })?;
        let encrypted_key = wrap::wrap_key(kek, key).unwrap().to_vec();
        Ok(KeyEnvelope::Wrapped { kek_label: kek_label.into(), encrypted_key })
    }

    fn unwrap(&self, envelope: &KeyEnvelope) -> Result<Aes128Key, VaultError> {
        match envelope {
            KeyEnvelope::Clear(key) => Ok(key.clone()),
            KeyEnvelope::Wrapped { kek_label, encrypted_key } => {
                let label = kek_label.clone();
                let kek = self.0.get(&**kek_label).ok_or(VaultError::KekNotFound { label })?;
                let label = kek_label.clone();
                wrap::unwrap_key(kek, encrypted_key).map_err(|_| VaultError::Unwrap { label })
            }
            _ => panic!("no other envelopes"),
        }
    }

    fn seal(&self, _: &[u8], _: [u8; 12], kek_label: &str) -> Result<Vec<u8>, VaultError> {
        Err(VaultError::Seal { label: kek_label.into() })
    }

    fn open(&self, _: &[u8], kek_label: &str) -> Result<Vec<u8>, VaultError> {
        Err(VaultError::Open { label: kek_label.into() })
    }

    fn has(&self, kek_label: &str) -> bool {
        self.0.contains_key(kek_label)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Recorded(parking_lot::Mutex<Vec<Event>>);

impl Recorded {
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock())
    }
}

impl EventSink for Recorded {
    fn publish(&self, event: Event) {
        self.0.lock().push(event);
    }
}
