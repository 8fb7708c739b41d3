//! A machine that was Ready is rebuilt in place: by a new `os` or `image`, or by any new value of `rebuild`.

use std::time::Duration;

use devcloud::{Effect, Fault, Server, ServerFate, Service, When};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Closing, Lab, Reached, quick, two_volumes};

const ASKED: &str = "POST /servers/{id}/action rebuild";

async fn made(spec: Value) -> (Lab, Value) {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", spec);
    lab.ready("smithi001", 60).await;
    let before = lab.the("smithi001");
    (lab, before)
}

fn edit(lab: &Lab, field: &str, value: Value) {
    lab.edit("testnodes", "default", "smithi001", |spec| spec[field] = value);
}

/// The same with what the API server says.
fn try_edit(lab: &Lab, field: &str, value: Value) -> Result<Value, devcluster::Error> {
    let mut node = lab.the("smithi001");
    node["spec"][field] = value;
    lab.cluster.put(node)
}

fn server(lab: &Lab) -> Server {
    let servers = lab.cloud.servers();
    assert_eq!(servers.len(), 1, "{}", lab.story());
    servers[0].clone()
}

/// The last rebuild, as it is remembered.
fn rebuild(lab: &Lab) -> Value {
    let node = lab.the("smithi001");
    node["status"]["attempts"].as_array().unwrap().last().unwrap()["rebuild"].clone()
}

async fn rebuilt(lab: &Lab, number: i64) {
    let what = format!("rebuild {number} is done");
    let done = |lab: &Lab| rebuild(lab)["number"] == number && lab.is_ready("smithi001");
    lab.until(&what, 120, done).await;
}

async fn failed(lab: &Lab) -> String {
    lab.told("smithi001", "Stalled", "RebuildFailed", 900).await
}

async fn gone(lab: &Lab) {
    lab.delete("smithi001");
    // A reply that was lost is settled first.
    lab.gone("smithi001", 200).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_new_value_rebuilds_the_machine_in_place_and_all_but_its_system_stays() {
    let (lab, before) = made(two_volumes()).await;
    let was = server(&lab);

    edit(&lab, "rebuild", "fresh".into());
    let message = lab.told("smithi001", "Reconciling", "Rebuilding", 30).await;
    assert!(message.contains("Ubuntu 22.04"), "{message}");
    assert_eq!(lab.says("smithi001", "Ready").0, "False");
    rebuilt(&lab, 2).await;

    let (is, after) = (server(&lab), lab.the("smithi001"));
    assert_eq!((is.id, is.rebuilds, is.image), (was.id, 1, was.image));
    assert_eq!(lab.cloud.count(Service::Nova, ASKED), 1);
    let (old, new) = (&before["status"], &after["status"]);
    for field in ["accessIP", "addresses", "ports", "fqdn", "dns", "resolved/image"] {
        let path = format!("/{field}");
        assert_eq!(old.pointer(&path), new.pointer(&path), "{field}");
    }
    let ids = |status: &Value| {
        let volumes = status["volumes"].as_array().unwrap().iter();
        volumes.map(|volume| volume["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(old), ids(new));
    assert_ne!(old["ssh"]["hostKeys"], new["ssh"]["hostKeys"], "host keys are new");
    assert_eq!(new["ssh"]["boot"]["number"], 2);
    assert_eq!(old["times"]["readyAt"], new["times"]["readyAt"], "it was first Ready then");
    assert_eq!(rebuild(&lab)["outcome"], "Ready");
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn the_whole_mark_is_sent_again_with_new_user_data_and_what_the_node_asked_for() {
    let (lab, _) = made(json!({"serverMetadata": {"os": "{{os}}"}})).await;
    let was = server(&lab);

    edit(&lab, "os", json!({"type": "debian", "version": "12"}));
    rebuilt(&lab, 2).await;

    let is = server(&lab);
    for (key, value) in &was.metadata {
        let now = if key == "os" { "debian 12" } else { value };
        assert_eq!(is.metadata.get(key).map(String::as_str), Some(now), "{key}");
    }
    assert_eq!(is.metadata["testnode-boot"], "2");
    assert_eq!(was.tags, is.tags);
    assert_ne!(was.user_data, is.user_data, "the final message has another marker");
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn another_os_or_image_is_booted_and_the_status_says_what_the_machine_has_now() {
    let (lab, _) = made(json!({})).await;

    edit(&lab, "os", json!({"type": "debian", "version": "12"}));
    rebuilt(&lab, 2).await;
    let status = lab.the("smithi001")["status"].clone();
    assert_eq!(
        (&status["os"], &status["resolved"]["image"]["name"]),
        (&json!("debian 12"), &json!("Debian 12"))
    );
    let why = status["resolved"]["why"].as_str().unwrap();
    assert!(why.ends_with("; rebuilt with image Debian 12: name contains \"debian 12\""), "{why}");

    edit(&lab, "image", json!({"name": "CentOS Stream 9"}));
    rebuilt(&lab, 3).await;
    let status = lab.the("smithi001")["status"].clone();
    assert_eq!(status["resolved"]["image"]["name"], "CentOS Stream 9");
    let why = status["resolved"]["why"].as_str().unwrap();
    assert!(why.contains("CentOS Stream 9: named by spec.image") && !why.contains("Debian 12"), "{why}");

    // The same again keeps the image by its id.
    let image = server(&lab).image;
    edit(&lab, "rebuild", "again".into());
    rebuilt(&lab, 4).await;
    assert_eq!((server(&lab).image, server(&lab).rebuilds), (image, 3));
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn while_a_machine_is_being_made_its_system_cannot_change() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({"rebuild": "first"}));
    lab.until("an attempt is open", 30, |lab| {
        lab.the("smithi001")["status"]["attempts"][0]["openedAt"].is_string()
    })
    .await;

    for (field, value) in [
        ("rebuild", json!("second")),
        ("os", json!({"type": "debian", "version": "12"})),
        ("image", json!({"name": "Debian 12"})),
    ] {
        let refused = try_edit(&lab, field, value).unwrap_err().to_string();
        assert!(refused.contains(&format!("spec.{field}")) && refused.contains("wait until"), "{refused}");
    }

    lab.ready("smithi001", 60).await;
    sleep(Duration::from_mins(2)).await;
    assert_eq!(lab.cloud.count(Service::Nova, ASKED), 0, "a value that it was made with asks for nothing");
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_is_told_and_the_machine_is_as_it_was_until_the_wish_is_taken_back() {
    let (lab, _) = made(json!({})).await;

    edit(&lab, "image", json!({"name": "Plan 9"}));
    let message = lab.told("smithi001", "Stalled", "ImageNotFound", 60).await;
    assert!(message.contains("Plan 9") && message.contains("is as it was"), "{message}");
    assert_eq!((server(&lab).rebuilds, lab.cloud.count(Service::Nova, ASKED)), (0, 0));

    edit(&lab, "image", Value::Null);
    lab.ready("smithi001", 30).await;
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_boots_from_a_volume_is_not_rebuilt() {
    let (lab, _) = made(json!({"bootVolume": {"sizeGiB": 20}})).await;

    edit(&lab, "rebuild", "fresh".into());
    let message = lab.told("smithi001", "Stalled", "RebuildRefused", 60).await;
    assert!(message.contains("boots from a volume") && message.contains("make another"), "{message}");
    assert_eq!(lab.cloud.count(Service::Nova, ASKED), 0);

    edit(&lab, "rebuild", Value::Null);
    lab.ready("smithi001", 30).await;
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn what_nova_refuses_is_told_in_its_words_and_tried_again_by_a_new_value_only() {
    let (lab, _) = made(json!({})).await;
    let image = server(&lab).image.unwrap();
    lab.cloud.change(|settings| settings.images.retain(|known| known.id != image));

    edit(&lab, "rebuild", "one".into());
    let message = failed(&lab).await;
    assert!(
        message.contains("Cannot find image for rebuild") && message.contains("spec.rebuild"),
        "{message}"
    );
    sleep(Duration::from_mins(30)).await;
    assert_eq!(lab.cloud.count(Service::Nova, ASKED), 1);
    assert_eq!(server(&lab).rebuilds, 0);

    edit(&lab, "rebuild", Value::Null);
    lab.ready("smithi001", 30).await;
    edit(&lab, "os", json!({"type": "debian", "version": "12"}));
    rebuilt(&lab, 3).await;
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_that_finds_no_host_keeps_the_machine_and_another_one_mends_it() {
    let lab = Lab::new(quick()).await;
    let fault = Some("No valid host was found. There are not enough hosts available.".into());
    lab.cloud.next_server(ServerFate { rebuild_fails: fault, ..ServerFate::default() });
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;
    let was = server(&lab);

    edit(&lab, "os", json!({"type": "debian", "version": "12"}));
    let message = failed(&lab).await;
    assert!(message.contains("NoValidHost: No valid host was found"), "{message}");
    let resolved = lab.the("smithi001")["status"]["resolved"]["image"]["name"].clone();
    assert_eq!(
        (server(&lab).image, resolved),
        (was.image, json!("Ubuntu 22.04")),
        "it still has the old one"
    );

    edit(&lab, "rebuild", "again".into());
    rebuilt(&lab, 3).await;
    assert_eq!(lab.the("smithi001")["status"]["resolved"]["image"]["name"], "Debian 12");
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn active_without_its_volumes_is_no_success() {
    let lab = Lab::new(quick()).await;
    lab.cloud.next_server(ServerFate { rebuild_keeps_volumes: true, ..ServerFate::default() });
    lab.edit("machinetypes", "", "lab", |spec| spec["timeouts"] = json!({"launch": "2m", "boot": "1m"}));
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;

    edit(&lab, "rebuild", "fresh".into());
    let message = failed(&lab).await;

    assert!(message.contains("VolumeStuck") && message.contains("reserved"), "{message}");
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_does_not_come_back_is_a_failure_and_the_status_says_what_is_on_its_disk() {
    let (lab, _) = made(json!({})).await;
    lab.cloud.change(|settings| settings.guest_boot = Duration::from_hours(2));

    edit(&lab, "os", json!({"type": "debian", "version": "12"}));
    let message = failed(&lab).await;
    assert!(message.contains("BootTimeout"), "{message}");
    assert_eq!(lab.the("smithi001")["status"]["resolved"]["image"]["name"], "Debian 12");

    lab.cloud.change(|settings| settings.guest_boot = Duration::ZERO);
    edit(&lab, "rebuild", "again".into());
    rebuilt(&lab, 3).await;
    gone(&lab).await;
}

/// A request is lost in each way, and its effect comes when it comes.
#[tokio::test(start_paused = true)]
async fn after_a_lost_reply_it_is_asked_again_only_once_the_first_can_no_longer_take_effect() {
    for (effect, times) in [
        (Effect::Drop { when: When::Before }, 2),
        (Effect::Drop { when: When::After }, 1),
        (Effect::Hang { when: When::Before }, 2),
        (Effect::Late { by: Duration::from_mins(1), status: None }, 1),
        (Effect::Late { by: Duration::from_mins(1), status: Some(504) }, 1),
    ] {
        let (lab, _) = made(two_volumes()).await;
        let told = format!("{effect:?}");
        lab.cloud.fault(Fault::new(effect).on(Service::Nova, "action$").times(1)).unwrap();

        edit(&lab, "rebuild", "fresh".into());
        lab.until(&told, 400, |lab| rebuild(lab)["outcome"] == "Ready" && lab.is_ready("smithi001")).await;

        assert_eq!((server(&lab).rebuilds, lab.cloud.count(Service::Nova, ASKED)), (1, times), "{told}");
        gone(&lab).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_passes_is_asked_again_after_a_look() {
    let (lab, _) = made(json!({})).await;
    let body = json!({"conflictingRequest": {"code": 409, "message": "Instance is locked"}});
    let locked = Effect::Answer { status: 409, headers: Vec::new(), body, when: When::Before };
    lab.cloud.fault(Fault::new(locked).on(Service::Nova, "action$").times(3)).unwrap();

    edit(&lab, "rebuild", "fresh".into());
    rebuilt(&lab, 2).await;

    assert_eq!((server(&lab).rebuilds, lab.cloud.count(Service::Nova, ASKED)), (1, 4));
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_deleted_in_the_middle_leaves_nothing() {
    for moment in [0, 100, 600, 1100, 1600, 2100, 2600, 5000] {
        let (lab, _) = made(two_volumes()).await;
        edit(&lab, "rebuild", "fresh".into());
        sleep(Duration::from_millis(moment)).await;
        lab.delete("smithi001");
        lab.gone("smithi001", 120).await;
        sleep(Duration::from_mins(3)).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_node_is_rebuilt_when_it_goes_on_and_a_held_or_drained_one_at_once() {
    let (lab, _) = made(json!({})).await;
    edit(&lab, "paused", true.into());
    edit(&lab, "rebuild", "one".into());
    sleep(Duration::from_mins(5)).await;
    assert_eq!(lab.cloud.count(Service::Nova, ASKED), 0);
    edit(&lab, "paused", false.into());
    rebuilt(&lab, 2).await;

    edit(&lab, "hold", json!({"until": "2099-01-01T00:00:00Z", "reason": "a look"}));
    lab.edit("clouds", "", "lab", |spec| spec["drain"] = true.into());
    edit(&lab, "rebuild", "two".into());
    rebuilt(&lab, 3).await;
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_stopped_is_rebuilt_once_somebody_starts_it() {
    let (lab, _) = made(json!({})).await;
    let id = server(&lab).id;
    lab.cloud.stop_server(&id);
    lab.told("smithi001", "Stalled", "ServerStopped", 120).await;

    edit(&lab, "rebuild", "fresh".into());
    sleep(Duration::from_mins(1)).await;
    let message = lab.told("smithi001", "Stalled", "ServerStopped", 30).await;
    assert!(message.contains("start it"), "{message}");
    assert_eq!(lab.cloud.count(Service::Nova, ASKED), 0);
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_lost_while_the_machine_is_rebuilt_costs_no_machine() {
    let (lab, _) = made(two_volumes()).await;
    let was = server(&lab).id;
    edit(&lab, "rebuild", "fresh".into());
    lab.until("Nova has begun", 30, |lab| lab.cloud.count(Service::Nova, ASKED) == 1).await;

    lab.wipe_status("smithi001").await;
    lab.until("it is Ready again", 200, |lab| lab.is_ready("smithi001")).await;

    assert_eq!((server(&lab).id, server(&lab).rebuilds), (was, 1));
    gone(&lab).await;
}

/// Killed at each request of a rebuild, before it, after it, and with an effect that comes late.
#[tokio::test(start_paused = true)]
async fn killed_at_any_request_of_a_rebuild_it_is_done_once() {
    let requests = live(None).await;
    for at in 0..requests {
        for reached in [Reached::Nothing, Reached::World, Reached::WorldLater(Duration::from_secs(30))] {
            live(Some(Closing { at, reached })).await;
        }
    }
    println!("killed at each of {requests} requests of a rebuild");
    assert!(requests > 5, "{requests}");
}

async fn live(closing: Option<Closing>) -> usize {
    let (mut lab, _) = made(two_volumes()).await;
    let before = lab.operator().gate.passed();
    if let Some(closing) = closing {
        lab.operator().gate.close_at(Closing { at: before + closing.at, ..closing });
    }
    edit(&lab, "rebuild", "fresh".into());
    let what = format!("rebuilt, killed at {closing:?}");
    let done = |lab: &Lab| rebuild(lab)["outcome"] == "Ready" && lab.is_ready("smithi001");
    lab.in_the_end(&what, 600, done).await;
    let passed = lab.operator().gate.passed().saturating_sub(before);
    sleep(Duration::from_mins(3)).await;
    assert_eq!(server(&lab).rebuilds, 1, "{closing:?}\n{}", lab.story());
    assert!(lab.is_ready("smithi001"), "{closing:?}\n{}", lab.story());
    lab.delete("smithi001");
    lab.in_the_end("gone", 400, |lab| lab.the("smithi001").is_null()).await;
    lab.assert_clean();
    passed
}
