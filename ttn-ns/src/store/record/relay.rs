//! What a device has to do with relays, as it is stored.

use ttn_core::{addr::DevAddr, key::SessionKeyId, radio::Frequency};
use ttn_mac::{
    command::{RelayActivation, RelayLimit, RelayLimits, RelaySecondChannel},
    state::{Relay, RelayRule, RuleSession, ServedRelay, ServingRelay},
};

use super::{
    RecordError,
    parameters::{data_rate, octet},
    wire,
};

pub(super) fn to_wire(of: &Relay) -> wire::Relay {
    match of {
        Relay::Served(of) => wire::Relay {
            served: Some(wire::ServedRelay {
                activation: of.activation.bits().into(),
                smart_enable_level: of.smart_enable_level.into(),
                backoff: of.backoff.into(),
                second_channel: of.second_channel.map(channel_to_wire),
                serving_device_id: of.serving_device_id.as_ref().map(ToString::to_string),
            }),
            serving: None,
        },
        Relay::Serving(of) => wire::Relay {
            served: None,
            serving: Some(wire::ServingRelay {
                second_channel: of.second_channel.map(channel_to_wire),
                default_channel_index: of.default_channel_index.into(),
                cad_periodicity: of.cad_periodicity.into(),
                rules: (0_u32..)
                    .zip(&of.rules)
                    .filter_map(|(index, rule)| Some(rule_to_wire(index, rule.as_ref()?)))
                    .collect(),
                limits: of.limits.map(limits_to_wire),
            }),
        },
    }
}

pub(super) fn from_wire(of: &wire::Relay) -> Result<Relay, RecordError> {
    match (&of.served, &of.serving) {
        (Some(of), None) => Ok(Relay::Served(ServedRelay {
            activation: RelayActivation::from_low_bits(octet(of.activation)?),
            smart_enable_level: octet(of.smart_enable_level)?,
            backoff: octet(of.backoff)?,
            second_channel: of.second_channel.as_ref().map(channel_from_wire).transpose()?,
            serving_device_id: match &of.serving_device_id {
                Some(id) => Some(id.parse().map_err(|source| RecordError::Id { source })?),
                None => None,
            },
        })),
        (None, Some(of)) => Ok(Relay::Serving(ServingRelay {
            second_channel: of.second_channel.as_ref().map(channel_from_wire).transpose()?,
            default_channel_index: octet(of.default_channel_index)?,
            cad_periodicity: octet(of.cad_periodicity)?,
            rules: rules_from_wire(&of.rules)?,
            limits: of.limits.as_ref().map(limits_from_wire).transpose()?,
        })),
        _ => Err(RecordError::Field { field: "relay" }),
    }
}

fn channel_to_wire(of: RelaySecondChannel) -> wire::RelayChannel {
    wire::RelayChannel {
        index: of.index.into(),
        data_rate: of.data_rate_index.get().into(),
        ack_offset: of.ack_offset.into(),
        frequency: of.frequency.hz(),
    }
}

fn channel_from_wire(of: &wire::RelayChannel) -> Result<RelaySecondChannel, RecordError> {
    Ok(RelaySecondChannel {
        index: octet(of.index)?,
        data_rate_index: data_rate(of.data_rate)?,
        ack_offset: octet(of.ack_offset)?,
        frequency: Frequency::from_hz(of.frequency),
    })
}

fn rule_to_wire(index: u32, of: &RelayRule) -> wire::RelayRule {
    wire::RelayRule {
        index,
        device_id: of.device_id.to_string(),
        limit: of.limit.map(limit_to_wire),
        session: of.session.as_ref().map(|session| wire::RuleSession {
            dev_addr: session.dev_addr.to_u32(),
            session_key_id: session.session_key_id.as_bytes().to_vec(),
            w_f_cnt: session.w_f_cnt,
        }),
    }
}

fn rules_from_wire(of: &[wire::RelayRule]) -> Result<Vec<Option<RelayRule>>, RecordError> {
    let mut rules = Vec::new();
    for rule in of {
        let at = usize::from(octet(rule.index)?);
        if rules.len() <= at {
            rules.resize(at + 1, None);
        }
        let session = match &rule.session {
            Some(session) => Some(RuleSession {
                dev_addr: DevAddr::from_u32(session.dev_addr),
                session_key_id: SessionKeyId::new(&session.session_key_id)
                    .ok_or(RecordError::Field { field: "session key id" })?,
                w_f_cnt: session.w_f_cnt,
            }),
            None => None,
        };
        let device_id = rule.device_id.parse().map_err(|source| RecordError::Id { source })?;
        let limit = rule.limit.as_ref().map(limit_from_wire).transpose()?;
        rules[at] = Some(RelayRule { device_id, limit, session });
    }
    Ok(rules)
}

fn limit_to_wire(of: RelayLimit) -> wire::RelayLimit {
    wire::RelayLimit { reload_rate: of.reload_rate.into(), bucket_size: of.bucket_size.into() }
}

fn limit_from_wire(of: &wire::RelayLimit) -> Result<RelayLimit, RecordError> {
    Ok(RelayLimit { reload_rate: octet(of.reload_rate)?, bucket_size: octet(of.bucket_size)? })
}

fn limits_to_wire(of: RelayLimits) -> wire::RelayLimits {
    wire::RelayLimits {
        reset_limit_counter: of.reset_limit_counter.into(),
        join_request: Some(limit_to_wire(of.join_request)),
        notify: Some(limit_to_wire(of.notify)),
        global_uplink: Some(limit_to_wire(of.global_uplink)),
        overall: Some(limit_to_wire(of.overall)),
    }
}

fn limits_from_wire(of: &wire::RelayLimits) -> Result<RelayLimits, RecordError> {
    let limit = |of: &Option<wire::RelayLimit>| {
        limit_from_wire(of.as_ref().ok_or(RecordError::Field { field: "relay limits" })?)
    };
    Ok(RelayLimits {
        reset_limit_counter: octet(of.reset_limit_counter)?,
        join_request: limit(&of.join_request)?,
        notify: limit(&of.notify)?,
        global_uplink: limit(&of.global_uplink)?,
        overall: limit(&of.overall)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // NS-108, NS-111, NS-114
    #[test]
    fn relays_and_served_devices_come_back_as_they_were_stored() {
        let channel = RelaySecondChannel {
            index: 1,
            data_rate_index: data_rate(3).unwrap(),
            ack_offset: 2,
            frequency: Frequency::from_hz(869_000_000),
        };
        let limit = RelayLimit { reload_rate: 4, bucket_size: 2 };
        let rule = RelayRule {
            device_id: "a-device".parse().unwrap(),
            limit: Some(limit),
            session: Some(RuleSession {
                dev_addr: DevAddr::from_u32(0x2601_0203),
                session_key_id: SessionKeyId::new(&[1, 2]).unwrap(),
                w_f_cnt: 70_000,
            }),
        };
        let limits = RelayLimits { overall: limit, ..RelayLimits::default() };
        let served = ServedRelay {
            activation: RelayActivation::Dynamic,
            smart_enable_level: 3,
            backoff: 63,
            second_channel: None,
            serving_device_id: Some("a-relay".parse().unwrap()),
        };
        let serving = ServingRelay {
            second_channel: Some(channel),
            default_channel_index: 1,
            cad_periodicity: 5,
            rules: vec![None, Some(rule)],
            limits: Some(limits),
        };
        for relay in [Relay::Served(served), Relay::Serving(serving)] {
            assert_eq!(from_wire(&to_wire(&relay)).unwrap(), relay);
        }
        assert!(from_wire(&wire::Relay::default()).is_err());
    }
}
