//! Runs one command.

use std::io::{self, Write};
use std::process::ExitCode;

use super::cli::{Cli, Command, Which};
use super::error::Error;
use super::{console, login, look, story};
use crate::output::{self, Machine, Unusable};

/// Runs one command, and says how the program ends.
///
/// # Errors
/// If the API server refuses, or if nobody can log in to the machine that was named.
pub async fn run(cli: Cli) -> Result<ExitCode, Error> {
    let client = look::client(&cli.place).await?;
    match cli.command {
        Command::Targets(which) => list(&client, &which, output::targets).await,
        Command::KnownHosts(which) => list(&client, &which, output::known_hosts).await,
        Command::Inventory(which) => list(&client, &which, output::inventory).await,
        Command::SshConfig { which, known_hosts } => {
            list(&client, &which, |machines| output::ssh_config(machines, known_hosts.as_deref())).await
        }
        Command::Ssh(options) => {
            let node = look::node(&client, &options.name).await?;
            let machine = Machine::of(&node).map_err(Error::Unusable)?;
            let ended = login::log_in(&machine, &options)?;
            // Ended by a signal: as a shell says it.
            Ok(ended
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from))
        }
        Command::Console { name, last } => {
            let node = look::node(&client, &name).await?;
            let shown = if last { console::last(&node)? } else { console::ask(&client, &name).await? };
            print(&console::text(&shown)?)
        }
        Command::Why { name } => {
            let node = look::node(&client, &name).await?;
            let events = look::events(&client, &node).await?;
            print(&story::tell(&node, &events, jiff::Timestamp::now()))
        }
    }
}

async fn list(
    client: &kube::Client,
    which: &Which,
    form: impl FnOnce(&[Machine]) -> String,
) -> Result<ExitCode, Error> {
    let (machines, unusable) = sorted(look::machines(client, which).await?);
    for left_out in &unusable {
        eprintln!("{left_out}");
    }
    let ended = print(&form(&machines))?;
    // A name that was given and is not in the output is a failure for a script.
    Ok(if which.names.is_empty() || unusable.is_empty() { ended } else { ExitCode::FAILURE })
}

fn sorted(found: Vec<Result<Machine, Unusable>>) -> (Vec<Machine>, Vec<Unusable>) {
    let (mut machines, mut unusable) = (Vec::new(), Vec::new());
    for one in found {
        match one {
            Ok(machine) => machines.push(machine),
            Err(left_out) => unusable.push(left_out),
        }
    }
    (machines, unusable)
}

/// Prints. A reader that has seen enough is no error.
fn print(text: &str) -> Result<ExitCode, Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}
