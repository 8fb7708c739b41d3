//! Parse, run, exit code; nothing else.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use testnode_operator::admin::ask;
use testnode_operator::cli::{self, Cli, Command};
use testnode_operator::error::chain;
use testnode_operator::{import_teuthology as teuthology, run, telemetry};

/// How long an operator that was just installed may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(options) => serve(&options.log.clone(), run::run(*options)),
        Command::Images(options) => serve(&options.log.clone(), run::images::run(*options)),
        Command::LockServer(options) => serve(&options.log.clone(), run::lock_server(*options)),
        Command::ImportTeuthology(options) => import_teuthology(options),
        Command::Crd => run::crds().and_then(|text| Ok(cli::print(&text)?)),
        Command::Ready { url } => ready(&url),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testnode-operator: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// One provider for all of TLS, chosen before any client is made.
fn choose_tls() -> Result<(), Box<dyn Error>> {
    let chosen = rustls::crypto::ring::default_provider().install_default();
    chosen.map_err(|_| "another TLS provider is installed already".into())
}

fn ready(url: &str) -> Result<(), Box<dyn Error>> {
    choose_tls()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let said = runtime.block_on(ask::ready(url, PATIENCE))?;
    Ok(cli::print(&format!("{said}\n"))?)
}

fn import_teuthology(options: cli::ImportTeuthology) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(&options.file)?;
    let ssh_key = options.ssh_key.map(std::fs::read_to_string).transpose()?;
    let wanted = teuthology::Options {
        pool_namespace: options.pool_namespace.unwrap_or_else(|| options.namespace.clone()),
        namespace: options.namespace,
        systems: options.os,
        max: options.max,
        verify_server: options.verify_server,
        ssh_key: ssh_key.map(|key| key.trim().to_owned()),
    };
    Ok(cli::print(&teuthology::import(&text, &wanted)?.yaml()?)?)
}

fn serve(log: &cli::Log, work: impl Future<Output = Result<(), run::Error>>) -> Result<(), Box<dyn Error>> {
    telemetry::init(log.format, &log.level)?;
    choose_tls()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(work);
    // What may not go on must not: nothing is waited for.
    runtime.shutdown_background();
    ended.map_err(Into::into)
}
