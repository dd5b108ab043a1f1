//! `Ns` and `Configuration`: what the network is and knows (NS-103, NS-107).

use tonic::{Request, Response, Status};
use ttn_core::addr::DevAddr;
use ttn_mac::plan;
use ttn_proto::{
    service::{Configuration, Ns},
    v3,
};

use super::Api;

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
        let frequency_plans = plan::ALL
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
}
