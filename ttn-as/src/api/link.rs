//! `As`: the links of applications (AS-01).

use async_trait::async_trait;
use tonic::{Request, Response, Status};
use ttn_core::{auth::Right, store::Replaces};
use ttn_proto::{convert, mask, service, v3};

use super::{Api, answer, application, invalid, status};
use crate::{
    LinkStats,
    config::ProviderStatus,
    convert::{formatters_from_api, formatters_to_api},
    store::Link,
};

#[async_trait]
impl service::As for Api {
    async fn get_link(
        &self,
        request: Request<v3::GetApplicationLinkRequest>,
    ) -> Result<Response<v3::ApplicationLink>, Status> {
        let id = application(request.get_ref().application_ids.as_ref())?;
        self.authorize(&request, &id, &[Right::ApplicationSettingsBasic]).await?;
        let link = self.0.link(&id).map_or_else(|| Link::new(id), |stored| stored.value);
        let paths = request.into_inner().field_mask.unwrap_or_default().paths;
        answer(&message(&link), &paths)
    }

    async fn set_link(
        &self,
        request: Request<v3::SetApplicationLinkRequest>,
    ) -> Result<Response<v3::ApplicationLink>, Status> {
        let id = application(request.get_ref().application_ids.as_ref())?;
        self.authorize(&request, &id, &[Right::ApplicationSettingsBasic]).await?;
        let request = request.into_inner();
        let paths = request.field_mask.unwrap_or_default().paths;
        let stored = self.0.link(&id);
        let replaces =
            stored.as_ref().map_or(Replaces::Nothing, |stored| Replaces::Revision(stored.revision));
        let mut link = stored.map_or_else(|| Link::new(id), |stored| stored.value);
        let mut merged = message(&link);
        mask::apply(&mut merged, &request.link.unwrap_or_default(), &paths)
            .map_err(|error| invalid(&error.to_string()))?;
        link.default_formatters =
            merged.default_formatters.as_ref().map(formatters_from_api).transpose()?;
        link.skip_payload_crypto = merged.skip_payload_crypto;
        self.0.set_link(link, replaces).await.map_err(|error| status(&error))?;
        answer(&merged, &paths)
    }

    async fn get_link_stats(
        &self,
        request: Request<v3::ApplicationIdentifiers>,
    ) -> Result<Response<v3::ApplicationLinkStats>, Status> {
        let id = application(Some(request.get_ref()))?;
        self.authorize(&request, &id, &[Right::ApplicationLink]).await?;
        Ok(Response::new(stats_message(&self.0.link_stats(&id))))
    }

    async fn get_configuration(
        &self,
        _: Request<v3::GetAsConfigurationRequest>,
    ) -> Result<Response<v3::GetAsConfigurationResponse>, Status> {
        let pubsub = &self.0.config.pubsub;
        let providers = v3::as_configuration::pub_sub::Providers {
            mqtt: provider_status(pubsub.mqtt).into(),
            nats: provider_status(pubsub.nats).into(),
        };
        let webhook = &self.0.config.webhook;
        let webhooks = v3::as_configuration::Webhooks {
            unhealthy_attempts_threshold: webhook.unhealthy_attempts_threshold.into(),
            unhealthy_retry_interval: Some(convert::duration(webhook.unhealthy_retry_interval)),
        };
        let pubsub = v3::as_configuration::PubSub { providers: Some(providers) };
        let configuration = v3::AsConfiguration { pubsub: Some(pubsub), webhooks: Some(webhooks) };
        let configuration = Some(configuration);
        Ok(Response::new(v3::GetAsConfigurationResponse { configuration }))
    }

    async fn delete_link(
        &self,
        request: Request<v3::ApplicationIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let id = application(Some(request.get_ref()))?;
        self.authorize(&request, &id, &[Right::ApplicationSettingsBasic]).await?;
        self.0.delete_link(&id).await.map_err(|error| status(&error))?;
        Ok(Response::new(()))
    }
}

const fn provider_status(
    status: ProviderStatus,
) -> v3::as_configuration::pub_sub::providers::Status {
    match status {
        ProviderStatus::Enabled => v3::as_configuration::pub_sub::providers::Status::Enabled,
        ProviderStatus::Warning => v3::as_configuration::pub_sub::providers::Status::Warning,
        ProviderStatus::Disabled => v3::as_configuration::pub_sub::providers::Status::Disabled,
    }
}

fn stats_message(stats: &LinkStats) -> v3::ApplicationLinkStats {
    v3::ApplicationLinkStats {
        linked_at: Some(convert::timestamp(stats.linked_at)),
        last_up_received_at: stats.last_up_received_at.map(convert::timestamp),
        up_count: stats.up_count,
        last_downlink_forwarded_at: stats.last_downlink_forwarded_at.map(convert::timestamp),
        downlink_count: stats.downlink_count,
        ..v3::ApplicationLinkStats::default()
    }
}

fn message(link: &Link) -> v3::ApplicationLink {
    v3::ApplicationLink {
        default_formatters: link.default_formatters.as_ref().map(formatters_to_api),
        skip_payload_crypto: link.skip_payload_crypto,
    }
}
