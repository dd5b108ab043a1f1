//! `ApplicationActivationSettingRegistry` (JS-13).

use async_trait::async_trait;
use tonic::{Request, Response, Status};
use ttn_core::{auth::Right, id::ApplicationId};
use ttn_proto::{mask, service, v3};

use super::{Api, field_value, invalid, status};
use crate::{convert, device::ActivationSettings, error::Error};

#[async_trait]
impl service::ApplicationActivationSettingRegistry for Api {
    async fn get(
        &self,
        request: Request<v3::GetApplicationActivationSettingsRequest>,
    ) -> Result<Response<v3::ApplicationActivationSettings>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let application = application(request.application_ids.as_ref())?;
        let needs = [Right::ApplicationDevicesReadKeys];
        self.require_of(&caller, &application, &needs).await?;
        let settings = self.0.activation_settings(&application).await.map_err(status)?;
        shown(&settings, &request.field_mask.unwrap_or_default().paths)
    }

    async fn set(
        &self,
        request: Request<v3::SetApplicationActivationSettingsRequest>,
    ) -> Result<Response<v3::ApplicationActivationSettings>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let application = application(request.application_ids.as_ref())?;
        self.require_of(&caller, &application, &WRITE).await?;
        let paths = request.field_mask.unwrap_or_default().paths;
        let message = request.settings.unwrap_or_default();
        let mut refused = None;
        let changed =
            self.0.set_activation_settings(&application, |settings| match convert::apply_settings(
                settings, &message, &paths,
            ) {
                Ok(()) if settings.kek_label.is_empty() && settings.kek.is_some() => {
                    refused = Some(invalid("no_kek_label", "a kek needs a kek_label; set both"));
                    Err(Error::NoKek { application: application.clone() })
                }
                Ok(()) => Ok(()),
                Err(error) => {
                    refused = Some(field_value(&error));
                    Err(Error::NoKek { application: application.clone() })
                }
            });
        match (changed.await, refused) {
            (Ok(settings), _) => shown(&settings, &paths),
            (Err(_), Some(refused)) => Err(refused),
            (Err(error), None) => Err(status(error)),
        }
    }

    async fn delete(
        &self,
        request: Request<v3::DeleteApplicationActivationSettingsRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let application = application(request.get_ref().application_ids.as_ref())?;
        self.require_of(&caller, &application, &WRITE).await?;
        self.0.delete_activation_settings(&application).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

fn application(ids: Option<&v3::ApplicationIdentifiers>) -> Result<ApplicationId, Status> {
    let id = ids.map_or("", |ids| ids.application_id.as_str());
    ApplicationId::new(id).map_err(|error| invalid("field_value", &error.to_string()))
}

fn shown(
    settings: &ActivationSettings,
    paths: &[String],
) -> Result<Response<v3::ApplicationActivationSettings>, Status> {
    let answer = mask::filter(&convert::activation_settings(settings), paths);
    answer.map(Response::new).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// What a change needs.
const WRITE: [Right; 2] = [Right::ApplicationDevicesReadKeys, Right::ApplicationDevicesWriteKeys];
