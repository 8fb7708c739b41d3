//! Each field of a MachineType either cannot change an attempt under way, or may, for a reason that is given here.

use std::collections::BTreeSet;

use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::*;
use crate::api::testnode_status::{Resolved, ResolvedMachineType};

/// What an edit of a field does to an attempt under way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Edit {
    /// Nothing: what it came to is in the attempt's `resolved` or in the attempt itself.
    Pinned,
    /// It ends the attempt, if the server is not created yet: only then is it read.
    EndsAttempt,
    /// It counts at once, for this reason.
    AtOnce(&'static str),
}

/// Every field of a MachineType's spec, with another value that it can have.
fn fields() -> Vec<(&'static str, Edit, Value)> {
    vec![
        ("clouds", Edit::Pinned, json!([{"name": "other"}])),
        ("defaultOS", Edit::Pinned, json!({"type": "debian", "version": "12"})),
        ("flavor", Edit::Pinned, json!({"name": "other"})),
        ("images", Edit::Pinned, json!([{"os": {"type": "ubuntu", "version": "22.04"}, "id": "other"}])),
        ("excludeImages", Edit::Pinned, json!(["other"])),
        ("volumes", Edit::Pinned, json!([{"name": "other", "sizeGiB": 1}])),
        ("networks", Edit::Pinned, json!([{"name": "other"}])),
        ("floatingIP", Edit::Pinned, json!({"policy": "Always"})),
        ("securityGroups", Edit::Pinned, json!(["other"])),
        ("availabilityZones", Edit::Pinned, json!(["other"])),
        ("keyName", Edit::Pinned, json!("other")),
        ("image", Edit::Pinned, json!({"name": "other"})),
        ("configDrive", Edit::Pinned, json!(true)),
        ("bootVolume", Edit::Pinned, json!({"sizeGiB": 20})),
        ("blockDevices", Edit::Pinned, json!([{}])),
        ("serverGroup", Edit::Pinned, json!({"name": "other"})),
        ("schedulerHints", Edit::Pinned, json!({"other": ["a"]})),
        ("serverMetadata", Edit::Pinned, json!({"other": "a"})),
        ("serverTags", Edit::Pinned, json!(["other"])),
        ("serverDescription", Edit::Pinned, json!("other")),
        ("novaMicroversion", Edit::Pinned, json!("2.90")),
        ("readiness", Edit::Pinned, json!([])),
        ("onFailure", Edit::Pinned, json!("Hold")),
        ("timeouts", Edit::Pinned, json!({"launch": "1s", "boot": "1s", "delete": "1s"})),
        ("launchRetries", Edit::Pinned, json!(8)),
        ("allowedNamespaces", Edit::Pinned, json!(["other"])),
        ("overrides", Edit::Pinned, json!(["flavor"])),
        ("cloudInit", Edit::EndsAttempt, json!([{"userData": "#!/bin/sh"}])),
        ("sshAuthorizedKeys", Edit::EndsAttempt, json!(["ssh-ed25519 other"])),
        (
            "expireAfter",
            Edit::AtOnce(
                "how long a node lives is no property of the machine: the admin decides it at any time",
            ),
            json!("1h"),
        ),
        (
            "consoleAccess",
            Edit::AtOnce("what must not be read must not be read any longer, whenever that is decided"),
            json!("Forbidden"),
        ),
        (
            "limits",
            Edit::AtOnce(
                "its maxExpireAfter bounds the life of every node; the rest of it bounds new attempts only",
            ),
            json!({"maxExpireAfter": "1h"}),
        ),
    ]
}

fn machine(field: Option<(&str, &Value)>) -> MachineType {
    let mut spec = json!({
        "clouds": [{"name": "lab"}],
        "defaultOS": {"type": "ubuntu", "version": "22.04"},
        "flavor": {"name": "small"},
    });
    if let Some((field, value)) = field {
        spec[field] = value.clone();
    }
    MachineType::new("lab", serde_json::from_value(spec).unwrap())
}

fn node() -> TestNode {
    let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH);
    let mut node = TestNode::new("n", serde_json::from_value(json!({"machineType": "lab"})).unwrap());
    node.metadata.creation_timestamp = Some(time);
    node
}

/// A node whose attempt was opened for this machine type.
fn under_way(machine: &MachineType) -> Memory {
    let os = select::os(&machine.spec, &node().spec).unwrap();
    let resolved = Resolved {
        machine_type: Some(ResolvedMachineType {
            readiness: machine.spec.readiness.clone(),
            on_failure: machine.spec.on_failure,
            timeouts: machine.spec.timeouts.clone(),
            launch_retries: machine.spec.launch_retries,
            user_data_digest: select::user_data_digest(&machine.spec, Some(&os)),
        }),
        os: Some(os),
        ..Resolved::default()
    };
    let attempt = Attempt { number: 1, round: 1, resolved: Some(resolved), ..Attempt::default() };
    Memory { attempts: vec![attempt], ..Memory::default() }
}

/// What is wanted of an attempt under way; how many there may be in a new round is for those to come.
fn wanted(machine: Option<&MachineType>, memory: &Memory) -> Desired {
    Desired { launch_retries: 0, problem: None, ..Desired::of(&node(), machine, memory) }
}

#[test]
fn every_field_of_a_machine_type_is_settled_or_may_change_for_a_reason() {
    let schema = serde_json::to_value(MachineType::crd()).unwrap();
    let spec = &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let there: BTreeSet<&str> = spec["properties"].as_object().unwrap().keys().map(String::as_str).collect();

    assert_eq!(there, fields().iter().map(|(field, _, _)| *field).collect());
}

#[test]
fn an_edit_of_a_machine_type_does_to_an_attempt_what_is_said_of_its_field() {
    let before = machine(None);
    let memory = under_way(&before);
    let was = wanted(Some(&before), &memory);

    for (field, edit, value) in fields() {
        let now = wanted(Some(&machine(Some((field, &value)))), &memory);

        match edit {
            Edit::Pinned => assert_eq!(now, was, "{field}"),
            Edit::EndsAttempt => {
                assert_ne!(now.user_data_digest, was.user_data_digest, "{field}");
                assert_eq!(Desired { user_data_digest: was.user_data_digest.clone(), ..now }, was, "{field}");
            }
            Edit::AtOnce(reason) => assert_ne!(now, was, "{field}: {reason}"),
        }
    }
}

#[test]
fn an_attempt_goes_on_as_it_began_when_its_machine_type_is_deleted() {
    let before = machine(None);
    let memory = under_way(&before);
    let (was, now) = (wanted(Some(&before), &memory), wanted(None, &memory));

    assert_eq!(
        (&now.readiness, now.launch_timeout, now.boot_timeout),
        (&was.readiness, was.launch_timeout, was.boot_timeout)
    );
    assert_eq!(now.readiness, [CONSOLE]);
    assert_eq!(now.user_data_digest, None, "before the create the attempt ends");
}

#[test]
fn a_node_is_checked_even_where_nobody_says_how() {
    assert_eq!(wanted(None, &Memory::default()).readiness, [CONSOLE]);
}

#[test]
fn the_nodes_own_readiness_counts_whatever_the_attempt_has_pinned() {
    let mut node = node();
    node.spec.readiness = Some(Vec::new());

    let desired = Desired::of(&node, Some(&machine(None)), &under_way(&machine(None)));

    assert_eq!(desired.readiness, []);
}
