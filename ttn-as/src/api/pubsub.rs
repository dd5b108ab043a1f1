//! `ApplicationPubSubRegistry` (AS-47 to AS-52).

use async_trait::async_trait;
use tonic::{Request, Response, Status, metadata::MetadataValue};
use ttn_core::{auth::Right, id::ApplicationId, store::Replaces, time::Timestamp};
use ttn_proto::{
    convert, mask, service,
    v3::{self, application_pub_sub as message},
};

use super::{Api, answer, application, invalid};
use crate::integration::pubsub::{
    Format, MessageKind, MqttSettings, NatsSettings, Provider, ProviderKind, PubSub, PubSubError,
};

const READ: &[Right] = &[Right::ApplicationSettingsBasic];
const WRITE: &[Right] = &[
    Right::ApplicationSettingsBasic,
    Right::ApplicationTrafficRead,
    Right::ApplicationTrafficDownWrite,
];

#[async_trait]
impl service::ApplicationPubSubRegistry for Api {
    async fn get_formats(
        &self,
        _: Request<()>,
    ) -> Result<Response<v3::ApplicationPubSubFormats>, Status> {
        let formats = Format::ALL.iter().map(|(id, name, _)| ((*id).into(), (*name).into()));
        Ok(Response::new(v3::ApplicationPubSubFormats { formats: formats.collect() }))
    }

    async fn get(
        &self,
        request: Request<v3::GetApplicationPubSubRequest>,
    ) -> Result<Response<v3::ApplicationPubSub>, Status> {
        let (application, id) = ids(request.get_ref().ids.as_ref())?;
        self.authorize(&request, &application, READ).await?;
        let stored = self.0.pubsub(&application, &id).map_err(|error| status(&error))?;
        let paths = request.into_inner().field_mask.unwrap_or_default().paths;
        answer(&to_api(&application, &id, &stored.value), &with_ids(paths))
    }

    async fn list(
        &self,
        request: Request<v3::ListApplicationPubSubsRequest>,
    ) -> Result<Response<v3::ApplicationPubSubs>, Status> {
        let application = application(request.get_ref().application_ids.as_ref())?;
        self.authorize(&request, &application, READ).await?;
        let paths = with_ids(request.into_inner().field_mask.unwrap_or_default().paths);
        let pubsubs = self.0.pubsubs(&application).into_iter().map(|(id, pubsub)| {
            answer(&to_api(&application, &id, &pubsub), &paths).map(Response::into_inner)
        });
        let pubsubs = pubsubs.collect::<Result<_, _>>()?;
        Ok(Response::new(v3::ApplicationPubSubs { pubsubs }))
    }

    async fn set(
        &self,
        request: Request<v3::SetApplicationPubSubRequest>,
    ) -> Result<Response<v3::ApplicationPubSub>, Status> {
        let message = request.get_ref().pubsub.clone().unwrap_or_default();
        let (application, id) = ids(message.ids.as_ref())?;
        self.authorize(&request, &application, WRITE).await?;
        let paths = request.into_inner().field_mask.unwrap_or_default().paths;
        let now = self.0.clock.utc().unix_nanos();
        let (pubsub, replaces) = match self.0.pubsub(&application, &id) {
            Ok(stored) => (stored.value, Replaces::Revision(stored.revision)),
            Err(PubSubError::NotFound) => {
                (PubSub { created_at: now, ..PubSub::default() }, Replaces::Nothing)
            }
            Err(error) => return Err(status(&error)),
        };
        let mut merged = to_api(&application, &id, &pubsub);
        mask::apply(&mut merged, &message, &paths).map_err(|error| invalid(&error.to_string()))?;
        let changed = PubSub { created_at: pubsub.created_at, ..from_api(merged, now)? };
        let kind = changed.kind().map_err(|error| status(&error))?;
        let is_discouraged = self.0.check_provider(kind).map_err(|error| status(&error))?;
        let set = self.0.set_pubsub(&application, &id, &changed, replaces).await;
        set.map_err(|error| status(&error))?;
        let mut response = answer(&to_api(&application, &id, &changed), &with_ids(paths))?;
        if is_discouraged {
            warn(&mut response, kind);
        }
        Ok(response)
    }

    async fn delete(
        &self,
        request: Request<v3::ApplicationPubSubIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let (application, id) = ids(Some(request.get_ref()))?;
        self.authorize(&request, &application, WRITE).await?;
        let deleted = self.0.delete_pubsub(&application, &id).await;
        deleted.map_err(|error| status(&error))?;
        Ok(Response::new(()))
    }
}

fn ids(ids: Option<&v3::ApplicationPubSubIdentifiers>) -> Result<(ApplicationId, String), Status> {
    let ids = ids.ok_or_else(|| invalid("`ids` is missing"))?;
    Ok((application(ids.application_ids.as_ref())?, ids.pub_sub_id.clone()))
}

/// What was selected, and always ids and times.
fn with_ids(mut paths: Vec<String>) -> Vec<String> {
    paths.extend(["ids", "created_at", "updated_at"].map(str::to_owned));
    paths
}

fn status(error: &PubSubError) -> Status {
    ttn_rpc::status::from_body(&error.to_body())
}

/// A provider that is discouraged says so in a header.
fn warn<T>(response: &mut Response<T>, kind: ProviderKind) {
    let text = format!("the provider {} is deprecated on this server", kind.name());
    if let Ok(value) = MetadataValue::try_from(text) {
        response.metadata_mut().insert("warning", value);
    }
}

/// The field of a kind of messages.
fn field(
    message: &mut v3::ApplicationPubSub,
    kind: MessageKind,
) -> Option<&mut Option<message::Message>> {
    Some(match kind {
        MessageKind::DownlinkAck => &mut message.downlink_ack,
        MessageKind::DownlinkFailed => &mut message.downlink_failed,
        MessageKind::DownlinkNack => &mut message.downlink_nack,
        MessageKind::DownlinkPush => &mut message.downlink_push,
        MessageKind::DownlinkQueueInvalidated => &mut message.downlink_queue_invalidated,
        MessageKind::DownlinkQueued => &mut message.downlink_queued,
        MessageKind::DownlinkReplace => &mut message.downlink_replace,
        MessageKind::DownlinkSent => &mut message.downlink_sent,
        MessageKind::JoinAccept => &mut message.join_accept,
        MessageKind::LocationSolved => &mut message.location_solved,
        MessageKind::ServiceData => &mut message.service_data,
        MessageKind::UplinkMessage => &mut message.uplink_message,
        MessageKind::UplinkNormalized => &mut message.uplink_normalized,
    })
}

fn to_api(application: &ApplicationId, id: &str, pubsub: &PubSub) -> v3::ApplicationPubSub {
    let time = |nanos| Some(convert::timestamp(Timestamp::from_unix_nanos(nanos)));
    let mut api = v3::ApplicationPubSub {
        ids: Some(v3::ApplicationPubSubIdentifiers {
            application_ids: Some(application.into()),
            pub_sub_id: id.to_owned(),
        }),
        created_at: time(pubsub.created_at),
        updated_at: time(pubsub.updated_at),
        format: pubsub.format.clone(),
        base_topic: pubsub.base_topic.clone(),
        provider: pubsub.provider.as_ref().map(provider_to_api),
        ..v3::ApplicationPubSub::default()
    };
    for kind in MessageKind::ALL {
        if let (Some(topic), Some(field)) = (pubsub.topics.get(kind.name()), field(&mut api, kind))
        {
            *field = Some(message::Message { topic: topic.clone() });
        }
    }
    api
}

fn provider_to_api(provider: &Provider) -> message::Provider {
    let qos = |number| i32::try_from(number).unwrap_or_default();
    match provider {
        Provider::Nats(nats) => {
            message::Provider::Nats(message::NatsProvider { server_url: nats.server_url.clone() })
        }
        Provider::Mqtt(mqtt) => message::Provider::Mqtt(message::MqttProvider {
            server_url: mqtt.server_url.clone(),
            client_id: mqtt.client_id.clone(),
            username: mqtt.username.clone(),
            password: mqtt.password.clone(),
            subscribe_qos: qos(mqtt.subscribe_qos),
            publish_qos: qos(mqtt.publish_qos),
            use_tls: mqtt.use_tls,
            tls_ca: mqtt.tls_ca.clone(),
            tls_client_cert: mqtt.tls_client_cert.clone(),
            tls_client_key: mqtt.tls_client_key.clone(),
            headers: mqtt.headers.clone(),
        }),
    }
}

fn from_api(mut api: v3::ApplicationPubSub, now: i64) -> Result<PubSub, Status> {
    Format::of_name(&api.format).map_err(|error| status(&error))?;
    let mut topics = std::collections::BTreeMap::new();
    for kind in MessageKind::ALL {
        if let Some(message) = field(&mut api, kind).and_then(Option::take) {
            topics.insert(kind.name().to_owned(), message.topic);
        }
    }
    let provider = match api.provider {
        None => return Err(status(&PubSubError::UnknownProvider)),
        Some(message::Provider::AwsIot(_)) => {
            let provider = ProviderKind::AwsIot.name();
            return Err(status(&PubSubError::ProviderNotImplemented { provider }));
        }
        Some(message::Provider::Nats(nats)) => {
            Provider::Nats(NatsSettings { server_url: nats.server_url })
        }
        Some(message::Provider::Mqtt(mqtt)) => {
            let scheme = mqtt.server_url.split(':').next().unwrap_or_default();
            if matches!(scheme, "ws" | "wss") {
                return Err(invalid(
                    "`mqtt.server_url`: WebSockets are not built in; use mqtt:// or mqtts://",
                ));
            }
            let qos = |number| u32::try_from(number).unwrap_or_default();
            Provider::Mqtt(MqttSettings {
                server_url: mqtt.server_url,
                client_id: mqtt.client_id,
                username: mqtt.username,
                password: mqtt.password,
                subscribe_qos: qos(mqtt.subscribe_qos),
                publish_qos: qos(mqtt.publish_qos),
                use_tls: mqtt.use_tls,
                tls_ca: mqtt.tls_ca,
                tls_client_cert: mqtt.tls_client_cert,
                tls_client_key: mqtt.tls_client_key,
                headers: mqtt.headers,
            })
        }
    };
    Ok(PubSub {
        created_at: now,
        updated_at: now,
        format: api.format,
        base_topic: api.base_topic,
        topics,
        provider: Some(provider),
    })
}
