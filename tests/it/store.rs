//! What survives.

use ttn::core::{key::Aes128Key, version::MacVersion};

use crate::net::{Kind, Net};

// Promises 1 and 4
#[tokio::test(start_paused = true)]
async fn a_restart_between_two_uplinks_keeps_sessions_and_queue() {
    let mut net = Net::start(31, 1).await;
    let device = net.otaa("sensor", Kind::default()).await;
    net.join(device).await;
    net.send(device, &[1], false).await;
    net.push("sensor", "AQI=", false).await;
    net.sim.restart().await.unwrap();
    assert_eq!(net.queue("sensor").await, ["AQI="]);
    // What an application does before the first uplink is recorded too.
    net.push("sensor", "AwQ=", false).await;
    assert_eq!(net.messages("downlink_queued").await.len(), 2);
    net.wait(15).await;
    let heard = net.send(device, &[2], false).await;
    let down = heard.iter().find(|(_, data)| data.f_port == Some(2));
    let (_, data) = down.unwrap_or_else(|| panic!("{heard:?} {:?}", net.sim.events().unwrap()));
    assert_eq!(data.payload, [1, 2]);
    assert_eq!(net.f_cnts().await, [0, 1]);
}

// A stack that is dropped frees its store
#[tokio::test(start_paused = true)]
async fn a_stack_is_dropped_and_rebuilt_five_times_on_the_same_directory() {
    let mut net = Net::start(32, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    for _ in 0..5 {
        net.sim.restart().await.unwrap();
        net.wait(15).await;
        net.send(device, &[1], true).await;
    }
    assert_eq!(net.f_cnts().await, [0, 1, 2, 3, 4]);
    let downlinks = net.mac(device, |mac| mac.session().unwrap().last_n_f_cnt_down);
    assert_eq!(downlinks, Some(4), "every acknowledgement has a counter of its own");
}

// AS-06, promise 6: keys at rest are wrapped
#[tokio::test(start_paused = true)]
async fn no_key_can_be_read_in_the_files_of_the_store() {
    let mut net = Net::start(33, 1).await;
    let mut keys: Vec<Aes128Key> = Vec::new();
    for (name, version) in [("sensor-old", MacVersion::V1_0_3), ("sensor-new", MacVersion::V1_1)] {
        let device = net.otaa(name, Kind { version, ..Kind::default() }).await;
        keys.extend(net.root_keys());
        net.join(device).await;
        net.send(device, &[1], true).await;
        keys.extend(net.mac(device, |mac| {
            let session = mac.session().unwrap();
            let network = &session.keys;
            [
                session.app_s_key.clone(),
                network.f_nwk_s_int_key.clone(),
                network.s_nwk_s_int_key.clone(),
                network.nwk_s_enc_key.clone(),
            ]
        }));
    }
    assert_eq!(net.f_cnts().await, [0, 0]);
    let files = net.store_files();
    let found = |octets: &[u8]| {
        files.iter().any(|file| file.windows(octets.len()).any(|window| window == octets))
    };
    assert!(found(b"sensor-old") && found(b"sensor-new"), "what is not secret can be read");
    assert_eq!(keys.len(), 12);
    for key in &keys {
        assert!(!found(key.expose()), "a key is in the files");
    }
}
