//! A client library that is not ours speaks with the server.

use axum::{
    body::{Body, to_bytes},
    http::Response,
};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    PkceCodeChallenge, RedirectUrl, RefreshToken, RequestTokenError, TokenResponse as _, TokenUrl,
    basic::{BasicClient, BasicErrorResponseType},
};
use tower::ServiceExt as _;
use ttn_core::{auth::Right, id::EntityId};

use crate::{
    account::Browser,
    bench::{Bench, id},
    oauth::{BACK, SECRET, client_id, scene, value},
};

/// Carries requests of the library to the routes.
async fn send(
    bench: &Bench,
    request: HttpRequest,
) -> Result<HttpResponse, std::convert::Infallible> {
    let router = ttn_is::account::routes(&bench.server, false);
    let answer = router.oneshot(request.map(Body::from)).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap().to_vec();
    Ok(Response::from_parts(parts, body))
}

async fn authorize(person: &mut Browser, address: &url::Url) -> (String, String) {
    let path = format!("{}?{}", address.path(), address.query().unwrap());
    person.get(&path).await;
    let answer = person.submit(&path, "authorize=true").await;
    let to = answer.location();
    assert!(to.starts_with(BACK), "{to}");
    (value(to, "code").unwrap(), value(to, "state").unwrap())
}

// IS-45, IS-46; RFC 6749, RFC 7636
#[tokio::test]
async fn a_client_library_gets_and_refreshes_tokens() {
    let (bench, mut person) = scene().await;
    for with_secret in [true, false] {
        let mut client = BasicClient::new(oauth2::ClientId::new(client_id().to_string()))
            .set_auth_uri(AuthUrl::new("https://here.example/oauth/authorize".to_owned()).unwrap())
            .set_token_uri(TokenUrl::new("https://here.example/oauth/token".to_owned()).unwrap())
            .set_redirect_uri(RedirectUrl::new(BACK.to_owned()).unwrap());
        if with_secret {
            client = client.set_client_secret(ClientSecret::new(SECRET.to_owned()));
        } else {
            let id = client_id();
            let public = bench.server.update_client(&bench.admin, &id, &[], Some(""), |_| Ok(()));
            public.await.unwrap();
        }
        let http = |request: HttpRequest| send(&bench, request);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (address, state) =
            client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge).url();
        let (code, given) = authorize(&mut person, &address).await;
        assert_eq!(&given, state.secret());
        let code = AuthorizationCode::new(code);
        let tokens = client.exchange_code(code.clone()).set_pkce_verifier(verifier);
        let tokens = tokens.request_async(&http).await.unwrap();
        assert_eq!(tokens.expires_in(), Some(std::time::Duration::from_secs(3600)));
        let access = tokens.access_token().secret();
        let caller = bench.caller(access).await.unwrap();
        let rights = bench.server.effective_rights(&caller, &EntityId::User(id("alice"))).await;
        assert!(rights.unwrap().contains(Right::UserInfo));
        let refresh = tokens.refresh_token().unwrap().clone();
        let renewed = client.exchange_refresh_token(&refresh).request_async(&http).await.unwrap();
        assert!(bench.caller(access).await.is_err());
        assert!(bench.caller(renewed.access_token().secret()).await.is_ok());
        // It understands what goes wrong.
        let again = client.exchange_code(code).request_async(&http).await.unwrap_err();
        let RequestTokenError::ServerResponse(error) = again else { panic!("{again:?}") };
        assert_eq!(error.error(), &BasicErrorResponseType::InvalidGrant);
        let gone = RefreshToken::new(renewed.refresh_token().unwrap().secret().clone());
        let gone = client.exchange_refresh_token(&gone).request_async(&http).await.unwrap_err();
        assert!(matches!(gone, RequestTokenError::ServerResponse(_)), "{gone:?}");
    }
}
