//! Pages as text: made on the server, without scripts.

use std::fmt::Write as _;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

/// A page.
pub(super) struct Page {
    title: String,
    body: String,
    status: StatusCode,
}

impl Page {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), body: String::new(), status: StatusCode::OK }
    }

    /// Adds a paragraph.
    pub(super) fn text(mut self, text: &str) -> Self {
        let _ = write!(self.body, "<p>{}</p>", escape(text));
        self
    }

    /// Adds what went wrong.
    pub(super) fn error(mut self, text: &str) -> Self {
        let _ = write!(self.body, r#"<p class="error" role="alert">{}</p>"#, escape(text));
        self.status = StatusCode::BAD_REQUEST;
        self
    }

    /// Adds a link to a page of ours.
    pub(super) fn link(mut self, to: &str, text: &str) -> Self {
        let _ = write!(self.body, r#"<p><a href="{}">{}</a></p>"#, escape(to), escape(text));
        self
    }

    /// Begins a form that is sent back to `to`.
    pub(super) fn open_form(mut self, to: &str) -> Self {
        let _ = write!(self.body, r#"<form method="post" action="{}">"#, escape(to));
        self
    }

    pub(super) fn field(mut self, field: &Field<'_>) -> Self {
        field.write(&mut self.body);
        self
    }

    pub(super) fn close_form(mut self, button: &str) -> Self {
        let _ = write!(self.body, "<button>{}</button></form>", escape(button));
        self
    }

    /// The answer. Nothing on the page runs, and nobody shows it within his own.
    pub(super) fn answer(self, network: &str) -> Response {
        let (title, network) = (escape(&self.title), escape(network));
        let page = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <link rel=\"stylesheet\" href=\"/oauth/style.css\"></head>\
             <body><main><h1>{title}</h1>{}<footer>{network}</footer></main></body></html>",
            self.body
        );
        let mut answer = (self.status, page).into_response();
        guard(answer.headers_mut());
        answer
    }
}

/// A field of a form.
pub(super) enum Field<'a> {
    Hidden { name: &'a str, value: &'a str },
    Input { name: &'a str, label: &'a str, kind: &'a str, value: &'a str, complete: &'a str },
}

impl Field<'_> {
    fn write(&self, out: &mut String) {
        let _ = match self {
            Self::Hidden { name, value } => {
                let value = escape(value);
                write!(out, r#"<input type="hidden" name="{name}" value="{value}">"#)
            }
            Self::Input { name, label, kind, value, complete } => write!(
                out,
                r#"<label>{}<input name="{name}" type="{kind}" value="{}" autocomplete="{complete}" required></label>"#,
                escape(label),
                escape(value)
            ),
        };
    }
}

/// The headers of every page.
fn guard(headers: &mut HeaderMap) {
    let all = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The only thing that pages load.
pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f5f7;color:#1a1a1a}\
main{max-width:26rem;margin:4rem auto;padding:2rem;background:#fff;border:1px solid #d9dce1;border-radius:.5rem}\
h1{font-size:1.4rem;margin:0 0 1rem}label{display:block;margin:.75rem 0}\
input{display:block;width:100%;box-sizing:border-box;padding:.5rem;font:inherit;border:1px solid #8a909a;border-radius:.25rem}\
button{margin-top:1rem;padding:.6rem 1.2rem;font:inherit;color:#fff;background:#0b57c2;border:0;border-radius:.25rem}\
.error{color:#a3111f;font-weight:600}footer{margin-top:2rem;font-size:.85rem;color:#565c66}";

/// Text as HTML shows it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
