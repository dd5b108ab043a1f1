//! The application: subscribers over MQTT, and who queues downlinks.

use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use futures::{SinkExt, StreamExt as _};
use rmqtt_codec::{
    types::{Publish, QoS},
    v3::{Codec, Connect, Packet, SubscribeReturnCode},
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_util::codec::Framed;
use ttn_core::{
    clock::Clock,
    task::{TaskError, Tasks},
};

use super::{
    fleet::{APPLICATION, device_index, device_name},
    ledger::Ledger,
};

/// How a subscriber connects.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) server: SocketAddr,
    pub(super) client_id: String,
    pub(super) api_key: String,
}

/// Queues downlinks.
#[derive(Debug)]
pub(super) struct Publisher(Framed<TcpStream, Codec>);

/// The port of uplinks, and that of downlinks.
pub(super) const F_PORT: u8 = 10;

const UPLINKS: &str = "v3/+/devices/+/up";
/// How many packets are taken before they are acknowledged together.
const PACKETS_MAX: usize = 256;

impl Login {
    async fn connect(&self) -> anyhow::Result<Framed<TcpStream, Codec>> {
        Ok(self.open(true).await?.0)
    }

    /// Connects, and tells whether the server knows the session.
    async fn open(&self, clean: bool) -> anyhow::Result<(Framed<TcpStream, Codec>, bool)> {
        let stream = TcpStream::connect(self.server).await.context("MQTT")?;
        stream.set_nodelay(true)?;
        let mut framed = Framed::with_capacity(stream, Codec::new(0), READ_BUFFER);
        let connect = Connect {
            clean_session: clean,
            client_id: self.client_id.clone().into(),
            username: Some(APPLICATION.into()),
            password: Some(self.api_key.clone().into()),
            ..Connect::default()
        };
        framed.send(Packet::from(connect)).await?;
        match framed.next().await {
            Some(Ok((Packet::ConnectAck(ack), _))) => Ok((framed, ack.session_present)),
            other => bail!("{other:?} is no CONNACK"),
        }
    }

    async fn subscribe(&self, qos: u8) -> anyhow::Result<Framed<TcpStream, Codec>> {
        Self::ask(self.connect().await?, qos).await
    }

    async fn ask(
        mut framed: Framed<TcpStream, Codec>,
        qos: u8,
    ) -> anyhow::Result<Framed<TcpStream, Codec>> {
        let packet_id = 1.try_into()?;
        let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let topic_filters = vec![(UPLINKS.into(), qos)];
        framed.send(Packet::Subscribe { packet_id, topic_filters }).await?;
        let granted = vec![SubscribeReturnCode::Success(qos)];
        match framed.next().await {
            Some(Ok((Packet::SubscribeAck { status, .. }, _))) if status == granted => Ok(framed),
            other => bail!("{other:?} is no SUBACK for QoS {qos:?}"),
        }
    }

    /// Subscribes to uplinks and notes each in the books; `due` is how long a message takes anyhow.
    pub(super) async fn check(
        &self,
        qos: u8,
        due: Duration,
        ledger: &Arc<Ledger>,
        clock: &Arc<dyn Clock>,
        tasks: &mut Tasks,
    ) -> anyhow::Result<()> {
        let framed = self.subscribe(qos).await?;
        let (ledger, clock) = (ledger.clone(), clock.clone());
        let note = move |publish: &Publish| {
            let now = clock.monotonic();
            let message: Result<Message<'_>, _> = serde_json::from_slice(&publish.payload);
            let read = message.ok().and_then(|message| message.read());
            let (device, octets) = read.unwrap_or((usize::MAX, Vec::new()));
            ledger.deliver(now, device, &octets, due);
        };
        tasks.spawn_fallible("bench subscriber", receive(framed, note));
        Ok(())
    }

    /// Reads uplinks at QoS 1 in a session that outlives connections, until the server is gone. `note` gets the device,
    /// the payload, and whether the message is marked as one that may have come before.
    pub(super) async fn follow(
        &self,
        tasks: &mut Tasks,
        note: impl Fn(usize, &[u8], bool) + Send + 'static,
    ) -> anyhow::Result<()> {
        let (mut framed, is_known) = self.open(false).await?;
        if !is_known {
            framed = Self::ask(framed, 1).await?;
        }
        let note = move |publish: &Publish| {
            let message: Result<Message<'_>, _> = serde_json::from_slice(&publish.payload);
            let read = message.ok().and_then(|message| message.read());
            let (device, octets) = read.unwrap_or((usize::MAX, Vec::new()));
            note(device, &octets, publish.dup);
        };
        tasks.spawn("bench follower", async move {
            // It ends with the server.
            receive(framed, note).await.ok();
        });
        Ok(())
    }

    /// Subscribes to uplinks and reads them.
    pub(super) async fn listen(&self, qos: u8, tasks: &mut Tasks) -> anyhow::Result<()> {
        let framed = self.subscribe(qos).await?;
        tasks.spawn_fallible("bench listener", receive(framed, |_: &Publish| {}));
        Ok(())
    }

    /// Connects to queue downlinks.
    pub(super) async fn publisher(&self) -> anyhow::Result<Publisher> {
        Ok(Publisher(self.connect().await?))
    }
}

impl Publisher {
    /// Queues a downlink for a device.
    pub(super) async fn push(&mut self, device: usize, payload: &[u8]) -> anyhow::Result<()> {
        let device = device_name(device);
        let topic = format!("v3/{APPLICATION}/devices/{device}/down/push");
        let downlink = json!({ "f_port": F_PORT, "frm_payload": BASE64.encode(payload) });
        let payload = json!({ "downlinks": [downlink] }).to_string().into_bytes();
        let publish = Publish {
            dup: false,
            retain: false,
            qos: QoS::AtMostOnce,
            topic: topic.into(),
            packet_id: None,
            payload: payload.into(),
            properties: None,
        };
        Ok(self.0.send(Packet::Publish(Box::new(publish))).await?)
    }
}

/// Reads messages until the server closes the connection, which it must not.
async fn receive(
    framed: Framed<TcpStream, Codec>,
    note: impl Fn(&Publish) + Send,
) -> Result<(), TaskError> {
    let (mut sink, stream) = framed.split();
    let mut chunks = stream.ready_chunks(PACKETS_MAX);
    while let Some(packets) = chunks.next().await {
        let mut acknowledges = false;
        for packet in packets {
            let (Packet::Publish(publish), _) = packet? else { continue };
            note(&publish);
            if let Some(packet_id) = publish.packet_id {
                sink.feed(Packet::PublishAck { packet_id }).await?;
                acknowledges = true;
            }
        }
        if acknowledges {
            SinkExt::<Packet>::flush(&mut sink).await?;
        }
    }
    Err("the server closed the connection of a subscriber".into())
}

/// What is looked at of an uplink message.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    end_device_ids: Ids<'a>,
    #[serde(borrow)]
    uplink_message: Option<Uplink<'a>>,
}

#[derive(Deserialize)]
struct Ids<'a> {
    #[serde(borrow)]
    device_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Uplink<'a> {
    #[serde(borrow)]
    frm_payload: Cow<'a, str>,
}

impl Message<'_> {
    fn read(&self) -> Option<(usize, Vec<u8>)> {
        let device = device_index(&self.end_device_ids.device_id)?;
        let payload = self.uplink_message.as_ref()?.frm_payload.as_bytes();
        Some((device, BASE64.decode(payload).ok()?))
    }
}

const READ_BUFFER: usize = 256 << 10;
