//! A look at the console that somebody asks for, and a machine type that forbids it.

use std::time::Duration;

use devcloud::{ServerFate, Service};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick};

fn ask(lab: &Lab, request: &str) {
    lab.edit("testnodes", "default", "smithi001", |spec| spec["consoleRequest"] = request.into());
}

fn console(lab: &Lab) -> Value {
    lab.the("smithi001")["status"]["console"].clone()
}

async fn answered(lab: &Lab, request: &str) -> Value {
    let what = format!("{request} is answered");
    lab.until(&what, 60, |lab| console(lab)["request"] == request).await;
    console(lab)
}

fn reads(lab: &Lab) -> usize {
    lab.cloud.count(Service::Nova, "POST /servers/{id}/action os-getConsoleOutput")
}

#[tokio::test(start_paused = true)]
async fn each_new_value_is_answered_once_and_the_node_stays_ready() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    let (generation, before) = (lab.the("smithi001")["status"]["attempts"].clone(), reads(&lab));

    ask(&lab, "one");
    let text = answered(&lab, "one").await["text"].as_str().unwrap().to_owned();
    sleep(Duration::from_mins(10)).await;

    assert!(text.contains("login:") || text.contains("Cloud-init"), "{text}");
    assert!(text.len() <= 16 * 1024);
    assert_eq!(reads(&lab), before + 1, "one look");
    assert!(lab.is_ready("smithi001"));
    assert_eq!(lab.the("smithi001")["status"]["attempts"], generation);
}

#[tokio::test(start_paused = true)]
async fn a_node_is_looked_at_at_most_once_in_five_seconds() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    let before = reads(&lab);

    for number in 0..40 {
        ask(&lab, &format!("r{number}"));
        sleep(Duration::from_millis(500)).await;
    }
    answered(&lab, "r39").await;

    assert!(reads(&lab) - before <= 6, "{} looks in 20 s", reads(&lab) - before);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_boots_can_be_looked_at() {
    let lab = Lab::new(quick()).await;
    lab.cloud.next_server(ServerFate { never_boots: true, ..ServerFate::default() });
    lab.node("smithi001", json!({}));
    lab.told("smithi001", "Ready", "Booting", 30).await;

    ask(&lab, "one");

    assert_ne!(answered(&lab, "one").await["text"], "");
    assert_eq!(lab.says("smithi001", "Ready").1, "Booting");
}

#[tokio::test(start_paused = true)]
async fn without_a_machine_the_answer_says_so() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({"flavor": "nosuch", "consoleRequest": "one"}));

    let answer = answered(&lab, "one").await;

    assert!(answer["problem"].as_str().unwrap().contains("no machine"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn where_it_is_forbidden_nothing_of_a_console_is_shown() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| {
        spec["consoleAccess"] = "Forbidden".into();
        spec["timeouts"] = json!({"boot": "1m"});
        spec["launchRetries"] = 1.into();
    });
    lab.cloud.next_server(ServerFate { never_boots: true, ..ServerFate::default() });
    lab.node("smithi001", json!({"consoleRequest": "one"}));
    lab.told("smithi001", "Stalled", "BootTimeout", 120).await;

    let node = lab.the("smithi001").to_string();
    let answer = answered(&lab, "one").await;

    assert!(!node.contains("systemd") && !node.contains("Linux"), "{node}");
    assert!(!node.contains("consoleTail"), "{node}");
    assert_eq!(answer["text"], "");
    assert!(answer["problem"].as_str().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_was_shown_is_taken_back_when_it_is_forbidden() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({"consoleRequest": "one"}));
    lab.ready("smithi001", 30).await;
    ask(&lab, "two");
    assert_ne!(answered(&lab, "two").await["text"], "");

    lab.edit("machinetypes", "", "lab", |spec| spec["consoleAccess"] = "Forbidden".into());

    lab.until("it is taken back", 30, |lab| console(lab)["text"] == "").await;
    ask(&lab, "three");
    assert!(answered(&lab, "three").await["problem"].as_str().unwrap().contains("Forbidden"));
}

#[tokio::test(start_paused = true)]
async fn each_failed_attempt_keeps_the_last_lines_of_its_console() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["timeouts"] = json!({"boot": "1m"}));
    lab.cloud.next_server(ServerFate { never_boots: true, ..ServerFate::default() });
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 200).await;

    let attempts = lab.the("smithi001")["status"]["attempts"].clone();

    let tail = attempts[0]["consoleTail"].as_str().unwrap();
    assert!(tail.contains("Linux") || tail.contains("systemd"), "{tail}");
    assert!(tail.len() <= 4096);
    assert_eq!(attempts[1]["consoleTail"], Value::Null);
}
