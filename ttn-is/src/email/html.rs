//! Letters as HTML: what they say as text, with links that can be followed (IS-55).

use super::text::{Piece, Values};

/// A letter made of its text. Values are shown as they are, whatever is in them.
pub(super) fn of_text(subject: &str, text: &[Piece], values: &Values) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => escape(text),
        Piece::Value(name) if name == "page" => {
            let page = value(name, values);
            format!("<a href=\"{page}\">{page}</a>")
        }
        Piece::Value(name) => value(name, values),
    };
    let text: String = text.iter().map(piece).collect();
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let paragraphs = paragraphs.map(|lines| format!("<p>{}</p>\n", lines.replace('\n', "<br>\n")));
    format!(
        "<!doctype html>\n<html>\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n<body>\n{}</body>\n</html>\n",
        escape(subject),
        paragraphs.collect::<String>(),
    )
}

/// A letter of a template that is HTML already.
pub(super) fn of_template(template: &[Piece], values: &Values) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Value(name) => value(name, values),
    };
    template.iter().map(piece).collect()
}

fn value(name: &str, values: &Values) -> String {
    values.get(name).map(|value| escape(value)).unwrap_or_default()
}

/// Text as HTML shows it, in attributes too.
pub(crate) fn escape(text: &str) -> String {
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
