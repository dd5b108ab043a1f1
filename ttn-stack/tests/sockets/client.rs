//! A small MQTT client: acknowledges or not, as it is told, and sees DUP and session present.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use bytes::BytesMut;
use rmqtt_codec::{
    types::{Publish, QoS},
    v3::{Codec, Connect, ConnectAckReason, Packet, SubscribeReturnCode},
};
use serde_json::Value;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::{network::APPLICATION, server::SOON};

/// Octets both ways.
pub(crate) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    codec: Codec,
    buffer: BytesMut,
}

/// A socket whose reads end after a while.
pub(crate) fn dial(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

impl Client {
    /// Connects with a session that outlives the client; gives whether it was there before.
    pub(crate) fn connect(stream: Box<dyn Stream>, id: &str, api_key: &str) -> (Self, bool) {
        Self::connect_as(stream, id, APPLICATION, api_key)
    }

    /// The same as another user than the application.
    pub(crate) fn connect_as(
        stream: Box<dyn Stream>,
        id: &str,
        user: &str,
        api_key: &str,
    ) -> (Self, bool) {
        let (codec, buffer) = (Codec::new(0), BytesMut::new());
        let mut client = Self { stream, codec, buffer };
        client.send(Packet::from(Connect {
            clean_session: false,
            client_id: id.into(),
            username: Some(user.to_owned().into()),
            password: Some(api_key.to_owned().into()),
            ..Connect::default()
        }));
        match client.packet().unwrap() {
            Packet::ConnectAck(ack) => (client, ack.session_present),
            other => panic!("{other:?} is no CONNACK"),
        }
    }

    /// Whether a password is refused, by an answer or by a connection that ends.
    pub(crate) fn is_refused(stream: &TcpStream, password: &str) -> bool {
        Self::is_refused_as(stream, APPLICATION, password)
    }

    /// The same for another user.
    pub(crate) fn is_refused_as(stream: &TcpStream, user: &str, password: &str) -> bool {
        let stream = Box::new(stream.try_clone().unwrap());
        let mut client = Self { stream, codec: Codec::new(0), buffer: BytesMut::new() };
        client.send(Packet::from(Connect {
            clean_session: true,
            client_id: "refused".into(),
            username: Some(user.to_owned().into()),
            password: Some(password.to_owned().into()),
            ..Connect::default()
        }));
        match client.packet() {
            Ok(Packet::ConnectAck(ack)) => ack.return_code != ConnectAckReason::ConnectionAccepted,
            Ok(other) => panic!("{other:?} is no CONNACK"),
            Err(_) => true,
        }
    }

    /// Whether the server closes the connection, which it has to.
    pub(crate) fn closes(mut self) -> bool {
        self.packet().is_err_and(|error| {
            !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
        })
    }

    /// Subscribes at QoS 1.
    pub(crate) fn subscribe(&mut self, filter: &str) {
        let packet_id = 1.try_into().unwrap();
        let topic_filters = vec![(filter.into(), QoS::AtLeastOnce)];
        self.send(Packet::Subscribe { packet_id, topic_filters });
        let granted = vec![SubscribeReturnCode::Success(QoS::AtLeastOnce)];
        assert_eq!(self.packet().unwrap(), Packet::SubscribeAck { packet_id, status: granted });
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> (Publish, Value) {
        match self.packet().unwrap() {
            Packet::Publish(publish) => {
                let json = serde_json::from_slice(&publish.payload).unwrap();
                (*publish, json)
            }
            other => panic!("{other:?} is no PUBLISH"),
        }
    }

    pub(crate) fn acknowledge(&mut self, publish: &Publish) {
        let packet_id = publish.packet_id.expect("a message at QoS 1");
        self.send(Packet::PublishAck { packet_id });
    }

    fn send(&mut self, packet: Packet) {
        let mut octets = BytesMut::new();
        self.codec.encode(packet, &mut octets).unwrap();
        self.stream.write_all(&octets).unwrap();
        self.stream.flush().unwrap();
    }

    fn packet(&mut self) -> io::Result<Packet> {
        loop {
            if let Some((packet, _)) = self.codec.decode(&mut self.buffer).unwrap() {
                return Ok(packet);
            }
            let mut octets = [0; 4096];
            match self.stream.read(&mut octets)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => self.buffer.extend_from_slice(&octets[..length]),
            }
        }
    }
}

/// The octets in the binary messages of a WebSocket.
pub(crate) struct WebSocket<S> {
    socket: tokio_tungstenite::tungstenite::WebSocket<S>,
    rest: BytesMut,
}

impl<S: Read + Write> WebSocket<S> {
    /// Shakes hands on a stream; gives the status if it is refused.
    pub(crate) fn open(stream: S, path: &str, protocol: Option<&str>) -> Result<Self, u16> {
        use tokio_tungstenite::tungstenite::{
            HandshakeError, client::IntoClientRequest as _, error::Error,
        };
        let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
        if let Some(protocol) = protocol {
            let protocol = protocol.parse().unwrap();
            request.headers_mut().insert("sec-websocket-protocol", protocol);
        }
        match tokio_tungstenite::tungstenite::client(request, stream) {
            Ok((socket, answer)) => {
                assert_eq!(answer.headers()["sec-websocket-protocol"], "mqtt");
                Ok(Self { socket, rest: BytesMut::new() })
            }
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }
}

impl<S: Read + Write> Read for WebSocket<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let message = self.socket.read().map_err(io::Error::other)?;
            assert!(message.is_binary(), "{message:?}");
            self.rest.extend_from_slice(&message.into_data());
        }
        let length = self.rest.len().min(into.len());
        into[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

impl<S: Read + Write> Write for WebSocket<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let message = octets.to_vec().into();
        self.socket.send(message).map_err(io::Error::other)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush().map_err(io::Error::other)
    }
}

/// A TLS client that trusts a certificate in a file.
pub(crate) fn tls(stream: TcpStream, certificate: &Path) -> impl Stream + use<> {
    secure(stream, certificate, &[])
}

/// The protocol that a TLS client agrees on with the server, of those that it names.
pub(crate) fn agreed_protocol(
    stream: TcpStream,
    certificate: &Path,
    protocols: &[&[u8]],
) -> Option<Vec<u8>> {
    let mut stream = secure(stream, certificate, protocols);
    stream.flush().unwrap();
    stream.conn.alpn_protocol().map(<[u8]>::to_vec)
}

fn secure(
    stream: TcpStream,
    certificate: &Path,
    protocols: &[&[u8]],
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(config.into(), name).unwrap();
    // A timeout while reading would be an error of the socket, not an end of the stream.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    StreamOwned::new(connection, stream)
}
