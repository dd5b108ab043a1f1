//! What the audit log knows: who did what to whom, from where (docs/adr/0032-audit-log.md).
//!
//! An entry is written in the same write as the change that it tells. Entries are never changed; they end with
//! [`Config::audit_retention`](crate::Config::audit_retention), also those of an entity that was purged.
#![expect(clippy::exhaustive_structs, reason = "built by other crates")]

use ttn_core::time::Timestamp;

use crate::record::AuditEntry;

macro_rules! actions {
    ($($variant:ident = $name:literal, $says:literal;)*) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Action {
            $(#[doc = $says] $variant,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name; it never changes.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

actions! {
    ApiKeyCreate = "api_key.create", "An API key was created.";
    ApiKeyDelete = "api_key.delete", "An API key was deleted.";
    ApiKeyRotate = "api_key.rotate", "An API key got a new secret.";
    ApiKeyUpdate = "api_key.update", "Name, rights or end of an API key were changed.";
    AuthorizationCreate = "authorization.create", "A user let an OAuth client act for him.";
    AuthorizationDelete = "authorization.delete", "A user took that back.";
    CollaboratorDelete = "collaborator.delete", "Somebody is no collaborator any more.";
    CollaboratorUpdate = "collaborator.update", "Somebody got rights as a collaborator, or others than before.";
    EntityCreate = "entity.create", "An entity was created.";
    EntityDelete = "entity.delete", "An entity was deleted.";
    EntityPurge = "entity.purge", "An entity was removed for good.";
    EntityRestore = "entity.restore", "An entity was restored.";
    EntityUpdate = "entity.update", "Something of an entity that matters was changed, such as the state of a user.";
    InvitationCreate = "invitation.create", "Somebody was invited.";
    InvitationDelete = "invitation.delete", "An invitation was taken back.";
    LoginFailed = "login.failed", "Somebody failed to log in.";
    LoginSucceeded = "login.succeeded", "A user logged in.";
    LoginTokenCreate = "login_token.create", "A link to log in with was asked for.";
    PasswordRefused = "password.refused", "The old password was wrong when a new one was to be set.";
    PasswordTemporary = "password.temporary", "A temporary password was asked for.";
    PasswordUpdate = "password.update", "A password was changed.";
    SessionEnd = "session.end", "A session was ended.";
    TokenIssue = "token.issue", "An OAuth client got tokens.";
    TokenReuse = "token.reuse", "A code or refresh token came a second time: what was made of it ended.";
    TokenRevoke = "token.revoke", "Tokens of an OAuth client were revoked.";
}

impl Action {
    /// The action of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}

/// Which entries are wanted. What is empty does not choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// What it was done to, as `kind/id`.
    pub entity: String,
    /// Who did it, as `kind/id`.
    pub actor: String,
    /// Any of these actions.
    pub actions: Vec<Action>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// How many; 0: 100. Never more than 1000.
    pub limit: u32,
    /// [`AuditPage::next`] of the page of before.
    pub after: String,
}

/// Entries, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The entries; fewer than wanted when a long part of the log had none of them.
    pub entries: Vec<AuditEntry>,
    /// Where to go on; empty at the end of the log.
    pub next: String,
}

impl AuditQuery {
    pub(crate) fn finds(&self, entry: &AuditEntry) -> bool {
        (self.entity.is_empty() || self.entity == entry.entity)
            && (self.actor.is_empty() || self.actor == entry.actor)
            && (self.actions.is_empty()
                || self.actions.iter().any(|action| action.name() == entry.action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_name_of_its_own() {
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.name()), Some(*action));
        }
        assert_eq!(Action::from_name("entity"), None);
    }
}
