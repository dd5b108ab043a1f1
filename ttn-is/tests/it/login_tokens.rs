use std::{sync::Arc, time::Duration};

use ttn_core::{
    auth::{Caller, Principal},
    event::EventCaller,
    id::EntityId,
};
use ttn_is::{Config, Login, record::User};

use crate::{
    bench::{Bench, id, name},
    logins::Postbox,
};

async fn bench() -> (Bench, Postbox) {
    let postbox = Postbox::default();
    let login = Login { login_tokens: true, ..Login::default() };
    let config = Config { login, ..Config::default() };
    (Bench::with_mails(config, Arc::new(postbox.clone())).await, postbox)
}

fn call() -> Arc<EventCaller> {
    Arc::new(EventCaller { remote_ip: "1.2.3.4".to_owned(), ..EventCaller::default() })
}

// IS-38
#[tokio::test]
async fn a_mailed_token_logs_in_once() {
    let (bench, postbox) = bench().await;
    bench.user("alice").await;
    let (server, nobody) = (&bench.server, Principal::anonymous());
    let token = server.create_login_token(&nobody, &id("alice"), true).await.unwrap();
    assert_eq!(token, None, "who asks gets nothing but a mail");
    server.create_login_token(&nobody, &id("nobody"), false).await.unwrap();
    assert_eq!(postbox.count("login_token"), 1);
    let token = postbox.find("login_token", "?token=").unwrap();
    let other = token.replacen("alice", "admin", 1);
    let cut = &token[..token.len() - 1];
    for wrong in ["", "x", "alice.A.B", cut, &other] {
        let refused = server.open_session_by_token(wrong, call()).await;
        assert_eq!(name(refused), "login_token_not_found", "{wrong}");
    }
    let opened = server.open_session_by_token(&token, call()).await.unwrap();
    let caller = bench.caller(&opened.token).await.unwrap();
    assert_eq!(caller.caller, Caller::User(id("alice")));
    let again = server.open_session_by_token(&token, call()).await;
    assert_eq!(name(again), "login_token_already_used");
}

// IS-38
#[tokio::test]
async fn a_token_ends_and_there_are_five_at_most() {
    let (bench, postbox) = bench().await;
    bench.user("alice").await;
    let (server, nobody) = (&bench.server, Principal::anonymous());
    for _ in 0..7 {
        server.create_login_token(&nobody, &id("alice"), false).await.unwrap();
    }
    assert_eq!(postbox.count("login_token"), 5);
    let more = server.create_login_token(&bench.admin, &id("alice"), true).await;
    assert_eq!(name(more), "login_tokens_still_valid");
    let token = postbox.find("login_token", "?token=").unwrap();
    bench.clock.advance(Duration::from_secs(3600));
    let late = server.open_session_by_token(&token, call()).await;
    assert_eq!(name(late), "login_token_expired");
    let token = server.create_login_token(&bench.admin, &id("alice"), true).await.unwrap();
    let suspend = |user: &mut User| {
        user.state = 4;
        Ok(())
    };
    server.update_user(&bench.admin, &id("alice"), &[], suspend).await.unwrap();
    let refused = server.open_session_by_token(&token.unwrap(), call()).await;
    assert_eq!(name(refused), "user_suspended");
}

// IS-38
#[tokio::test]
async fn administrators_get_the_tokens_of_others_than_administrators() {
    let (bench, postbox) = bench().await;
    bench.user("alice").await;
    let server = &bench.server;
    let token = server.create_login_token(&bench.admin, &id("alice"), true).await.unwrap();
    assert!(token.is_some());
    assert_eq!(postbox.count("login_token"), 0);
    let own = server.create_login_token(&bench.admin, &id("admin"), true).await.unwrap();
    assert_eq!(own, None);
    let missing = server.create_login_token(&bench.admin, &id("nobody"), true).await;
    assert_eq!(name(missing), "user_not_found");
    server.purge(&bench.admin, &EntityId::User(id("alice"))).await.unwrap();
    let gone = server.open_session_by_token(&token.unwrap(), call()).await;
    assert_eq!(name(gone), "login_token_not_found");
    let off = Bench::new().await;
    off.user("alice").await;
    let refused = off.server.create_login_token(&off.admin, &id("alice"), true).await;
    assert_eq!(name(refused), "login_tokens_disabled");
}
