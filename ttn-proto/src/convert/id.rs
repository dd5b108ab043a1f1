//! Identifiers, EUIs and addresses.

use ttn_core::addr::{DevAddr, NetId};
use ttn_core::eui::{DevEui, GatewayEui, JoinEui};
use ttn_core::id::{
    ApplicationId, ClientId, DeviceId, DeviceIds, DeviceKey, GatewayId, GatewayIds, OrganizationId,
    UserId,
};

use super::ConvertError;
use crate::v3;

macro_rules! entity {
    ($message:ident, $field:ident, $id:ident, $name:literal) => {
        impl From<&$id> for v3::$message {
            #[allow(clippy::needless_update, reason = "some have more fields")]
            fn from(id: &$id) -> Self {
                Self { $field: id.as_str().to_owned(), ..Self::default() }
            }
        }

        impl TryFrom<&v3::$message> for $id {
            type Error = ConvertError;

            fn try_from(ids: &v3::$message) -> Result<Self, ConvertError> {
                Self::new(&ids.$field).map_err(|error| ConvertError::malformed($name, error))
            }
        }
    };
}

entity!(ApplicationIdentifiers, application_id, ApplicationId, "application_id");
entity!(ClientIdentifiers, client_id, ClientId, "client_id");
entity!(GatewayIdentifiers, gateway_id, GatewayId, "gateway_id");
entity!(OrganizationIdentifiers, organization_id, OrganizationId, "organization_id");
entity!(UserIdentifiers, user_id, UserId, "user_id");

/// Octets of a fixed length; none if the field is not set.
pub(super) fn octets<const N: usize>(
    bytes: &[u8],
    field: &'static str,
) -> Result<Option<[u8; N]>, ConvertError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let octets = <[u8; N]>::try_from(bytes);
    octets.map(Some).map_err(|_| {
        ConvertError::malformed(field, format!("{} bytes where {N} are needed", bytes.len()))
    })
}

impl From<&DeviceKey> for v3::EndDeviceIdentifiers {
    fn from(key: &DeviceKey) -> Self {
        Self {
            device_id: key.device_id.as_str().to_owned(),
            application_ids: Some((&key.application_id).into()),
            ..Self::default()
        }
    }
}

impl TryFrom<&v3::EndDeviceIdentifiers> for DeviceKey {
    type Error = ConvertError;

    fn try_from(ids: &v3::EndDeviceIdentifiers) -> Result<Self, ConvertError> {
        let application = ids.application_ids.as_ref();
        let application = application.ok_or(ConvertError::missing("application_ids"))?;
        let device = DeviceId::new(&ids.device_id);
        let device = device.map_err(|error| ConvertError::malformed("device_id", error))?;
        Ok(Self::new(application.try_into()?, device))
    }
}

impl From<&DeviceIds> for v3::EndDeviceIdentifiers {
    fn from(ids: &DeviceIds) -> Self {
        let octets = |eui: [u8; 8]| eui.to_vec();
        Self {
            dev_eui: ids.dev_eui.map(|eui| octets(eui.to_be_bytes())).unwrap_or_default(),
            join_eui: ids.join_eui.map(|eui| octets(eui.to_be_bytes())).unwrap_or_default(),
            dev_addr: ids.dev_addr.map(|addr| addr.to_be_bytes().to_vec()).unwrap_or_default(),
            ..Self::from(&ids.key)
        }
    }
}

impl TryFrom<&v3::EndDeviceIdentifiers> for DeviceIds {
    type Error = ConvertError;

    fn try_from(ids: &v3::EndDeviceIdentifiers) -> Result<Self, ConvertError> {
        Ok(Self {
            key: ids.try_into()?,
            dev_eui: octets(&ids.dev_eui, "dev_eui")?.map(DevEui::from_be_bytes),
            join_eui: octets(&ids.join_eui, "join_eui")?.map(JoinEui::from_be_bytes),
            dev_addr: octets(&ids.dev_addr, "dev_addr")?.map(DevAddr::from_be_bytes),
        })
    }
}

impl From<&GatewayIds> for v3::GatewayIdentifiers {
    fn from(ids: &GatewayIds) -> Self {
        let eui = ids.eui.map(|eui| eui.to_be_bytes().to_vec()).unwrap_or_default();
        Self { gateway_id: ids.gateway_id.as_str().to_owned(), eui }
    }
}

impl TryFrom<&v3::GatewayIdentifiers> for GatewayIds {
    type Error = ConvertError;

    fn try_from(ids: &v3::GatewayIdentifiers) -> Result<Self, ConvertError> {
        let eui = octets(&ids.eui, "eui")?.map(GatewayEui::from_be_bytes);
        Ok(Self { gateway_id: ids.try_into()?, eui })
    }
}

impl From<NetId> for v3::NetworkIdentifiers {
    fn from(id: NetId) -> Self {
        Self { net_id: id.to_be_bytes().to_vec(), ..Self::default() }
    }
}
