//! What the letters say, as it is written here or as the operator wants it (IS-55).

use std::collections::BTreeMap;

use ttn_core::id::EntityId;

use super::{Mail, html};
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

/// What letters say, by their names.
///
/// A template is text: `Subject: …`, an empty line, and what the letter says. `{name}` stands for a value, `{{` for a
/// brace. Every letter has `{name}` of whom it is for, `{network}` and `{page}`, where he can act; some have more. The HTML
/// of a letter is made of its text, unless there is a template for it, too.
///
/// ```
/// use ttn_is::email::Templates;
///
/// let mut templates = Templates::default();
/// templates.replace("password_changed", "Subject: {network}\n\nDear {name}, it was you?\n{page}\n")?;
/// assert!(templates.replace("password_changed", "Subject: x\n\n{token}").is_err());
/// # Ok::<(), ttn_is::email::TemplateError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Templates(BTreeMap<&'static str, Template>);

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A brace is not closed.
    #[error("a `{{` has no `}}`; write `{{{{` for the brace itself")]
    Brace,
    /// No letter has this name.
    #[error("there is no letter `{0}`; there are {known}", known = names())]
    Name(String),
    /// It does not begin with a subject.
    #[error("it must begin with `Subject: …` and an empty line")]
    Subject,
    /// The letter has no such value.
    #[error("the letter has no value `{value}`; it has {known}")]
    Value {
        /// What is asked for.
        value: String,
        /// What there is.
        known: String,
    },
}

#[derive(Clone, Debug)]
struct Template {
    subject: Vec<Piece>,
    text: Vec<Piece>,
    html: Option<Vec<Piece>>,
}

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(String),
    Value(String),
}

/// The values of a letter by name.
pub(super) type Values = BTreeMap<&'static str, String>;

impl Templates {
    /// Lets a letter say something else.
    ///
    /// # Errors
    ///
    /// There is no such letter, or the template cannot be used.
    pub fn replace(&mut self, name: &str, template: &str) -> Result<(), TemplateError> {
        let (name, values) = letter(name)?;
        let mut new = Template::parse(template, values)?;
        new.html = self.0.remove(name).and_then(|old| old.html);
        self.0.insert(name, new);
        Ok(())
    }

    /// Lets a letter look otherwise as HTML. Values in it are escaped: they are shown, whatever is in them.
    ///
    /// # Errors
    ///
    /// There is no such letter, or the template cannot be used.
    pub fn replace_html(&mut self, name: &str, template: &str) -> Result<(), TemplateError> {
        let (name, values) = letter(name)?;
        let pieces = pieces(template, values)?;
        if let Some(letter) = self.0.get_mut(name) {
            letter.html = Some(pieces);
        }
        Ok(())
    }

    /// Writes a letter to an address. `base` is where the pages of the account stand, without a slash at the end.
    pub(crate) fn mail(
        &self,
        letter: &Letter<'_>,
        base: &str,
        network: &str,
        (to_name, to): (&str, &str),
    ) -> Mail {
        let (template, mut values) = values(letter, base);
        values.insert("name", one_line(to_name));
        values.insert("network", network.to_owned());
        let letter = self.0.get(template);
        let fill = |pieces: Option<&[Piece]>| fill(pieces.unwrap_or_default(), &values);
        let subject = one_line(&fill(letter.map(|letter| &*letter.subject)));
        let html = letter.map(|letter| match &letter.html {
            Some(template) => html::of_template(template, &values),
            None => html::of_text(&subject, &letter.text, &values),
        });
        Mail {
            template,
            to_name: one_line(to_name),
            to: one_line(to),
            subject,
            text: fill(letter.map(|letter| &*letter.text)),
            html,
        }
    }
}

impl Default for Templates {
    /// What the letters say without another will.
    fn default() -> Self {
        let parsed = LETTERS.iter().filter_map(|(name, values, template)| {
            Some((*name, Template::parse(template, values).ok()?))
        });
        Self(parsed.collect())
    }
}

impl Template {
    fn parse(text: &str, known: &str) -> Result<Self, TemplateError> {
        let text = text.replace("\r\n", "\n");
        let (subject, text) = text.split_once("\n\n").ok_or(TemplateError::Subject)?;
        let subject = subject.strip_prefix("Subject:").ok_or(TemplateError::Subject)?.trim();
        Ok(Self { subject: pieces(subject, known)?, text: pieces(text, known)?, html: None })
    }
}

/// The name and the values of a letter.
fn letter(name: &str) -> Result<(&'static str, &'static str), TemplateError> {
    let known = LETTERS.iter().find(|(known, ..)| *known == name);
    let (name, values, _) = known.ok_or_else(|| TemplateError::Name(name.to_owned()))?;
    Ok((name, values))
}

fn pieces(mut rest: &str, known: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    while let Some((text, more)) = rest.split_once('{') {
        pieces.push(Piece::Text(text.to_owned()));
        if let Some(more) = more.strip_prefix('{') {
            pieces.push(Piece::Text("{".to_owned()));
            rest = more;
            continue;
        }
        let (value, more) = more.split_once('}').ok_or(TemplateError::Brace)?;
        if !known.split(' ').chain(COMMON.split(' ')).any(|known| known == value) {
            let known = format!("{COMMON} {known}");
            return Err(TemplateError::Value { value: value.to_owned(), known });
        }
        pieces.push(Piece::Value(value.to_owned()));
        rest = more;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

fn fill(pieces: &[Piece], values: &Values) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Value(name) => values.get(name.as_str()).cloned().unwrap_or_default(),
    };
    pieces.iter().map(piece).collect()
}

/// The name of a letter and its values, those excepted that all have.
fn values(letter: &Letter<'_>, base: &str) -> (&'static str, Values) {
    match letter {
        Letter::Invitation { token, days } => {
            let page = format!("{base}/register?invitation_token={token}");
            ("invitation", Values::from([("page", page), ("days", days.to_string())]))
        }
        Letter::LoginToken { token, minutes } => {
            let page = format!("{base}/token-login?token={token}");
            ("login_token", Values::from([("page", page), ("minutes", minutes.to_string())]))
        }
        Letter::Notification { kind, entity } => {
            let known = LETTERS.iter().map(|(name, ..)| *name).find(|name| name == kind);
            let entity = one_line(&format!("{} {}", entity.kind(), entity.uid()));
            let values = Values::from([("page", base.to_owned()), ("entity", entity)]);
            (known.unwrap_or("notification"), values)
        }
        Letter::PasswordChanged => {
            ("password_changed", Values::from([("page", format!("{base}/forgot-password"))]))
        }
        Letter::TemporaryPassword { password, minutes } => {
            let page = format!("{base}/update-password?current={password}");
            let (password, minutes) = ((*password).to_owned(), minutes.to_string());
            let values = [("page", page), ("password", password), ("minutes", minutes)];
            ("temporary_password", Values::from(values))
        }
        Letter::Validate { id, token } => {
            let page = format!("{base}/validate?reference={id}&token={token}");
            ("validate", Values::from([("page", page)]))
        }
    }
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

fn names() -> String {
    LETTERS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

/// The values that every letter has.
const COMMON: &str = "name network page";

/// Every letter: its name, its values besides [`COMMON`], and what it says.
const LETTERS: &[(&str, &str, &str)] = &[
    ("api_key_changed", "entity", include_str!("letters/api_key_changed.txt")),
    ("api_key_created", "entity", include_str!("letters/api_key_created.txt")),
    ("client_requested", "entity", include_str!("letters/client_requested.txt")),
    ("collaborator_changed", "entity", include_str!("letters/collaborator_changed.txt")),
    ("entity_state_changed", "entity", include_str!("letters/entity_state_changed.txt")),
    ("invitation", "days", include_str!("letters/invitation.txt")),
    ("login_token", "minutes", include_str!("letters/login_token.txt")),
    ("notification", "entity", include_str!("letters/notification.txt")),
    ("password_changed", "", include_str!("letters/password_changed.txt")),
    ("temporary_password", "minutes password", include_str!("letters/temporary_password.txt")),
    ("user_requested", "entity", include_str!("letters/user_requested.txt")),
    ("validate", "", include_str!("letters/validate.txt")),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(templates: &Templates, to: (&str, &str)) -> Mail {
        templates.mail(&Letter::PasswordChanged, "https://example.com/oauth", "net\nwork", to)
    }

    // IS-55
    #[test]
    fn nobody_writes_headers_through_his_name() {
        let to = ("Mallory\r\nBcc: all@example.com", "m@example.com\nX: y");
        let mail = mail(&Templates::default(), to);
        for text in [&mail.to_name, &mail.to, &mail.subject] {
            assert!(!text.contains(['\r', '\n']), "{text:?}");
        }
        assert!(!mail.text.contains("\nBcc"));
    }

    // IS-55
    #[test]
    fn every_letter_has_a_template_and_says_what_it_knows() {
        let templates = Templates::default();
        assert_eq!(templates.0.len(), LETTERS.len());
        for (name, values, text) in LETTERS {
            for value in values.split(' ').filter(|value| !value.is_empty()) {
                assert!(text.contains(&format!("{{{value}}}")), "{name}: {value}");
            }
        }
    }

    // IS-55
    #[test]
    fn a_letter_says_what_the_operator_wants() {
        let mut templates = Templates::default();
        let text = "Subject: Neu: {network}\r\n\r\nHallo {name} {{und} {page}";
        templates.replace("password_changed", text).unwrap();
        let mail = mail(&templates, ("Zoë {page}", "zoe@example.com"));
        assert_eq!(mail.subject, "Neu: net work");
        assert_eq!(mail.text, "Hallo Zoë {page} {und} https://example.com/oauth/forgot-password");
    }

    // IS-55
    #[test]
    fn html_says_the_same_and_shows_what_is_hostile() {
        let mallory = ("<img src=x onerror=alert(1)>&\"'", "m@example.com");
        let mut templates = Templates::default();
        templates
            .replace("password_changed", "Subject: {name}\n\nDear {name},\nsee\n\n{page}\n")
            .unwrap();
        let shown = "&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;";
        let html = mail(&templates, mallory).html.unwrap();
        let page = "https://example.com/oauth/forgot-password";
        for part in [
            format!("<title>{shown}</title>"),
            format!("<p>Dear {shown},<br>\nsee</p>"),
            format!("<p><a href=\"{page}\">{page}</a></p>"),
        ] {
            assert!(html.contains(&part), "{part} in {html}");
        }
        templates.replace_html("password_changed", "<b title='{name}'>{{</b>").unwrap();
        templates.replace("password_changed", "Subject: x\n\ny").unwrap();
        assert_eq!(mail(&templates, mallory).html.unwrap(), format!("<b title='{shown}'>{{</b>"));
        assert!(templates.replace_html("password_changed", "{token}").is_err());
        assert!(templates.replace_html("greeting", "").is_err());
    }

    // IS-55
    #[test]
    fn a_template_that_cannot_be_used_is_refused_with_the_reason() {
        let mut templates = Templates::default();
        for (name, text, expected) in [
            ("greeting", "Subject: x\n\ny", "there is no letter `greeting`; there are api_key"),
            ("validate", "Hello", "it must begin with `Subject: …`"),
            (
                "validate",
                "Subject: {minutes}\n\n",
                "the letter has no value `minutes`; it has name",
            ),
            ("validate", "Subject: x\n\n{page", "a `{` has no `}`; write `{{`"),
        ] {
            let error = templates.replace(name, text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
