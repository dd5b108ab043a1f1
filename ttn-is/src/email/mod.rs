//! Mails to people (IS-55). How they are sent is the composition's choice.

mod html;
mod outbox;
mod text;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

#[cfg(feature = "grpc")]
pub(crate) use html::escape;
pub(crate) use outbox::Outbox;
pub(crate) use text::{Letter, address};
pub use text::{TemplateError, Templates};

/// A mail.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mail {
    /// The name of the letter, such as `temporary_password`.
    pub template: &'static str,
    /// The name of whom it is for.
    pub to_name: String,
    /// His address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML, for those who like it better.
    pub html: Option<String>,
}

impl Mail {
    /// Makes a mail; `to` is a name and an address.
    #[must_use]
    pub fn new(template: &'static str, to: (&str, &str), subject: &str, text: &str) -> Self {
        let [to_name, to, subject, text] = [to.0, to.1, subject, text].map(str::to_owned);
        Self { template, to_name, to, subject, text, html: None }
    }
}

/// What it says may open an account.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("template", &self.template).finish_non_exhaustive()
    }
}

/// A mail that was not sent.
#[derive(Debug, thiserror::Error)]
#[error("the mail could not be sent: {reason}")]
#[non_exhaustive]
pub struct MailError {
    /// Why.
    pub reason: String,
    /// Whether it is of no use to send it again.
    pub is_final: bool,
}

impl MailError {
    /// Makes an error of a mail that may be sent later.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_final: false }
    }

    /// Makes an error of a mail that nobody takes later either.
    #[must_use]
    pub fn refused(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_final: true }
    }
}

/// Sends mails.
///
/// # Contract
///
/// * [`Self::send`] returns when the mail is somebody else's: in a file, or taken by a mail server.
/// * Neither address nor subject has line breaks; they need no check.
#[async_trait]
pub trait Mailer: fmt::Debug + Send + Sync + 'static {
    /// Sends a mail.
    ///
    /// # Errors
    ///
    /// Nobody took it.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// A mailer that sends nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoMail;

#[async_trait]
impl Mailer for NoMail {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        tracing::info!(
            template = mail.template,
            "a mail is not sent: no way to send is configured"
        );
        Ok(())
    }
}

/// A shared mailer.
pub type Mails = Arc<dyn Mailer>;
