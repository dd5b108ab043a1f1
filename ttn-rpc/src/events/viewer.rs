//! Who looks at events, and what he may see.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::Status;
use tonic::metadata::MetadataMap;
use ttn_core::auth::{AccessDenied, Caller, Credentials, Principal, Right, Rights};
use ttn_core::event::Event;
use ttn_core::id::EntityId;
use ttn_core::peer::{PeerError, Peers};

/// A caller with the rights that he had when they were asked for.
pub(super) struct Viewer {
    peers: Arc<dyn Peers>,
    credentials: Credentials,
    principal: Principal,
    rights: BTreeMap<EntityId, Rights>,
}

impl Viewer {
    /// Finds out who calls. He needs any right on each of the entities.
    pub(super) async fn of_entities(
        peers: Arc<dyn Peers>,
        metadata: &MetadataMap,
        entities: &[EntityId],
    ) -> Result<Self, Status> {
        let credentials = crate::auth::credentials(metadata);
        let credentials = credentials.map_err(|body| crate::status::from_body(&body))?;
        let rights = entities.iter().map(|entity| (entity.clone(), Rights::NONE)).collect();
        let principal = Principal::anonymous();
        let mut viewer = Self { peers, credentials, principal, rights };
        viewer.refresh().await?;
        Ok(viewer)
    }

    /// Asks for all rights again. Fails if the caller has none any more on one of the entities.
    pub(super) async fn refresh(&mut self) -> Result<(), Status> {
        let access = self.peers.access().map_err(|error| peer(&error))?;
        let principal = access.principal(&self.credentials).await;
        self.principal = principal.map_err(|error| peer(&error))?;
        if self.principal.caller == Caller::Anonymous {
            return Err(crate::status::from_error(AccessDenied::Unauthenticated));
        }
        for (entity, rights) in &mut self.rights {
            *rights =
                access.rights_of(&self.principal, entity).await.map_err(|error| peer(&error))?;
            if rights.is_empty() {
                let denied = AccessDenied::NoRights { entity: entity.clone() };
                return Err(crate::status::from_error(denied));
            }
        }
        Ok(())
    }

    /// Asks for the rights on further entities; he may have none there.
    pub(super) async fn learn(&mut self, entities: &[EntityId]) -> Result<(), Status> {
        let access = self.peers.access().map_err(|error| peer(&error))?;
        for entity in entities {
            if !self.rights.contains_key(entity) {
                let rights = access.rights_of(&self.principal, entity).await;
                self.rights.insert(entity.clone(), rights.map_err(|error| peer(&error))?);
            }
        }
        Ok(())
    }

    /// Whether he holds one of the event's rights on one of its entities.
    pub(super) fn sees(&self, event: &Event) -> bool {
        let visibility = event.definition.visibility;
        let any = |rights: Rights| visibility.iter().any(|right: &Right| rights.contains(*right));
        visibility.is_empty()
            || any(self.principal.universal)
            || event.identifiers.iter().any(|entity| any(self.rights_on(entity)))
    }

    /// A device has the rights of its application.
    fn rights_on(&self, entity: &EntityId) -> Rights {
        let own = self.rights.get(entity).copied().unwrap_or(Rights::NONE);
        let EntityId::Device(device) = entity else { return own };
        let application = EntityId::Application(device.application_id.clone());
        own.union(self.rights.get(&application).copied().unwrap_or(Rights::NONE))
    }
}

fn peer(error: &PeerError) -> Status {
    crate::status::from_body(&error.to_body())
}
