//! Devices as messages of the API, and back.

use ttn_core::{addr::NetId, id::DeviceIds, key::KeyEnvelope};
use ttn_proto::{convert, mask, v3};

use crate::{
    device::{ActivationSettings, Device, RootKeys},
    registry::{NoncesImport, NoncesView},
};

/// The message of a device; its root keys are those given.
#[must_use]
pub fn end_device(device: &Device, root_keys: &RootKeys, nonces: &NoncesView) -> v3::EndDevice {
    let ids = DeviceIds {
        dev_eui: Some(device.euis.dev_eui),
        join_eui: Some(device.euis.join_eui),
        ..DeviceIds::new(device.key.clone())
    };
    v3::EndDevice {
        ids: Some((&ids).into()),
        created_at: Some(convert::timestamp(device.created_at)),
        updated_at: Some(convert::timestamp(device.updated_at)),
        net_id: device.net_id.map(|net_id| net_id.to_be_bytes().to_vec()).unwrap_or_default(),
        root_keys: Some(v3::RootKeys {
            root_key_id: root_keys.id.clone(),
            app_key: root_keys.app_key.as_ref().map(Into::into),
            nwk_key: root_keys.nwk_key.as_ref().map(Into::into),
        }),
        network_server_address: device.network_server_address.clone(),
        network_server_kek_label: device.network_server_kek_label.clone(),
        application_server_address: device.application_server_address.clone(),
        application_server_id: device.application_server_id.clone(),
        application_server_kek_label: device.application_server_kek_label.clone(),
        resets_join_nonces: device.resets_join_nonces,
        last_join_nonce: nonces.join_nonce,
        last_dev_nonce: nonces.last_dev_nonce.map_or(0, u32::from),
        used_dev_nonces: nonces.used_dev_nonces.iter().copied().map(u32::from).collect(),
        ..v3::EndDevice::default()
    }
}

/// A field of a message that the Join Server cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field {field} {reason}")]
#[non_exhaustive]
pub struct FieldError {
    /// The field.
    pub field: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl FieldError {
    fn new(field: &'static str, reason: impl ToString) -> Self {
        Self { field, reason: reason.to_string() }
    }
}

/// Writes the selected fields of a message into a device.
///
/// # Errors
///
/// A field has a value that cannot be.
pub fn apply(
    device: &mut Device,
    message: &v3::EndDevice,
    paths: &[String],
) -> Result<(), FieldError> {
    let selects = |path| mask::selects(paths, path);
    if selects("net_id") {
        device.net_id = net_id(&message.net_id)?;
    }
    if selects("resets_join_nonces") {
        device.resets_join_nonces = message.resets_join_nonces;
    }
    let texts = [
        ("network_server_address", &message.network_server_address),
        ("network_server_kek_label", &message.network_server_kek_label),
        ("application_server_address", &message.application_server_address),
        ("application_server_id", &message.application_server_id),
        ("application_server_kek_label", &message.application_server_kek_label),
    ];
    let fields = [
        &mut device.network_server_address,
        &mut device.network_server_kek_label,
        &mut device.application_server_address,
        &mut device.application_server_id,
        &mut device.application_server_kek_label,
    ];
    for ((path, text), field) in texts.into_iter().zip(fields) {
        if selects(path) {
            field.clone_from(text);
        }
    }
    let none = v3::RootKeys::default();
    let keys = message.root_keys.as_ref().unwrap_or(&none);
    if selects("root_keys.root_key_id") {
        device.root_keys.id.clone_from(&keys.root_key_id);
    }
    if selects("root_keys.app_key.key") {
        device.root_keys.app_key = key("root_keys.app_key", keys.app_key.as_ref())?;
    }
    if selects("root_keys.nwk_key.key") {
        device.root_keys.nwk_key = key("root_keys.nwk_key", keys.nwk_key.as_ref())?;
    }
    Ok(())
}

/// The message of activation settings.
#[must_use]
pub fn activation_settings(of: &ActivationSettings) -> v3::ApplicationActivationSettings {
    v3::ApplicationActivationSettings {
        kek_label: of.kek_label.clone(),
        kek: of.kek.as_ref().map(Into::into),
        home_net_id: of.home_net_id.map(|net_id| net_id.to_be_bytes().to_vec()).unwrap_or_default(),
        application_server_id: of.application_server_id.clone(),
    }
}

/// Writes the selected fields of a message into activation settings.
///
/// # Errors
///
/// A field has a value that cannot be.
pub fn apply_settings(
    settings: &mut ActivationSettings,
    message: &v3::ApplicationActivationSettings,
    paths: &[String],
) -> Result<(), FieldError> {
    let selects = |path| mask::selects(paths, path);
    if selects("kek_label") {
        settings.kek_label.clone_from(&message.kek_label);
    }
    if selects("kek.key") || selects("kek.encrypted_key") {
        settings.kek = key("kek", message.kek.as_ref())?;
    }
    if selects("home_net_id") {
        settings.home_net_id = net_id(&message.home_net_id)?;
    }
    if selects("application_server_id") {
        settings.application_server_id.clone_from(&message.application_server_id);
    }
    Ok(())
}

/// The selected nonces of a message; `None` if none is selected.
///
/// # Errors
///
/// A DevNonce has more than 16 bits.
pub fn nonces_import(
    message: &v3::EndDevice,
    paths: &[String],
) -> Result<Option<NoncesImport>, FieldError> {
    let selects = |path| mask::selects(paths, path);
    let fields = ["last_join_nonce", "last_dev_nonce", "used_dev_nonces"];
    if !fields.into_iter().any(selects) {
        return Ok(None);
    }
    let dev_nonce = |field, number: u32| {
        u16::try_from(number).map_err(|_| FieldError::new(field, "has more than 16 bits"))
    };
    let mut import = NoncesImport::default();
    if selects("last_join_nonce") {
        if message.last_join_nonce > crate::join::JOIN_NONCE_MAX {
            return Err(FieldError::new("last_join_nonce", "has more than 24 bits"));
        }
        import.join_nonce = message.last_join_nonce;
    }
    if selects("last_dev_nonce") && message.last_dev_nonce > 0 {
        import.last_dev_nonce = Some(dev_nonce("last_dev_nonce", message.last_dev_nonce)?);
    }
    if selects("used_dev_nonces") {
        let used = message.used_dev_nonces.iter();
        import.used_dev_nonces =
            used.map(|used| dev_nonce("used_dev_nonces", *used)).collect::<Result<_, _>>()?;
    }
    Ok(Some(import))
}

fn net_id(octets: &[u8]) -> Result<Option<NetId>, FieldError> {
    if octets.is_empty() {
        return Ok(None);
    }
    let octets = octets.try_into().map_err(|_| FieldError::new("net_id", "has not 3 octets"))?;
    Ok(Some(NetId::from_be_bytes(octets)))
}

fn key(
    field: &'static str,
    message: Option<&v3::KeyEnvelope>,
) -> Result<Option<KeyEnvelope>, FieldError> {
    match message {
        Some(message) if *message != v3::KeyEnvelope::default() => {
            let envelope = KeyEnvelope::try_from(message);
            // What was wrong with a key is not repeated: it could be the key.
            envelope.map(Some).map_err(|_| FieldError::new(field, "is no key"))
        }
        _ => Ok(None),
    }
}
