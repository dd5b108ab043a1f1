//! Who am I (IS-29), and how is the server configured.

use tonic::{Request, Response, Status};
use ttn_core::{auth::Caller, id::EntityId};
use ttn_proto::{service, v3};
use v3::{
    auth_info_response::{self, AccessMethod},
    entity_identifiers::Ids,
    is_configuration,
};

use super::{Api, defect, status};
use crate::{
    config::PasswordRules,
    convert::Convert as _,
    record::{rights_of_numbers, rights_to_numbers},
    server::Presented,
};

#[async_trait::async_trait]
impl service::EntityAccess for Api {
    async fn auth_info(
        &self,
        request: Request<()>,
    ) -> Result<Response<v3::AuthInfoResponse>, Status> {
        let caller = self.caller(&request).await?;
        let presented = self.0.presented(request.metadata()).await.map_err(status)?;
        let mut answer = v3::AuthInfoResponse { is_admin: caller.is_admin, ..Default::default() };
        if !caller.universal.is_empty() {
            let rights = rights_to_numbers(caller.universal);
            answer.universal_rights = Some(v3::Rights { rights });
        }
        answer.access_method = match (presented, &caller.caller) {
            (Some(Presented::AccessToken(grant)), Caller::ApiKey { rights, .. }) => {
                let mut message = grant.to_api().map_err(defect)?;
                let given = rights_of_numbers(&grant.rights);
                message.rights = rights_to_numbers(given.intersection(rights.implied()));
                Some(AccessMethod::OauthAccessToken(message))
            }
            (Some(Presented::ApiKey(key)), Caller::ApiKey { entity, rights, .. }) => {
                let mut message = key.to_api().map_err(defect)?;
                // What the key allows now: the state of a user may leave him less.
                message.rights = rights_to_numbers(key.rights().intersection(rights.implied()));
                Some(AccessMethod::ApiKey(auth_info_response::ApiKeyAccess {
                    api_key: Some(message),
                    entity_ids: Some(v3::EntityIdentifiers { ids: ids(entity) }),
                }))
            }
            (Some(Presented::Session(session)), _) => {
                Some(AccessMethod::UserSession(session.to_api().map_err(defect)?))
            }
            _ => None,
        };
        Ok(Response::new(answer))
    }
}

fn ids(entity: &EntityId) -> Option<Ids> {
    Some(match entity {
        EntityId::Application(id) => {
            Ids::ApplicationIds(v3::ApplicationIdentifiers { application_id: id.to_string() })
        }
        EntityId::Gateway(id) => Ids::GatewayIds(v3::GatewayIdentifiers {
            gateway_id: id.to_string(),
            ..Default::default()
        }),
        EntityId::Organization(id) => {
            Ids::OrganizationIds(v3::OrganizationIdentifiers { organization_id: id.to_string() })
        }
        EntityId::User(id) => {
            Ids::UserIds(v3::UserIdentifiers { user_id: id.to_string(), ..Default::default() })
        }
        _ => return None,
    })
}

fn password_requirements(
    rules: &PasswordRules,
) -> is_configuration::user_registration::PasswordRequirements {
    let number = |count: usize| u32::try_from(count).ok();
    is_configuration::user_registration::PasswordRequirements {
        min_length: number(rules.min_length),
        max_length: number(rules.max_length),
        min_uppercase: number(rules.min_uppercase),
        min_digits: number(rules.min_digits),
        min_special: number(rules.min_special),
    }
}

#[async_trait::async_trait]
impl service::Is for Api {
    /// For everybody: login pages read it before anybody is known.
    async fn get_configuration(
        &self,
        _request: Request<v3::GetIsConfigurationRequest>,
    ) -> Result<Response<v3::GetIsConfigurationResponse>, Status> {
        let config = self.0.config();
        let login = &config.login;
        let registration = is_configuration::UserRegistration {
            enabled: config.registration_enabled,
            admin_approval: Some(is_configuration::user_registration::AdminApproval {
                required: Some(config.registration_admin_approval),
            }),
            invitation: Some(is_configuration::user_registration::Invitation {
                required: Some(login.invitation_required),
                token_ttl: prost_types::Duration::try_from(login.invitation_ttl).ok(),
            }),
            contact_info_validation: Some(
                is_configuration::user_registration::ContactInfoValidation {
                    required: Some(login.email_validation_required),
                    token_ttl: prost_types::Duration::try_from(login.email_validation_ttl).ok(),
                    retry_interval: prost_types::Duration::try_from(login.email_validation_retry)
                        .ok(),
                },
            ),
            password_requirements: Some(password_requirements(&login.password)),
        };
        let user_rights = is_configuration::UserRights {
            create_applications: Some(config.user_rights.create_applications),
            create_clients: Some(config.user_rights.create_clients),
            create_gateways: Some(config.user_rights.create_gateways),
            create_organizations: Some(config.user_rights.create_organizations),
        };
        let collaborator_rights = is_configuration::CollaboratorRights {
            set_others_as_contacts: Some(config.set_others_as_contacts),
        };
        let admin_rights = is_configuration::AdminRights { all: Some(config.admin_rights_all) };
        let configuration = v3::IsConfiguration {
            user_registration: Some(registration),
            user_rights: Some(user_rights),
            admin_rights: Some(admin_rights),
            collaborator_rights: Some(collaborator_rights),
            profile_picture: Some(is_configuration::ProfilePicture {
                disable_upload: Some(!self.0.takes_pictures()),
                use_gravatar: Some(config.pictures.gravatar),
            }),
            end_device_picture: Some(is_configuration::EndDevicePicture {
                disable_upload: Some(!self.0.takes_pictures()),
            }),
            ..Default::default()
        };
        let answer = v3::GetIsConfigurationResponse { configuration: Some(configuration) };
        Ok(Response::new(answer))
    }
}
