//! The recorded exchanges of unmodified teuthology with paddles, asked of us: the same status and the same JSON, but for what the
//! file says to differ, and for what only the machine can say.

use std::collections::BTreeMap;
use std::time::Duration;

use devcloud::Settings;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Replica;
use crate::harness::{Lab, quick};
use crate::pools::idle;

const RECORDED: &str = include_str!("../../field/lock_server.jsonl");

/// What each machine, or each instant, has of its own. Where paddles has a text, we have one.
const OWN: &[&str] = &["locked_since", "ssh_pub_key"];

async fn lab() -> (Lab, Replica) {
    let lab = Lab::new(Settings { zone: "front.example.test".into(), ..quick() }).await;
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodePool", "metadata": {"name": "ovh", "namespace": "default"},
        "spec": {"minReady": 6, "max": 8, "template": {"machineType": "lab"}, "lockServer": {"machineType": "ovh"},
            "claims": {"maxDuration": "336h"}},
    }));
    lab.until("the pool is full", 90, |lab| idle(lab) == 6).await;
    let replica = Replica::of(&lab).await;
    (lab, replica)
}

/// Names that were locked then, and those that were now.
type Names = BTreeMap<String, String>;

fn renamed(text: &str, names: &Names) -> String {
    let mut text = text.to_owned();
    for then in names.keys() {
        text = text.replace(then.as_str(), &format!("<{then}>"));
    }
    for (then, now) in names {
        text = text.replace(&format!("<{then}>"), now);
    }
    text
}

/// A row as far as it can be the same.
fn masked(mut row: Value) -> Value {
    for key in OWN {
        if row[*key].is_string() {
            row[*key] = "one".into();
        }
    }
    if row.get("mac_address").is_some() {
        row["mac_address"] = Value::Null;
    }
    row
}

fn assert_same(ours: &Value, theirs: &Value, what: &str) {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{what}");
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_same(ours, theirs, what);
            }
        }
        (ours, theirs) => assert_eq!(masked(ours.clone()), masked(theirs.clone()), "{what}"),
    }
}

async fn replay(replica: &Replica, piece: &str) {
    let mut names = Names::new();
    for line in RECORDED.lines() {
        let then: Value = serde_json::from_str(line).unwrap();
        if then["piece"] != piece {
            continue;
        }
        let word = |key: &str| then[key].as_str().unwrap_or_default().to_owned();
        let (method, path) = (word("method"), renamed(&word("path"), &names));
        let (status, ours) = replica.ask(&method, &path, &renamed(&word("body"), &names)).await;
        let what = format!("{method} {path} {}: {ours}", word("body"));
        let expected = then["ours"].as_u64().or_else(|| then["status"].as_u64()).unwrap();
        assert_eq!(u64::from(status), expected, "{what}");
        let is_list = path.contains('?');
        if status == 200 && path.contains("lock_many") {
            for (now, then) in ours.as_array().unwrap().iter().zip(then["answer"].as_array().unwrap()) {
                names.insert(then["name"].as_str().unwrap().into(), now["name"].as_str().unwrap().into());
            }
        }
        let theirs: Value = serde_json::from_str(&renamed(&then["answer"].to_string(), &names)).unwrap();
        if then["begins"] == true {
            let said = ours["message"].as_str().unwrap();
            assert!(said.starts_with(theirs["message"].as_str().unwrap()), "{what}");
        } else if is_list && theirs.is_array() {
            // Other nodes in another order, but rows of the same form.
            for (ours, theirs) in ours.as_array().unwrap().iter().zip(theirs.as_array().unwrap()) {
                let keys = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
                assert_eq!(keys(ours), keys(theirs), "{what}");
            }
        } else if !theirs.is_null() {
            assert_same(&ours, &theirs, &what);
        } else {
            assert!(ours["message"].is_string(), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_job_sees_what_it_saw_of_paddles() {
    let (lab, replica) = lab().await;

    replay(&replica, "a job of two nodes").await;

    sleep(Duration::from_secs(5)).await;
    assert!(super::living(&lab).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_or_not_right_is_refused_as_paddles_does() {
    let (lab, replica) = lab().await;

    replay(&replica, "what is not there or not right").await;
    replay(&replica, "what a node did").await;

    assert!(lab.cluster.list("testnodeclaims", "default").is_empty());
}

#[tokio::test(start_paused = true)]
async fn locks_by_name_are_answered_as_by_paddles() {
    let (_lab, replica) = lab().await;

    replay(&replica, "locks by name").await;
}

#[tokio::test(start_paused = true)]
async fn marks_are_answered_as_by_paddles() {
    let (_lab, replica) = lab().await;

    replay(&replica, "marks").await;
}
