//! The reference command-line client of The Things Stack in Rust.

use std::process::ExitCode;

use clap::Parser as _;
use ttn_cli::command::{self, Arguments};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    let mut stdout = std::io::stdout().lock();
    match command::run(arguments, &mut stdout) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report(json));
            error.exit_code()
        }
    }
}
