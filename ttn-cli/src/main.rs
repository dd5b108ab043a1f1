//! The reference command-line client of The Things Stack in Rust.

use std::{io::ErrorKind, process::ExitCode};

use clap::Parser as _;
use ttn_cli::{
    command::{self, Arguments},
    error::Error,
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    let mut stdout = std::io::stdout().lock();
    match command::run(arguments, &mut stdout) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads, such as `head`, has enough.
        Err(Error::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report(json));
            error.exit_code()
        }
    }
}
