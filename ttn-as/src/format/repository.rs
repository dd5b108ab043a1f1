//! The codecs of the device repository (AS-12): found by the version of a device, kept for a while, and run by the
//! formatter of their kind.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use ttn_core::{
    error::{ApiError, Attributes, ErrorKind},
    peer::DeviceVersionIds,
    time::Monotonic,
};

use super::FormatError;
use crate::store::FormatterKind;

/// Where the codecs of devices are found by their versions.
#[async_trait]
pub trait CodecRepository: fmt::Debug + Send + Sync + 'static {
    /// The codec of a version of a device. What it lacks is told when it is needed.
    ///
    /// # Errors
    ///
    /// There is none, or nobody answers. Both are remembered for five minutes.
    async fn codec(&self, version: &DeviceVersionIds) -> Result<Codec, CodecError>;
}

/// A codec of the device repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Codec {
    /// Its name among those of its brand.
    pub id: String,
    /// Decodes uplinks.
    pub uplink_decoder: Option<CodecScript>,
    /// Decodes downlinks.
    pub downlink_decoder: Option<CodecScript>,
    /// Encodes downlinks.
    pub downlink_encoder: Option<CodecScript>,
}

/// A part of a codec.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct CodecScript {
    /// What runs it.
    pub formatter: FormatterKind,
    /// The script.
    pub parameter: Arc<str>,
}

impl CodecScript {
    pub(super) fn of(&self) -> (FormatterKind, &str) {
        (self.formatter, &self.parameter)
    }
}

/// Why there is no codec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The repository has no such brand.
    #[error("the device repository has no brand `{brand_id}`; correct `version_ids` of the device")]
    BrandNotFound {
        /// The brand.
        brand_id: String,
    },
    /// The model has no such firmware version.
    #[error("`{brand_id}` `{model_id}` has no firmware version `{firmware_version}`")]
    FirmwareVersionNotFound {
        /// The version.
        firmware_version: String,
        /// The brand.
        brand_id: String,
        /// The model.
        model_id: String,
    },
    /// The brand has no such model.
    #[error("`{brand_id}` has no model `{model_id}` in the device repository")]
    ModelNotFound {
        /// The brand.
        brand_id: String,
        /// The model.
        model_id: String,
    },
    /// The firmware has no codec in this band.
    #[error(
        "firmware `{firmware_version}` has no codec in band `{band_id}`; choose another formatter"
    )]
    NoCodec {
        /// The firmware version.
        firmware_version: String,
        /// The band.
        band_id: String,
    },
    /// The codec does not decode in this direction.
    #[error("the codec `{codec_id}` has no such decoder")]
    NoDecoder {
        /// The codec.
        codec_id: String,
    },
    /// The codec does not encode.
    #[error("the codec `{codec_id}` has no encoder")]
    NoEncoder {
        /// The codec.
        codec_id: String,
    },
    /// The firmware has no profile for the band.
    #[error("the firmware has no profile for band `{band_id}` in the device repository")]
    NoProfileForBand {
        /// The band.
        band_id: String,
    },
    /// The repository cannot be read now.
    #[error("the device repository cannot be read: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
}

impl ApiError for CodecError {
    fn namespace(&self) -> &'static str {
        "pkg/devicerepository/store/remote"
    }

    fn name(&self) -> &'static str {
        match self {
            Self::BrandNotFound { .. } => "brand_not_found",
            Self::FirmwareVersionNotFound { .. } => "firmware_version_not_found",
            Self::ModelNotFound { .. } => "model_not_found",
            Self::NoCodec { .. } => "no_codec",
            Self::NoDecoder { .. } => "no_decoder",
            Self::NoEncoder { .. } => "no_encoder",
            Self::NoProfileForBand { .. } => "no_profile_for_band",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            _ => ErrorKind::NotFound,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::BrandNotFound { brand_id } => {
                Attributes::from([("brand_id", brand_id.as_str().into())])
            }
            Self::FirmwareVersionNotFound { firmware_version, brand_id, model_id } => {
                Attributes::from([
                    ("firmware_version", firmware_version.as_str().into()),
                    ("brand_id", brand_id.as_str().into()),
                    ("model_id", model_id.as_str().into()),
                ])
            }
            Self::ModelNotFound { brand_id, model_id } => Attributes::from([
                ("brand_id", brand_id.as_str().into()),
                ("model_id", model_id.as_str().into()),
            ]),
            Self::NoCodec { firmware_version, band_id } => Attributes::from([
                ("firmware_version", firmware_version.as_str().into()),
                ("band_id", band_id.as_str().into()),
            ]),
            Self::NoDecoder { codec_id } | Self::NoEncoder { codec_id } => {
                Attributes::from([("codec_id", codec_id.as_str().into())])
            }
            Self::NoProfileForBand { band_id } => {
                Attributes::from([("band_id", band_id.as_str().into())])
            }
            Self::Unavailable { .. } => Attributes::new(),
        }
    }
}

/// What a codec is needed for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    DownlinkDecoder,
    DownlinkEncoder,
    UplinkDecoder,
}

/// A repository, and what was found in it.
#[derive(Debug)]
pub(super) struct Codecs {
    source: Arc<dyn CodecRepository>,
    found: Mutex<BTreeMap<DeviceVersionIds, Found>>,
}

#[derive(Debug)]
struct Found {
    codec: Result<Arc<Codec>, CodecError>,
    expires_at: Monotonic,
}

/// How long a codec is used before it is looked up again.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// The same if there is none.
const LIFETIME_FAILED: Duration = Duration::from_secs(5 * 60);
/// How many are kept; the one that is to be looked up next makes room.
const CODECS_MAX: usize = 1024;

impl Codecs {
    pub(super) fn new(source: Arc<dyn CodecRepository>) -> Self {
        Self { source, found: Mutex::default() }
    }

    /// The part of a device's codec. A lookup that is dropped leaves nothing behind.
    pub(super) async fn script(
        &self,
        version: Option<&DeviceVersionIds>,
        part: Part,
        now: Monotonic,
    ) -> Result<CodecScript, FormatError> {
        let version = version.ok_or(FormatError::NoVersionIds)?;
        let codec = match self.known(version, now) {
            Some(known) => known?,
            None => {
                let codec = self.source.codec(version).await.map(Arc::new);
                self.keep(version.clone(), codec.clone(), now);
                codec?
            }
        };
        let (script, missing) = match part {
            Part::DownlinkDecoder => {
                (&codec.downlink_decoder, CodecError::NoDecoder { codec_id: codec.id.clone() })
            }
            Part::DownlinkEncoder => {
                (&codec.downlink_encoder, CodecError::NoEncoder { codec_id: codec.id.clone() })
            }
            Part::UplinkDecoder => {
                (&codec.uplink_decoder, CodecError::NoDecoder { codec_id: codec.id.clone() })
            }
        };
        Ok(script.clone().ok_or(missing)?)
    }

    fn known(
        &self,
        version: &DeviceVersionIds,
        now: Monotonic,
    ) -> Option<Result<Arc<Codec>, CodecError>> {
        let found = self.found.lock();
        found.get(version).filter(|found| found.expires_at > now).map(|found| found.codec.clone())
    }

    fn keep(
        &self,
        version: DeviceVersionIds,
        codec: Result<Arc<Codec>, CodecError>,
        now: Monotonic,
    ) {
        let lifetime = if codec.is_ok() { LIFETIME } else { LIFETIME_FAILED };
        let mut found = self.found.lock();
        if found.len() >= CODECS_MAX && !found.contains_key(&version) {
            let first = found.iter().min_by_key(|(_, found)| found.expires_at);
            if let Some(first) = first.map(|(version, _)| version.clone()) {
                found.remove(&first);
            }
        }
        found.insert(version, Found { codec, expires_at: now.plus(lifetime) });
    }
}
