//! What is known and told about devices, as stored.

use std::collections::BTreeMap;

use ttn_core::{
    msg::{LocationSolved, ServiceData},
    peer::{DeviceInfo, DeviceVersionIds},
    store::StoreError,
};

use super::radio::{LocationWire, location, location_of};
use crate::store::wire::corrupt;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DeviceWire {
    #[prost(btree_map = "string, message", tag = "1")]
    locations: BTreeMap<String, LocationWire>,
    #[prost(message, optional, tag = "2")]
    version_ids: Option<VersionWire>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct VersionWire {
    #[prost(string, tag = "1")]
    brand_id: String,
    #[prost(string, tag = "2")]
    model_id: String,
    #[prost(string, tag = "3")]
    hardware_version: String,
    #[prost(string, tag = "4")]
    firmware_version: String,
    #[prost(string, tag = "5")]
    band_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LocatedWire {
    #[prost(string, tag = "1")]
    service: String,
    #[prost(message, optional, tag = "2")]
    location: Option<LocationWire>,
    #[prost(btree_map = "string, string", tag = "3")]
    attributes: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServiceDataWire {
    #[prost(string, tag = "1")]
    service: String,
    #[prost(bytes = "vec", tag = "2")]
    data_json: Vec<u8>,
}

pub(super) fn info(of: &DeviceInfo) -> DeviceWire {
    let locations = of.locations.iter();
    DeviceWire {
        locations: locations.map(|(service, at)| (service.clone(), location(at))).collect(),
        version_ids: of.version_ids.as_ref().map(|of| VersionWire {
            brand_id: of.brand_id.clone(),
            model_id: of.model_id.clone(),
            hardware_version: of.hardware_version.clone(),
            firmware_version: of.firmware_version.clone(),
            band_id: of.band_id.clone(),
        }),
    }
}

pub(super) fn info_of(wire: DeviceWire) -> DeviceInfo {
    let locations = wire.locations.into_iter();
    DeviceInfo {
        locations: locations.map(|(service, at)| (service, location_of(at))).collect(),
        version_ids: wire.version_ids.map(|wire| DeviceVersionIds {
            brand_id: wire.brand_id,
            model_id: wire.model_id,
            hardware_version: wire.hardware_version,
            firmware_version: wire.firmware_version,
            band_id: wire.band_id,
        }),
    }
}

pub(super) fn located(of: &LocationSolved) -> LocatedWire {
    LocatedWire {
        service: of.service.clone(),
        location: Some(location(&of.location)),
        attributes: of.attributes.clone(),
    }
}

pub(super) fn located_of(wire: LocatedWire) -> Result<LocationSolved, StoreError> {
    Ok(LocationSolved {
        service: wire.service,
        location: location_of(wire.location.ok_or_else(|| corrupt("a stored place"))?),
        attributes: wire.attributes,
    })
}

pub(super) fn service_data(of: &ServiceData) -> ServiceDataWire {
    let data_json = serde_json::to_vec(&of.data).unwrap_or_default();
    ServiceDataWire { service: of.service.clone(), data_json }
}

pub(super) fn service_data_of(wire: ServiceDataWire) -> Result<ServiceData, StoreError> {
    let data = serde_json::from_slice(&wire.data_json);
    let data = data.map_err(|error| corrupt("stored service data").caused_by(error))?;
    Ok(ServiceData { service: wire.service, data })
}
