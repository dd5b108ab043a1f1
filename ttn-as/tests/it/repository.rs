//! Codecs of the device repository (AS-12).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use ttn_as::{
    format::{Codec, CodecError, CodecRepository, CodecScript, FormatError, Formatters, Payload},
    store::FormatterKind,
    testing,
};
use ttn_core::{clock::SystemClock, error::ApiError as _, id::DeviceIds, peer::DeviceVersionIds};

/// Knows the brand `known`, and counts how often it is asked.
#[derive(Debug, Default)]
struct Repository {
    asked: Mutex<usize>,
}

#[async_trait]
impl CodecRepository for Repository {
    async fn codec(&self, version: &DeviceVersionIds) -> Result<Codec, CodecError> {
        *self.asked.lock() += 1;
        match version.brand_id.as_str() {
            "known" => Ok(Codec {
                id: "codec".to_owned(),
                uplink_decoder: Some(CodecScript {
                    formatter: FormatterKind::CayenneLpp,
                    parameter: "".into(),
                }),
                ..Codec::default()
            }),
            "hangs" => std::future::pending().await,
            brand_id => Err(CodecError::BrandNotFound { brand_id: brand_id.to_owned() }),
        }
    }
}

struct Asks {
    ids: DeviceIds,
    formatters: Formatters,
    repository: Arc<Repository>,
}

impl Asks {
    fn new() -> Self {
        let clock = Arc::new(SystemClock::new());
        let mut formatters = Formatters::new(clock, Duration::from_millis(100));
        let repository = Arc::<Repository>::default();
        formatters.set_repository(repository.clone());
        Self { ids: testing::ids("my-app.my-dev"), formatters, repository }
    }

    async fn decode(&self, brand: Option<&str>, f_port: u8) -> Result<usize, FormatError> {
        let version = brand
            .map(|brand| DeviceVersionIds { brand_id: brand.to_owned(), ..Default::default() });
        let payload = Payload {
            ids: &self.ids,
            version: version.as_ref(),
            f_port,
            octets: &[1, 0x67, 0, 0xDC],
            received_at: None,
            settings: None,
            parameter: "",
        };
        let kind = FormatterKind::Repository;
        let decoded = match f_port {
            0 => self.formatters.decode_downlink(kind, &payload).await,
            _ => self.formatters.decode_uplink(kind, &payload).await,
        };
        decoded.map(|decoded| decoded.payload.len())
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut *self.repository.asked.lock())
    }
}

// AS-12
#[tokio::test(start_paused = true)]
async fn a_codec_is_looked_up_again_after_an_hour_and_a_missing_one_after_five_minutes() {
    let asks = Asks::new();
    for (brand, lifetime) in [("known", 3600), ("other", 300)] {
        let lifetime = Duration::from_secs(lifetime);
        let first = asks.decode(Some(brand), 1).await;
        assert_eq!(first.is_ok(), brand == "known", "{first:?}");
        tokio::time::advance(lifetime - Duration::from_secs(1)).await;
        assert_eq!(asks.decode(Some(brand), 1).await, first);
        assert_eq!(asks.asked(), 1, "{brand}");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(asks.decode(Some(brand), 1).await, first);
        assert_eq!(asks.asked(), 1, "{brand}");
    }
}

// AS-12
#[tokio::test(start_paused = true)]
async fn what_the_repository_does_not_have_is_named() {
    let asks = Asks::new();
    for (brand, f_port, namespace, name) in [
        (None, 1, "pkg/messageprocessors/devicerepository", "no_version_identifiers"),
        (Some("other"), 1, "pkg/devicerepository/store/remote", "brand_not_found"),
        (Some("known"), 0, "pkg/devicerepository/store/remote", "no_decoder"),
        (Some("hangs"), 1, "pkg/scripting/javascript", "script_timeout"),
    ] {
        let error = asks.decode(brand, f_port).await.unwrap_err();
        assert_eq!((error.namespace(), error.name()), (namespace, name), "{error}");
    }
}

// AS-12
#[tokio::test(start_paused = true)]
async fn without_a_repository_and_for_a_service_the_formatter_is_not_configured() {
    let clock = Arc::new(SystemClock::new());
    let formatters = Formatters::new(clock, Duration::from_millis(100));
    let ids = testing::ids("my-app.my-dev");
    let payload = Payload {
        ids: &ids,
        version: None,
        f_port: 1,
        octets: &[],
        received_at: None,
        settings: None,
        parameter: "localhost:1234",
    };
    for kind in [FormatterKind::Repository, FormatterKind::GrpcService] {
        let error = formatters.decode_uplink(kind, &payload).await.unwrap_err();
        assert_eq!(error.name(), "formatter_not_configured");
        assert_eq!(error.attributes()["formatter"], kind.name());
    }
}
