//! Each line of YAML in `docs/moving.md` is one that the API server takes.

use serde_json::{Value, json};

use crate::harness::{Lab, machine_type, quick};

const PAGE: &str = include_str!("../../docs/moving.md");

/// The kind and the YAML of each row of the four tables, and the row.
fn rows() -> Vec<(&'static str, &'static str, &'static str)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| option "));
    rows.map(|row| {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let yaml = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
        let found = yaml.and_then(|yaml| yaml.split_once(": "));
        assert!(found.is_some(), "no YAML: {row}");
        let (kind, yaml) = found.unwrap();
        (kind, yaml, row)
    })
    .collect()
}

/// An object of that kind with the least that it must say, and this.
fn object(lab: &Lab, kind: &str, name: &str, part: &Value) -> Value {
    let mut metadata = json!({"name": name});
    let mut spec = match kind {
        "TestNode" => {
            metadata["namespace"] = "default".into();
            json!({"machineType": "lab"})
        }
        "MachineType" => machine_type(&["lab"]),
        other => {
            assert_eq!(other, "Cloud");
            lab.cluster.get("clouds", "", "lab").unwrap()["spec"].clone()
        }
    };
    spec.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    json!({"apiVersion": "testnode.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

#[test]
fn every_row_has_a_line_that_the_api_server_takes_and_keeps_whole() {
    let lab = Lab::idle(quick());
    let rows = rows();
    assert!(rows.len() > 55 && PAGE.matches("| option |").count() == 4, "{}", rows.len());

    for (number, (kind, yaml, row)) in rows.into_iter().enumerate() {
        let part: Value = serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{row}: {error}"));
        let made = lab.cluster.put(object(&lab, kind, &format!("row-{number}"), &part));
        let made = made.unwrap_or_else(|error| panic!("{row}: {error:?}"));
        // A field that the schema does not know would be dropped.
        assert_kept(&part, &made["spec"], row);
    }
}

/// All of it is still there, beside what was filled in.
fn assert_kept(part: &Value, whole: &Value, row: &str) {
    match part {
        Value::Object(fields) => {
            for (name, value) in fields {
                assert_kept(value, &whole[name], row);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                assert_kept(item, &whole[at], row);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            assert_eq!(part, whole, "{row}");
        }
    }
}
