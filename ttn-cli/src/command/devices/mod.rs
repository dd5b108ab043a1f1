//! `ttn-cli devices`.

pub mod create;
pub mod export;
pub mod import;

pub(super) use create::formatter;

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::id::{ApplicationId, DeviceId};

use super::{Context, Run};
use crate::{
    device::{self, Secrets},
    error::Error,
};

/// End devices, whole: in the registries of all servers at once.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with devices.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Creates a device in all registries, or in none.
    Create(Box<create::Create>),
    /// Deletes a device from all registries.
    Delete {
        /// The application.
        application: ApplicationId,
        /// The device.
        device: DeviceId,
    },
    /// Writes the devices of an application as CSV or JSON.
    Export(export::Export),
    /// Shows a device as all registries have it.
    Get {
        /// The application.
        application: ApplicationId,
        /// The device.
        device: DeviceId,
        /// Shows root keys and session keys too.
        #[arg(long)]
        with_keys: bool,
    },
    /// Creates the devices of a file of CSV or JSON. Every line is checked before anything is created. A file can be imported
    /// again after an interruption: what is there is left alone, what is half there is completed.
    Import(import::Import),
    /// Lists the devices of an application.
    List {
        /// The application.
        application: ApplicationId,
    },
    /// Changes fields of a device, such as `name=Door` or `mac_settings.rx1_delay=5`.
    Set {
        /// The application.
        application: ApplicationId,
        /// The device.
        device: DeviceId,
        /// Fields, as `get` names them, and their values: text or JSON; an empty value clears a field.
        #[arg(required = true, value_name = "FIELD=VALUE", value_parser = super::assignment)]
        fields: Vec<(String, Value)>,
    },
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        match &self.action {
            Action::Create(create) => create.run(context),
            Action::Delete { application, device } => {
                device::delete(&context.api()?, application.as_str(), device.as_str())?;
                let text = format!("deleted {application}.{device} from all registries");
                Ok(context.output.done(text, &json!({}))?)
            }
            Action::Export(export) => export.run(context),
            Action::Get { application, device, with_keys } => {
                let secrets = Secrets { root_keys: *with_keys, session_keys: *with_keys };
                let api = context.api()?;
                let (whole, absent) =
                    device::read(&api, application.as_str(), device.as_str(), secrets)?;
                context.output.one(&whole)?;
                for registry in absent.iter().filter(|it| is_missed(&whole, **it)) {
                    context.output.say(format!(
                        "The {} does not have it: `ttn-stack doctor` says what to do.",
                        registry.name()
                    ))?;
                }
                Ok(())
            }
            Action::Import(import) => import.run(context),
            Action::List { application } => {
                let path = format!(
                    "/applications/{application}/devices?field_mask=name,description,last_seen_at"
                );
                let found = context.api()?.list(&path, "end_devices")?;
                let columns = [
                    ("id", "/ids/device_id"),
                    ("dev_eui", "/ids/dev_eui"),
                    ("join_eui", "/ids/join_eui"),
                    ("name", "/name"),
                    ("last seen", "/last_seen_at"),
                ];
                Ok(context.output.list(&found, &columns)?)
            }
            Action::Set { application, device, fields } => {
                device::set(&context.api()?, (application.as_str(), device.as_str()), fields)?;
                let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
                let text = format!("set {} of {application}.{device}", names.join(", "));
                Ok(context.output.done(text, &json!({ "set": names }))?)
            }
        }
    }
}

/// Whether a device that is somewhere ought to be here too.
fn is_missed(device: &Value, registry: device::Registry) -> bool {
    registry != device::Registry::Join || device["supports_join"] == true
}
