//! `ttn-cli gateways`.

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::{eui::GatewayEui, id::GatewayId};

use super::{
    Context, Run,
    entity::{Owner, change},
};
use crate::error::Error;

/// Gateways.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with gateways.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Creates a gateway.
    Create {
        /// Its id.
        gateway: GatewayId,
        /// Its EUI.
        #[arg(long)]
        eui: Option<GatewayEui>,
        /// Its frequency plan, one of `ttn-cli plan list`.
        #[arg(long, value_name = "PLAN", default_value = "EU_863_870_TTN")]
        frequency_plan: String,
        /// A name for people.
        #[arg(long)]
        name: Option<String>,
        /// Whose it is.
        #[command(flatten)]
        owner: Owner,
    },
    /// Deletes a gateway; its id stays taken.
    Delete {
        /// The gateway.
        gateway: GatewayId,
    },
    /// Shows a gateway.
    Get {
        /// The gateway.
        gateway: GatewayId,
    },
    /// Lists the gateways that you have rights on.
    List,
    /// Changes fields of a gateway, such as `name=Roof`.
    Set {
        /// The gateway.
        gateway: GatewayId,
        /// Fields and their values: text or JSON; an empty value clears a field.
        #[arg(required = true, value_name = "FIELD=VALUE", value_parser = super::assignment)]
        fields: Vec<(String, Value)>,
    },
    /// Says whether a gateway is connected, and what it sent.
    Stats {
        /// The gateway.
        gateway: GatewayId,
    },
}

/// What is shown of a gateway.
const MASK: &str = "name,description,attributes,frequency_plan_ids,antennas,status_public,\
location_public,enforce_duty_cycle,downlink_path_constraint,schedule_anytime_delay,\
gateway_server_address,version_ids";

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let output = &mut context.output;
        match &self.action {
            Action::Create { gateway, eui, frequency_plan, name, owner } => {
                let eui = eui.map(|eui| eui.to_string());
                let body = json!({ "gateway": {
                    "ids": { "gateway_id": gateway.as_str(), "eui": eui },
                    "name": name,
                    "frequency_plan_ids": [frequency_plan],
                    "enforce_duty_cycle": true,
                }});
                let answer = api.post(&format!("{}/gateways", owner.path(&api)?), &body)?;
                output.done(format!("created gateway {gateway}"), &answer)?;
            }
            Action::Delete { gateway } => {
                let answer = api.delete(&format!("/gateways/{gateway}"))?;
                output.done(format!("deleted gateway {gateway}"), &answer)?;
            }
            Action::Get { gateway } => {
                output.one(&api.get(&format!("/gateways/{gateway}?field_mask={MASK}"))?)?;
            }
            Action::List => {
                let found = api.list("/gateways?field_mask=name,frequency_plan_ids", "gateways")?;
                let columns = [
                    ("id", "/ids/gateway_id"),
                    ("eui", "/ids/eui"),
                    ("name", "/name"),
                    ("plan", "/frequency_plan_ids"),
                ];
                output.list(&found, &columns)?;
            }
            Action::Set { gateway, fields } => {
                let ids = json!({ "gateway_id": gateway.as_str() });
                let path = format!("/gateways/{gateway}");
                let answer = api.put(&path, &change("gateway", ids, fields))?;
                output.done(format!("changed gateway {gateway}"), &answer)?;
            }
            Action::Stats { gateway } => {
                output.one(&api.get(&format!("/gs/gateways/{gateway}/connection/stats"))?)?;
            }
        }
        Ok(())
    }
}
