//! What is due about connections from time to time: looking whether registrations changed (GS-07, GS-08), and telling
//! the registry what authenticated gateways say of themselves (GS-11, GS-58, GS-59).

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::sync::Notify;
use ttn_core::{
    auth::{Credentials, Right},
    error::{ApiError as _, ErrorBody, ErrorKind},
    msg::{Location, LocationSource},
    peer::{GatewayInfo, GatewayReport, require_rights},
    rand::Entropy,
    time::Monotonic,
};

use super::GatewayServer;
use crate::{
    conn::{Connection, DisconnectReason},
    error::Error,
    event,
    frontend::GatewayStatus,
};

/// What is due, and when. Each connection has at most one look at the registry and two reports in it.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    due: Mutex<Due>,
    changed: Notify,
    /// What the registry was told.
    forwarded: AtomicU64,
}

#[derive(Debug, Default)]
struct Due {
    jobs: BTreeMap<(Monotonic, u64), (Weak<Connection>, Job)>,
    next: u64,
}

#[derive(Clone, Debug)]
enum Job {
    Look,
    Report(GatewayReport),
}

/// How often a registration is looked at (GS-07).
const LOOK_INTERVAL: Duration = Duration::from_secs(600);
/// How often a location is reported at most (GS-58).
const LOCATION_INTERVAL: Duration = Duration::from_secs(3600);
/// How long after the first status the versions are reported (GS-59).
const VERSION_DELAY: Duration = Duration::from_secs(5);
/// Moves by less are none (GS-58).
const MOVE_DEGREES: f64 = 1e-5;
/// How many calls to the registry run at the same time.
const CALLS_MAX: usize = 32;

impl Upkeep {
    pub(super) fn forwarded(&self) -> u64 {
        self.forwarded.load(Ordering::Relaxed)
    }

    /// Begins to look after a connection.
    pub(super) fn look_after(
        &self,
        connection: &Arc<Connection>,
        now: Monotonic,
        entropy: &dyn Entropy,
    ) {
        self.add(connection, now.plus(spread(LOOK_INTERVAL, 20, entropy)), Job::Look);
    }

    /// Takes a status of a gateway.
    pub(super) fn take_status(
        &self,
        connection: &Arc<Connection>,
        now: Monotonic,
        status: &GatewayStatus,
        entropy: &dyn Entropy,
    ) {
        if !connection.is_authenticated() {
            return;
        }
        let (is_first, locate) = {
            let mut state = connection.state();
            let known = connection.info().antennas.first().and_then(|(_, location)| *location);
            let told = state.stats.last_status.as_ref().and_then(|last| last.antenna_location);
            let moved = status
                .antenna_location
                .filter(|to| told.or(known).is_none_or(|from| has_moved(&from, to)))
                .filter(|_| connection.info().update_location_from_status);
            let interval = spread(LOCATION_INTERVAL, 25, entropy);
            let due = state.location_told.is_none_or(|last| now.since(last) >= interval);
            let locate = moved.filter(|_| due);
            if locate.is_some() {
                state.location_told = Some(now);
            }
            (state.stats.last_status.is_none(), locate)
        };
        if locate.is_some() {
            let report = GatewayReport { location: locate, ..GatewayReport::default() };
            self.add(connection, now, Job::Report(report));
        }
        let attributes = attributes(status);
        if is_first && !attributes.is_empty() {
            let report = GatewayReport { attributes, ..GatewayReport::default() };
            let at = now.plus(spread(VERSION_DELAY, 25, entropy));
            self.add(connection, at, Job::Report(report));
        }
    }

    fn add(&self, connection: &Arc<Connection>, at: Monotonic, job: Job) {
        let mut due = self.due.lock();
        due.next += 1;
        let key = (at, due.next);
        due.jobs.insert(key, (Arc::downgrade(connection), job));
        drop(due);
        self.changed.notify_one();
    }

    fn next(&self) -> Option<Monotonic> {
        self.due.lock().jobs.first_key_value().map(|((at, _), _)| *at)
    }

    fn take_due(&self, now: Monotonic) -> Option<(Arc<Connection>, Job)> {
        let mut due = self.due.lock();
        loop {
            let entry = due.jobs.first_entry()?;
            if entry.key().0 > now {
                return None;
            }
            let (connection, job) = entry.remove();
            if let Some(connection) = connection.upgrade().filter(|it| !it.is_closed()) {
                return Some((connection, job));
            }
        }
    }
}

impl GatewayServer {
    /// Does what is due, for ever.
    pub(super) async fn keep_up(self: Arc<Self>) {
        let mut running: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        loop {
            while running.len() < CALLS_MAX
                && let Some((connection, job)) = self.upkeep.take_due(self.clock.monotonic())
            {
                running.push(self.carry_out(connection, job).boxed());
            }
            let next = self.upkeep.next().filter(|_| running.len() < CALLS_MAX);
            let timer = async {
                match next {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(()) = running.next(), if !running.is_empty() => {}
                () = self.upkeep.changed.notified() => {}
                () = timer => {}
            }
        }
    }

    async fn carry_out(&self, connection: Arc<Connection>, job: Job) {
        match job {
            Job::Look => self.look(&connection).await,
            Job::Report(report) => {
                let told = match self.peers.directory() {
                    Ok(directory) => {
                        directory.report_gateway(connection.gateway_id(), report).await
                    }
                    Err(error) => Err(error),
                };
                match told {
                    Ok(()) => drop(self.upkeep.forwarded.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => self.not_reported(&connection, &error.into()),
                }
            }
        }
    }

    fn not_reported(&self, connection: &Connection, error: &Error) {
        let (now, ids) = (self.clock.utc(), connection.ids());
        let body = || event::error_json(&ErrorBody::of(error));
        self.publisher.gateway(&event::STATUS_DROP, now, ids, &vec![], body);
        let id = connection.gateway_id();
        tracing::warn!(gateway = %id, %error, "the registry does not know what the gateway says");
    }

    /// Ends a connection whose registration changed or is gone. One that cannot be read now is looked at next time.
    async fn look(&self, connection: &Arc<Connection>) {
        let ends = match self.find_ref(connection.gateway()).await {
            Ok(mut found) => {
                if found.frequency_plan_ids.is_empty() {
                    found.frequency_plan_ids.extend(connection.fallback_plan().cloned());
                }
                let linked = self.may_link(connection).await;
                !is_same(connection.info(), &found) || linked.is_err_and(|error| is_gone(&error))
            }
            Err(error) => is_gone(&error),
        };
        if ends {
            self.disconnect(connection, DisconnectReason::Changed);
        } else {
            self.upkeep.look_after(connection, self.clock.monotonic(), &*self.entropy);
        }
    }
}

impl GatewayServer {
    /// GS-08: whether the key that the gateway showed still gives the right to link.
    async fn may_link(&self, connection: &Connection) -> Result<(), Error> {
        if *connection.credentials() == Credentials::None {
            return Ok(());
        }
        let access = self.peers.access()?;
        let caller = access.principal(connection.credentials()).await?;
        let entity = connection.gateway_id().clone().into();
        Ok(require_rights(&*access, &caller, &entity, &[Right::GatewayLink]).await?)
    }
}

fn is_gone(error: &Error) -> bool {
    let kinds = [ErrorKind::NotFound, ErrorKind::PermissionDenied, ErrorKind::Unauthenticated];
    kinds.contains(&error.kind())
}

/// Whether nothing changed that matters to a connection; where the gateway says that it is does not (GS-07).
fn is_same(old: &GatewayInfo, new: &GatewayInfo) -> bool {
    let mut old = old.clone();
    for ((_, was), (_, is)) in old.antennas.iter_mut().zip(&new.antennas) {
        if is.is_some_and(|location| location.source == LocationSource::Gps) {
            *was = *is;
        }
    }
    // A registry that was told where an unregistered antenna is has made it.
    let only_gps = |antenna: &(f32, Option<Location>)| {
        antenna.0 == 0.0 && antenna.1.is_some_and(|at| at.source == LocationSource::Gps)
    };
    if old.antennas.is_empty() && new.antennas.len() == 1 && new.antennas.iter().all(only_gps) {
        old.antennas.clone_from(&new.antennas);
    }
    old == *new
}

fn has_moved(from: &Location, to: &Location) -> bool {
    let far = |a: f64, b: f64| (a - b).abs() >= MOVE_DEGREES;
    far(from.latitude, to.latitude) || far(from.longitude, to.longitude)
}

fn attributes(status: &GatewayStatus) -> Vec<(String, String)> {
    let of = |name: &str| {
        let version = status.versions.get(name)?;
        Some((name.to_owned(), version.chars().take(ATTRIBUTE_LENGTH_MAX).collect()))
    };
    ["model", "firmware"].into_iter().filter_map(of).collect()
}

/// The longest value of an attribute.
const ATTRIBUTE_LENGTH_MAX: usize = 200;

/// A span, longer or shorter by up to so many percent.
fn spread(span: Duration, percent: u32, entropy: &dyn Entropy) -> Duration {
    let width = u64::try_from(span.as_millis()).unwrap_or(u64::MAX) * u64::from(percent) / 100;
    let shortest = span.saturating_sub(Duration::from_millis(width));
    shortest + Duration::from_millis(entropy.below(2 * width + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ttn_core::id::GatewayIds;

    fn info(source: LocationSource, latitude: f64) -> GatewayInfo {
        let location = Location { latitude, longitude: 1.0, altitude: 0, accuracy: 0, source };
        GatewayInfo {
            ids: GatewayIds { gateway_id: "roof".parse().unwrap(), eui: None },
            frequency_plan_ids: vec![],
            enforce_duty_cycle: true,
            require_authenticated_connection: false,
            schedule_downlink_late: false,
            schedule_anytime_delay: None,
            path_constraint: ttn_core::msg::PathConstraint::None,
            antennas: vec![(0.0, Some(location))],
            location_public: false,
            status_public: false,
            update_location_from_status: false,
            disable_packet_broker_forwarding: false,
            gateway_server_address: String::new(),
        }
    }

    // GS-07
    #[test]
    fn a_location_of_the_gateway_itself_is_no_change() {
        use LocationSource::{Gps, Registry};
        assert!(is_same(&info(Registry, 1.0), &info(Gps, 2.0)));
        assert!(!is_same(&info(Gps, 1.0), &info(Registry, 2.0)));
        assert!(is_same(&info(Registry, 1.0), &info(Registry, 1.0)));
        let unplaced = GatewayInfo { antennas: vec![], ..info(Gps, 1.0) };
        assert!(is_same(&unplaced, &info(Gps, 2.0)));
        let regulated = GatewayInfo { enforce_duty_cycle: false, ..info(Gps, 1.0) };
        assert!(!is_same(&regulated, &info(Gps, 1.0)));
    }
}
