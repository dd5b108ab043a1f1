//! What a tenant may have otherwise than the server.

use serde::Deserialize;
use serde_json::{Map, Value};
use ttn_core::{
    addr::{DevAddrPrefix, NetId},
    eui::JoinEui,
    id::TenantId,
};
use ttn_is::{PasswordRules, UserRights};
use url::Url;

use crate::config::{Config, Store};

/// The part of the configuration that a tenant may have otherwise; the names are those of the configuration file.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    identity: Identity,
    network: Network,
    join: Join,
    gateways: Gateways,
    webhooks: Webhooks,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Identity {
    registration: Option<bool>,
    registration_approval: Option<bool>,
    registration_invitation: Option<bool>,
    registration_validation: Option<bool>,
    login_tokens: Option<bool>,
    password: Option<PasswordRules>,
    network_name: Option<String>,
    create: Option<UserRights>,
    set_others_as_contacts: Option<bool>,
    admin_rights_all: Option<bool>,
    restore_hours: Option<u32>,
    audit_days: Option<u32>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Network {
    net_id: Option<NetId>,
    dev_addr_prefixes: Option<Vec<DevAddrPrefix>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Join {
    default_join_eui: Option<JoinEui>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Gateways {
    require_registered: Option<bool>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Webhooks {
    public_url: Option<String>,
}

fn set<T>(value: &mut T, other: Option<T>) {
    if let Some(other) = other {
        *value = other;
    }
}

impl Settings {
    /// Reads what a tenant's record has.
    ///
    /// # Errors
    ///
    /// A key is unknown, or a value is none for it; both are named.
    pub(super) fn read(configuration: &Map<String, Value>) -> Result<Self, String> {
        let mut settings = Self::default();
        for (section, value) in configuration {
            let of = |error: serde_json::Error| format!("{section}: {error}");
            // A list would be taken for its values in their order.
            if !value.is_object() {
                return Err(format!("{section}: {value} is no object"));
            }
            let value = value.clone();
            match section.as_str() {
                "identity" => settings.identity = serde_json::from_value(value).map_err(of)?,
                "network" => settings.network = serde_json::from_value(value).map_err(of)?,
                "join" => settings.join = serde_json::from_value(value).map_err(of)?,
                "gateways" => settings.gateways = serde_json::from_value(value).map_err(of)?,
                "webhooks" => settings.webhooks = serde_json::from_value(value).map_err(of)?,
                _ => return Err(format!("a tenant has no key `{section}` of its own")),
            }
        }
        if let Some(url) = &settings.webhooks.public_url {
            Url::parse(url).map_err(|error| format!("webhooks.public_url: {error}"))?;
        }
        Ok(settings)
    }

    /// The configuration of a tenant's network.
    pub(super) fn apply(self, base: &Config, id: &TenantId) -> Config {
        let mut config = base.clone();
        let host = format!("{id}.{}", base.tenancy.domain);
        config.data = base.data.join("tenants").join(id.as_str());
        config.store = Store::Embedded;
        config.kek_file = None;
        config.tenancy = Default::default();
        config.mqtt.tenant = Some(id.to_string());
        // The keys of the cluster would open every tenant.
        config.identity.cluster_keys.clear();
        config.webhooks.public_url = match self.webhooks.public_url {
            Some(url) => Some(url),
            None => base.webhooks.public_url.as_deref().and_then(|url| at_host(url, &host)),
        };
        config.public_host = host;
        let Identity { password, network_name, create, restore_hours, audit_days, .. } =
            self.identity;
        let identity = &mut config.identity;
        set(&mut identity.registration, self.identity.registration);
        set(&mut identity.registration_approval, self.identity.registration_approval);
        set(&mut identity.registration_invitation, self.identity.registration_invitation);
        set(&mut identity.registration_validation, self.identity.registration_validation);
        set(&mut identity.login_tokens, self.identity.login_tokens);
        set(&mut identity.password, password);
        set(&mut identity.network_name, network_name);
        set(&mut identity.create, create);
        set(&mut identity.set_others_as_contacts, self.identity.set_others_as_contacts);
        set(&mut identity.admin_rights_all, self.identity.admin_rights_all);
        set(&mut identity.restore_hours, restore_hours);
        set(&mut identity.audit_days, audit_days);
        set(&mut config.network.net_id, self.network.net_id);
        set(&mut config.network.dev_addr_prefixes, self.network.dev_addr_prefixes);
        set(&mut config.join.default_join_eui, self.join.default_join_eui);
        set(&mut config.gateways.require_registered, self.gateways.require_registered);
        config
    }
}

/// The same address at another host.
fn at_host(url: &str, host: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    url.set_host(Some(host)).ok()?;
    Some(url.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(configuration: Value) -> Result<Settings, String> {
        Settings::read(configuration.as_object().unwrap())
    }

    // IS-61
    #[test]
    fn a_tenant_has_some_keys_of_its_own_and_the_others_of_the_server() {
        let mut base = Config::default();
        base.tenancy.domain = "lora.example".to_owned();
        base.webhooks.public_url = Some("https://lora.example:8443/x".to_owned());
        base.identity.restore_hours = 7;
        let settings = read(json!({
            "identity": { "registration": false, "network_name": "Acme", "password": { "min-length": 12 } },
            "network": { "net_id": "000013", "dev_addr_prefixes": ["26000000/20"] },
        }));
        let config = settings.unwrap().apply(&base, &"acme".parse().unwrap());
        assert!(!config.identity.registration);
        assert_eq!(config.identity.network_name, "Acme");
        assert_eq!((config.identity.password.min_length, config.identity.restore_hours), (12, 7));
        assert_eq!(config.network.net_id.to_string(), "000013");
        assert_eq!(config.network.dev_addr_prefixes.len(), 1);
        assert_eq!(config.public_host, "acme.lora.example");
        let url = config.webhooks.public_url.unwrap();
        assert_eq!(url, "https://acme.lora.example:8443/x");
        assert_eq!(config.data, base.data.join("tenants/acme"));
        assert!(!config.tenancy.enabled);
    }

    // IS-61
    #[test]
    fn unknown_keys_and_wrong_values_are_named() {
        for (configuration, named) in [
            (json!({ "data": "/tmp" }), "data"),
            (json!({ "tenancy": {} }), "tenancy"),
            (json!({ "identity": { "cluster_keys": [] } }), "cluster_keys"),
            (json!({ "identity": { "mail_directory": "/etc" } }), "mail_directory"),
            (json!({ "identity": { "registration": "yes" } }), "identity"),
            (json!({ "network": { "net_id": "x" } }), "network"),
            (json!({ "network": [] }), "network"),
            (json!({ "webhooks": { "public_url": "no url" } }), "webhooks"),
        ] {
            let error = read(configuration.clone()).unwrap_err();
            assert!(error.contains(named), "{configuration}: {error}");
        }
        assert_eq!(read(json!({})), Ok(Settings::default()));
    }
}
