//! Starts and stops the networks of tenants as the registry says.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use ttn_core::{id::TenantId, task::Tasks};
use ttn_is::{IdentityServer, record::Tenant};
use ttn_store_embedded::LocalVault;

use super::{Running, Slot, TenantTransport, Tenants, settings::Settings, udp::DATAGRAMS_MAX};
use crate::{
    command::make_private,
    compose::{Parts, Stack, Stores},
    config::Config,
};

/// How long the tasks of a tenant may take to end by themselves.
const GRACE: Duration = Duration::from_secs(3);
/// How long until a network that could not be started is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// The file in a tenant's directory that says when he was created: data of one before him with the same id are not his.
const CREATED: &str = "created";

/// A network that runs.
struct Active {
    created: String,
    configuration: String,
    /// Kept for a network that is only started anew.
    stores: Stores,
    stop: CancellationToken,
    ended: CancellationToken,
}

struct Supervisor {
    tenants: Arc<Tenants>,
    active: BTreeMap<TenantId, Active>,
    /// One for each network.
    tasks: Tasks,
}

/// Does what the registry says until the server stops.
pub(super) async fn run(
    tenants: Arc<Tenants>,
    base: Weak<IdentityServer>,
    stopping: CancellationToken,
) {
    let clock = tenants.shared.clock.clone();
    let mut supervisor =
        Supervisor { tenants: tenants.clone(), active: BTreeMap::new(), tasks: Tasks::new() };
    loop {
        let Some(identity) = base.upgrade() else { break };
        let is_fine = supervisor.reconcile(&identity, &stopping).await;
        drop(identity);
        let later = clock.sleep_until(clock.monotonic().plus(RETRY));
        tokio::select! {
            biased;
            () = stopping.cancelled() => break,
            () = tenants.changed.notified() => {}
            Some(_) = supervisor.tasks.next_ended(), if !supervisor.tasks.is_empty() => {}
            () = later, if !is_fine => {}
        }
    }
    for active in supervisor.active.values() {
        active.stop.cancel();
    }
    for id in supervisor.active.keys().cloned().collect::<Vec<_>>() {
        supervisor.stop(&id).await;
    }
}

impl Supervisor {
    /// Starts, restarts and stops what has to be. False if something has to be tried again.
    async fn reconcile(&mut self, base: &IdentityServer, stopping: &CancellationToken) -> bool {
        let wanted = match base.tenants().await {
            Ok(wanted) => wanted,
            Err(error) => {
                tracing::error!(%error, "the registry of tenants cannot be read");
                return false;
            }
        };
        let wanted = wanted.into_iter().filter_map(|it| Some((it.id().parse().ok()?, it)));
        let wanted: BTreeMap<TenantId, Tenant> = wanted.collect();
        self.forget_deleted(&wanted).await;
        let mut is_fine = true;
        for (id, tenant) in &wanted {
            if stopping.is_cancelled() {
                break;
            }
            if let Err(error) = self.make_so(id, tenant).await {
                let error = format!("{error:#}");
                tracing::error!(tenant = %id, error, "the network of a tenant cannot be started");
                self.tenants.slots.write().insert(id.clone(), Slot::Unavailable);
                is_fine = false;
            }
        }
        is_fine
    }

    /// Stops what is in no registry any more, and puts its data aside.
    async fn forget_deleted(&mut self, wanted: &BTreeMap<TenantId, Tenant>) {
        let known = |id: &TenantId, created: &str| {
            wanted.get(id).is_some_and(|tenant| created_at(tenant) == created)
        };
        let deleted = self.active.iter().filter(|(id, active)| !known(id, &active.created));
        for id in deleted.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.stop(&id).await;
            self.active.remove(&id);
        }
        self.tenants.slots.write().retain(|id, _| wanted.contains_key(id));
        let entries = fs::read_dir(self.tenants.directory()).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            // Names with a point are those of data that were put aside.
            let Some(Ok(id)) = name.to_str().map(str::parse::<TenantId>) else { continue };
            let created = fs::read_to_string(entry.path().join(CREATED)).unwrap_or_default();
            if known(&id, &created) || (created.is_empty() && wanted.contains_key(&id)) {
                continue;
            }
            match put_aside(&entry.path()) {
                Ok(()) => {
                    tracing::info!(tenant = %id, "the data of a deleted tenant were put aside")
                }
                Err(error) => tracing::error!(tenant = %id, %error, "its data cannot be put aside"),
            }
        }
    }

    /// Lets a tenant's network be as the registry says.
    async fn make_so(&mut self, id: &TenantId, tenant: &Tenant) -> anyhow::Result<()> {
        if tenant.state != Tenant::APPROVED {
            self.stop(id).await;
            self.active.remove(id);
            self.tenants.slots.write().insert(id.clone(), Slot::Suspended);
            return Ok(());
        }
        let active = self.active.get(id);
        if active.is_some_and(|active| active.ended.is_cancelled()) {
            // Not at once again, and on stores that are opened anew: these may be why.
            self.active.remove(id);
            anyhow::bail!("it ended by itself");
        }
        if active.is_some_and(|active| active.configuration == tenant.configuration) {
            if let Ok(running) = self.tenants.running(id) {
                running.stack.identity.set_limits(tenant.limits());
            }
            return Ok(());
        }
        self.stop(id).await;
        let stores = self.active.remove(id).map(|active| active.stores);
        let active = self.start(id, tenant, stores).await?;
        self.active.insert(id.clone(), active);
        Ok(())
    }

    /// Stops a network, and waits until it has.
    async fn stop(&mut self, id: &TenantId) {
        let Some(active) = self.active.get(id) else { return };
        if let Some(slot) = self.tenants.slots.write().get_mut(id) {
            *slot = Slot::Unavailable;
        }
        active.stop.cancel();
        active.ended.cancelled().await;
    }

    async fn start(
        &mut self,
        id: &TenantId,
        tenant: &Tenant,
        stores: Option<Stores>,
    ) -> anyhow::Result<Active> {
        let settings = match &*tenant.configuration {
            "" => Map::<String, Value>::new(),
            text => serde_json::from_str(text).context("its configuration")?,
        };
        let settings = Settings::read(&settings).map_err(anyhow::Error::msg)?;
        let config = settings.apply(&self.tenants.config, id);
        make_private(&config.data)?;
        let stores = match stores {
            Some(stores) => stores,
            None => Stores::open(&config).await?,
        };
        let (running, mut tasks) = self.build(&config, tenant, stores.clone()).await?;
        running.stack.start(&mut tasks);
        let (stop, ended) = (running.stopped.clone(), CancellationToken::new());
        let slot = Slot::Running(Arc::new(running));
        self.tenants.slots.write().insert(id.clone(), slot);
        self.tasks.spawn("tenant", {
            let (clock, stop, name) = (self.tenants.shared.clock.clone(), stop.clone(), id.clone());
            let ended = ended.clone().drop_guard();
            async move {
                let grace = async { clock.sleep_until(clock.monotonic().plus(GRACE)).await };
                if let Err(error) = tasks.until_shutdown(stop.cancelled(), grace).await {
                    tracing::error!(tenant = %name, %error, "the network of a tenant has failed");
                }
                // Its clients end with it.
                stop.cancel();
                drop(ended);
            }
        });
        tracing::info!(tenant = %id, "the network of a tenant runs");
        let (created, configuration) = (created_at(tenant), tenant.configuration.clone());
        Ok(Active { created, configuration, stores, stop, ended })
    }

    async fn build(
        &self,
        config: &Config,
        tenant: &Tenant,
        stores: Stores,
    ) -> anyhow::Result<(Running, Tasks)> {
        let shared = &self.tenants.shared;
        let vault = LocalVault::load_or_create(config.kek_path(), &*shared.entropy)?;
        let parts = Parts {
            clock: shared.clock.clone(),
            entropy: shared.entropy.clone(),
            stores,
            vault: Arc::new(vault),
            scripts: shared.scripts.clone(),
            webhooks: None,
        };
        let (from_gateways, incoming) = mpsc::channel(DATAGRAMS_MAX);
        let to_gateways = self.tenants.to_gateways.clone();
        let udp = TenantTransport::new(self.tenants.udp_address, incoming, to_gateways);
        let stack = Arc::new(Stack::build(config, parts, udp).await?);
        let marker = config.data.join(CREATED);
        if !marker.exists() {
            if let Some(first) = &tenant.administrator {
                stack.identity.ensure_administrator(first).await?;
                stack.identity.ensure_cli_client(&first.user_id.parse()?).await?;
            }
            fs::write(&marker, created_at(tenant)).context("its directory")?;
        }
        stack.identity.set_limits(tenant.limits());
        let router = stack.api().router();
        let stopped = CancellationToken::new();
        Ok((Running { stack, router, from_gateways, stopped }, Tasks::new()))
    }
}

/// When a tenant was created, as text.
fn created_at(tenant: &Tenant) -> String {
    let at = tenant.created_at.unwrap_or_default();
    format!("{}.{:09}", at.seconds, at.nanos)
}

/// Renames a directory to `NAME.deleted-N`.
fn put_aside(directory: &Path) -> io::Result<()> {
    let name = |n: u32| directory.with_extension(format!("deleted-{n}"));
    let free = (1..).map(name).find(|name| !name.exists());
    fs::rename(directory, free.unwrap_or_else(|| name(0)))
}
