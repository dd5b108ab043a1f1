//! The store: whether it opens, and what devices it has.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt as _;
use ttn_as::store::{ApplicationStore, Loaded, RegistryRecord};
use ttn_core::{
    id::DeviceKey,
    key::{Aes128Key, KeyEnvelope},
    rand::OsEntropy,
    store::{StoreError, StoreErrorKind},
    vault::KeyVault,
};
use ttn_is::store::{IdentityStore, Scan, Table};
use ttn_js::store::DeviceSelector;
use ttn_ns::store::{DeviceQuery, LIST_LIMIT_MAX, NetworkStore, Sealer};
use ttn_store_embedded::LocalVault;

use super::Finding;
use crate::{
    compose::{KEK_LABEL, Stores},
    config::{Config, Store},
};

const CHECK: &str = "store";
/// Rows of one read.
const ROWS: usize = 1_000;

/// The devices of a store: who has them, and their keys.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) devices: BTreeMap<DeviceKey, Known>,
}

/// Who has a device.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) identity: bool,
    pub(super) network: bool,
    pub(super) join: bool,
    pub(super) application: bool,
    /// Whether the Network Server says that it joins.
    pub(super) joins: bool,
    /// Whether the Network Server has ever heard it in its session.
    pub(super) was_heard: bool,
    /// Names and values; a value that cannot be opened is `None`.
    pub(super) keys: Vec<(&'static str, Option<Aes128Key>)>,
}

/// Opens the store, if there is one, and reads its devices.
pub(super) async fn read(config: &Config) -> (Vec<Finding>, Option<Inventory>) {
    let place = match &config.store {
        Store::Embedded => format!("in {}", config.data.display()),
        database => format!("in {database}"),
    };
    match is_there(config).await {
        Ok(true) => {}
        Ok(false) => {
            let text = format!("there is no store {place} yet; the first start makes one");
            return (vec![Finding::fine(CHECK, text)], None);
        }
        Err(error) => return (vec![cannot_open(&error, &place)], None),
    }
    let store = match Stores::open(config).await {
        Ok(store) => store,
        Err(error) => return (vec![cannot_open(&error, &place)], None),
    };
    let vault: Arc<dyn KeyVault> = if config.kek_path().is_file() {
        match LocalVault::load_or_create(config.kek_path(), &OsEntropy::default()) {
            Ok(vault) => Arc::new(vault),
            Err(error) => {
                let finding = Finding::error("kek", error.to_string(), "bring back its backup");
                return (vec![finding], None);
            }
        }
    } else {
        Arc::new(LocalVault::new())
    };
    match inventory(&store, &vault).await {
        Ok(inventory) => {
            let text = format!("the store {place} opens; {} devices", inventory.devices.len());
            (vec![Finding::fine(CHECK, text)], Some(inventory))
        }
        Err(error) => {
            let text = format!("the store {place} opens, but cannot be read: {error}");
            (vec![Finding::error(CHECK, text, "bring back its backup, or report this")], None)
        }
    }
}

/// Whether there is anything to open: a doctor makes nothing.
async fn is_there(config: &Config) -> Result<bool, StoreError> {
    match &config.store {
        Store::Embedded => Ok(config.data.join("FORMAT").is_file()),
        Store::Postgres(url) => Ok(ttn_store_postgres::schema(url).await?.found > 0),
    }
}

fn cannot_open(error: &StoreError, place: &str) -> Finding {
    match error.kind {
        StoreErrorKind::Locked => Finding::skipped(
            CHECK,
            format!("the store {place} is in use by a running server: devices were not examined"),
            "stop the server and run the doctor again to examine devices and keys",
        ),
        StoreErrorKind::Schema => {
            Finding::error(CHECK, error.to_string(), "start the newer version that wrote it")
        }
        _ => Finding::error(CHECK, error.to_string(), "bring back its backup, or check the disk"),
    }
}

async fn inventory(stores: &Stores, vault: &Arc<dyn KeyVault>) -> Result<Inventory, StoreError> {
    let mut inventory = Inventory::default();
    let devices = &mut inventory.devices;
    identity(&*stores.identity, devices).await?;
    network(&*stores.network, vault, devices).await?;
    application(&*stores.applications, vault, devices).await?;
    for (key, known) in devices {
        match stores.joins.device(&DeviceSelector::Key(key.clone())).await {
            Ok(device) => {
                known.join = true;
                let keys = &device.value.root_keys;
                for (name, key) in [("AppKey", &keys.app_key), ("NwkKey", &keys.nwk_key)] {
                    known.add(name, key.as_ref(), &**vault);
                }
            }
            Err(error) if error.kind == StoreErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(inventory)
}

type Devices = BTreeMap<DeviceKey, Known>;

async fn identity(store: &dyn IdentityStore, devices: &mut Devices) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let scan = Scan { table: Table::Device, prefix: String::new(), after, limit: ROWS };
        let rows = store.scan(&scan).await?;
        for row in &rows {
            if let Ok(key) = row.key.replacen('/', ".", 1).parse::<DeviceKey>() {
                devices.entry(key).or_default().identity = true;
            }
        }
        match rows.last() {
            Some(row) if rows.len() == ROWS => after = Some(row.key.clone()),
            _ => return Ok(()),
        }
    }
}

async fn network(
    store: &dyn NetworkStore,
    vault: &Arc<dyn KeyVault>,
    devices: &mut Devices,
) -> Result<(), StoreError> {
    let sealer = Sealer::new(vault.clone(), KEK_LABEL);
    for page in 1.. {
        let query = DeviceQuery { application_id: None, page, limit: LIST_LIMIT_MAX };
        let rows = store.list(&query).await?.items;
        for row in &rows {
            let known = devices.entry(row.record.value.key().clone()).or_default();
            known.network = true;
            known.was_heard = row.hot.as_ref().is_some_and(|it| it.hot.f_cnt_up.is_some());
            let Ok(device) = row.record.value.open(&sealer) else {
                known.keys.push(("session keys", None));
                continue;
            };
            known.joins = device.supports_join;
            if let Some(session) = device.state.as_ref().and_then(|state| state.session.as_ref()) {
                let keys = &session.keys;
                known.keys.push(("FNwkSIntKey", Some(keys.f_nwk_s_int_key.clone())));
                // Up to LoRaWAN 1.0.4 the three are one.
                if keys.s_nwk_s_int_key != keys.f_nwk_s_int_key {
                    known.keys.push(("SNwkSIntKey", Some(keys.s_nwk_s_int_key.clone())));
                    known.keys.push(("NwkSEncKey", Some(keys.nwk_s_enc_key.clone())));
                }
            }
        }
        if rows.len() < LIST_LIMIT_MAX as usize {
            break;
        }
    }
    Ok(())
}

async fn application(
    store: &dyn ApplicationStore,
    vault: &Arc<dyn KeyVault>,
    devices: &mut Devices,
) -> Result<(), StoreError> {
    let mut loaded = store.load();
    while let Some(record) = loaded.next().await {
        match record? {
            Loaded::Registry(record) => {
                if let RegistryRecord::Device(device) = record.value {
                    devices.entry(device.ids.key).or_default().application = true;
                }
            }
            Loaded::Sessions(key, sessions) => {
                if let Some(session) = &sessions.current {
                    let known = devices.entry(key).or_default();
                    known.add("AppSKey", session.app_s_key.as_ref(), &**vault);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Known {
    fn add(&mut self, name: &'static str, key: Option<&KeyEnvelope>, vault: &dyn KeyVault) {
        if let Some(key) = key {
            self.keys.push((name, vault.unwrap(key).ok()));
        }
    }
}
