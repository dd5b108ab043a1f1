//! JSON written from the records equals the JSON of the API messages.

use std::sync::Arc;

use ttn_as::{
    format::Normalized,
    log::{Decoded, Delivery, Record},
    testing,
};
use ttn_core::{
    error::{ErrorBody, ErrorKind},
    msg::{DownlinkError, JoinAcceptUp, QueueInvalidated, Up},
    time::Timestamp,
};

fn assert_is_api_json(up: Up, decoded: Option<Decoded>) {
    let mut record = Record::deliver(1, testing::up(up));
    record.decoded = decoded;
    record.context = testing::context();
    let ours = Delivery::new(Arc::new(record)).json();
    let message: ttn_proto::v3::ApplicationUp = ttn_proto::json::from_slice(&ours).unwrap();
    let theirs = ttn_proto::json::to_string(&message);
    let ours: serde_json::Value = serde_json::from_slice(&ours).unwrap();
    let theirs: serde_json::Value = serde_json::from_str(&theirs).unwrap();
    assert_eq!(ours, theirs);
}

// AS-10
#[test]
fn every_kind_of_message_has_the_json_of_the_api() {
    let downlink = testing::downlink(1);
    let payload = serde_json::json!({ "a": 1, "b": 2.5, "c": ["x\"y", null, true], "d": {} });
    let air = serde_json::json!({ "air": { "temperature": 20.5 } });
    let decoded = Decoded {
        payload: payload.as_object().unwrap().clone(),
        warnings: vec!["odd".to_owned()],
        normalized: Some(Normalized {
            measurements: vec![air.as_object().unwrap().clone()],
            warnings: vec!["odder".to_owned()],
        }),
    };
    let measurement = Decoded { payload: air.as_object().unwrap().clone(), ..decoded.clone() };
    let normalized = Up::UplinkNormalized(Box::new(testing::uplink(5, b"payload")));
    assert_is_api_json(normalized, Some(measurement));
    let reason = ErrorBody::new("pkg/ns", "expired", ErrorKind::Aborted, "late").with("n", 1);
    assert_is_api_json(Up::Uplink(Box::new(testing::uplink(5, b"payload"))), Some(decoded));
    assert_is_api_json(Up::DownlinkAck(downlink.clone()), None);
    assert_is_api_json(Up::DownlinkNack(downlink.clone()), None);
    assert_is_api_json(Up::DownlinkSent(downlink.clone()), None);
    assert_is_api_json(Up::DownlinkQueued(downlink.clone()), None);
    assert_is_api_json(Up::DownlinkFailed(downlink.clone(), DownlinkError(reason)), None);
    assert_is_api_json(
        Up::DownlinkQueueInvalidated(QueueInvalidated {
            downlinks: vec![downlink.clone()],
            last_f_cnt_down: 4,
            session_key_id: downlink.session_key_id.clone(),
            dev_addr: None,
        }),
        None,
    );
    assert_is_api_json(Up::LocationSolved(testing::located()), None);
    assert_is_api_json(Up::ServiceData(testing::service_data()), None);
    assert_is_api_json(
        Up::JoinAccept(JoinAcceptUp {
            session_key_id: downlink.session_key_id.clone(),
            app_s_key: None,
            invalidated_downlinks: vec![downlink],
            pending_session: true,
            received_at: Timestamp::from_unix_secs(5),
        }),
        None,
    );
}
