//! What the Network Server and the Join Server say to each other.

use std::{sync::Arc, time::Duration};

use crate::{
    addr::{DevAddr, NetId},
    eui::{DevEui, JoinEui},
    key::{KeyEnvelope, SessionKeyId},
    msg::CorrelationIds,
    radio::DataRateIndex,
    version::MacVersion,
};

/// The downlink settings of a join-accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DlSettings {
    /// The network speaks LoRaWAN 1.1.
    pub opt_neg: bool,
    /// RX1DROffset, 0 to 7.
    pub rx1_dr_offset: u8,
    /// The data rate of RX2.
    pub rx2_dr: DataRateIndex,
}

/// A join-request on its way to the Join Server, with what the network offers.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The join-request as received, MIC included.
    pub phy: Arc<[u8]>,
    /// The Join Server's EUI.
    pub join_eui: JoinEui,
    /// The device's EUI.
    pub dev_eui: DevEui,
    /// The nonce of the request.
    pub dev_nonce: u16,
    /// The address of the new session.
    pub dev_addr: DevAddr,
    /// The network.
    pub net_id: NetId,
    /// The version that the network takes the device for.
    pub mac_version: MacVersion,
    /// The downlink settings of the accept.
    pub dl_settings: DlSettings,
    /// RxDelay of the accept, in seconds; 0 means 1.
    pub rx_delay: u8,
    /// The channel list of the accept.
    pub cf_list: Option<[u8; 16]>,
    /// What it belongs to.
    pub correlation_ids: CorrelationIds,
}

/// The keys of a session. Up to LoRaWAN 1.0.4 the three network keys are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKeys {
    /// The id of the set.
    pub id: SessionKeyId,
    /// FNwkSIntKey.
    pub f_nwk_s_int_key: KeyEnvelope,
    /// SNwkSIntKey.
    pub s_nwk_s_int_key: KeyEnvelope,
    /// NwkSEncKey.
    pub nwk_s_enc_key: KeyEnvelope,
    /// AppSKey, unless the Application Server fetches it from the Join Server.
    pub app_s_key: Option<KeyEnvelope>,
}

/// An accepted join. Nonces and keys are durable at the Join Server.
#[derive(Clone, Debug)]
pub struct JoinAnswer {
    /// The join-accept as it goes on air.
    pub phy: Arc<[u8]>,
    /// The keys of the new session.
    pub keys: SessionKeys,
    /// How long the keys may be used; `None` for ever.
    pub lifetime: Option<Duration>,
    /// What it belongs to.
    pub correlation_ids: CorrelationIds,
    /// Warnings for the join's event, such as skipped nonce checks.
    pub warnings: Vec<String>,
}
