//! Gateways.

use std::collections::BTreeMap;

use ttn_core::{eui::GatewayEui, id::GatewayId};

use super::{AccountIds, Location, Record, Time};
use crate::store::Table;

/// The identifiers of a gateway.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GatewayIds {
    /// Its id.
    #[prost(string, tag = "1")]
    pub gateway_id: String,
    /// Its EUI, 8 octets or none.
    #[prost(bytes = "vec", tag = "2")]
    pub eui: Vec<u8>,
}

/// Model and version of a gateway.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GatewayVersion {
    /// The brand.
    #[prost(string, tag = "1")]
    pub brand_id: String,
    /// The model.
    #[prost(string, tag = "2")]
    pub model_id: String,
    /// The version of the hardware.
    #[prost(string, tag = "3")]
    pub hardware_version: String,
    /// The version of the firmware.
    #[prost(string, tag = "4")]
    pub firmware_version: String,
    /// The version of the runtime.
    #[prost(string, tag = "5")]
    pub runtime_version: String,
}

/// An antenna of a gateway.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Antenna {
    /// The gain in dBi.
    #[prost(float, tag = "1")]
    pub gain: f32,
    /// Where it is.
    #[prost(message, optional, tag = "2")]
    pub location: Option<Location>,
    /// Free attributes.
    #[prost(btree_map = "string, string", tag = "3")]
    pub attributes: BTreeMap<String, String>,
    /// Where it is mounted, as in the API.
    #[prost(int32, tag = "4")]
    pub placement: i32,
}

/// Whether a gateway can do LR-FHSS.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LrFhss {
    /// Whether it can.
    #[prost(bool, tag = "1")]
    pub supported: bool,
}

/// A span of time.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Span {
    /// Seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// A gateway (IS-08).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Gateway {
    /// Its identifiers.
    #[prost(message, optional, tag = "1")]
    pub ids: Option<GatewayIds>,
    /// When it was created.
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "3")]
    pub updated_at: Option<Time>,
    /// When it was deleted.
    #[prost(message, optional, tag = "26")]
    pub deleted_at: Option<Time>,
    /// The name.
    #[prost(string, tag = "4")]
    pub name: String,
    /// The description.
    #[prost(string, tag = "5")]
    pub description: String,
    /// Free attributes.
    #[prost(btree_map = "string, string", tag = "6")]
    pub attributes: BTreeMap<String, String>,
    /// Whom to ask about administration.
    #[prost(message, optional, tag = "30")]
    pub administrative_contact: Option<AccountIds>,
    /// Whom to ask about technology.
    #[prost(message, optional, tag = "31")]
    pub technical_contact: Option<AccountIds>,
    /// Model and version.
    #[prost(message, optional, tag = "8")]
    pub version_ids: Option<GatewayVersion>,
    /// The address of its Gateway Server.
    #[prost(string, tag = "9")]
    pub gateway_server_address: String,
    /// Whether it updates itself.
    #[prost(bool, tag = "10")]
    pub auto_update: bool,
    /// Where its updates come from.
    #[prost(string, tag = "11")]
    pub update_channel: String,
    /// The frequency plan, of old clients.
    #[prost(string, tag = "12")]
    pub frequency_plan_id: String,
    /// The frequency plans; the first is the main one.
    #[prost(string, repeated, tag = "20")]
    pub frequency_plan_ids: Vec<String>,
    /// The antennas.
    #[prost(message, repeated, tag = "13")]
    pub antennas: Vec<Antenna>,
    /// Whether everybody may see its status.
    #[prost(bool, tag = "14")]
    pub status_public: bool,
    /// Whether everybody may see where it is.
    #[prost(bool, tag = "15")]
    pub location_public: bool,
    /// Whether downlinks are sent to it as late as possible.
    #[prost(bool, tag = "16")]
    pub schedule_downlink_late: bool,
    /// Whether duty cycles are enforced.
    #[prost(bool, tag = "17")]
    pub enforce_duty_cycle: bool,
    /// Whether downlinks may go this way, as in the API.
    #[prost(int32, tag = "18")]
    pub downlink_path_constraint: i32,
    /// Its own delay of transmissions at any time.
    #[prost(message, optional, tag = "19")]
    pub schedule_anytime_delay: Option<Span>,
    /// Whether its location follows its status messages.
    #[prost(bool, tag = "21")]
    pub update_location_from_status: bool,
    /// The address of the CUPS server that it should go to.
    #[prost(string, tag = "24")]
    pub target_cups_uri: String,
    /// Whether it may only connect with authentication.
    #[prost(bool, tag = "27")]
    pub require_authenticated_connection: bool,
    /// Whether it can do LR-FHSS.
    #[prost(message, optional, tag = "28")]
    pub lrfhss: Option<LrFhss>,
    /// Whether its traffic stays out of Packet Broker.
    #[prost(bool, tag = "29")]
    pub disable_packet_broker_forwarding: bool,
}

impl Gateway {
    /// Makes a gateway with an id.
    #[must_use]
    pub fn new(id: &GatewayId) -> Self {
        let ids = GatewayIds { gateway_id: id.as_str().to_owned(), eui: Vec::new() };
        Self { ids: Some(ids), ..Self::default() }
    }

    /// Sets the EUI.
    #[must_use]
    pub fn with_eui(mut self, eui: GatewayEui) -> Self {
        self.ids.get_or_insert_default().eui = eui.to_be_bytes().to_vec();
        self
    }

    /// The id as text.
    #[must_use]
    pub fn id(&self) -> &str {
        self.ids.as_ref().map_or("", |ids| &ids.gateway_id)
    }

    /// The EUI, if it is set and of the right length.
    #[must_use]
    pub fn eui(&self) -> Option<GatewayEui> {
        let octets = self.ids.as_ref()?.eui.as_slice();
        octets.try_into().ok().map(GatewayEui::from_be_bytes)
    }
}

impl Record for Gateway {
    const TABLE: Table = Table::Gateway;

    fn key(&self) -> String {
        self.id().to_owned()
    }
}
