//! Codecs in a directory that is laid out as the public `lorawan-devices` repository (AS-12, DR-01):
//! `vendor/BRAND/MODEL.yaml` names a codec for each firmware version and region, `vendor/BRAND/CODEC.yaml` its scripts.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use serde::{Deserialize, de::DeserializeOwned};
use ttn_as::{
    format::{Codec, CodecError, CodecRepository, CodecScript},
    store::FormatterKind,
};
use ttn_core::peer::DeviceVersionIds;

/// A directory of brands, models and codecs.
#[derive(Clone, Debug)]
pub struct CodecDirectory {
    root: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    #[serde(default)]
    firmware_versions: Vec<Firmware>,
}

#[derive(Debug, Deserialize)]
struct Firmware {
    version: String,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

#[derive(Debug, Deserialize)]
struct Profile {
    codec: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CodecFile {
    uplink_decoder: Option<Part>,
    downlink_decoder: Option<Part>,
    downlink_encoder: Option<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    file_name: String,
}

impl CodecDirectory {
    /// Reads `root/vendor`, anew for each question.
    #[must_use]
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The name of the codec of a version.
    async fn named(&self, brand: &Path, version: &DeviceVersionIds) -> Result<String, CodecError> {
        let DeviceVersionIds { brand_id, model_id, firmware_version, band_id, .. } =
            version.clone();
        let no_model =
            || CodecError::ModelNotFound { brand_id: brand_id.clone(), model_id: model_id.clone() };
        let file = in_directory(brand, &format!("{model_id}.yaml")).ok_or_else(no_model)?;
        let model: Model = yaml(&file).await?.ok_or_else(no_model)?;
        let mut firmware = model.firmware_versions.into_iter();
        let firmware = firmware.find(|firmware| firmware.version == firmware_version);
        let Some(firmware) = firmware else {
            let (brand_id, model_id) = (brand_id.clone(), model_id.clone());
            return Err(CodecError::FirmwareVersionNotFound {
                firmware_version,
                brand_id,
                model_id,
            });
        };
        let mut profiles = firmware.profiles.into_iter();
        match profiles.find(|(region, _)| is_region_of(region, &band_id)) {
            None => Err(CodecError::NoProfileForBand { band_id }),
            Some((_, Profile { codec: None })) => {
                Err(CodecError::NoCodec { firmware_version, band_id })
            }
            Some((_, Profile { codec: Some(codec) })) => Ok(codec),
        }
    }
}

#[async_trait]
impl CodecRepository for CodecDirectory {
    async fn codec(&self, version: &DeviceVersionIds) -> Result<Codec, CodecError> {
        let no_brand = || CodecError::BrandNotFound { brand_id: version.brand_id.clone() };
        let brand = in_directory(&self.root.join("vendor"), &version.brand_id);
        let brand = brand.ok_or_else(no_brand)?;
        if !tokio::fs::try_exists(&brand).await.map_err(|error| unavailable(&brand, &error))? {
            return Err(no_brand());
        }
        let id = self.named(&brand, version).await?;
        let no_codec = || CodecError::NoCodec {
            firmware_version: version.firmware_version.clone(),
            band_id: version.band_id.clone(),
        };
        let file = in_directory(&brand, &format!("{id}.yaml")).ok_or_else(no_codec)?;
        let codec: CodecFile = yaml(&file).await?.ok_or_else(no_codec)?;
        Ok(Codec {
            uplink_decoder: script(&brand, codec.uplink_decoder).await?,
            downlink_decoder: script(&brand, codec.downlink_decoder).await?,
            downlink_encoder: script(&brand, codec.downlink_encoder).await?,
            id,
        })
    }
}

async fn script(brand: &Path, part: Option<Part>) -> Result<Option<CodecScript>, CodecError> {
    let Some(part) = part else { return Ok(None) };
    let missing = || CodecError::Unavailable { reason: format!("no file `{}`", part.file_name) };
    let path = in_directory(brand, &part.file_name).ok_or_else(missing)?;
    let parameter = text(&path).await?.ok_or_else(missing)?;
    Ok(Some(CodecScript { formatter: FormatterKind::Javascript, parameter: Arc::from(parameter) }))
}

/// The path of a file, if its name does not lead out of the directory: callers choose names.
fn in_directory(directory: &Path, name: &str) -> Option<PathBuf> {
    let mut components = Path::new(name).components();
    let only = (components.next(), components.next());
    matches!(only, (Some(Component::Normal(_)), None)).then(|| directory.join(name))
}

/// Whether a region of the repository (`EU863-870`) is a band (`EU_863_870`).
fn is_region_of(region: &str, band_id: &str) -> bool {
    let letters =
        |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).collect() };
    !region.is_empty() && letters(region).eq_ignore_ascii_case(&letters(band_id))
}

async fn yaml<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CodecError> {
    let Some(text) = text(path).await? else { return Ok(None) };
    serde_saphyr::from_str(&text).map(Some).map_err(|error| unavailable(path, &error))
}

async fn text(path: &Path) -> Result<Option<String>, CodecError> {
    match tokio::fs::read_to_string(path).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unavailable(path, &error)),
    }
}

fn unavailable(path: &Path, error: &dyn std::fmt::Display) -> CodecError {
    CodecError::Unavailable { reason: format!("{}: {error}", path.display()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MODEL: &str = "
name: Sensor
firmwareVersions:
- version: '1.0'
  numeric: 1
  hardwareVersions: ['1']
  profiles:
    EU863-870: { id: profile, lorawanCertified: false, codec: sensor-codec }
    AS923-2: { id: profile, codec: outside }
    US902-928: { id: profile }
";

    fn repository() -> (tempfile::TempDir, CodecDirectory) {
        let directory = tempfile::tempdir().unwrap();
        let brand = directory.path().join("vendor/my-brand");
        fs::create_dir_all(&brand).unwrap();
        fs::write(brand.join("sensor.yaml"), MODEL).unwrap();
        let codec = "uplinkDecoder: { fileName: sensor.js, examples: [] }\n";
        fs::write(brand.join("sensor-codec.yaml"), codec).unwrap();
        let outside = "uplinkDecoder: { fileName: ../../secret }\n";
        fs::write(brand.join("outside.yaml"), outside).unwrap();
        fs::write(directory.path().join("secret"), "secret").unwrap();
        fs::write(brand.join("sensor.js"), "function decodeUplink() {}").unwrap();
        let codecs = CodecDirectory::new(directory.path().to_owned());
        (directory, codecs)
    }

    fn version() -> DeviceVersionIds {
        DeviceVersionIds {
            brand_id: "my-brand".to_owned(),
            model_id: "sensor".to_owned(),
            hardware_version: "1".to_owned(),
            firmware_version: "1.0".to_owned(),
            band_id: "EU_863_870".to_owned(),
        }
    }

    // AS-12, DR-01
    #[tokio::test]
    async fn a_codec_is_found_by_brand_model_firmware_and_band() {
        let (_directory, codecs) = repository();
        let codec = codecs.codec(&version()).await.unwrap();
        assert_eq!(codec.id, "sensor-codec");
        let decoder = codec.uplink_decoder.unwrap();
        assert_eq!(&*decoder.parameter, "function decodeUplink() {}");
        assert_eq!((codec.downlink_decoder, codec.downlink_encoder), (None, None));
    }

    // AS-12
    #[tokio::test]
    async fn what_is_missing_is_named_and_nothing_outside_is_read() {
        use ttn_core::error::ApiError as _;
        let (_directory, codecs) = repository();
        let with = |change: fn(&mut DeviceVersionIds)| {
            let mut version = version();
            change(&mut version);
            version
        };
        for (version, name) in [
            (with(|it| it.brand_id = "other".to_owned()), "brand_not_found"),
            (with(|it| it.brand_id = "..".to_owned()), "brand_not_found"),
            (with(|it| it.brand_id = String::new()), "brand_not_found"),
            (with(|it| it.model_id = "other".to_owned()), "model_not_found"),
            (with(|it| it.model_id = "../my-brand/sensor".to_owned()), "model_not_found"),
            (with(|it| it.firmware_version = "2.0".to_owned()), "firmware_version_not_found"),
            (with(|it| it.band_id = "IN_865_867".to_owned()), "no_profile_for_band"),
            (with(|it| it.band_id = "US_902_928".to_owned()), "no_codec"),
            (with(|it| it.band_id = "AS_923_2".to_owned()), "unavailable"),
        ] {
            let error = codecs.codec(&version).await.unwrap_err();
            assert_eq!(error.name(), name, "{version:?}: {error}");
        }
    }
}
