//! NATS (AS-47): topics are subjects, their levels stand between dots. Delivery is as NATS core gives it: a message is
//! handed over when the server has it.

use async_nats::{Client, ConnectOptions, Event, client::PublishErrorKind};
use async_trait::async_trait;
use futures::{StreamExt as _, stream::SelectAll};
use tokio::sync::mpsc;
use ttn_core::net::Reach;

use super::{
    Incoming, Message, Provider, ProviderError, PubSub, PubSubProvider, Publisher, Session,
    Subscription, target::Target,
};

/// Connects to NATS servers: `nats://` and `tls://`, with `user:password@` or `token@`.
#[derive(Clone, Copy, Debug)]
pub struct NatsProvider {
    reach: Reach,
}

const SCHEMES: [(&str, u16); 2] = [("nats", 4222), ("tls", 4222)];
/// How many downlinks of a connection wait to be queued; NATS drops further ones.
const INCOMING_MAX: usize = 64;

impl NatsProvider {
    /// Connects as far as `reach` allows.
    #[must_use]
    pub const fn new(reach: Reach) -> Self {
        Self { reach }
    }
}

#[async_trait]
impl PubSubProvider for NatsProvider {
    async fn connect(
        &self,
        pubsub: &PubSub,
        subscriptions: Vec<Subscription>,
    ) -> Result<Session, ProviderError> {
        let Some(Provider::Nats(settings)) = &pubsub.provider else {
            return Err(refused("the settings are not those of NATS"));
        };
        let target = Target::parse(&settings.server_url, &SCHEMES)?;
        let (events, lost) = mpsc::channel(1);
        let client = self.dial(&target, events).await?;
        let mut streams = SelectAll::new();
        for Subscription { topic, operation } in subscriptions {
            let subscriber = client
                .subscribe(topic.clone())
                .await
                .map_err(|error| ProviderError::Subscribe { topic, reason: error.to_string() })?;
            let message = move |message: async_nats::Message| Incoming {
                operation,
                payload: message.payload,
            };
            streams.push(subscriber.map(message).boxed());
        }
        // The subscriptions hold from here on.
        client.flush().await.map_err(|error| refused(&error.to_string()))?;
        let (sender, incoming) = mpsc::channel(INCOMING_MAX);
        let driver = drive(client.clone(), streams, sender, lost);
        Ok(Session {
            driver: Box::pin(driver),
            publisher: Box::new(NatsPublisher(client)),
            incoming,
        })
    }
}

impl NatsProvider {
    async fn dial(
        &self,
        target: &Target,
        events: mpsc::Sender<String>,
    ) -> Result<Client, ProviderError> {
        let addresses = target.resolve(self.reach).await;
        let addresses = addresses.map_err(|error| refused(&error.to_string()))?;
        let named = if target.host.contains(':') {
            format!("[{}]", target.host)
        } else {
            target.host.clone()
        };
        // The checked address itself; a certificate is one of a name, and proves who answers.
        let addresses: Vec<_> = match target.scheme.as_str() {
            "tls" => vec![format!("tls://{named}:{}", target.port)],
            _ => addresses.into_iter().map(|address| format!("nats://{address}")).collect(),
        };
        let addresses = addresses.iter().map(|address| address.parse());
        let addresses: Vec<async_nats::ServerAddr> = addresses
            .collect::<Result<_, _>>()
            .map_err(|error: std::io::Error| refused(&error.to_string()))?;
        let mut options = ConnectOptions::new()
            .name("The Things Stack")
            .ignore_discovered_servers()
            .max_reconnects(1)
            .subscription_capacity(INCOMING_MAX)
            .event_callback(move |event| {
                let lost = events.clone();
                async move { tell(&event, &lost) }
            });
        options = match &target.user {
            Some((user, Some(password))) => {
                options.user_and_password(user.clone(), password.clone())
            }
            Some((token, None)) => options.token(token.clone()),
            None => options,
        };
        let connected = options.connect(addresses).await;
        connected.map_err(|error| refused(&error.to_string()))
    }
}

/// Tells that the connection is lost. The library would connect again, but not with our pauses and checks.
fn tell(event: &Event, lost: &mpsc::Sender<String>) {
    if matches!(event, Event::Disconnected | Event::Closed | Event::LameDuckMode) {
        // One is enough.
        let _ = lost.try_send(event.to_string());
    }
}

async fn drive(
    _client: Client,
    mut streams: SelectAll<futures::stream::BoxStream<'static, Incoming>>,
    sender: mpsc::Sender<Incoming>,
    mut lost: mpsc::Receiver<String>,
) -> ProviderError {
    loop {
        tokio::select! {
            biased;
            reason = lost.recv() => {
                return ProviderError::Lost { reason: reason.unwrap_or_default() };
            }
            Some(message) = streams.next() => {
                if sender.send(message).await.is_err() {
                    return ProviderError::Lost { reason: "nobody takes downlinks".to_owned() };
                }
            }
        }
    }
}

struct NatsPublisher(Client);

#[async_trait]
impl Publisher for NatsPublisher {
    async fn publish(
        &mut self,
        messages: Vec<Message>,
    ) -> Result<Vec<(Message, ProviderError)>, ProviderError> {
        let mut refused = Vec::new();
        for message in messages {
            let published = self.0.publish(message.topic.clone(), message.payload.clone()).await;
            let Err(error) = published else { continue };
            let reason = error.to_string();
            if error.kind() == PublishErrorKind::Send {
                return Err(ProviderError::Lost { reason });
            }
            let topic = message.topic.clone();
            refused.push((message, ProviderError::Publish { topic, reason }));
        }
        let flushed = self.0.flush().await;
        flushed.map_err(|error| ProviderError::Lost { reason: error.to_string() })?;
        Ok(refused)
    }
}

fn refused(reason: &str) -> ProviderError {
    ProviderError::Connect { reason: reason.to_owned() }
}
