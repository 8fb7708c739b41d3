//! Nodes that somebody keeps, nodes that are warned of their end, and clouds that are drained.

use std::time::Duration;

use devcloud::{Quotas, ServerFate, Settings};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::capacity::tries;
use crate::harness::{Lab, quick, two_volumes};

/// The lab's clock begins at this instant; so a time is so many minutes later.
fn at(minutes: i64) -> String {
    let start: jiff::Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
    start.checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap().to_string()
}

fn held(minutes: i64) -> Value {
    json!({"until": at(minutes), "reason": "a look at osd.3"})
}

fn warnings(lab: &Lab) -> Vec<String> {
    let mut events = lab.cluster.list("events", "default");
    events.retain(|event| event["reason"] == "Expiring");
    assert!(events.iter().all(|event| event["type"] == "Warning"));
    events.iter().map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

fn no_host() -> ServerFate {
    ServerFate { fault: Some("No valid host was found. ".into()), ..ServerFate::default() }
}

#[tokio::test(start_paused = true)]
async fn a_hold_beats_expiry_and_the_condition_says_until_when_and_why() {
    let lab = Lab::new(quick()).await;
    let mut spec = two_volumes();
    spec["expireAfter"] = "20m".into();
    lab.node("smithi001", spec);
    lab.ready("smithi001", 60).await;

    lab.edit("testnodes", "default", "smithi001", |spec| spec["hold"] = held(60));
    sleep(Duration::from_mins(50)).await;

    assert!(lab.is_ready("smithi001"));
    let message = lab.says("smithi001", "Ready").2;
    assert!(message.contains("held until 2026-03-02T09:00:00Z (a look at osd.3)"), "{message}");
    assert_eq!(lab.the("smithi001")["status"]["times"]["expiresAt"], at(60));
    lab.gone("smithi001", 900).await;
    lab.assert_clean();
    assert!(lab.cluster.now() >= at(60).parse().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_hold_lasts_no_longer_than_the_machine_type_lets_it() {
    for (limits, field) in [
        (json!({"maxHold": "30m", "maxExpireAfter": "10m"}), "limits.maxHold"),
        (json!({"maxExpireAfter": "30m"}), "limits.maxExpireAfter"),
    ] {
        let lab = Lab::new(quick()).await;
        lab.edit("machinetypes", "", "lab", |spec| spec["limits"] = limits);
        lab.node("smithi001", json!({"expireAfter": "5m", "hold": held(600)}));
        lab.ready("smithi001", 60).await;
        let message = lab.says("smithi001", "Ready").2;
        assert!(message.contains(&format!("is cut to {} by {field}", at(30))), "{message}");

        sleep(Duration::from_mins(28)).await;
        assert!(lab.is_ready("smithi001"));

        lab.gone("smithi001", 150).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_node_can_be_deleted() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({"hold": held(600)}));
    lab.ready("smithi001", 60).await;

    lab.delete("smithi001");

    lab.gone("smithi001", 60).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_failed_launch_is_kept_while_the_node_is_held_and_tried_again_when_the_hold_ends() {
    let lab = Lab::new(quick()).await;
    lab.cloud.next_server(no_host());
    let mut spec = two_volumes();
    spec["hold"] = held(20);
    lab.node("smithi001", spec);

    let message = lab.told("smithi001", "Stalled", "HeldAfterFailure", 60).await;
    assert!(message.contains(&format!("until {} (spec.hold: a look at osd.3)", at(20))), "{message}");
    sleep(Duration::from_mins(15)).await;
    assert_eq!((lab.cloud.servers().len(), lab.cloud.volumes().len()), (1, 2), "all of it is kept");

    lab.ready("smithi001", 400).await;
    assert_eq!(tries(&lab, "smithi001"), ["lab - Failed", "lab - Ready"]);
}

#[tokio::test(start_paused = true)]
async fn the_machine_types_on_failure_counts_where_the_node_says_nothing() {
    for (own, kept) in [(json!({}), true), (json!({"onFailure": "Retry"}), false)] {
        let lab = Lab::new(quick()).await;
        lab.edit("machinetypes", "", "lab", |spec| spec["onFailure"] = "Hold".into());
        lab.cloud.next_server(no_host());
        lab.node("smithi001", own);
        if kept {
            lab.told("smithi001", "Stalled", "HeldAfterFailure", 60).await;
            // What an attempt began with stays: an edit of the machine type is for the next one.
            lab.edit("machinetypes", "", "lab", |spec| spec["onFailure"] = "Retry".into());
            sleep(Duration::from_mins(5)).await;
            assert_eq!(lab.cloud.servers().len(), 1);
            lab.edit("testnodes", "default", "smithi001", |spec| spec["onFailure"] = "Retry".into());
        }
        lab.ready("smithi001", 120).await;
    }
}

#[tokio::test(start_paused = true)]
async fn people_are_warned_once_an_hour_before_or_at_half_the_time() {
    for (life, quiet) in [("8h", 7 * 60), ("30m", 15)] {
        let lab = Lab::new(quick()).await;
        lab.node("smithi001", json!({"expireAfter": life}));
        lab.ready("smithi001", 60).await;

        sleep(Duration::from_mins(quiet - 2)).await;
        assert_eq!(warnings(&lab).len(), 0, "{life}");
        sleep(Duration::from_mins(4)).await;

        let told = warnings(&lab);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&format!("expired {life} after its creation")), "{told:?}");
        assert!(told[0].contains("spec.expireAfter, or a spec.hold"), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_puts_the_end_off_is_warned_of_the_new_one() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({"expireAfter": "30m"}));
    lab.ready("smithi001", 60).await;
    sleep(Duration::from_mins(20)).await;
    assert_eq!(warnings(&lab).len(), 1);

    lab.edit("testnodes", "default", "smithi001", |spec| spec["hold"] = held(180));
    sleep(Duration::from_mins(90)).await;
    assert_eq!(warnings(&lab).len(), 1);
    sleep(Duration::from_mins(15)).await;

    assert_eq!(warnings(&lab).len(), 2, "{:?}", warnings(&lab));
}

fn drain(lab: &Lab, cloud: &str, drain: bool) {
    lab.edit("clouds", "", cloud, |spec| spec["drain"] = drain.into());
}

#[tokio::test(start_paused = true)]
async fn a_drained_cloud_keeps_what_it_has_and_gets_nothing_new() {
    let (lab, far) = Lab::two_clouds(|_| {}).await;
    lab.node("before", two_volumes());
    lab.ready("before", 60).await;
    assert_eq!(tries(&lab, "before"), ["far - Ready"]);

    drain(&lab, "far", true);
    let told = |lab: &Lab| lab.condition("clouds", "", "far", "Ready");
    lab.until("the Cloud says so", 30, |lab| told(lab).1 == "Draining").await;
    assert_eq!(told(&lab).0, "True");
    lab.node("after", two_volumes());
    lab.ready("after", 60).await;

    assert_eq!(tries(&lab, "after"), ["lab - Ready"]);
    assert!(lab.is_ready("before"));
    lab.delete("before");
    lab.gone("before", 60).await;
    assert!(far.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_only_cloud_is_drained_waits_and_comes_when_it_is_not_any_longer() {
    let lab = Lab::new(quick()).await;
    drain(&lab, "lab", true);
    sleep(Duration::from_secs(5)).await;

    lab.node("smithi001", json!({}));
    let message = lab.told("smithi001", "Ready", "Draining", 60).await;
    assert!(message.contains("spec.drain"), "{message}");
    sleep(Duration::from_mins(10)).await;
    assert!(lab.cloud.is_empty());

    drain(&lab, "lab", false);
    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_open_is_finished_in_a_cloud_that_is_drained_meanwhile() {
    let lab = Lab::new(Settings { volume_create: Duration::from_secs(30), ..quick() }).await;
    lab.node("smithi001", two_volumes());
    lab.until("a volume is being made", 30, |lab| !lab.cloud.volumes().is_empty()).await;

    drain(&lab, "lab", true);

    lab.ready("smithi001", 200).await;
}

#[tokio::test(start_paused = true)]
async fn with_ignore_quota_no_quota_is_read_and_what_the_cloud_refuses_does_not_count() {
    let lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"ignoreQuota": true}));
    lab.until("it is configured", 30, |lab| {
        lab.cluster.get("clouds", "", "lab").unwrap()["status"]["observedGeneration"] == 2
    })
    .await;
    lab.forget_calls();

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;
    let reads = |lab: &Lab| {
        lab.tally().into_keys().filter(|call| call.contains("limits") || call.contains("quota")).count()
    };
    assert_eq!(reads(&lab), 0, "{:?}", lab.tally());

    lab.cloud.change(|settings| settings.quotas = Quotas { cores: 0, ..settings.quotas });
    lab.node("smithi002", json!({}));
    lab.until("it was refused", 120, |lab| lab.says("smithi002", "Ready").1 == "QuotaExceeded").await;
    sleep(Duration::from_mins(10)).await;
    assert_eq!(reads(&lab), 0, "{:?}", lab.tally());
    lab.cloud.change(|settings| settings.quotas = Quotas { cores: 100, ..settings.quotas });
    lab.ready("smithi002", 200).await;
    assert!(tries(&lab, "smithi002").iter().all(|attempt| !attempt.contains("Failed")));
}
