//! `ttn-cli codec`.

use std::{fs, path::PathBuf, sync::Arc};

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_as::format::javascript::{InProcessHost, JavaScript, Limits, cases::Case};
use ttn_core::id::DeviceIds;

use super::{Context, Run};
use crate::error::Error;

/// Payload formatters in JavaScript, on this machine.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with a script.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Runs a script over examples and says where it gives something else. The engine is that of the server.
    Test {
        /// The script. Some functions of the language cannot be interrupted: run no script that you do not trust.
        file: PathBuf,
        /// The examples, a JSON list: `[{"input": {"fPort": 1, "bytes": "2b"}, "output": {"data": {"t": 21.5}}}]`.
        #[arg(long, value_name = "FILE")]
        vectors: PathBuf,
    },
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let Action::Test { file, vectors } = &self.action;
        let script = read(file)?;
        let cases: Vec<Case> = serde_json::from_str(&read(vectors)?).map_err(|error| {
            Error::invalid(
                format!("{}: {error}", vectors.display()),
                "see docs/guide/formatters.md for the form of examples",
            )
        })?;
        let formatter = JavaScript::new(Arc::new(InProcessHost::new(Limits::default())));
        let mut failed = 0;
        for (index, case) in cases.iter().enumerate() {
            let item = examine(&formatter, &script, index + 1, case)?;
            failed += usize::from(item["differences"] != json!([]));
            context.output.item(&item, line)?;
        }
        if failed > 0 {
            return Err(Error::invalid(
                format!("{failed} of {} examples differ", cases.len()),
                format!("correct {} or what {} expects", file.display(), vectors.display()),
            ));
        }
        Ok(context.output.say(format!("{} examples, no difference", cases.len()))?)
    }
}

fn read(path: &PathBuf) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File { path: path.clone(), source })
}

/// Runs one example.
fn examine(
    formatter: &JavaScript,
    script: &str,
    number: usize,
    case: &Case,
) -> Result<Value, Error> {
    // Scripts do not see it.
    let key = "codec.test".parse();
    let key = key.map_err(|_| Error::invalid("the device of the test has no id", "report this"))?;
    let ids = DeviceIds::new(key);
    let differences = case.differences(formatter, &ids, script);
    let differences = futures::executor::block_on(differences);
    let (name, function) = (&case.description, case.function().name());
    Ok(json!({
        "number": number, "description": name, "function": function, "differences": differences,
    }))
}

fn line(item: &Value) -> String {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let differences = item["differences"].as_array().cloned().unwrap_or_default();
    let verdict = if differences.is_empty() { "ok  " } else { "FAIL" };
    let head = format!("{verdict} {} {} {}", item["number"], text("function"), text("description"));
    let below = differences.iter().filter_map(Value::as_str);
    below.fold(head.trim_end().to_owned(), |lines, difference| format!("{lines}\n     {difference}"))
}
