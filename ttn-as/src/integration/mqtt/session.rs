//! One client: its packets, and the messages that it gets.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::{
    FutureExt as _, SinkExt, StreamExt as _,
    future::{BoxFuture, select},
};
use rmqtt_codec::{
    types::{Publish, QoS},
    v3::{Codec, LastWill, Packet, SubscribeReturnCode},
};
use serde_json::json;
use tokio_util::codec::Framed;
use ttn_core::{event::EventDefinition, id::EntityId, store::StoreError, time::Monotonic};

use super::{
    Io,
    connect::{Login, is_temporary},
    downlinks,
    feed::Follower,
    sessions::{Attached, Slot},
    state::{Filter, Outgoing},
    topic,
};
use crate::{
    ApplicationServer, event,
    log::{Cursor, Delivery, Item, Live},
};

/// The keep-alive of clients that want none.
const KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(3600);
/// The shortest time between two looks at a client's rights.
const RIGHTS_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// How many QoS 2 messages of a client may wait for their release.
const UNRELEASED_MAX: usize = 1024;
/// How many messages are written together.
const TOGETHER_MAX: usize = 64;
/// How many octets are collected for one write.
const WRITE_OCTETS: usize = 128 << 10;
/// The longest time that messages are collected for one write.
const PAUSE_MAX: Duration = Duration::from_millis(10);
/// A shorter pause is none: timers have this grain.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// How long a client may take to see its connection closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a session ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client said so; its will is not published.
    Disconnected,
    /// The connection broke, the client was silent, slow or wrong, or another one took its place.
    Lost,
}

pub(super) struct Session {
    server: Arc<ApplicationServer>,
    framed: Framed<Box<dyn Io>, Codec>,
    login: Login,
    attached: Attached,
    source: Source,
    keep_alive: Duration,
    last_packet: Monotonic,
    /// How many messages that the live reader lost were counted.
    lost: u64,
}

/// Where messages come from.
enum Source {
    /// No filter, or no right to read.
    Nothing,
    /// The live end: every filter is at QoS 0.
    Live(Live),
    /// The log.
    Log(Follower),
}

enum Found {
    Live(Arc<Delivery>),
    Logged(Cursor, Item),
}

impl Source {
    /// The next message; never without a source, `None` when the server is gone. Safe to drop halfway.
    async fn next(&mut self) -> Option<Result<Found, StoreError>> {
        match self {
            Self::Nothing => std::future::pending().await,
            Self::Live(live) => Some(Ok(Found::Live(live.next().await?))),
            Self::Log(follower) => {
                let found = follower.next().await?;
                Some(found.map(|(cursor, item)| Found::Logged(cursor, item)))
            }
        }
    }
}

async fn wait(pause: &mut Option<BoxFuture<'static, ()>>) {
    if let Some(pause) = pause {
        pause.await;
    }
}

impl Session {
    pub(super) fn new(
        server: Arc<ApplicationServer>,
        mut framed: Framed<Box<dyn Io>, Codec>,
        login: Login,
        attached: Attached,
        keep_alive: u16,
    ) -> Self {
        framed.set_backpressure_boundary(WRITE_OCTETS);
        let keep_alive = match keep_alive {
            0 => KEEP_ALIVE_DEFAULT,
            seconds => Duration::from_millis(u64::from(seconds) * 1500),
        };
        let last_packet = server.clock.monotonic();
        let source = Source::Nothing;
        Self { server, framed, login, attached, source, keep_alive, last_packet, lost: 0 }
    }

    /// Answers CONNECT; `None` if the client is gone already.
    pub(super) async fn start(mut self, accepted: Packet) -> Option<Self> {
        if self.send(accepted).await.is_ok() {
            return Some(self);
        }
        self.close().await;
        None
    }

    /// Serves the client until it leaves, and lets go of its session.
    pub(super) async fn serve(mut self, will: Option<LastWill>) {
        self.choose_source();
        let end = self.exchange().await;
        if let (End::Lost, Some(will), false) = (end, will, self.server.mqtt.is_stopping()) {
            // What comes of it is told by events; there is nobody else to tell.
            let _ = self.take_downlinks(&will.topic, &will.message).await;
        }
        self.close().await;
    }

    /// Ends the connection and lets go of the session.
    async fn close(mut self) {
        self.set_source(Source::Nothing);
        let Self { server, mut framed, attached, .. } = self;
        server.mqtt.detach(&server, attached).await;
        let late = server.clock.sleep_until(server.clock.monotonic().plus(CLOSE_TIMEOUT));
        let _ = select(SinkExt::<Packet>::close(&mut framed), late).await;
    }

    async fn exchange(&mut self) -> End {
        let clock = self.server.clock.clone();
        let closing = self.attached.closing.clone();
        let interval = self.server.config.mqtt.rights_interval.max(RIGHTS_INTERVAL_MIN);
        let mut silence: BoxFuture<'static, ()> = clock.sleep_until(self.deadline());
        let mut rights = clock.sleep_until(clock.monotonic().plus(interval));
        let mut pause: Option<BoxFuture<'static, ()>> = None;
        loop {
            let has_room = !self.slot().state.lock().is_full();
            let done = tokio::select! {
                biased;
                () = closing.cancelled() => Err(End::Lost),
                packet = self.framed.next() => match packet {
                    Some(Ok((packet, _))) => {
                        self.last_packet = clock.monotonic();
                        self.take(packet).await
                    }
                    Some(Err(_)) | None => Err(End::Lost),
                },
                () = wait(&mut pause), if pause.is_some() => {
                    pause = None;
                    Ok(())
                }
                found = self.source.next(), if has_room && pause.is_none() => {
                    let delivered = self.deliver_all(found).await;
                    pause = self.pause().map(|pause| clock.sleep_until(clock.monotonic().plus(pause)));
                    delivered
                }
                () = &mut silence => {
                    if clock.monotonic() >= self.deadline() {
                        return End::Lost;
                    }
                    silence = clock.sleep_until(self.deadline());
                    Ok(())
                }
                () = &mut rights => {
                    rights = clock.sleep_until(clock.monotonic().plus(interval));
                    self.refresh_rights().await
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// For how long the next messages are collected: the more clients there are, the more messages one write carries.
    fn pause(&self) -> Option<Duration> {
        let connected = self.server.mqtt.counters.connected.load(Ordering::Relaxed);
        let each = Duration::from_secs(1) / self.server.config.mqtt.writes_per_second.max(1);
        Some((each * connected).min(PAUSE_MAX)).filter(|pause| *pause >= PAUSE_MIN)
    }

    async fn take(&mut self, packet: Packet) -> Result<(), End> {
        match packet {
            Packet::Publish(publish) => self.take_publish(*publish).await,
            Packet::PublishAck { packet_id } => {
                self.slot().state.lock().acknowledge(packet_id);
                Ok(())
            }
            Packet::PublishRelease { packet_id } => {
                self.slot().state.lock().unreleased.remove(&packet_id);
                self.send(Packet::PublishComplete { packet_id }).await
            }
            Packet::Subscribe { packet_id, topic_filters } => {
                let mut status = Vec::with_capacity(topic_filters.len());
                for (filter, qos) in &topic_filters {
                    status.push(self.subscribe(filter, *qos).await?);
                }
                self.choose_source();
                // The client relies on what is granted, a crash notwithstanding.
                self.save().await?;
                self.send(Packet::SubscribeAck { packet_id, status }).await
            }
            Packet::Unsubscribe { packet_id, topic_filters } => {
                for filter in &topic_filters {
                    if let Some(narrowed) = topic::narrow(&self.login.uid, filter) {
                        self.slot().state.lock().unsubscribe(&narrowed);
                    }
                }
                self.choose_source();
                self.save().await?;
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
                let unreleased = &mut self.slot().state.lock().unreleased;
                if unreleased.len() == UNRELEASED_MAX && !unreleased.contains(&id) {
                    return Err(End::Lost);
                }
                unreleased.insert(id)
            }
            _ => true,
        };
        if is_new {
            self.take_downlinks(&publish.topic, &publish.payload).await?;
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

    async fn take_downlinks(&mut self, name: &str, payload: &[u8]) -> Result<(), End> {
        let taken = downlinks::take(&self.server, &self.login, name, payload).await;
        taken.map_err(|downlinks::Limited| End::Lost)
    }

    async fn subscribe(&mut self, filter: &str, qos: QoS) -> Result<SubscribeReturnCode, End> {
        let Some(text) = topic::narrow(&self.login.uid, filter) else {
            return Ok(SubscribeReturnCode::Failure);
        };
        let max = self.server.config.mqtt.filters_max;
        let has_room = {
            let state = self.slot().state.lock();
            let filters = state.filters();
            filters.len() < max || filters.iter().any(|known| known.text == text)
        };
        if !has_room {
            return Ok(SubscribeReturnCode::Failure);
        }
        let granted = qos.min(QoS::AtLeastOnce);
        let is_acknowledged = granted == QoS::AtLeastOnce;
        if is_acknowledged {
            self.drain_live().await?;
        }
        let log = self.server.log.clone();
        let filter = Filter { text, is_acknowledged };
        self.slot().state.lock().subscribe(filter, || log.end());
        Ok(SubscribeReturnCode::Success(granted))
    }

    /// Hands out what the live end already gave, before the log takes its place.
    async fn drain_live(&mut self) -> Result<(), End> {
        while let Source::Live(live) = &mut self.source
            && let Some(delivery) = live.try_next()
        {
            if let Some(packet) = self.packet(Found::Live(delivery)) {
                self.send(packet).await?;
            }
        }
        Ok(())
    }

    /// Hands out a message and those that are ready behind it, in one write.
    async fn deliver_all(&mut self, first: Option<Result<Found, StoreError>>) -> Result<(), End> {
        let mut packets = Vec::new();
        let mut next = Some(first);
        let mut done = Ok(());
        while let Some(found) = next {
            match found {
                Some(Ok(found)) => packets.extend(self.packet(found)),
                Some(Err(error)) => {
                    tracing::warn!(application = %self.login.application, %error, "an MQTT client");
                    done = Err(End::Lost);
                    break;
                }
                None => {
                    done = Err(End::Lost);
                    break;
                }
            }
            let has_room = packets.len() < TOGETHER_MAX && !self.slot().state.lock().is_full();
            next = if has_room { self.source.next().now_or_never() } else { None };
        }
        self.send_all(packets).await?;
        done
    }

    /// The packet of a message that the client wants.
    fn packet(&mut self, found: Found) -> Option<Packet> {
        let (delivery, cursor) = match found {
            Found::Live(delivery) => (delivery, None),
            Found::Logged(cursor, Item::Message(delivery)) => (delivery, Some(cursor)),
            Found::Logged(cursor, Item::Gap { lost }) => {
                self.server.mqtt.counters.gaps.fetch_add(1, Ordering::Relaxed);
                let (application, client_id) = (&self.login.application, &self.slot().client_id);
                tracing::warn!(%application, client_id, lost, "an MQTT client came too late for its messages");
                self.slot().state.lock().read_gap(&cursor);
                return None;
            }
        };
        self.count_lost();
        let up = &delivery.record().up;
        let name = topic::of_message(&self.login.uid, &up.ids.key.device_id, &up.up)?;
        let outgoing = {
            let mut state = self.slot().state.lock();
            match &cursor {
                Some(cursor) => state.read(cursor, &name, &delivery),
                None => state.wants(&name).map(|_| Outgoing::Once),
            }
        };
        let (qos, packet_id, dup) = match outgoing {
            Some(Outgoing::Acknowledged { id, dup }) => (QoS::AtLeastOnce, Some(id), dup),
            Some(Outgoing::Once) => (QoS::AtMostOnce, None, false),
            None => return None,
        };
        let (topic, payload) = (name.into(), delivery.json());
        let publish =
            Publish { dup, retain: false, qos, topic, packet_id, payload, properties: None };
        Some(Packet::Publish(Box::new(publish)))
    }

    fn count_lost(&mut self) {
        if let Source::Live(live) = &self.source {
            let new = live.lost() - self.lost;
            self.lost = live.lost();
            self.server.mqtt.counters.lost.fetch_add(new, Ordering::Relaxed);
        }
    }

    /// Sends a packet.
    async fn send(&mut self, packet: Packet) -> Result<(), End> {
        self.send_all(vec![packet]).await
    }

    /// Sends packets; a client that takes nothing for too long is given up.
    async fn send_all(&mut self, packets: Vec<Packet>) -> Result<(), End> {
        let clock = &self.server.clock;
        let late = clock.sleep_until(clock.monotonic().plus(self.server.config.mqtt.write_timeout));
        let framed = &mut self.framed;
        let sent = async move {
            for packet in packets {
                framed.feed(packet).await?;
            }
            SinkExt::<Packet>::flush(framed).await
        };
        tokio::select! {
            biased;
            sent = sent => sent.map_err(|_| End::Lost),
            () = self.attached.closing.cancelled() => Err(End::Lost),
            () = late => {
                self.server.mqtt.counters.cut.fetch_add(1, Ordering::Relaxed);
                Err(End::Lost)
            }
        }
    }

    async fn save(&mut self) -> Result<(), End> {
        let (server, slot) = (self.server.clone(), self.attached.slot.clone());
        server.mqtt.save(&server, &slot).await.map_err(|error| {
            let (application, client_id) = (&slot.application, &slot.client_id);
            tracing::warn!(%application, client_id, %error, "an MQTT session was not stored");
            End::Lost
        })
    }

    /// Asks again what the key may do. If nobody answers, everything stays as it is.
    async fn refresh_rights(&mut self) -> Result<(), End> {
        let ((can_read, can_write), is_gone) = match self.login.rights(&self.server).await {
            Ok(rights) => (rights, false),
            Err(error) if is_temporary(&error) => return Ok(()),
            Err(_) => ((false, false), true),
        };
        let (could_read, could_write) = (self.login.can_read, self.login.can_write);
        (self.login.can_read, self.login.can_write) = (can_read, can_write);
        if is_gone || (could_read && !can_read) || (could_write && !can_write) {
            return Err(End::Lost);
        }
        self.choose_source();
        Ok(())
    }

    /// Reads what the filters need, if the key may read.
    fn choose_source(&mut self) {
        let wanted = {
            let state = self.slot().state.lock();
            let is_idle = state.filters().is_empty() && state.place().is_none();
            (self.login.can_read && !is_idle).then(|| state.place().cloned())
        };
        let (server, application) = (&self.server, &self.login.application);
        match (wanted, &self.source) {
            (None, _) => self.set_source(Source::Nothing),
            (Some(None), Source::Live(_)) | (Some(Some(_)), Source::Log(_)) => {}
            (Some(None), _) => self.set_source(Source::Live(server.subscribe(application))),
            (Some(Some(place)), _) => {
                let follower = server.mqtt.feeds.follow(server, application, place);
                self.set_source(Source::Log(follower));
            }
        }
    }

    fn set_source(&mut self, source: Source) {
        self.count_lost();
        let had = !matches!(self.source, Source::Nothing);
        let has = !matches!(source, Source::Nothing);
        self.source = source;
        self.lost = 0;
        match (had, has) {
            (false, true) => self.report(&event::APPLICATION_SUBSCRIBE),
            (true, false) => self.report(&event::APPLICATION_UNSUBSCRIBE),
            _ => {}
        }
    }

    fn slot(&self) -> &Slot {
        &self.attached.slot
    }

    fn deadline(&self) -> Monotonic {
        self.last_packet.plus(self.keep_alive)
    }

    fn report(&self, definition: &'static EventDefinition) {
        let id = EntityId::Application(self.login.application.clone());
        let time = self.server.clock.utc();
        let data = || json!({ "protocol": "mqtt" });
        event::publish(&self.server.events, definition, time, id, &Vec::new(), data);
    }
}
