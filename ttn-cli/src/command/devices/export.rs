//! `ttn-cli devices export`.

use clap::ValueEnum;
use indicatif::ProgressBar;
use ttn_core::id::ApplicationId;

use super::super::{Context, Run};
use crate::{
    device::{self, Secrets, csv},
    error::Error,
};

/// The devices of an application.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Export {
    /// The application.
    pub application: ApplicationId,
    /// The format. JSON has everything, CSV what its columns have.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Writes root keys and session keys too: keep the file as you keep the keys.
    #[arg(long)]
    pub with_keys: bool,
}

/// The format of a file of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Format {
    /// Columns of The Things Stack.
    Csv,
    /// One JSON object per line.
    Json,
}

impl Run for Export {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let application = self.application.as_str();
        let path = format!("/applications/{application}/devices?field_mask=ids");
        let list = api.list(&path, "end_devices")?;
        let is_watched = context.output.is_watched();
        let progress =
            if is_watched { ProgressBar::new(list.len() as u64) } else { ProgressBar::hidden() };
        let secrets = Secrets { root_keys: self.with_keys, session_keys: self.with_keys };
        let mut devices = Vec::with_capacity(list.len());
        for device in &list {
            let id = device::ids(device).1;
            devices.push(device::read(&api, application, id, secrets)?.0);
            progress.inc(1);
        }
        progress.finish_and_clear();
        let octets = match self.format {
            Format::Csv => csv::write(&devices).map_err(std::io::Error::other)?,
            Format::Json => devices.iter().map(|it| format!("{it}\n")).collect::<String>().into(),
        };
        Ok(context.output.raw(&octets)?)
    }
}
