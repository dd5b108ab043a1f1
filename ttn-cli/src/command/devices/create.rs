//! `ttn-cli devices create`.

use serde_json::{Value, json};
use ttn_core::{
    addr::DevAddr,
    eui::{DevEui, JoinEui},
    id::{ApplicationId, DeviceId},
    key::Aes128Key,
};

use super::super::{Context, Run};
use crate::{
    api::Api,
    device::{self, Wanted},
    error::Error,
};

/// A new device. What is not given is issued and shown: EUIs, keys, addresses.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Create {
    /// The application.
    pub application: ApplicationId,
    /// The id of the device; `eui-` and its DevEUI if not given.
    pub device: Option<DeviceId>,
    /// A name for people.
    #[arg(long)]
    pub name: Option<String>,
    /// The DevEUI; issued if not given.
    #[arg(long)]
    pub dev_eui: Option<DevEui>,
    /// The JoinEUI (AppEUI); the server's if not given.
    #[arg(long, visible_alias = "app-eui")]
    pub join_eui: Option<JoinEui>,
    /// The version of LoRaWAN, 1.0.0 to 1.1; 1.0.3 if not given.
    #[arg(long, value_name = "VERSION")]
    pub lorawan_version: Option<String>,
    /// The version of the Regional Parameters; the one that goes with the version of LoRaWAN if not given.
    #[arg(long, value_name = "VERSION")]
    pub lorawan_phy_version: Option<String>,
    /// The frequency plan; that of your gateways if not given.
    #[arg(long, value_name = "PLAN")]
    pub frequency_plan: Option<String>,
    /// Issues the root keys that are not given; this is so if no key and no session is given.
    #[arg(long)]
    pub with_root_keys: bool,
    /// The AppKey.
    #[arg(long, value_name = "KEY")]
    pub app_key: Option<Key>,
    /// The NwkKey, of LoRaWAN 1.1.
    #[arg(long, value_name = "KEY")]
    pub nwk_key: Option<Key>,
    /// The device is activated by personalization: issues the address and keys that are not given.
    #[arg(long, visible_alias = "with-session")]
    pub abp: bool,
    /// The address, for `--abp`.
    #[arg(long, requires = "abp")]
    pub dev_addr: Option<DevAddr>,
    /// The AppSKey, for `--abp`.
    #[arg(long, requires = "abp", value_name = "KEY")]
    pub app_s_key: Option<Key>,
    /// The NwkSKey (FNwkSIntKey of LoRaWAN 1.1), for `--abp`.
    #[arg(long, requires = "abp", value_name = "KEY", visible_alias = "f-nwk-s-int-key")]
    pub nwk_s_key: Option<Key>,
    /// The device listens all the time.
    #[arg(long)]
    pub class_c: bool,
    /// The formatter of uplinks: none, cayennelpp, javascript, repository.
    #[arg(long, value_name = "FORMATTER")]
    pub up_formatter: Option<String>,
    /// Other fields, as `get` names them, and their values.
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = crate::command::assignment)]
    pub fields: Vec<(String, Value)>,
}

/// A key as hexadecimal digits. It does not show in `Debug`.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a key and nothing else")]
pub struct Key(pub Aes128Key);

impl std::str::FromStr for Key {
    type Err = ttn_core::eui::HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Key {
    /// The key as the API takes it.
    fn to_json(&self) -> Value {
        json!(data_encoding::HEXUPPER.encode(self.0.expose()))
    }
}

impl Run for Create {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let (mut device, note) = self.device(&api)?;
        // The version decides which keys there are, the EUI what the id is.
        device::complete(&mut device);
        let issued = device::issue(&api, &mut device, self.wanted())?;
        device["supports_join"] = Value::Null;
        device::complete(&mut device);
        if let Some(problem) = device::check(&device).into_iter().next() {
            let what = format!("{} {}", problem.field, problem.text);
            return Err(Error::invalid(what, "correct it; nothing was created"));
        }
        device::create(&api, &device)?;
        let key = device::ids(&device);
        let text = format!("created {}.{} in all registries", key.0, key.1);
        context.output.done(text, &device)?;
        if let Some(note) = note {
            context.output.say(note)?;
        }
        for path in &issued {
            let value = device.pointer(&format!("/{}", path.replace('.', "/")));
            let value = value.and_then(Value::as_str).unwrap_or_default();
            context.output.say(format!("  {path:<32} {value}"))?;
        }
        if !issued.is_empty() {
            context.output.say("Write what was issued into the device; `ttn-cli devices get --with-keys` shows it again.")?;
        }
        Ok(())
    }
}

impl Create {
    fn wanted(&self) -> Wanted {
        let root_keys = self.with_root_keys || self.app_key.is_some() || self.nwk_key.is_some();
        Wanted { root_keys: root_keys || !self.abp, session: self.abp }
    }

    /// The device as far as it was given, and what to say of the rest.
    fn device(&self, api: &Api) -> Result<(Value, Option<String>), Error> {
        let application = self.application.as_str();
        let mut device = json!({ "ids": { "application_ids": { "application_id": application } } });
        let hex = |key: &Option<Key>| key.as_ref().map(Key::to_json);
        let (plan, note) = match &self.frequency_plan {
            Some(plan) => (plan.clone(), None),
            None => default_plan(api)?,
        };
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        let formatter = self.up_formatter.as_ref().map(|name| json!(formatter(name)));
        let given = [
            ("ids.device_id", self.device.as_ref().map(|id| json!(id.as_str()))),
            ("ids.dev_eui", self.dev_eui.map(|eui| json!(eui.to_string()))),
            ("ids.join_eui", self.join_eui.map(|eui| json!(eui.to_string()))),
            ("name", text(&self.name)),
            ("lorawan_version", text(&self.lorawan_version)),
            ("lorawan_phy_version", text(&self.lorawan_phy_version)),
            ("frequency_plan_id", Some(json!(plan))),
            ("root_keys.app_key.key", hex(&self.app_key)),
            ("root_keys.nwk_key.key", hex(&self.nwk_key)),
            ("session.dev_addr", self.dev_addr.map(|it| json!(it.to_string()))),
            ("session.keys.app_s_key.key", hex(&self.app_s_key)),
            ("session.keys.f_nwk_s_int_key.key", hex(&self.nwk_s_key)),
            ("supports_class_c", self.class_c.then_some(json!(true))),
            ("formatters.up_formatter", formatter),
        ];
        for (path, value) in given {
            if let Some(value) = value {
                device::put(&mut device, path, value);
            }
        }
        for (path, value) in &self.fields {
            device::put(&mut device, path, value.clone());
        }
        Ok((device, note))
    }
}

/// The name of a formatter in the API.
pub(crate) fn formatter(name: &str) -> String {
    let name = name.to_uppercase();
    if name.starts_with("FORMATTER_") { name } else { format!("FORMATTER_{name}") }
}

/// The plan where gateways do not tell.
const PLAN: &str = "EU_863_870_TTN";

/// The frequency plan of the gateways that the caller sees, if they agree.
fn default_plan(api: &Api) -> Result<(String, Option<String>), Error> {
    let gateways = match api.list("/gateways?field_mask=frequency_plan_ids", "gateways") {
        Ok(gateways) => gateways,
        // A key of an application sees no gateways.
        Err(error) if matches!(error.code(), 4 | 5 | 7) => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut plans: Vec<_> = gateways
        .iter()
        .filter_map(|gateway| gateway["frequency_plan_ids"].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    plans.sort_unstable();
    plans.dedup();
    match plans.as_slice() {
        [] => {
            let note = format!("The frequency plan is {PLAN}; name another with --frequency-plan.");
            Ok((PLAN.to_owned(), Some(note)))
        }
        [plan] => Ok(((*plan).to_owned(), None)),
        several => {
            let what = format!("your gateways use several frequency plans: {}", several.join(", "));
            Err(Error::invalid(what, "name that of the device with --frequency-plan"))
        }
    }
}
