//! Answers as tables for people, or as JSON for programs.

use std::io::{self, IsTerminal as _, Write};

use comfy_table::{Table, presets};
use serde_json::Value;

/// Where answers go, and how.
pub struct Output<'a> {
    json: bool,
    out: &'a mut dyn Write,
}

/// A column of a table: its title and where its value is in the JSON, as a JSON pointer.
pub type Column = (&'static str, &'static str);

impl<'a> Output<'a> {
    /// Writes to `out`: JSON, or tables and sentences.
    pub fn new(out: &'a mut dyn Write, json: bool) -> Self {
        Self { json, out }
    }

    /// Shows many: a table with these columns, or a JSON array.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn list(&mut self, items: &[Value], columns: &[Column]) -> io::Result<()> {
        if self.json {
            return self.json(&Value::Array(items.to_vec()));
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(columns.iter().map(|(title, _)| title.to_uppercase()));
        for item in items {
            table.add_row(columns.iter().map(|(_, pointer)| cell(item.pointer(pointer))));
        }
        for line in table.lines() {
            let line = line.trim_end();
            writeln!(self.out, "{}", line.strip_prefix(' ').unwrap_or(line))?;
        }
        Ok(())
    }

    /// Shows one: its fields one below the other, or a JSON object.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn one(&mut self, item: &Value) -> io::Result<()> {
        if self.json {
            return self.json(item);
        }
        let mut fields = Vec::new();
        flatten("", item, &mut fields);
        let width = fields.iter().map(|(path, _)| path.len()).max().unwrap_or_default();
        for (path, value) in fields {
            writeln!(self.out, "{path:<width$}  {value}")?;
        }
        Ok(())
    }

    /// One item of a stream: a line for people, or one line of JSON.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn item(&mut self, item: &Value, line: impl FnOnce(&Value) -> String) -> io::Result<()> {
        if self.json {
            writeln!(self.out, "{item}")?;
        } else {
            writeln!(self.out, "{}", line(item))?;
        }
        self.out.flush()
    }

    /// Says something to people, and nothing to programs.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn say(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        if self.json { Ok(()) } else { writeln!(self.out, "{}", text.as_ref()) }
    }

    /// Says that something is done: a sentence, or a JSON object.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn done(&mut self, text: impl AsRef<str>, answer: &Value) -> io::Result<()> {
        if self.json { self.json(answer) } else { writeln!(self.out, "{}", text.as_ref()) }
    }

    /// Writes text as it is, such as a file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn raw(&mut self, octets: &[u8]) -> io::Result<()> {
        self.out.write_all(octets)
    }

    /// Whether programs read the output.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody watches: then long work shows how far it is, on standard error.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    fn json(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.out, value)?;
        writeln!(self.out)
    }
}

impl std::fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("json", &self.json).finish_non_exhaustive()
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    }
}

fn flatten(path: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, fields);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (number, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{number}]"), item, fields);
            }
        }
        other => fields.push((path.to_owned(), cell(Some(other)))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(json: bool, show: impl FnOnce(&mut Output<'_>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        show(&mut Output::new(&mut out, json)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_is_a_table_or_an_array() {
        let items = [json!({ "ids": { "a": "x" }, "tags": ["b", "c"] })];
        let columns = [("id", "/ids/a"), ("tags", "/tags"), ("none", "/none")];
        let table = shown(false, |output| output.list(&items, &columns));
        let lines: Vec<Vec<_>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines, [vec!["ID", "TAGS", "NONE"], vec!["x", "b", "c"]]);
        let array: Value =
            serde_json::from_str(&shown(true, |output| output.list(&items, &columns))).unwrap();
        assert_eq!(array, json!(items));
    }

    #[test]
    fn one_is_shown_by_its_paths() {
        let text = shown(false, |output| output.one(&json!({ "ids": { "id": "x" }, "n": 1 })));
        assert_eq!(text, "ids.id  x\nn       1\n");
    }
}
