//! Fills the store before the server starts: through the API, without sockets.
//!
//! The calls are those that a client would make over HTTP, so that what is stored is what a client would have stored.
//! Many are under way at a time; the store groups them.

use std::{future::ready, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use ttn_as::format::javascript::{InProcessHost, Limits};
use ttn_core::{
    clock::Clock,
    rand::{Entropy, OsEntropy},
    task::Tasks,
};
use ttn_gs::frontend::memory;
use ttn_store_embedded::{EmbeddedStore, LocalVault, Options};

use super::fleet::{APPLICATION, Fleet, PLAN};
use crate::{
    client::Client,
    compose::{Parts, Stack, Stores},
    config::Config,
    provision,
};

/// A store with everything in it.
#[derive(Debug)]
pub(super) struct Prepared {
    /// A key of the application that may do everything.
    pub(super) api_key: String,
    /// How long the devices took.
    pub(super) took: Duration,
}

/// How many devices are registered at the same time.
const AT_A_TIME: usize = 256;
/// How many of them one task has under way: there is a task for every core.
const TASKS: usize = 4;
const GRACE: Duration = Duration::from_secs(5);

/// Registers application, gateways and devices.
pub(super) async fn fill(
    config: &Config,
    fleet: &Fleet,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Prepared> {
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
    let store = EmbeddedStore::open(&config.data, Options::default())?;
    let vault = LocalVault::load_or_create(config.kek_path(), &*entropy)?;
    let parts = Parts {
        clock: clock.clone(),
        entropy,
        stores: Stores::embedded(&store),
        vault: Arc::new(vault),
        scripts: Arc::new(InProcessHost::new(Limits::default())),
        webhooks: None,
    };
    let (transport, _gateways) = memory::network(([127, 0, 0, 1], 0).into());
    let stack = Stack::build(config, parts, transport).await?;
    let mut tasks = Tasks::new();
    stack.start(&mut tasks);
    let prepared = register(&stack, fleet, clock).await;
    let waiting = clock.clone();
    let grace = async move { waiting.sleep_until(waiting.monotonic().plus(GRACE)).await };
    tasks.until_shutdown(ready(()), grace).await?;
    drop(stack);
    // Written and closed here, so that the server finds a store that was left in order.
    drop(store);
    prepared
}

async fn register(
    stack: &Stack,
    fleet: &Fleet,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Prepared> {
    let admin = "admin".parse()?;
    let created = stack.identity.ensure_admin(&admin, "bench-password", "admin@localhost").await?;
    let created = created.context("the store is not new")?;
    let client = stack.client().with_key(&created.api_key);
    provision::create_application(&client, &Fleet::application()?).await?;
    let rights = json!({ "name": "bench", "rights": ["RIGHT_APPLICATION_ALL"] });
    let key = client.post(&format!("/applications/{APPLICATION}/api-keys"), rights).await?;
    let api_key = key["key"].as_str().context("an API key of the application")?.to_owned();
    for index in 0..fleet.gateways {
        let (id, eui) = Fleet::gateway(index)?;
        let gateway = json!({
            "ids": { "gateway_id": id.as_str(), "eui": eui.to_string() },
            "frequency_plan_ids": [PLAN],
            // Hundreds of downlinks per second would use up the hour of a few gateways in a moment.
            "enforce_duty_cycle": false,
        });
        client.post("/users/admin/gateways", json!({ "gateway": gateway })).await?;
    }
    let began = clock.monotonic();
    let mut tasks = Tasks::new();
    for first in 0..TASKS {
        let (client, fleet) = (client.clone(), *fleet);
        tasks.spawn_fallible("bench devices", async move {
            create_devices(&client, &fleet, first).await.map_err(Into::into)
        });
    }
    while let Some(ended) = tasks.next_ended().await {
        ended?;
    }
    Ok(Prepared { api_key, took: clock.monotonic().since(began) })
}

/// Every [`TASKS`]th device.
async fn create_devices(client: &Client, fleet: &Fleet, first: usize) -> anyhow::Result<()> {
    let registrations = (first..fleet.devices).step_by(TASKS).map(|index| async move {
        let registration = fleet.registration(index)?;
        provision::create_device(client, &registration).await?;
        anyhow::Ok(())
    });
    stream::iter(registrations).buffer_unordered(AT_A_TIME / TASKS).try_collect().await
}
