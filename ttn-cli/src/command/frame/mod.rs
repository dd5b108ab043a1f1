//! `ttn-cli frame`.

mod read;
mod verify;

use clap::Subcommand;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::json;
use ttn_mac::frame;

use super::{Context, Run, devices::create::Key};
use crate::error::Error;

/// Frames as they are on the air.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with frames.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Reads a PHYPayload; with keys it checks the MIC, says why it may be wrong, and decrypts.
    Decode(Decode),
}

/// A frame and keys.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Decode {
    /// The PHYPayload as hexadecimal digits or base64.
    pub frame: String,
    /// The NwkSKey (FNwkSIntKey of LoRaWAN 1.1).
    #[arg(long, value_name = "KEY", visible_alias = "f-nwk-s-int-key")]
    pub nwk_s_key: Option<Key>,
    /// The SNwkSIntKey; with it the session is one of LoRaWAN 1.1.
    #[arg(long, value_name = "KEY")]
    pub s_nwk_s_int_key: Option<Key>,
    /// The NwkSEncKey, of LoRaWAN 1.1.
    #[arg(long, value_name = "KEY")]
    pub nwk_s_enc_key: Option<Key>,
    /// The AppSKey.
    #[arg(long, value_name = "KEY")]
    pub app_s_key: Option<Key>,
    /// The AppKey, for joins.
    #[arg(long, value_name = "KEY")]
    pub app_key: Option<Key>,
    /// The NwkKey of LoRaWAN 1.1, for joins.
    #[arg(long, value_name = "KEY")]
    pub nwk_key: Option<Key>,
    /// The whole counter, of which the frame carries the lower half.
    #[arg(long, value_name = "N")]
    pub f_cnt: Option<u32>,
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let Action::Decode(decode) = &self.action;
        let octets = octets(&decode.frame)?;
        let phy = frame::parse(octets).map_err(|error| {
            Error::invalid(error.to_string(), "give the whole PHYPayload, from MHDR to MIC")
        })?;
        let lines = read::lines(&phy, decode);
        let members = lines.iter().map(|(name, text)| ((*name).to_owned(), json!(text)));
        let json = serde_json::Value::Object(members.collect());
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let text: Vec<_> =
            lines.iter().map(|(name, text)| format!("{name:<width$}  {text}")).collect();
        Ok(context.output.done(text.join("\n"), &json)?)
    }
}

fn octets(text: &str) -> Result<Vec<u8>, Error> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let hex = HEXLOWER_PERMISSIVE.decode(text.as_bytes());
    hex.or_else(|_| BASE64.decode(text.as_bytes())).map_err(|error| {
        let what = format!("the frame is neither hexadecimal nor base64: {error}");
        Error::invalid(what, "give the PHYPayload, such as 40F17DBE49…, or `data` of a packet forwarder")
    })
}
