//! Nodes by name: locks of one, and what people say of them.

use serde_json::{Value, json};

use super::{lab_with, living, names, zone};
use crate::pools::idle;

#[tokio::test(start_paused = true)]
async fn a_node_that_is_idle_is_locked_by_name_and_no_other() {
    let (lab, replica) = lab_with(3, 4).await;
    let name = format!("ovh002.{}", zone(&lab));

    let (status, state) = replica.lock(&name, true, "alice@desk", Some("a look")).await;
    assert_eq!(status, 200, "{state}");
    assert_eq!(
        state,
        json!({"name": name, "locked": true, "locked_by": "alice@desk", "machine_type": "lab", "is_vm": false})
    );
    assert_eq!(replica.lock(&name, true, "alice@desk", Some("a look")).await.0, 200, "the same again");
    let (status, said) = replica.lock(&name, true, "bob@desk", Some("a look")).await;
    assert_eq!((status, said), (403, json!({"message": "Cannot lock an already-locked node"})));
    assert_eq!(replica.lock(&name, true, "alice@desk", Some("more")).await.0, 403);
    let claim = &living(&lab)[0];
    assert_eq!((&claim["spec"]["nodes"], &claim["spec"]["lease"]), (&json!(["ovh002"]), &Value::Null));
    assert_eq!(replica.lock(&name, false, "alice@desk", None).await.0, 200);
    lab.until("it is another machine", 90, |lab| idle(lab) == 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_slot_without_a_machine_cannot_be_locked_by_name_and_others_are_named() {
    let (lab, replica) = lab_with(1, 4).await;

    let (status, said) = replica.lock(&format!("ovh003.{}", zone(&lab)), true, "alice@desk", None).await;

    assert_eq!(status, 503);
    assert_eq!(said["message"], "ovh003 has no machine yet; lock one of ovh001, or use --lock-many");
    assert_eq!(replica.lock("ovh099", true, "alice@desk", None).await.0, 404);
    assert!(lab.cluster.list("testnodeclaims", "default").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_marked_down_is_not_handed_out_but_by_name_and_up_makes_it_free() {
    let (lab, replica) = lab_with(2, 2).await;
    let path = format!("/nodes/ovh001.{}/", zone(&lab));

    assert_eq!(
        replica.ask("PUT", &path, r#"{"up": false, "description": "no disks"}"#).await,
        (200, json!({}))
    );
    let row = replica.get(&path).await;
    assert_eq!((&row["up"], &row["description"]), (&json!(false), &json!("no disks")));
    let slot = lab.cluster.get("testnodeslots", "default", "ovh001").unwrap();
    assert_eq!(slot["spec"]["nodeUID"], lab.the("ovh001")["metadata"]["uid"]);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let (_, rows) = replica.lock_many("alice@desk", 1, None, Value::Null).await;
    assert_eq!(names(&rows), [format!("ovh002.{}", zone(&lab))]);
    assert_eq!(replica.lock(&format!("ovh001.{}", zone(&lab)), true, "bob@desk", None).await.0, 200);
    assert_eq!(replica.lock(&format!("ovh001.{}", zone(&lab)), false, "bob@desk", None).await.0, 200);
    tokio::time::sleep(std::time::Duration::from_mins(5)).await;
    assert!(!lab.the("ovh001").is_null(), "it is held for a look");

    assert_eq!(replica.ask("PUT", &path, r#"{"up": true}"#).await, (200, json!({})));
    assert_eq!(replica.ask("PUT", &path, r#"{"description": ""}"#).await, (200, json!({})));
    assert!(lab.cluster.get("testnodeslots", "default", "ovh001").is_none(), "there is nothing to say of it");
    lab.until("it is another", 90, |lab| idle(lab) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_description_of_a_locked_node_is_its_claims() {
    let (lab, replica) = lab_with(1, 2).await;
    let (_, rows) = replica.lock_many("alice@desk", 1, Some("trying"), Value::Null).await;
    let name = names(&rows).remove(0);

    let body = json!({"description": "still trying"}).to_string();
    assert_eq!(replica.ask("PUT", &format!("/nodes/{name}/"), &body).await.0, 200);
    assert_eq!(living(&lab)[0]["spec"]["description"], "still trying");
    assert_eq!(replica.get(&format!("/nodes/{name}/")).await["description"], "still trying");
    assert!(lab.cluster.list("testnodeslots", "default").is_empty());
    assert_eq!(replica.lock(&name, false, "alice@desk", Some("trying")).await.0, 403);
    assert_eq!(replica.lock(&name, false, "alice@desk", Some("still trying")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn all_or_none_of_many_are_unlocked_and_a_claim_elsewhere_is_not_ours_to_end() {
    let (lab, replica) = lab_with(3, 4).await;
    lab.edit("testnodepools", "default", "ovh", |spec| spec["claims"]["from"] = "All".into());
    lab.namespace("team");
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodeClaim", "metadata": {"name": "job", "namespace": "team"},
        "spec": {"pool": {"name": "ovh", "namespace": "default"}, "owner": "alice@desk"},
    }));
    lab.until("it has one", 10, |lab| lab.condition("testnodeclaims", "team", "job", "Ready").0 == "True")
        .await;
    let zone = zone(&lab);
    let has = lab.cluster.get("testnodeclaims", "team", "job").unwrap();
    let theirs = format!("{}.{zone}", has["status"]["nodes"][0]["name"].as_str().unwrap());
    let (_, rows) = replica.lock_many("alice@desk", 2, None, Value::Null).await;
    let mut all = names(&rows);

    assert_eq!(replica.get(&format!("/nodes/{theirs}/")).await["locked_by"], "alice@desk");
    let (status, said) = replica.lock(&theirs, false, "alice@desk", None).await;
    assert!(status == 403 && said["message"].as_str().unwrap().contains("team/job"), "{said}");
    all.push(theirs);
    let many = |names: &[String]| json!({"names": names, "locked_by": "alice@desk"}).to_string();
    assert_eq!(replica.ask("POST", "/nodes/unlock_many/", &many(&all)).await.0, 403);
    assert_eq!(living(&lab)[0]["spec"]["released"], Value::Null, "none was unlocked");
    all.pop();
    let (status, freed) = replica.ask("POST", "/nodes/unlock_many/", &many(&all)).await;
    assert_eq!((status, names(&freed)), (200, all.clone()));
    assert_eq!(replica.ask("POST", "/nodes/unlock_many/", &many(&all)).await.0, 200, "a lost reply");
}

#[tokio::test(start_paused = true)]
async fn a_lock_by_name_that_the_pools_rules_refuse_says_so_after_two_tries() {
    let (lab, replica) = lab_with(1, 2).await;
    lab.edit("testnodepools", "default", "ovh", |spec| spec["claims"]["reserve"] = 1.into());
    assert_eq!(replica.lock("ovh001", true, "scheduled_root@vm", Some("first")).await.0, 200);
    lab.until("there is another", 120, |lab| idle(lab) == 1).await;
    let before = lab.cluster.list("testnodeclaims", "default").len();

    let (status, said) = replica.lock("ovh002", true, "scheduled_root@vm", Some("second")).await;

    assert!(status == 503 && said["message"].as_str().unwrap().contains("interactive"), "{said}");
    assert_eq!(lab.cluster.list("testnodeclaims", "default").len(), before + 2);
}

fn mark(name: &str, pool: &str) -> Value {
    json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodeSlot", "metadata": {"name": name, "namespace": "default"},
        "spec": {"pool": pool, "down": true, "description": "the shelf is hot"},
    })
}

#[tokio::test(start_paused = true)]
async fn an_admins_mark_of_whatever_is_there_stays_one_and_that_of_a_deleted_pool_gives_way() {
    let (lab, replica) = lab_with(2, 2).await;
    lab.apply(mark("ovh001", "ovh"));
    lab.apply(mark("ovh002", "gone"));

    let said = r#"{"up": false, "description": "no disks"}"#;
    for (name, uid) in [("ovh001", None), ("ovh002", Some("ovh002"))] {
        assert_eq!(replica.ask("PUT", &format!("/nodes/{name}/"), said).await, (200, json!({})), "{name}");
        let slot = lab.cluster.get("testnodeslots", "default", name).unwrap();
        assert_eq!(
            (&slot["spec"]["pool"], &slot["spec"]["description"]),
            (&json!("ovh"), &json!("no disks"))
        );
        let uid = uid.map_or(Value::Null, |name| lab.the(name)["metadata"]["uid"].clone());
        assert_eq!((&slot["spec"]["down"], &slot["spec"]["nodeUID"]), (&json!(true), &uid), "{name}");
    }
}
