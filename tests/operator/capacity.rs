//! Too little room: quotas and limits, and whose turn it is.

use std::time::Duration;

use devcloud::{Effect, Fault, Quotas, ServerFate, Service, Settings, When};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Lab, quick, two_volumes};

pub fn with(quotas: Quotas) -> Settings {
    Settings { quotas, ..quick() }
}

/// Where each attempt was made, and how it ended.
pub fn tries(lab: &Lab, name: &str) -> Vec<String> {
    let node = lab.the(name);
    let all = node["status"]["attempts"].as_array().cloned().unwrap_or_default();
    let word = |attempt: &Value, field: &str| attempt[field].as_str().unwrap_or("-").to_owned();
    all.iter().map(|a| ["cloud", "zone", "outcome"].map(|field| word(a, field)).join(" ")).collect()
}

/// How often a quota was read since calls were forgotten.
fn readings(lab: &Lab) -> usize {
    let tally = lab.tally();
    tally.iter().filter(|(what, _)| what.contains("limits") || what.contains("quotas")).map(|(_, n)| n).sum()
}

#[tokio::test(start_paused = true)]
async fn each_quota_keeps_a_node_waiting_with_figures_and_nothing_made_until_it_is_raised() {
    type Set = fn(&mut Quotas, i64);
    let quotas: [(&str, Set, &str); 5] = [
        ("instances", |q, n| q.instances = n, "1 instance needed, 0 of 0 in use"),
        ("cores", |q, n| q.cores = n, "1 core needed, 0 of 0 in use"),
        ("ram", |q, n| q.ram = n * 1000, "MiB of RAM needed, 0 of 0 in use"),
        ("volumes", |q, n| q.volumes = n, "2 volumes needed, 0 of 0 in use"),
        ("gigabytes", |q, n| q.gigabytes = n, "2 GiB of volumes needed, 0 of 0 in use"),
    ];
    for ((name, set, figures), later) in quotas.into_iter().zip([1, 3, 5, 7, 9]) {
        let lab = Lab::new(quick()).await;
        lab.cloud.change(|settings| set(&mut settings.quotas, 0));

        lab.node("smithi001", two_volumes());
        let message = lab.told("smithi001", "Ready", "QuotaExceeded", 30).await;
        assert!(message.contains("cloud lab: ") && message.contains(figures), "{name}: {message}");
        sleep(Duration::from_mins(1)).await;
        lab.forget_calls();
        sleep(Duration::from_mins(10)).await;
        let (readings, made) = (readings(&lab), lab.tally().into_keys().filter(|call| call.contains("POST")));
        println!("{name}: {readings} readings in ten minutes of waiting, {} calls in all", lab.cloud_calls());
        assert!(lab.cloud_calls() <= 60, "{name}: {:?}", lab.tally());
        assert_eq!(made.count(), 0, "{name}: {:?}", lab.tally());
        assert!(lab.the("smithi001")["metadata"]["finalizers"].is_null(), "{name}: it holds nothing");
        let cloud = lab.condition("clouds", "", "lab", "QuotaAvailable");
        assert!(cloud.0 == "False" && cloud.2.contains(figures), "{cloud:?}");

        // Just after the figures were read, or just before.
        sleep(Duration::from_secs(later)).await;
        lab.cloud.change(|settings| set(&mut settings.quotas, 100));
        let took = lab.ready("smithi001", 120).await;
        println!("{name}: Ready {took:?} after it was raised");
        assert!(took <= Duration::from_secs(20), "{name}: {took:?}");
        assert_eq!(tries(&lab, "smithi001"), ["lab - Ready"], "{name}");
    }
}

/// Ports are hardly ever short, so that their figures are not read before a first refusal.
#[tokio::test(start_paused = true)]
async fn a_refusal_for_ports_is_ended_whole_and_then_waits_with_figures() {
    let lab = Lab::new(with(Quotas { port: 0, ..Quotas::default() })).await;

    lab.node("smithi001", two_volumes());
    let message = lab.told("smithi001", "Ready", "QuotaExceeded", 30).await;
    let has_figures = |lab: &Lab| lab.says("smithi001", "Ready").2.contains("1 port needed, 0 of 0 in use");
    lab.until("it says so with figures", 30, has_figures).await;
    println!("{message}");
    lab.assert_clean();
    lab.node("smithi002", two_volumes());
    sleep(Duration::from_mins(1)).await;
    lab.forget_calls();
    sleep(Duration::from_mins(10)).await;
    let made = lab.tally().into_keys().filter(|call| call.contains("POST"));
    assert!(lab.cloud_calls() <= 60, "{:?}", lab.tally());
    assert_eq!(made.count(), 0, "{:?}", lab.tally());

    lab.cloud.change(|settings| settings.quotas.port = 9);
    let took =
        lab.until("both are Ready", 60, |lab| lab.is_ready("smithi001") && lab.is_ready("smithi002")).await;
    assert!(took <= Duration::from_secs(20), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_lets_the_oldest_of_those_that_wait_in_at_once() {
    let lab = Lab::new(with(Quotas { instances: 1, ..Quotas::default() })).await;
    lab.node("first", two_volumes());
    lab.ready("first", 30).await;
    for name in ["second", "third"] {
        lab.node(name, two_volumes());
        lab.told(name, "Ready", "QuotaExceeded", 30).await;
        sleep(Duration::from_secs(3)).await;
    }

    for (goes, comes) in [("first", "second"), ("second", "third")] {
        lab.delete(goes);
        lab.gone(goes, 60).await;
        let took = lab.ready(comes, 60).await;

        println!("{comes} Ready {took:?} after {goes} was gone");
        assert!(took <= Duration::from_secs(5), "{comes}: {took:?}");
    }
    assert_eq!(tries(&lab, "third"), ["lab - Ready"]);
}

/// As those of one manifest are.
#[tokio::test(start_paused = true)]
async fn nodes_of_one_second_queue_by_name() {
    let lab = Lab::new(with(Quotas { instances: 1, ..Quotas::default() })).await;
    lab.node("first", json!({}));
    lab.ready("first", 30).await;
    let names = ["smithi005", "smithi002", "smithi004", "smithi001", "smithi003"];
    for name in names {
        lab.node(name, json!({}));
    }
    for name in names {
        lab.told(name, "Ready", "QuotaExceeded", 30).await;
    }

    let mut goes = "first";
    for comes in ["smithi001", "smithi002", "smithi003", "smithi004", "smithi005"] {
        lab.delete(goes);
        lab.ready(comes, 60).await;
        goes = comes;
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_over_the_limit_of_a_cloud_queue_by_age_and_one_too_big_is_told() {
    let lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxNodes": 1, "maxVolumes": 2}));
    sleep(Duration::from_secs(1)).await;
    lab.node("first", two_volumes());
    lab.ready("first", 30).await;

    lab.node("second", two_volumes());
    let message = lab.told("second", "Ready", "QuotaExceeded", 30).await;
    assert!(message.contains("1 instance needed, 1 of 1 in use (the Cloud's limits.maxNodes)"), "{message}");
    lab.node("big", json!({"volumes": [{"name": "osd", "count": 3, "sizeGiB": 1}]}));
    let message = lab.told("big", "Stalled", "ExceedsLimits", 30).await;
    assert!(message.contains("3 volumes needed, 2 of 2 in use (the Cloud's limits.maxVolumes)"), "{message}");
    lab.node("third", json!({}));
    lab.told("third", "Ready", "QuotaExceeded", 30).await;
    assert_eq!(lab.cloud.servers().len(), 1);

    lab.delete("first");
    lab.ready("second", 60).await;
    assert!(!lab.is_ready("third"));
    lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxNodes": 3}));
    let took = lab.until("all are Ready", 30, |lab| lab.is_ready("third") && lab.is_ready("big")).await;
    assert!(took <= Duration::from_secs(10), "{took:?}");
}

/// Room for four small nodes, or for one big one.
async fn a_lab_for_four() -> (Lab, Value, Value) {
    let lab = Lab::new(with(Quotas { volumes: 4, ..Quotas::default() })).await;
    let node = |count: i64| json!({"volumes": [{"name": "osd", "count": count, "sizeGiB": 1}]});
    (lab, node(1), node(4))
}

#[tokio::test(start_paused = true)]
async fn small_nodes_pass_a_big_one_at_first_and_then_room_is_kept_for_it() {
    let (lab, small, big) = a_lab_for_four().await;
    for name in ["one", "two"] {
        lab.node(name, small.clone());
        lab.ready(name, 30).await;
    }
    lab.node("big", big);
    let message = lab.told("big", "Ready", "QuotaExceeded", 30).await;
    assert!(message.contains("4 volumes needed, 2 of 4 in use"), "{message}");

    lab.node("three", small.clone());
    let took = lab.ready("three", 30).await;
    assert!(took <= Duration::from_secs(5), "there is room that the big one cannot use: {took:?}");
    sleep(Duration::from_mins(6)).await;
    lab.node("four", small);
    let message = lab.told("four", "Ready", "QuotaExceeded", 30).await;
    assert!(message.contains("kept for TestNode default/big"), "{message}");
    lab.node("diskless", json!({}));
    lab.ready("diskless", 30).await;

    for name in ["one", "two", "three"] {
        lab.delete(name);
        sleep(Duration::from_mins(1)).await;
    }
    lab.ready("big", 30).await;
    assert!(!lab.is_ready("four"));
    lab.delete("big");
    lab.ready("four", 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_would_fit_only_without_others_holds_up_nobody() {
    let (lab, small, big) = a_lab_for_four().await;
    crate::harness::Stranger::new(&lab).volume("theirs").await;
    lab.node("big", big);
    lab.told("big", "Ready", "QuotaExceeded", 30).await;
    sleep(Duration::from_mins(10)).await;

    for name in ["one", "two", "three"] {
        lab.node(name, small.clone());
        lab.ready(name, 30).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_cannot_be_read_keeps_nobody_waiting() {
    for effect in
        [Effect::refuse(403), Effect::refuse(503), Effect::NotFound, Effect::Hang { when: When::Before }]
    {
        let lab = Lab::new(quick()).await;
        let what = format!("{effect:?}");
        for service in [Service::Nova, Service::Cinder] {
            lab.cloud.fault(Fault::new(effect.clone()).on(service, "^GET /limits$")).unwrap();
        }

        for name in ["smithi001", "smithi002"] {
            lab.node(name, two_volumes());
        }
        let both = |lab: &Lab| lab.is_ready("smithi001") && lab.is_ready("smithi002");
        let took = lab.until("both are Ready", 60, both).await;

        println!("{what}: Ready after {took:?}");
        assert!(took <= Duration::from_secs(15), "{what}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_busy_is_asked_for_its_quota_only_after_its_time() {
    let lab = Lab::new(quick()).await;
    let slow_down = Effect::Answer {
        status: 429,
        headers: vec![("Retry-After".into(), "20".into())],
        body: json!({"overLimit": {"code": 429, "message": "This request was rate-limited."}}),
        when: When::Before,
    };
    lab.cloud.fault(Fault::new(slow_down).on(Service::Nova, "^GET /limits$").times(1)).unwrap();
    let began = Instant::now();

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;

    let readings = lab.cloud.calls().iter().filter(|call| call.template == "GET /limits").count();
    assert!(began.elapsed() >= Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(readings, 3, "Nova twice, Cinder once: {:?}", lab.tally());
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_only_the_fault_tells_of_counts_no_attempt_and_is_tried_once_a_minute() {
    let lab = Lab::new(quick()).await;
    let fault = "Build of instance aborted: VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds \
                 allowed gigabytes quota.";
    let fate = ServerFate { fault: Some(fault.into()), ..ServerFate::default() };
    lab.cloud.plan_servers(regex::Regex::new("").unwrap(), 6, fate);

    lab.node("smithi001", two_volumes());
    lab.node("smithi002", two_volumes());
    let message = lab.told("smithi001", "Ready", "QuotaExceeded", 30).await;
    println!("{message}");
    sleep(Duration::from_mins(2)).await;
    assert!(lab.cloud.servers().len() <= 1);
    let made = || lab.cloud.count(Service::Nova, "POST /servers");
    println!("{} servers asked for in two minutes", made());
    assert!(made() <= 7, "{}", made());
    let both = |lab: &Lab| lab.is_ready("smithi001") && lab.is_ready("smithi002");
    lab.until("both are Ready", 300, both).await;

    assert_eq!(tries(&lab, "smithi001"), ["lab - Ready"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_forgets_who_waited_and_they_queue_again() {
    let mut lab = Lab::new(with(Quotas { instances: 1, ..Quotas::default() })).await;
    lab.node("first", two_volumes());
    lab.ready("first", 30).await;
    for name in ["second", "third"] {
        lab.node(name, json!({}));
        lab.told(name, "Ready", "QuotaExceeded", 30).await;
        sleep(Duration::from_secs(2)).await;
    }

    lab.start();
    sleep(Duration::from_mins(1)).await;
    assert_eq!(lab.cloud.servers().len(), 1);
    lab.delete("first");

    lab.ready("second", 60).await;
    lab.delete("second");
    lab.ready("third", 60).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_and_is_deleted_holds_up_nobody() {
    let lab = Lab::new(with(Quotas { instances: 1, ..Quotas::default() })).await;
    lab.node("first", json!({}));
    lab.ready("first", 30).await;
    for name in ["second", "third"] {
        lab.node(name, json!({}));
        lab.told(name, "Ready", "QuotaExceeded", 30).await;
        sleep(Duration::from_secs(2)).await;
    }

    lab.delete("second");
    lab.delete("first");
    let took = lab.ready("third", 60).await;

    println!("Ready {took:?} later");
    assert!(took <= Duration::from_secs(45), "{took:?}");
}
