//! Parse, run, exit code; nothing else.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use testnode_operator::cli::{self, Cli, Command};
use testnode_operator::{run, telemetry};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(options) => serve(*options),
        Command::Crd => cli::print_crds(run::crds).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testnode-operator: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn serve(options: cli::Run) -> Result<(), Box<dyn Error>> {
    telemetry::init(options.log_format, &options.log_level)?;
    // One provider for all of TLS, chosen before any client is made.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err("another TLS provider is installed already".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(run::run(options));
    // What may not go on must not: nothing is waited for.
    runtime.shutdown_background();
    ended.map_err(Into::into)
}

/// What happened, and why, and why that. Many errors of libraries tell their
/// cause themselves: nothing is said twice.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string) {
        if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}
