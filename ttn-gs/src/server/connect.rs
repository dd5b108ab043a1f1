//! Connecting and disconnecting gateways (GS-01 to GS-05).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ttn_core::{
    error::ApiError as _,
    eui::GatewayEui,
    event::EventData,
    id::{GatewayId, GatewayIds},
    map::Map,
    msg::PathConstraint,
    peer::GatewayInfo,
    time::{Monotonic, Now},
};

use super::GatewayServer;
use crate::{
    conn::{Connection, ConnectionStats, DisconnectReason, Radio, RadioPlan},
    error::Error,
    event,
    frontend::{ConnectRequest, GatewayRef},
    sched::{Rules, Scheduler},
};

/// What is kept of gateways that disconnected.
#[derive(Debug, Default)]
pub(super) struct Retired {
    gateways: Map<GatewayId, (u64, Kept)>,
    order: BTreeMap<u64, GatewayId>,
    next: u64,
}

#[derive(Debug)]
struct Kept {
    at: Monotonic,
    stats: ConnectionStats,
    radio: Radio,
}

impl GatewayServer {
    /// Connects a gateway. A connection that it has already ends with [`DisconnectReason::NewConnection`] (GS-05).
    /// Nothing is changed when dropped halfway.
    ///
    /// # Errors
    ///
    /// It may not connect, or its registration makes no sense.
    pub async fn connect(&self, request: ConnectRequest) -> Result<Arc<Connection>, Error> {
        let mut info = self.find(&request).await?;
        let gateway_id = info.ids.gateway_id.clone();
        // GS-04
        if info.require_authenticated_connection && !request.authenticated {
            return Err(Error::Unauthenticated { gateway_id });
        }
        if info.frequency_plan_ids.is_empty() {
            info.frequency_plan_ids.extend(request.fallback_frequency_plan.clone());
        }
        let plan = RadioPlan::new(&info, &self.plans)?;
        let rules = plan.rules()?;
        let now = self.clock.now();
        let before = self.connections.write().remove(&gateway_id);
        if let Some(before) = before {
            self.retire(&before, DisconnectReason::NewConnection, now);
        }
        let radio = self.retired.lock().take(&gateway_id, rules, now);
        let connection = Arc::new(Connection::new(info, plan, radio, &request, now));
        self.connections.write().insert(gateway_id.clone(), connection.clone());
        self.upkeep.look_after(&connection, now.monotonic, &*self.entropy);
        self.publisher.gateway(&event::CONNECT, now.utc, connection.ids(), &vec![], || {
            let stats = connection.stats(now.monotonic);
            EventData::message(move || stats.to_json())
        });
        Ok(connection)
    }

    /// Ends a connection, unless it ended already.
    pub fn disconnect(&self, connection: &Arc<Connection>, reason: DisconnectReason) {
        {
            let mut connections = self.connections.write();
            let id = connection.gateway_id();
            if connections.get(id).is_some_and(|current| Arc::ptr_eq(current, connection)) {
                connections.remove(id);
            }
        }
        self.retire(connection, reason, self.clock.now());
    }

    fn retire(&self, connection: &Connection, reason: DisconnectReason, now: Now) {
        if !connection.close(now.utc) {
            return;
        }
        let id = connection.gateway_id();
        if reason != DisconnectReason::Expired {
            connection.sink().closed();
        }
        let stats = connection.all_stats(now.monotonic);
        let radio = connection.state().radio.clone();
        self.retired.lock().keep(id, Kept { at: now.monotonic, stats, radio });
        self.publisher.gateway(
            &event::DISCONNECT,
            now.utc,
            connection.ids(),
            &vec![],
            || serde_json::json!({ "namespace": reason.namespace(), "name": reason.as_str() }),
        );
    }

    async fn find(&self, request: &ConnectRequest) -> Result<GatewayInfo, Error> {
        self.find_ref(&request.gateway).await
    }

    /// Looks a gateway up as it named itself.
    pub(super) async fn find_ref(&self, gateway: &GatewayRef) -> Result<GatewayInfo, Error> {
        let directory = self.peers.directory()?;
        match gateway {
            GatewayRef::Eui(eui) => match directory.gateway_by_eui(*eui).await? {
                Some(info) => Ok(info),
                None if self.require_registered_gateways => {
                    Err(Error::GatewayEuiNotRegistered { eui: *eui })
                }
                None => unregistered(*eui),
            },
            GatewayRef::Id(id) => {
                let info = directory.gateway(id).await?;
                info.ok_or_else(|| Error::GatewayNotRegistered { gateway_id: id.clone() })
            }
        }
    }
}

/// A gateway that nobody registered (GS-01, GS-02).
fn unregistered(eui: GatewayEui) -> Result<GatewayInfo, Error> {
    let id = format!("eui-{:016x}", eui.to_u64());
    let gateway_id = GatewayId::new(&id).map_err(|_| Error::GatewayEuiNotRegistered { eui })?;
    Ok(GatewayInfo {
        ids: GatewayIds { gateway_id, eui: Some(eui) },
        frequency_plan_ids: vec![],
        enforce_duty_cycle: true,
        require_authenticated_connection: false,
        schedule_downlink_late: false,
        schedule_anytime_delay: None,
        path_constraint: PathConstraint::None,
        antennas: vec![],
        location_public: false,
        status_public: false,
        update_location_from_status: false,
        disable_packet_broker_forwarding: false,
        gateway_server_address: String::new(),
    })
}

impl Retired {
    /// Keeps a gateway; beyond [`RETIRED_MAX`] the oldest is forgotten.
    fn keep(&mut self, id: &GatewayId, kept: Kept) {
        self.remove(id);
        while self.order.len() >= RETIRED_MAX {
            if let Some((_, oldest)) = self.order.pop_first() {
                self.gateways.remove(&oldest);
            }
        }
        self.next += 1;
        self.order.insert(self.next, id.clone());
        self.gateways.insert(id.clone(), (self.next, kept));
    }

    /// The clock and the scheduler of a gateway, so that a new connection does not forget what was sent.
    fn take(&mut self, id: &GatewayId, rules: Rules, now: Now) -> Radio {
        let kept = self.remove(id).filter(|kept| now.monotonic.since(kept.at) < RADIO_TTL);
        match kept {
            Some(kept) if *kept.radio.scheduler.rules() == rules => kept.radio,
            Some(kept) => Radio { scheduler: Scheduler::new(rules), ..kept.radio },
            None => Radio::new(rules),
        }
    }

    pub(super) fn stats(&self, id: &GatewayId, now: Now) -> Option<ConnectionStats> {
        let (_, kept) = self.gateways.get(id)?;
        (now.monotonic.since(kept.at) < STATS_TTL).then(|| kept.stats.clone())
    }

    pub(super) fn prune(&mut self, now: Now) {
        while let Some(entry) = self.order.first_entry() {
            let old = self
                .gateways
                .get(entry.get())
                .is_none_or(|(_, kept)| now.monotonic.since(kept.at) >= STATS_TTL);
            if !old {
                break;
            }
            let id = entry.remove();
            self.gateways.remove(&id);
        }
    }

    fn remove(&mut self, id: &GatewayId) -> Option<Kept> {
        let (order, kept) = self.gateways.remove(id)?;
        self.order.remove(&order);
        Some(kept)
    }
}

/// Gateways that disconnected and are remembered; the oldest is forgotten.
const RETIRED_MAX: usize = 50_000;
/// How long statistics outlive a connection (GS-75).
const STATS_TTL: Duration = Duration::from_secs(48 * 3600);
/// How long what was sent counts, with some margin: duty cycles are reckoned by the hour.
const RADIO_TTL: Duration = Duration::from_secs(2 * 3600);
