use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::*;
use crate::reason::Reason;

const SECOND: Duration = Duration::from_secs(1);
const READY: NodeSeen = NodeSeen { phase: "Ready", reason: Reason::Ready, waits: None, late: false };
const FULL: NodeSeen =
    NodeSeen { phase: "Pending", reason: Reason::QuotaExceeded, waits: Some(SECOND), late: false };

fn any() -> Condition {
    Condition {
        type_: String::new(),
        status: String::new(),
        reason: String::new(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
    }
}

fn has(metrics: &Metrics, line: &str) {
    let text = metrics.encode().unwrap();
    assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
}

#[test]
fn what_is_known_beforehand_is_shown_at_zero() {
    let metrics = Metrics::new();

    for phase in ["pending", "launch", "boot", "ready", "delete"] {
        has(&metrics, &format!("testnode_phase_duration_seconds_count{{phase=\"{phase}\"}} 0"));
    }
    for outcome in ["changed", "waited", "rested", "failed", "abandoned"] {
        has(&metrics, &format!("testnode_turns_total{{outcome=\"{outcome}\"}} 0"));
    }
    has(&metrics, "testnode_leader 0");
    has(&metrics, concat!("testnode_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"));
}

#[test]
fn the_process_is_described_under_its_usual_names() {
    let text = Metrics::new().encode().unwrap();

    for name in ["process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(value >= 0.0, "{line}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_cloud_request_is_counted_by_its_answer_and_timed_by_its_service() {
    let metrics = Metrics::new();

    metrics.cloud_request("ovh", "compute", "create_server", Some(202), 2 * SECOND);
    metrics.cloud_request("ovh", "compute", "create_server", None, 30 * SECOND);

    let server = "cloud=\"ovh\",service=\"compute\",call=\"create_server\"";
    has(&metrics, &format!("testnode_cloud_requests_total{{{server},status=\"202\"}} 1"));
    has(&metrics, &format!("testnode_cloud_requests_total{{{server},status=\"none\"}} 1"));
    has(&metrics, "testnode_cloud_request_duration_seconds_sum{cloud=\"ovh\",service=\"compute\"} 32.0");
}

#[test]
fn a_dns_request_is_counted_by_its_answer() {
    let metrics = Metrics::new();

    metrics.dns_request("ovh", "rfc2136", "replace", Some("Refused"), SECOND);

    let labels = "cloud=\"ovh\",driver=\"rfc2136\",call=\"replace\",status=\"Refused\"";
    has(&metrics, &format!("testnode_dns_requests_total{{{labels}}} 1"));
    has(&metrics, "testnode_dns_request_duration_seconds_count{cloud=\"ovh\",driver=\"rfc2136\"} 1");
}

#[test]
fn phases_attempts_and_changes_are_recorded() {
    let metrics = Metrics::new();

    metrics.phase_ended(Phase::Boot, 42 * SECOND);
    metrics.attempt_ended(Reason::NoValidHost);
    metrics.changed(Reason::CreateServer);
    metrics.changed(Reason::CreateServer);

    has(&metrics, "testnode_phase_duration_seconds_bucket{le=\"45.0\",phase=\"boot\"} 1");
    has(&metrics, "testnode_phase_duration_seconds_bucket{le=\"30.0\",phase=\"boot\"} 0");
    has(&metrics, "testnode_attempts_total{outcome=\"NoValidHost\"} 1");
    has(&metrics, "testnode_changes_total{change=\"CreateServer\"} 2");
}

#[tokio::test(start_paused = true)]
async fn a_turn_counts_as_running_until_it_ends() {
    let metrics = Metrics::new();

    let turn = metrics.turn_begins();
    let abandoned = metrics.turn_begins();
    has(&metrics, "testnode_turns_running 2");
    tokio::time::sleep(3 * SECOND).await;
    turn.ends(Turn::Changed);
    drop(abandoned);

    has(&metrics, "testnode_turns_running 0");
    has(&metrics, "testnode_turns_total{outcome=\"changed\"} 1");
    has(&metrics, "testnode_turns_total{outcome=\"abandoned\"} 1");
    has(&metrics, "testnode_turn_duration_seconds_sum 6.0");
}

#[tokio::test(start_paused = true)]
async fn a_listing_ages_until_it_is_complete_again() {
    let metrics = Metrics::new();
    let age = |seconds| format!("testnode_poll_age_seconds{{cloud=\"ovh\",kind=\"servers\"}} {seconds}.0");

    metrics.polled("ovh", "servers", Poll::Complete);
    tokio::time::sleep(5 * SECOND).await;
    metrics.polled("ovh", "servers", Poll::Failed);
    has(&metrics, &age(5));
    metrics.polled("ovh", "servers", Poll::Complete);
    has(&metrics, &age(0));
    has(&metrics, "testnode_polls_total{cloud=\"ovh\",kind=\"servers\",result=\"complete\"} 2");
    has(&metrics, "testnode_polls_total{cloud=\"ovh\",kind=\"servers\",result=\"failed\"} 1");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_never_was_complete_ages_too() {
    let metrics = Metrics::new();

    metrics.polled("new", "volumes", Poll::Failed);
    tokio::time::sleep(60 * SECOND).await;
    metrics.polled("new", "volumes", Poll::Failed);

    has(&metrics, "testnode_poll_age_seconds{cloud=\"new\",kind=\"volumes\"} 60.0");
}

#[test]
fn a_cloud_that_is_gone_has_no_age() {
    let metrics = Metrics::new();
    metrics.polled("gone", "servers", Poll::Complete);
    metrics.polled("stays", "servers", Poll::Complete);
    metrics.encode().unwrap();

    metrics.forget_cloud("gone");

    let text = metrics.encode().unwrap();
    assert!(!text.contains("poll_age_seconds{cloud=\"gone\""));
    assert!(text.contains("poll_age_seconds{cloud=\"stays\""));
}

#[test]
fn what_is_read_at_a_scrape_is_as_of_then() {
    let metrics = Metrics::new();
    let first = std::sync::atomic::AtomicBool::new(true);
    metrics.before_scrape(move |metrics| {
        if first.swap(false, std::sync::atomic::Ordering::Relaxed) {
            metrics.show_nodes([READY, FULL, FULL]);
            metrics.leads();
        } else {
            metrics.show_nodes([READY]);
            metrics.follows();
        }
    });

    let text = metrics.encode().unwrap();
    assert!(text.contains("testnode_nodes{phase=\"Pending\",reason=\"QuotaExceeded\"} 2"));
    assert!(text.contains("testnode_leader 1"));
    let text = metrics.encode().unwrap();
    assert!(text.contains("testnode_nodes{phase=\"Ready\",reason=\"Ready\"} 1"));
    assert!(text.contains("testnode_leader 0"));
    assert!(!text.contains("Pending"));
}

#[test]
fn orphans_are_counted_by_kind_until_their_cloud_is_gone() {
    let metrics = Metrics::new();

    metrics.count_orphans("ovh", "server", 2);
    metrics.swept("ovh", "volume");

    has(&metrics, "testnode_orphans{cloud=\"ovh\",kind=\"server\"} 2");
    has(&metrics, "testnode_swept_total{cloud=\"ovh\",kind=\"volume\"} 1");
    metrics.forget_cloud("ovh");
    let text = metrics.encode().unwrap();
    assert!(!text.contains("testnode_orphans{"), "{text}");
}

#[test]
fn of_the_nodes_that_wait_the_longest_wait_is_shown_and_how_many_are_late() {
    let metrics = Metrics::new();
    let lost = |waits, late| NodeSeen { reason: Reason::NoValidHost, waits: Some(waits), late, ..FULL };

    metrics.show_nodes([
        READY,
        lost(90 * SECOND, true),
        lost(7200 * SECOND, true),
        lost(SECOND, false),
        FULL,
    ]);

    has(&metrics, "testnode_longest_wait_seconds{phase=\"Pending\",reason=\"NoValidHost\"} 7200.0");
    has(&metrics, "testnode_longest_wait_seconds{phase=\"Pending\",reason=\"QuotaExceeded\"} 1.0");
    has(&metrics, "testnode_nodes_late{phase=\"Pending\",reason=\"NoValidHost\"} 2");
    metrics.show_nodes([READY]);
    let text = metrics.encode().unwrap();
    assert!(!text.contains("NoValidHost"), "{text}");
}

#[test]
fn a_machine_image_is_shown_as_it_stands_now() {
    let metrics = Metrics::new();
    let image = |status: &str| {
        let condition = Condition {
            type_: "UpToDate".into(),
            status: status.into(),
            reason: "Uploading".into(),
            ..any()
        };
        ("ubuntu".to_owned(), vec![condition])
    };

    metrics.show_machine_images([image("True")]);
    metrics.show_machine_images([image("False")]);

    let labels = "machine_image=\"ubuntu\",condition=\"UpToDate\",status=\"False\",reason=\"Uploading\"";
    has(&metrics, &format!("testnode_machine_image_condition{{{labels}}} 1"));
    assert!(!metrics.encode().unwrap().contains("status=\"True\""));
    metrics.show_machine_images([]);
    assert!(!metrics.encode().unwrap().contains("testnode_machine_image_condition{"));
}

#[test]
fn a_cloud_is_shown_as_it_stands_now() {
    let metrics = Metrics::new();
    let cloud = |status: &str, queue| {
        let condition =
            Condition { type_: "Ready".into(), status: status.into(), reason: "Looked".into(), ..any() };
        CloudSeen { cloud: "ovh".into(), conditions: vec![condition], queue, creates: 20 }
    };

    metrics.show_clouds([cloud("False", 3)]);
    metrics.show_clouds([cloud("True", 2)]);
    metrics.attempt_opened("ovh");

    let labels = "cloud=\"ovh\",condition=\"Ready\",status=\"True\",reason=\"Looked\"";
    has(&metrics, &format!("testnode_cloud_condition{{{labels}}} 1"));
    has(&metrics, "testnode_queue{cloud=\"ovh\"} 2");
    has(&metrics, "testnode_concurrent_creates{cloud=\"ovh\"} 20");
    has(&metrics, "testnode_attempts_opened_total{cloud=\"ovh\"} 1");
    metrics.show_clouds([]);
    let text = metrics.encode().unwrap();
    assert!(!text.contains("testnode_cloud_condition{"), "{text}");
    assert!(!text.contains("testnode_queue{"), "{text}");
}
