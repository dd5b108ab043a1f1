//! Where a message goes: URI templates (RFC 6570) filled with what names the device (AS-38).

use http::Uri;
use iri_string::{
    spec::UriSpec,
    template::{UriTemplateStr, simple_context::SimpleContext},
};
use ttn_core::id::DeviceIds;

/// The longest URL that is called.
pub const URL_LENGTH_MAX: usize = 4096;

/// A URL that cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The path leaves the base path.
    #[error("the path has the segment `{0}`, which would leave the base URL; remove it")]
    Escapes(String),
    /// It is too long.
    #[error("the URL has {0} characters; at most {URL_LENGTH_MAX}")]
    Length(usize),
    /// The port is not one of HTTP.
    #[error("port {0} is not allowed; use 80, 443, or 1024 and above")]
    Port(u16),
    /// The scheme is not one of HTTP.
    #[error("the URL must begin with `https://` or `http://`")]
    Scheme,
    /// It is no template.
    #[error("{part} is no URI template: {reason}")]
    Template {
        /// `base_url` or `path`.
        part: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It carries a user or password.
    #[error("the URL carries a user; put credentials into the header `Authorization`")]
    User,
    /// What comes out is no URL.
    #[error("`{0}` is no URL")]
    Wrong(String),
}

/// The URL of a message: the templates `base_url` and `path`, filled and joined.
///
/// The path is always below that of the base; queries of both are kept, fragments are not. Variables are `appID`,
/// `applicationID`, `appEUI`, `joinEUI`, `devID`, `deviceID`, `devEUI` and `devAddr`; one that the device lacks is
/// empty.
///
/// # Errors
///
/// A template is malformed, or the URL is not one that may be called.
pub fn target(base_url: &str, path: &str, ids: &DeviceIds) -> Result<Uri, UrlError> {
    let variables = variables(ids);
    let base = expand("base_url", base_url, &variables)?;
    let path = expand("path", path, &variables)?;
    let url = join(&base, &path)?;
    if url.len() > URL_LENGTH_MAX {
        return Err(UrlError::Length(url.len()));
    }
    let uri: Uri = url.parse().map_err(|_| UrlError::Wrong(url))?;
    check(&uri)?;
    Ok(uri)
}

/// Checks scheme, host and port of a URL.
///
/// # Errors
///
/// It is not one that may be called.
pub fn check(uri: &Uri) -> Result<(), UrlError> {
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(UrlError::Scheme);
    }
    let authority = uri.authority().ok_or_else(|| UrlError::Wrong(uri.to_string()))?;
    if authority.as_str().contains('@') {
        return Err(UrlError::User);
    }
    if authority.host().is_empty() {
        return Err(UrlError::Wrong(uri.to_string()));
    }
    match authority.port_u16() {
        Some(port) if port < 1024 && port != 80 && port != 443 => Err(UrlError::Port(port)),
        _ => Ok(()),
    }
}

fn expand(
    part: &'static str,
    template: &str,
    variables: &SimpleContext,
) -> Result<String, UrlError> {
    let wrong = |reason: String| UrlError::Template { part, reason };
    // The parser of templates panics where a character of several octets follows `%` and one digit.
    if let Some(at) = bad_percent(template) {
        return Err(wrong(format!("no two hexadecimal digits follow the `%` at {at}")));
    }
    // It panics where the length of a variable does not fit, too.
    if let Some(length) = bad_length(template) {
        return Err(wrong(format!("`:{length}` is no length of a variable; from :1 to :9999")));
    }
    let template = UriTemplateStr::new(template).map_err(|error| wrong(error.to_string()))?;
    let expanded = template.expand::<UriSpec, _>(variables);
    expanded.map(|text| text.to_string()).map_err(|error| wrong(error.to_string()))
}

/// The place of the first `%` without two hexadecimal digits behind it.
fn bad_percent(text: &str) -> Option<usize> {
    let encoded = |at: &usize| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    text.match_indices('%').map(|(at, _)| at).find(|at| !encoded(at))
}

/// The first length of a variable that is none: one to four digits, the first not 0 (RFC 6570 §2.4.1).
fn bad_length(template: &str) -> Option<&str> {
    let expressions = template.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let lengths = expressions
        .flat_map(|expression| expression.split(','))
        .filter_map(|variable| variable.split_once(':'))
        .map(|(_, length)| length);
    let fits = |length: &str| {
        (1..=4).contains(&length.len())
            && length.bytes().all(|octet| octet.is_ascii_digit())
            && !length.starts_with('0')
    };
    lengths.into_iter().find(|length| !fits(length))
}

fn variables(ids: &DeviceIds) -> SimpleContext {
    let mut variables = SimpleContext::new();
    let application = ids.key.application_id.as_str();
    let device = ids.key.device_id.as_str();
    let join_eui = ids.join_eui.map(|eui| eui.to_string());
    for (name, value) in [("appID", application), ("applicationID", application)] {
        variables.insert(name, value);
    }
    for (name, value) in [("devID", device), ("deviceID", device)] {
        variables.insert(name, value);
    }
    for name in ["appEUI", "joinEUI"] {
        join_eui.as_deref().map(|value| variables.insert(name, value));
    }
    ids.dev_eui.map(|eui| variables.insert("devEUI", eui.to_string()));
    ids.dev_addr.map(|address| variables.insert("devAddr", address.to_string()));
    variables
}

fn join(base: &str, path: &str) -> Result<String, UrlError> {
    let base = without_fragment(base);
    let path = without_fragment(path);
    let (base, base_query) = split_query(base);
    let (path, query) = split_query(path);
    let path = path.trim_start_matches('/');
    for segment in path.split(['/', '\\']) {
        let plain = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        if plain.split(['/', '\\']).any(|part| part == "." || part == "..") {
            return Err(UrlError::Escapes(segment.to_owned()));
        }
    }
    let mut url = base.to_owned();
    if !path.is_empty() {
        if !url.ends_with('/') {
            url.push('/');
        }
        url.push_str(path);
    }
    let queries = [base_query, query].into_iter().flatten().filter(|query| !query.is_empty());
    for (query, sign) in queries.zip(['?', '&']) {
        url.push(sign);
        url.push_str(query);
    }
    Ok(url)
}

fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(before, _)| before)
}

fn split_query(url: &str) -> (&str, Option<&str>) {
    url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn url(base: &str, path: &str) -> Result<String, UrlError> {
        target(base, path, &testing::ids("my-app.my-dev")).map(|uri| uri.to_string())
    }

    // AS-38
    #[test]
    fn templates_are_filled_and_joined() {
        for (base, path, expected) in [
            ("https://example.com/hook", "", "https://example.com/hook"),
            ("https://example.com/hook", "/up", "https://example.com/hook/up"),
            ("https://example.com/hook/", "//up", "https://example.com/hook/up"),
            (
                "https://example.com/{appID}{/devID}",
                "up{?devEUI}",
                "https://example.com/my-app/my-dev/up?devEUI=70B3D57ED0000001",
            ),
            (
                "https://example.com/?key=1",
                "up?a=b{&joinEUI,devAddr}",
                "https://example.com/up?key=1&a=b&joinEUI=70B3D57ED0000000&devAddr=26010203",
            ),
            (
                "http://example.com:8080#top",
                "{+applicationID}/{deviceID}/{appEUI}{unknown}",
                "http://example.com:8080/my-app/my-dev/70B3D57ED0000000",
            ),
            ("https://example.com/hook?x", "?y", "https://example.com/hook?x&y"),
            ("https://example.com", "{devID:2}", "https://example.com/my"),
        ] {
            assert_eq!(url(base, path).unwrap(), expected, "{base} {path}");
        }
    }

    // AS-38
    #[test]
    fn a_path_does_not_leave_the_base() {
        for path in ["../up", "a/../../b", "%2e%2e/up", "a/%2E./b", "x%2f..%2fy", "./up"] {
            let refused = url("https://example.com/a/b", path);
            assert!(matches!(refused, Err(UrlError::Escapes(_))), "{path}: {refused:?}");
        }
        assert_eq!(
            url("https://example.com/a", "//evil.example/x").unwrap(),
            "https://example.com/a/evil.example/x"
        );
    }

    // DESIGN 8
    #[test]
    fn only_http_on_its_ports_is_called() {
        assert_eq!(url("ftp://example.com", ""), Err(UrlError::Scheme));
        let file = "file:///etc/passwd";
        assert_eq!(url(file, ""), Err(UrlError::Wrong(file.to_owned())));
        assert_eq!(url("https://example.com:25/", ""), Err(UrlError::Port(25)));
        assert_eq!(url("https://a:b@example.com/", ""), Err(UrlError::User));
        assert!(url("https://example.com:443/", "").is_ok());
        assert!(url("example.com/x", "").is_err());
        assert!(matches!(
            url("https://example.com/{", ""),
            Err(UrlError::Template { part: "base_url", .. })
        ));
        for path in [
            "/%3\u{335}dev",
            "/%",
            "/%4",
            "/%zz",
            "{%4}",
            "{devID:65536}",
            "{devID,appID:0}",
            "{x:}",
        ] {
            let refused = url("https://example.com/", path);
            assert!(matches!(refused, Err(UrlError::Template { part: "path", .. })), "{path}");
        }
        let long = "x".repeat(URL_LENGTH_MAX);
        assert!(matches!(url("https://example.com", &long), Err(UrlError::Length(_))));
    }
}
