//! The API services: thin over [`IdentityServer`], which checks the rights.

mod access;
mod audit;
mod authorizations;
mod batches;
mod bookmarks;
mod devices;
mod info;
mod notifications;
mod registry;
mod routes;
mod search;
mod sessions;
mod tenants;
mod users;

use std::sync::Arc;

use prost_types::FieldMask;
use tonic::{Request, Response, Status};
use ttn_core::{auth::Principal, error::ApiError, id::EntityId, store::Page, time::Timestamp};
use ttn_proto::{
    ApiMessage, mask,
    service::{self, Method},
};

pub use routes::routes;

use crate::{
    convert::Convert,
    entity::{Account, Query},
    error::Error,
    record::AccountIds,
    server::IdentityServer,
};

/// The methods of all services of the Identity Server that are built.
#[must_use]
pub fn methods(server: &Arc<IdentityServer>) -> Vec<Method> {
    let api = Arc::new(Api(server.clone()));
    let tenants = server.tenants.is_some().then(|| service::tenants(api.clone()));
    [
        service::application_registry(api.clone()),
        service::application_access(api.clone()),
        service::client_registry(api.clone()),
        service::client_access(api.clone()),
        service::gateway_registry(api.clone()),
        service::gateway_access(api.clone()),
        service::gateway_batch_registry(api.clone()),
        service::gateway_batch_access(api.clone()),
        service::organization_registry(api.clone()),
        service::organization_access(api.clone()),
        service::end_device_registry(api.clone()),
        service::end_device_batch_registry(api.clone()),
        service::user_registry(api.clone()),
        service::user_access(api.clone()),
        service::user_session_registry(api.clone()),
        service::user_bookmark_registry(api.clone()),
        service::notification_service(api.clone()),
        service::user_invitation_registry(api.clone()),
        service::o_auth_authorization_registry(api.clone()),
        service::email_validation_registry(api.clone()),
        service::contact_info_registry(api.clone()),
        service::entity_access(api.clone()),
        service::entity_registry_search(api.clone()),
        service::end_device_registry_search(api.clone()),
        service::audit(api.clone()),
        service::is(api),
        tenants.unwrap_or_default(),
    ]
    .concat()
}

#[derive(Debug)]
pub(crate) struct Api(pub(crate) Arc<IdentityServer>);

impl Api {
    /// Finds out who calls.
    async fn caller<T: Sync>(&self, request: &Request<T>) -> Result<Principal, Status> {
        let credentials = ttn_rpc::auth::credentials(request.metadata());
        let credentials = credentials.map_err(|body| ttn_rpc::status::from_body(&body))?;
        let principal = self.0.authenticate(&credentials).await.map_err(status)?;
        let call = Some(Arc::new(ttn_rpc::auth::event_caller(request)));
        Ok(Principal { call, ..principal })
    }
}

/// The status of an error.
pub(crate) fn status<E: ApiError>(error: E) -> Status {
    ttn_rpc::status::from_error(error)
}

fn invalid(error: ttn_core::id::IdError) -> Status {
    status(Error::from(error))
}

/// A record and a message that disagree are a defect of ours.
fn defect(error: prost::DecodeError) -> Status {
    Status::internal(format!("a record does not convert: {error}"))
}

fn unknown_path(error: mask::UnknownPath) -> Status {
    Status::invalid_argument(error.to_string())
}

/// The message of a record with the fields that are wanted, and always ids and times (IS-03).
fn answer<R: Convert>(record: &R, paths: &[String]) -> Result<R::Api, Status>
where
    R::Api: ApiMessage,
{
    let message = record.to_api().map_err(defect)?;
    let always = ALWAYS.iter().copied();
    let wanted = always.chain(paths.iter().map(String::as_str));
    mask::filter(&message, wanted).map_err(unknown_path)
}

fn answers<R: Convert>(page: &Page<R>, paths: &[String]) -> Result<Vec<R::Api>, Status>
where
    R::Api: ApiMessage,
{
    page.items.iter().map(|record| answer(record, paths)).collect()
}

/// Changes a record as a message and a mask say.
fn apply<R: Convert>(record: &mut R, from: &R::Api, paths: &[String]) -> Result<(), Error>
where
    R::Api: ApiMessage,
{
    let reason = "the record does not convert";
    let broken = |_| Error::InvalidField { field: "field_mask", reason };
    let mut message = record.to_api().map_err(broken)?;
    let unknown = Error::InvalidField { field: "field_mask", reason: "has a path that is unknown" };
    mask::apply(&mut message, from, paths).map_err(|_| unknown)?;
    *record = R::of_api(&message).map_err(broken)?;
    Ok(())
}

fn paths(mask: Option<FieldMask>) -> Vec<String> {
    mask.map(|mask| mask.paths).unwrap_or_default()
}

/// Whether everything that is wanted is among `public`, itself or above it.
fn are_public(paths: &[String], public: &[&str]) -> bool {
    paths.iter().all(|path| mask::selects(public, path) || ALWAYS.contains(&path.as_str()))
}

fn account(ids: Option<&ttn_proto::v3::OrganizationOrUserIdentifiers>) -> Result<Account, Status> {
    optional_account(ids)?.ok_or_else(|| {
        status(Error::InvalidField { field: "collaborator", reason: "names nobody" })
    })
}

fn optional_account(
    ids: Option<&ttn_proto::v3::OrganizationOrUserIdentifiers>,
) -> Result<Option<Account>, Status> {
    let Some(ids) = ids else { return Ok(None) };
    let ids = AccountIds::of_api(ids).map_err(defect)?;
    Ok(Account::of_ids(&ids))
}

fn account_ids(account: &Account) -> Result<ttn_proto::v3::OrganizationOrUserIdentifiers, Status> {
    account.to_ids().to_api().map_err(defect)
}

/// An answer that says how many items there are on all pages.
fn counted<T>(message: T, total: u64) -> Response<T> {
    let mut response = Response::new(message);
    response.metadata_mut().insert("x-total-count", total.into());
    response
}

const fn query(order: String, limit: u32, page: u32, deleted: bool) -> Query {
    Query { order, limit, page, deleted, updated_since: None }
}

/// The entity that identifiers name.
fn entity(ids: Option<&ttn_proto::v3::EntityIdentifiers>) -> Result<EntityId, Status> {
    let reason = "names no entity";
    let missing = || status(Error::InvalidField { field: "entity_ids", reason });
    ttn_proto::convert::to_entity_id(ids.ok_or_else(missing)?).map_err(|_| missing())
}

/// The identifiers of an entity as a record names it.
fn entity_ids(key: &str) -> Option<ttn_proto::v3::EntityIdentifiers> {
    crate::entity::entity_of_key(key).map(|entity| ttn_proto::convert::entity_ids(&entity))
}

fn timestamp(time: prost_types::Timestamp) -> Timestamp {
    crate::record::Time { seconds: time.seconds, nanos: time.nanos }.into()
}

/// What every answer has.
const ALWAYS: [&str; 3] = ["ids", "created_at", "updated_at"];
