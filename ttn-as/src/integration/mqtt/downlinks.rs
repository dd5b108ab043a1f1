//! Downlinks that clients publish (AS-34).

use std::sync::atomic::Ordering;

use serde_json::json;
use ttn_core::{
    error::ApiError as _,
    id::{DeviceKey, EntityId},
};

use super::{connect::Login, topic};
use crate::{
    ApplicationServer, Error, event,
    integration::{ParseDownlinksError, parse_downlinks},
};

/// The class of the limit on downlinks, by device.
const DOWN_CLASS: &str = "as:down:mqtt";

/// The client publishes too often: its connection is closed.
#[derive(Debug)]
pub(super) struct Limited;

/// Queues what was published. MQTT 3.1.1 has no way to refuse it, so that what is wrong becomes an event; what is
/// published to any other topic is nothing.
pub(super) async fn take(
    server: &ApplicationServer,
    login: &Login,
    name: &str,
    payload: &[u8],
) -> Result<(), Limited> {
    let Some((device, operation)) = topic::of_downlinks(&login.uid, name) else { return Ok(()) };
    let device = DeviceKey::new(login.application.clone(), device);
    if super::is_limited(server, DOWN_CLASS, &format!("dev:{device}")).await {
        server.mqtt.counters.limited.fetch_add(1, Ordering::Relaxed);
        return Err(Limited);
    }
    if !login.can_write {
        let message = "the API key lacks RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE";
        drop_downlinks(server, device, "insufficient_application_rights", message);
        return Ok(());
    }
    let items = match parse_downlinks(payload) {
        Ok(items) => items,
        Err(error) => {
            let name = match error {
                ParseDownlinksError::Json => "json",
                _ => "field_value",
            };
            drop_downlinks(server, device, name, &error.to_string());
            return Ok(());
        }
    };
    let queued = server.queue_downlinks(&device, operation, items).await;
    // Other refusals have had their event.
    if let Err(error @ Error::DeviceNotFound(_)) = queued {
        drop_downlinks(server, device, error.name(), &error.to_string());
    }
    Ok(())
}

fn drop_downlinks(server: &ApplicationServer, device: DeviceKey, reason: &str, message: &str) {
    let (id, time) = (EntityId::Device(device), server.clock.utc());
    let data = || json!({ "reason": reason, "message": message });
    event::publish(&server.events, &event::DOWN_DROP, time, id, &Vec::new(), data);
}
