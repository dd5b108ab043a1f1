//! What several resources share: owners, entities with keys and collaborators, rights.

use std::fmt;

use serde_json::{Value, json};
use ttn_core::{
    auth::Right,
    id::{ApplicationId, GatewayId, OrganizationId, UserId},
};

use super::{Context, whoami};
use crate::{api::Api, device::put, error::Error};

/// Whose a new application or gateway is.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
#[expect(clippy::exhaustive_structs, reason = "whose something can be")]
pub struct Owner {
    /// The user whose it is; you if not given.
    #[arg(long)]
    pub user: Option<UserId>,
    /// The organization whose it is.
    #[arg(long)]
    pub organization: Option<OrganizationId>,
}

/// Whose keys or collaborators are meant.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
#[expect(clippy::exhaustive_structs, reason = "what can have keys")]
pub struct Entity {
    /// Of an application.
    #[arg(long)]
    pub application: Option<ApplicationId>,
    /// Of a gateway.
    #[arg(long)]
    pub gateway: Option<GatewayId>,
    /// Of an organization.
    #[arg(long)]
    pub organization: Option<OrganizationId>,
    /// Of a user.
    #[arg(long)]
    pub user: Option<UserId>,
}

/// A kind of entities that the Identity Server registers, and what is shown of them.
pub(super) struct Kind {
    /// One of them; paths have it in the plural.
    pub(super) noun: &'static str,
    /// The fields that are shown of one.
    pub(super) mask: &'static str,
    /// The fields that a list needs besides the ids.
    pub(super) list_mask: &'static str,
    /// The columns of a list: titles and places in a message.
    pub(super) columns: &'static [(&'static str, &'static str)],
}

impl Kind {
    /// The path of all of them.
    pub(super) fn all(&self) -> String {
        format!("/{}s", self.noun)
    }

    fn path(&self, id: &dyn fmt::Display) -> String {
        format!("/{}s/{id}", self.noun)
    }

    pub(super) fn created(
        &self,
        context: &mut Context<'_>,
        id: &dyn fmt::Display,
        answer: &Value,
    ) -> Result<(), Error> {
        Ok(context.output.done(format!("created {} {id}", self.noun), answer)?)
    }

    pub(super) fn delete(
        &self,
        context: &mut Context<'_>,
        id: &dyn fmt::Display,
    ) -> Result<(), Error> {
        let answer = context.api()?.delete(&self.path(id))?;
        Ok(context.output.done(format!("deleted {} {id}", self.noun), &answer)?)
    }

    pub(super) fn get(
        &self,
        context: &mut Context<'_>,
        id: &dyn fmt::Display,
    ) -> Result<(), Error> {
        let path = format!("{}?field_mask={}", self.path(id), self.mask);
        let found = context.api()?.get(&path)?;
        Ok(context.output.one(&found)?)
    }

    pub(super) fn list(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let path = format!("{}?field_mask={}", self.all(), self.list_mask);
        let found = context.api()?.list(&path, &format!("{}s", self.noun))?;
        Ok(context.output.list(&found, self.columns)?)
    }

    pub(super) fn purge(
        &self,
        context: &mut Context<'_>,
        id: &dyn fmt::Display,
    ) -> Result<(), Error> {
        let answer = context.api()?.delete(&format!("{}/purge", self.path(id)))?;
        Ok(context.output.done(format!("purged {} {id}", self.noun), &answer)?)
    }

    pub(super) fn restore(
        &self,
        context: &mut Context<'_>,
        id: &dyn fmt::Display,
    ) -> Result<(), Error> {
        let answer = context.api()?.post(&format!("{}/restore", self.path(id)), &Value::Null)?;
        Ok(context.output.done(format!("restored {} {id}", self.noun), &answer)?)
    }

    pub(super) fn set(
        &self,
        context: &mut Context<'_>,
        id: &dyn fmt::Display,
        fields: &[(String, Value)],
    ) -> Result<(), Error> {
        let ids = json!({ format!("{}_id", self.noun): id.to_string() });
        let answer = context.api()?.put(&self.path(id), &change(self.noun, ids, fields))?;
        Ok(context.output.done(format!("changed {} {id}", self.noun), &answer)?)
    }
}

impl Owner {
    /// The path of the owner: the one that was named, else whoever calls.
    pub(super) fn path(&self, api: &Api) -> Result<String, Error> {
        if let Some(user) = &self.user {
            return Ok(format!("/users/{user}"));
        }
        if let Some(organization) = &self.organization {
            return Ok(format!("/organizations/{organization}"));
        }
        let info = api.get("/auth_info")?;
        let entity = &info["api_key"]["entity_ids"];
        let of = |kind: &str| entity[format!("{kind}_ids")][format!("{kind}_id")].as_str();
        match (of("user"), of("organization")) {
            (Some(user), _) => Ok(format!("/users/{user}")),
            (_, Some(organization)) => Ok(format!("/organizations/{organization}")),
            _ => {
                let who = whoami::summary(&info)["entity"].take();
                let what = format!("the key is that of {}", who.as_str().unwrap_or("nobody"));
                Err(Error::invalid(what, "use the key of a user, or name whose it is with --user"))
            }
        }
    }
}

impl Entity {
    /// The path of the entity.
    pub(super) fn path(&self) -> String {
        match (&self.application, &self.gateway, &self.organization, &self.user) {
            (Some(id), ..) => format!("/applications/{id}"),
            (_, Some(id), ..) => format!("/gateways/{id}"),
            (_, _, Some(id), _) => format!("/organizations/{id}"),
            (.., Some(id)) => format!("/users/{id}"),
            // Clap wants one of them.
            _ => String::new(),
        }
    }
}

/// Reads a right, such as `RIGHT_APPLICATION_INFO` or `application-info`.
pub(super) fn right(text: &str) -> Result<Right, String> {
    let name = text.to_uppercase().replace('-', "_");
    let name = if name.starts_with("RIGHT_") { name } else { format!("RIGHT_{name}") };
    let found = Right::ALL_RIGHTS.iter().find(|right| right.name() == name);
    found.copied().ok_or_else(|| {
        let parts: Vec<_> = name.split('_').skip(1).collect();
        let similar = Right::ALL_RIGHTS
            .iter()
            .map(|right| right.name())
            .filter(|known| parts.first().is_some_and(|first| known.contains(first)));
        format!("there is no such right; similar are {}", similar.collect::<Vec<_>>().join(", "))
    })
}

/// The names of rights, as the API takes them.
pub(super) fn names(rights: &[Right]) -> Value {
    json!(rights.iter().map(|right| right.name()).collect::<Vec<_>>())
}

/// The body of an update: fields by their paths, and the mask that selects them.
fn change(name: &str, ids: Value, fields: &[(String, Value)]) -> Value {
    let mut message = json!({ "ids": ids });
    for (path, value) in fields {
        put(&mut message, path, value.clone());
    }
    let paths: Vec<_> = fields.iter().map(|(path, _)| path.as_str()).collect();
    json!({ name: message, "field_mask": { "paths": paths } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_by_name_and_by_short_name() {
        assert_eq!(right("RIGHT_APPLICATION_INFO"), Ok(Right::ApplicationInfo));
        assert_eq!(right("application-info"), Ok(Right::ApplicationInfo));
        assert!(right("gateway-nothing").unwrap_err().contains("RIGHT_GATEWAY_INFO"));
    }

    #[test]
    fn a_change_selects_what_it_sets() {
        let fields = [("version_ids.brand_id".to_owned(), json!("b"))];
        let body = change("gateway", json!({ "gateway_id": "g" }), &fields);
        assert_eq!(body["gateway"]["version_ids"]["brand_id"], "b");
        assert_eq!(body["field_mask"]["paths"], json!(["version_ids.brand_id"]));
    }
}
