//! `ttn-stack db`: the tables of a database, moving a whole network from one store to another, and accounts.

pub mod accounts;
mod file;

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use futures::TryStreamExt as _;
use ttn_core::store::dump::Dump;
use ttn_store_embedded::EmbeddedStore;
use ttn_store_postgres::{PostgresStore, Schema};

use self::accounts::{NewAdmin, NewApiKey, NewEuiBlock, NewOAuthClient};
use super::{Options, make_private};
use crate::{
    compose::Stores,
    config::{Config, Store},
};

/// What to do with the store.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum DbCommand {
    /// Make the store: the directory, or the tables of the database. Starting does so too.
    Init {
        /// What to configure.
        #[command(flatten)]
        options: Options,
    },
    /// Remove sessions, tokens and invitations that have ended, and purge what was deleted too long ago to be restored.
    Cleanup {
        /// What to configure.
        #[command(flatten)]
        options: Options,
        /// Only say what would be removed.
        #[arg(long)]
        dry_run: bool,
    },
    /// Create an administrator, and print his API key.
    CreateAdminUser {
        /// What to configure.
        #[command(flatten)]
        options: Options,
        /// The administrator.
        #[command(flatten)]
        new: NewAdmin,
    },
    /// Create an OAuth client that needs nobody's approval, and print its secret.
    CreateOauthClient {
        /// What to configure.
        #[command(flatten)]
        options: Options,
        /// The client.
        #[command(flatten)]
        new: NewOAuthClient,
    },
    /// Create an API key of a user, and print it.
    CreateUserApiKey {
        /// What to configure.
        #[command(flatten)]
        options: Options,
        /// The key.
        #[command(flatten)]
        new: NewApiKey,
    },
    /// Create a block that applications draw DevEUIs from, after those of the configuration.
    CreateEuiBlock {
        /// What to configure.
        #[command(flatten)]
        options: Options,
        /// The block.
        #[command(flatten)]
        new: NewEuiBlock,
    },
    /// Make the tables of the database that the configuration names, or bring them up to date. Starting does so too.
    Migrate {
        /// What to configure.
        #[command(flatten)]
        options: Options,
    },
    /// Say which store it is and whether its tables are up to date.
    Status {
        /// What to configure.
        #[command(flatten)]
        options: Options,
    },
    /// Write everything in the store of a stopped server into a new file.
    Dump {
        /// What to configure.
        #[command(flatten)]
        options: Options,
        /// The file. It is as secret as the store.
        file: PathBuf,
    },
    /// Read a file of `dump` into an empty store, of whatever kind.
    Load {
        /// What to configure.
        #[command(flatten)]
        options: Options,
        /// The file.
        file: PathBuf,
    },
}

impl DbCommand {
    pub(super) const fn options(&self) -> &Options {
        let (Self::Init { options }
        | Self::Cleanup { options, .. }
        | Self::CreateAdminUser { options, .. }
        | Self::CreateOauthClient { options, .. }
        | Self::CreateUserApiKey { options, .. }
        | Self::CreateEuiBlock { options, .. }
        | Self::Migrate { options }
        | Self::Status { options }
        | Self::Dump { options, .. }
        | Self::Load { options, .. }) = self;
        options
    }
}

pub(super) async fn run(config: &Config, command: &DbCommand) -> anyhow::Result<()> {
    match command {
        DbCommand::Init { .. } => {
            make_private(&config.data)?;
            drop(Stores::open(config).await?);
            println!("{} is ready.", place(config));
            Ok(())
        }
        DbCommand::Cleanup { dry_run, .. } => accounts::clean_up(config, *dry_run).await,
        DbCommand::CreateAdminUser { new, .. } => accounts::create_admin(config, new).await,
        DbCommand::CreateOauthClient { new, .. } => accounts::create_client(config, new).await,
        DbCommand::CreateUserApiKey { new, .. } => accounts::create_api_key(config, new).await,
        DbCommand::CreateEuiBlock { new, .. } => accounts::create_eui_block(config, new).await,
        DbCommand::Migrate { .. } => migrate(config).await,
        DbCommand::Status { .. } => status(config).await,
        DbCommand::Dump { file, .. } => {
            let store = open(config).await?;
            let mut writer = file::Writer::create(file)?;
            let mut rows = store.dump();
            while let Some(row) = rows.try_next().await? {
                writer.row(&row)?;
            }
            let count = writer.finish()?;
            println!("{count} rows are in {}.", file.display());
            println!(
                "Keys in it are wrapped: they cannot be read without {}.",
                config.kek_path().display()
            );
            Ok(())
        }
        DbCommand::Load { file, .. } => {
            // All of it is checked before anything is written.
            let expected = file::check(file)?;
            let store = open(config).await?;
            let rows = futures::stream::iter(file::rows(file)?);
            let count = store.fill(Box::pin(rows)).await?;
            if count != expected {
                bail!("{} has changed while it was read", file.display());
            }
            println!("{count} rows are in {}.", place(config));
            println!(
                "Start the server with {} in place: it unwraps the keys.",
                config.kek_path().display()
            );
            Ok(())
        }
    }
}

async fn open(config: &Config) -> anyhow::Result<Arc<dyn Dump>> {
    Ok(match &config.store {
        Store::Embedded => EmbeddedStore::open(&config.data, Default::default())?,
        Store::Postgres(url) => PostgresStore::open(url, Default::default()).await?,
    })
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    let Store::Postgres(url) = &config.store else {
        bail!("the embedded store has no tables to migrate; set `store` to the URL of a database");
    };
    let Schema { found, known, .. } = ttn_store_postgres::migrate(url).await?;
    if found == known {
        println!("{} has schema {known}: there is nothing to do.", config.store);
    } else {
        println!("{}: from schema {found} to {known}.", config.store);
    }
    Ok(())
}

async fn status(config: &Config) -> anyhow::Result<()> {
    match &config.store {
        Store::Embedded => println!("{}", place(config)),
        Store::Postgres(url) => {
            let schema = ttn_store_postgres::schema(url).await.context("the status")?;
            println!("{}: {}", place(config), verdict(schema));
        }
    }
    Ok(())
}

fn verdict(Schema { found, known, .. }: Schema) -> String {
    match found {
        0 => "no tables yet; `ttn-stack db migrate` or the first start makes them".to_owned(),
        _ if found == known => format!("schema {found}, up to date"),
        _ if found < known => format!("schema {found} of {known}; run `ttn-stack db migrate`"),
        _ => format!("schema {found} of a newer version; this program knows up to {known}"),
    }
}

fn place(config: &Config) -> String {
    match &config.store {
        Store::Embedded => format!("the embedded store in {}", config.data.display()),
        database => format!("the database {database}"),
    }
}
