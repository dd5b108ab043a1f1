//! The Join Server: joins, and session keys by their id.

use std::sync::Arc;

use ttn_core::{
    clock::Clock,
    error::{ApiError as _, ErrorBody},
    eui::JoinEui,
    event::{Event, EventDefinition, Events, RadioIds},
    id::{DeviceIds, DeviceKey, EntityId},
    key::{KeyEnvelope, SessionKeyId},
    msg::{CorrelationIds, JoinAnswer, JoinRequest, SessionKeys},
    peer::Peers,
    rand::Entropy,
    store::{StoreError, StoreErrorKind, Versioned},
    task::Tasks,
};

use crate::{
    builder::Builder,
    config::Config,
    count::JoinCounters,
    device::{Device, Euis},
    error::{Error, Reject},
    event,
    join::{self, ParsedRequest, RootKeyChoice},
    keys::KeyRing,
    store::{DeviceSelector, JoinStore, JoinWrite, NonceId, SessionKeySet},
};

/// A Join Server. Made by [`JoinServer::builder`]; used through [`NsJs`](ttn_core::peer::NsJs),
/// [`AsJs`](ttn_core::peer::AsJs) and the registry's methods.
#[derive(Debug)]
pub struct JoinServer {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) peers: Arc<dyn Peers>,
    pub(crate) store: Arc<dyn JoinStore>,
    pub(crate) keys: KeyRing,
    pub(crate) events: Events,
    pub(crate) joins: JoinCounters,
}

impl JoinServer {
    /// Begins to put a Join Server together.
    #[must_use]
    pub fn builder(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        peers: Arc<dyn Peers>,
    ) -> Builder {
        Builder::new(config, clock, entropy, peers)
    }

    /// Starts its tasks. The Join Server works on request and has none; the method is there because all components
    /// have it.
    pub fn start(self: &Arc<Self>, _tasks: &mut Tasks) {}

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The peers it was built with.
    #[must_use]
    pub fn peers(&self) -> &Arc<dyn Peers> {
        &self.peers
    }

    /// Checks a join-request, makes the accept, and answers when nonces and keys are durable.
    ///
    /// Of joins that run at the same time for one device, each is decided on what the others have stored, so that no
    /// nonce is used twice. May be dropped halfway: then the nonces are used, or not, and nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] says why the join is refused; others are failures of ours.
    pub async fn handle_join(&self, request: &JoinRequest) -> Result<JoinAnswer, Error> {
        let mut ids = None;
        let result = self.try_join(request, &mut ids).await;
        self.joins.count(&result);
        match &result {
            Ok(_) => self.publish(&event::JOIN_ACCEPT, ids, &request.correlation_ids, || {
                serde_json::Value::Null
            }),
            Err(error) => {
                self.publish(&event::JOIN_REJECT, ids, &request.correlation_ids, || {
                    error_data(error)
                });
            }
        }
        result
    }

    async fn try_join(
        &self,
        request: &JoinRequest,
        ids: &mut Option<DeviceIds>,
    ) -> Result<JoinAnswer, Error> {
        let parsed = ParsedRequest::parse(request, &self.config)?;
        let euis = parsed.euis();
        let device = self.require_device(euis).await?.value;
        *ids = Some(device.ids());
        let choice =
            RootKeyChoice::of(request.mac_version, request.dl_settings.opt_neg, &device.root_keys)?;
        let keys = self.keys.join_keys(choice, &device.root_keys)?;
        let settings = self.find_settings(&device.key.application_id).await?;
        let id = NonceId { euis, root_key: keys.tag() };
        let mut attempt = 1;
        loop {
            let nonces = self.store.nonces(&id, parsed.form.dev_nonce).await?;
            let now = self.clock.utc();
            let accept =
                join::decide(&device, &keys, &nonces, &parsed, request, now, &*self.entropy)?;
            let set = SessionKeySet {
                net_id: request.net_id,
                keys: self.keys.rest_session(&accept.session_key_id, &accept.keys)?,
            };
            let answer_keys =
                self.keys.hand_out(&device, settings.as_ref(), request.net_id, &set.keys)?;
            let write = JoinWrite {
                id,
                reads: nonces.revision,
                dev_nonce: parsed.form.dev_nonce,
                dev_nonce_rule: accept.dev_nonce_rule,
                join_nonce: accept.join_nonce,
                keys: set,
                session_keys_max: self.config.session_key_limit,
            };
            match self.store.join(write).await {
                Ok(_durable) => {
                    return Ok(JoinAnswer {
                        phy: accept.phy.into(),
                        keys: answer_keys,
                        lifetime: None,
                        correlation_ids: request.correlation_ids.clone(),
                        warnings: accept.warnings,
                    });
                }
                // Another join of the device was faster: decide again on what it left.
                Err(StoreError { kind: StoreErrorKind::Conflict, .. })
                    if attempt < JOIN_ATTEMPTS_MAX =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives a set of session keys as the Network Server may have it.
    ///
    /// # Errors
    ///
    /// The set or the device is not known, or a key encryption key is missing.
    pub async fn session_keys(&self, euis: Euis, id: &SessionKeyId) -> Result<SessionKeys, Error> {
        let (device, set) = self.session(euis, id).await?;
        let settings = self.find_settings(&device.key.application_id).await?;
        self.keys.hand_out(&device, settings.as_ref(), set.net_id, &set.keys)
    }

    /// Gives the AppSKey of a session as the Application Server may have it.
    ///
    /// # Errors
    ///
    /// As [`Self::session_keys`].
    pub async fn session_app_s_key(
        &self,
        euis: Euis,
        id: &SessionKeyId,
    ) -> Result<KeyEnvelope, Error> {
        let (device, set) = self.session(euis, id).await?;
        let envelope = set.keys.app_s_key.ok_or_else(|| not_found(euis, id))?;
        let settings = self.find_settings(&device.key.application_id).await?;
        self.keys.for_application(&device, settings.as_ref(), &self.keys.clear(&envelope)?)
    }

    /// Gives the AppSKey of a session in clear text, and whose it is: the caller has checked the rights.
    ///
    /// # Errors
    ///
    /// The set or the device is not known.
    pub async fn clear_app_s_key(
        &self,
        euis: Euis,
        id: &SessionKeyId,
    ) -> Result<(DeviceKey, KeyEnvelope), Error> {
        let (device, set) = self.session(euis, id).await?;
        let envelope = set.keys.app_s_key.ok_or_else(|| not_found(euis, id))?;
        Ok((device.key, KeyEnvelope::Clear(self.keys.clear(&envelope)?)))
    }

    async fn session(
        &self,
        euis: Euis,
        id: &SessionKeyId,
    ) -> Result<(Device, SessionKeySet), Error> {
        let device = self.require_device(euis).await?.value;
        match self.store.session_keys(euis, id).await {
            Ok(set) => Ok((device, set)),
            Err(error) if error.kind == StoreErrorKind::NotFound => Err(not_found(euis, id)),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn require_device(&self, euis: Euis) -> Result<Versioned<Device>, Error> {
        self.store.device(&DeviceSelector::Euis(euis)).await.map_err(|error| {
            if error.kind == StoreErrorKind::NotFound {
                Reject::DeviceNotFound { euis }.into()
            } else {
                error.into()
            }
        })
    }

    pub(crate) fn publish(
        &self,
        definition: &'static EventDefinition,
        device: Option<DeviceIds>,
        correlation_ids: &CorrelationIds,
        data: impl FnOnce() -> serde_json::Value,
    ) {
        if self.events.is_enabled() {
            self.events.publish(Event {
                definition,
                time: self.clock.utc(),
                radio_ids: device.as_ref().map(RadioIds::from).unwrap_or_default(),
                identifiers: device.map(|ids| EntityId::Device(ids.key)).into_iter().collect(),
                correlation_ids: correlation_ids.clone(),
                caller: None,
                data: data().into(),
            });
        }
    }

    /// How many joins were accepted, and how many refused by reason (JS-23).
    #[must_use]
    pub const fn join_counters(&self) -> &JoinCounters {
        &self.joins
    }

    /// Whether a JoinEUI is served (JS-02).
    #[must_use]
    pub fn serves(&self, join_eui: JoinEui) -> bool {
        self.config.serves(join_eui)
    }
}

fn not_found(euis: Euis, id: &SessionKeyId) -> Error {
    Error::SessionKeysNotFound { euis, id: id.to_string() }
}

/// What `js.join.reject` tells.
fn error_data(error: &Error) -> serde_json::Value {
    let body = ErrorBody::of(error);
    serde_json::json!({
        "@type": "type.googleapis.com/ttn.lorawan.v3.ErrorDetails",
        "namespace": body.namespace,
        "name": body.name,
        "message_format": body.message,
        "attributes": body.attributes,
        "code": error.kind().code(),
    })
}

/// How often a join is decided before the conflict is reported: more joins of one device at once than this are no
/// accident.
const JOIN_ATTEMPTS_MAX: u32 = 4;
