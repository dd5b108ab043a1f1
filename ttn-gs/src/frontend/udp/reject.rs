//! Why a datagram, or a part of one, was not taken; and how often.

use std::fmt;

use serde_json::error::Category;

use crate::count::Reason;

/// Why a datagram was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reject {
    /// It ends within the gateway's EUI.
    EuiTruncated,
    /// Somebody spoke in the gateway's name from another address a short while ago (GS-17).
    AlreadyConnected,
    /// It is shorter than a header.
    HeaderTruncated,
    /// Its JSON is well formed, but not of the form that the protocol demands.
    JsonForm,
    /// Its JSON is not well formed.
    JsonSyntax,
    /// Its type is unknown, or only servers send it.
    PacketType,
    /// It comes from a gateway whose connection failed a short while ago (GS-20).
    ConnectFailed,
    /// It is a downlink for a gateway that closed its downlink path meanwhile (GS-21).
    DownlinkPath,
    /// It waits for the connection of its gateway, and too many wait already.
    PendingFull,
    /// The gateway, or its address, sends more than is taken (GS-16, GS-18).
    RateExceeded,
    /// It is a status whose time is not readable.
    StatTime,
    /// More gateways than the listener has room for.
    TooManyGateways,
    /// More entries than [`super::codec::RXPK_MAX`].
    TooManyRxpk,
    /// TX_ACK with a token that belongs to no transmission.
    UnknownToken,
    /// TX_ACK of a gateway that has no connection.
    NotConnected,
    /// It speaks another version than 1 or 2.
    Version,
}

impl Reject {
    /// Tells broken JSON from JSON of another form.
    #[must_use]
    pub(super) fn of_json(error: &serde_json::Error) -> Self {
        match error.classify() {
            Category::Data => Self::JsonForm,
            Category::Eof | Category::Io | Category::Syntax => Self::JsonSyntax,
        }
    }
}

impl Reason for Reject {
    const ALL: &'static [Self] = &[
        Self::AlreadyConnected,
        Self::EuiTruncated,
        Self::HeaderTruncated,
        Self::JsonForm,
        Self::JsonSyntax,
        Self::PacketType,
        Self::ConnectFailed,
        Self::DownlinkPath,
        Self::PendingFull,
        Self::RateExceeded,
        Self::StatTime,
        Self::TooManyGateways,
        Self::TooManyRxpk,
        Self::UnknownToken,
        Self::NotConnected,
        Self::Version,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::AlreadyConnected => "already_connected",
            Self::EuiTruncated => "eui_truncated",
            Self::HeaderTruncated => "header_truncated",
            Self::JsonForm => "json_form",
            Self::JsonSyntax => "json_syntax",
            Self::PacketType => "packet_type",
            Self::ConnectFailed => "connect_failed",
            Self::DownlinkPath => "downlink_path",
            Self::PendingFull => "pending_full",
            Self::RateExceeded => "rate_exceeded",
            Self::StatTime => "stat_time",
            Self::TooManyGateways => "too_many_gateways",
            Self::TooManyRxpk => "too_many_rxpk",
            Self::UnknownToken => "unknown_token",
            Self::NotConnected => "not_connected",
            Self::Version => "version",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for Reject {}
