//! `ttn-cli devices import`.

use std::{collections::BTreeMap, path::PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use ttn_core::id::ApplicationId;

use super::super::{Context, Run, read_file};
use crate::{
    api::Api,
    device::{
        self, Created,
        csv::{self, Mistake, Row},
    },
    error::Error,
};

/// A file of devices.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Import {
    /// The application.
    pub application: ApplicationId,
    /// The file: CSV with the columns of The Things Stack, or JSON objects of `EndDevice`; `-` is the standard input.
    pub file: PathBuf,
    /// The frequency plan of devices that name none.
    #[arg(long, value_name = "PLAN")]
    pub frequency_plan: Option<String>,
    /// The version of LoRaWAN of devices that name none; 1.0.3 if not given.
    #[arg(long, value_name = "VERSION")]
    pub lorawan_version: Option<String>,
    /// Creates the devices that are right, and leaves out the others.
    #[arg(long)]
    pub skip_invalid: bool,
    /// Only checks, and creates nothing.
    #[arg(long)]
    pub check: bool,
}

/// How many mistakes are shown of a file; JSON has them all.
const SHOWN_MAX: usize = 50;

impl Run for Import {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let octets = read_file(&self.file)?;
        let mut rows = self.rows(&octets)?;
        let api = context.api()?;
        let there = mark_taken(&api, self.application.as_str(), &mut rows)?;
        let wrong = rows.iter().filter(|row| !row.mistakes.is_empty()).count();
        let mistakes: Vec<_> = rows.iter().flat_map(|row| &row.mistakes).collect();
        for mistake in mistakes.iter().take(SHOWN_MAX) {
            context.output.say(mistake.to_string())?;
        }
        if mistakes.len() > SHOWN_MAX {
            context.output.say(format!("… and {} more", mistakes.len() - SHOWN_MAX))?;
        }
        let mut report = json!({
            "devices": rows.len(),
            "mistakes": mistakes.iter().map(|it| json!({
                "line": it.line, "column": it.column, "name": it.name, "text": it.text,
            })).collect::<Vec<_>>(),
        });
        if wrong > 0 && !self.skip_invalid {
            if context.output.is_json() {
                context.output.one(&report)?;
            }
            let what = format!("{wrong} of {} devices are wrong; nothing was created", rows.len());
            return Err(Error::invalid(what, "correct the lines above, or add --skip-invalid"));
        }
        if self.check {
            let text = format!("{} devices, all right", rows.len() - wrong);
            return Ok(context.output.done(text, &report)?);
        }
        let right: Vec<_> = rows.iter().filter(|row| row.mistakes.is_empty()).collect();
        let counts = create_all(&api, &right, &there, context.output.is_watched())?;
        let [new, completed, existed] = counts;
        (report["new"], report["completed"], report["existed"]) =
            (json!(new), json!(completed), json!(existed));
        let text = format!(
            "{new} devices created, {completed} completed, {existed} were there already, {wrong} left out"
        );
        Ok(context.output.done(text, &report)?)
    }
}

impl Import {
    fn rows(&self, octets: &[u8]) -> Result<Vec<Row>, Error> {
        let mut defaults = csv::Defaults::new();
        if let Some(plan) = &self.frequency_plan {
            defaults.push(("frequency_plan_id", json!(plan)));
        }
        if let Some(version) = &self.lorawan_version {
            defaults.push(("lorawan_version", json!(version)));
        }
        let first = octets.iter().find(|octet| !octet.is_ascii_whitespace());
        let read = if matches!(first, Some(b'{' | b'[')) {
            from_json(octets, self.application.as_str(), &defaults)
        } else {
            csv::read(octets, self.application.as_str(), &defaults)
        };
        read.map_err(|mistake| {
            let what = format!("{}: {mistake}", self.file.display());
            Error::invalid(what, "correct the file; nothing was created")
        })
    }
}

/// A stream of objects, or an array of them.
fn from_json(
    octets: &[u8],
    application: &str,
    defaults: &csv::Defaults,
) -> Result<Vec<Row>, Mistake> {
    let mut devices = Vec::new();
    for value in serde_json::Deserializer::from_slice(octets).into_iter::<Value>() {
        match value {
            Ok(Value::Array(items)) => devices.extend(items),
            Ok(value) => devices.push(value),
            Err(error) => {
                let line = error.line() as u64;
                let (name, text) = ("JSON".to_owned(), error.to_string());
                return Err(Mistake { line, column: Some(error.column()), name, text });
            }
        }
    }
    let row = |(number, mut device): (usize, Value)| {
        // A JSON device has no line of its own: its place in the stream stands for it.
        let line = number as u64 + 1;
        if !device.is_object() {
            device = json!({});
        }
        let ids = json!({ "application_id": application });
        device::put(&mut device, "ids.application_ids", ids);
        for (path, value) in defaults {
            if device[*path].is_null() {
                device::put(&mut device, path, value.clone());
            }
        }
        device::complete(&mut device);
        let mistake = |problem: device::Problem| {
            let (name, text) = (problem.field.to_owned(), problem.text);
            Mistake { line, column: None, name, text }
        };
        let mistakes = device::check(&device).into_iter().map(mistake).collect();
        Row { line, device, mistakes }
    };
    Ok(devices.into_iter().enumerate().map(row).collect())
}

/// Ids and DevEUIs of the devices that are there. A device of another EUI under the same id is a mistake.
fn mark_taken(
    api: &Api,
    application: &str,
    rows: &mut [Row],
) -> Result<BTreeMap<String, String>, Error> {
    let path = format!("/applications/{application}/devices?field_mask=ids");
    let there: BTreeMap<String, String> = api
        .list(&path, "end_devices")?
        .iter()
        .map(|device| {
            let text = |name: &str| device["ids"][name].as_str().unwrap_or_default().to_owned();
            (text("device_id"), text("dev_eui"))
        })
        .collect();
    for row in rows {
        let text = |name: &str| row.device["ids"][name].as_str().unwrap_or_default();
        if let Some(dev_eui) = there.get(text("device_id"))
            && !dev_eui.eq_ignore_ascii_case(text("dev_eui"))
        {
            row.mistakes.push(Mistake {
                line: row.line,
                column: None,
                name: "id".to_owned(),
                text: format!("another device, with DevEUI {dev_eui:?}, has this id already"),
            });
        }
    }
    Ok(there)
}

/// Creates devices; gives how many are new, were completed and were there.
fn create_all(
    api: &Api,
    rows: &[&Row],
    there: &BTreeMap<String, String>,
    is_watched: bool,
) -> Result<[usize; 3], Error> {
    let progress =
        if is_watched { ProgressBar::new(rows.len() as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} devices, {eta} left") {
        progress.set_style(style);
    }
    let mut counts = [0; 3];
    for row in rows {
        let exists = there.contains_key(device::ids(&row.device).1);
        let created = if exists {
            device::finish(api, &row.device)
        } else {
            device::create(api, &row.device).map(|()| Created::New)
        };
        let created = created.map_err(|source| Error::Line {
            line: row.line,
            done: counts.iter().sum(),
            source: Box::new(source),
        })?;
        counts[match created {
            Created::New => 0,
            Created::Completed => 1,
            Created::Existed => 2,
        }] += 1;
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(counts)
}
