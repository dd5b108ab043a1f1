//! Clock synchronization as an independent codec reads it (AS-56).

use lrwn::applayer::clocksync::v1::{
    AppTimeAnsPayload, AppTimeAnsPayloadParam, AppTimeReqPayload, AppTimeReqPayloadParam,
    DeviceAppTimePeriodicityAnsPayload, DeviceAppTimePeriodicityAnsPayloadStatus,
    DeviceAppTimePeriodicityReqPayload, ForceDeviceResyncReqPayload,
    ForceDeviceResyncReqPayloadForceConf, PackageVersionAnsPayload, Payload,
};
use proptest::prelude::*;
use ttn_mac::package::clock_sync::{Downlink, Uplink, parse_downlink, parse_uplink};

fn uplink() -> impl Strategy<Value = Uplink> {
    prop_oneof![
        (any::<u32>(), 0_u8..16, any::<bool>()).prop_map(
            |(device_time, token, answer_required)| Uplink::AppTimeReq {
                device_time,
                token,
                answer_required
            }
        ),
        (any::<bool>(), any::<u32>()).prop_map(|(not_supported, device_time)| {
            Uplink::DeviceAppTimePeriodicityAns { not_supported, device_time }
        }),
        (any::<u8>(), any::<u8>())
            .prop_map(|(identifier, version)| Uplink::PackageVersionAns { identifier, version }),
    ]
}

fn downlink() -> impl Strategy<Value = Downlink> {
    prop_oneof![
        (any::<i32>(), 0_u8..16)
            .prop_map(|(correction, token)| Downlink::AppTimeAns { correction, token }),
        (0_u8..16).prop_map(|period| Downlink::DeviceAppTimePeriodicityReq { period }),
        (0_u8..8).prop_map(|transmissions| Downlink::ForceDeviceResyncReq { transmissions }),
        Just(Downlink::PackageVersionReq),
    ]
}

fn their_uplink(command: Uplink) -> Payload {
    match command {
        Uplink::AppTimeReq { device_time, token, answer_required } => {
            Payload::AppTimeReq(AppTimeReqPayload {
                device_time,
                param: AppTimeReqPayloadParam { token_req: token, ans_required: answer_required },
            })
        }
        Uplink::DeviceAppTimePeriodicityAns { not_supported, device_time } => {
            Payload::DeviceAppTimePeropdicityAns(DeviceAppTimePeriodicityAnsPayload {
                status: DeviceAppTimePeriodicityAnsPayloadStatus { not_supported },
                time: device_time,
            })
        }
        Uplink::PackageVersionAns { identifier, version } => {
            Payload::PackageVersionAns(PackageVersionAnsPayload {
                package_identifier: identifier,
                package_version: version,
            })
        }
    }
}

fn their_downlink(command: Downlink) -> Payload {
    match command {
        Downlink::AppTimeAns { correction, token } => Payload::AppTimeAns(AppTimeAnsPayload {
            time_correction: correction,
            param: AppTimeAnsPayloadParam { token_ans: token },
        }),
        Downlink::DeviceAppTimePeriodicityReq { period } => {
            Payload::DeviceAppTimePeropdicityReq(DeviceAppTimePeriodicityReqPayload { period })
        }
        Downlink::ForceDeviceResyncReq { transmissions: nb_transmissions } => {
            let force_conf = ForceDeviceResyncReqPayloadForceConf { nb_transmissions };
            Payload::ForceDeviceResyncReq(ForceDeviceResyncReqPayload { force_conf })
        }
        Downlink::PackageVersionReq => Payload::PackageVersionReq,
    }
}

proptest! {
    #[test]
    fn an_independent_codec_writes_and_reads_the_same_commands(
        up in uplink(),
        down in downlink(),
    ) {
        let (mut sent, mut answered) = (Vec::new(), Vec::new());
        up.encode(&mut sent);
        down.encode(&mut answered);
        prop_assert_eq!(&sent, &their_uplink(up).to_vec().unwrap());
        prop_assert_eq!(&answered, &their_downlink(down).to_vec().unwrap());
        prop_assert_eq!(Payload::from_slice(true, &sent).unwrap(), their_uplink(up));
        prop_assert_eq!(Payload::from_slice(false, &answered).unwrap(), their_downlink(down));
        prop_assert_eq!(parse_uplink(&sent).collect::<Vec<_>>(), [Ok(up)]);
        prop_assert_eq!(parse_downlink(&answered).collect::<Vec<_>>(), [Ok(down)]);
    }

    #[test]
    fn any_octets_are_read_without_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let commands = parse_uplink(&octets).count().max(parse_downlink(&octets).count());
        prop_assert!(commands <= octets.len());
    }
}
