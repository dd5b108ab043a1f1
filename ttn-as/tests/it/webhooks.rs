//! Webhooks in virtual time: order, outages, retries, restarts (AS-38 to AS-41, AS-44 to AS-46).

use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;
use ttn_as::{
    Config, DeviceSessions,
    config::WebhookConfig,
    integration::webhook::{
        FailureKind, Format, MessageKind, SECRET_HEADER, Webhook, sign, target_url, webhook_key,
    },
    store::{Device, IntegrationKey, Session},
    testing,
};
use ttn_core::{
    key::Aes128Key,
    msg::{ApplicationBatch, ApplicationUp, Up},
    peer::NsAs as _,
    store::{LaneId, Replaces},
    time::Timestamp,
};
use ttn_proto::v3;

use crate::{
    endpoint::{Does, Got},
    world::{APP_S_KEY, World, dev_addr, key_id, settle, uplink},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DEVICES: [&str; 3] = ["dev-a", "dev-b", "dev-c"];

fn key(id: &str) -> IntegrationKey {
    webhook_key(&"my-app".parse().unwrap(), id)
}

fn hook() -> Webhook {
    let mut webhook = Webhook::new(Timestamp::UNIX_EPOCH);
    webhook.base_url = "https://example.com/hook".to_owned();
    webhook.paths = BTreeMap::from([(MessageKind::UplinkMessage, "up{/devID}".to_owned())]);
    webhook
}

async fn set(world: &World, id: &str, webhook: &Webhook) {
    world.server.set_webhook(key(id), webhook, Replaces::Any).await.unwrap();
    settle().await;
}

async fn world(webhook: WebhookConfig) -> World {
    let world = World::empty(Config { webhook, ..Config::default() }).await;
    for name in DEVICES {
        let device = Device::new(testing::ids(&format!("my-app.{name}")), Timestamp::UNIX_EPOCH);
        let mut session = Session::new(key_id("one"), dev_addr());
        session.app_s_key = Some(Aes128Key::new(APP_S_KEY).into());
        let sessions = DeviceSessions { current: Some(session), pending: None };
        world.server.set_device(device, Some(sessions), Replaces::Nothing).await.unwrap();
    }
    world
}

/// A world with one webhook.
async fn hooked() -> World {
    let world = world(WebhookConfig::default()).await;
    set(&world, "hook", &hook()).await;
    world
}

fn send(world: &World, device: &str, f_cnt: u32) {
    let template: Up = uplink(f_cnt, b"hello");
    let mut up = ApplicationUp { up: template, ..testing::up(uplink(0, b"")) };
    up.ids = testing::ids(&format!("my-app.{device}"));
    let messages = vec![(testing::owned(), up)];
    world.server.uplinks(ApplicationBatch { lane: LaneId(0), messages }).unwrap();
}

async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

// AS-38, AS-39
#[tokio::test(start_paused = true)]
async fn a_message_is_posted_with_all_headers() {
    let config =
        WebhookConfig { public_url: "https://ttn.example:8885".into(), ..WebhookConfig::default() };
    let world = world(config).await;
    let mut webhook = hook();
    webhook.downlink_api_key = "NNSXS.KEY".to_owned();
    let headers = [("Authorization", "Bearer abc"), (SECRET_HEADER, "s3cret"), ("Host", "evil")];
    webhook.headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    set(&world, "hook", &webhook).await;
    send(&world, "dev-a", 7);
    settle().await;
    let got = world.endpoint.got();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].request.url.to_string(), "https://example.com/hook/up/dev-a");
    assert_eq!(got[0].json()["uplink_message"]["frm_payload"], "aGVsbG8=");
    let down = "https://ttn.example:8885/api/v3/as/applications/my-app/webhooks/hook/devices/dev-a";
    for (name, value) in [
        ("content-type", "application/json"),
        ("authorization", "Bearer abc"),
        ("x-tts-domain", "ttn.example"),
        ("x-downlink-apikey", "NNSXS.KEY"),
        ("x-downlink-push", &format!("{down}/down/push")),
        ("x-downlink-replace", &format!("{down}/down/replace")),
        ("x-tts-delivery", "my-app.dev-a/1"),
        ("x-tts-attempt", "1"),
        ("x-tts-repeated", ""),
        ("host", ""),
        ("x-tts-signing-secret", ""),
    ] {
        assert_eq!(got[0].header(name), value, "{name}");
    }
    assert!(got[0].header("user-agent").starts_with("TheThingsStack/"));
    let signature = got[0].header("x-tts-signature");
    let seconds = signature.strip_prefix("t=").unwrap().split(',').next().unwrap();
    let time = Timestamp::from_unix_secs(seconds.parse().unwrap());
    assert_eq!(signature, sign(b"s3cret", time, &got[0].request.body));
}

// AS-37
#[tokio::test(start_paused = true)]
async fn formats_masks_and_kinds_are_kept() {
    let world = world(WebhookConfig::default()).await;
    let mut webhook = hook();
    webhook.format = Format::Protobuf;
    webhook.field_mask = vec!["up.uplink_message.f_port".into(), "end_device_ids".into()];
    set(&world, "proto", &webhook).await;
    webhook.format = Format::Json;
    set(&world, "json", &webhook).await;
    webhook.paths = BTreeMap::from([(MessageKind::JoinAccept, String::new())]);
    set(&world, "joins", &webhook).await;
    send(&world, "dev-a", 7);
    settle().await;
    let got = world.endpoint.got();
    assert_eq!(got.len(), 2, "no uplink for who wants joins");
    let is_json = |got: &&Got| got.header("content-type") == "application/json";
    let json = got.iter().find(is_json).unwrap().json();
    assert_eq!(json["uplink_message"], serde_json::json!({ "f_port": 2 }));
    assert_eq!(json["end_device_ids"]["device_id"], "dev-a");
    assert!(json["received_at"].is_null());
    let proto = got.iter().find(|got| !is_json(got)).unwrap();
    assert_eq!(proto.header("content-type"), "application/octet-stream");
    let up = v3::ApplicationUp::decode(&*proto.request.body).unwrap();
    assert_eq!(up.end_device_ids.unwrap().device_id, "dev-a");
    let Some(v3::application_up::Up::UplinkMessage(uplink)) = up.up else { panic!("{:?}", up.up) };
    assert_eq!((uplink.f_port, uplink.f_cnt), (2, 0));
}

// AS-45, DESIGN 4
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_was_down_for_a_day_gets_everything_in_order_per_device() {
    let world = hooked().await;
    world.endpoint.always(Does::Refuses);
    let mut f_cnt = 0;
    for _ in 0..144 {
        f_cnt += 1;
        for device in DEVICES {
            send(&world, device, f_cnt);
        }
        wait(10 * MINUTE).await;
    }
    let attempts = world.endpoint.got().len();
    assert!(attempts < 500, "a dead endpoint is left in peace: {attempts} requests");
    world.endpoint.forget();
    world.endpoint.always(Does::Answers(200));
    // The longest pause between two probes is five minutes, and some chance.
    wait(6 * MINUTE).await;
    for device in DEVICES {
        let expected: Vec<u64> = (1..=144).collect();
        assert_eq!(world.endpoint.taken(device), expected, "{device}");
    }
    assert!(world.server.dead_letters(&key("hook")).is_empty());
    assert_eq!(world.server.webhook_counters().sent(), 3 * 144);
}

// AS-45
#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_taken_is_tried_seven_times_and_holds_up_its_device_only() {
    let world = hooked().await;
    let is_poison = |got: &Got| got.device() == "dev-a" && got.f_cnt() == 1;
    world.endpoint.by(move |got| is_poison(got).then_some(Does::Answers(500)));
    for f_cnt in 1..=3 {
        for device in DEVICES {
            send(&world, device, f_cnt);
        }
    }
    wait(MINUTE).await;
    assert_eq!(world.endpoint.taken("dev-b"), [1, 2, 3]);
    assert_eq!(world.endpoint.taken("dev-c"), [1, 2, 3]);
    assert!(world.endpoint.taken("dev-a").is_empty());
    wait(2 * HOUR).await;
    let got = world.endpoint.got();
    let tries: Vec<_> = got.iter().filter(|got| is_poison(got)).collect();
    assert_eq!(tries.len(), 7);
    let waits = tries.windows(2).map(|pair| pair[1].at - pair[0].at);
    for (wait, minutes) in waits.zip([4, 8, 15, 15, 15, 15]) {
        let (wait, wanted) = (wait.as_secs_f64(), f64::from(minutes) * 60.0);
        assert!((0.84..=1.16).contains(&(wait / wanted)), "{wait} is not {wanted} and 15 %");
    }
    let attempts: Vec<_> = tries.iter().map(|got| got.header("x-tts-attempt").to_owned()).collect();
    assert_eq!(attempts, ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(world.endpoint.taken("dev-a"), [2, 3]);
    let dead = world.server.dead_letters(&key("hook"));
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].device_id.as_str(), dead[0].attempts), ("dev-a", 7));
    assert_eq!((dead[0].failure.status, dead[0].failure.detail.as_str()), (500, "sorry"));
    // AS-46
    let counters = world.server.webhook_counters();
    assert_eq!((counters.sent(), counters.dead()), (8, 1));
    assert!(counters.failed().contains(&(FailureKind::Status, 7)));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_makes_the_endpoint_hang_does_not_stop_the_others() {
    let world = hooked().await;
    let is_poison = |got: &Got| got.device() == "dev-a" && got.f_cnt() == 1;
    world.endpoint.by(move |got| is_poison(got).then_some(Does::Hangs));
    send(&world, "dev-a", 1);
    send(&world, "dev-a", 2);
    settle().await;
    for f_cnt in 1..=120 {
        send(&world, "dev-b", f_cnt);
        wait(MINUTE).await;
    }
    assert_eq!(world.endpoint.taken("dev-b").len(), 120);
    assert_eq!(world.endpoint.taken("dev-a"), [2], "the first one was given up");
    let dead = world.server.dead_letters(&key("hook"));
    assert_eq!(dead[0].failure.kind, FailureKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_short_failure_costs_seconds_not_minutes() {
    let world = hooked().await;
    world.endpoint.always(Does::Answers(503));
    for device in DEVICES {
        send(&world, device, 1);
    }
    wait(Duration::from_secs(3)).await;
    world.endpoint.always(Does::Answers(200));
    wait(Duration::from_secs(10)).await;
    for device in DEVICES {
        assert_eq!(world.endpoint.taken(device), [1], "{device}");
    }
}

// promises 3 and 9
#[tokio::test(start_paused = true)]
async fn one_dead_endpoint_costs_nobody_else_anything() {
    let config = WebhookConfig { requests_per_webhook: 2, ..WebhookConfig::default() };
    let world = world(config).await;
    let mut dead = hook();
    dead.base_url = "https://dead.example".to_owned();
    set(&world, "dead", &dead).await;
    set(&world, "well", &hook()).await;
    world
        .endpoint
        .by(|got| (got.request.url.host() == Some("dead.example")).then_some(Does::Hangs));
    for f_cnt in 1..=50 {
        for device in DEVICES {
            send(&world, device, f_cnt);
        }
        wait(Duration::from_millis(100)).await;
        for device in DEVICES {
            assert_eq!(world.endpoint.taken(device).last(), Some(&u64::from(f_cnt)));
        }
    }
    let to_dead = world.endpoint.got().into_iter();
    let to_dead = to_dead.filter(|got| got.request.url.host() == Some("dead.example")).count();
    assert!(to_dead <= 2, "two at a time, for ten seconds each");
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_webhook_are_limited_and_one_per_device() {
    let world = world(WebhookConfig { requests_per_webhook: 2, ..WebhookConfig::default() }).await;
    set(&world, "hook", &hook()).await;
    world.endpoint.always(Does::AnswersAfter(Duration::from_secs(1), 200));
    for f_cnt in 1..=5 {
        for device in DEVICES {
            send(&world, device, f_cnt);
        }
    }
    wait(MINUTE).await;
    assert_eq!(world.endpoint.under_way_max(), 2);
    for device in DEVICES {
        assert_eq!(world.endpoint.taken(device), [1, 2, 3, 4, 5], "{device}");
    }
}

// promise 3
#[tokio::test(start_paused = true)]
async fn after_a_crash_nothing_is_lost_and_what_may_have_arrived_says_so() {
    let mut world = hooked().await;
    for f_cnt in 1..=5 {
        send(&world, "dev-a", f_cnt);
    }
    wait(2 * MINUTE).await;
    assert_eq!(world.endpoint.taken("dev-a"), [1, 2, 3, 4, 5]);
    let is_poison = |got: &Got| got.device() == "dev-b" && got.f_cnt() == 1;
    world.endpoint.by(move |got| is_poison(got).then_some(Does::Answers(400)));
    send(&world, "dev-b", 1);
    send(&world, "dev-b", 2);
    wait(MINUTE).await;
    // Handed out, not saved yet.
    send(&world, "dev-a", 6);
    settle().await;
    assert_eq!(world.endpoint.taken("dev-a"), [1, 2, 3, 4, 5, 6]);
    world = world.restarted(None).await;
    wait(MINUTE).await;
    assert_eq!(world.endpoint.taken("dev-a"), [6], "what was saved is not sent again");
    assert_eq!(world.endpoint.taken("dev-b"), [1, 2]);
    let got = world.endpoint.got();
    let of = |device: &str, f_cnt| {
        let found = got.iter().find(|got| got.device() == device && got.f_cnt() == f_cnt);
        found.unwrap_or_else(|| panic!("{device}/{f_cnt} in {got:?}"))
    };
    assert_eq!(of("dev-a", 6).header("x-tts-repeated"), "true");
    assert_eq!(of("dev-b", 1).header("x-tts-repeated"), "true");
    assert_eq!(of("dev-b", 1).header("x-tts-attempt"), "2");
}

// AS-44
#[tokio::test(start_paused = true)]
async fn a_paused_webhook_skips_what_comes_and_goes_on_afterwards() {
    let world = hooked().await;
    send(&world, "dev-a", 1);
    settle().await;
    set(&world, "hook", &Webhook { paused: true, ..hook() }).await;
    send(&world, "dev-a", 2);
    wait(MINUTE).await;
    set(&world, "hook", &hook()).await;
    send(&world, "dev-a", 3);
    settle().await;
    assert_eq!(world.endpoint.taken("dev-a"), [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_replay_delivers_again_from_a_time_marked_as_repeated() {
    let world = hooked().await;
    for f_cnt in 1..=3 {
        send(&world, "dev-a", f_cnt);
    }
    settle().await;
    world.endpoint.forget();
    world.server.replay_webhook(&key("hook"), Timestamp::UNIX_EPOCH).await.unwrap();
    settle().await;
    assert_eq!(world.endpoint.taken("dev-a"), [1, 2, 3]);
    assert!(world.endpoint.got().iter().all(|got| got.header("x-tts-repeated") == "true"));
    world.endpoint.forget();
    send(&world, "dev-a", 4);
    settle().await;
    assert_eq!(world.endpoint.taken("dev-a"), [4]);
}

// AS-41
#[tokio::test(start_paused = true)]
async fn health_counts_failures_and_a_threshold_suspends() {
    let config = WebhookConfig {
        unhealthy_attempts_threshold: 3,
        unhealthy_retry_interval: MINUTE,
        ..WebhookConfig::default()
    };
    let world = world(config).await;
    set(&world, "hook", &hook()).await;
    assert!(!world.server.webhook_health(&key("hook")).is_known);
    world.endpoint.always(Does::Answers(404));
    for (index, device) in DEVICES.iter().enumerate() {
        send(&world, device, 1);
        wait(Duration::from_secs(1)).await;
        let health = world.server.webhook_health(&key("hook"));
        assert_eq!(health.failed_attempts, index as u64 + 1);
    }
    let requests = world.endpoint.got().len();
    send(&world, "dev-a", 2);
    wait(Duration::from_secs(50)).await;
    assert_eq!(world.endpoint.got().len(), requests, "nothing is sent for a minute");
    world.endpoint.always(Does::Answers(204));
    wait(20 * MINUTE).await;
    let health = world.server.webhook_health(&key("hook"));
    assert!(health.is_known && health.failed_attempts == 0, "one success makes it healthy");
    assert_eq!(world.endpoint.taken("dev-a"), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_webhook_sends_nothing_more() {
    let world = hooked().await;
    world.server.delete_webhook(&key("hook")).await.unwrap();
    settle().await;
    send(&world, "dev-a", 1);
    wait(MINUTE).await;
    assert!(world.endpoint.got().is_empty());
    assert!(world.server.delete_webhook(&key("hook")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn settings_that_cannot_work_are_refused() {
    let world = world(WebhookConfig { webhooks_max: 1, ..WebhookConfig::default() }).await;
    let set = |id: &str, webhook: Webhook| {
        let (server, key) = (world.server.clone(), key(id));
        async move { server.set_webhook(key, &webhook, Replaces::Any).await }
    };
    let wrong = [
        Webhook { base_url: "ftp://example.com".into(), ..hook() },
        Webhook { base_url: "https://example.com/{".into(), ..hook() },
        Webhook { paths: [(MessageKind::JoinAccept, "../x".into())].into(), ..hook() },
        Webhook { headers: [("a b".into(), "x".into())].into(), ..hook() },
        Webhook { headers: [("a".into(), "x\ny".into())].into(), ..hook() },
    ];
    for webhook in wrong {
        set("hook", webhook.clone()).await.expect_err(&format!("{webhook:?}"));
    }
    set("hook", hook()).await.unwrap();
    set("more", hook()).await.expect_err("one is the limit");
}

#[test]
fn the_seeds_of_the_fuzz_target_never_leave_the_base() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/webhook_url");
    let mut seeds = 0;
    for seed in std::fs::read_dir(directory).unwrap() {
        // What a run of the target finds lies beside the seeds, and need not be text.
        let Ok(text) = std::fs::read_to_string(seed.unwrap().path()) else { continue };
        let (base, path) = text.split_once('\n').unwrap_or(("", &text));
        let ids = testing::ids("my-app.my-dev");
        let _ = target_url(base, path, &ids);
        if let Ok(url) = target_url("https://example.com/base", path, &ids) {
            assert_eq!(url.host(), Some("example.com"), "{text}");
            assert!(url.path().starts_with("/base"), "{text}");
            assert!(!url.path().split('/').any(|segment| segment == ".."), "{text}");
        }
        seeds += 1;
    }
    assert!(seeds >= 3);
}
