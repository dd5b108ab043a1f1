//! The API services of the Join Server: who may call, and what is asked of the component.

use std::sync::Arc;

use async_trait::async_trait;
use tonic::{Request, Response, Status};
use ttn_core::{
    auth::{AccessDenied, Caller, Principal, Right},
    error::{ErrorBody, ErrorKind},
    eui::{DevEui, JoinEui},
    id::{ApplicationId, DeviceIds, DeviceKey, EntityId},
    key::SessionKeyId,
    peer::{PeerError, require_rights},
    store::Replaces,
};
use ttn_proto::{
    convert, mask,
    service::{self, Method},
    v3,
};

use crate::{
    convert as records,
    device::{Device, Euis},
    error::{Error, Reject},
    registry::NoncesView,
    server::JoinServer,
    store::DeviceSelector,
};

mod activation;
mod join;

/// The services of a Join Server: `JsEndDeviceRegistry`, `ApplicationActivationSettingRegistry`, `Js`, `AppJs`, and for
/// the cluster `AsJs` and `NsJs`.
#[must_use]
pub fn methods(server: &Arc<JoinServer>) -> Vec<Method> {
    let api = Arc::new(Api::new(server.clone()));
    let mut methods = service::js_end_device_registry(api.clone());
    methods.extend(service::application_activation_setting_registry(api.clone()));
    methods.extend(service::js(api.clone()));
    methods.extend(service::app_js(api.clone()));
    methods.extend(service::as_js(api.clone()));
    methods.extend(service::ns_js(api));
    methods
}

/// All services of a Join Server.
#[derive(Clone, Debug)]
pub struct Api(Arc<JoinServer>);

#[async_trait]
impl service::JsEndDeviceRegistry for Api {
    async fn get(
        &self,
        request: Request<v3::GetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let paths = request.field_mask.unwrap_or_default().paths;
        let key = ids(request.end_device_ids.as_ref())?.key;
        let mut needs = vec![Right::ApplicationDevicesRead];
        if mask::touches(&paths, "root_keys") {
            needs.push(Right::ApplicationDevicesReadKeys);
        }
        self.require(&caller, &key, &needs).await?;
        let device = self.0.device(&DeviceSelector::Key(key)).await.map_err(status)?;
        self.answer(&device.value, &paths).await
    }

    async fn set(
        &self,
        request: Request<v3::SetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let paths = request.field_mask.unwrap_or_default().paths;
        let message = request.end_device.unwrap_or_default();
        let ids = ids(message.ids.as_ref())?;
        let mut needs = vec![Right::ApplicationDevicesWrite];
        if mask::touches(&paths, "root_keys") {
            needs.push(Right::ApplicationDevicesWriteKeys);
        }
        self.require(&caller, &ids.key, &needs).await?;
        refuse_unbuilt(&message, &paths)?;
        let nonces = records::nonces_import(&message, &paths).map_err(|e| field_value(&e))?;
        let (mut device, replaces) = self.stored_or_new(&ids).await?;
        records::apply(&mut device, &message, &paths).map_err(|e| field_value(&e))?;
        self.0.set_device(&device, replaces).await.map_err(status)?;
        let stored = self.0.device(&DeviceSelector::Key(ids.key)).await.map_err(status)?.value;
        if let Some(nonces) = nonces {
            self.0.import_nonces(&stored, &nonces).await.map_err(status)?;
        }
        self.answer(&stored, &paths).await
    }

    async fn delete(
        &self,
        request: Request<v3::EndDeviceIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let key = ids(Some(request.get_ref()))?.key;
        self.require(&caller, &key, &[Right::ApplicationDevicesWrite]).await?;
        self.0.delete_device(&key, Replaces::Any).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

#[async_trait]
impl service::Js for Api {
    async fn get_join_eui_prefixes(
        &self,
        _request: Request<()>,
    ) -> Result<Response<v3::JoinEuiPrefixes>, Status> {
        let prefixes = self.0.config().join_eui_prefixes.iter().map(|prefix| {
            let (join_eui, length) = prefix.0.parts();
            let join_eui = join_eui.to_be_bytes().to_vec();
            v3::JoinEuiPrefix { join_eui, length: u32::from(length) }
        });
        Ok(Response::new(v3::JoinEuiPrefixes { prefixes: prefixes.collect() }))
    }

    async fn get_default_join_eui(
        &self,
        _request: Request<()>,
    ) -> Result<Response<v3::GetDefaultJoinEuiResponse>, Status> {
        let join_eui = self.0.config().default_join_eui.to_be_bytes().to_vec();
        Ok(Response::new(v3::GetDefaultJoinEuiResponse { join_eui }))
    }
}

#[async_trait]
impl service::AppJs for Api {
    async fn get_app_s_key(
        &self,
        request: Request<v3::SessionKeyRequest>,
    ) -> Result<Response<v3::AppSKeyResponse>, Status> {
        let caller = self.caller(&request).await?;
        // Whoever is nobody does not learn which devices there are.
        if caller.caller == Caller::Anonymous {
            return Err(peer(&PeerError::rejected(&AccessDenied::Unauthenticated)));
        }
        let (euis, id) = session(request.get_ref())?;
        // Whose device it is decides on the right, so it is looked up first; without the right nothing of it is told.
        let device = self.0.device(&DeviceSelector::Euis(euis)).await.map_err(status)?;
        let needs = [Right::ApplicationDevicesReadKeys];
        self.require(&caller, &device.value.key, &needs).await?;
        let (_, key) = self.0.clear_app_s_key(euis, &id).await.map_err(status)?;
        Ok(Response::new(v3::AppSKeyResponse { app_s_key: Some((&key).into()) }))
    }
}

#[async_trait]
impl service::AsJs for Api {
    async fn get_app_s_key(
        &self,
        request: Request<v3::SessionKeyRequest>,
    ) -> Result<Response<v3::AppSKeyResponse>, Status> {
        self.require_cluster(&request).await?;
        let (euis, id) = session(request.get_ref())?;
        let key = self.0.session_app_s_key(euis, &id).await.map_err(status)?;
        Ok(Response::new(v3::AppSKeyResponse { app_s_key: Some((&key).into()) }))
    }
}

impl Api {
    /// Serves a Join Server. It finds out about callers through the peers of that.
    #[must_use]
    pub const fn new(server: Arc<JoinServer>) -> Self {
        Self(server)
    }

    async fn caller<T: Sync>(&self, request: &Request<T>) -> Result<Principal, Status> {
        let credentials = ttn_rpc::auth::credentials(request.metadata());
        let credentials = credentials.map_err(|body| ttn_rpc::status::from_body(&body))?;
        let access = self.0.peers().access().map_err(|error| peer(&error))?;
        access.principal(&credentials).await.map_err(|error| peer(&error))
    }

    async fn require(
        &self,
        caller: &Principal,
        device: &DeviceKey,
        needs: &[Right],
    ) -> Result<(), Status> {
        self.require_of(caller, &device.application_id, needs).await
    }

    async fn require_of(
        &self,
        caller: &Principal,
        application: &ApplicationId,
        needs: &[Right],
    ) -> Result<(), Status> {
        let access = self.0.peers().access().map_err(|error| peer(&error))?;
        let entity = EntityId::Application(application.clone());
        require_rights(&*access, caller, &entity, needs).await.map_err(|error| peer(&error))
    }

    async fn require_cluster<T: Sync>(&self, request: &Request<T>) -> Result<(), Status> {
        if self.caller(request).await?.caller == Caller::Cluster {
            return Ok(());
        }
        let message =
            "this call is for servers of the same cluster: send `Authorization: ClusterKey <key>`";
        let body =
            ErrorBody::new(NAMESPACE, "unauthenticated", ErrorKind::Unauthenticated, message);
        Err(ttn_rpc::status::from_body(&body))
    }

    async fn stored_or_new(&self, ids: &DeviceIds) -> Result<(Device, Replaces), Status> {
        match self.0.device(&DeviceSelector::Key(ids.key.clone())).await {
            Ok(stored) => {
                let mut device = stored.value;
                // Others are refused when the device is set.
                device.euis.join_eui = ids.join_eui.unwrap_or(device.euis.join_eui);
                device.euis.dev_eui = ids.dev_eui.unwrap_or(device.euis.dev_eui);
                Ok((device, Replaces::Revision(stored.revision)))
            }
            Err(error) if ttn_core::error::ApiError::kind(&error) == ErrorKind::NotFound => {
                let (Some(join_eui), Some(dev_eui)) = (ids.join_eui, ids.dev_eui) else {
                    return Err(match ids.join_eui {
                        None => {
                            invalid("no_join_eui", "a device of the Join Server needs ids.join_eui")
                        }
                        Some(_) => status(Error::Rejected(Reject::NoDevEui)),
                    });
                };
                Ok((Device::new(ids.key.clone(), Euis { join_eui, dev_eui }), Replaces::Nothing))
            }
            Err(error) => Err(status(error)),
        }
    }

    /// What was selected, and always ids and times.
    async fn answer(
        &self,
        device: &Device,
        paths: &[String],
    ) -> Result<Response<v3::EndDevice>, Status> {
        let root_keys = if mask::touches(paths, "root_keys") {
            self.0.clear_root_keys(device).map_err(status)?
        } else {
            crate::device::RootKeys::default()
        };
        let nonces = ["last_join_nonce", "last_dev_nonce", "used_dev_nonces"];
        let nonces = if nonces.into_iter().any(|path| mask::selects(paths, path)) {
            self.0.nonces(device).await.map_err(status)?
        } else {
            NoncesView::default()
        };
        let message = records::end_device(device, &root_keys, &nonces);
        let always = ["ids", "created_at", "updated_at"];
        let paths = paths.iter().map(String::as_str).chain(always);
        let answer = mask::filter(&message, paths);
        answer.map(Response::new).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}

/// Fields that are not built are refused by name when somebody sets them.
fn refuse_unbuilt(message: &v3::EndDevice, paths: &[String]) -> Result<(), Status> {
    const UNBUILT: [&str; 5] = [
        "claim_authentication_code",
        "last_rj_count_0",
        "last_rj_count_1",
        "provisioner_id",
        "provisioning_data",
    ];
    let refused =
        UNBUILT.into_iter().find(|path| mask::touches(paths, path) && mask::is_set(message, path));
    refused.map_or(Ok(()), |path| {
        Err(Status::unimplemented(format!("the Join Server does not keep {path} yet")))
    })
}

fn session(request: &v3::SessionKeyRequest) -> Result<(Euis, SessionKeyId), Status> {
    let dev_eui = request.dev_eui.as_slice().try_into();
    let dev_eui = dev_eui.map_err(|_| status(Error::Rejected(Reject::NoDevEui)))?;
    let join_eui = request.join_eui.as_slice().try_into();
    let join_eui = join_eui.map_err(|_| invalid("no_join_eui", "join_eui has not 8 octets"))?;
    let id = convert::to_session_key_id(&request.session_key_id);
    let id = id.map_err(|error| invalid("field_value", &error.to_string()))?;
    let euis = Euis {
        join_eui: JoinEui::from_be_bytes(join_eui),
        dev_eui: DevEui::from_be_bytes(dev_eui),
    };
    Ok((euis, id))
}

fn ids(ids: Option<&v3::EndDeviceIdentifiers>) -> Result<DeviceIds, Status> {
    let none = v3::EndDeviceIdentifiers::default();
    let ids = DeviceIds::try_from(ids.unwrap_or(&none));
    ids.map_err(|error| invalid("field_value", &error.to_string()))
}

fn field_value(error: &records::FieldError) -> Status {
    let body =
        ErrorBody::new(NAMESPACE, "field_value", ErrorKind::InvalidArgument, error.to_string());
    ttn_rpc::status::from_body(&body.with("field", error.field))
}

fn invalid(name: &'static str, message: &str) -> Status {
    let body = ErrorBody::new(NAMESPACE, name, ErrorKind::InvalidArgument, message);
    ttn_rpc::status::from_body(&body)
}

fn status(error: Error) -> Status {
    ttn_rpc::status::from_error(error)
}

fn peer(error: &PeerError) -> Status {
    ttn_rpc::status::from_body(&error.to_body())
}

const NAMESPACE: &str = "pkg/joinserver";
