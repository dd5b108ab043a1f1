//! The first packet of a client: who it is, what it may do, which session it gets (AS-32, AS-36).

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use futures::{
    SinkExt as _, StreamExt as _,
    future::{Either, select},
};
use rmqtt_codec::{
    error::DecodeError,
    v3::{Codec, Connect, ConnectAck, ConnectAckReason, LastWill, Packet},
};
use serde_json::json;
use tokio_util::codec::Framed;
use ttn_core::{
    auth::{AccessDenied, Credentials, Right},
    error::ErrorKind,
    id::{ApplicationId, EntityId},
    peer::PeerError,
};

use super::{
    Connection, Io,
    session::Session,
    sessions::{AttachError, Attached},
};
use crate::{ApplicationServer, event};

/// The largest CONNECT, in octets, a will included. Who is not known yet gets no larger buffer.
const CONNECT_SIZE_MAX: u32 = 16 * 1024;
/// The longest client id.
const CLIENT_ID_MAX: usize = 256;
/// The class of the limit on connections, by address.
const ACCEPT_CLASS: &str = "as:accept:mqtt";

/// Who a client is and what it may do.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) application: ApplicationId,
    /// The application's name in topics: the user name as the client gave it.
    pub(super) uid: String,
    credentials: Credentials,
    pub(super) can_read: bool,
    pub(super) can_write: bool,
}

/// A CONNECT that is answered with a code and told with a reason.
struct Refusal {
    code: ConnectAckReason,
    name: String,
    message: String,
}

/// A client that said who it is.
pub(super) struct Opening {
    pub(super) connection: Opened,
    pub(super) connect: Box<Connect>,
}

/// A connection whose CONNECT was read.
pub(super) struct Opened {
    framed: Framed<Box<dyn Io>, Codec>,
    remote: String,
}

/// Takes a client's CONNECT; `None` if there is none that is one. The connection is closed then.
pub(super) async fn open(server: &ApplicationServer, connection: Connection) -> Option<Opening> {
    let counters = &server.mqtt.counters;
    // Closed without a CONNACK, as the reference does.
    if super::is_limited(server, ACCEPT_CLASS, &format!("ip:{}", ip_of(&connection.remote))).await {
        counters.limited.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    let mut framed = Framed::new(connection.io, Codec::new(CONNECT_SIZE_MAX));
    match first(server, &mut framed).await? {
        Ok(connect) => {
            let connection = Opened { framed, remote: connection.remote };
            Some(Opening { connection, connect: Box::new(connect) })
        }
        Err(code) => {
            counters.refused.fetch_add(1, Ordering::Relaxed);
            let _ = framed.send(acknowledge(code, false)).await;
            None
        }
    }
}

/// Answers a CONNECT; `None` if the client may not stay. The connection is closed then.
pub(super) async fn accept(
    server: &Arc<ApplicationServer>,
    connection: Opened,
    connect: Connect,
) -> Option<(Session, Option<LastWill>)> {
    let counters = &server.mqtt.counters;
    let Opened { mut framed, remote } = connection;
    match attach(server, &connect).await {
        Ok((login, attached)) => {
            counters.accepted.fetch_add(1, Ordering::Relaxed);
            framed.codec_mut().set_max_size(server.config.mqtt.packet_size_max);
            let accepted = acknowledge(ConnectAckReason::ConnectionAccepted, attached.is_present);
            let session = Session::new(server.clone(), framed, login, attached, connect.keep_alive);
            session.start(accepted).await.map(|session| (session, connect.last_will))
        }
        Err(refusal) => {
            counters.refused.fetch_add(1, Ordering::Relaxed);
            report(server, &connect, &refusal, &remote);
            let _ = framed.send(acknowledge(refusal.code, false)).await;
            None
        }
    }
}

/// Waits for CONNECT; a code if it is answered with one, `None` if not at all.
async fn first(
    server: &ApplicationServer,
    framed: &mut Framed<Box<dyn Io>, Codec>,
) -> Option<Result<Connect, ConnectAckReason>> {
    let deadline = server.clock.monotonic().plus(server.config.mqtt.connect_timeout);
    let first = match select(framed.next(), server.clock.sleep_until(deadline)).await {
        Either::Left((first, _)) => first?,
        Either::Right(_) => return None,
    };
    match first {
        Ok((Packet::Connect(connect), _)) if connect.client_id.len() > CLIENT_ID_MAX => {
            Some(Err(ConnectAckReason::IdentifierRejected))
        }
        Ok((Packet::Connect(connect), _)) => Some(Ok(*connect)),
        Err(DecodeError::UnsupportedProtocolLevel) => {
            Some(Err(ConnectAckReason::UnacceptableProtocolVersion))
        }
        Err(DecodeError::InvalidClientId) => Some(Err(ConnectAckReason::IdentifierRejected)),
        _ => None,
    }
}

/// Checks the key and takes the session; a kept one is durable then, and known to be connected.
async fn attach(
    server: &ApplicationServer,
    connect: &Connect,
) -> Result<(Login, Attached), Refusal> {
    let login = Login::new(server, connect).await?;
    let (id, is_clean) = (&connect.client_id, connect.clean_session);
    let mqtt = &server.mqtt;
    let attached = mqtt.attach(server, &login.application, id, is_clean).await?;
    mqtt.save(server, &attached.slot).await.map_err(|error| {
        let code = ConnectAckReason::ServiceUnavailable;
        Refusal { code, name: "store".to_owned(), message: error.to_string() }
    })?;
    Ok((login, attached))
}

const fn acknowledge(return_code: ConnectAckReason, session_present: bool) -> Packet {
    Packet::ConnectAck(ConnectAck { return_code, session_present })
}

/// The address without the port, which changes with every connection.
fn ip_of(remote: &str) -> String {
    remote.parse::<SocketAddr>().map_or_else(|_| remote.to_owned(), |from| from.ip().to_string())
}

fn report(server: &ApplicationServer, connect: &Connect, refusal: &Refusal, remote: &str) {
    let application = connect.username.as_deref().and_then(|name| application_of(server, name));
    let Some(application) = application else { return };
    let (id, time) = (EntityId::Application(application), server.clock.utc());
    event::publish(
        &server.events,
        &event::MQTT_CONNECT_FAIL,
        time,
        id,
        &Vec::new(),
        || json!({ "reason": refusal.name, "message": refusal.message, "remote": remote }),
    );
}

/// The application of a user name: its id, or `id@tenant` with the tenant of this server.
fn application_of(server: &ApplicationServer, name: &str) -> Option<ApplicationId> {
    let id = match name.split_once('@') {
        None => name,
        Some((id, tenant)) if server.config.mqtt.tenant.as_deref() == Some(tenant) => id,
        Some(_) => return None,
    };
    id.parse().ok()
}

impl Login {
    /// Checks the API key; any right on the application is enough to connect.
    async fn new(server: &ApplicationServer, connect: &Connect) -> Result<Self, Refusal> {
        let unauthenticated = || Refusal::from(PeerError::rejected(&AccessDenied::Unauthenticated));
        let uid = connect.username.as_deref().ok_or_else(unauthenticated)?;
        let application = application_of(server, uid).ok_or_else(unauthenticated)?;
        let key = connect.password.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let credentials = Credentials::Bearer(key.ok_or_else(unauthenticated)?.to_owned());
        let uid = uid.to_owned();
        let mut login = Self { application, uid, credentials, can_read: false, can_write: false };
        (login.can_read, login.can_write) = login.rights(server).await?;
        Ok(login)
    }

    /// Asks again what the key may do: whether it may read, and write.
    ///
    /// # Errors
    ///
    /// The key is gone or has no right on the application any more, or nobody answers.
    pub(super) async fn rights(
        &self,
        server: &ApplicationServer,
    ) -> Result<(bool, bool), PeerError> {
        let access = server.peers.access()?;
        let principal = access.principal(&self.credentials).await?;
        let entity = EntityId::Application(self.application.clone());
        let rights = access.rights_of(&principal, &entity).await?.implied();
        if rights.is_empty() {
            return Err(PeerError::rejected(&AccessDenied::Unauthenticated));
        }
        let can_write = rights.contains(Right::ApplicationTrafficDownWrite);
        Ok((rights.contains(Right::ApplicationTrafficRead), can_write))
    }
}

/// Whether an error says that nobody could answer, and nothing about the caller.
pub(super) fn is_temporary(error: &PeerError) -> bool {
    use ErrorKind::{DeadlineExceeded, Internal, ResourceExhausted, Unavailable};
    matches!(error.kind(), DeadlineExceeded | Internal | ResourceExhausted | Unavailable)
}

impl From<PeerError> for Refusal {
    fn from(error: PeerError) -> Self {
        let code = match is_temporary(&error) {
            true => ConnectAckReason::ServiceUnavailable,
            false => ConnectAckReason::NotAuthorized,
        };
        Self { code, name: error.to_body().name.into(), message: error.to_string() }
    }
}

impl From<AttachError> for Refusal {
    fn from(error: AttachError) -> Self {
        let code = ConnectAckReason::ServiceUnavailable;
        let name = match error {
            AttachError::Busy => "busy",
            AttachError::Full => "too_many_sessions",
            AttachError::Overtaken => "overtaken",
            AttachError::Stopping => "stopping",
        };
        Self { code, name: name.to_owned(), message: error.to_string() }
    }
}
