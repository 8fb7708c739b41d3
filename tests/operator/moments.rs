//! What a person reads at each moment, for each fault that the simulated cloud knows: `tests/operator/moments.txt`.
//!
//! `BLESS=1 cargo test --test operator moments` writes the file anew. Read it from top to bottom, as somebody who knows
//! neither us nor the code: each sentence must be clear, true, and advise nothing that is refused.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use devcloud::{Effect, ServerFate, Service};
use regex::Regex;
use serde_json::json;
use tokio::time::{Instant, sleep};

mod stories;

use crate::harness::{Lab, quick};
use stories::{Story, stories, strike};

/// Phase, status, reason and message, as `kubectl get -o wide` shows them, without what differs from run to run.
fn shown(lab: &Lab, name: &str) -> String {
    let node = lab.the(name);
    if node.is_null() {
        return "(the node is gone)".into();
    }
    let phase = node["status"]["phase"].as_str().unwrap_or("-").to_owned();
    let (status, reason, message) = lab.says(name, "Ready");
    let id = Regex::new("[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}").unwrap();
    let message = id.replace_all(&message, "ID");
    let request = Regex::new(r"req-ID").unwrap();
    format!("{phase:12} {status:7} {reason:20} {}", request.replace_all(&message, "REQUEST"))
}

/// One story: what was shown and when, and what should have been said and was not.
async fn told(story: &Story) -> (String, String) {
    let lab = Lab::new(quick()).await;
    (story.befall)(&lab);
    sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    lab.node("smithi001", (story.spec)());
    let (mut text, mut last) = (format!("{}\n", story.title), String::new());
    let mut said: Vec<(u64, String)> = Vec::new();
    for second in 0..=story.watch {
        sleep((began + Duration::from_secs(second)).saturating_duration_since(Instant::now())).await;
        story.then.iter().filter(|(at, _)| *at == second).for_each(|(_, happen)| happen(&lab));
        sleep(Duration::from_millis(500)).await;
        let now = shown(&lab, "smithi001");
        if now != last {
            writeln!(text, "{second:4} s  {now}").unwrap();
            last = now;
        }
        said.push((second, lab.says("smithi001", "Ready").2));
    }
    let mut missing = String::new();
    for (by, words) in story.expect {
        let mut until = said.iter().filter(|(second, _)| second <= by);
        if !until.any(|(_, message)| message.contains(words)) {
            writeln!(missing, "{}: nothing of {words:?} within {by} s", story.title).unwrap();
        }
    }
    (text, missing)
}

#[tokio::test(start_paused = true)]
async fn at_each_moment_it_is_told_what_is_waited_for() {
    let (mut table, mut silent) = (String::new(), String::new());
    for story in stories() {
        let (text, missing) = told(&story).await;
        table.push_str(&text);
        table.push('\n');
        silent.push_str(&missing);
    }
    assert_eq!(silent, "", "{table}");

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operator/moments.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    assert_eq!(
        table,
        std::fs::read_to_string(&file).unwrap_or_default(),
        "BLESS=1 writes {}",
        file.display()
    );
}

#[tokio::test(start_paused = true)]
async fn each_of_many_nodes_says_its_place_in_the_queue() {
    let lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["rate"] = json!({"concurrentCreates": 2}));
    let stuck = ServerFate { sticks: true, ..ServerFate::default() };
    lab.cloud.plan_servers(Regex::new("").unwrap(), 25, stuck);
    for number in 0..25 {
        lab.node(&format!("n{number:02}"), json!({}));
    }
    sleep(Duration::from_secs(15)).await;

    let says: Vec<String> = (0..25)
        .map(|number| {
            let (_, reason, message) = lab.says(&format!("n{number:02}"), "Ready");
            format!("{reason} {message}")
        })
        .collect();
    let queued: Vec<&String> = says.iter().filter(|said| said.starts_with("Queued ")).collect();

    assert_eq!(queued.len(), 21, "{says:#?}");
    assert!(says.iter().any(|said| said.contains("12th in turn of 21")), "{says:#?}");
    assert!(says.iter().all(|said| !said.contains("logged in to cloud")), "{says:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_says_that_it_is_away_within_twenty_seconds_of_the_first_request_that_fails() {
    let lab = Lab::new(quick()).await;
    strike(&lab, Effect::refuse(503), Service::Nova, "");
    lab.node("smithi001", json!({}));

    let away = |lab: &Lab| lab.condition("clouds", "", "lab", "Reachable").0 == "False";
    let took = lab.until("the Cloud says so", 60, away).await;

    println!("{took:?}");
    assert!(took <= Duration::from_secs(20), "{took:?}");
    let ready = lab.condition("clouds", "", "lab", "Ready");
    assert_eq!((ready.0.as_str(), ready.1.as_str()), ("False", "CloudUnreachable"), "{}", ready.2);
    let events = lab.cluster.list("events", "default");
    let warned = events.iter().any(|event| {
        let of_cloud = event.pointer("/regarding/kind").or(event.pointer("/involvedObject/kind"));
        let warns = event["type"] == "Warning" && event["reason"] == "CloudUnreachable";
        warns && of_cloud.is_some_and(|kind| kind == "Cloud")
    });
    assert!(warned, "{events:#?}");
    lab.cloud.heal();
    lab.until("it is back", 60, |lab| lab.condition("clouds", "", "lab", "Ready").0 == "True").await;
}
