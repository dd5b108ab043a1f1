//! MQTT sessions at QoS 1 and the process that is killed; TLS and WebSockets; the commands of the guide.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio};

use serde_json::Value;

use crate::{
    client::{Client, Stream, WebSocket, dial, tls},
    home::Home,
    network::{APPLICATION, Network, Node},
    server::wait_for,
    traffic::{PAYLOAD, f_cnt, with_session},
};

const UPLINKS: &str = "v3/+/devices/+/up";
/// How many uplinks are under way when the process is killed.
const BURST: u32 = 12;

/// Sends uplinks one after the other, without hearing answers.
fn burst(network: &mut Network, node: &mut Node) {
    let entropy = ttn_core::rand::OsEntropy::default();
    for _ in 0..BURST {
        let uplink = node.mac.uplink(1, &PAYLOAD, false, &entropy).unwrap();
        network.forwarder.push(&uplink);
        assert_eq!(node.mac.windows_closed(false, &entropy), None);
    }
}

/// What a subscriber got: how often each counter came.
#[derive(Default)]
struct Received(BTreeMap<u32, u32>);

impl Received {
    /// Takes a message; one that comes again has to be marked.
    fn take(&mut self, client: &mut Client, is_acknowledged: bool) {
        let (publish, message) = client.next();
        let times = self.0.entry(u32::try_from(f_cnt(&message)).unwrap()).or_default();
        *times += 1;
        assert!(*times == 1 || publish.dup, "repeated without a mark: {message}");
        if is_acknowledged {
            client.acknowledge(&publish);
        }
    }
}

// DESIGN promise 3, AS-32
pub(crate) fn a_subscriber_at_qos_1_gets_everything_once_or_marked_across_kill_9(home: &Home) {
    let (mut network, mut node) = with_session(home);
    let connect = |network: &Network| {
        let stream = Box::new(dial(network.server.mqtt));
        Client::connect(stream, "node-red", &network.api_key)
    };
    let (mut client, is_present) = connect(&network);
    assert!(!is_present);
    client.subscribe(UPLINKS);
    burst(&mut network, &mut node);
    let mut received = Received::default();
    for number in 0..5 {
        received.take(&mut client, number < 3);
    }
    let data = network.data();
    let mut written = Vec::new();
    let mut network = network.restart(|server| {
        server.kill();
        written = home.logged(&data);
    });
    drop(client);
    let (mut client, is_present) = connect(&network);
    assert!(is_present, "the session survives the process");
    // The first uplink came before the subscription. What the server had not got to is lost with the radio frame.
    written.retain(|f_cnt| *f_cnt > 0);
    assert!(written.len() >= 5, "{written:?}");
    while !written.iter().all(|f_cnt| received.0.contains_key(f_cnt)) {
        received.take(&mut client, true);
    }
    assert_eq!(received.0.keys().copied().collect::<Vec<_>>(), written, "nothing else came");
    network.send(&mut node, &PAYLOAD);
    let (publish, message) = client.next();
    assert!(!publish.dup, "{message}");
    assert_eq!(f_cnt(&message), u64::from(BURST) + 1);
}

// AS-32
pub(crate) fn mqtt_speaks_tls_and_websockets() {
    let mut network = Network::start();
    let mut node = network.add_device("meter", 1, &Value::Null);
    network.join(&mut node);
    let certificate = network.data().join("tls/certificate.pem");
    let server = &network.server;
    for (path, protocol, status) in [("/", Some("mqtt"), 404), ("/mqtt", None, 400)] {
        let refused = WebSocket::open(dial(server.mqtt_ws), path, protocol).err();
        assert_eq!(refused, Some(status), "{path} {protocol:?}");
    }
    let open = |stream| WebSocket::open(stream, "/mqtt", Some("mqtt")).unwrap();
    let secure = WebSocket::open(tls(dial(server.mqtt_wss), &certificate), "/mqtt", Some("mqtt"));
    let streams: [(&str, Box<dyn Stream>); 3] = [
        ("tls", Box::new(tls(dial(server.mqtt_tls), &certificate))),
        ("ws", Box::new(open(dial(server.mqtt_ws)))),
        ("wss", Box::new(secure.unwrap())),
    ];
    let mut clients = Vec::new();
    for (id, stream) in streams {
        let (mut client, _) = Client::connect(stream, id, &network.api_key);
        client.subscribe(UPLINKS);
        clients.push(client);
    }
    network.send(&mut node, &PAYLOAD);
    for mut client in clients {
        let (publish, message) = client.next();
        assert_eq!(message["uplink_message"]["frm_payload"], "AWcA6w==");
        client.acknowledge(&publish);
    }
}

/// The commands in a guide: the blocks of its shell.
fn commands_of(guide: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide").join(guide);
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

// AS-32 to AS-34
pub(crate) fn the_commands_of_the_guide_to_mqtt_work(home: &Home) {
    let (mut network, mut node) = with_session(home);
    let (server, data) = (&network.server, network.data());
    let (mut queued, _) = Client::connect(Box::new(dial(server.mqtt)), "queued", &network.api_key);
    queued.subscribe("v3/+/devices/+/down/queued");
    let variables = [
        ("HOST", "localhost".to_owned()),
        ("PORT", server.mqtt.to_string()),
        ("TLS_PORT", server.mqtt_tls.to_string()),
        ("APP", APPLICATION.to_owned()),
        ("KEY", network.api_key.clone()),
        ("DEVICE", node.name.to_owned()),
        ("DATA", data.to_str().unwrap().to_owned()),
    ];
    let blocks = commands_of("mqtt.md");
    assert!(blocks.len() >= 4, "{blocks:?}");
    for block in blocks {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-euc", &block]).envs(variables.clone());
        let child = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut child = Some(child);
        // Commands that wait for a message get one.
        wait_for(|| {
            let is_done = child.as_mut().unwrap().try_wait().unwrap().is_some();
            if !is_done && block.contains("mosquitto_sub") {
                network.send(&mut node, &PAYLOAD);
            }
            is_done
        });
        let output = child.take().unwrap().wait_with_output().unwrap();
        assert!(output.status.success(), "{block}: {output:?}");
        if block.contains("-C 1") {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("\"frm_payload\":\"AWcA6w==\""), "{block}: {text}");
        }
    }
    let (_, message) = queued.next();
    let downlink = &message["downlink_queued"];
    assert_eq!((&downlink["f_port"], &downlink["frm_payload"]), (&15.into(), &"AQID".into()));
}
