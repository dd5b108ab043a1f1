//! The way of downlinks: the first path and window that can take one (GS-60 to GS-62).

use std::{sync::Arc, time::Duration};

use serde_json::json;
use ttn_core::{
    error::{ErrorBody, ErrorKind},
    id::GatewayId,
    msg::{DownlinkPath, PathConstraint, Scheduled, TxRequest, TxWindow},
    radio::{DeviceClass, time_on_air},
    time::{ConcentratorTime, Now},
};

use super::GatewayServer;
use crate::{
    conn::{Connection, RadioPlan, State, UplinkToken, unfold},
    error::Error,
    event,
    frontend::{GatewayDown, TxStart},
    sched::{Emission, Refusal, Transmission},
};

/// What was granted.
struct Granted {
    rx2: bool,
    lead: Duration,
    reports: bool,
}

/// A window with its number and its begin.
struct Window {
    number: u8,
    window: TxWindow,
    start: ConcentratorTime,
}

impl GatewayServer {
    /// Schedules a transmission on the first path that can take it. An `Err` has one cause per path and window.
    pub(crate) fn schedule(&self, tx: &TxRequest) -> Result<Scheduled, Box<ErrorBody>> {
        let mut refused = Vec::new();
        for (index, path) in tx.paths.iter().take(PATHS_MAX).enumerate() {
            match self.schedule_on_path(tx, path, &mut refused) {
                Ok((gateway_id, granted)) => {
                    return Ok(Scheduled {
                        gateway_id,
                        path: index,
                        rx2: granted.rx2,
                        delay: granted.lead,
                        reports: granted.reports,
                        refused,
                    });
                }
                Err(body) => refused.extend(body),
            }
        }
        Err(Box::new(failure(refused)))
    }

    /// Tries one path. What its windows say goes into `refused`, an error of the path as a whole is given back.
    fn schedule_on_path(
        &self,
        tx: &TxRequest,
        path: &DownlinkPath,
        refused: &mut Vec<ErrorBody>,
    ) -> Result<(GatewayId, Granted), Option<ErrorBody>> {
        let (DownlinkPath::Fixed { gateway_id, .. } | DownlinkPath::Uplink { gateway_id, .. }) =
            path;
        let now = self.clock.now();
        let (utc, ids) = (now.utc, &tx.correlation_ids);
        let gateway = self.ids_of(gateway_id);
        self.publisher.gateway(
            &event::DOWN_SCHEDULE_ATTEMPT,
            utc,
            &gateway,
            ids,
            || json!({ "transmission": tx.id.0, "priority": format!("{:?}", tx.priority) }),
        );
        let before = refused.len();
        match self.try_path(tx, path, gateway_id, now, refused) {
            Ok(granted) => Ok((gateway_id.clone(), granted)),
            Err(error) => {
                let body = error.map(|error| body_of(&error, gateway_id));
                let causes = refused.iter().skip(before).chain(&body);
                let causes: Vec<_> = causes.map(event::error_json).collect();
                self.publisher.gateway(
                    &event::DOWN_SCHEDULE_FAIL,
                    utc,
                    &gateway,
                    ids,
                    || json!({ "transmission": tx.id.0, "causes": causes }),
                );
                Err(body)
            }
        }
    }

    fn try_path(
        &self,
        tx: &TxRequest,
        path: &DownlinkPath,
        gateway_id: &GatewayId,
        now: Now,
        refused: &mut Vec<ErrorBody>,
    ) -> Result<Granted, Option<Error>> {
        let not_connected = || Error::NotConnected { gateway_id: gateway_id.clone() };
        let connection = self.connection(gateway_id).ok_or_else(not_connected)?;
        connection.check_downlink()?;
        // GS-53
        if connection.info().path_constraint == PathConstraint::Never {
            return Err(Some(Error::NotAllowed));
        }
        match tx.class {
            DeviceClass::A => {}
            DeviceClass::B => return Err(Some(Error::UnsupportedClass { class: 'B' })),
            DeviceClass::C => return Err(Some(Error::UnsupportedClass { class: 'C' })),
        }
        let mut state = connection.state();
        let (token, windows) = class_a_windows(tx, path, gateway_id, &state, now)?;
        for window in windows {
            match self.try_window(tx, &connection, &mut state, &token, &window, now) {
                Ok(emission) => {
                    let reports = state.stats.tx_acknowledgment_count > 0;
                    return Ok(Granted { rx2: window.number == 2, lead: emission.lead, reports });
                }
                // GS-61: the length is the same in every window that counts, and no room is left for another error.
                Err(error @ Error::Refused(Refusal::TooLong { .. })) => return Err(Some(error)),
                Err(Error::Refused(refusal)) => {
                    refused.push(body_of_window(&refusal, gateway_id, &window, &state, now));
                }
                Err(error) => return Err(Some(error)),
            }
        }
        Err(None)
    }

    fn try_window(
        &self,
        tx: &TxRequest,
        connection: &Arc<Connection>,
        state: &mut State,
        token: &UplinkToken,
        window: &Window,
        now: Now,
    ) -> Result<Emission, Error> {
        let radio = connection.plan();
        let plan = radio.plan_of_request(&tx.frequency_plan_id)?;
        let TxWindow { frequency, data_rate } = window.window;
        radio.check_length(plan, window.number, data_rate, tx.phy.len())?;
        let time_on_air = time_on_air(tx.phy.len(), frequency, &data_rate)
            .map_err(|_| Refusal::DataRate { window: window.number, data_rate })?;
        let transmission = Transmission {
            start: window.start,
            time_on_air,
            frequency,
            dwell_time: RadioPlan::dwell_time(plan),
            priority: tx.priority,
        };
        let at = state.concentrator_now(now.monotonic).ok_or(Refusal::NoClockSync)?;
        let lead_min = state.lead_min(now.monotonic);
        let emission = state.radio.scheduler.schedule(at, lead_min, &transmission)?;
        let tx_power = radio.tx_power(plan, frequency, token.antenna_index);
        connection.send(GatewayDown {
            id: tx.id,
            correlation_ids: tx.correlation_ids.clone(),
            phy: tx.phy.clone(),
            frequency,
            data_rate,
            tx_power,
            start: TxStart::Concentrator(emission.start),
            starts_at: state.radio.clock.when(emission.start),
            antenna_index: token.antenna_index,
        })?;
        state.stats.downlink_count += 1;
        state.stats.last_downlink_received_at = Some(now.utc);
        state.changed = true;
        let (id, ids) = (connection.ids(), &tx.correlation_ids);
        self.publisher.gateway(&event::DOWN_SEND, now.utc, id, ids, || {
            json!({
                "transmission": tx.id.0,
                "frequency": frequency.hz().to_string(),
                "data_rate": data_rate.to_string(),
                "timestamp": emission.start.counter(),
                "delay_ms": emission.lead.as_secs_f64() * 1e3,
                "rx_window": window.number,
                "tx_power": tx_power,
            })
        });
        Ok(emission)
    }
}

/// The windows of class A, reckoned from the end of the uplink (GS-61, GS-62).
fn class_a_windows(
    tx: &TxRequest,
    path: &DownlinkPath,
    gateway_id: &GatewayId,
    state: &State,
    now: Now,
) -> Result<(UplinkToken, Vec<Window>), Error> {
    let DownlinkPath::Uplink { token, .. } = path else {
        return Err(Refusal::NoUplinkToken.into());
    };
    let token = UplinkToken::decode(token, gateway_id)?;
    if tx.rx1_delay < SECOND {
        return Err(Refusal::NoRxDelay.into());
    }
    let at = state.concentrator_now(now.monotonic).ok_or(Refusal::NoClockSync)?;
    // The token's counter has 32 bits; the age of the uplink says which of its turns is meant.
    let uplink = unfold(token.timestamp, at.minus(now.utc.since(token.server_time)));
    let windows = [(1, tx.rx1, tx.rx1_delay), (2, tx.rx2, tx.rx1_delay.saturating_add(SECOND))];
    let windows: Vec<_> = windows
        .into_iter()
        .filter_map(|(number, window, delay)| {
            let window = window.filter(|window| !window.frequency.is_zero())?;
            Some(Window { number, window, start: uplink.plus(delay) })
        })
        .collect();
    if windows.is_empty() {
        return Err(Refusal::RxEmpty.into());
    }
    Ok((token, windows))
}

fn body_of(error: &Error, gateway_id: &GatewayId) -> ErrorBody {
    ErrorBody::of(error).with("gateway_uid", gateway_id.as_str())
}

fn body_of_window(
    refusal: &Refusal,
    gateway_id: &GatewayId,
    window: &Window,
    state: &State,
    now: Now,
) -> ErrorBody {
    let body = ErrorBody::of(refusal)
        .with("gateway_uid", gateway_id.as_str())
        .with("window", window.number);
    match (refusal.next(), state.concentrator_now(now.monotonic)) {
        (Some(next), Some(at)) => body.with("retry_after", format!("{:?}", next.since(at))),
        _ => body,
    }
}

fn failure(refused: Vec<ErrorBody>) -> ErrorBody {
    if refused.is_empty() {
        return ErrorBody::new(
            "pkg/gatewayserver/io",
            "downlink_path",
            ErrorKind::InvalidArgument,
            "the request names no path to the device",
        );
    }
    let causes: Vec<_> = refused.iter().map(ToString::to_string).collect();
    let details: Vec<_> = refused.iter().map(event::error_json).collect();
    let message = format!("no path could take the downlink: {}", causes.join("; "));
    let mut body = ErrorBody::new("pkg/gatewayserver", "schedule", ErrorKind::Aborted, message)
        .with("causes", details);
    body.cause = refused.into_iter().next_back().map(Box::new);
    body
}

/// RX2 follows RX1 after a second.
const SECOND: Duration = Duration::from_secs(1);
/// Paths that are tried; a Network Server names no more.
const PATHS_MAX: usize = 32;
