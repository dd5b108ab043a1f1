//! `ApplicationPackageRegistry` (AS-53).

use async_trait::async_trait;
use tonic::{Request, Response, Status};
use ttn_core::{auth::Right, error::ErrorBody, store::Replaces};
use ttn_proto::{convert, json, mask, service, v3};

use super::{Api, answer, application, device, invalid};
use crate::integration::packages::{Association, Data, PACKAGES, PackageError, Place};

const LIST: &[Right] = &[Right::ApplicationDevicesRead];
const SETTINGS: &[Right] = &[Right::ApplicationSettingsPackages];

#[async_trait]
impl service::ApplicationPackageRegistry for Api {
    async fn list(
        &self,
        request: Request<v3::EndDeviceIdentifiers>,
    ) -> Result<Response<v3::ApplicationPackages>, Status> {
        let key = device(Some(request.get_ref()))?.key;
        self.authorize(&request, &key.application_id, LIST).await?;
        let packages = PACKAGES.map(|(name, port)| v3::ApplicationPackage {
            name: name.to_owned(),
            default_f_port: port.into(),
        });
        Ok(Response::new(v3::ApplicationPackages { packages: packages.to_vec() }))
    }

    async fn get_association(
        &self,
        request: Request<v3::GetApplicationPackageAssociationRequest>,
    ) -> Result<Response<v3::ApplicationPackageAssociation>, Status> {
        let ids = request.get_ref().ids.clone().unwrap_or_default();
        let place = of_device(&ids)?;
        self.authorize_place(&request, &place).await?;
        let stored = self.0.association(&place).map_err(|error| status(&error))?;
        let paths = request.into_inner().field_mask.unwrap_or_default().paths;
        answer(&device_to_api(ids, stored.value), &with_ids(paths))
    }

    async fn list_associations(
        &self,
        request: Request<v3::ListApplicationPackageAssociationRequest>,
    ) -> Result<Response<v3::ApplicationPackageAssociations>, Status> {
        let ids = request.get_ref().ids.clone().unwrap_or_default();
        let key = device(Some(&ids))?.key;
        self.authorize(&request, &key.application_id, SETTINGS).await?;
        let request = request.into_inner();
        let paths = with_ids(request.field_mask.unwrap_or_default().paths);
        let (page, total) = page(self.0.associations(&key), request.limit, request.page);
        let associations = page.into_iter().map(|(port, association)| {
            let ids = v3::ApplicationPackageAssociationIdentifiers {
                end_device_ids: Some(ids.clone()),
                f_port: port.into(),
            };
            answer(&device_to_api(ids, association), &paths).map(Response::into_inner)
        });
        let associations = associations.collect::<Result<_, _>>()?;
        Ok(counted(v3::ApplicationPackageAssociations { associations }, total))
    }

    async fn set_association(
        &self,
        request: Request<v3::SetApplicationPackageAssociationRequest>,
    ) -> Result<Response<v3::ApplicationPackageAssociation>, Status> {
        let message = request.get_ref().association.clone().unwrap_or_default();
        let ids = message.ids.clone().unwrap_or_default();
        let place = of_device(&ids)?;
        self.authorize_place(&request, &place).await?;
        let paths = request.into_inner().field_mask.unwrap_or_default().paths;
        let (known, replaces) = self.known(&place)?;
        let mut merged = device_to_api(ids.clone(), known.clone());
        mask::apply(&mut merged, &message, &paths).map_err(|error| invalid(&error.to_string()))?;
        let changed = self.changed(known, merged.package_name, merged.data);
        let set = self.0.set_association(&place, &changed, replaces).await;
        set.map_err(|error| status(&error))?;
        answer(&device_to_api(ids, changed), &with_ids(paths))
    }

    async fn delete_association(
        &self,
        request: Request<v3::ApplicationPackageAssociationIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let place = of_device(request.get_ref())?;
        self.authorize_place(&request, &place).await?;
        self.0.delete_association(&place).await.map_err(|error| status(&error))?;
        Ok(Response::new(()))
    }

    async fn get_default_association(
        &self,
        request: Request<v3::GetApplicationPackageDefaultAssociationRequest>,
    ) -> Result<Response<v3::ApplicationPackageDefaultAssociation>, Status> {
        let ids = request.get_ref().ids.clone().unwrap_or_default();
        let place = of_all(&ids)?;
        self.authorize_place(&request, &place).await?;
        let stored = self.0.association(&place).map_err(|error| status(&error))?;
        let paths = request.into_inner().field_mask.unwrap_or_default().paths;
        answer(&default_to_api(ids, stored.value), &with_ids(paths))
    }

    async fn list_default_associations(
        &self,
        request: Request<v3::ListApplicationPackageDefaultAssociationRequest>,
    ) -> Result<Response<v3::ApplicationPackageDefaultAssociations>, Status> {
        let ids = request.get_ref().ids.clone();
        let id = application(ids.as_ref())?;
        self.authorize(&request, &id, SETTINGS).await?;
        let request = request.into_inner();
        let paths = with_ids(request.field_mask.unwrap_or_default().paths);
        let (page, total) = page(self.0.default_associations(&id), request.limit, request.page);
        let defaults = page.into_iter().map(|(port, association)| {
            let ids = v3::ApplicationPackageDefaultAssociationIdentifiers {
                application_ids: ids.clone(),
                f_port: port.into(),
            };
            answer(&default_to_api(ids, association), &paths).map(Response::into_inner)
        });
        let defaults = defaults.collect::<Result<_, _>>()?;
        Ok(counted(v3::ApplicationPackageDefaultAssociations { defaults }, total))
    }

    async fn set_default_association(
        &self,
        request: Request<v3::SetApplicationPackageDefaultAssociationRequest>,
    ) -> Result<Response<v3::ApplicationPackageDefaultAssociation>, Status> {
        let message = request.get_ref().default.clone().unwrap_or_default();
        let ids = message.ids.clone().unwrap_or_default();
        let place = of_all(&ids)?;
        self.authorize_place(&request, &place).await?;
        let paths = request.into_inner().field_mask.unwrap_or_default().paths;
        let (known, replaces) = self.known(&place)?;
        let mut merged = default_to_api(ids.clone(), known.clone());
        mask::apply(&mut merged, &message, &paths).map_err(|error| invalid(&error.to_string()))?;
        let changed = self.changed(known, merged.package_name, merged.data);
        let set = self.0.set_association(&place, &changed, replaces).await;
        set.map_err(|error| status(&error))?;
        answer(&default_to_api(ids, changed), &with_ids(paths))
    }

    async fn delete_default_association(
        &self,
        request: Request<v3::ApplicationPackageDefaultAssociationIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let place = of_all(request.get_ref())?;
        self.authorize_place(&request, &place).await?;
        self.0.delete_association(&place).await.map_err(|error| status(&error))?;
        Ok(Response::new(()))
    }
}

impl Api {
    async fn authorize_place<T: Sync>(
        &self,
        request: &Request<T>,
        place: &Place,
    ) -> Result<(), Status> {
        let application = match place {
            Place::Device(device, _) => &device.application_id,
            Place::Default(application, _) => application,
        };
        self.authorize(request, application, SETTINGS).await
    }

    fn known(&self, place: &Place) -> Result<(Association, Replaces), Status> {
        match self.0.association(place) {
            Ok(stored) => Ok((stored.value, Replaces::Revision(stored.revision))),
            Err(PackageError::NotFound) => {
                let created_at = self.0.clock.utc();
                Ok((Association { created_at, ..Association::default() }, Replaces::Nothing))
            }
            Err(error) => Err(status(&error)),
        }
    }

    fn changed(
        &self,
        known: Association,
        package_name: String,
        data: Option<prost_types::Struct>,
    ) -> Association {
        let data = data.unwrap_or_default().fields.into_iter();
        let data = data.map(|(name, value)| (name, json::from_proto_value(value)));
        let updated_at = self.0.clock.utc();
        Association { package_name, data: data.collect(), updated_at, ..known }
    }
}

fn status(error: &PackageError) -> Status {
    ttn_rpc::status::from_body(&match error {
        PackageError::Server(error) => error.to_body(),
        other => ErrorBody::of(other),
    })
}

fn port(number: u32) -> Result<u8, Status> {
    u8::try_from(number)
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| invalid("`f_port` is 1 to 255"))
}

fn of_device(ids: &v3::ApplicationPackageAssociationIdentifiers) -> Result<Place, Status> {
    Ok(Place::Device(device(ids.end_device_ids.as_ref())?.key, port(ids.f_port)?))
}

fn of_all(ids: &v3::ApplicationPackageDefaultAssociationIdentifiers) -> Result<Place, Status> {
    Ok(Place::Default(application(ids.application_ids.as_ref())?, port(ids.f_port)?))
}

/// A page of a list, counted from 1; all of it without a limit.
fn page<T>(all: Vec<T>, limit: u32, page: u32) -> (Vec<T>, usize) {
    let (total, limit) = (all.len(), limit as usize);
    let skipped = limit.saturating_mul(page.saturating_sub(1) as usize);
    let limit = if limit == 0 { usize::MAX } else { limit };
    (all.into_iter().skip(skipped).take(limit).collect(), total)
}

fn counted<T>(message: T, total: usize) -> Response<T> {
    let mut response = Response::new(message);
    response.metadata_mut().insert("x-total-count", total.into());
    response
}

fn to_struct(data: Data) -> Option<prost_types::Struct> {
    let fields = data.into_iter().map(|(name, value)| (name, json::to_proto_value(value)));
    Some(prost_types::Struct { fields: fields.collect() })
}

/// What was selected, and always ids and times.
fn with_ids(mut paths: Vec<String>) -> Vec<String> {
    paths.extend(["ids", "created_at", "updated_at"].map(str::to_owned));
    paths
}

fn device_to_api(
    ids: v3::ApplicationPackageAssociationIdentifiers,
    association: Association,
) -> v3::ApplicationPackageAssociation {
    v3::ApplicationPackageAssociation {
        ids: Some(ids),
        created_at: Some(convert::timestamp(association.created_at)),
        updated_at: Some(convert::timestamp(association.updated_at)),
        package_name: association.package_name,
        data: to_struct(association.data),
    }
}

fn default_to_api(
    ids: v3::ApplicationPackageDefaultAssociationIdentifiers,
    association: Association,
) -> v3::ApplicationPackageDefaultAssociation {
    v3::ApplicationPackageDefaultAssociation {
        ids: Some(ids),
        created_at: Some(convert::timestamp(association.created_at)),
        updated_at: Some(convert::timestamp(association.updated_at)),
        package_name: association.package_name,
        data: to_struct(association.data),
    }
}
