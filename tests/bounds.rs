//! How much one node may make the operator keep in memory, by what the API server lets through.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use serde_json::Value;
use testnode_operator::api::crd;

/// The most that the spec of one node takes, in bytes.
const SPEC: u64 = 280 << 10;

/// What Nova takes of user data, which `userData` and `sshAuthorizedKeys` share by a rule.
const USER_DATA: u64 = 48 << 10;

/// The longest key of a map, in bytes.
const KEY: u64 = 255;

/// The schema of a node's spec.
fn spec() -> Value {
    let nodes = crd::all().into_iter().find(|crd| crd.spec.names.kind == "TestNode").unwrap();
    let nodes = serde_json::to_value(nodes).unwrap();
    nodes.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap().clone()
}

/// The most bytes that a value takes which a schema lets through, without names of fields.
fn most(path: &str, schema: &Value) -> u64 {
    let bound = |field: &str| {
        schema[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{path} has no {field}: one object could fill the memory"))
    };
    match schema["type"].as_str().unwrap_or_default() {
        "boolean" | "integer" | "number" => 8,
        "string" if path == ".userData" => 0,
        "string" if is_one_of_some_words(schema) => 32,
        // A character takes up to four bytes.
        "string" => bound("maxLength") * 4,
        "array" if path == ".sshAuthorizedKeys" => USER_DATA,
        "array" => bound("maxItems") * most(&format!("{path}[]"), &schema["items"]),
        "object" if schema["additionalProperties"].is_object() => {
            // A rule in CEL bounds the keys.
            bound("maxProperties") * (KEY + most(&format!("{path}{{}}"), &schema["additionalProperties"]))
        }
        "object" => {
            let fields = schema["properties"].as_object().unwrap_or_else(|| panic!("{path} takes any field"));
            fields.iter().map(|(name, inner)| most(&format!("{path}.{name}"), inner)).sum()
        }
        other => panic!("{path} is {other:?}, which has no bound"),
    }
}

fn is_one_of_some_words(schema: &Value) -> bool {
    let listed = schema["pattern"].as_str().is_some_and(|pattern| {
        let words = pattern.trim_start_matches("^$|").trim_start_matches("^(").trim_end_matches(")$");
        words.split('|').all(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    });
    schema["enum"].is_array() || listed
}

#[test]
fn every_field_of_a_nodes_spec_has_a_bound_and_all_together_take_little() {
    let most = most("", &spec());

    println!("at most {most} bytes");
    assert!(most <= SPEC, "{most} bytes");
}

#[test]
fn user_data_and_keys_share_what_nova_takes() {
    let rules = spec()["x-kubernetes-validations"].to_string();

    assert!(rules.contains(&format!("<= {USER_DATA}")), "{rules}");
}
