//! The Identity Server.

use std::{fmt, fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use ttn_core::{clock::Clock, event::Events, rand::Entropy};
use ttn_is::{
    DevEuis, EuiBlock, IdentityServer, Login, PasswordRules, Pictures, UserRights,
    email::{Mails, NoMail, Templates},
    store::IdentityStore,
    tenant::TenantHost,
};

use super::mail::{DirectoryMailer, SmtpMailer};
use crate::{config::Config, tenancy::TenancyConfig};

/// People, and what they may do by themselves.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Identity {
    /// Whether people may register themselves.
    pub registration: bool,
    /// Whether an administrator must approve those who register themselves.
    pub registration_approval: bool,
    /// Whether only those can register who are invited.
    pub registration_invitation: bool,
    /// Whether users may do little before their e-mail address is known to be theirs.
    pub registration_validation: bool,
    /// Whether people can log in by a link that is mailed to them.
    pub login_tokens: bool,
    /// What passwords must be like.
    pub password: PasswordRules,
    /// How pages and mails call the network.
    pub network_name: String,
    /// Where mails are written to, each as a file; without it no mail is sent.
    pub mail_directory: Option<PathBuf>,
    /// The mail server that takes mails: `smtps://user:password@host`, or `smtp://user:password@host?tls=required`.
    #[serde(skip_serializing)]
    pub mail_server: Option<String>,
    /// Whom mails are from; `noreply@PUBLIC_HOST` if empty.
    pub mail_sender: Option<String>,
    /// A directory with what mails say instead: `NAME.txt`, `NAME.html` for each letter that is to be another one.
    pub mail_templates: Option<PathBuf>,
    /// What others than administrators may create.
    pub create: UserRights,
    /// Whether collaborators may name others than themselves as contacts.
    pub set_others_as_contacts: bool,
    /// Whether administrators have really every right on everything, reading keys included.
    pub admin_rights_all: bool,
    /// For how many hours deleted entities can be restored.
    pub restore_hours: u32,
    /// For how many days the audit log remembers; with 0 nothing is written down.
    pub audit_days: u32,
    /// Blocks of DevEUIs that applications may draw from.
    pub dev_eui_blocks: Vec<EuiBlock>,
    /// How many DevEUIs one application may draw.
    pub dev_eui_limit: u32,
    /// Whether pictures of users and end devices can be uploaded.
    pub pictures: bool,
    /// Whether who has none is shown with what Gravatar has for his e-mail address.
    pub gravatar: bool,
    /// The keys that other servers of this cluster call with, hexadecimal, 16 octets or more each.
    #[serde(skip_serializing)]
    pub cluster_keys: Vec<ClusterKey>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            registration: true,
            registration_approval: false,
            registration_invitation: false,
            registration_validation: false,
            login_tokens: false,
            password: PasswordRules::default(),
            network_name: Login::default().network_name,
            mail_directory: None,
            mail_server: None,
            mail_sender: None,
            mail_templates: None,
            create: UserRights::default(),
            set_others_as_contacts: true,
            admin_rights_all: false,
            restore_hours: 24,
            audit_days: 365,
            dev_eui_blocks: Vec::new(),
            dev_eui_limit: 10,
            pictures: true,
            gravatar: false,
            cluster_keys: Vec::new(),
        }
    }
}

impl Identity {
    /// How mails are sent.
    pub(super) fn mails(&self, host: &str) -> anyhow::Result<Mails> {
        let sender = self.mail_sender.clone().unwrap_or_else(|| format!("noreply@{host}"));
        Ok(match (&self.mail_server, &self.mail_directory) {
            (Some(_), Some(_)) => {
                anyhow::bail!("identity.mail_server and identity.mail_directory exclude each other")
            }
            (Some(server), None) => Arc::new(SmtpMailer::new(server, &sender)?),
            (None, Some(directory)) => Arc::new(DirectoryMailer::new(directory.clone(), sender)),
            (None, None) => Arc::new(NoMail::default()),
        })
    }

    /// What mails say.
    fn templates(&self) -> anyhow::Result<Templates> {
        let mut templates = Templates::default();
        let Some(directory) = &self.mail_templates else { return Ok(templates) };
        let failed = || format!("identity.mail_templates: {}", directory.display());
        for entry in fs::read_dir(directory).with_context(failed)? {
            let path = entry.with_context(failed)?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let replace = match path.extension().and_then(|extension| extension.to_str()) {
                Some("html") => Templates::replace_html,
                Some("txt") => Templates::replace,
                _ => continue,
            };
            let failed = || format!("identity.mail_templates: {}", path.display());
            let text = fs::read_to_string(&path).with_context(failed)?;
            replace(&mut templates, name, &text).with_context(failed)?;
        }
        Ok(templates)
    }

    pub(super) fn config(&self, account_url: &str) -> ttn_is::Config {
        let login = Login {
            password: self.password,
            login_tokens: self.login_tokens,
            invitation_required: self.registration_invitation,
            email_validation_required: self.registration_validation,
            network_name: self.network_name.clone(),
            account_url: account_url.to_owned(),
            ..Login::default()
        };
        let blocks = self.dev_eui_blocks.clone();
        let dev_euis = DevEuis { blocks, application_limit: self.dev_eui_limit };
        ttn_is::Config {
            cluster_keys: self.cluster_keys.iter().map(|key| key.0.clone()).collect(),
            admin_rights_all: self.admin_rights_all,
            registration_enabled: self.registration,
            registration_admin_approval: self.registration_approval,
            restore_window: Duration::from_secs(u64::from(self.restore_hours) * 3600),
            audit_retention: Duration::from_secs(u64::from(self.audit_days) * 24 * 3600),
            user_rights: self.create,
            set_others_as_contacts: self.set_others_as_contacts,
            dev_euis: Some(dev_euis),
            login,
            pictures: Pictures { uploads: self.pictures, gravatar: self.gravatar },
            ..ttn_is::Config::default()
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config("").fmt(f)
    }
}

/// Builds the Identity Server; it keeps a registry of tenants if somebody runs their networks.
pub(crate) fn build(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    store: Arc<dyn IdentityStore>,
    events: &Events,
    tenants: Option<Arc<dyn TenantHost>>,
) -> anyhow::Result<Arc<IdentityServer>> {
    let TenancyConfig { admin_keys, tenants_max, .. } = config.tenancy.clone();
    let identity = ttn_is::Config {
        tenancy: ttn_is::Tenancy { admin_keys, tenants_max },
        ..config.identity.config(&account_url(config))
    };
    let builder = IdentityServer::builder(identity, clock.clone())
        .entropy(entropy.clone())
        .store(store)
        .events(events.clone())
        .mails(config.identity.mails(&config.public_host)?)
        .templates(config.identity.templates()?);
    let builder = match tenants {
        Some(host) => builder.tenants(host),
        None => builder,
    };
    builder.build().context("the Identity Server")
}

/// Where the pages of the account are.
pub(super) fn account_url(config: &Config) -> String {
    let port = config.ports.http.saturating_add(config.ports.offset);
    let own = || format!("http://{}:{port}", config.public_host);
    let base = config.webhooks.public_url.clone().unwrap_or_else(own);
    format!("{}/oauth", base.trim_end_matches('/'))
}

/// A key of the cluster. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ClusterKey(Vec<u8>);

impl TryFrom<String> for ClusterKey {
    type Error = data_encoding::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map(Self)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // IS-55
    #[test]
    fn templates_are_read_from_a_directory_and_a_bad_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let mail_templates = Some(directory.path().to_owned());
        let identity = Identity { mail_templates, ..Identity::default() };
        fs::write(directory.path().join("validate.txt"), "Subject: Ja?\n\n{page}\n").unwrap();
        fs::write(directory.path().join("README"), "other files are left alone").unwrap();
        let text = format!("{:?}", identity.templates().unwrap());
        assert!(text.contains("Ja?"));
        fs::write(directory.path().join("validate.html"), "<b>Wirklich?</b>").unwrap();
        assert!(format!("{:?}", identity.templates().unwrap()).contains("Wirklich?"));
        fs::write(directory.path().join("validate.txt"), "Ja?").unwrap();
        let error = format!("{:#}", identity.templates().unwrap_err());
        assert!(error.contains("validate.txt: it must begin with `Subject"), "{error}");
    }
}
