//! Launches that fail: in the cloud, in time, in the guest, and for want of room.

use std::time::Duration;

use devcloud::{DevCloud, Effect, Fault, ServerFate, Service, Settings, VolumeFate};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Lab, machine_type, quick, two_volumes};

fn fails(fault: &str) -> ServerFate {
    ServerFate { fault: Some(fault.into()), ..ServerFate::default() }
}

fn attempts(lab: &Lab, name: &str) -> Vec<String> {
    let node = lab.the(name);
    let all = node["status"]["attempts"].as_array().cloned().unwrap_or_default();
    let word = |attempt: &Value, field: &str| attempt[field].as_str().unwrap_or("-").to_owned();
    all.iter().map(|a| format!("{} {} {}", word(a, "cloud"), word(a, "outcome"), word(a, "reason"))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_in_error_is_ended_and_the_next_attempt_succeeds() {
    let lab = Lab::new(quick()).await;
    lab.cloud.next_server(fails("Build of instance aborted."));

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;

    assert_eq!(attempts(&lab, "smithi001"), ["lab Failed ServerError", "lab Ready -"]);
    assert_eq!((lab.cloud.servers().len(), lab.cloud.volumes().len(), lab.cloud.ports().len()), (1, 2, 1));
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_server_in_error_is_acted_on_within_5_seconds() {
    let lab = Lab::new(quick()).await;
    lab.cloud.next_server(fails("Build of instance aborted."));
    lab.node("smithi001", json!({}));
    let failed = |lab: &Lab| lab.cloud.servers().iter().any(|server| server.fault.is_some());
    lab.until("the server is in ERROR", 30, failed).await;

    let took = lab
        .until("the server is deleted", 30, |lab| lab.cloud.count(Service::Nova, "DELETE /servers/{id}") == 1)
        .await;

    println!("acted on after {took:?}");
    assert!(took <= Duration::from_secs(5), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn no_valid_host_goes_to_the_next_cloud_by_weight() {
    let mut lab = Lab::idle(quick());
    let far = DevCloud::new(Settings { seed: 1, ..quick() });
    lab.add_cloud("far", far.clone());
    let mut types = machine_type(&["lab", "far"]);
    types["clouds"][0]["weight"] = 10.into();
    types["launchRetries"] = 1.into();
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": "lab"}, "spec": types,
    }));
    lab.start();
    far.next_server(fails("No valid host was found. There are not enough hosts available."));

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 90).await;

    assert_eq!(attempts(&lab, "smithi001"), ["far Failed NoValidHost", "lab Ready -"]);
    assert!(far.is_empty());
    assert_eq!(lab.cloud.servers().len(), 1);
    lab.until("only the cloud in use is held", 200, |lab| {
        lab.the("smithi001")["metadata"]["finalizers"] == json!(["cloud.testnode.dev/lab"])
    })
    .await;
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn when_all_attempts_failed_it_is_told_and_a_new_round_comes_later() {
    let lab = Lab::new(quick()).await;
    let all = regex::Regex::new("smithi001").unwrap();
    lab.cloud.plan_servers(all, 3, fails("No valid host was found."));

    lab.node("smithi001", two_volumes());
    let message = lab.told("smithi001", "Stalled", "NoValidHost", 120).await;
    assert!(message.contains("No valid host"), "{message}");
    lab.assert_clean();
    lab.ready("smithi001", 660).await;

    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn an_edit_begins_a_new_round_at_once() {
    let lab = Lab::new(quick()).await;
    let all = regex::Regex::new("smithi001").unwrap();
    lab.cloud.plan_servers(all, 3, fails("No valid host was found."));
    lab.node("smithi001", json!({}));
    lab.told("smithi001", "Stalled", "NoValidHost", 120).await;

    lab.edit("testnodes", "default", "smithi001", |spec| spec["flavor"] = "b2-15".into());

    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_what_says_nothing_of_the_machine_begins_no_new_round() {
    let lab = Lab::new(quick()).await;
    let all = regex::Regex::new("smithi001").unwrap();
    lab.cloud.plan_servers(all, 3, fails("No valid host was found."));
    lab.node("smithi001", json!({}));
    lab.told("smithi001", "Stalled", "NoValidHost", 120).await;

    for (field, value) in [
        ("owner", json!("alice")),
        ("description", json!("a bisection")),
        ("expireAfter", json!("72h")),
        ("consoleRequest", json!("look")),
        ("paused", json!(true)),
        ("paused", json!(false)),
    ] {
        lab.edit("testnodes", "default", "smithi001", |spec| spec[field] = value.clone());
        sleep(Duration::from_secs(30)).await;
        assert_eq!(attempts(&lab, "smithi001").len(), 3, "{field}");
    }
    lab.edit("testnodes", "default", "smithi001", |spec| spec["flavor"] = "b2-15".into());

    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_stuck_in_build_is_a_launch_timeout() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["timeouts"] = json!({"launch": "2m"}));
    lab.cloud.next_server(ServerFate { sticks: true, ..ServerFate::default() });
    let began = Instant::now();

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 300).await;

    assert!(began.elapsed() >= Duration::from_mins(2));
    assert_eq!(attempts(&lab, "smithi001"), ["lab Failed LaunchTimeout", "lab Ready -"]);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_never_boots_is_a_boot_timeout_with_its_last_words() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| {
        spec["timeouts"] = json!({"boot": "3m"});
        spec["launchRetries"] = 1.into();
    });
    lab.cloud.next_server(ServerFate { never_boots: true, ..ServerFate::default() });

    lab.node("smithi001", json!({}));
    lab.told("smithi001", "Stalled", "BootTimeout", 300).await;

    let attempts = lab.the("smithi001")["status"]["attempts"].clone();
    let tail = attempts[0]["consoleTail"].as_str().unwrap_or_default().to_owned();
    assert!(tail.contains("Linux") || tail.contains("systemd"), "{tail}");
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_failed_machine_is_held_where_the_node_says_so() {
    let lab = Lab::new(quick()).await;
    lab.cloud.next_server(fails("Build of instance aborted."));

    lab.node("smithi001", json!({"onFailure": "Hold", "volumes": [{"name": "osd", "sizeGiB": 1}]}));
    let message = lab.told("smithi001", "Stalled", "HeldAfterFailure", 60).await;
    assert!(message.contains("Build of instance aborted"), "{message}");
    sleep(Duration::from_mins(30)).await;
    assert_eq!((lab.cloud.servers().len(), lab.cloud.volumes().len()), (1, 1));

    lab.edit("testnodes", "default", "smithi001", |spec| spec["onFailure"] = "Retry".into());
    lab.ready("smithi001", 60).await;
    assert_eq!(lab.cloud.servers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_held_machine_goes_with_its_node() {
    let lab = Lab::new(quick()).await;
    lab.cloud.next_server(fails("Build of instance aborted."));
    lab.node("smithi001", json!({"onFailure": "Hold", "volumes": [{"name": "osd", "sizeGiB": 1}]}));
    lab.told("smithi001", "Stalled", "HeldAfterFailure", 60).await;

    lab.delete("smithi001");

    lab.gone("smithi001", 60).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_volume_in_error_ends_the_attempt() {
    let lab = Lab::new(quick()).await;
    lab.cloud.next_volume(VolumeFate { fails: true, ..VolumeFate::default() });

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;

    assert_eq!(attempts(&lab, "smithi001"), ["lab Failed VolumeError", "lab Ready -"]);
    assert_eq!(lab.cloud.volumes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_volume_left_reserved_by_a_failed_create_is_freed_and_goes() {
    let lab = Lab::new(quick()).await;
    // The volumes are reserved, then the API dies: no server will ever come of it.
    let lost = Effect::InFlight { by: Duration::from_secs(3) };
    lab.cloud.fault(Fault::new(lost).on(Service::Nova, "^POST /servers$").times(1)).unwrap();
    let reserved = |lab: &Lab| lab.cloud.volumes().iter().any(|volume| volume.status == "reserved");

    lab.node("smithi001", two_volumes());
    lab.until("volumes are reserved", 30, reserved).await;
    lab.ready("smithi001", 300).await;

    assert_eq!(lab.cloud.servers().len(), 1);
    lab.delete("smithi001");
    lab.gone("smithi001", 120).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn without_quota_a_node_waits_holding_nothing_and_comes_when_there_is_room() {
    type Set = fn(&mut Settings, bool);
    let quotas: [(&str, Set); 4] = [
        ("instances", |s, room| s.quotas.instances = if room { 9 } else { 0 }),
        ("cores", |s, room| s.quotas.cores = if room { 99 } else { 0 }),
        ("gigabytes", |s, room| s.quotas.gigabytes = if room { 99 } else { 1 }),
        ("port", |s, room| s.quotas.port = if room { 9 } else { 0 }),
    ];
    for (name, set) in quotas {
        let lab = Lab::new(quick()).await;
        lab.cloud.change(|settings| set(settings, false));

        lab.node("smithi001", two_volumes());
        let message = lab.told("smithi001", "Ready", "QuotaExceeded", 60).await;
        println!("{name}: {message}");
        sleep(Duration::from_mins(2)).await;
        assert!(lab.cloud.is_empty(), "{name}\n{}", lab.story());
        lab.forget_calls();
        sleep(Duration::from_mins(10)).await;
        let calls = lab.cloud_calls();
        println!("{name}: {calls} calls in ten minutes of waiting: {:?}", lab.tally());
        assert!(calls <= 24 * 10, "{name}: {calls}");
        lab.cloud.change(|settings| set(settings, true));
        let took = lab.ready("smithi001", 120).await;

        println!("{name}: Ready {took:?} after there was room");
    }
}
