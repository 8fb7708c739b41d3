//! `ssh` to a machine, with a `known_hosts` file that holds its keys and nothing else.

use std::io::Write;
use std::process::{Command, ExitStatus};

use super::cli::Ssh;
use super::error::Error;
use crate::output::{Machine, known_hosts, remark};

/// Runs ssh until it ends.
pub fn log_in(machine: &Machine, options: &Ssh) -> Result<ExitStatus, Error> {
    if let Some(remark) = remark(machine) {
        eprintln!("{remark}");
    }
    let mut file = tempfile::NamedTempFile::new().map_err(Error::File)?;
    file.write_all(known_hosts(std::slice::from_ref(machine)).as_bytes()).map_err(Error::File)?;
    file.flush().map_err(Error::File)?;
    let known = file.path().display().to_string();
    let arguments = arguments(machine, options, &known)?;
    Command::new("ssh").args(arguments).status().map_err(Error::Ssh)
}

/// The arguments of ssh.
///
/// # Errors
/// If the machine showed no keys and first use is not to be trusted.
fn arguments(machine: &Machine, options: &Ssh, known: &str) -> Result<Vec<String>, Error> {
    let trust = match (machine.keys.is_empty(), options.trust_first) {
        (false, _) => "yes",
        (true, true) => "accept-new",
        (true, false) => return Err(Error::NoKeys(machine.name.clone())),
    };
    let mut arguments: Vec<String> = [
        format!("-oUserKnownHostsFile={known}"),
        "-oGlobalKnownHostsFile=/dev/null".into(),
        format!("-oStrictHostKeyChecking={trust}"),
        format!("-p{}", machine.port),
    ]
    .into();
    if let Some(user) = options.user.as_ref().or(machine.user.as_ref()) {
        arguments.push(format!("-l{user}"));
    }
    arguments.extend(["--".into(), machine.host.clone()]);
    arguments.extend(options.command.iter().cloned());
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::node;

    fn options() -> Ssh {
        Ssh { name: "smithi001".into(), user: None, trust_first: false, command: Vec::new() }
    }

    #[test]
    fn only_the_keys_that_the_machine_showed_are_trusted() {
        let machine = Machine::of(&node("smithi001")).unwrap();

        assert_eq!(
            arguments(&machine, &options(), "/tmp/k").unwrap(),
            [
                "-oUserKnownHostsFile=/tmp/k",
                "-oGlobalKnownHostsFile=/dev/null",
                "-oStrictHostKeyChecking=yes",
                "-p22",
                "-lubuntu",
                "--",
                "smithi001.front.example.test",
            ]
        );
    }

    #[test]
    fn a_machine_without_keys_is_logged_in_to_only_if_one_says_so() {
        let machine = Machine { keys: Vec::new(), ..Machine::of(&node("smithi001")).unwrap() };

        assert!(matches!(arguments(&machine, &options(), "k"), Err(Error::NoKeys(_))));
        let trusting = Ssh { trust_first: true, ..options() };
        assert!(
            arguments(&machine, &trusting, "k")
                .unwrap()
                .contains(&"-oStrictHostKeyChecking=accept-new".to_owned())
        );
    }

    #[test]
    fn another_user_and_a_command_are_passed_on() {
        let machine = Machine::of(&node("smithi001")).unwrap();
        let options =
            Ssh { user: Some("root".into()), command: vec!["uname".into(), "-a".into()], ..options() };

        let arguments = arguments(&machine, &options, "k").unwrap();

        assert!(arguments.contains(&"-lroot".to_owned()));
        assert!(arguments.ends_with(&["uname".into(), "-a".into()]));
    }
}
