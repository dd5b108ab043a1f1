//! `ttn.v1.Devices`: what the four registries have of a device, in one call (docs/adr/0030-devices-as-wholes.md).
//!
//! Each registry is asked as the caller would ask it, so that its rights, rules and errors hold. A call that fails takes
//! back what it has done. It is carried out to its end even if the caller goes away; what a crash or a failing store
//! leaves half done is found by `ttn-stack doctor`, replaced when the device is created again, and goes when it is
//! deleted.

mod parts;
mod queue;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use prost_types::{FieldMask, Timestamp};
use tonic::{Code, Extensions, Request, Response, Status, metadata::MetadataMap};
use ttn_core::clock::Clock;
use ttn_proto::{
    ApiMessage,
    service::{self, Incoming, Method},
    v3,
};

use parts::{Part, Registry};
pub(crate) use queue::{Queue, Worker};

/// The methods of `ttn.v1.Devices` over those of the registries.
pub(crate) fn methods(
    registries: impl IntoIterator<Item = Method>,
    clock: Arc<dyn Clock>,
    queue: Queue,
) -> Vec<Method> {
    let registries = registries.into_iter();
    let methods = registries.map(|method| ((method.rpc().service, method.rpc().name), method));
    let registries = Arc::new(Registries { methods: methods.collect(), clock });
    service::devices(Arc::new(Devices { registries, queue }))
}

struct Devices {
    registries: Arc<Registries>,
    queue: Queue,
}

/// The methods of the four registries.
struct Registries {
    methods: BTreeMap<(&'static str, &'static str), Method>,
    clock: Arc<dyn Clock>,
}

/// In whose name registries are asked.
struct Caller {
    metadata: MetadataMap,
    extensions: Extensions,
}

#[async_trait]
impl service::Devices for Devices {
    async fn create(
        &self,
        request: Request<v3::CreateEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let (caller, message) = Caller::of(request);
        let device = message.end_device.unwrap_or_default();
        let registries = self.registries.clone();
        self.queue.run(async move { registries.create(&caller, &device).await }).await
    }

    async fn get(
        &self,
        request: Request<v3::GetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let (caller, message) = Caller::of(request);
        let ids = message.end_device_ids.unwrap_or_default();
        let paths = message.field_mask.unwrap_or_default().paths;
        self.registries.get(&caller, &ids, &paths).await.map(Response::new)
    }

    async fn set(
        &self,
        request: Request<v3::SetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let (caller, message) = Caller::of(request);
        let device = message.end_device.unwrap_or_default();
        let paths = message.field_mask.unwrap_or_default().paths;
        let registries = self.registries.clone();
        self.queue.run(async move { registries.set(&caller, &device, &paths).await }).await
    }

    async fn delete(
        &self,
        request: Request<v3::EndDeviceIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let (caller, ids) = Caller::of(request);
        let registries = self.registries.clone();
        self.queue.run(async move { registries.delete_everywhere(&caller, &ids).await }).await
    }
}

impl Caller {
    fn of<T>(request: Request<T>) -> (Self, T) {
        let (metadata, extensions, message) = request.into_parts();
        (Self { metadata, extensions }, message)
    }
}

impl Registries {
    /// Creates a device in all registries or in none. The Identity Server decides whether it is new; what others still
    /// have under its name is a half of an earlier one.
    async fn create(
        &self,
        caller: &Caller,
        device: &v3::EndDevice,
    ) -> Result<v3::EndDevice, Status> {
        let ids = device.ids.clone().unwrap_or_default();
        let mut whole = v3::EndDevice::default();
        let mut made = Vec::new();
        for part in parts::of_new(device)? {
            let registry = part.registry;
            let answer = match self.create_part(caller, &ids, part).await {
                Ok(answer) => answer,
                Err(error) => {
                    // The one that refused may have written before it failed.
                    if registry != Registry::Identity {
                        made.push(registry);
                    }
                    self.take_back(caller, &ids, &made).await;
                    return Err(error);
                }
            };
            parts::merge(&mut whole, &answer);
            made.push(registry);
        }
        Ok(whole)
    }

    async fn create_part(
        &self,
        caller: &Caller,
        ids: &v3::EndDeviceIdentifiers,
        part: Part,
    ) -> Result<v3::EndDevice, Status> {
        if part.registry == Registry::Identity {
            let request = v3::CreateEndDeviceRequest { end_device: Some(part.device) };
            return self.call(caller, part.registry, "Create", request).await;
        }
        self.delete(caller, part.registry, ids).await?;
        self.write(caller, part).await
    }

    /// Deletes from registries, the last first. Errors are for the operator: the caller gets the one that led here.
    async fn take_back(&self, caller: &Caller, ids: &v3::EndDeviceIdentifiers, made: &[Registry]) {
        for registry in made.iter().rev() {
            if let Err(error) = self.delete(caller, *registry, ids).await {
                let (service, device) = (registry.service(), &ids.device_id);
                tracing::error!(service, device, %error, "a device that could not be created whole is left over");
            }
        }
    }

    async fn get(
        &self,
        caller: &Caller,
        ids: &v3::EndDeviceIdentifiers,
        paths: &[String],
    ) -> Result<v3::EndDevice, Status> {
        let mut whole = v3::EndDevice::default();
        for registry in Registry::ALL {
            let paths = parts::of_reading(registry, paths);
            if paths.is_empty() && registry != Registry::Identity {
                continue;
            }
            match self.read(caller, registry, ids, paths).await? {
                Some(part) => parts::merge(&mut whole, &part),
                None if registry == Registry::Identity => {
                    // Its own words.
                    return self.call(caller, registry, "Get", get(ids, Vec::new())).await;
                }
                None => {}
            }
        }
        Ok(whole)
    }

    /// Changes a device in all registries that a path concerns; without paths what is set is changed. If one registry
    /// refuses, the others get back what they had.
    async fn set(
        &self,
        caller: &Caller,
        device: &v3::EndDevice,
        paths: &[String],
    ) -> Result<v3::EndDevice, Status> {
        let ids = device.ids.clone().unwrap_or_default();
        let identity = get(&ids, Vec::new());
        let mut whole: v3::EndDevice =
            self.call(caller, Registry::Identity, "Get", identity).await?;
        let parts = match paths {
            [] => parts::of_change(device, &parts::given(device))?,
            paths => parts::of_change(device, paths)?,
        };
        let last = parts.len().saturating_sub(1);
        let mut before = Vec::new();
        for (index, part) in parts.into_iter().enumerate() {
            if index < last {
                before.push(self.before(caller, &ids, &part).await?);
            }
            match self.write(caller, part).await {
                Ok(answer) => parts::merge(&mut whole, &answer),
                Err(error) => {
                    before.truncate(index);
                    self.put_back(caller, &ids, before).await;
                    return Err(error);
                }
            }
        }
        Ok(whole)
    }

    /// What a registry has now where a part changes it. Keys that the caller may not read stay as they will be.
    async fn before(
        &self,
        caller: &Caller,
        ids: &v3::EndDeviceIdentifiers,
        part: &Part,
    ) -> Result<(Registry, Option<Part>), Status> {
        let registry = part.registry;
        let mut paths = parts::readable(registry, &part.paths);
        let mut found = self.read(caller, registry, ids, paths.clone()).await;
        if found.as_ref().is_err_and(|error| error.code() == Code::PermissionDenied) {
            paths = parts::without_keys(&paths);
            found = self.read(caller, registry, ids, paths.clone()).await;
        }
        let ids = Some(ids.clone());
        let part =
            found?.map(|device| Part { registry, device: v3::EndDevice { ids, ..device }, paths });
        Ok((registry, part))
    }

    async fn put_back(
        &self,
        caller: &Caller,
        ids: &v3::EndDeviceIdentifiers,
        before: Vec<(Registry, Option<Part>)>,
    ) {
        for (registry, part) in before.into_iter().rev() {
            let done = match part {
                Some(part) if part.paths.is_empty() => Ok(()),
                Some(part) => self.write(caller, part).await.map(drop),
                None => self.delete(caller, registry, ids).await.map(drop),
            };
            if let Err(error) = done {
                let (service, device) = (registry.service(), &ids.device_id);
                tracing::error!(service, device, %error, "a change that failed elsewhere could not be taken back");
            }
        }
    }

    /// Deletes a device wherever it is, from the Identity Server last: until then it can be found and deleted again.
    async fn delete_everywhere(
        &self,
        caller: &Caller,
        ids: &v3::EndDeviceIdentifiers,
    ) -> Result<(), Status> {
        let mut was_there = false;
        for registry in Registry::ALL.into_iter().rev() {
            match self.delete(caller, registry, ids).await {
                Ok(is_deleted) => was_there |= is_deleted,
                Err(error) => return Err(error),
            }
        }
        if was_there {
            return Ok(());
        }
        // The words of the Identity Server.
        self.call(caller, Registry::Identity, "Delete", ids.clone()).await
    }

    /// Deletes a device from one registry; false if it was not there.
    async fn delete(
        &self,
        caller: &Caller,
        registry: Registry,
        ids: &v3::EndDeviceIdentifiers,
    ) -> Result<bool, Status> {
        match self.call::<_, ()>(caller, registry, "Delete", ids.clone()).await {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Code::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn read(
        &self,
        caller: &Caller,
        registry: Registry,
        ids: &v3::EndDeviceIdentifiers,
        paths: Vec<String>,
    ) -> Result<Option<v3::EndDevice>, Status> {
        match self.call(caller, registry, "Get", get(ids, paths)).await {
            Ok(device) => Ok(Some(device)),
            Err(error) if error.code() == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, caller: &Caller, part: Part) -> Result<v3::EndDevice, Status> {
        let Part { registry, device, paths } = part;
        let (end_device, field_mask) = (Some(device), Some(FieldMask { paths }));
        if registry == Registry::Identity {
            let request = v3::UpdateEndDeviceRequest { end_device, field_mask };
            return self.call(caller, registry, registry.set(), request).await;
        }
        let request = v3::SetEndDeviceRequest { end_device, field_mask };
        self.call(caller, registry, registry.set(), request).await
    }

    /// Calls a method of a registry in the name of the caller.
    async fn call<Q: ApiMessage, A: ApiMessage>(
        &self,
        caller: &Caller,
        registry: Registry,
        name: &'static str,
        message: Q,
    ) -> Result<A, Status> {
        let (service, defect) = (registry.service(), "the answer has another type");
        let method = self.methods.get(&(service, name));
        let method = method
            .ok_or_else(|| Status::unimplemented(format!("{service}.{name} is not served here")))?;
        let message = Incoming::Proto(message.encode_to_vec());
        let request =
            Request::from_parts(caller.metadata.clone(), caller.extensions.clone(), message);
        let answer = method.unary(request, self.now()).await?.into_inner().into_any();
        answer.downcast::<A>().map(|answer| *answer).map_err(|_| Status::internal(defect))
    }

    fn now(&self) -> Timestamp {
        let nanos = self.clock.utc().unix_nanos();
        let within = i32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default();
        Timestamp { seconds: nanos.div_euclid(1_000_000_000), nanos: within }
    }
}

fn get(ids: &v3::EndDeviceIdentifiers, paths: Vec<String>) -> v3::GetEndDeviceRequest {
    v3::GetEndDeviceRequest {
        end_device_ids: Some(ids.clone()),
        field_mask: Some(FieldMask { paths }),
    }
}
