//! Mails as files: for development, and for mail servers that watch a directory.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use ttn_is::email::{Mail, MailError, Mailer};

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
    let Mail { to, to_name, subject, text, .. } = mail;
    let to_name = to_name.replace(['"', '\\'], "'");
    let lines = text.replace('\n', "\r\n");
    let head = format!(
        "From: {sender}\r\nTo: \"{to_name}\" <{to}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    );
    [head.into_bytes(), lines.into_bytes()].concat()
}
