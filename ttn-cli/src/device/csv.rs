//! Devices as CSV, in the columns of `the-things-stack-csv` (DTC-03), in both directions.

use std::{collections::BTreeMap, fmt};

use csv::{ReaderBuilder, StringRecord, WriterBuilder};
use serde_json::{Value, json};

use super::{check, complete, registries::put};

/// A wrong value of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what is wrong and where")]
pub struct Mistake {
    /// The line, from 1; the line of the header is 1.
    pub line: u64,
    /// The column: its number from 1 and its name; `None` if the file does not have it.
    pub column: Option<usize>,
    /// The name of the column or field.
    pub name: String,
    /// What is wrong.
    pub text: String,
}

/// A device of a file and what is wrong with it.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what a line says")]
pub struct Row {
    /// The line, from 1.
    pub line: u64,
    /// The `EndDevice`.
    pub device: Value,
    /// What is wrong with it.
    pub mistakes: Vec<Mistake>,
}

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Number,
    Text,
}

/// A column and the path of its field; the first of two columns with one path is the one that is written.
const COLUMNS: &[(&str, &str, Kind)] = &[
    ("id", "ids.device_id", Kind::Text),
    ("dev_eui", "ids.dev_eui", Kind::Text),
    ("join_eui", "ids.join_eui", Kind::Text),
    ("app_eui", "ids.join_eui", Kind::Text),
    ("name", "name", Kind::Text),
    ("description", "description", Kind::Text),
    ("frequency_plan_id", "frequency_plan_id", Kind::Text),
    ("lorawan_version", "lorawan_version", Kind::Text),
    ("lorawan_phy_version", "lorawan_phy_version", Kind::Text),
    ("brand_id", "version_ids.brand_id", Kind::Text),
    ("model_id", "version_ids.model_id", Kind::Text),
    ("hardware_version", "version_ids.hardware_version", Kind::Text),
    ("firmware_version", "version_ids.firmware_version", Kind::Text),
    ("band_id", "version_ids.band_id", Kind::Text),
    ("vendor_id", "lora_alliance_profile_ids.vendor_id", Kind::Number),
    ("vendor_profile_id", "lora_alliance_profile_ids.vendor_profile_id", Kind::Number),
    ("app_key", "root_keys.app_key.key", Kind::Text),
    ("nwk_key", "root_keys.nwk_key.key", Kind::Text),
    ("rx1_delay", "mac_settings.rx1_delay", Kind::Number),
    ("supports_32_bit_f_cnt", "mac_settings.supports_32_bit_f_cnt", Kind::Bool),
    ("supports_class_c", "supports_class_c", Kind::Bool),
    ("dev_addr", "session.dev_addr", Kind::Text),
    ("app_s_key", "session.keys.app_s_key.key", Kind::Text),
    ("f_nwk_s_int_key", "session.keys.f_nwk_s_int_key.key", Kind::Text),
    ("last_f_cnt_up", "session.last_f_cnt_up", Kind::Number),
    ("last_n_f_cnt_down", "session.last_n_f_cnt_down", Kind::Number),
    ("last_a_f_cnt_down", "session.last_a_f_cnt_down", Kind::Number),
];

/// What rows take that do not say otherwise: paths and values.
pub type Defaults = Vec<(&'static str, Value)>;

/// Reads devices of an application. Separators are `,` or `;`; a byte order mark is skipped, unknown columns are ignored.
/// Columns that two devices must not share are compared too.
///
/// # Errors
///
/// The file is not CSV, or has none of the columns.
pub fn read(octets: &[u8], application: &str, defaults: &Defaults) -> Result<Vec<Row>, Mistake> {
    let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets);
    let header = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let count = |octet| header.iter().filter(|it| **it == octet).count();
    let delimiter = if count(b';') > count(b',') { b';' } else { b',' };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(octets);
    let broken = |error: csv::Error| Mistake {
        line: error.position().map_or(1, csv::Position::line),
        column: None,
        name: String::new(),
        text: error.to_string(),
    };
    let names = reader.headers().map_err(broken)?.clone();
    let columns: Vec<_> = names.iter().map(|name| column(name.trim())).collect();
    if columns.iter().all(Option::is_none) {
        let known: Vec<_> = COLUMNS.iter().map(|(name, ..)| *name).collect();
        let text = format!("has none of the columns {}", known.join(", "));
        return Err(Mistake { line: 1, column: None, name: "the header".to_owned(), text });
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        rows.push(row(&record, &names, &columns, application, defaults));
    }
    mark_repeated(&mut rows, &columns);
    Ok(rows)
}

type Columns = [Option<&'static (&'static str, &'static str, Kind)>];

fn column(name: &str) -> Option<&'static (&'static str, &'static str, Kind)> {
    COLUMNS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))
}

fn row(
    record: &StringRecord,
    names: &StringRecord,
    columns: &Columns,
    application: &str,
    defaults: &Defaults,
) -> Row {
    let line = record.position().map_or(0, csv::Position::line);
    let mut device = json!({ "ids": { "application_ids": { "application_id": application } } });
    let mut mistakes = Vec::new();
    if record.len() > names.len() {
        mistakes.push(Mistake {
            line,
            column: Some(names.len() + 1),
            name: "(none)".to_owned(),
            text: format!("the line has {} values, the header {}", record.len(), names.len()),
        });
    }
    for (number, (text, column)) in record.iter().zip(columns).enumerate() {
        let (Some((name, path, kind)), text) = (column, text.trim()) else { continue };
        if text.is_empty() {
            continue;
        }
        match value(text, *kind) {
            Ok(value) => put(&mut device, path, value),
            Err(error) => mistakes.push(Mistake {
                line,
                column: Some(number + 1),
                name: (*name).to_owned(),
                text: error,
            }),
        }
    }
    for (path, value) in defaults {
        if device.pointer(&format!("/{}", path.replace('.', "/"))).is_none() {
            put(&mut device, path, value.clone());
        }
    }
    complete(&mut device);
    for problem in check(&device) {
        let column = position(columns, problem.field);
        let name = column.and_then(|number| names.get(number - 1)).unwrap_or(problem.field);
        if !mistakes.iter().any(|mistake| mistake.name == name) {
            mistakes.push(Mistake { line, column, name: name.to_owned(), text: problem.text });
        }
    }
    Row { line, device, mistakes }
}

/// The number of the column that holds a path, from 1.
fn position(columns: &Columns, path: &str) -> Option<usize> {
    columns.iter().position(|column| column.is_some_and(|(_, it, _)| *it == path)).map(|at| at + 1)
}

fn value(text: &str, kind: Kind) -> Result<Value, String> {
    match kind {
        Kind::Text => Ok(json!(text)),
        Kind::Number => {
            let number = text.parse::<u32>();
            number.map(|number| json!(number)).map_err(|_| format!("{text:?} is no whole number"))
        }
        Kind::Bool => match text.to_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(json!(true)),
            "false" | "no" | "0" => Ok(json!(false)),
            _ => Err(format!("{text:?} is neither true nor false")),
        },
    }
}

fn mark_repeated(rows: &mut [Row], columns: &Columns) {
    let mut ids = BTreeMap::new();
    let mut euis = BTreeMap::new();
    for row in rows {
        let text = |name: &str| row.device["ids"][name].as_str().map(str::to_uppercase);
        let (id, dev_eui, join_eui) = (text("device_id"), text("dev_eui"), text("join_eui"));
        let line = row.line;
        let mut repeated = |path: &str, earlier: u64, what: &str| {
            let column = position(columns, path);
            let name = path.trim_start_matches("ids.").to_owned();
            let text = format!("line {earlier} has {what} already");
            row.mistakes.push(Mistake { line, column, name, text });
        };
        if let Some(id) = id {
            match ids.get(&id) {
                Some(earlier) => repeated("ids.device_id", *earlier, "this id"),
                None => drop(ids.insert(id, line)),
            }
        }
        if let Some(dev_eui) = dev_eui {
            let key = (join_eui, dev_eui);
            match euis.get(&key) {
                Some(earlier) => repeated("ids.dev_eui", *earlier, "these EUIs"),
                None => drop(euis.insert(key, line)),
            }
        }
    }
}

/// Writes devices, with the columns that any of them has.
///
/// # Errors
///
/// They cannot be written.
pub fn write(devices: &[Value]) -> Result<Vec<u8>, csv::Error> {
    let of = |device: &Value, path: &str| -> String {
        match device.pointer(&format!("/{}", path.replace('.', "/"))) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    };
    let first = |index: usize| {
        let path = COLUMNS.get(index).map(|(_, path, _)| path);
        COLUMNS.iter().position(|(_, it, _)| Some(it) == path) == Some(index)
    };
    let used: Vec<_> = COLUMNS
        .iter()
        .enumerate()
        .filter(|(index, _)| first(*index))
        .map(|(_, column)| column)
        .filter(|(name, path, _)| {
            matches!(*name, "id" | "dev_eui" | "join_eui")
                || devices.iter().any(|device| !of(device, path).is_empty())
        })
        .collect();
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(used.iter().map(|(name, ..)| name))?;
    for device in devices {
        writer.write_record(used.iter().map(|(_, path, _)| of(device, path)))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => {
                write!(f, "line {}, column {column} ({}): {}", self.line, self.name, self.text)
            }
            None => write!(f, "line {} ({}): {}", self.line, self.name, self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "id;dev_eui;app_eui;app_key;frequency_plan_id;rx1_delay;colour\n";

    fn read_lines(lines: &str) -> Vec<Row> {
        let text = format!("\u{FEFF}{HEADER}{lines}");
        read(text.as_bytes(), "app", &Defaults::new()).unwrap()
    }

    #[test]
    fn reads_semicolons_a_byte_order_mark_and_the_old_name_of_the_join_eui() {
        // DTC-03
        let rows = read_lines(
            ";70B3D57ED0000001;0000000000000001;000102030405060708090A0B0C0D0EFF;EU_863_870_TTN;5;red\n",
        );
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!(row.mistakes, []);
        assert_eq!(row.device["ids"]["device_id"], "eui-70b3d57ed0000001");
        assert_eq!(row.device["ids"]["join_eui"], "0000000000000001");
        assert_eq!(row.device["mac_settings"]["rx1_delay"], 5);
        assert!(row.device["colour"].is_null());
    }

    #[test]
    fn every_mistake_has_its_line_and_column() {
        // DTC-03
        let rows = read_lines(
            "abc;70B3D57ED0000001;0000000000000001;0001;EU_863_870_TTN;soon;\n\
             B;70B3D57ED0000001;0000000000000001;000102030405060708090A0B0C0D0EFF;MARS;;\n",
        );
        let all: Vec<_> = rows.iter().flat_map(|row| &row.mistakes).collect();
        let places: Vec<_> =
            all.iter().map(|it| (it.line, it.column.unwrap(), it.name.as_str())).collect();
        let expected = [
            (2, 6, "rx1_delay"),
            (2, 4, "app_key"),
            (3, 1, "id"),
            (3, 5, "frequency_plan_id"),
            (3, 2, "dev_eui"),
        ];
        assert_eq!(places, expected, "{all:?}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let rows = read_lines(
            "d1;70B3D57ED0000001;0000000000000001;000102030405060708090A0B0C0D0EFF;EU_863_870_TTN;5;\n",
        );
        let text = write(&[rows[0].device.clone()]).unwrap();
        let again = read(&text, "app", &Defaults::new()).unwrap();
        assert_eq!(again[0].device, rows[0].device);
        assert!(!String::from_utf8(text).unwrap().contains("app_eui"));
    }
}
