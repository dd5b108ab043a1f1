//! `ttn-cli gateways`.

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::{eui::GatewayEui, id::GatewayId};

use super::{
    Context, Run,
    entity::{Kind, Owner},
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
    /// Purges a gateway: it is gone for good, and its id is free again. For administrators.
    Purge {
        /// The gateway.
        gateway: GatewayId,
    },
    /// Restores a gateway that was deleted a short while ago.
    Restore {
        /// The gateway.
        gateway: GatewayId,
    },
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

const KIND: Kind = Kind {
    noun: "gateway",
    mask: "name,description,attributes,frequency_plan_ids,antennas,status_public,\
           location_public,enforce_duty_cycle,downlink_path_constraint,schedule_anytime_delay,\
           gateway_server_address,version_ids",
    list_mask: "name,frequency_plan_ids",
    columns: &[
        ("id", "/ids/gateway_id"),
        ("eui", "/ids/eui"),
        ("name", "/name"),
        ("plan", "/frequency_plan_ids"),
    ],
};

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        match &self.action {
            Action::Create { gateway, eui, frequency_plan, name, owner } => {
                let api = context.api()?;
                let eui = eui.map(|eui| eui.to_string());
                let body = json!({ "gateway": {
                    "ids": { "gateway_id": gateway.as_str(), "eui": eui },
                    "name": name,
                    "frequency_plan_ids": [frequency_plan],
                    "enforce_duty_cycle": true,
                }});
                let path = format!("{}{}", owner.path(&api)?, KIND.all());
                KIND.created(context, gateway, &api.post(&path, &body)?)
            }
            Action::Stats { gateway } => {
                let path = format!("/gs/gateways/{gateway}/connection/stats");
                let found = context.api()?.get(&path)?;
                Ok(context.output.one(&found)?)
            }
            Action::Delete { gateway } => KIND.delete(context, gateway),
            Action::Get { gateway } => KIND.get(context, gateway),
            Action::List => KIND.list(context),
            Action::Purge { gateway } => KIND.purge(context, gateway),
            Action::Restore { gateway } => KIND.restore(context, gateway),
            Action::Set { gateway, fields } => KIND.set(context, gateway, fields),
        }
    }
}
