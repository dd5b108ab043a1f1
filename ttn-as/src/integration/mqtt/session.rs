//! One client: its rights, its filters, its packets.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use futures::{
    SinkExt as _, StreamExt as _,
    future::{BoxFuture, Either, select},
};
use rmqtt_codec::{
    error::DecodeError,
    types::{Publish, QoS},
    v3::{Codec, Connect, ConnectAck, ConnectAckReason, LastWill, Packet, SubscribeReturnCode},
};
use serde_json::json;
use tokio_util::codec::Framed;
use ttn_core::{
    auth::{Credentials, Principal, Right},
    error::ErrorKind,
    id::{ApplicationId, DeviceKey, EntityId},
    map::Set,
    peer::PeerError,
    time::Monotonic,
};

use super::{Connection, Io, topic};
use crate::{
    ApplicationServer, event,
    integration::parse_downlinks,
    log::{Delivery, Live},
};

/// The keep-alive of clients that want none.
const KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(3600);
/// How often a client's rights are asked for again.
const RIGHTS_INTERVAL: Duration = Duration::from_secs(60);
/// How many QoS 2 messages of a client may wait for their release.
const UNRELEASED_MAX: usize = 1024;

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// The client said so; its will is not published.
    Disconnected,
    /// The connection broke, or the client was silent or wrong.
    Lost,
}

struct Session {
    server: Arc<ApplicationServer>,
    framed: Framed<Box<dyn Io>, Codec>,
    application: ApplicationId,
    principal: Principal,
    can_read: bool,
    can_write: bool,
    filters: Vec<String>,
    live: Option<Live>,
    unreleased: Set<NonZeroU16>,
    keep_alive: Duration,
    last_packet: Monotonic,
}

/// Serves a client until it leaves.
pub(super) async fn run(server: Arc<ApplicationServer>, connection: Connection) {
    let codec = Codec::new(server.config.mqtt.packet_size_max);
    let mut framed = Framed::new(connection.io, codec);
    let deadline = server.clock.monotonic().plus(server.config.mqtt.connect_timeout);
    let first = match select(framed.next(), server.clock.sleep_until(deadline)).await {
        Either::Left((first, _)) => first,
        Either::Right(_) => None,
    };
    let connect = match first {
        Some(Ok((Packet::Connect(connect), _))) => *connect,
        Some(Err(error)) => {
            if let Some(code) = refusal_of(&error) {
                let _ = framed.send(acknowledge(code)).await;
            }
            return;
        }
        _ => return,
    };
    match authorize(&server, &connect).await {
        Ok((application, principal)) => {
            let mut session = Session::new(server, framed, application, principal, &connect);
            session.serve(connect.last_will).await;
        }
        Err((code, error)) => {
            let application = connect.username.as_deref().and_then(|id| id.parse().ok());
            if let Some(id) = application {
                let (id, time) = (EntityId::Application(id), server.clock.utc());
                let definition = &event::MQTT_CONNECT_FAIL;
                event::publish(
                    &server.events,
                    definition,
                    time,
                    id,
                    &Vec::new(),
                    || json!({ "reason": error.to_string(), "remote": connection.remote }),
                );
            }
            let _ = framed.send(acknowledge(code)).await;
        }
    }
}

/// The CONNACK that a malformed CONNECT gets, if any.
const fn refusal_of(error: &DecodeError) -> Option<ConnectAckReason> {
    match error {
        DecodeError::UnsupportedProtocolLevel => {
            Some(ConnectAckReason::UnacceptableProtocolVersion)
        }
        DecodeError::InvalidClientId => Some(ConnectAckReason::IdentifierRejected),
        _ => None,
    }
}

const fn acknowledge(return_code: ConnectAckReason) -> Packet {
    Packet::ConnectAck(ConnectAck { return_code, session_present: false })
}

/// Checks the API key; any right on the application is enough to connect.
async fn authorize(
    server: &ApplicationServer,
    connect: &Connect,
) -> Result<(ApplicationId, Principal), (ConnectAckReason, PeerError)> {
    let unauthorized = || {
        let denied = ttn_core::auth::AccessDenied::Unauthenticated;
        (ConnectAckReason::NotAuthorized, PeerError::rejected(&denied))
    };
    let code_of = |error: PeerError| match error.kind() {
        // AS-36
        ErrorKind::Unavailable | ErrorKind::ResourceExhausted | ErrorKind::DeadlineExceeded => {
            (ConnectAckReason::ServiceUnavailable, error)
        }
        _ => (ConnectAckReason::NotAuthorized, error),
    };
    let application: ApplicationId =
        connect.username.as_deref().and_then(|name| name.parse().ok()).ok_or_else(unauthorized)?;
    let key = connect.password.as_deref().and_then(|key| std::str::from_utf8(key).ok());
    let credentials = Credentials::Bearer(key.ok_or_else(unauthorized)?.to_owned());
    let access = server.peers.access().map_err(code_of)?;
    let principal = access.principal(&credentials).await.map_err(code_of)?;
    let entity = EntityId::Application(application.clone());
    let rights = access.rights_of(&principal, &entity).await.map_err(code_of)?;
    if rights.is_empty() {
        return Err(unauthorized());
    }
    Ok((application, principal))
}

impl Session {
    fn new(
        server: Arc<ApplicationServer>,
        framed: Framed<Box<dyn Io>, Codec>,
        application: ApplicationId,
        principal: Principal,
        connect: &Connect,
    ) -> Self {
        let keep_alive = match connect.keep_alive {
            0 => KEEP_ALIVE_DEFAULT,
            seconds => Duration::from_millis(u64::from(seconds) * 1500),
        };
        Self {
            last_packet: server.clock.monotonic(),
            server,
            framed,
            application,
            principal,
            can_read: false,
            can_write: false,
            filters: Vec::new(),
            live: None,
            unreleased: Set::default(),
            keep_alive,
        }
    }

    async fn serve(&mut self, will: Option<LastWill>) {
        if self.refresh_rights().await.is_err() {
            let _ = self.framed.send(acknowledge(ConnectAckReason::ServiceUnavailable)).await;
            return;
        }
        let accepted = self.send(acknowledge(ConnectAckReason::ConnectionAccepted)).await;
        let end = match accepted {
            Ok(()) => self.exchange().await,
            Err(end) => end,
        };
        if let (End::Lost, Some(will)) = (end, will) {
            self.take_downlinks(&will.topic, &will.message).await;
        }
        if let Some(lost) = self.live.as_ref().map(Live::lost).filter(|lost| *lost > 0) {
            tracing::debug!(application = %self.application, lost, "a slow MQTT client lost messages");
        }
        self.unsubscribe();
    }

    async fn exchange(&mut self) -> End {
        let clock = self.server.clock.clone();
        let mut silence: BoxFuture<'static, ()> = clock.sleep_until(self.deadline());
        let mut rights = clock.sleep_until(clock.monotonic().plus(RIGHTS_INTERVAL));
        loop {
            let done = tokio::select! {
                biased;
                packet = self.framed.next() => match packet {
                    Some(Ok((packet, _))) => {
                        self.last_packet = clock.monotonic();
                        self.take(packet).await
                    }
                    Some(Err(_)) | None => Err(End::Lost),
                },
                delivery = next_live(&mut self.live) => match delivery {
                    Some(delivery) => self.deliver(&delivery).await,
                    None => Err(End::Lost),
                },
                () = &mut silence => {
                    if clock.monotonic() >= self.deadline() {
                        return End::Lost;
                    }
                    silence = clock.sleep_until(self.deadline());
                    Ok(())
                }
                () = &mut rights => {
                    rights = clock.sleep_until(clock.monotonic().plus(RIGHTS_INTERVAL));
                    // If nobody answers, the rights stay as they were.
                    let known = self.refresh_rights().await.is_err();
                    if known || self.can_read || self.can_write { Ok(()) } else { Err(End::Lost) }
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn take(&mut self, packet: Packet) -> Result<(), End> {
        match packet {
            Packet::Publish(publish) => self.take_publish(*publish).await,
            Packet::PublishRelease { packet_id } => {
                self.unreleased.remove(&packet_id);
                self.send(Packet::PublishComplete { packet_id }).await
            }
            Packet::Subscribe { packet_id, topic_filters } => {
                let filters = topic_filters.iter().map(|(filter, qos)| (&**filter, *qos));
                let status = filters.map(|(filter, qos)| self.subscribe(filter, qos)).collect();
                self.send(Packet::SubscribeAck { packet_id, status }).await
            }
            Packet::Unsubscribe { packet_id, topic_filters } => {
                for filter in &topic_filters {
                    let narrowed = topic::narrow(&self.application, filter);
                    self.filters.retain(|known| Some(known) != narrowed.as_ref());
                }
                if self.filters.is_empty() {
                    self.unsubscribe();
                }
                self.send(Packet::UnsubscribeAck { packet_id }).await
            }
            Packet::PingRequest => self.send(Packet::PingResponse).await,
            Packet::Disconnect => Err(End::Disconnected),
            // Nothing else comes from a client; MQTT 3.1.1 asks to close the connection.
            _ => Err(End::Lost),
        }
    }

    async fn take_publish(&mut self, publish: Publish) -> Result<(), End> {
        let is_new = match (publish.qos, publish.packet_id) {
            (QoS::ExactlyOnce, Some(id)) => {
                if self.unreleased.len() == UNRELEASED_MAX && !self.unreleased.contains(&id) {
                    return Err(End::Lost);
                }
                self.unreleased.insert(id)
            }
            _ => true,
        };
        if is_new {
            self.take_downlinks(&publish.topic, &publish.payload).await;
        }
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => {
                self.send(Packet::PublishAck { packet_id }).await
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                self.send(Packet::PublishReceived { packet_id }).await
            }
            _ => Ok(()),
        }
    }

    /// Queues downlinks. MQTT 3.1.1 has no way to refuse them, so that what is wrong becomes an event (AS-34).
    async fn take_downlinks(&mut self, name: &str, payload: &[u8]) {
        let Some((device, operation)) = topic::of_downlinks(&self.application, name) else {
            return;
        };
        let device = DeviceKey::new(self.application.clone(), device);
        let refused = if !self.can_write {
            "the API key lacks RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE".to_owned()
        } else {
            match parse_downlinks(payload) {
                Ok(items) => {
                    // A refusal has its own event.
                    let _ = self.server.queue_downlinks(&device, operation, items).await;
                    return;
                }
                Err(error) => error.to_string(),
            }
        };
        let (id, time) = (EntityId::Device(device), self.server.clock.utc());
        event::publish(
            &self.server.events,
            &event::DOWN_DROP,
            time,
            id,
            &Vec::new(),
            || json!({ "reason": refused }),
        );
    }

    fn subscribe(&mut self, filter: &str, qos: QoS) -> SubscribeReturnCode {
        let Some(filter) = topic::narrow(&self.application, filter) else {
            return SubscribeReturnCode::Failure;
        };
        if !self.filters.contains(&filter) {
            if self.filters.len() >= self.server.config.mqtt.filters_max {
                return SubscribeReturnCode::Failure;
            }
            self.filters.push(filter);
        }
        // Without the right to read a filter is granted, and nothing comes.
        if self.can_read && self.live.is_none() {
            self.live = Some(self.server.subscribe(&self.application));
            self.report(&event::APPLICATION_SUBSCRIBE);
        }
        SubscribeReturnCode::Success(qos)
    }

    fn unsubscribe(&mut self) {
        if self.live.take().is_some() {
            self.report(&event::APPLICATION_UNSUBSCRIBE);
        }
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), End> {
        let up = &delivery.record().up;
        let name = topic::of_message(&self.application, &up.ids.key.device_id, &up.up);
        let Some(name) = name else { return Ok(()) };
        if !self.filters.iter().any(|filter| topic::matches(filter, &name)) {
            return Ok(());
        }
        self.send(Packet::Publish(Box::new(Publish {
            dup: false,
            retain: false,
            qos: QoS::AtMostOnce,
            topic: name.into(),
            packet_id: None,
            payload: delivery.json(),
            properties: None,
        })))
        .await
    }

    /// Sends a packet; a client that takes nothing is given up with its keep-alive.
    async fn send(&mut self, packet: Packet) -> Result<(), End> {
        let silence = self.server.clock.sleep_until(self.deadline());
        match select(self.framed.send(packet), silence).await {
            Either::Left((Ok(()), _)) => Ok(()),
            Either::Left((Err(_), _)) | Either::Right(_) => Err(End::Lost),
        }
    }

    async fn refresh_rights(&mut self) -> Result<(), PeerError> {
        let access = self.server.peers.access()?;
        let entity = EntityId::Application(self.application.clone());
        let rights = access.rights_of(&self.principal, &entity).await?.implied();
        self.can_read = rights.contains(Right::ApplicationTrafficRead);
        self.can_write = rights.contains(Right::ApplicationTrafficDownWrite);
        if !self.can_read {
            self.unsubscribe();
        }
        Ok(())
    }

    fn deadline(&self) -> Monotonic {
        self.last_packet.plus(self.keep_alive)
    }

    fn report(&self, definition: &'static ttn_core::event::EventDefinition) {
        let (id, time) = (EntityId::Application(self.application.clone()), self.server.clock.utc());
        event::publish(
            &self.server.events,
            definition,
            time,
            id,
            &Vec::new(),
            || json!({ "protocol": "mqtt" }),
        );
    }
}

/// The next message of a live reader; never without one.
async fn next_live(live: &mut Option<Live>) -> Option<Arc<Delivery>> {
    match live {
        Some(live) => live.next().await,
        None => std::future::pending().await,
    }
}
