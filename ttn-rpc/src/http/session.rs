//! Calls of browsers, whose cookie says who is logged in.

use axum::http::{HeaderMap, Method, header};
use tonic::{Code, Status};
use ttn_core::auth::same_secret;
use ttn_proto::status;

/// The `authorization` of a call that has none of its own but the cookie of a session. A call that changes something has
/// to repeat the cookie `_csrf` in the header `X-CSRF-Token`: another site can make a browser send cookies, but not read
/// them.
///
/// # Errors
///
/// It does not: `pkg/webmiddleware:invalid_csrf_token`.
pub(super) fn authorization(
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<String>, Status> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    let Some(session) = cookie(headers, "_session") else { return Ok(None) };
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let known = cookie(headers, "_csrf").unwrap_or_default();
    let given = headers.get("x-csrf-token").and_then(|value| value.to_str().ok());
    let given = given.unwrap_or_default();
    let is_ours = known.len() >= CSRF_LENGTH_MIN && same_secret(known.as_bytes(), given.as_bytes());
    if !is_safe && !is_ours {
        let text = "the call does not carry the token of the page; load the page again";
        let name = "invalid_csrf_token";
        return Err(status::named(Code::PermissionDenied, "pkg/webmiddleware", name, text, []));
    }
    Ok(Some(format!("Bearer ONZW4.{session}")))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|cookie| {
        let (key, value) = cookie.trim().split_once('=')?;
        (key == name && !value.is_empty()).then_some(value)
    })
}

const CSRF_LENGTH_MIN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &str, token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookies.parse().unwrap());
        headers.insert("x-csrf-token", token.parse().unwrap());
        headers
    }

    #[test]
    fn a_session_calls_with_the_token_of_its_page() {
        let csrf = "A".repeat(52);
        let cookies = format!("_session=ID.SECRET; _csrf={csrf}");
        let called = authorization(&Method::POST, &headers(&cookies, &csrf)).unwrap();
        assert_eq!(called.unwrap(), "Bearer ONZW4.ID.SECRET");
        for (cookies, token) in [
            (&*cookies, ""),
            (&cookies, "AAAA"),
            ("_session=ID.SECRET", ""),
            ("_session=I.S; _csrf=A", "A"),
        ] {
            let error = authorization(&Method::DELETE, &headers(cookies, token)).unwrap_err();
            assert!(error.message().contains("invalid_csrf_token"), "{cookies}");
            assert!(authorization(&Method::GET, &headers(cookies, token)).unwrap().is_some());
        }
    }

    #[test]
    fn a_key_beats_the_cookie_and_needs_no_token() {
        let mut headers = headers("_session=ID.SECRET", "");
        headers.insert(header::AUTHORIZATION, "Bearer NNSXS.A.B".parse().unwrap());
        assert_eq!(authorization(&Method::POST, &headers).unwrap(), None);
        assert_eq!(authorization(&Method::POST, &HeaderMap::new()).unwrap(), None);
    }
}
