//! That it runs, and tells of every phase; no times.

use std::process::Command;

use serde_json::Value;

/// The phases of a short day.
fn lived(of: &[&str]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scale"));
    command.args(of).args(["--rest=1s", "--server-build=0s", "--json", "--patience=60s"]);

    let output = command.output()?;

    let said = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let phase = |line: &str| {
        let told: Value = serde_json::from_str(line)?;
        Ok(told.get("phase").and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    said.lines().map(phase).collect()
}

#[test]
fn a_short_day_of_pools_is_lived_and_every_phase_is_told() {
    let phases = lived(&["--nodes=4", "--pools=2", "--claims=1"]).unwrap();

    let expected =
        ["pools are filled", "rest", "claims one by one", "a gang of 20", "claims at once", "deletion"];
    assert_eq!(phases, expected);
}

#[test]
fn a_short_day_is_lived_and_every_phase_is_told() {
    let phases = lived(&["--nodes=2", "--waiting=3", "--places=1"]).unwrap();

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
