//! Mails, to a mail server or as files: those are for development, and for mail servers that watch a directory.

use std::{
    fmt,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, MultiPart, header::ContentType},
};
use ttn_is::email::{Mail, MailError, Mailer};

/// Gives mails to a mail server (RFC 5321), each over a connection of its own.
pub(super) struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Mailbox,
}

impl SmtpMailer {
    /// `server` is `smtp://` or `smtps://` with user, password, host and port; `?tls=required` asks for STARTTLS.
    pub(super) fn new(server: &str, sender: &str) -> anyhow::Result<Self> {
        // The address has a password: it is not in the error.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(server)
            .map_err(|_| anyhow::anyhow!("identity.mail_server is no address of a mail server"))?;
        let sender = sender.parse().context("identity.mail_sender is no e-mail address")?;
        Ok(Self { transport: transport.timeout(Some(SMTP_TIMEOUT)).build(), sender })
    }

    fn message(&self, mail: &Mail) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
        let to = Mailbox::new(Some(mail.to_name.clone()), mail.to.parse::<Address>()?);
        let message = Message::builder().from(self.sender.clone()).to(to).subject(&*mail.subject);
        Ok(match &mail.html {
            Some(html) => {
                let (text, html) = (mail.text.clone(), html.clone());
                message.multipart(MultiPart::alternative_plain_html(text, html))?
            }
            None => message.header(ContentType::TEXT_PLAIN).body(mail.text.clone())?,
        })
    }
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").field("sender", &self.sender).finish_non_exhaustive()
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = self.message(mail).map_err(|error| MailError::refused(error.to_string()))?;
        let sent = self.transport.send(message).await;
        sent.map(drop).map_err(|error| {
            if error.is_permanent() {
                MailError::refused(error.to_string())
            } else {
                MailError::new(error.to_string())
            }
        })
    }
}

/// How long a mail server may take to answer.
const SMTP_TIMEOUT: Duration = Duration::from_secs(30);

/// Writes each mail into a file of its own, `<number>-<template>.eml`.
#[derive(Debug)]
pub(super) struct DirectoryMailer {
    directory: PathBuf,
    sender: String,
    next: AtomicU64,
}

impl DirectoryMailer {
    pub(super) const fn new(directory: PathBuf, sender: String) -> Self {
        Self { directory, sender, next: AtomicU64::new(1) }
    }
}

#[async_trait]
impl Mailer for DirectoryMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let failed = |error: std::io::Error| {
            MailError::new(format!("{}: {error}", self.directory.display()))
        };
        tokio::fs::create_dir_all(&self.directory).await.map_err(failed)?;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let path = self.directory.join(format!("{number:06}-{}.eml", mail.template));
            let mut options = tokio::fs::OpenOptions::new();
            match options.write(true).create_new(true).open(&path).await {
                Ok(mut file) => {
                    let octets = octets(mail, &self.sender);
                    tokio::io::AsyncWriteExt::write_all(&mut file, &octets)
                        .await
                        .map_err(failed)?;
                    return file.sync_all().await.map_err(failed);
                }
                // A mail of before the last start.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

/// The mail as RFC 5322 has it.
fn octets(mail: &Mail, sender: &str) -> Vec<u8> {
    let Mail { to, to_name, subject, text, html, .. } = mail;
    let to_name = to_name.replace(['"', '\\'], "'");
    let head = format!(
        "From: {sender}\nTo: \"{to_name}\" <{to}>\nSubject: {subject}\nMIME-Version: 1.0\n"
    );
    let part = |subtype: &str, body: &str| {
        format!(
            "Content-Type: text/{subtype}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}"
        )
    };
    let plain = part("plain", text);
    let body = match html.as_ref().map(|html| part("html", html)) {
        Some(html) => {
            let boundary = boundary(&[&plain, &html]);
            format!(
                "Content-Type: multipart/alternative; boundary=\"{boundary}\"\n\n\
                 --{boundary}\n{plain}\n--{boundary}\n{html}\n--{boundary}--\n"
            )
        }
        None => plain,
    };
    format!("{head}{body}").replace('\n', "\r\n").into_bytes()
}

/// A line that is in none of the parts.
fn boundary(parts: &[&str]) -> String {
    let mut boundary = "=_part".to_owned();
    while parts.iter().any(|part| part.contains(&boundary)) {
        boundary.push('_');
    }
    boundary
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::TcpListener,
    };

    use super::*;

    /// Speaks as much SMTP as one mail needs, and gives what it was told. `verdict` is the answer to the recipient.
    async fn serve(listener: TcpListener, verdict: &str) -> Vec<String> {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.split();
        write.write_all(b"220 mail.example.com\r\n").await.unwrap();
        let (mut lines, mut told, mut in_data) = (BufReader::new(read).lines(), Vec::new(), false);
        while let Some(line) = lines.next_line().await.unwrap() {
            let word = line.split(' ').next().unwrap_or_default().to_uppercase();
            told.push(line.clone());
            let answer = match &*word {
                "." if in_data => "250 taken",
                _ if in_data => continue,
                "EHLO" => "250-mail.example.com\r\n250 AUTH PLAIN",
                "AUTH" => "235 welcome",
                "RCPT" => verdict,
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            in_data = word == "DATA";
            write.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            if word == "QUIT" {
                break;
            }
        }
        told
    }

    async fn send(verdict: &'static str) -> (Result<(), MailError>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = format!("smtp://me:secret@{address}");
        let mailer = SmtpMailer::new(&server, "noreply@example.com").unwrap();
        assert!(!format!("{mailer:?}").contains("secret"));
        let mail = Mail::new("validate", ("Zoë", "zoe@example.com"), "Grüße", "Hello\n.\nthere\n");
        tokio::join!(mailer.send(&mail), serve(listener, verdict))
    }

    // IS-55
    #[tokio::test]
    async fn a_mail_server_gets_the_mail() {
        let (sent, told) = send("250 fine").await;
        sent.unwrap();
        let told = told.join("\n");
        for line in
            ["MAIL FROM:<noreply@example.com>", "RCPT TO:<zoe@example.com>", "\nHello\n..\n"]
        {
            assert!(told.contains(line), "{line:?} in {told}");
        }
        // Headers are ASCII (RFC 2047).
        assert!(told.is_ascii() && told.contains("Subject: =?utf-8?"), "{told}");
    }

    // IS-55
    #[tokio::test]
    async fn what_a_mail_server_refuses_is_sent_again_or_not_as_it_says() {
        assert!(send("550 nobody here").await.0.unwrap_err().is_final);
        assert!(!send("451 later").await.0.unwrap_err().is_final);
    }

    // IS-55
    #[test]
    fn a_mail_with_html_has_both_forms_and_nobody_ends_a_part_early() {
        let mut mail = Mail::new("validate", ("Zoë", "zoe@example.com"), "s", "hi\n--=_part--\n");
        mail.html = Some("<p>hi</p>".to_owned());
        let file = String::from_utf8(octets(&mail, "a@b")).unwrap();
        assert!(file.contains("multipart/alternative; boundary=\"=_part_\"\r\n\r\n--=_part_\r\n"));
        assert_eq!(file.matches("\r\n--=_part_\r\n").count(), 2);
        assert!(
            file.contains("text/html; charset=utf-8") && file.contains("\r\n\r\n<p>hi</p>\r\n")
        );
        assert!(file.ends_with("--=_part_--\r\n"));
        let mailer = SmtpMailer::new("smtp://localhost", "noreply@example.com").unwrap();
        let message = String::from_utf8(mailer.message(&mail).unwrap().formatted()).unwrap();
        let (plain, html) = (message.find("text/plain"), message.find("text/html"));
        assert!(message.contains("multipart/alternative") && plain < html, "{message}");
    }

    #[test]
    fn a_bad_address_does_not_tell_its_password() {
        let error = SmtpMailer::new("https://me:secret@x", "a@b").unwrap_err();
        assert!(!format!("{error:?}").contains("secret"));
    }
}
