//! The sandbox as a program in a pipe: what it prints, and how it ends.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One node on a cloud without delays, on ports that are free.
fn sandbox(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    command.args([
        "--once",
        "--nodes=1",
        "--port=0",
        "--server-build=0s",
        "--guest-boot=0s",
        "--volume-create=0s",
    ]);
    command.arg("--folder").arg(folder);
    command
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn in_a_pipe_it_prints_plain_lines_and_leaves_a_plain_log() {
    let folder = folder("plain");
    let output = sandbox(&folder).output().unwrap();

    let said = String::from_utf8(output.stdout).unwrap();
    let log = std::fs::read_to_string(folder.join("operator.log")).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with("A Kubernetes API server, an OpenStack cloud"), "{said}");
    assert!(said.contains("smithi001    Ready         smithi001.front.example.test is ready at"), "{said}");
    assert!(said.ends_with("Nothing is left in the cloud, and every name is parked.\n"), "{said}");
    assert!(!said.contains('\x1b') && !log.contains('\x1b'), "escape codes in\n{said}{log}");
    assert!(log.contains("create server"), "{log}");
}

#[test]
fn it_ends_in_good_order_when_nobody_reads_on() {
    let mut child = sandbox(&folder("unread")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();

    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success(), "{}", output.status);
}
