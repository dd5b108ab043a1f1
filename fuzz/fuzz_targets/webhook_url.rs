//! URL templates of webhooks: no text panics, and what comes out is below the base and may be called.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttn_as::integration::webhook::{URL_LENGTH_MAX, check_url, target_url};
use ttn_core::id::DeviceIds;

fuzz_target!(|octets: &[u8]| {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let (base, path) = text.split_once('\n').unwrap_or(("", text));
    let ids = DeviceIds::new("my-app.my-dev".parse().unwrap());
    let _ = target_url(base, path, &ids);
    if let Ok(url) = target_url("https://example.com/base", path, &ids) {
        assert!(check_url(&url).is_ok());
        assert!(url.to_string().len() <= URL_LENGTH_MAX);
        assert_eq!(url.host(), Some("example.com"));
        assert!(url.path().starts_with("/base"), "{url}");
        assert!(!url.path().split('/').any(|segment| segment == ".."), "{url}");
    }
});
