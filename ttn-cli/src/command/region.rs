//! `ttn-cli region`.

use clap::Subcommand;
use serde_json::json;
use ttn_mac::band;

use super::{Context, Run, plan::mhz};
use crate::error::Error;

/// Regions, as the Regional Parameters have them.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with regions.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Lists the bands that are built in, in every version of the Regional Parameters.
    List,
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let Action::List = self.action;
        let bands: Vec<_> = band::all()
            .map(|band| {
                json!({
                    "band": band.id.as_str(),
                    "version": band.phy_version.name(),
                    "channels": band.uplink_channels_max,
                    "eirp": format!("{} dBm", band.default_max_eirp),
                    "rx2": format!(
                        "{} {}",
                        mhz(band.default_rx2.frequency),
                        band.default_rx2.data_rate,
                    ),
                })
            })
            .collect();
        let columns = [
            ("band", "/band"),
            ("Regional Parameters", "/version"),
            ("channels", "/channels"),
            ("max EIRP", "/eirp"),
            ("RX2", "/rx2"),
        ];
        Ok(context.output.list(&bands, &columns)?)
    }
}
