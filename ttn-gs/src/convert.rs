//! What events say about connections and statuses, in the JSON of the API.

use jiff::Timestamp as Civil;
use serde_json::{Map, Value, json};
use ttn_core::{msg::LocationSource, time::Timestamp};

use crate::{conn::ConnectionStats, frontend::GatewayStatus};

impl ConnectionStats {
    /// `GatewayConnectionStats` as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                json.insert(name.to_owned(), value);
            }
        };
        put("connected_at", self.connected_at.map(time));
        put("disconnected_at", self.disconnected_at.map(time));
        put("protocol", Some(self.protocol.into()));
        put("gateway_remote_address", self.remote.map(|to| json!({ "ip": to.ip().to_string() })));
        put("last_status_received_at", self.last_status_received_at.map(time));
        put("last_status", self.last_status.as_ref().map(|status| status.to_json()));
        put("last_uplink_received_at", self.last_uplink_received_at.map(time));
        put("uplink_count", Some(self.uplink_count.to_string().into()));
        put("last_downlink_received_at", self.last_downlink_received_at.map(time));
        put("downlink_count", Some(self.downlink_count.to_string().into()));
        let last_ack = self.last_tx_acknowledgment_received_at;
        put("last_tx_acknowledgment_received_at", last_ack.map(time));
        put("tx_acknowledgment_count", Some(self.tx_acknowledgment_count.to_string().into()));
        put(
            "round_trip_times",
            self.round_trips.map(|trips| {
                let seconds =
                    |duration: std::time::Duration| format!("{}s", duration.as_secs_f64());
                json!({
                    "min": seconds(trips.min),
                    "max": seconds(trips.max),
                    "median": seconds(trips.median),
                    "count": trips.count,
                })
            }),
        );
        let sub_bands = self.sub_bands.iter().map(|sub_band| {
            json!({
                "min_frequency": sub_band.min_frequency.hz().to_string(),
                "max_frequency": sub_band.max_frequency.hz().to_string(),
                "downlink_utilization_limit": sub_band.limit,
                "downlink_utilization": sub_band.used,
            })
        });
        put("sub_bands", Some(sub_bands.collect()));
        Value::Object(json)
    }
}

impl GatewayStatus {
    /// `GatewayStatus` as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let locations = self.antenna_location.iter().map(|location| {
            let source = match location.source {
                LocationSource::Gps => "SOURCE_GPS",
                LocationSource::Registry => "SOURCE_REGISTRY",
                LocationSource::Unknown => "SOURCE_UNKNOWN",
            };
            json!({
                "latitude": location.latitude,
                "longitude": location.longitude,
                "altitude": location.altitude,
                "source": source,
            })
        });
        json!({
            "time": self.time.map(time),
            "boot_time": self.boot_time.map(time),
            "versions": self.versions,
            "antenna_locations": locations.collect::<Vec<_>>(),
            "metrics": self.metrics,
        })
    }
}

fn time(at: Timestamp) -> Value {
    Civil::from_nanosecond(i128::from(at.unix_nanos()))
        .map_or(Value::Null, |at| at.to_string().into())
}
