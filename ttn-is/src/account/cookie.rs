//! The two cookies.

use axum::http::{HeaderMap, HeaderValue, header};

/// Who is logged in: `<session id>.<secret>`.
pub(super) const SESSION: &str = "_session";
/// What a form has to repeat.
pub(super) const CSRF: &str = "_csrf";

/// Reads a cookie.
pub(super) fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|cookie| {
        let (key, value) = cookie.trim().split_once('=')?;
        (key == name && !value.is_empty()).then_some(value)
    })
}

/// Sets a cookie for as long as the browser is open, or `seconds`.
pub(super) fn set(
    headers: &mut HeaderMap,
    (name, value): (&str, &str),
    seconds: Option<u64>,
    secure: bool,
) {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{age}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_read_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; _session=ID.SECRET"));
        headers.append(header::COOKIE, HeaderValue::from_static("_csrf="));
        assert_eq!(get(&headers, SESSION), Some("ID.SECRET"));
        assert_eq!((get(&headers, CSRF), get(&headers, "b")), (None, None));
    }
}
