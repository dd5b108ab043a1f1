//! What the audit log keeps of a record: what matters for security, and never a secret.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use ttn_core::auth::Rights;

use crate::{
    entity::Account,
    record::{
        AccountIds, ApiKey, Application, Authorization, Client, Device, Gateway, Membership,
        Organization, Session, Tenant, Time, User, rights_of_numbers,
    },
    rights,
};

/// Fields by name. Of secrets it is known only whether they are the same.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    open: Map<String, Value>,
    secrets: BTreeMap<&'static str, String>,
}

impl Fields {
    pub(crate) fn set(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.open.insert(name.to_owned(), value.into());
        self
    }

    /// A hash: it is compared, not kept.
    fn secret(mut self, name: &'static str, hash: &str) -> Self {
        self.secrets.insert(name, hash.to_owned());
        self
    }

    fn rights(self, rights: Rights) -> Self {
        self.set("rights", rights.iter().map(|right| right.name()).collect::<Vec<_>>())
    }

    fn time(self, name: &'static str, time: Option<Time>) -> Self {
        self.set(name, time.map(|time| time.seconds))
    }

    fn contacts(self, administrative: Option<&AccountIds>, technical: Option<&AccountIds>) -> Self {
        let key = |ids: Option<&AccountIds>| ids.and_then(Account::of_ids).map(|it| it.key());
        self.set("administrative_contact", key(administrative))
            .set("technical_contact", key(technical))
    }
}

/// What differs, as JSON objects; empty texts for nothing.
pub(super) fn difference(before: Option<Fields>, after: Option<Fields>) -> (String, String) {
    let (mut before, mut after) = match (before, after) {
        (Some(mut before), Some(mut after)) => {
            let same = |name: &String, value: &Value| after.open.get(name) == Some(value);
            let same: Vec<_> =
                before.open.iter().filter(|(name, value)| same(name, value)).collect();
            let same: Vec<_> = same.into_iter().map(|(name, _)| name.clone()).collect();
            for name in same {
                before.open.remove(&name);
                after.open.remove(&name);
            }
            for (name, hash) in &after.secrets {
                if before.secrets.get(name) != Some(hash) {
                    let what = if hash.is_empty() { "removed" } else { "changed" };
                    after.open.insert((*name).to_owned(), what.into());
                }
            }
            (before.open, after.open)
        }
        (before, after) => {
            let open = |fields: Option<Fields>| fields.unwrap_or_default().open;
            let (mut before, mut after) = (open(before), open(after));
            before.retain(|_, value| !is_empty(value));
            after.retain(|_, value| !is_empty(value));
            (before, after)
        }
    };
    before.retain(|_, value| !value.is_null());
    after.retain(|_, value| !value.is_null());
    let text = |fields: Map<String, Value>| match fields.is_empty() {
        true => String::new(),
        false => Value::Object(fields).to_string(),
    };
    (text(before), text(after))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// A record of which the audit log keeps something.
pub(crate) trait Audited {
    fn audited(&self) -> Fields;
}

impl Audited for User {
    fn audited(&self) -> Fields {
        Fields::default()
            .set("name", &*self.name)
            .set("primary_email_address", &*self.primary_email_address)
            .set("validated", self.primary_email_address_validated_at.is_some())
            .set("state", state(self.state))
            .set("state_description", &*self.state_description)
            .set("admin", self.admin)
            .set("require_password_update", self.require_password_update)
            .secret("password", &self.password_hash)
            .secret("temporary_password", &self.temporary_password_hash)
    }
}

impl Audited for Client {
    fn audited(&self) -> Fields {
        Fields::default()
            .set("name", &*self.name)
            .set("state", state(self.state))
            .set("state_description", &*self.state_description)
            .set("redirect_uris", self.redirect_uris.clone())
            .set("logout_redirect_uris", self.logout_redirect_uris.clone())
            .set("skip_authorization", self.skip_authorization)
            .set("endorsed", self.endorsed)
            .set("grants", self.grants.clone())
            .rights(self.rights())
            .contacts(self.administrative_contact.as_ref(), self.technical_contact.as_ref())
            .secret("secret", &self.secret_hash)
    }
}

impl Audited for Application {
    fn audited(&self) -> Fields {
        Fields::default()
            .set("name", &*self.name)
            .set("network_server_address", &*self.network_server_address)
            .set("application_server_address", &*self.application_server_address)
            .set("join_server_address", &*self.join_server_address)
            .contacts(self.administrative_contact.as_ref(), self.technical_contact.as_ref())
    }
}

impl Audited for Gateway {
    fn audited(&self) -> Fields {
        Fields::default()
            .set("eui", self.eui().map(|eui| eui.to_string()))
            .set("name", &*self.name)
            .set("gateway_server_address", &*self.gateway_server_address)
            .set("require_authenticated_connection", self.require_authenticated_connection)
            .set("status_public", self.status_public)
            .set("location_public", self.location_public)
            .set("auto_update", self.auto_update)
            .set("update_channel", &*self.update_channel)
            .set("target_cups_uri", &*self.target_cups_uri)
            .contacts(self.administrative_contact.as_ref(), self.technical_contact.as_ref())
    }
}

impl Audited for Organization {
    fn audited(&self) -> Fields {
        Fields::default()
            .set("name", &*self.name)
            .set("fanout_notifications", self.fanout_notifications)
            .contacts(self.administrative_contact.as_ref(), self.technical_contact.as_ref())
    }
}

impl Audited for Device {
    fn audited(&self) -> Fields {
        let (join_eui, dev_eui) = self.euis().unzip();
        Fields::default()
            .set("join_eui", join_eui.map(|eui| eui.to_string()))
            .set("dev_eui", dev_eui.map(|eui| eui.to_string()))
    }
}

impl Audited for Tenant {
    fn audited(&self) -> Fields {
        let limits = serde_json::to_value(self.limits()).unwrap_or_default();
        Fields::default()
            .set("name", &*self.name)
            .set("suspended", self.state == Self::SUSPENDED)
            .set("limits", limits)
            .set("configuration", &*self.configuration)
    }
}

impl Audited for ApiKey {
    fn audited(&self) -> Fields {
        Fields::default()
            .set("name", &*self.name)
            .rights(self.rights())
            .time("expires_at", self.expires_at)
            .secret("secret", &self.hash)
    }
}

impl Audited for Membership {
    fn audited(&self) -> Fields {
        Fields::default().rights(self.rights())
    }
}

impl Audited for Authorization {
    fn audited(&self) -> Fields {
        Fields::default().rights(rights_of_numbers(&self.rights))
    }
}

impl Audited for Session {
    fn audited(&self) -> Fields {
        Fields::default().time("expires_at", self.expires_at)
    }
}

const fn state(number: i32) -> &'static str {
    match number {
        rights::STATE_APPROVED => "approved",
        rights::STATE_FLAGGED => "flagged",
        rights::STATE_REJECTED => "rejected",
        rights::STATE_REQUESTED => "requested",
        rights::STATE_SUSPENDED => "suspended",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_what_differs_and_no_secret() {
        let old = User { password_hash: "old hash".to_owned(), state: 1, ..User::default() };
        let new = User { password_hash: "new hash".to_owned(), admin: true, ..old.clone() };
        let (before, after) = difference(Some(old.audited()), Some(new.audited()));
        assert_eq!(before, r#"{"admin":false}"#);
        assert_eq!(after, r#"{"admin":true,"password":"changed"}"#);
        let (before, after) = difference(None, Some(new.audited()));
        assert_eq!((&*before, &*after), ("", r#"{"admin":true,"state":"approved"}"#));
        let same = difference(Some(new.audited()), Some(new.audited()));
        assert_eq!(same, (String::new(), String::new()));
    }
}
