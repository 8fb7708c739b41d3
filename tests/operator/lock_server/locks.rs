//! Locks: what becomes of them in good and in bad times.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Replica, lab_with, living, names, until_locked, zone};
use crate::pools::idle;

const JOB: &str = "/srv/lab/archive/alice-2026-11-29_02:51:00-mini-main-distro-default-ovh/2";

#[tokio::test(start_paused = true)]
async fn a_job_locks_its_nodes_looks_at_each_and_unlocks_them() {
    let (lab, replica) = lab_with(3, 5).await;

    let (status, rows) = replica.lock_many("scheduled_root@vm", 2, Some(JOB), Value::Null).await;
    assert_eq!(status, 200, "{rows}");
    // Of three that are Ready the oldest are handed out, whichever these are.
    let zone = zone(&lab);
    let slots: Vec<String> = (1..=3).map(|number| format!("ovh00{number}.{zone}")).collect();
    assert!(names(&rows).len() == 2 && names(&rows).iter().all(|name| slots.contains(name)), "{rows}");
    for name in names(&rows) {
        let row = replica.get(&format!("/nodes/{name}/")).await;
        assert_eq!((&row["up"], &row["locked"], &row["is_vm"]), (&json!(true), &json!(true), &json!(false)));
        assert_eq!((&row["locked_by"], &row["description"]), (&json!("scheduled_root@vm"), &json!(JOB)));
        assert_eq!(
            (&row["os_type"], &row["os_version"], &row["arch"]),
            (&json!("ubuntu"), &json!("22.04"), &json!("x86_64"))
        );
        assert!(row["locked_since"].as_str().unwrap().starts_with("2026-03-02 08:0"), "{row}");
        assert!(row["ssh_pub_key"].as_str().unwrap().starts_with("ecdsa-sha2-nistp256 AAAA"), "{row}");
        assert!(row["vm_host"].is_null() && row["mac_address"].is_null());
    }
    let claim = &living(&lab)[0];
    assert_eq!((&claim["spec"]["duration"], &claim["spec"]["lease"]), (&json!("96h"), &Value::Null));
    assert!(!claim["spec"]["interactive"].as_bool().unwrap_or_default());
    for name in names(&rows) {
        let (status, state) = replica.lock(&name, false, "scheduled_root@vm", Some(JOB)).await;
        let free =
            json!({"name": name, "locked": false, "locked_by": null, "machine_type": "lab", "is_vm": false});
        assert_eq!((status, state), (200, free));
    }
    lab.until("the claim has ended", 10, |lab| living(lab).is_empty()).await;
    lab.until("the pool is full again", 90, |lab| idle(lab) == 3).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_pool_says_503_until_the_machine_is_there_and_keeps_the_place_in_the_queue() {
    let (lab, replica) = lab_with(0, 2).await;
    lab.cloud.change(|settings| settings.guest_boot = Duration::from_mins(3));

    let (status, said) = replica.lock_many("alice@desk", 1, None, Value::Null).await;
    assert_eq!(status, 503);
    assert!(said["message"].as_str().unwrap().starts_with("only 0 nodes available: "), "{said}");
    let rows = until_locked(&replica, "alice@desk", 1, None).await;

    assert_eq!(
        lab.cluster.list("testnodeclaims", "default").len(),
        1,
        "every poll found the claim of before"
    );
    let claim = &living(&lab)[0];
    assert_eq!((&claim["spec"]["duration"], &claim["spec"]["interactive"]), (&json!("336h"), &json!(true)));
    assert!(claim["spec"]["lease"].is_null());
    // A second equal request is another lock.
    let others = until_locked(&replica, "alice@desk", 1, None).await;
    assert_ne!(names(&rows), names(&others));
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_asking_loses_the_place_after_90_s() {
    let (lab, replica) = lab_with(0, 1).await;
    lab.cloud.change(|settings| settings.guest_boot = Duration::from_mins(5));

    let (status, _) = replica.lock_many("alice@desk", 1, None, Value::Null).await;
    assert_eq!((status, living(&lab).len()), (503, 1));
    sleep(Duration::from_secs(80)).await;
    assert_eq!(living(&lab).len(), 1);
    sleep(Duration::from_secs(15)).await;

    assert!(living(&lab).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_to_a_job_is_told_again_and_a_job_that_died_frees_its_nodes_after_10_min() {
    let (lab, replica) = lab_with(2, 4).await;
    let second = Replica::of(&lab).await;

    let (_, lost) = replica.lock_many("scheduled_root@vm", 2, Some(JOB), Value::Null).await;
    sleep(Duration::from_secs(30)).await;
    let (status, again) = second.lock_many("scheduled_root@vm", 2, Some(JOB), Value::Null).await;
    assert_eq!((status, names(&again)), (200, names(&lost)));
    assert_eq!(living(&lab).len(), 1);

    sleep(Duration::from_mins(9)).await;
    assert_eq!(living(&lab).len(), 1);
    sleep(Duration::from_mins(2)).await;
    assert!(living(&lab).is_empty(), "nobody ever asked for one of the nodes");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_asked_for_one_of_its_nodes_keeps_all_and_the_same_request_is_a_new_lock() {
    let (lab, replica) = lab_with(2, 4).await;
    let (_, rows) = replica.lock_many("scheduled_root@vm", 1, Some(JOB), Value::Null).await;
    replica.get(&format!("/nodes/{}/", names(&rows)[0])).await;

    let (status, others) = replica.lock_many("scheduled_root@vm", 1, Some(JOB), Value::Null).await;
    assert_eq!(status, 200);
    assert_ne!(names(&rows), names(&others));
    sleep(Duration::from_mins(30)).await;
    assert_eq!(living(&lab).len(), 1, "the other was never asked for");
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_to_an_unlock_is_200_again_and_a_stranger_is_refused() {
    let (lab, replica) = lab_with(1, 2).await;
    let (_, rows) = replica.lock_many("alice@desk", 1, Some("trying"), Value::Null).await;
    let name = names(&rows).remove(0);

    let (status, said) = replica.lock(&name, false, "bob@desk", None).await;
    assert_eq!((status, said), (403, json!({"message": "Cannot unlock - locked_by values must match"})));
    let (status, said) = replica.lock(&name, false, "alice@desk", Some("other")).await;
    assert_eq!((status, said), (403, json!({"message": "Cannot unlock - description values must match"})));
    for pause in [0, 1, 60, 600] {
        sleep(Duration::from_secs(pause)).await;
        let (status, said) = replica.lock(&name, false, "alice@desk", Some("trying")).await;
        assert_eq!(status, 200, "after {pause} s: {said}");
    }
    let (status, said) = replica.lock(&name, false, "bob@desk", None).await;
    assert_eq!((status, said), (403, json!({"message": "Cannot unlock an already-unlocked node"})));
    lab.until("it is free again", 90, |lab| idle(lab) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_shows_capacity_so_that_the_reserve_lets_jobs_through() {
    let (lab, replica) = lab_with(1, 8).await;

    let rows = replica.get("/nodes/?machine_type=lab&up=1&locked=0&count=7").await;
    assert_eq!(rows.as_array().unwrap().len(), 7);
    assert_eq!(rows[0]["name"], format!("ovh001.{}", zone(&lab)), "the warm one first");
    assert_eq!(rows[1]["description"], "no machine yet; one is made when it is locked");
    assert_eq!(rows[1]["arch"], "x86_64");
    assert!(rows[0]["description"].is_null() && rows[1]["os_type"].is_null());
    let (_, locked) = replica.lock_many("alice@desk", 1, None, Value::Null).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(replica.get("/nodes/?locked=0").await.as_array().unwrap().len(), 7);
    assert_eq!(names(&replica.get("/nodes/?locked=1&locked_by=alice@desk").await), names(&locked));
    assert_eq!(replica.get("/nodes/?count=0").await, json!([]));
    assert_eq!(replica.get("/nodes/?machine_type=mira").await, json!([]));
    assert_eq!(replica.get("/nodes/machine_types/").await, json!(["lab"]));
}

#[tokio::test(start_paused = true)]
async fn a_system_that_nobody_has_is_said_and_what_there_is() {
    let (_lab, replica) = lab_with(0, 2).await;
    let os = json!({"os_type": "debian", "os_version": "11"});

    let (status, said) = replica.lock_many("alice@desk", 1, None, os).await;
    assert_eq!(
        (status, said),
        (503, json!({"message": "only 0 nodes available: lab has no debian 11; it has ubuntu 22.04"}))
    );
    let (status, said) = replica.lock_many("alice@desk", 3, None, Value::Null).await;
    assert_eq!(status, 503);
    assert!(said["message"].as_str().unwrap().contains("at most 2 machines"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn two_replicas_that_are_asked_the_same_at_once_give_one_lock() {
    let (lab, replica) = lab_with(2, 4).await;
    let second = Replica::of(&lab).await;

    let ask = |replica| Replica::lock_many(replica, "scheduled_root@vm", 1, Some(JOB), Value::Null);
    let ((one, rows), (other, others)) = tokio::join!(ask(&replica), ask(&second));

    assert_eq!((one, other), (200, 200), "{rows} {others}");
    assert_eq!(names(&rows), names(&others));
    assert_eq!(lab.cluster.list("testnodeclaims", "default").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_pool_is_paused_goes_to_another() {
    let (lab, replica) = lab_with(0, 2).await;
    lab.cloud.change(|settings| settings.guest_boot = Duration::from_mins(3));
    assert_eq!(replica.lock_many("alice@desk", 1, None, Value::Null).await.0, 503);
    lab.edit("testnodepools", "default", "ovh", |spec| spec["paused"] = true.into());
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodePool", "metadata": {"name": "next", "namespace": "default"},
        "spec": {"minReady": 0, "max": 2, "template": {"machineType": "lab"}},
    }));
    sleep(Duration::from_secs(10)).await;

    let rows = until_locked(&replica, "alice@desk", 1, None).await;

    assert!(names(&rows)[0].starts_with("next00"), "{rows}");
    sleep(Duration::from_secs(95)).await;
    assert_eq!(living(&lab).len(), 1, "what waited for the paused pool has ended");
}

#[tokio::test(start_paused = true)]
async fn a_person_whose_words_look_like_a_path_keeps_a_node_that_was_locked_by_name() {
    let (lab, replica) = lab_with(1, 1).await;

    assert_eq!(replica.lock("ovh001", true, "alice@desk", Some(JOB)).await.0, 200);
    let claim = &living(&lab)[0];
    assert_eq!((&claim["spec"]["duration"], &claim["spec"]["lease"]), (&json!("336h"), &Value::Null));
    sleep(Duration::from_mins(15)).await;
    assert_eq!(living(&lab).len(), 1);
}
