use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use ttn_core::{
    auth::{Caller, Principal, Right},
    error::ApiError as _,
    event::EventCaller,
    id::EntityId,
    store::Replaces,
};
use ttn_is::{
    Config, Login, Query,
    email::{Mail, MailError, Mailer},
    record::User,
    store::{Change, IdentityStore as _, Table, Write},
};

use crate::bench::{Bench, PASSWORD, id, name};

/// Keeps what is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postbox(Arc<Mutex<Vec<Mail>>>);

#[async_trait::async_trait]
impl Mailer for Postbox {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.0.lock().push(mail.clone());
        Ok(())
    }
}

impl Postbox {
    /// The last letter of a kind, and what stands behind `marker` in it up to the end of the word.
    pub(crate) fn find(&self, template: &str, marker: &str) -> Option<String> {
        let mails = self.0.lock();
        let mail = mails.iter().rev().find(|mail| mail.template == template)?;
        let (_, rest) = mail.text.split_once(marker)?;
        Some(rest.split(['\n', '&', ' ']).next().unwrap_or_default().to_owned())
    }

    pub(crate) fn count(&self, template: &str) -> usize {
        self.0.lock().iter().filter(|mail| mail.template == template).count()
    }
}

async fn bench(login: Login) -> (Bench, Postbox) {
    let postbox = Postbox::default();
    let config = Config { login, ..Config::default() };
    (Bench::with_mails(config, Arc::new(postbox.clone())).await, postbox)
}

fn from(address: &str) -> Option<Arc<EventCaller>> {
    Some(Arc::new(EventCaller { remote_ip: address.to_owned(), ..EventCaller::default() }))
}

// IS-41, IS-27
#[tokio::test]
async fn a_session_lives_from_login_to_logout() {
    let (bench, _) = bench(Login::default()).await;
    bench.user("alice").await;
    let server = &bench.server;
    let opened = server.open_session("alice", PASSWORD, from("1.2.3.4")).await.unwrap();
    assert!(opened.token.starts_with(&format!("ONZW4.{}.", opened.session.session_id)));
    assert!(!format!("{opened:?}").contains(&opened.token));
    assert!(bench.event_names().contains(&"oauth.user.login"));
    let caller = bench.caller(&opened.token).await.unwrap();
    assert_eq!(caller.caller, Caller::User(id("alice")));
    // The address is a name too, in any case.
    server.open_session("ALICE@example.com", PASSWORD, None).await.unwrap();
    let listed = server.list_sessions(&caller, &id("alice"), &Query::default()).await.unwrap();
    assert_eq!(listed.total, 2);
    let other = bench.user("other").await;
    let refused = server.list_sessions(&other, &id("alice"), &Query::default()).await;
    assert_eq!(name(refused), "no_user_rights");
    let session_id = &opened.session.session_id;
    let foreign = server.delete_session(&other, &id("other"), session_id).await;
    assert_eq!(name(foreign), "user_session_not_found");
    server.delete_session(&caller, &id("alice"), session_id).await.unwrap();
    assert_eq!(name(bench.caller(&opened.token).await), "session_expired");
    assert!(bench.event_names().contains(&"oauth.user.logout"));
}

// IS-41
#[tokio::test]
async fn a_session_ends_by_itself_and_with_its_user() {
    let (bench, _) = bench(Login::default()).await;
    bench.user("alice").await;
    let opened = bench.server.open_session("alice", PASSWORD, None).await.unwrap();
    bench.clock.advance(Login::default().session_ttl);
    assert_eq!(name(bench.caller(&opened.token).await), "session_expired");
    let opened = bench.server.open_session("alice", PASSWORD, None).await.unwrap();
    let entity = EntityId::User(id("alice"));
    bench.server.delete(&bench.admin, &entity).await.unwrap();
    assert_eq!(name(bench.caller(&opened.token).await), "session_expired");
    bench.server.purge(&bench.admin, &entity).await.unwrap();
    for table in [Table::Session, Table::SessionOfUser] {
        let scan = ttn_is::store::Scan { table, prefix: String::new(), after: None, limit: 9 };
        assert!(bench.store.scan(&scan).await.unwrap().is_empty(), "{table:?}");
    }
}

// IS-28: rows of the reference are accepted and hashed anew
#[tokio::test]
async fn an_old_hash_is_accepted_once_and_then_made_anew() {
    let (bench, _) = bench(Login::default()).await;
    bench.user("alice").await;
    // PBKDF2-HMAC-SHA-256 of "passwd" with salt "salt" and 1 round begins with these 32 octets (RFC 7914).
    let key = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc";
    let key = data_encoding::HEXLOWER.decode(key.as_bytes()).unwrap();
    let old = format!("PBKDF2$sha256$1$salt${}", data_encoding::BASE64URL_NOPAD.encode(&key));
    let stored = bench.store.get(Table::User, "alice").await.unwrap().unwrap();
    let mut user = <User as prost::Message>::decode(stored.value.as_slice()).unwrap();
    assert!(user.password_hash.starts_with("$argon2id$"));
    user.password_hash = old;
    let change = Change {
        table: Table::User,
        key: "alice".to_owned(),
        replaces: Replaces::Any,
        write: Write::Put(prost::Message::encode_to_vec(&user)),
    };
    bench.store.write(vec![change]).await.unwrap();
    bench.server.open_session("alice", "passwd", None).await.unwrap();
    let stored = bench.store.get(Table::User, "alice").await.unwrap().unwrap();
    let user = <User as prost::Message>::decode(stored.value.as_slice()).unwrap();
    assert!(user.password_hash.starts_with("$argon2id$"), "{}", user.password_hash);
    bench.server.open_session("alice", "passwd", None).await.unwrap();
    assert!(bench.server.open_session("alice", "passwD", None).await.is_err());
}

#[tokio::test]
async fn nobody_learns_who_exists_and_nobody_guesses_for_long() {
    let (bench, _) = bench(Login::default()).await;
    bench.user("alice").await;
    let server = &bench.server;
    let known = server.open_session("alice", "wrong", from("1.1.1.1")).await.unwrap_err();
    let unknown = server.open_session("nobody", "wrong", from("1.1.1.1")).await.unwrap_err();
    assert_eq!(known.name(), "no_user_id_password_match");
    assert_eq!((known.name(), known.to_string()), (unknown.name(), unknown.to_string()));
    assert!(bench.event_names().contains(&"account.user.login_failed"));
    for user in ["alice", "nobody"] {
        // Nine more of ten, each from another address.
        for attempt in 0..9 {
            let address = format!("2.2.2.{attempt}");
            let refused = server.open_session(user, "wrong", from(&address)).await;
            assert_eq!(name(refused), "no_user_id_password_match", "{user} {attempt}");
        }
        let refused = server.open_session(user, PASSWORD, from("3.3.3.3")).await;
        assert_eq!(name(refused), "rate_limit_exceeded", "{user}");
    }
    bench.clock.advance(Duration::from_secs(61));
    server.open_session("alice", PASSWORD, from("3.3.3.3")).await.unwrap();
    // Many accounts from one address.
    let mut refused = 0;
    for attempt in 0..120 {
        let user = format!("user-{attempt}");
        let answer = server.open_session(&user, "wrong", from("9.9.9.9")).await;
        refused += usize::from(name(answer) == "rate_limit_exceeded");
    }
    assert_eq!(refused, 20);
}

// IS-36, IS-37
#[tokio::test]
async fn a_forgotten_password_is_replaced_by_mail() {
    let (bench, postbox) = bench(Login::default()).await;
    bench.user("alice").await;
    let server = &bench.server;
    let session = server.open_session("alice", PASSWORD, None).await.unwrap();
    let nobody = Principal::anonymous();
    server.create_temporary_password(&nobody, &id("nobody")).await.unwrap();
    server.create_temporary_password(&nobody, &id("alice")).await.unwrap();
    let again = server.create_temporary_password(&nobody, &id("alice")).await;
    // A stranger does not learn that somebody asked before him, nor whether there is such a user.
    again.unwrap();
    let again = server.create_temporary_password(&bench.admin, &id("alice")).await;
    assert_eq!(name(again), "temporary_password_still_valid");
    let missing = server.create_temporary_password(&bench.admin, &id("nobody")).await;
    assert_eq!(name(missing), "user_not_found");
    assert_eq!(postbox.count("temporary_password"), 1);
    let temporary = postbox.find("temporary_password", "?current=").unwrap();
    // It opens nothing but the way to a new password.
    assert!(server.open_session("alice", &temporary, None).await.is_err());
    let new = "Another-horse-2";
    let call = || from("1.1.1.1").unwrap();
    let wrong = server.choose_password("alice", "wrong", new, call()).await;
    assert_eq!(name(wrong), "old_password");
    let same = server.choose_password("alice", &temporary, PASSWORD, call()).await;
    assert_eq!(name(same), "password_equals_old");
    server.choose_password("alice", &temporary, new, call()).await.unwrap();
    assert_eq!(postbox.count("password_changed"), 1);
    assert_eq!(name(bench.caller(&session.token).await), "session_expired");
    server.open_session("alice", new, None).await.unwrap();
    let used = server.choose_password("alice", &temporary, "Third-horse-3", call()).await;
    assert_eq!(name(used), "old_password");
}

// IS-37
#[tokio::test]
async fn a_temporary_password_expires() {
    let (bench, postbox) = bench(Login::default()).await;
    bench.user("alice").await;
    bench.server.create_temporary_password(&Principal::anonymous(), &id("alice")).await.unwrap();
    let temporary = postbox.find("temporary_password", "?current=").unwrap();
    bench.clock.advance(Duration::from_secs(3600));
    let call = from("1.1.1.1").unwrap();
    let late = bench.server.choose_password("alice", &temporary, "Another-horse-2", call).await;
    assert_eq!(name(late), "temporary_password_expired");
    bench.server.create_temporary_password(&Principal::anonymous(), &id("alice")).await.unwrap();
}

// IS-34, IS-39
#[tokio::test]
async fn those_register_who_are_invited_and_once() {
    let login = Login { invitation_required: true, ..Login::default() };
    let (bench, postbox) = bench(login).await;
    let (server, nobody) = (&bench.server, Principal::anonymous());
    let me = || User::new(&id("me"), "me@example.com");
    let refused = server.create_user(&nobody, me(), PASSWORD, "").await;
    assert_eq!(name(refused), "invitation_token_required");
    let refused = server.create_user(&nobody, me(), PASSWORD, "AAAA").await;
    assert_eq!(name(refused), "invitation_not_found");
    server.send_invitation(&bench.admin, "me@example.com").await.unwrap();
    let again = server.send_invitation(&bench.admin, "ME@example.com").await;
    assert_eq!(name(again), "invitation_already_sent");
    assert!(bench.event_names().contains(&"invitation.create"));
    let token = postbox.find("invitation", "invitation_token=").unwrap();
    let weak = server.create_user(&nobody, me(), "weak", &token).await;
    assert_eq!(name(weak), "password_strength_min_length");
    let created = server.create_user(&nobody, me(), PASSWORD, &token).await.unwrap();
    // Whoever has the token reads the mail of the address.
    assert!(created.primary_email_address_validated_at.is_some());
    let twice = User::new(&id("zoe"), "zoe@example.com");
    let refused = server.create_user(&nobody, twice, PASSWORD, &token).await;
    assert_eq!(name(refused), "invitation_already_used");
    let himself = server.log_in(&id("me"), PASSWORD).await.unwrap();
    let refused = server.send_invitation(&himself, "other@example.com").await;
    assert_eq!(name(refused), "no_invite_rights");
    server.send_invitation(&bench.admin, "late@example.com").await.unwrap();
    let token = postbox.find("invitation", "invitation_token=").unwrap();
    bench.clock.advance(Duration::from_secs(7 * 24 * 3600));
    let late = User::new(&id("late"), "late@example.com");
    let refused = server.create_user(&nobody, late, PASSWORD, &token).await;
    assert_eq!(name(refused), "invitation_expired");
    let query = Query::default();
    assert_eq!(server.list_invitations(&bench.admin, &query).await.unwrap().total, 2);
    server.delete_invitation(&bench.admin, "me@example.com").await.unwrap();
    assert_eq!(server.list_invitations(&bench.admin, &query).await.unwrap().total, 1);
}

// IS-06, IS-40
#[tokio::test]
async fn an_address_is_a_users_when_he_answers_the_mail() {
    let login = Login { email_validation_required: true, ..Login::default() };
    let (bench, postbox) = bench(login).await;
    let (server, nobody) = (&bench.server, Principal::anonymous());
    let user = User::new(&id("me"), "me@example.com");
    server.create_user(&nobody, user, PASSWORD, "").await.unwrap();
    let session = server.open_session("me", PASSWORD, None).await.unwrap();
    let me = bench.caller(&session.token).await.unwrap();
    let entity = EntityId::User(id("me"));
    let has = server.effective_rights(&me, &entity).await.unwrap();
    assert!(has.contains(Right::UserSettingsBasic) && !has.contains(Right::UserApplicationsCreate));
    let soon = server.request_email_validation(&me, &id("me")).await.unwrap_err();
    assert_eq!(soon.name(), "validations_already_sent");
    assert_eq!(soon.attributes()["retry_interval"], "3600s");
    bench.clock.advance(Duration::from_secs(3600));
    let first = postbox.find("validate", "reference=").unwrap();
    server.request_email_validation(&me, &id("me")).await.unwrap();
    let reference = postbox.find("validate", "reference=").unwrap();
    let token = postbox.find("validate", "&token=").unwrap();
    for (reference, token) in [(&first, &token), (&reference, &reference), (&token, &token)] {
        let wrong = server.validate_email(reference, token).await;
        assert_eq!(name(wrong), "validation_token_not_found");
    }
    server.validate_email(&reference, &token).await.unwrap();
    assert_eq!(
        name(server.validate_email(&reference, &token).await),
        "validation_token_already_used"
    );
    let has = server.effective_rights(&me, &entity).await.unwrap();
    assert!(has.contains(Right::UserApplicationsCreate));
    let done = server.request_email_validation(&me, &id("me")).await;
    assert_eq!(name(done), "no_validation_needed");
}

// IS-40
#[tokio::test]
async fn an_old_link_does_not_validate_another_address() {
    let (bench, postbox) = bench(Login::default()).await;
    let user = User::new(&id("me"), "me@example.com");
    bench.server.create_user(&Principal::anonymous(), user, PASSWORD, "").await.unwrap();
    let reference = postbox.find("validate", "reference=").unwrap();
    let token = postbox.find("validate", "&token=").unwrap();
    let change = |user: &mut User| {
        user.primary_email_address = "other@example.com".to_owned();
        Ok(())
    };
    let me = bench.server.log_in(&id("me"), PASSWORD).await.unwrap();
    bench.server.update_user(&me, &id("me"), &[], change).await.unwrap();
    let late = bench.server.validate_email(&reference, &token).await;
    assert_eq!(name(late), "validation_token_expired");
}
