//! What the Network Server and the Application Server ask for.

use async_trait::async_trait;
use ttn_core::{
    eui::{DevEui, JoinEui},
    key::{KeyEnvelope, SessionKeyId},
    msg::{JoinAnswer, JoinRequest, SessionKeys},
    peer::{AsJs, NsJs, PeerError},
};

use crate::{device::Euis, server::JoinServer};

#[async_trait]
impl NsJs for JoinServer {
    async fn join(&self, request: JoinRequest) -> Result<JoinAnswer, PeerError> {
        self.handle_join(&request).await.map_err(|error| PeerError::rejected(&error))
    }

    async fn network_keys(
        &self,
        join_eui: JoinEui,
        dev_eui: DevEui,
        id: &SessionKeyId,
    ) -> Result<SessionKeys, PeerError> {
        let keys = self.session_keys(Euis { join_eui, dev_eui }, id).await;
        keys.map_err(|error| PeerError::rejected(&error))
    }
}

#[async_trait]
impl AsJs for JoinServer {
    async fn app_s_key(
        &self,
        join_eui: JoinEui,
        dev_eui: DevEui,
        id: &SessionKeyId,
    ) -> Result<KeyEnvelope, PeerError> {
        let key = self.session_app_s_key(Euis { join_eui, dev_eui }, id).await;
        key.map_err(|error| PeerError::rejected(&error))
    }
}
