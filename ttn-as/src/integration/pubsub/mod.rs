//! Pub/sub: messages of an application go to a broker of its own, and downlinks come from there (AS-47 to AS-52).
//!
//! Each integration is a task that reads the log from a place of its own, which is kept: what comes while the broker is
//! away is published when it is back, as far as the log reaches. Messages of a device keep their order. After a crash
//! the last messages may be published again; their JSON has `repeated` then, where the API knows it.
//!
//! Brokers are reached through [`PubSubProvider`]s, which the composition gives to the server
//! ([`crate::Builder::pubsub_provider`]).

mod downlinks;
mod error;
mod event;
#[cfg(feature = "mqtt-client")]
pub mod mqtt;
#[cfg(feature = "nats")]
pub mod nats;
mod provider;
mod record;
mod run;
#[cfg(any(feature = "mqtt-client", feature = "nats"))]
mod target;
mod topic;

pub use error::PubSubError;
pub use provider::{
    Incoming, Message, ProviderError, ProviderKind, PubSubProvider, Publisher, Session,
    Subscription,
};
pub use record::{Format, MqttSettings, NatsSettings, Provider, PubSub};
pub use topic::MessageKind;

use std::collections::BTreeMap;
use std::sync::Arc;

use ttn_core::{
    id::ApplicationId,
    store::{Replaces, Versioned},
};

use crate::{
    ApplicationServer,
    config::ProviderStatus,
    store::{IntegrationKey, IntegrationKind},
};

/// The providers that a server has.
pub(crate) type Providers = BTreeMap<ProviderKind, Arc<dyn PubSubProvider>>;

/// How many pub/subs an application may have.
pub const PUBSUBS_MAX: usize = 100;

impl ApplicationServer {
    /// A pub/sub of an application.
    ///
    /// # Errors
    ///
    /// It does not exist, or what is stored cannot be read.
    pub fn pubsub(
        &self,
        application: &ApplicationId,
        id: &str,
    ) -> Result<Versioned<PubSub>, PubSubError> {
        let stored = self.integration(&key(application, id)).ok_or(PubSubError::NotFound)?;
        let value = PubSub::decode(&stored.value)?;
        Ok(Versioned { revision: stored.revision, value })
    }

    /// The pub/subs of an application, in the order of their ids. What cannot be read is left out.
    #[must_use]
    pub fn pubsubs(&self, application: &ApplicationId) -> Vec<(String, PubSub)> {
        let all = self.integrations(IntegrationKind::PubSub, Some(application)).into_iter();
        all.filter_map(|(key, stored)| Some((key.id, PubSub::decode(&stored.value).ok()?)))
            .collect()
    }

    /// Creates or changes a pub/sub. Its task is started anew.
    ///
    /// # Errors
    ///
    /// The provider is disabled or not built in, the application has too many, another revision is stored, or the
    /// store failed.
    pub async fn set_pubsub(
        &self,
        application: &ApplicationId,
        id: &str,
        pubsub: &PubSub,
        replaces: Replaces,
    ) -> Result<(), PubSubError> {
        self.check_provider(pubsub.kind()?)?;
        let key = key(application, id);
        if self.integration(&key).is_none() && self.pubsubs(application).len() >= PUBSUBS_MAX {
            return Err(PubSubError::TooMany { max: PUBSUBS_MAX });
        }
        self.set_integration(key, pubsub.encode().into(), replaces).await?;
        event::report(self, &event::SET, application, id, None);
        Ok(())
    }

    /// Deletes a pub/sub and its place in the log.
    ///
    /// # Errors
    ///
    /// It does not exist, or the store failed.
    pub async fn delete_pubsub(
        &self,
        application: &ApplicationId,
        id: &str,
    ) -> Result<(), PubSubError> {
        let key = key(application, id);
        if self.integration(&key).is_none() {
            return Err(PubSubError::NotFound);
        }
        self.delete_integration(&key, Replaces::Any).await?;
        event::report(self, &event::DELETE, application, id, None);
        Ok(())
    }

    /// Checks that a provider may be used (AS-52); `true` if it is discouraged.
    pub(crate) fn check_provider(&self, kind: ProviderKind) -> Result<bool, PubSubError> {
        let provider = kind.name();
        if !self.pubsub_providers.contains_key(&kind) {
            return Err(PubSubError::ProviderNotImplemented { provider });
        }
        match kind.status(&self.config.pubsub) {
            ProviderStatus::Disabled => Err(PubSubError::ProviderDisabled { provider }),
            ProviderStatus::Enabled => Ok(false),
            ProviderStatus::Warning => Ok(true),
        }
    }
}

fn key(application: &ApplicationId, id: &str) -> IntegrationKey {
    IntegrationKey::new(IntegrationKind::PubSub, application.clone(), id)
}

pub(crate) use run::serve;
