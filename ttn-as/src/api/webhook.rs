//! `ApplicationWebhookRegistry`: webhooks and their templates (AS-37, AS-43).

use async_trait::async_trait;
use tonic::{Request, Response, Status};
use ttn_core::{auth::Right, error::ErrorBody, store::Replaces};
use ttn_proto::{convert, mask, service, v3};

use super::{Api, answer, application, invalid};
use crate::{
    integration::webhook::{Format, Health, MessageKind, Webhook, WebhookError, webhook_key},
    store::IntegrationKey,
};

const NEEDS: [Right; 2] = [Right::ApplicationSettingsBasic, Right::ApplicationTrafficRead];

#[async_trait]
impl service::ApplicationWebhookRegistry for Api {
    async fn get_formats(
        &self,
        _request: Request<()>,
    ) -> Result<Response<v3::ApplicationWebhookFormats>, Status> {
        let formats = Format::ALL.map(|format| (format.name().into(), format.title().into()));
        Ok(Response::new(v3::ApplicationWebhookFormats { formats: formats.into() }))
    }

    async fn get_template(
        &self,
        request: Request<v3::GetApplicationWebhookTemplateRequest>,
    ) -> Result<Response<v3::ApplicationWebhookTemplate>, Status> {
        let request = request.into_inner();
        let template_id = request.ids.unwrap_or_default().template_id;
        let is_it = |it: &&v3::ApplicationWebhookTemplate| {
            it.ids.as_ref().is_some_and(|ids| ids.template_id == template_id)
        };
        let found = self.0.webhook_templates().iter().find(is_it);
        let found = found.ok_or_else(|| {
            status(&WebhookError::TemplateNotFound { template_id: template_id.clone() })
        })?;
        answer(found, &with_ids(request.field_mask.unwrap_or_default().paths))
    }

    async fn list_templates(
        &self,
        request: Request<v3::ListApplicationWebhookTemplatesRequest>,
    ) -> Result<Response<v3::ApplicationWebhookTemplates>, Status> {
        let paths = with_ids(request.into_inner().field_mask.unwrap_or_default().paths);
        let templates = self.0.webhook_templates().iter();
        let templates = templates.map(|template| mask::filter(template, &paths));
        let templates = templates.collect::<Result<_, _>>();
        let templates = templates.map_err(|error| invalid(&error.to_string()))?;
        Ok(Response::new(v3::ApplicationWebhookTemplates { templates }))
    }

    async fn get(
        &self,
        request: Request<v3::GetApplicationWebhookRequest>,
    ) -> Result<Response<v3::ApplicationWebhook>, Status> {
        let key = key_of(request.get_ref().ids.as_ref())?;
        self.authorize(&request, &key.application_id, &NEEDS).await?;
        let webhook = self.0.webhook(&key).map_err(|error| status(&error))?.value;
        let paths = request.into_inner().field_mask.unwrap_or_default().paths;
        answer(&self.message(&key, &webhook), &with_times(paths))
    }

    async fn list(
        &self,
        request: Request<v3::ListApplicationWebhooksRequest>,
    ) -> Result<Response<v3::ApplicationWebhooks>, Status> {
        let id = application(request.get_ref().application_ids.as_ref())?;
        self.authorize(&request, &id, &NEEDS).await?;
        let paths = with_times(request.into_inner().field_mask.unwrap_or_default().paths);
        let webhooks = self.0.webhooks(&id).into_iter();
        let webhooks =
            webhooks.map(|(key, webhook)| mask::filter(&self.message(&key, &webhook), &paths));
        let webhooks = webhooks.collect::<Result<_, _>>();
        let webhooks = webhooks.map_err(|error| invalid(&error.to_string()))?;
        Ok(Response::new(v3::ApplicationWebhooks { webhooks }))
    }

    async fn set(
        &self,
        request: Request<v3::SetApplicationWebhookRequest>,
    ) -> Result<Response<v3::ApplicationWebhook>, Status> {
        let given = request.get_ref().webhook.clone().unwrap_or_default();
        let key = key_of(given.ids.as_ref())?;
        self.authorize(&request, &key.application_id, &NEEDS).await?;
        let paths = request.into_inner().field_mask.unwrap_or_default().paths;
        let now = self.0.clock.utc();
        let (stored, replaces) = match self.0.webhook(&key) {
            Ok(stored) => (stored.value, Replaces::Revision(stored.revision)),
            Err(WebhookError::NotFound) => (Webhook::new(now), Replaces::Nothing),
            Err(error) => return Err(status(&error)),
        };
        let mut merged = self.message(&key, &stored);
        mask::apply(&mut merged, &given, &paths).map_err(|error| invalid(&error.to_string()))?;
        let mut webhook = from_message(&merged).map_err(|error| status(&error))?;
        (webhook.created_at, webhook.updated_at) = (stored.created_at, now);
        self.0
            .set_webhook(key.clone(), &webhook, replaces)
            .await
            .map_err(|error| status(&error))?;
        if mask::touches(&paths, "health_status") {
            self.0.reset_webhook_health(&key);
        }
        answer(&self.message(&key, &webhook), &with_times(paths))
    }

    async fn delete(
        &self,
        request: Request<v3::ApplicationWebhookIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let key = key_of(Some(request.get_ref()))?;
        self.authorize(&request, &key.application_id, &NEEDS).await?;
        self.0.delete_webhook(&key).await.map_err(|error| status(&error))?;
        Ok(Response::new(()))
    }
}

impl Api {
    fn message(&self, key: &IntegrationKey, webhook: &Webhook) -> v3::ApplicationWebhook {
        let mut message = v3::ApplicationWebhook {
            ids: Some(v3::ApplicationWebhookIdentifiers {
                application_ids: Some((&key.application_id).into()),
                webhook_id: key.id.clone(),
            }),
            created_at: Some(convert::timestamp(webhook.created_at)),
            updated_at: Some(convert::timestamp(webhook.updated_at)),
            base_url: webhook.base_url.clone(),
            headers: webhook.headers.clone(),
            format: webhook.format.name().to_owned(),
            template_ids: webhook
                .template_id
                .clone()
                .map(|template_id| v3::ApplicationWebhookTemplateIdentifiers { template_id }),
            template_fields: webhook.template_fields.clone(),
            downlink_api_key: webhook.downlink_api_key.clone(),
            health_status: health(&self.0.webhook_health(key), &key.id),
            field_mask: (!webhook.field_mask.is_empty())
                .then(|| prost_types::FieldMask { paths: webhook.field_mask.clone() }),
            paused: webhook.paused,
            ..v3::ApplicationWebhook::default()
        };
        for (kind, path) in &webhook.paths {
            let path = v3::application_webhook::Message { path: path.clone() };
            *path_of(&mut message, *kind) = Some(path);
        }
        message
    }
}

fn from_message(message: &v3::ApplicationWebhook) -> Result<Webhook, WebhookError> {
    let format = Format::from_name(&message.format);
    let format =
        format.ok_or_else(|| WebhookError::FormatNotFound { format: message.format.clone() })?;
    let mut message = message.clone();
    let paths = MessageKind::ALL
        .into_iter()
        .filter_map(|kind| Some((kind, path_of(&mut message, kind).take()?.path)));
    let paths = paths.collect();
    let mut webhook = Webhook::new(ttn_core::time::Timestamp::UNIX_EPOCH);
    webhook.base_url = message.base_url;
    webhook.headers = message.headers;
    webhook.format = format;
    webhook.template_id = message.template_ids.map(|ids| ids.template_id);
    webhook.template_fields = message.template_fields;
    webhook.downlink_api_key = message.downlink_api_key;
    webhook.paths = paths;
    webhook.field_mask = message.field_mask.unwrap_or_default().paths;
    webhook.paused = message.paused;
    Ok(webhook)
}

fn health(of: &Health, webhook_id: &str) -> Option<v3::ApplicationWebhookHealth> {
    use v3::application_webhook_health::{
        Status as Is, WebhookHealthStatusHealthy, WebhookHealthStatusUnhealthy,
    };
    let details = of.last_failure.as_ref();
    let details = details.map(|failure| convert::error_details(&failure.to_body(webhook_id)));
    let status = match of.failed_attempts {
        0 => Is::Healthy(WebhookHealthStatusHealthy {}),
        failed_attempts => Is::Unhealthy(WebhookHealthStatusUnhealthy {
            failed_attempts,
            last_failed_attempt_at: Some(convert::timestamp(of.last_failed_at)),
            last_failed_attempt_details: details,
        }),
    };
    of.is_known.then_some(v3::ApplicationWebhookHealth { status: Some(status) })
}

fn path_of(
    message: &mut v3::ApplicationWebhook,
    kind: MessageKind,
) -> &mut Option<v3::application_webhook::Message> {
    match kind {
        MessageKind::UplinkMessage => &mut message.uplink_message,
        MessageKind::UplinkNormalized => &mut message.uplink_normalized,
        MessageKind::JoinAccept => &mut message.join_accept,
        MessageKind::DownlinkAck => &mut message.downlink_ack,
        MessageKind::DownlinkNack => &mut message.downlink_nack,
        MessageKind::DownlinkSent => &mut message.downlink_sent,
        MessageKind::DownlinkFailed => &mut message.downlink_failed,
        MessageKind::DownlinkQueued => &mut message.downlink_queued,
        MessageKind::DownlinkQueueInvalidated => &mut message.downlink_queue_invalidated,
        MessageKind::LocationSolved => &mut message.location_solved,
        MessageKind::ServiceData => &mut message.service_data,
    }
}

fn key_of(ids: Option<&v3::ApplicationWebhookIdentifiers>) -> Result<IntegrationKey, Status> {
    let id = application(ids.and_then(|ids| ids.application_ids.as_ref()))?;
    Ok(webhook_key(&id, ids.map(|ids| ids.webhook_id.as_str()).unwrap_or_default()))
}

fn status(error: &WebhookError) -> Status {
    ttn_rpc::status::from_body(&ErrorBody::of(error))
}

fn with_ids(mut paths: Vec<String>) -> Vec<String> {
    paths.push("ids".to_owned());
    paths
}

/// What was selected, and always ids and times.
fn with_times(mut paths: Vec<String>) -> Vec<String> {
    paths.extend(["ids", "created_at", "updated_at"].map(str::to_owned));
    paths
}
