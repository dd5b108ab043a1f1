//! `Ns` and `Configuration`: what the network is and knows (NS-103, NS-107).

use std::collections::BTreeMap;

use tonic::{Request, Response, Status};
use ttn_core::addr::DevAddr;
use ttn_mac::band::{self, Band};
use ttn_proto::{
    convert::{phy_version, to_phy_version},
    service::{Configuration, Ns},
    v3::{self, get_phy_versions_response::VersionInfo},
};

use super::{
    Api,
    band::{band_to_api, default_settings},
    component, malformed,
};
use crate::{convert::settings_to_api, error::Error};

#[tonic::async_trait]
impl Ns for Api {
    async fn generate_dev_addr(
        &self,
        _: Request<()>,
    ) -> Result<Response<v3::GenerateDevAddrResponse>, Status> {
        let prefixes = self.0.config.prefixes();
        let total = prefixes.iter().map(|prefix| prefix.size()).sum();
        let mut at = self.0.entropy.below(total);
        let mut drawn = DevAddr::default();
        for prefix in prefixes {
            if at < prefix.size() {
                let host = u32::try_from(at).unwrap_or(u32::MAX);
                drawn = DevAddr::from_u32(prefix.addr().to_u32() | host);
                break;
            }
            at -= prefix.size();
        }
        let dev_addr = drawn.to_be_bytes().to_vec();
        Ok(Response::new(v3::GenerateDevAddrResponse { dev_addr }))
    }

    async fn get_default_mac_settings(
        &self,
        request: Request<v3::GetDefaultMacSettingsRequest>,
    ) -> Result<Response<v3::MacSettings>, Status> {
        let request = request.into_inner();
        let plan = self.0.defaults.plans.get(&request.frequency_plan_id).map_err(|error| {
            let reason = error.to_string();
            component(Error::FieldValue { field: "frequency_plan_id", reason })
        })?;
        let phy_version = to_phy_version(request.lorawan_phy_version).map_err(malformed)?;
        let band = band::get(plan.band_id, phy_version).map_err(|error| {
            let reason = error.to_string();
            component(Error::FieldValue { field: "lorawan_phy_version", reason })
        })?;
        let settings = default_settings(band, plan, &self.0.defaults);
        Ok(Response::new(settings_to_api(&settings)))
    }

    async fn get_net_id(&self, _: Request<()>) -> Result<Response<v3::GetNetIdResponse>, Status> {
        let net_id = self.0.config.net_id.to_be_bytes().to_vec();
        Ok(Response::new(v3::GetNetIdResponse { net_id }))
    }

    async fn get_device_address_prefixes(
        &self,
        _: Request<()>,
    ) -> Result<Response<v3::GetDeviceAdressPrefixesResponse>, Status> {
        let octets = |prefix: ttn_core::addr::DevAddrPrefix| {
            let mut octets = prefix.addr().to_be_bytes().to_vec();
            octets.push(prefix.length());
            octets
        };
        let dev_addr_prefixes = self.0.config.prefixes().into_iter().map(octets).collect();
        Ok(Response::new(v3::GetDeviceAdressPrefixesResponse { dev_addr_prefixes }))
    }
}

#[tonic::async_trait]
impl Configuration for Api {
    async fn list_frequency_plans(
        &self,
        request: Request<v3::ListFrequencyPlansRequest>,
    ) -> Result<Response<v3::ListFrequencyPlansResponse>, Status> {
        let filter = request.into_inner();
        let frequency_plans = self
            .0
            .defaults
            .plans
            .iter()
            .filter(|plan| {
                filter.base_frequency == 0
                    || filter.base_frequency == u32::from(plan.base_frequency)
            })
            .filter(|plan| filter.band_id.is_empty() || filter.band_id == plan.band_id.as_str())
            .filter(|plan| plan.gateways || !filter.gateways_only)
            .map(|plan| v3::FrequencyPlanDescription {
                id: plan.id.to_string(),
                base_id: plan.base_id.as_deref().unwrap_or_default().to_owned(),
                name: plan.name.to_string(),
                base_frequency: plan.base_frequency.into(),
                band_id: plan.band_id.as_str().to_owned(),
            })
            .collect();
        Ok(Response::new(v3::ListFrequencyPlansResponse { frequency_plans }))
    }

    async fn get_phy_versions(
        &self,
        request: Request<v3::GetPhyVersionsRequest>,
    ) -> Result<Response<v3::GetPhyVersionsResponse>, Status> {
        let wanted = request.into_inner().band_id;
        let mut bands: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for band in band::all().filter(|band| wanted.is_empty() || wanted == band.id.as_str()) {
            bands.entry(band.id.as_str()).or_default().push(phy_version(band.phy_version).into());
        }
        let info =
            |(id, phy_versions): (&str, _)| VersionInfo { band_id: id.to_owned(), phy_versions };
        let version_info = bands.into_iter().map(info).collect();
        Ok(Response::new(v3::GetPhyVersionsResponse { version_info }))
    }

    async fn list_bands(
        &self,
        request: Request<v3::ListBandsRequest>,
    ) -> Result<Response<v3::ListBandsResponse>, Status> {
        let request = request.into_inner();
        let version = match request.phy_version {
            0 => None,
            version => Some(to_phy_version(version).map_err(malformed)?),
        };
        let wanted = |band: &&Band| {
            (request.band_id.is_empty() || request.band_id == band.id.as_str())
                && version.is_none_or(|version| version == band.phy_version)
        };
        let mut answer = v3::ListBandsResponse::default();
        for band in band::all().filter(wanted) {
            let versions = answer.descriptions.entry(band.id.as_str().to_owned()).or_default();
            versions.band.insert(band.phy_version.name().to_owned(), band_to_api(band));
        }
        Ok(Response::new(answer))
    }
}
