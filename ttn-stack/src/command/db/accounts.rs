//! `ttn-stack db …` on accounts: what an operator does before anybody can log in (IS-59).

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use clap::Args;
use ttn_core::{
    auth::{Caller, Principal, Right, Rights},
    clock::{Clock, SystemClock},
    event::{Events, NoEvents},
    id::{ClientId, EntityId, UserId},
    rand::{Entropy, OsEntropy},
};
use ttn_is::{EuiBlock, IdentityServer, entity::Account, record::Client, rights::STATE_APPROVED};

use crate::{
    command::{draw_password, make_private},
    compose::{Stores, build_identity},
    config::Config,
};

/// An administrator.
#[derive(Args, Debug)]
#[non_exhaustive]
pub struct NewAdmin {
    /// His id.
    #[arg(long, default_value = "admin")]
    pub id: UserId,
    /// His e-mail address.
    #[arg(long, default_value = "admin@localhost")]
    pub email: String,
    /// A file whose first line is his password; without it one is drawn and printed.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<std::path::PathBuf>,
}

/// An OAuth client.
#[derive(Args, Debug)]
#[non_exhaustive]
pub struct NewOAuthClient {
    /// Its id.
    #[arg(long)]
    pub id: ClientId,
    /// Its name.
    #[arg(long, default_value = "")]
    pub name: String,
    /// The user that it belongs to.
    #[arg(long, default_value = "admin")]
    pub owner: UserId,
    /// Where people may be sent with a code; may be repeated.
    #[arg(long = "redirect-uri", value_name = "URI")]
    pub redirect_uris: Vec<String>,
    /// Where people may be sent after a logout; may be repeated.
    #[arg(long = "logout-redirect-uri", value_name = "URI")]
    pub logout_redirect_uris: Vec<String>,
    /// What it asks people for, such as RIGHT_APPLICATION_INFO; may be repeated. Everything if left out.
    #[arg(long = "right", value_name = "RIGHT")]
    pub rights: Vec<String>,
    /// A program that cannot keep a secret: it has none.
    #[arg(long)]
    pub public: bool,
    /// People are not asked.
    #[arg(long)]
    pub skip_authorization: bool,
}

/// An API key of a user.
#[derive(Args, Debug)]
#[non_exhaustive]
pub struct NewApiKey {
    /// The user.
    #[arg(long, default_value = "admin")]
    pub user_id: UserId,
    /// Its name.
    #[arg(long, default_value = "")]
    pub name: String,
    /// What it allows, such as RIGHT_USER_INFO; may be repeated. Everything if left out.
    #[arg(long = "right", value_name = "RIGHT")]
    pub rights: Vec<String>,
}

/// A block of DevEUIs.
#[derive(Args, Debug)]
#[non_exhaustive]
pub struct NewEuiBlock {
    /// Its first EUI and how many bits all of them share: 70B3D57ED0050000/48.
    #[arg(value_parser = block)]
    pub block: EuiBlock,
    /// How many of its EUIs are given out already.
    #[arg(long, default_value_t = 0)]
    pub given: u64,
}

/// The Identity Server of a stopped server, without the rest.
async fn server(config: &Config) -> anyhow::Result<Arc<IdentityServer>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
    let events: Events = Arc::new(NoEvents::default());
    make_private(&config.data)?;
    let stores = Stores::open(config).await?;
    build_identity(config, &clock, &entropy, stores.identity, &events, None)
}

/// Whoever has the store at hand may do everything.
fn operator() -> Principal {
    let universal = Rights::from_iter([Right::All]).implied();
    Principal { caller: Caller::Cluster, is_admin: true, universal, call: None }
}

pub(super) async fn clean_up(config: &Config, look_only: bool) -> anyhow::Result<()> {
    let found = server(config).await?.clean_up(&operator(), look_only).await?;
    for entity in &found.entities {
        println!("{entity}");
    }
    println!("{}: {found}.", if look_only { "To be removed" } else { "Removed" });
    Ok(())
}

pub(super) async fn create_admin(config: &Config, new: &NewAdmin) -> anyhow::Result<()> {
    let (password, is_drawn) = match &new.password_file {
        Some(file) => (first_line(file)?, false),
        None => (draw_password(&OsEntropy::default()), true),
    };
    let server = server(config).await?;
    let Some(made) = server.ensure_admin(&new.id, &password, &new.email).await? else {
        bail!("there is a user {}, or was one that is not purged yet; choose another --id", new.id);
    };
    server.ensure_cli_client(&new.id).await?;
    println!("user      {}", new.id);
    if is_drawn {
        println!("password  {password}");
    }
    println!("API key   {}", made.api_key);
    Ok(())
}

pub(super) async fn create_client(config: &Config, new: &NewOAuthClient) -> anyhow::Result<()> {
    let mut client = Client::new(&new.id);
    client.name.clone_from(&new.name);
    client.redirect_uris.clone_from(&new.redirect_uris);
    client.logout_redirect_uris.clone_from(&new.logout_redirect_uris);
    client.rights = rights(&new.rights)?.iter().map(Right::number).collect();
    client.skip_authorization = new.skip_authorization;
    client.state = STATE_APPROVED;
    let server = server(config).await?;
    let owner = Account::User(new.owner.clone());
    let made = server.create_client(&operator(), client, "", &owner).await?;
    println!("client    {}", new.id);
    if new.public {
        let fields = ["secret".to_owned()];
        server.update_client(&operator(), &new.id, &fields, Some(""), |_| Ok(())).await?;
    } else {
        println!("secret    {}", made.secret);
    }
    Ok(())
}

pub(super) async fn create_api_key(config: &Config, new: &NewApiKey) -> anyhow::Result<()> {
    let user = EntityId::User(new.user_id.clone());
    let rights = rights(&new.rights)?;
    let server = server(config).await?;
    let issued = server.create_api_key(&operator(), &user, &new.name, rights, None).await?;
    println!("API key   {}", issued.token);
    Ok(())
}

pub(super) async fn create_eui_block(config: &Config, new: &NewEuiBlock) -> anyhow::Result<()> {
    let left = server(config).await?.create_eui_block(&operator(), new.block, new.given).await?;
    println!("{left} DevEUIs are left of block {}/{}.", new.block.first, new.block.length);
    Ok(())
}

fn rights(names: &[String]) -> anyhow::Result<Rights> {
    if names.is_empty() {
        return Ok(Rights::from_iter([Right::All]));
    }
    let right = |name: &String| {
        Right::from_name(name).with_context(|| format!("{name:?} is no right of the API"))
    };
    names.iter().map(right).collect()
}

fn block(text: &str) -> Result<EuiBlock, String> {
    let (first, length) = text.split_once('/').ok_or("use the form 70B3D57ED0050000/48")?;
    let first = first.parse().map_err(|error| format!("{error}"))?;
    let length = length.parse().ok().filter(|length| *length <= 64);
    Ok(EuiBlock { first, length: length.ok_or("the length is 0 to 64 bits")? })
}

fn first_line(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        bail!("{}: the first line is empty", file.display());
    }
    Ok(line.to_owned())
}
