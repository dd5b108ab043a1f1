//! The commands of the binary.

pub mod db;
mod demo;
pub mod doctor;
mod start;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use data_encoding::BASE32_NOPAD;
use ttn_core::rand::Entropy;

use crate::{
    bench::{self, BenchOptions},
    config::Config,
};

/// The Things Stack in Rust: a whole LoRaWAN network in one process.
#[derive(Debug, Parser)]
#[command(name = "ttn-stack", version, about)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Run the whole stack.
    Start {
        /// What to configure.
        #[command(flatten)]
        options: Options,
        /// Add a virtual gateway and three virtual devices, and print what they send; on a temporary store.
        #[arg(long)]
        demo: bool,
    },
    /// Measure what this host can carry: a server on a temporary directory, virtual devices and gateways, a subscriber.
    Bench(BenchOptions),
    /// Say what is wrong with this machine, the files, the store and the devices in it, and what to do. Ends with code 1 if
    /// there are errors.
    Doctor {
        /// What to look at alone.
        alone: Option<doctor::Alone>,
        /// Delete what is left over of devices that were created or deleted in part and never sent.
        #[arg(long, requires = "alone")]
        repair: bool,
        /// What to configure.
        #[command(flatten)]
        options: Options,
        /// The server that runs.
        #[command(flatten)]
        running: doctor::Running,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look after the store of a stopped server: its tables, moving everything from one store to another, and accounts.
    #[command(alias = "is-db")]
    Db {
        /// What to do.
        #[command(subcommand)]
        command: db::DbCommand,
    },
    /// Print the configuration that is in force, as YAML.
    Config {
        /// What to configure.
        #[command(flatten)]
        options: Options,
    },
    /// Run scripts of payload formatters for another process of this program.
    #[command(hide = true)]
    ScriptWorker,
}

/// Flags that lie over the environment and the file.
#[derive(Clone, Debug, Default, clap::Args)]
#[non_exhaustive]
pub struct Options {
    /// The YAML file to read.
    #[arg(long, value_name = "FILE", env = "TTN_CONFIG")]
    pub config: Option<PathBuf>,
    /// The directory of the store.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The file of the key that wraps keys at rest.
    #[arg(long, value_name = "FILE")]
    pub kek_file: Option<PathBuf>,
    /// Added to every port.
    #[arg(long, value_name = "N")]
    pub port_offset: Option<u16>,
}

/// Runs a command.
///
/// # Errors
///
/// What went wrong, with the value and what to do.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Start { options, demo } => {
            let config = load(&options)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(start::run(config, demo))
        }
        Command::Bench(options) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(bench::run(options))
        }
        Command::Doctor { alone, repair, options, running, json } => {
            let config = load(&options)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                match alone {
                    Some(doctor::Alone::Devices) => doctor::devices(&config, repair).await,
                    None => doctor::run(&config, &running, json).await,
                }
            })
        }
        Command::Db { command } => {
            let config = load(command.options())?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(db::run(&config, &command))
        }
        Command::Config { options } => {
            print!("{}", load(&options)?.to_yaml());
            Ok(())
        }
        Command::ScriptWorker => Ok(ttn_as::format::javascript::worker()?),
    }
}

fn load(options: &Options) -> anyhow::Result<Config> {
    let mut config = Config::load(options.config.as_deref(), std::env::vars())?;
    if let Some(data) = &options.data {
        config.data.clone_from(data);
    }
    if let Some(kek_file) = &options.kek_file {
        config.kek_file = Some(kek_file.clone());
    }
    if let Some(offset) = options.port_offset {
        config.ports.offset = offset;
    }
    config.check()?;
    Ok(config)
}

/// A password that nobody chose.
fn draw_password(entropy: &dyn Entropy) -> String {
    let mut secret = [0; 15];
    entropy.fill(&mut secret);
    BASE32_NOPAD.encode(&secret).to_lowercase()
}

/// Makes the directory of what belongs to this server, for nobody else's eyes.
pub(crate) fn make_private(directory: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.recursive(true).create(directory);
    made.with_context(|| format!("the directory {}", directory.display()))
}
