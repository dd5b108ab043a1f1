//! Errors of the Gateway Server.

use std::{io, net::SocketAddr};

use ttn_core::{
    error::{ApiError, Attributes, ErrorKind},
    eui::GatewayEui,
    id::{FrequencyPlanId, GatewayId},
    peer::PeerError,
};

use crate::sched::Refusal;

/// What the Gateway Server could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Too many downlinks wait for the gateway.
    #[error("too many downlinks wait for the gateway; try another one")]
    BufferFull,
    /// The gateway cannot be reached at the moment (GS-21).
    #[error("gateway {gateway_id} keeps no downlink path open; check that it sends PULL_DATA")]
    DownlinkPathExpired {
        /// The gateway.
        gateway_id: GatewayId,
    },
    /// A frequency plan is not known, or does not fit the gateway (GS-74).
    #[error("frequency plan {id} is not known or is of another band than the gateway")]
    FrequencyPlan {
        /// The plan.
        id: FrequencyPlanId,
    },
    /// The plans of a gateway are of several bands (GS-06).
    #[error("the frequency plans of the gateway are of several bands; use plans of one")]
    FrequencyPlansOfSeveralBands,
    /// Only registered gateways may connect (GS-01).
    #[error("gateway EUI {eui} is not registered; register it, or allow unregistered gateways")]
    GatewayEuiNotRegistered {
        /// The EUI.
        eui: GatewayEui,
    },
    /// No gateway has this id.
    #[error("gateway {gateway_id} is not registered")]
    GatewayNotRegistered {
        /// The id.
        gateway_id: GatewayId,
    },
    /// A listener could not be opened.
    #[error("cannot listen on {address} for {protocol}: {source}")]
    Listen {
        /// The protocol.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Neither the gateway nor the listener has a frequency plan (GS-02).
    #[error("gateway {gateway_id} has no frequency plan and the listener has no fallback")]
    NoFrequencyPlan {
        /// The gateway.
        gateway_id: GatewayId,
    },
    /// The gateway may not send downlinks (GS-53).
    #[error("the gateway does not take downlinks (its path constraint is NEVER)")]
    NotAllowed,
    /// The gateway is not connected.
    #[error("gateway {gateway_id} is not connected")]
    NotConnected {
        /// The gateway.
        gateway_id: GatewayId,
    },
    /// Another component could not answer.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The scheduler refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Sub-bands of several plans overlap without being the same (GS-06).
    #[error("sub-bands of the gateway's frequency plans overlap without being the same")]
    SubBandsOverlap,
    /// The gateway may only connect with authentication (GS-04).
    #[error("gateway {gateway_id} may only connect with authentication, which UDP does not have")]
    Unauthenticated {
        /// The gateway.
        gateway_id: GatewayId,
    },
    /// The class of the downlink is not built yet.
    #[error("downlinks of class {class} are not supported yet")]
    UnsupportedClass {
        /// The class.
        class: char,
    },
    /// The token was not made by this server for this gateway (GS-51).
    #[error("the uplink token was not made for this gateway")]
    UplinkToken,
}

impl Error {
    /// Whether trying again soon may help: another component does not answer yet, or did not just now.
    #[must_use]
    pub fn passes(&self) -> bool {
        let Self::Peer(error) = self else { return false };
        matches!(
            error.kind(),
            ErrorKind::Aborted
                | ErrorKind::Canceled
                | ErrorKind::DeadlineExceeded
                | ErrorKind::ResourceExhausted
                | ErrorKind::Unavailable
        )
    }
}

impl ApiError for Error {
    fn namespace(&self) -> &'static str {
        match self {
            Self::DownlinkPathExpired { .. } => "pkg/gatewayserver/io/udp",
            Self::BufferFull
            | Self::FrequencyPlan { .. }
            | Self::FrequencyPlansOfSeveralBands
            | Self::NotAllowed => "pkg/gatewayserver/io",
            Self::Refused(refusal) => refusal.namespace(),
            Self::SubBandsOverlap => "pkg/gatewayserver/scheduling",
            Self::Peer(PeerError::Unavailable { .. }) => "pkg/cluster",
            _ => "pkg/gatewayserver",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::BufferFull => "buffer_full",
            Self::DownlinkPathExpired { .. } => "downlink_path_expired",
            Self::FrequencyPlan { .. } => "frequency_plan_not_configured",
            Self::FrequencyPlansOfSeveralBands => "frequency_plans_not_from_same_band",
            Self::GatewayEuiNotRegistered { .. } => "gateway_eui_not_registered",
            Self::GatewayNotRegistered { .. } => "gateway_not_registered",
            Self::Listen { .. } => "listen_frontend",
            Self::NoFrequencyPlan { .. } => "no_fallback_frequency_plan",
            Self::NotAllowed => "not_allowed",
            Self::NotConnected { .. } => "not_connected",
            Self::Peer(PeerError::Unavailable { .. }) => "peer_unavailable",
            Self::Peer(_) => "upstream",
            Self::Refused(refusal) => refusal.name(),
            Self::SubBandsOverlap => "frequency_plans_overlap_sub_band",
            Self::Unauthenticated { .. } => "unauthenticated_gateway_connection",
            Self::UnsupportedClass { .. } => "unsupported_class",
            Self::UplinkToken => "uplink_token",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::BufferFull => ErrorKind::Internal,
            Self::DownlinkPathExpired { .. } => ErrorKind::Aborted,
            Self::FrequencyPlan { .. }
            | Self::FrequencyPlansOfSeveralBands
            | Self::SubBandsOverlap => ErrorKind::InvalidArgument,
            Self::GatewayEuiNotRegistered { .. }
            | Self::GatewayNotRegistered { .. }
            | Self::NoFrequencyPlan { .. }
            | Self::NotConnected { .. } => ErrorKind::NotFound,
            Self::Listen { .. } | Self::NotAllowed => ErrorKind::FailedPrecondition,
            Self::Peer(error) => error.kind(),
            Self::Refused(refusal) => refusal.kind(),
            Self::Unauthenticated { .. } => ErrorKind::Unauthenticated,
            Self::UnsupportedClass { .. } => ErrorKind::Unimplemented,
            Self::UplinkToken => ErrorKind::DataLoss,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::DownlinkPathExpired { gateway_id }
            | Self::GatewayNotRegistered { gateway_id }
            | Self::NoFrequencyPlan { gateway_id }
            | Self::NotConnected { gateway_id }
            | Self::Unauthenticated { gateway_id } => {
                Attributes::from([("gateway_uid", gateway_id.to_string().into())])
            }
            Self::FrequencyPlan { id } => Attributes::from([("id", id.to_string().into())]),
            Self::GatewayEuiNotRegistered { eui } => {
                Attributes::from([("eui", eui.to_string().into())])
            }
            Self::Listen { protocol, address, .. } => Attributes::from([
                ("protocol", (*protocol).into()),
                ("address", address.to_string().into()),
            ]),
            Self::Refused(refusal) => refusal.attributes(),
            Self::UnsupportedClass { class } => {
                Attributes::from([("class", class.to_string().into())])
            }
            _ => Attributes::new(),
        }
    }
}
