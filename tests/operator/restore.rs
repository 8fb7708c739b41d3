//! A restore gives each object a new UID, and its machine bears the old one. Nothing is made beside it and nothing of it is
//! deleted, unless somebody says what is to become of it.

use std::net::IpAddr;
use std::time::Duration;

use devcloud::{Effect, Fault, Service, When};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Closing, Lab, Reached, Stranger, quick, two_volumes};
use crate::sweep::policy;

const NAME: &str = "smithi001.front.example.test";

/// A lab with a Ready node that was restored while the operator was away.
async fn restored() -> (Lab, Value) {
    let mut lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;
    lab.kill();
    let backup = lab.restore("smithi001");
    lab.forget_calls();
    lab.start();
    (lab, backup)
}

/// The ids of all that is in the cloud.
fn things(lab: &Lab) -> Vec<String> {
    let servers = lab.cloud.servers().into_iter().map(|server| server.id);
    let volumes = lab.cloud.volumes().into_iter().map(|volume| volume.id);
    let ports = lab.cloud.ports().into_iter().map(|port| port.id);
    let mut all: Vec<String> = servers.chain(volumes).chain(ports).collect();
    all.sort();
    all
}

/// How many things were asked for, and how many were to go.
fn made_and_deleted(lab: &Lab) -> (usize, usize) {
    let calls = lab.cloud.calls();
    let made = calls.iter().filter(|call| {
        call.method == "POST" && ["/servers", "/volumes", "/ports"].iter().any(|end| call.path.ends_with(end))
    });
    let gone = calls.iter().filter(|call| call.method == "DELETE" && !call.path.contains("/tags/"));
    (made.count(), gone.count())
}

/// Every mark in the cloud says this UID, and no other.
fn assert_marked(lab: &Lab, uid: &str) {
    for server in lab.cloud.servers() {
        assert_eq!(server.metadata["testnode-uid"], uid);
        let tags: Vec<&String> = server.tags.iter().filter(|tag| tag.starts_with("testnode-uid")).collect();
        assert_eq!(tags, [&format!("testnode-uid={uid}")]);
    }
    for volume in lab.cloud.volumes() {
        assert_eq!(volume.metadata["testnode-uid"], uid);
    }
    for port in lab.cloud.ports() {
        assert!(port.name.starts_with(&format!("testnode-{uid}-")), "{}", port.name);
    }
}

fn uid(lab: &Lab, name: &str) -> String {
    lab.the(name)["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_restored_node_names_its_former_machine_and_nothing_is_made_or_deleted() {
    let (lab, _) = restored().await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));
    let before = things(&lab);

    let told = lab.told("smithi001", "Ready", "FormerMachineFound", 60).await;
    let server = &lab.cloud.servers()[0].id;
    assert!(told.contains(server) && told.contains("=adopt") && told.contains("=leave"), "{told}");
    sleep(Duration::from_hours(1)).await;

    assert_eq!(things(&lab), before, "{}", lab.story());
    assert_eq!(made_and_deleted(&lab), (0, 0), "{}", lab.story());
    let orphans = crate::sweep::status(&lab)["orphans"]["items"].to_string();
    assert!(orphans.contains(server) && orphans.contains("may adopt it"), "{orphans}");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_whose_login_is_under_way_is_waited_for_before_anything_is_made_in_another() {
    let (mut lab, far) = Lab::two_clouds(|_| ()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;
    assert_eq!(far.servers().len(), 1, "it is in the preferred cloud");
    lab.kill();
    // It is lost, and made anew from Git: without its finalizers.
    lab.force_away("smithi001", &[]);
    lab.node("smithi001", two_volumes());
    let slow = Fault::new(Effect::Slow { by: Duration::from_secs(4), when: When::Before });
    far.fault(slow.on(Service::Keystone, "")).unwrap();
    lab.start();

    lab.told("smithi001", "Ready", "FormerMachineFound", 60).await;
    assert_eq!(lab.cloud.servers().len() + lab.cloud.ports().len(), 0, "{}", lab.story());
}

#[tokio::test(start_paused = true)]
async fn adopting_takes_the_machine_over_with_its_volumes_port_and_name() {
    let (lab, backup) = restored().await;
    let (before, record) = (things(&lab), lab.cloud.record(NAME));
    lab.told("smithi001", "Ready", "FormerMachineFound", 60).await;

    lab.wish("smithi001", "adopt");
    lab.ready("smithi001", 60).await;
    sleep(Duration::from_hours(1)).await;

    assert!(lab.is_ready("smithi001"));
    assert_eq!(things(&lab), before, "{}", lab.story());
    assert_eq!(made_and_deleted(&lab), (0, 0), "{}", lab.story());
    assert_marked(&lab, &uid(&lab, "smithi001"));
    assert_eq!(lab.cloud.record(NAME), record);
    let status = &lab.the("smithi001")["status"];
    for field in ["/server/id", "/accessIP", "/fqdn", "/volumes/0/id", "/ports/0/id"] {
        assert_eq!(status.pointer(field), backup["status"].pointer(field), "{field}");
    }
    lab.delete("smithi001");
    lab.gone("smithi001", 300).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_name_that_an_earlier_object_marked_is_the_adopted_nodes_own_and_goes_with_it() {
    let mut lab = Lab::idle(quick());
    lab.name_by_updates();
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": "lab"},
        "spec": crate::harness::machine_type(&["lab"]),
    }));
    lab.start();
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;
    lab.kill();
    lab.restore("smithi001");
    lab.start();
    lab.told("smithi001", "Ready", "FormerMachineFound", 60).await;

    lab.wish("smithi001", "adopt");
    lab.ready("smithi001", 60).await;
    // Somebody removes its address: the text of the earlier object is all that is left.
    lab.cloud.set_record(NAME, []);
    lab.until("it is published again", 3600, |lab| !lab.cloud.record(NAME).is_empty()).await;

    lab.delete("smithi001");
    lab.gone("smithi001", 300).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_restored_while_the_operator_works_does_not_wait_for_its_own_name() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;
    lab.restore("smithi001");
    lab.told("smithi001", "Ready", "FormerMachineFound", 60).await;

    lab.wish("smithi001", "adopt");

    lab.ready("smithi001", 15).await;
    lab.delete("smithi001");
    lab.gone("smithi001", 300).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn what_is_left_to_the_orphan_rule_goes_and_then_the_node_begins() {
    let (lab, _) = restored().await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));
    let before = lab.cloud.servers()[0].id.clone();
    lab.told("smithi001", "Ready", "FormerMachineFound", 60).await;

    lab.wish("smithi001", "leave");
    lab.ready("smithi001", 1200).await;

    assert_eq!(lab.cloud.servers().len(), 1, "{}", lab.story());
    assert_ne!(lab.cloud.servers()[0].id, before);
    let address: IpAddr = lab.the("smithi001")["status"]["accessIP"].as_str().unwrap().parse().unwrap();
    assert!(lab.cloud.record(NAME).iter().eq([&address]), "{}", lab.story());
}

#[tokio::test(start_paused = true)]
async fn a_status_that_speaks_of_another_uid_is_not_believed_and_every_field_of_it_is_emptied() {
    let (mut lab, backup) = restored().await;
    lab.kill();
    // As Velero does that restores the status too: another manager writes all of it.
    let mut status = backup["status"].clone();
    status["consoleTail"] = "what an earlier machine said".into();
    lab.edit_status("smithi001", status).await;
    assert_eq!(lab.the("smithi001")["status"]["server"]["id"], backup["status"]["server"]["id"]);
    let before = things(&lab);
    lab.start();

    lab.told("smithi001", "Ready", "FormerMachineFound", 60).await;
    let status = lab.the("smithi001")["status"].clone();
    assert_eq!(status["uid"], lab.the("smithi001")["metadata"]["uid"]);
    for field in ["attempts", "server", "volumes", "ports", "dns", "fqdn", "ssh", "accessIP", "consoleTail"] {
        assert!(status[field].is_null(), "{field} stands: {status}");
    }
    lab.wish("smithi001", "adopt");
    lab.ready("smithi001", 60).await;

    assert_eq!(things(&lab), before, "{}", lab.story());
    assert_marked(&lab, &uid(&lab, "smithi001"));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_restored_twice_in_the_middle_of_its_adoption_is_adopted_whole() {
    let (mut lab, _) = restored().await;
    let before = things(&lab);
    lab.told("smithi001", "Ready", "FormerMachineFound", 60).await;
    // It is killed after some of the marks were written.
    let at = lab.operator().gate.passed() + 6;
    lab.operator().gate.close_at(Closing { at, reached: Reached::World });
    lab.wish("smithi001", "adopt");
    sleep(Duration::from_secs(30)).await;
    lab.kill();
    lab.restore("smithi001");
    lab.start();

    lab.ready("smithi001", 120).await;

    assert_eq!(things(&lab), before, "{}", lab.story());
    assert_marked(&lab, &uid(&lab, "smithi001"));
}

/// Adopts, and says how many requests the operator made for that; it is killed at `closing`.
async fn adopt(closing: Option<Closing>) -> usize {
    let (mut lab, _) = restored().await;
    let before = things(&lab);
    lab.told("smithi001", "Ready", "FormerMachineFound", 60).await;
    let passed = lab.operator().gate.passed();
    if let Some(closing) = closing {
        lab.operator().gate.close_at(Closing { at: passed + closing.at, ..closing });
    }
    lab.wish("smithi001", "adopt");
    let what = format!("Ready, killed at {closing:?}");
    lab.in_the_end(&what, 400, |lab| lab.is_ready("smithi001")).await;
    sleep(Duration::from_mins(2)).await;

    assert_eq!(things(&lab), before, "{closing:?}\n{}", lab.story());
    assert_marked(&lab, &uid(&lab, "smithi001"));
    lab.operator().gate.passed() - passed
}

async fn at_every_request(ways: &[Reached]) {
    let requests = adopt(None).await;
    for at in 0..requests.min(40) {
        for reached in ways.iter().copied() {
            adopt(Some(Closing { at, reached })).await;
        }
    }
    println!("killed at each of {requests} requests, {ways:?}");
    assert!(requests > 8, "{requests}");
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_request_of_an_adoption_it_ends_with_the_same_machine() {
    at_every_request(&[Reached::World]).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_before_any_request_of_an_adoption_or_with_late_effects_it_ends_with_the_same_machine() {
    at_every_request(&[Reached::Nothing, Reached::WorldLater(Duration::from_secs(30))]).await;
}

#[tokio::test(start_paused = true)]
async fn thirty_nodes_restored_at_once_keep_their_machines_and_a_word_on_the_cloud_adopts_them_all() {
    let mut lab = Lab::new(quick()).await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s", "maxPerSweep": 100}));
    let names: Vec<String> = (1..=30).map(|number| format!("smithi{number:03}")).collect();
    for name in &names {
        lab.node(name, two_volumes());
    }
    lab.until("all are Ready", 600, |lab| names.iter().all(|name| lab.is_ready(name))).await;
    let (before, records) = (things(&lab), lab.cloud.records());
    lab.kill();
    for name in &names {
        lab.restore(name);
    }
    lab.forget_calls();
    for _ in 0..3 {
        lab.start();
        sleep(Duration::from_secs(7)).await;
    }

    let waits = |lab: &Lab, name: &String| lab.says(name, "Ready").1 == "FormerMachineFound";
    lab.until("all wait", 300, |lab| names.iter().all(|name| waits(lab, name))).await;
    sleep(Duration::from_mins(5)).await;
    assert_eq!(things(&lab), before, "{}", lab.story());
    let mut cloud = lab.cluster.get("clouds", "", "lab").unwrap();
    cloud["metadata"]["annotations"]["testnode.dev/former-machine"] = "adopt".into();
    lab.apply(cloud);
    sleep(Duration::from_secs(3)).await;
    lab.start();

    lab.until("all are Ready", 600, |lab| names.iter().all(|name| lab.is_ready(name))).await;
    sleep(Duration::from_mins(10)).await;
    assert_eq!(things(&lab), before, "{}", lab.story());
    assert_eq!(made_and_deleted(&lab), (0, 0), "{}", lab.story());
    assert_eq!(lab.cloud.records(), records);
}

#[tokio::test(start_paused = true)]
async fn a_machine_of_a_node_that_lives_is_not_adopted_whatever_its_mark_says() {
    let mut lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;
    lab.kill();
    let server = lab.cloud.servers()[0].id.clone();
    // Somebody with the project's credentials edits the mark for people.
    Stranger::new(&lab).mark(&server, "testnode-node", "default/smithi002").await;
    lab.start();

    lab.node("smithi002", json!({}));
    lab.wish("smithi002", "adopt");
    lab.ready("smithi002", 60).await;

    assert_eq!(lab.the("smithi001")["status"]["server"]["id"], server.as_str());
    assert_ne!(lab.the("smithi002")["status"]["server"]["id"], server.as_str());
    assert!(lab.is_ready("smithi001"));
}
