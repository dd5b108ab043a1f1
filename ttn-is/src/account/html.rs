//! Pages as text: made on the server, without scripts.

use std::fmt::Write as _;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use url::{Host, Url};

use super::forms::Fields;
use crate::email::escape;

/// A page.
pub(super) struct Page {
    title: String,
    body: String,
    status: StatusCode,
    /// Where its form may lead besides this server, as a content security policy names it.
    leads_to: String,
}

/// A form, which is sent back to a page of ours.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    pub(super) action: &'a str,
    pub(super) inputs: &'a [Input],
    /// The names of fields that nobody sees.
    pub(super) hidden: &'a [&'a str],
    pub(super) buttons: &'a [Button],
}

/// A field that is filled in.
#[derive(Clone, Copy)]
pub(super) struct Input {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// As in HTML. What was typed into a `password` is not shown again.
    pub(super) kind: &'static str,
    /// What browsers may fill in.
    pub(super) complete: &'static str,
}

/// What sends a form. One without a name says nothing but that.
#[derive(Clone, Copy)]
pub(super) struct Button {
    pub(super) text: &'static str,
    pub(super) name: &'static str,
    pub(super) value: &'static str,
}

impl Button {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, name: "", value: "" }
    }
}

impl Page {
    pub(super) fn new(title: &str) -> Self {
        let (title, leads_to) = (title.to_owned(), String::new());
        Self { title, body: String::new(), status: StatusCode::OK, leads_to }
    }

    /// Adds a paragraph.
    pub(super) fn text(self, text: &str) -> Self {
        self.paragraph("", text)
    }

    /// Adds something that went well, or is good to know.
    pub(super) fn note(self, text: &str) -> Self {
        self.paragraph("note", text)
    }

    /// Adds something to think about.
    pub(super) fn warning(self, text: &str) -> Self {
        self.paragraph("warning", text)
    }

    /// Adds what went wrong.
    pub(super) fn error(mut self, text: &str) -> Self {
        self.status = StatusCode::BAD_REQUEST;
        let mut letters = text.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        let text = format!("{}{}.", first.unwrap_or_default(), letters.as_str());
        let _ = write!(self.body, r#"<p class="error" role="alert">{}</p>"#, escape(&text));
        self
    }

    fn paragraph(mut self, class: &str, text: &str) -> Self {
        let class = if class.is_empty() { String::new() } else { format!(r#" class="{class}""#) };
        let _ = write!(self.body, "<p{class}>{}</p>", escape(text));
        self
    }

    /// Adds a list.
    pub(super) fn list(mut self, items: &[String]) -> Self {
        let items = items.iter().map(|item| format!("<li>{}</li>", escape(item)));
        let _ = write!(self.body, "<ul>{}</ul>", items.collect::<String>());
        self
    }

    /// Adds names and what they mean.
    pub(super) fn facts(mut self, facts: &[(&str, &str)]) -> Self {
        let facts = facts
            .iter()
            .map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(value)));
        let _ = write!(self.body, "<dl>{}</dl>", facts.collect::<String>());
        self
    }

    /// Adds text to be copied.
    pub(super) fn code(mut self, code: &str) -> Self {
        let _ = write!(self.body, "<pre>{}</pre>", escape(code));
        self
    }

    /// Adds a link to a page of ours.
    pub(super) fn link(mut self, to: &str, text: &str) -> Self {
        let _ = write!(self.body, r#"<p><a href="{}">{}</a></p>"#, escape(to), escape(text));
        self
    }

    /// Lets the form lead to a place: browsers follow a redirect after a form only to where the policy says.
    pub(super) fn may_lead_to(mut self, place: &str) -> Self {
        self.leads_to = source(place).unwrap_or_default();
        self
    }

    /// Adds a form with what is known already.
    pub(super) fn form(mut self, form: &Form<'_>, known: &Fields, csrf: &str) -> Self {
        let out = &mut self.body;
        let _ = write!(out, r#"<form method="post" action="{}">"#, escape(form.action));
        for Input { name, label, kind, complete } in form.inputs {
            let value = if *kind == "password" { "" } else { known.get(name) };
            let _ = write!(
                out,
                r#"<label>{}<input name="{name}" type="{kind}" value="{}" autocomplete="{complete}" autocapitalize="none" spellcheck="false" required></label>"#,
                escape(label),
                escape(value)
            );
        }
        let hidden = form.hidden.iter().map(|name| (*name, known.get(name)));
        for (name, value) in hidden.chain([("_csrf", csrf)]) {
            let value = escape(value);
            let _ = write!(out, r#"<input type="hidden" name="{name}" value="{value}">"#);
        }
        for Button { text, name, value } in form.buttons {
            let text = escape(text);
            let _ = match *name {
                "" => write!(out, "<button>{text}</button>"),
                name => write!(out, r#"<button name="{name}" value="{value}">{text}</button>"#),
            };
        }
        out.push_str("</form>");
        self
    }

    /// The answer. Nothing on the page runs, and nobody shows it within his own.
    pub(super) fn answer(self, network: &str) -> Response {
        let (title, network) = (escape(&self.title), escape(network));
        let page = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <title>{title} – {network}</title>\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <link rel=\"stylesheet\" href=\"/oauth/style.css\"></head>\
             <body><header>{network}</header><main><h1>{title}</h1>{}</main></body></html>",
            self.body
        );
        let mut answer = (self.status, page).into_response();
        guard(answer.headers_mut(), &self.leads_to);
        answer
    }
}

/// The headers of every page.
fn guard(headers: &mut HeaderMap, leads_to: &str) {
    let all = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = format!("{POLICY}; form-action 'self' {leads_to}");
    let policy = HeaderValue::from_str(policy.trim_end());
    let strictest = HeaderValue::from_static("default-src 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.unwrap_or(strictest));
}

const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A place as a content security policy names it; `None` for this server, and for what cannot be named.
fn source(place: &str) -> Option<String> {
    if place.starts_with('/') {
        // It goes on to the user's machine.
        let is_local = place.starts_with("/oauth/local-callback");
        return is_local.then(|| "http://localhost:*".to_owned());
    }
    let url = Url::parse(place).ok()?;
    let scheme = || Some(format!("{}:", url.scheme()));
    match url.host()? {
        _ if !matches!(url.scheme(), "http" | "https") => scheme(),
        // Policies have no form for them.
        Host::Ipv6(_) => scheme(),
        host => {
            let host = host.to_string();
            let plain = host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_".contains(&it));
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            plain.then(|| format!("{}://{host}{port}", url.scheme()))
        }
    }
}

/// The only thing that pages load.
pub(super) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=3600"),
    ];
    (headers, include_str!("style.css")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_the_place_and_nothing_else() {
        for (place, expected) in [
            ("https://app.example/back?a=b", Some("https://app.example")),
            ("http://127.0.0.1:4711/cb", Some("http://127.0.0.1:4711")),
            ("http://[::1]:4711/cb", Some("http:")),
            ("/oauth/local-callback?port=1", Some("http://localhost:*")),
            ("/console/oauth/callback", None),
            ("https://a;script-src/", None),
        ] {
            assert_eq!(source(place).as_deref(), expected, "{place}");
        }
    }
}
