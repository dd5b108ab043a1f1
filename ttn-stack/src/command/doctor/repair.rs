//! `ttn-stack doctor devices --repair`: deletes what is left over of devices that were created or deleted in part.

use std::sync::Arc;

use anyhow::bail;
use ttn_as::format::javascript::{InProcessHost, Limits};
use ttn_core::{
    auth::{Principal, Right, Rights},
    clock::{Clock, SystemClock},
    error::{ApiError, ErrorKind},
    id::DeviceKey,
    rand::{Entropy, OsEntropy},
    store::Replaces,
    task::Tasks,
};
use ttn_gs::{config::UdpConfig, frontend::udp::SocketTransport};
use ttn_store_embedded::LocalVault;

use super::{devices, store};
use crate::{
    compose::{Parts, Stack, Stores},
    config::Config,
};

/// Lists halves, and deletes those that were never heard.
pub(super) async fn run(config: &Config, repair: bool) -> anyhow::Result<()> {
    let (findings, inventory) = store::read(config).await;
    for finding in &findings {
        finding.print();
    }
    let Some(inventory) = inventory else {
        bail!("devices were not examined");
    };
    let mut left_over = Vec::new();
    let mut found = 0;
    for (key, known) in devices::halves(&inventory) {
        devices::half(key, known).print();
        found += 1;
        if !known.was_heard {
            left_over.push(key.clone());
        }
    }
    if found == 0 {
        println!("all {} devices are whole", inventory.devices.len());
    }
    drop(inventory);
    if !repair || left_over.is_empty() {
        return Ok(());
    }
    delete(config, &left_over).await?;
    println!("{} of {found} halves are deleted", left_over.len());
    Ok(())
}

/// Deletes devices from every registry, through the components: they know what else belongs to a device.
async fn delete(config: &Config, keys: &[DeviceKey]) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
    let stores = Stores::open(config).await?;
    let vault = Arc::new(LocalVault::load_or_create(config.kek_path(), &*entropy)?);
    let scripts = Arc::new(InProcessHost::new(Limits::default()));
    let parts = Parts { clock, entropy, stores, vault, scripts, webhooks: None };
    // Nobody knows its port.
    let udp =
        SocketTransport::bind(([127, 0, 0, 1], 0).into(), UdpConfig::default().receive_buffer)?;
    let stack = Stack::build(config, parts, udp).await?;
    let mut tasks = Tasks::new();
    stack.network.start(&mut tasks);
    let mut result = Ok(());
    for key in keys {
        result = delete_one(&stack, key).await;
        if result.is_err() {
            break;
        }
        println!("{key} is deleted");
    }
    let now = std::future::ready;
    tasks.until_shutdown(now(()), now(())).await?;
    result
}

async fn delete_one(stack: &Stack, key: &DeviceKey) -> anyhow::Result<()> {
    let mut operator = Principal::cluster();
    operator.universal = Rights::from_iter([Right::All]);
    gone(stack.applications.delete_device(key, Replaces::Any).await)?;
    gone(stack.network.delete_device(key, Replaces::Any).await)?;
    gone(stack.joins.delete_device(key, Replaces::Any).await)?;
    gone(stack.identity.delete_device(&operator, key).await)
}

/// What was not there needs no deleting.
fn gone<E: ApiError + std::error::Error + Send + Sync + 'static>(
    result: Result<(), E>,
) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
