//! `kubectl testnode`: a kubectl plugin. Put it into a folder of `PATH`.

use std::process::ExitCode;

use clap::Parser;
use testnode_operator::error::chain;
use testnode_operator::plugin::{self, cli::Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kubectl testnode: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err("another TLS provider is installed already".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(plugin::run(cli))?)
}
