//! Mails on their way: whoever causes one does not wait for mail servers.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use ttn_core::clock::Clock;

use super::{Mail, Mails};

/// Takes mails, and sends them one after the other.
#[derive(Debug)]
pub(crate) struct Outbox {
    mails: Mails,
    clock: Arc<dyn Clock>,
    sender: mpsc::Sender<Mail>,
    /// Until it is started.
    receiver: Mutex<Option<mpsc::Receiver<Mail>>>,
}

impl Outbox {
    pub(crate) fn new(mails: Mails, clock: Arc<dyn Clock>) -> Self {
        let (sender, receiver) = mpsc::channel(MAILS_MAX);
        Self { mails, clock, sender, receiver: Mutex::new(Some(receiver)) }
    }

    /// Takes a mail. It is sent when its turn comes, or at once if nobody runs the box. What is not sent is noted in the
    /// log and changes nothing else.
    pub(crate) async fn post(&self, mail: Mail) {
        let is_running = self.receiver.lock().is_none();
        let template = mail.template;
        if !is_running {
            if let Err(error) = self.mails.send(&mail).await {
                tracing::warn!(template, %error, "a mail was not sent");
            }
        } else if self.sender.try_send(mail).is_err() {
            tracing::warn!(template, "a mail was not sent: too many wait for the mail server");
        }
    }

    /// Sends mails for as long as it is polled; none if somebody does already.
    pub(crate) async fn run(&self) {
        let Some(mut receiver) = self.receiver.lock().take() else { return };
        while let Some(mail) = receiver.recv().await {
            self.send(&mail).await;
        }
    }

    /// Tries again what may work later.
    async fn send(&self, mail: &Mail) {
        let template = mail.template;
        let mut pauses = PAUSES.into_iter();
        loop {
            let Err(error) = self.mails.send(mail).await else { return };
            let pause = pauses.next().filter(|_| !error.is_final);
            let Some(pause) = pause else {
                tracing::warn!(template, %error, "a mail was not sent and is given up");
                return;
            };
            tracing::info!(template, %error, ?pause, "a mail was not sent yet");
            self.clock.sleep_until(self.clock.monotonic().plus(pause)).await;
        }
    }
}

/// How many mails wait; one more is given up.
const MAILS_MAX: usize = 1000;
/// How long to wait before a mail is sent again; after the last one it is given up. The mails behind it wait, too: most
/// often it is the mail server that does not answer.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

#[cfg(test)]
mod tests {
    use ttn_core::clock::SystemClock;

    use super::*;
    use crate::email::{MailError, Mailer};

    /// Fails as often as it is told to.
    #[derive(Debug)]
    struct Flaky {
        failures: Mutex<Vec<MailError>>,
        sent: mpsc::UnboundedSender<&'static str>,
    }

    #[async_trait::async_trait]
    impl Mailer for Flaky {
        async fn send(&self, mail: &Mail) -> Result<(), MailError> {
            if let Some(error) = self.failures.lock().pop() {
                return Err(error);
            }
            let _ = self.sent.send(mail.template);
            Ok(())
        }
    }

    fn mail(template: &'static str) -> Mail {
        Mail::new(template, ("me", "me@example.com"), "s", "t")
    }

    async fn first_sent(failures: Vec<MailError>) -> Option<&'static str> {
        let (sent, mut told) = mpsc::unbounded_channel();
        let mails = Arc::new(Flaky { failures: Mutex::new(failures), sent });
        let outbox = Outbox::new(mails, Arc::new(SystemClock::new()));
        let post = async {
            tokio::task::yield_now().await;
            outbox.post(mail("first")).await;
            outbox.post(mail("second")).await;
            told.recv().await
        };
        tokio::select! {
            biased;
            () = outbox.run() => None,
            sent = post => sent,
        }
    }

    // IS-55
    #[tokio::test(start_paused = true)]
    async fn a_mail_is_sent_again_unless_it_is_refused_for_good() {
        let later = || MailError::new("later");
        assert_eq!(first_sent(vec![later(), later()]).await, Some("first"));
        assert_eq!(first_sent(vec![MailError::refused("never")]).await, Some("second"));
        assert_eq!(first_sent((0..5).map(|_| later()).collect()).await, Some("second"));
    }
}
