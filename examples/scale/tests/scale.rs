//! That it runs, and tells of every phase; no times.

use std::process::Command;

#[test]
fn a_short_day_is_lived_and_every_phase_is_told() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scale"));
    command.args(["--nodes=2", "--waiting=3", "--places=1", "--rest=1s", "--server-build=0s", "--json"]);

    let output = command.args(["--patience=60s"]).output().unwrap();

    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let phases: Vec<String> = said
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|phase| phase["phase"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "burst",
        "rest",
        "restart",
        "arrival of the waiting",
        "rest while they wait",
        "a place becomes free",
        "deletion",
    ];
    assert_eq!(phases, expected);
}
