//! Templates of webhooks (AS-43), as the files of the public repository of webhook templates have them.

use std::collections::BTreeMap;

use serde::Deserialize;
use ttn_proto::{v3, validate};

use super::record::{Format, MessageKind};

/// A template as its file has it: keys in kebab-case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct TemplateFile {
    /// Its id.
    pub template_id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where its logo is.
    pub logo_url: String,
    /// Where more is told.
    pub info_url: String,
    /// Where its documentation is.
    pub documentation_url: String,
    /// The template of the URL.
    pub base_url: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The format.
    pub format: String,
    /// What the user fills in.
    pub fields: Vec<TemplateField>,
    /// Whether an API key for downlinks is made.
    #[serde(alias = "create-downlink-api-key")]
    pub create_downlink_key: bool,
    /// The paths by kind of message.
    pub paths: BTreeMap<String, String>,
    /// The fields that are wanted.
    pub field_mask: Vec<String>,
}

/// What the user fills in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct TemplateField {
    /// Its id, as `{id}` in URLs and headers.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Whether it is hidden.
    pub secret: bool,
    /// What it is unless filled in.
    pub default_value: String,
    /// Whether it may be left out.
    pub optional: bool,
}

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTemplateError {
    /// The format is unknown.
    #[error("`format: {0}` is not `json` or `protobuf`")]
    Format(String),
    /// The kind of message is unknown.
    #[error("`paths` has `{0}`, which is no kind of message")]
    Kind(String),
    /// A value breaks a rule.
    #[error("`{field}` {reason}")]
    Rule {
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
    },
}

impl TryFrom<TemplateFile> for v3::ApplicationWebhookTemplate {
    type Error = ParseTemplateError;

    fn try_from(file: TemplateFile) -> Result<Self, ParseTemplateError> {
        if Format::from_name(&file.format).is_none() {
            return Err(ParseTemplateError::Format(file.format));
        }
        let fields = file.fields.into_iter().map(|field| v3::ApplicationWebhookTemplateField {
            id: field.id,
            name: field.name,
            description: field.description,
            secret: field.secret,
            default_value: field.default_value,
            optional: field.optional,
        });
        let mut template = Self {
            ids: Some(v3::ApplicationWebhookTemplateIdentifiers { template_id: file.template_id }),
            name: file.name,
            description: file.description,
            logo_url: file.logo_url,
            info_url: file.info_url,
            documentation_url: file.documentation_url,
            base_url: file.base_url,
            headers: file.headers,
            format: file.format,
            fields: fields.collect(),
            create_downlink_api_key: file.create_downlink_key,
            field_mask: (!file.field_mask.is_empty())
                .then_some(prost_types::FieldMask { paths: file.field_mask }),
            ..Self::default()
        };
        for (name, path) in file.paths {
            let kind = MessageKind::from_name(&name.replace('-', "_"));
            let kind = kind.ok_or(ParseTemplateError::Kind(name))?;
            *path_of(&mut template, kind) =
                Some(v3::application_webhook_template::Message { path });
        }
        check(&template).map_err(|violation| ParseTemplateError::Rule {
            field: violation.field,
            reason: violation.reason,
        })?;
        Ok(template)
    }
}

/// Checks what is there; URLs may be left out.
fn check(template: &v3::ApplicationWebhookTemplate) -> Result<(), validate::Violation> {
    let always = ["ids", "name", "description", "base_url", "headers", "format", "fields"];
    let urls = [
        ("logo_url", &template.logo_url),
        ("info_url", &template.info_url),
        ("documentation_url", &template.documentation_url),
    ];
    let urls = urls.into_iter().filter(|(_, url)| !url.is_empty()).map(|(name, _)| name);
    let kinds = MessageKind::ALL.map(MessageKind::name);
    let paths: Vec<_> = always.into_iter().chain(urls).chain(kinds).map(str::to_owned).collect();
    validate::validate_paths(template, prost_types::Timestamp::default(), &paths)
}

fn path_of(
    template: &mut v3::ApplicationWebhookTemplate,
    kind: MessageKind,
) -> &mut Option<v3::application_webhook_template::Message> {
    match kind {
        MessageKind::UplinkMessage => &mut template.uplink_message,
        MessageKind::UplinkNormalized => &mut template.uplink_normalized,
        MessageKind::JoinAccept => &mut template.join_accept,
        MessageKind::DownlinkAck => &mut template.downlink_ack,
        MessageKind::DownlinkNack => &mut template.downlink_nack,
        MessageKind::DownlinkSent => &mut template.downlink_sent,
        MessageKind::DownlinkFailed => &mut template.downlink_failed,
        MessageKind::DownlinkQueued => &mut template.downlink_queued,
        MessageKind::DownlinkQueueInvalidated => &mut template.downlink_queue_invalidated,
        MessageKind::LocationSolved => &mut template.location_solved,
        MessageKind::ServiceData => &mut template.service_data,
    }
}
