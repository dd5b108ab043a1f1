//! What integrations keep, and what the log forgets.

use std::time::Duration;

use bytes::Bytes;
use ttn_as::{
    Config,
    config::RetentionConfig,
    log::{Cursor, Item, Start},
    store::{IntegrationKey, IntegrationKind, ReaderState},
};
use ttn_core::store::Replaces;

use crate::world::{World, settle, uplink};

fn hook(id: &str) -> IntegrationKey {
    IntegrationKey::new(IntegrationKind::Webhook, "my-app".parse().unwrap(), id)
}

#[tokio::test(start_paused = true)]
async fn an_integration_and_its_place_outlive_a_restart() {
    let world = World::new().await;
    let mut changes = world.server.integration_changes(IntegrationKind::Webhook);
    let (key, settings) = (hook("a"), Bytes::from_static(b"settings"));
    let server = &world.server;
    server.set_integration(key.clone(), settings.clone(), Replaces::Nothing).await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let place = ReaderState { cursor: Cursor::behind(3), progress: Bytes::new() };
    let places = vec![(key.clone(), place.clone()), (hook("unknown"), place.clone())];
    server.put_reader_states(places).await.unwrap();
    assert!(!changes.has_changed().unwrap(), "reading on is no change of an integration");

    let world = world.restarted(None).await;
    let server = &world.server;
    assert_eq!(server.integration(&key).unwrap().value, settings);
    assert_eq!(server.reader_state(&key), Some(place));
    assert_eq!(server.reader_state(&hook("unknown")), None);
    assert_eq!(server.integrations(IntegrationKind::Webhook, None).len(), 1);
    assert_eq!(server.integrations(IntegrationKind::PubSub, None), []);
    let again = server.set_integration(key.clone(), settings, Replaces::Nothing).await;
    again.expect_err("it exists");

    let mut changes = server.integration_changes(IntegrationKind::Webhook);
    server.delete_integration(&key, Replaces::Any).await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert_eq!((server.integration(&key), server.reader_state(&key)), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_too_long_is_refused() {
    let world = World::new().await;
    let key = hook(&"x".repeat(IntegrationKey::ID_LENGTH_MAX + 1));
    let refused = world.server.set_integration(key, Bytes::new(), Replaces::Nothing).await;
    assert!(refused.unwrap_err().to_string().contains("513, at most 512"));
}

#[tokio::test(start_paused = true)]
async fn the_log_forgets_what_is_too_old_and_readers_are_told() {
    // The messages of this world are of a fixed day in the past.
    let age = Duration::from_secs(3600);
    let retention = RetentionConfig { age, ..RetentionConfig::default() };
    let world = World::empty(Config { retention, ..Config::default() }).await;
    world.add_device(None).await;
    world.deliver((1..=3).map(|f_cnt| uplink(f_cnt, b"x")).collect());
    settle().await;
    let application = "my-app".parse().unwrap();
    let mut reader = world.server.read(&application, Start::At(Cursor::start()));
    let first = reader.next().await.unwrap().unwrap();
    assert!(matches!(first, Item::Message(_)), "{first:?}");
    drop(reader);

    tokio::time::sleep(RetentionConfig::default().interval + Duration::from_secs(1)).await;
    settle().await;
    let mut reader = world.server.read(&application, Start::At(Cursor::behind(1)));
    let told = reader.next().await.unwrap().unwrap();
    assert!(matches!(told, Item::Gap { lost: 2 }), "{told:?}");
}
