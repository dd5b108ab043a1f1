//! Something in every table of every port, as a store has it that has been in use.

use std::sync::Arc;

use ttn_as::{
    log::{ApplicationLog, Cursor, LogBatch, Record, Retention},
    store::{
        ApplicationStore, Device as ApplicationDevice, Integration, IntegrationKey,
        IntegrationKind, Link, ReaderState, RegistryRecord, SessionRecord,
    },
    testing,
};
use ttn_core::{
    addr::NetId,
    eui::{DevEui, JoinEui},
    id::{DeviceIds, DeviceKey},
    key::{Aes128Key, KeyEnvelope, SessionKeyId},
    msg::{Downlink, SessionKeys, Up},
    store::{LaneId, Owned, OwnerId, PartitionId, Replaces, Revision, durable},
    time::Timestamp,
    version::{MacVersion, PhyVersion},
};
use ttn_is::store::{Change, IdentityStore, Table, Write};
use ttn_js::{
    ActivationSettings, Device as JoinDevice, Euis,
    store::{DevNonceRule, JoinStore, JoinWrite, NonceId, RootKeyTag, SessionKeySet},
};
use ttn_mac::state::Hot;
use ttn_ns::{
    device::Device,
    store::{
        DeviceNo, DeviceRecord, HotRecord, NetworkBatch, NetworkStore, NetworkWrite, QueueItem,
        Sealer,
    },
};

/// Writes through every port; everything is durable then.
pub(crate) async fn write<S>(store: &S)
where
    S: NetworkStore + ApplicationLog + ApplicationStore + JoinStore + IdentityStore,
{
    network(store).await;
    registry(store).await;
    log(store).await;
    joins(store).await;
    identity(store).await;
}

/// How many records are in the log, behind the one that was forgotten.
pub(crate) const LOGGED: u64 = 3;

fn key(device: &str) -> DeviceKey {
    format!("an-app.{device}").parse().unwrap()
}

fn session_key_id(number: u8) -> SessionKeyId {
    SessionKeyId::new(&[number; 4]).unwrap()
}

async fn network(store: &dyn NetworkStore) {
    let plan: ttn_core::id::FrequencyPlanId = "EU_863_870".parse().unwrap();
    for (partition, number) in [(3, 7), (60, u64::MAX - 1)] {
        let partition = PartitionId::new(partition).unwrap();
        let epoch = store.acquire(partition, OwnerId(1)).await.unwrap();
        let of = DeviceNo(number);
        let ids = DeviceIds {
            dev_eui: Some(DevEui::from_u64(number)),
            ..DeviceIds::new(key(&format!("device-{number}")))
        };
        let (mac, phy) = (MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
        let device = Device::new(ids, plan.clone(), mac, phy);
        let record = Box::new(DeviceRecord::seal(&device, &Sealer::clear()).unwrap());
        let hot = Hot { f_cnt_up: Some(41), ..Hot::default() };
        let item = |seq| {
            let downlink = Downlink::new(session_key_id(1), 1, 8, [1_u8, 2].as_slice());
            NetworkWrite::QueueItem { device: of, seq, item: Some(QueueItem { downlink }) }
        };
        let writes = vec![
            NetworkWrite::Device { device: of, replaces: Replaces::Nothing, record },
            NetworkWrite::Hot { device: of, hot: HotRecord { hot, first_copy: None } },
            item(1),
            item(256),
        ];
        let owned = Owned { partition, epoch };
        let writes = writes.into_iter().map(|write| (owned, write)).collect();
        let position = store.submit(NetworkBatch { lane: LaneId(0), writes }).unwrap();
        durable(store, position).await.unwrap();
    }
}

async fn registry(store: &dyn ApplicationStore) {
    let ids = testing::ids("an-app.dev");
    let application = ids.key.application_id.clone();
    let hook = IntegrationKey::new(IntegrationKind::Webhook, application.clone(), "hook");
    let settings = b"settings".as_slice().into();
    for record in [
        RegistryRecord::Device(ApplicationDevice::new(ids, Timestamp::from_unix_secs(1))),
        RegistryRecord::Link(Link::new(application)),
        RegistryRecord::Integration(Integration { key: hook.clone(), settings }),
    ] {
        let first = store.put(&record, Replaces::Nothing).await.unwrap();
        store.put(&record, Replaces::Revision(first)).await.unwrap();
    }
    let place = ReaderState { cursor: Cursor::behind(2), progress: b"flying".as_slice().into() };
    store.put_readers(&[(hook, place)]).await.unwrap();
}

async fn log(store: &dyn ApplicationLog) {
    let record = |number: u64| {
        let f_cnt = u32::try_from(number).unwrap();
        let mut up = testing::up(Up::Uplink(Box::new(testing::uplink(f_cnt, b"payload"))));
        up.received_at = Timestamp::from_unix_secs(i64::from(f_cnt));
        (testing::owned(), Arc::new(Record::deliver(number, up)))
    };
    let sessions = SessionRecord { last_number: 9, lane: LaneId(2), ..SessionRecord::default() };
    let sessions = vec![(testing::owned(), testing::ids("an-app.dev").key, Arc::new(sessions))];
    let records = (0..=LOGGED).map(record).collect();
    let position = store.append(LogBatch { lane: LaneId(0), records, sessions }).unwrap();
    durable(store, position).await.unwrap();
    let retention = Retention { before: Some(Timestamp::from_unix_secs(1)), bytes_max: None };
    assert_eq!(store.truncate(&retention).await.unwrap(), 1);
}

async fn joins(store: &dyn JoinStore) {
    let euis = Euis { join_eui: JoinEui::from_u64(0x70B3), dev_eui: DevEui::from_u64(1) };
    let device = JoinDevice::new(key("device-7"), euis);
    store.put_device(&device, Replaces::Nothing).await.unwrap();
    // A device whose root key has changed twice.
    let rules = [
        (9, DevNonceRule::Counter),
        (9, DevNonceRule::Counter),
        (2, DevNonceRule::Counter),
        (4, DevNonceRule::Random),
        (4, DevNonceRule::Random),
    ];
    for (number, (root_key, dev_nonce_rule)) in (1_u8..).zip(rules) {
        let envelope = || KeyEnvelope::Clear(Aes128Key::new([number; 16]));
        let keys = SessionKeys {
            id: session_key_id(number),
            f_nwk_s_int_key: envelope(),
            s_nwk_s_int_key: envelope(),
            nwk_s_enc_key: envelope(),
            app_s_key: Some(envelope()),
        };
        let write = JoinWrite {
            id: NonceId { euis, root_key: RootKeyTag([root_key; 8]) },
            reads: Revision(u64::from(number) - 1),
            dev_nonce: 40_000 + u16::from(number),
            dev_nonce_rule,
            join_nonce: u32::from(number),
            keys: SessionKeySet { net_id: NetId::from_u32(0x13).unwrap(), keys },
            session_keys_max: 3,
        };
        store.join(write).await.unwrap();
    }
    let settings = ActivationSettings {
        kek_label: "kek".to_owned(),
        kek: None,
        home_net_id: NetId::from_u32(0x13),
        application_server_id: "as".to_owned(),
    };
    let application = "an-app".parse().unwrap();
    let put = store.put_activation_settings(&application, Some(&settings), Replaces::Nothing);
    put.await.unwrap();
}

async fn identity(store: &dyn IdentityStore) {
    let change = |table: Table, write| Change {
        table,
        key: "a/key".to_owned(),
        replaces: Replaces::Any,
        write,
    };
    let puts = Table::ALL.map(|table| change(table, Write::Put(vec![table.number(); 9])));
    store.write(puts.into()).await.unwrap();
    // The last revision belongs to no row.
    store.write(vec![change(Table::User, Write::Put(Vec::new()))]).await.unwrap();
    let gone = Change { key: "gone".to_owned(), ..change(Table::User, Write::Delete) };
    store.write(vec![gone]).await.unwrap();
}
