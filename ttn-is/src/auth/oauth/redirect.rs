//! Redirect URIs: which are sound, which is registered, where it leads.
//!
//! They are compared as text (RFC 6749, 3.1.2.3), except for the port of a program on the user's own machine, which it
//! learns when it starts (RFC 8252, 7.3).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

/// The place that a redirect URI leads to, if it is one of those registered. Without one, the only one registered counts.
pub(crate) fn choose(registered: &[String], asked: &str) -> Option<String> {
    let chosen = match (asked, registered) {
        ("", [only]) => only.as_str(),
        ("", _) => return None,
        _ => registered.iter().any(|known| fits(known, asked)).then_some(asked)?,
    };
    place(chosen)
}

/// Where a redirect URI leads; `None` if nobody should be sent there.
pub(crate) fn place(uri: &str) -> Option<String> {
    let visible = uri.len() <= LENGTH_MAX && uri.bytes().all(|octet| octet.is_ascii_graphic());
    if !visible || uri.contains(['#', '\\', '"', '<', '>']) {
        return None;
    }
    // Pages of ours that hand the code on are registered by their names.
    let page = uri.strip_prefix('/').unwrap_or(uri);
    if PAGES.iter().any(|name| is_page(page, name)) {
        return Some(format!("/oauth/{page}"));
    }
    if uri.starts_with('/') {
        return (!uri.starts_with("//")).then(|| uri.to_owned());
    }
    let url = Url::parse(uri).ok()?;
    let leads_somewhere = match url.scheme() {
        scheme @ ("http" | "https") => {
            // The parser takes any number of slashes.
            let host = uri.get(scheme.len()..).and_then(|rest| rest.strip_prefix("://"));
            host.is_some_and(|host| !host.starts_with('/'))
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
        }
        "about" | "blob" | "data" | "file" | "filesystem" | "javascript" | "vbscript" => false,
        _ => true,
    };
    leads_somewhere.then(|| uri.to_owned())
}

/// Adds pairs to a place; those without a value are left out.
pub(crate) fn with(place: &str, pairs: &[(&str, &str)]) -> String {
    let mut address = place.to_owned();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(name);
        address.push('=');
        address.extend(utf8_percent_encode(value, ENCODED));
    }
    address
}

fn fits(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    let (page, asked_page) = (registered.trim_start_matches('/'), asked.trim_start_matches('/'));
    if page == LOCAL_CALLBACK {
        return is_page(asked_page, LOCAL_CALLBACK);
    }
    let (Ok(registered), Ok(mut asked)) = (Url::parse(registered), Url::parse(asked)) else {
        return false;
    };
    let is_local = match registered.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    };
    registered.scheme() == "http"
        && is_local
        && asked.set_port(registered.port()).is_ok()
        && asked == registered
}

/// Whether a text is the name of a page, for the local callback with a port.
fn is_page(text: &str, name: &str) -> bool {
    let Some(rest) = text.strip_prefix(name) else { return false };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
    rest.is_empty() || name == LOCAL_CALLBACK && rest.strip_prefix("?port=").is_some_and(is_port)
}

const LOCAL_CALLBACK: &str = "local-callback";
const PAGES: [&str; 2] = ["code", LOCAL_CALLBACK];
/// The longest redirect URI.
const LENGTH_MAX: usize = 2048;
/// Everything but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(registered: &str, asked: &str) -> Option<String> {
        choose(&[registered.to_owned()], asked)
    }

    // IS-45
    #[test]
    fn only_what_is_registered_is_gone_to() {
        let back = "https://app.example/back?a=b";
        assert_eq!(chosen(back, back).as_deref(), Some(back));
        assert_eq!(chosen(back, "").as_deref(), Some(back));
        assert_eq!(choose(&[back.to_owned(), "code".to_owned()], ""), None);
        for foreign in [
            "https://evil.example/back?a=b",
            "https://app.example/back",
            "https://app.example/back?a=b&c=d",
            "https://app.example/back?a=b#x",
            "https://app.example/back/../x?a=b",
            "https://app.example:444/back?a=b",
            "https://APP.example/back?a=b",
            "https://app.example@evil.example/back?a=b",
            "http://app.example/back?a=b",
            "//app.example/back?a=b",
            "https://app.example/back?a=b\r\nX: y",
        ] {
            assert_eq!(chosen(back, foreign), None, "{foreign}");
        }
    }

    // IS-48
    #[test]
    fn pages_of_ours_and_programs_on_the_users_machine_are_found() {
        for (registered, asked, expected) in [
            ("code", "code", Some("/oauth/code")),
            ("/code", "/code", Some("/oauth/code")),
            ("local-callback", "local-callback", Some("/oauth/local-callback")),
            (
                "local-callback",
                "/local-callback?port=1234",
                Some("/oauth/local-callback?port=1234"),
            ),
            ("local-callback", "local-callback?port=99999", None),
            ("local-callback", "local-callback?port=+1", None),
            ("local-callback", "local-callback/../x", None),
            ("/console/oauth/callback", "/console/oauth/callback", Some("/console/oauth/callback")),
            ("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb", Some("http://127.0.0.1:4711/cb")),
            ("http://[::1]:1/cb", "http://[::1]:2/cb", Some("http://[::1]:2/cb")),
            ("http://127.0.0.1/cb", "http://127.0.0.1:4711/other", None),
            ("http://127.0.0.1/cb", "http://a@127.0.0.1:4711/cb", None),
            ("http://localhost/cb", "http://localhost:4711/cb", None),
            ("com.example.app:/back", "com.example.app:/back", Some("com.example.app:/back")),
        ] {
            assert_eq!(chosen(registered, asked).as_deref(), expected, "{registered} {asked}");
        }
    }

    #[test]
    fn places_that_nobody_should_be_sent_to_are_not_sound() {
        for uri in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "/\\evil.example",
            "https:///x",
            "https://user:pass@app.example/",
            "relative/path",
            "https://app.example/ä",
            "",
        ] {
            assert_eq!(place(uri), None, "{uri}");
        }
    }

    #[test]
    fn what_is_added_cannot_add_more() {
        let to =
            with("https://a.example/?x=1", &[("code", "A.B"), ("state", "a&b=c\r\n#ä"), ("n", "")]);
        assert_eq!(to, "https://a.example/?x=1&code=A.B&state=a%26b%3Dc%0D%0A%23%C3%A4");
    }
}
