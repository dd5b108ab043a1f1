//! The request that carries a message (AS-39).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use prost::Message as _;
use ttn_core::{id::ApplicationId, time::Timestamp};
use ttn_proto::{json, mask, v3};

use super::{
    failure::{Failure, FailureKind},
    outbox::Tries,
    record::{Format, MessageKind, Webhook},
    signature::{SECRET_HEADER, SIGNATURE_HEADER, sign},
    transport::Request,
    url,
};
use crate::{config::WebhookConfig, log::Delivery};

/// Headers that belong to the connection; whoever sets them for a webhook sets them for nothing.
const NOT_SENT: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a request is made of besides the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) webhook: &'a Webhook,
    pub(super) application_id: &'a ApplicationId,
    pub(super) webhook_id: &'a str,
    pub(super) config: &'a WebhookConfig,
    pub(super) now: Timestamp,
}

/// Whether a webhook wants a message, and what it is.
pub(super) fn wants(webhook: &Webhook, message: &Delivery) -> Option<MessageKind> {
    let kind = MessageKind::of(&message.record().up.up)?;
    webhook.paths.contains_key(&kind).then_some(kind)
}

/// Makes the request of a message that the webhook wants.
pub(super) fn build(
    context: Context<'_>,
    message: &Delivery,
    tries: &Tries,
) -> Result<Request, Failure> {
    let Context { webhook, now, .. } = context;
    let failure = |detail: String| {
        let url = webhook.base_url.split('?').next().unwrap_or_default().to_owned();
        Failure { kind: FailureKind::Request, status: 0, detail, url }
    };
    let record = message.record();
    let kind = wants(webhook, message);
    let path = kind.and_then(|kind| webhook.paths.get(&kind)).map_or("", String::as_str);
    let target = url::target(&webhook.base_url, path, &record.up.ids);
    let url = target.map_err(|error| failure(error.to_string()))?;
    let body = body(webhook, message).map_err(failure)?;
    let mut headers = configured(webhook);
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("content-type", webhook.format.content_type());
    set("x-tts-delivery", &format!("{}/{}", record.up.ids.key, record.number));
    set("x-tts-attempt", &tries.attempts.saturating_add(1).to_string());
    if tries.may_have_arrived {
        set("x-tts-repeated", "true");
    }
    let domain = context.config.public_url.parse::<http::Uri>().ok();
    if let Some(domain) = domain.as_ref().and_then(http::Uri::host) {
        set("x-tts-domain", domain);
    }
    if !webhook.downlink_api_key.is_empty() && !context.config.public_url.is_empty() {
        let base = context.config.public_url.trim_end_matches('/');
        let (application, hook) = (context.application_id, context.webhook_id);
        let device = &record.up.ids.key.device_id;
        let down = format!(
            "{base}/api/v3/as/applications/{application}/webhooks/{hook}/devices/{device}/down"
        );
        set("x-downlink-apikey", &webhook.downlink_api_key);
        set("x-downlink-push", &format!("{down}/push"));
        set("x-downlink-replace", &format!("{down}/replace"));
    }
    if let Some(secret) = signing_secret(webhook) {
        let name = HeaderName::try_from(SIGNATURE_HEADER);
        let value = HeaderValue::try_from(sign(secret.as_bytes(), now, &body));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    if !headers.contains_key(header::USER_AGENT) {
        let agent = HeaderValue::try_from(user_agent());
        agent.map(|agent| headers.insert(header::USER_AGENT, agent)).ok();
    }
    Ok(Request { url, headers, body })
}

/// The secret that requests are signed with, if the webhook has one.
fn signing_secret(webhook: &Webhook) -> Option<&str> {
    let found = webhook.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(SECRET_HEADER));
    found.map(|(_, secret)| secret.as_str()).filter(|secret| !secret.is_empty())
}

fn configured(webhook: &Webhook) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &webhook.headers {
        let parsed = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()));
        // They were checked when the webhook was set.
        let (Ok(name), Ok(mut value)) = parsed else { continue };
        if name.as_str().eq_ignore_ascii_case(SECRET_HEADER) || NOT_SENT.contains(&name) {
            continue;
        }
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers
}

/// The message in the webhook's format, with the fields that it wants.
fn body(webhook: &Webhook, message: &Delivery) -> Result<Bytes, String> {
    let whole = message.json();
    if webhook.format == Format::Json && webhook.field_mask.is_empty() {
        return Ok(whole);
    }
    let up: v3::ApplicationUp = json::from_slice(&whole).map_err(|error| error.to_string())?;
    let up = match webhook.field_mask.as_slice() {
        [] => up,
        paths => mask::filter(&up, paths).map_err(|error| error.to_string())?,
    };
    Ok(match webhook.format {
        Format::Json => Bytes::from(json::to_string(&up)),
        Format::Protobuf => Bytes::from(up.encode_to_vec()),
    })
}

fn user_agent() -> String {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("TheThingsStack/{} ({os}/{architecture})", env!("CARGO_PKG_VERSION"))
}
