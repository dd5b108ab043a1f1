//! Join-requests and join-accepts: decoded and built again, sealed and opened.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttn_core::{frame::Form, key::Aes128Key};
use ttn_mac::{
    crypto::join::{JoinAcceptMic, join_request_mic, open_join_accept, seal_join_accept},
    frame::{FrequencyStep, JoinAccept, encode_join_request, parse},
};

fuzz_target!(|octets: &[u8]| {
    let (step, key) = (FrequencyStep::Hz100, Aes128Key::new([1; 16]));
    let _ = open_join_accept(octets, step, &key, |_| JoinAcceptMic::V1_0(&key));
    if let Ok(phy) = parse(octets)
        && let Form::JoinRequest(request) = &phy.form
    {
        assert_eq!(encode_join_request(request)[1..], phy.without_mic()[1..]);
        join_request_mic(&key, phy.without_mic()).expect("a join-request has 19 octets");
    }
    if let Ok(accept) = JoinAccept::decode(octets, step) {
        let mic = JoinAcceptMic::V1_0(&key);
        let sealed = seal_join_accept(&accept, step, mic, &key).expect("what was decoded fits");
        let opened = open_join_accept(&sealed, step, &key, |_| JoinAcceptMic::V1_0(&key));
        assert_eq!(opened, Ok(accept));
    }
});
