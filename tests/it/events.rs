//! Events: what is told, to whom, and the story of a frame.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use serde_json::{Value, json};
use ttn::{stack::client::Client, testkit::Action};
use ttn_cli::story;

use crate::net::{Kind, Net};

impl Net {
    fn client(&self) -> Client {
        self.sim.client().unwrap().clone()
    }

    async fn related(&self, id: &str) -> Vec<Value> {
        let id = id.replace(':', "%3A").replace('/', "%2F");
        let path = format!("/events/related?correlation_id={id}");
        let mut answer = self.client().get(&path).await.unwrap();
        answer["events"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What `ttn-cli why ID` prints.
    async fn why(&self, id: &str) -> String {
        let mut events = self.related(id).await;
        for more in story::more_ids(&events, id) {
            events.extend(self.related(&more).await);
        }
        story::tell(&events)
    }
}

fn names(events: &[Value]) -> BTreeSet<&str> {
    events.iter().map(|event| event["name"].as_str().unwrap()).collect()
}

/// The correlation id of a class.
fn id(message: &Value, class: &str) -> String {
    let ids = message["correlation_ids"].as_array().unwrap();
    let found = ids.iter().filter_map(Value::as_str).find(|id| id.starts_with(class));
    found.unwrap_or_else(|| panic!("no {class} in {ids:?}")).to_owned()
}

#[track_caller]
fn assert_has(events: &[Value], expected: &[&str]) {
    let names = names(events);
    let missing: Vec<_> = expected.iter().filter(|name| !names.contains(*name)).collect();
    assert!(missing.is_empty(), "missing {missing:?} in {names:?}");
}

fn of_device(name: &str) -> Value {
    let application_ids = json!({ "application_id": "test-app" });
    json!({ "device_ids": { "device_id": name, "application_ids": application_ids } })
}

async fn next(stream: &mut BoxStream<'static, Value>) -> Value {
    let next = tokio::time::timeout(Duration::from_secs(120), stream.next());
    next.await.expect("an event").expect("an open stream")
}

async fn next_names(stream: &mut BoxStream<'static, Value>, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(next(stream).await["result"]["name"].as_str().unwrap_or("?").to_owned());
    }
    names
}

// EVT-03, EVT-07
#[tokio::test(start_paused = true)]
async fn a_join_is_traced_from_the_datagram_to_the_message() {
    let mut net = Net::start(71, 1).await;
    let device = net.otaa("sensor", Kind::default()).await;
    net.join(device).await;
    let message = net.messages("join_accept").await.remove(0);
    let events = net.related(&id(&message, "gs:uplink:")).await;
    assert_has(
        &events,
        &[
            "gs.up.receive",
            "gs.up.forward",
            "ns.up.join.receive",
            "ns.up.join.cluster.attempt",
            "js.join.accept",
            "ns.up.join.cluster.success",
            "ns.up.join.process",
            "ns.up.join.accept.forward",
            "as.up.join.receive",
            "as.up.join.forward",
            "ns.down.join.schedule.attempt",
            "gs.down.schedule.attempt",
            "gs.down.send",
            "ns.down.join.schedule.success",
            "gs.txack.receive",
            "gs.txack.forward",
            "gs.down.tx.success",
            "ns.down.transmission.success",
        ],
    );
    // EVT-01: with what radio knows them by.
    let ids = |name: &str| {
        let event = events.iter().find(|event| event["name"] == name).unwrap();
        event["identifiers"][0].clone()
    };
    let gateway = ids("gs.down.send")["gateway_ids"].clone();
    assert_eq!(gateway, ids("gs.up.receive")["gateway_ids"]);
    assert_eq!(gateway["eui"].as_str().map(str::len), Some(16), "{gateway}");
    let joined = ids("js.join.accept");
    assert_eq!(joined["device_ids"]["dev_eui"].as_str().map(str::len), Some(16), "{joined}");
    let told = net.related(&id(&message, "as:up:")).await;
    assert_eq!(names(&told), BTreeSet::from(["as.up.join.forward", "as.up.join.receive"]));
    let receive = events.iter().find(|event| event["name"] == "gs.up.receive").unwrap();
    let same = net.related(receive["unique_id"].as_str().unwrap()).await;
    assert_eq!(same, std::slice::from_ref(receive));
}

// EVT-01, EVT-07: the ids of both copies, and of a downlink from the call to the report
#[tokio::test(start_paused = true)]
async fn an_uplink_and_a_downlink_are_traced_both_ways() {
    let mut net = Net::start(72, 2).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.send(device, &[1], false).await;
    net.push("sensor", "AQI=", false).await;
    net.send(device, &[2], false).await;
    let up = net.messages("uplink_message").await.pop().unwrap();
    let ids = up["correlation_ids"].as_array().unwrap();
    let copies = ids.iter().filter(|id| id.as_str().unwrap().starts_with("gs:uplink:"));
    assert_eq!(copies.count(), 2, "{ids:?}");
    assert!(ids.iter().all(|id| id.as_str().unwrap().len() <= 100));
    let events = net.related(&id(&up, "ns:uplink:")).await;
    let process = events.iter().find(|event| event["name"] == "ns.up.data.process").unwrap();
    let data = &process["data"];
    assert_eq!(data["@type"], "type.googleapis.com/ttn.lorawan.v3.UplinkMessage");
    assert_eq!(data["rx_metadata"].as_array().unwrap().len(), 2);
    let forward = events.iter().find(|event| event["name"] == "as.up.data.forward").unwrap();
    assert_eq!(forward["data"]["uplink_message"]["frm_payload"], "Ag==");

    let sent = net.messages("downlink_sent").await.remove(0);
    assert!(id(&sent, "rpc:").starts_with("rpc:/ttn.lorawan.v3.AppAs/DownlinkQueuePush:"));
    let events = net.related(&id(&sent, "as:downlink:")).await;
    assert_has(
        &events,
        &[
            "as.down.data.receive",
            "as.down.data.forward",
            "ns.down.data.schedule.attempt",
            "gs.down.schedule.attempt",
            "gs.down.send",
            "ns.down.data.schedule.success",
            "gs.txack.receive",
            "ns.down.transmission.success",
            "as.down.data.sent.forward",
        ],
    );
    let ack = events.iter().find(|event| event["name"] == "gs.txack.receive").unwrap();
    id(ack, "gs:tx_ack:");
    id(ack, "gs:uplink:");
    id(ack, "ns:downlink:");
}

// EVT-02, EVT-05
#[tokio::test(start_paused = true)]
async fn a_stream_begins_with_the_past_and_goes_on() {
    let mut net = Net::start(73, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.send(device, &[1], false).await;
    let expression = "/^ns\\.up\\.data\\./";
    let body = json!({ "identifiers": [of_device("sensor")], "tail": 2, "names": [expression] });
    let mut stream = net.client().stream("/events", body).await.unwrap();
    let start = next(&mut stream).await["result"].clone();
    assert_eq!(start["name"], "events.stream.start");
    let selected =
        ["ns.up.data.drop", "ns.up.data.forward", "ns.up.data.process", "ns.up.data.receive"];
    assert_eq!(start["data"]["value"], json!(selected));
    let past = next_names(&mut stream, 2).await;
    assert_eq!(past, ["ns.up.data.process", "ns.up.data.forward"]);
    net.sim.world.act(device, Action::Uplink { f_port: 1, payload: vec![2], confirmed: false });
    let live = next_names(&mut stream, 3).await;
    assert_eq!(live, ["ns.up.data.receive", "ns.up.data.process", "ns.up.data.forward"]);
    // What devices pass on is shown under their application.
    let of_app = json!({ "application_ids": { "application_id": "test-app" } });
    let names = ["as.up.data.forward", "ns.up.data.process"];
    let body = json!({ "identifiers": [of_app], "tail": 9, "names": names });
    let mut stream = net.client().stream("/events", body).await.unwrap();
    let shown = next_names(&mut stream, 3).await;
    assert_eq!(shown, ["events.stream.start", "as.up.data.forward", "as.up.data.forward"]);
}

// EVT-02, EVT-08: no stream for those who name nothing, something unknown, or what is not theirs
#[tokio::test(start_paused = true)]
async fn streams_that_cannot_be_are_refused_by_name() {
    let mut net = Net::start(74, 1).await;
    net.abp("sensor", Kind::default()).await;
    let sensor = of_device("sensor");
    let cases = [
        (json!({}), "no_identifiers"),
        (json!({ "identifiers": [sensor], "names": ["ns.up.lost"] }), "unknown_event_name"),
        (json!({ "identifiers": [sensor], "names": ["/^nobody/"] }), "no_matching_events"),
    ];
    for (body, name) in cases {
        let refused = net.client().stream("/events", body).await.err().unwrap();
        assert_eq!(refused.name(), name, "{refused}");
    }
    let nobody = Client::new(net.sim.stack().unwrap().api().router(), None);
    let body = json!({ "identifiers": [sensor] });
    assert_eq!(
        nobody.stream("/events", body.clone()).await.err().unwrap().name(),
        "unauthenticated"
    );
    let gateways = key(&net, "/gateways/gateway-0", "RIGHT_GATEWAY_STATUS_READ").await;
    let other = net.client().with_key(&gateways.0);
    let refused = other.stream("/events", body).await.err().unwrap();
    assert_eq!(refused.name(), "no_application_rights", "{refused}");
}

/// A new API key of an entity with one right, and its id.
async fn key(net: &Net, entity: &str, right: &str) -> (String, String) {
    let body = json!({ "name": "test", "rights": [right] });
    let key = net.client().post(&format!("{entity}/api-keys"), body).await.unwrap();
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

// EVT-02, promise 7: rights per event, asked for again
#[tokio::test(start_paused = true)]
async fn a_stream_shows_what_the_rights_cover_and_ends_with_them() {
    let mut net = Net::start(75, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    let (key, key_id) = key(&net, "/applications/test-app", "RIGHT_APPLICATION_DEVICES_READ").await;
    let body = json!({ "identifiers": [of_device("sensor")], "tail": 100 });
    let mut stream = net.client().with_key(&key).stream("/events", body).await.unwrap();
    let past = next_names(&mut stream, 4).await;
    assert_eq!(past[0], "events.stream.start");
    assert!(past[1..].iter().all(|name| name.contains("end_device.")), "{past:?}");
    // Traffic is not for this key.
    net.send(device, &[1], false).await;
    let uplink = net.messages("uplink_message").await.remove(0);
    let path = format!("/events/related?correlation_id={}", id(&uplink, "ns:uplink:"));
    let related = net.client().with_key(&key).get(&path).await.unwrap();
    let first = &related["events"][0];
    assert!(first["name"].is_string() && first["visibility"].is_object(), "{first}");
    assert!(first["data"].is_null() && first["correlation_ids"].is_null(), "{first}");
    // Without its rights the stream ends, though nothing happens.
    let path = format!("/applications/test-app/api-keys/{key_id}");
    let body = json!({ "api_key": { "rights": [] }, "field_mask": { "paths": ["rights"] } });
    net.client().put(&path, body).await.unwrap();
    let end = next(&mut stream).await;
    assert!(end["error"].is_object(), "{end}");
    assert!(stream.next().await.is_none());
}

// EVT-01, EVT-07: who changed an entity, with what, and in which call
#[tokio::test(start_paused = true)]
async fn events_of_entities_name_the_caller() {
    let net = Net::start(79, 0).await;
    let of_app = json!({ "application_ids": { "application_id": "test-app" } });
    let body = json!({ "identifiers": [of_app], "tail": 1, "names": ["application.create"] });
    let mut stream = net.client().stream("/events", body).await.unwrap();
    next(&mut stream).await;
    let event = next(&mut stream).await["result"].clone();
    let who = &event["authentication"];
    assert_eq!((&who["type"], &who["token_type"]), (&json!("Bearer"), &json!("APIKey")), "{event}");
    assert!(!who["token_id"].as_str().unwrap().contains('.'), "the id alone: {event}");
    assert!(id(&event, "rpc:").starts_with("rpc:/ttn.lorawan.v3.ApplicationRegistry/Create:"));
}

// DESIGN 3, promise 2
#[tokio::test(start_paused = true)]
async fn why_tells_the_story_of_an_uplink_a_downlink_and_a_refusal() {
    let mut net = Net::start(76, 2).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.send(device, &[1], false).await;
    net.push("sensor", "AQI=", false).await;
    net.send(device, &[2], false).await;
    let uplink = net.messages("uplink_message").await.pop().unwrap();
    let story = net.why(&id(&uplink, "gs:uplink:")).await;
    println!("{story}");
    for part in [
        "Uplink of test-app/sensor   2026-",
        "→ delivered to the application after 0.",
        "gateway-1: received: 27 octets, SF7BW125 at 868",
        "heard by gateway-0 -60 dBm / SNR 9, gateway-1 -60 dBm / SNR 9",
        "delivered to the application: FCnt 1, port 1, payload 02",
        "Downlink in answer",
        "→ transmitted by gateway-",
        "carries what the application asked for: as:downlink:",
    ] {
        assert!(story.contains(part), "{part} is missing in\n{story}");
    }
    let sent = net.messages("downlink_sent").await.remove(0);
    let story = net.why(&id(&sent, "as:downlink:")).await;
    println!("{story}");
    assert!(story.starts_with("Downlink requested for test-app/sensor"), "{story}");
    assert!(story.contains("→ sent, told to the application after"), "{story}");

    // Port 0 belongs to the network: refused before it is queued, with the rule.
    let path = "/as/applications/test-app/devices/sensor/down/push";
    let body = json!({ "downlinks": [{ "f_port": 0, "frm_payload": "AQ==" }] });
    let refused = net.client().post(path, body).await.unwrap_err();
    let body =
        json!({ "identifiers": [of_device("sensor")], "tail": 1, "names": ["as.down.data.drop"] });
    let mut stream = net.client().stream("/events", body).await.unwrap();
    next(&mut stream).await;
    let drop = next(&mut stream).await["result"].clone();
    let story = net.why(drop["unique_id"].as_str().unwrap()).await;
    println!("{story}");
    let why = format!("→ dropped by the Application Server: dropped: {}", refused.name());
    assert!(story.contains(&why), "{why} is missing in\n{story}");
}

// DESIGN 3: a downlink that the radio has no room for names every window with its rule, and the next time
#[tokio::test(start_paused = true)]
async fn why_tells_which_rule_refused_a_downlink() {
    let mut net = Net::start(77, 1).await;
    for name in ["sensor-a", "sensor-b", "sensor-c"] {
        let device = net.abp(name, Kind::default()).await;
        let action = Action::Uplink { f_port: 1, payload: vec![1], confirmed: true };
        net.sim.world.act(device, action);
    }
    net.wait(10).await;
    let mut stories = Vec::new();
    for uplink in net.messages("uplink_message").await {
        stories.push(net.why(&id(&uplink, "ns:uplink:")).await);
    }
    let refused: Vec<_> =
        stories.iter().filter(|story| story.contains("✗ not scheduled")).collect();
    assert_eq!((stories.len(), refused.len()), (3, 1), "{stories:#?}");
    let story = refused[0];
    println!("{story}");
    for part in [
        "→ delivered to the application after",
        "Downlink in answer",
        "→ failed at the Network Server: not scheduled: schedule",
        "• conflict",
        "window 1",
        "window 2",
        "retry after",
    ] {
        assert!(story.contains(part), "{part} is missing in\n{story}");
    }
}

/// The words of a line of a shell, without anything but quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in line.chars() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            (' ', None) => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words
}

// The commands of docs/guide/events.md: those of the client are understood, those of the API answer.
#[tokio::test(start_paused = true)]
async fn the_commands_of_the_guide_work() {
    use clap::Parser as _;
    let mut net = Net::start(78, 1).await;
    net.abp("sensor", Kind::default()).await;
    let guide = include_str!("../../docs/guide/events.md");
    let guide = guide.replace("my-app", "test-app").replace("my-device", "sensor");
    let blocks = guide.split("```").filter_map(|block| block.strip_prefix("sh\n"));
    let mut ran = 0;
    for line in blocks.flat_map(str::lines) {
        let words = words(line);
        ran += 1;
        if words[0] == "ttn-cli" {
            let parsed = ttn_cli::command::Arguments::try_parse_from(&words);
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            continue;
        }
        let url = words.iter().find_map(|word| word.strip_prefix("$TTN_SERVER/api/v3")).unwrap();
        match words.iter().position(|word| word == "-d") {
            Some(at) => {
                let body = serde_json::from_str(&words[at + 1]).unwrap();
                let mut stream = net.client().stream(url, body).await.unwrap();
                assert_eq!(next_names(&mut stream, 1).await, ["events.stream.start"]);
            }
            None => {
                net.client().get(url).await.unwrap();
            }
        }
    }
    assert_eq!(ran, 8);
}

// EVT-01, EVT-02: MAC commands are told as the messages that the API declares
#[tokio::test(start_paused = true)]
async fn requests_and_answers_of_the_mac_layer_are_messages() {
    let mut net = Net::start(75, 1).await;
    let kind = Kind { mac_settings: r#"{"desired_rx1_delay":"RX_DELAY_3"}"#, ..Kind::default() };
    let device = net.abp("sensor", kind).await;
    // The answers to the first requests leave no room for that about the status.
    for _ in 0..4 {
        net.send(device, &[1], false).await;
    }
    let mut told = Vec::new();
    for up in net.messages("uplink_message").await {
        told.extend(net.related(&id(&up, "ns:uplink:")).await);
    }
    let of = |name: &str| {
        let found = told.iter().find(|event| event["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {:?}", names(&told)))["data"].clone()
    };
    let request = of("ns.mac.rx_timing_setup.request");
    assert_eq!(request["@type"], "type.googleapis.com/ttn.lorawan.v3.MACCommand.RxTimingSetupReq");
    assert_eq!(request["delay"], 3);
    assert!(of("ns.mac.rx_timing_setup.answer").is_null(), "it has no fields");
    let status = of("ns.mac.dev_status.answer");
    assert_eq!(status["@type"], "type.googleapis.com/ttn.lorawan.v3.MACCommand.DevStatusAns");
    assert!(status["battery"].is_u64(), "{status}");
}
