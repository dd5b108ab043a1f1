//! What the letters say.

use ttn_core::id::EntityId;

use super::Mail;
use crate::record::User;

/// A letter.
pub(crate) enum Letter<'a> {
    Invitation { token: &'a str, days: u64 },
    LoginToken { token: &'a str, minutes: u64 },
    Notification { kind: &'a str, entity: &'a EntityId },
    PasswordChanged,
    TemporaryPassword { password: &'a str, minutes: u64 },
    Validate { id: &'a str, token: &'a str },
}

/// Writes a letter to an address. `base` is where the pages of the account stand, without a slash at the end.
pub(crate) fn mail(letter: &Letter<'_>, base: &str, network: &str, to: (&str, &str)) -> Mail {
    let (to_name, to) = to;
    let (template, subject, body) = match letter {
        Letter::Invitation { token, days } => (
            "invitation",
            "You are invited".to_owned(),
            format!(
                "You are invited to register. Open this page within {days} days:\n\n{base}/register?invitation_token={token}\n"
            ),
        ),
        Letter::LoginToken { token, minutes } => (
            "login_token",
            "Your link to log in".to_owned(),
            format!(
                "Somebody, you we hope, asked for a link to log in. Open this page within {minutes} minutes:\n\n{base}/token-login?token={token}\n\nIf that was not you, do nothing.\n"
            ),
        ),
        Letter::Notification { kind, entity } => news(kind, entity, base),
        Letter::PasswordChanged => (
            "password_changed",
            "Your password was changed".to_owned(),
            format!(
                "The password of your account was changed. If that was not you, ask for a new one at once:\n\n{base}/forgot-password\n"
            ),
        ),
        Letter::TemporaryPassword { password, minutes } => (
            "temporary_password",
            "Your temporary password".to_owned(),
            format!(
                "Somebody, you we hope, asked for a temporary password. Within {minutes} minutes, choose a new one with it:\n\n{base}/update-password?current={password}\n\nThe temporary password is {password}. If that was not you, do nothing: your password holds.\n"
            ),
        ),
        Letter::Validate { id, token } => (
            "validate",
            "Is this your address?".to_owned(),
            format!(
                "This address was given for an account. If that was you, open this page:\n\n{base}/validate?reference={id}&token={token}\n"
            ),
        ),
    };
    Mail {
        template,
        to_name: one_line(to_name),
        to: one_line(to),
        subject: one_line(&format!("{subject} ({network})")),
        text: format!("Hello {},\n\n{body}\n{network}\n", one_line(to_name)),
    }
}

/// The name, the subject and the text of a notification.
fn news(kind: &str, entity: &EntityId, base: &str) -> (&'static str, String, String) {
    let entity = format!("{} {}", entity.kind(), entity.uid());
    let (template, subject, what) = match kind {
        "api_key_changed" => ("api_key_changed", "An API key was changed", "was changed"),
        "api_key_created" => ("api_key_created", "A new API key", "was created"),
        "client_requested" => ("client_requested", "An OAuth client waits", "waits for approval"),
        "collaborator_changed" => {
            ("collaborator_changed", "A collaborator was changed", "changed a collaborator")
        }
        "entity_state_changed" => ("entity_state_changed", "A new state", "has a new state"),
        "user_requested" => ("user_requested", "A user waits", "waits for approval"),
        _ => ("notification", "News", "has news"),
    };
    let text = match template {
        "api_key_changed" | "api_key_created" => format!("An API key of {entity} {what}."),
        "collaborator_changed" => format!("The collaborators of {entity} were changed."),
        _ => format!("There is something about {entity}: it {what}."),
    };
    let body = format!("{text} If you did not expect that, look at your account:\n\n{base}\n");
    (template, format!("{subject}: {entity}"), body)
}

/// How a user is addressed, and where.
pub(crate) fn address(user: &User) -> (&str, &str) {
    let name = if user.name.is_empty() { user.id() } else { &user.name };
    (name, &user.primary_email_address)
}

/// Line breaks in a name would begin a header of their own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // IS-55
    #[test]
    fn nobody_writes_headers_through_his_name() {
        let to = ("Mallory\r\nBcc: all@example.com", "m@example.com\nX: y");
        let mail = mail(&Letter::PasswordChanged, "https://example.com/oauth", "net\nwork", to);
        for text in [&mail.to_name, &mail.to, &mail.subject] {
            assert!(!text.contains(['\r', '\n']), "{text:?}");
        }
        assert!(!mail.text.contains("\nBcc"));
    }
}
