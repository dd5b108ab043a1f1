//! One trait per relation between two components, and how components find each other.
//!
//! Peers on the way of a frame are synchronous and batched; those of the control plane are async. A call is
//! trusted: in one process by construction, between processes by cluster authentication.

mod error;
mod local;

pub use error::{PeerError, QueueMismatch, QueueMismatchSession};
pub use local::Local;

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    auth::{AccessDenied, Caller, Credentials, Principal, Rights},
    eui::{DevEui, GatewayEui, JoinEui},
    id::{ApplicationId, DeviceIds, DeviceKey, EntityId, FrequencyPlanId, GatewayId, GatewayIds},
    key::{KeyEnvelope, SessionKeyId},
    msg::{
        ApplicationBatch, Downlink, JoinAnswer, JoinRequest, Location, PathConstraint, Scheduled,
        SessionKeys, TxAck, TxRequest, UplinkBatch,
    },
    store::{Durable, Position, Refused},
    time::Timestamp,
};

/// What a Gateway Server tells a Network Server.
pub trait GsNs: fmt::Debug + Send + Sync + 'static {
    /// Hands over uplinks. Returns at once; what was taken is accounted for by events.
    ///
    /// # Errors
    ///
    /// The batch is given back whole, with the reason.
    fn uplinks(&self, batch: UplinkBatch) -> Result<(), Refused<UplinkBatch>>;

    /// Hands over reports on transmissions.
    ///
    /// # Errors
    ///
    /// The reports are given back whole, with the reason.
    fn tx_acks(&self, acks: Vec<TxAck>) -> Result<(), Refused<Vec<TxAck>>>;
}

/// What a Network Server asks of a Gateway Server.
#[async_trait]
pub trait NsGs: fmt::Debug + Send + Sync + 'static {
    /// Schedules `tx` on the first of its windows and paths that can still take it. `proof` shows that the
    /// counter and everything that the frame reveals is durable. Not to be dropped halfway.
    ///
    /// # Errors
    ///
    /// No path could take it: one cause per path and window.
    async fn schedule_downlink(
        &self,
        tx: &TxRequest,
        proof: Durable,
    ) -> Result<Scheduled, PeerError>;
}

/// What a Network Server tells an Application Server.
pub trait NsAs: fmt::Debug + Send + Sync + 'static {
    /// Appends messages to the application log, in the batch's lane, before anything that the caller submits
    /// to that lane afterwards. A receiver that is durable by other means answers sequence 0.
    ///
    /// # Errors
    ///
    /// The batch is given back whole, with the reason.
    fn uplinks(&self, batch: ApplicationBatch) -> Result<Position, Refused<ApplicationBatch>>;
}

/// What an Application Server asks of a Network Server.
#[async_trait]
pub trait AsNs: fmt::Debug + Send + Sync + 'static {
    /// Adds downlinks to the end of a device's queue, all or none. They are durable when it returns.
    ///
    /// # Errors
    ///
    /// [`PeerError::QueueMismatch`] says which sessions and counters are wanted.
    async fn push_downlinks(
        &self,
        device: &DeviceKey,
        downlinks: Vec<Downlink>,
    ) -> Result<(), PeerError>;

    /// Replaces a device's queue.
    ///
    /// # Errors
    ///
    /// As [`Self::push_downlinks`].
    async fn replace_downlinks(
        &self,
        device: &DeviceKey,
        downlinks: Vec<Downlink>,
    ) -> Result<(), PeerError>;

    /// Lists a device's queue.
    ///
    /// # Errors
    ///
    /// The device does not exist.
    async fn list_downlinks(&self, device: &DeviceKey) -> Result<Vec<Downlink>, PeerError>;
}

/// What a Network Server asks of a Join Server.
#[async_trait]
pub trait NsJs: fmt::Debug + Send + Sync + 'static {
    /// Checks a join-request and makes the accept. Nonces and keys are durable when it returns.
    ///
    /// # Errors
    ///
    /// [`PeerError::Rejected`] says why the join is refused.
    async fn join(&self, request: JoinRequest) -> Result<JoinAnswer, PeerError>;

    /// Gives the network keys of a session.
    ///
    /// # Errors
    ///
    /// The session is not known.
    async fn network_keys(
        &self,
        join_eui: JoinEui,
        dev_eui: DevEui,
        id: &SessionKeyId,
    ) -> Result<SessionKeys, PeerError>;
}

/// What an Application Server asks of a Join Server.
#[async_trait]
pub trait AsJs: fmt::Debug + Send + Sync + 'static {
    /// Gives the AppSKey of a session.
    ///
    /// # Errors
    ///
    /// The session is not known.
    async fn app_s_key(
        &self,
        join_eui: JoinEui,
        dev_eui: DevEui,
        id: &SessionKeyId,
    ) -> Result<KeyEnvelope, PeerError>;
}

/// A gateway as the Identity Server knows it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct GatewayInfo {
    /// Its identifiers.
    pub ids: GatewayIds,
    /// Its frequency plans; the first is the main one.
    pub frequency_plan_ids: Vec<FrequencyPlanId>,
    /// Whether duty cycles are enforced.
    pub enforce_duty_cycle: bool,
    /// Whether it may only connect with authentication (GS-04).
    pub require_authenticated_connection: bool,
    /// Whether downlinks are sent to it as late as possible.
    pub schedule_downlink_late: bool,
    /// Its own delay of transmissions at any time.
    pub schedule_anytime_delay: Option<core::time::Duration>,
    /// Whether downlinks may go this way.
    pub path_constraint: PathConstraint,
    /// Gain in dBi and location per antenna.
    pub antennas: Vec<(f32, Option<Location>)>,
    /// Whether its location is public.
    pub location_public: bool,
    /// Whether its status is public.
    pub status_public: bool,
    /// Whether its location follows its status messages (GS-58).
    pub update_location_from_status: bool,
    /// Whether its traffic stays out of Packet Broker.
    pub disable_packet_broker_forwarding: bool,
    /// The address of its Gateway Server.
    pub gateway_server_address: String,
}

/// What a gateway says of itself and the registry shall know.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct GatewayReport {
    /// Where its first antenna is (GS-58).
    pub location: Option<Location>,
    /// Attributes to set; others stay (GS-59).
    pub attributes: Vec<(String, String)>,
}

/// An application as the Identity Server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct ApplicationInfo {
    /// Its id.
    pub id: ApplicationId,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
}

/// A device as the Identity Server knows it.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DeviceInfo {
    /// Its places, by the service that found them.
    pub locations: BTreeMap<String, Location>,
    /// Its model and version.
    pub version_ids: Option<DeviceVersionIds>,
}

/// The model and version of a device; what is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DeviceVersionIds {
    /// The brand.
    pub brand_id: String,
    /// The model.
    pub model_id: String,
    /// The version of the hardware.
    pub hardware_version: String,
    /// The version of the firmware.
    pub firmware_version: String,
    /// The band.
    pub band_id: String,
}

/// What becomes known about a device.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DeviceUpdate {
    /// It sent data for the first time; a later report changes nothing.
    Activated(Timestamp),
    /// A service found its place; others stay.
    Located {
        /// The service.
        service: String,
        /// The place.
        location: Location,
    },
}

/// What other components ask the Identity Server about entities.
#[async_trait]
pub trait Directory: fmt::Debug + Send + Sync + 'static {
    /// Finds a gateway by its EUI; `None` if nobody registered it.
    ///
    /// # Errors
    ///
    /// The Identity Server cannot answer.
    async fn gateway_by_eui(&self, eui: GatewayEui) -> Result<Option<GatewayInfo>, PeerError>;

    /// Finds a gateway by its id; `None` if nobody registered it.
    ///
    /// # Errors
    ///
    /// The Identity Server cannot answer.
    async fn gateway(&self, id: &GatewayId) -> Result<Option<GatewayInfo>, PeerError>;

    /// Finds an application; `None` if nobody registered it.
    ///
    /// # Errors
    ///
    /// The Identity Server cannot answer.
    async fn application(&self, id: &ApplicationId) -> Result<Option<ApplicationInfo>, PeerError>;

    /// Finds a device by its EUIs; `None` if nobody registered it.
    ///
    /// # Errors
    ///
    /// The Identity Server cannot answer.
    async fn device_ids_by_euis(
        &self,
        join_eui: JoinEui,
        dev_eui: DevEui,
    ) -> Result<Option<DeviceIds>, PeerError>;

    /// What is registered about a device; `None` if nobody registered it.
    ///
    /// # Errors
    ///
    /// The Identity Server cannot answer.
    async fn device(&self, device: &DeviceKey) -> Result<Option<DeviceInfo>, PeerError>;

    /// Reports what became known about a device. A device that is not registered is nobody's error.
    ///
    /// # Errors
    ///
    /// The Identity Server cannot answer.
    async fn update_device(
        &self,
        device: &DeviceKey,
        update: DeviceUpdate,
    ) -> Result<(), PeerError>;

    /// Takes down what a gateway says of itself; what is known already changes nothing.
    ///
    /// # Errors
    ///
    /// The gateway does not exist, or the Identity Server cannot answer; a directory that keeps no such things says so.
    async fn report_gateway(
        &self,
        _id: &GatewayId,
        _report: GatewayReport,
    ) -> Result<(), PeerError> {
        Err(PeerError::Unavailable { relation: "Directory" })
    }

    /// Reports when devices were last seen.
    ///
    /// # Errors
    ///
    /// The Identity Server cannot answer.
    async fn report_last_seen(&self, seen: Vec<(DeviceKey, Timestamp)>) -> Result<(), PeerError>;
}

/// What every component asks about rights.
#[async_trait]
pub trait Access: fmt::Debug + Send + Sync + 'static {
    /// Finds out who calls.
    ///
    /// # Errors
    ///
    /// The credentials are wrong, expired or revoked.
    async fn principal(&self, credentials: &Credentials) -> Result<Principal, PeerError>;

    /// Gives a caller's rights on an entity, implied ones included. A device has its application's.
    ///
    /// # Errors
    ///
    /// The Identity Server cannot answer.
    async fn rights_of(&self, caller: &Principal, entity: &EntityId) -> Result<Rights, PeerError>;
}

/// Checks that a caller has every one of `needs` on an entity.
///
/// # Errors
///
/// The caller lacks a right (as [`PeerError::Rejected`]), or the Identity Server cannot answer.
pub async fn require_rights(
    access: &dyn Access,
    caller: &Principal,
    entity: &EntityId,
    needs: &[crate::auth::Right],
) -> Result<(), PeerError> {
    let has = access.rights_of(caller, entity).await?;
    AccessDenied::check(has, needs, entity).map_err(|denied| match caller.caller {
        Caller::Anonymous => PeerError::rejected(&AccessDenied::Unauthenticated),
        _ => PeerError::rejected(&denied),
    })
}

/// Finds the peer for a relation. An empty or dead slot answers [`PeerError::Unavailable`].
pub trait Peers: fmt::Debug + Send + Sync + 'static {
    /// The Network Server for a Gateway Server.
    ///
    /// # Errors
    ///
    /// Nobody plays this part.
    fn gs_ns(&self) -> Result<Arc<dyn GsNs>, PeerError>;
    /// The Gateway Server for a Network Server, of a gateway.
    ///
    /// # Errors
    ///
    /// Nobody plays this part.
    fn ns_gs(&self, gateway: &GatewayId) -> Result<Arc<dyn NsGs>, PeerError>;
    /// The Application Server for a Network Server.
    ///
    /// # Errors
    ///
    /// Nobody plays this part.
    fn ns_as(&self) -> Result<Arc<dyn NsAs>, PeerError>;
    /// The Network Server for an Application Server.
    ///
    /// # Errors
    ///
    /// Nobody plays this part.
    fn as_ns(&self) -> Result<Arc<dyn AsNs>, PeerError>;
    /// The Join Server for a Network Server, of a JoinEUI.
    ///
    /// # Errors
    ///
    /// Nobody plays this part.
    fn ns_js(&self, join_eui: JoinEui) -> Result<Arc<dyn NsJs>, PeerError>;
    /// The Join Server for an Application Server, of a JoinEUI.
    ///
    /// # Errors
    ///
    /// Nobody plays this part.
    fn as_js(&self, join_eui: JoinEui) -> Result<Arc<dyn AsJs>, PeerError>;
    /// The Identity Server's entities.
    ///
    /// # Errors
    ///
    /// Nobody plays this part.
    fn directory(&self) -> Result<Arc<dyn Directory>, PeerError>;
    /// The Identity Server's rights.
    ///
    /// # Errors
    ///
    /// Nobody plays this part.
    fn access(&self) -> Result<Arc<dyn Access>, PeerError>;
}
