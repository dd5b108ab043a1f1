//! Topic filters of MQTT clients: no text panics, and narrowing never widens.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttn_as::integration::mqtt::topic::{matches, narrow};

fuzz_target!(|text: &str| {
    let (filter, topic) = text.split_once('\n').unwrap_or((text, "v3/my-app/devices/dev-1/up"));
    let Some(narrowed) = narrow("my-app", filter) else { return };
    assert_eq!(narrow("my-app", &narrowed).as_deref(), Some(narrowed.as_str()));
    if !topic.contains(['+', '#']) && matches(&narrowed, topic) {
        assert!(matches(filter, topic), "{filter} was widened to {narrowed}");
        assert!(topic == "v3/my-app" || topic.starts_with("v3/my-app/"), "{topic} is not its own");
    }
});
