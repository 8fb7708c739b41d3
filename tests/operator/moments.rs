//! What a person reads at each moment, for each fault that the simulated cloud knows: `tests/operator/moments.txt`.
//!
//! `BLESS=1 cargo test --test operator moments` writes the file anew. Read it from top to bottom, as somebody who knows
//! neither us nor the code: each sentence must be clear, true, and advise nothing that is refused.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use devcloud::{Backend, Effect, Fault, ServerFate, Service, VolumeFate, When};
use regex::Regex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Lab, quick, two_volumes};

/// What a person must be able to read: so many seconds after the node was made, the condition `Ready` has these words.
type Expected = &'static [(u64, &'static str)];

/// What else happens, so many seconds later.
type Later = (u64, fn(&Lab));

/// A fault, and what comes of it.
struct Story {
    /// What befalls the node, in one line.
    title: &'static str,
    /// Brings it about, in a lab that has no node yet.
    befall: fn(&Lab),
    /// What the node asks for.
    spec: fn() -> Value,
    /// What else happens, so many seconds later.
    then: &'static [Later],
    /// For so many seconds it is watched.
    watch: u64,
    /// What must be said by when.
    expect: Expected,
}

const DEFAULT: Story =
    Story { title: "", befall: |_| {}, spec: two_volumes, then: &[], watch: 60, expect: &[] };

fn strike(lab: &Lab, effect: Effect, service: Service, path: &str) {
    lab.cloud.fault(Fault::new(effect).on(service, path)).unwrap();
}

fn once(lab: &Lab, effect: Effect, service: Service, path: &str) {
    lab.cloud.fault(Fault::new(effect).on(service, path).times(1)).unwrap();
}

fn hang() -> Effect {
    Effect::Hang { when: When::Before }
}

fn slow_down(seconds: &str) -> Effect {
    Effect::Answer {
        status: 429,
        headers: vec![("Retry-After".into(), seconds.into())],
        body: json!({"overLimit": {"code": 429, "message": "This request was rate-limited."}}),
        when: When::Before,
    }
}

fn no_host() -> ServerFate {
    let fault = "No valid host was found. There are not enough hosts available.";
    ServerFate { fault: Some(fault.into()), ..ServerFate::default() }
}

fn timeouts(lab: &Lab, timeouts: &Value) {
    lab.edit("machinetypes", "", "lab", |spec| {
        spec["timeouts"] = timeouts.clone();
        spec["launchRetries"] = 1.into();
    });
}

fn delete(lab: &Lab) {
    lab.delete("smithi001");
}

fn server(lab: &Lab) -> String {
    lab.cloud.servers()[0].id.clone()
}

fn volume(lab: &Lab) -> String {
    lab.cloud.volumes()[0].id.clone()
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn stories() -> Vec<Story> {
    vec![
        Story { title: "nothing goes wrong", then: &[(20, delete)], watch: 40, ..DEFAULT },
        Story {
            title: "nsupdate-web does not answer",
            befall: |lab| strike(lab, hang(), Service::NsupdateWeb, ""),
            expect: &[(10, "nsupdate-web has not answered")],
            ..DEFAULT
        },
        Story {
            title: "the name server behind nsupdate-web is down",
            befall: |lab| lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Down),
            expect: &[(12, "the name server")],
            ..DEFAULT
        },
        Story {
            title: "nsupdate-web's key is refused",
            befall: |lab| lab.cloud.change(|settings| settings.nsupdate_backend = Backend::BadKey),
            ..DEFAULT
        },
        Story {
            title: "somebody else has the name",
            befall: |lab| {
                lab.cloud.set_record("smithi001.front.example.test", ["203.0.113.7".parse().unwrap()]);
            },
            expect: &[(10, "203.0.113.7")],
            ..DEFAULT
        },
        Story {
            title: "Nova asks us to slow down",
            befall: |lab| once(lab, slow_down("30"), Service::Nova, "^POST /servers$"),
            expect: &[(12, "429"), (12, "30 s")],
            ..DEFAULT
        },
        Story {
            title: "Nova asks us to slow down whatever we ask",
            befall: |lab| strike(lab, slow_down("10"), Service::Nova, ""),
            expect: &[(12, "429"), (12, "10 s")],
            ..DEFAULT
        },
        Story {
            title: "Nova is down",
            befall: |lab| strike(lab, Effect::refuse(503), Service::Nova, ""),
            expect: &[(12, "503")],
            ..DEFAULT
        },
        Story {
            title: "Nova does not answer",
            befall: |lab| strike(lab, hang(), Service::Nova, ""),
            expect: &[(12, "Nova of cloud lab has not answered")],
            ..DEFAULT
        },
        Story {
            title: "Cinder is down",
            befall: |lab| strike(lab, Effect::refuse(503), Service::Cinder, ""),
            expect: &[(12, "503")],
            ..DEFAULT
        },
        Story {
            title: "Cinder does not answer",
            befall: |lab| strike(lab, hang(), Service::Cinder, ""),
            expect: &[(12, "Cinder")],
            ..DEFAULT
        },
        Story {
            title: "Neutron is down",
            befall: |lab| strike(lab, Effect::refuse(503), Service::Neutron, ""),
            expect: &[(12, "503")],
            ..DEFAULT
        },
        Story {
            title: "Neutron does not answer a request for a port",
            befall: |lab| once(lab, hang(), Service::Neutron, "^POST /ports$"),
            expect: &[(12, "Neutron of cloud lab has not answered")],
            ..DEFAULT
        },
        Story {
            title: "Glance is down",
            befall: |lab| strike(lab, Effect::refuse(503), Service::Glance, ""),
            ..DEFAULT
        },
        Story {
            title: "Keystone is down, and our token has ended",
            befall: |lab| {
                strike(lab, Effect::refuse(503), Service::Keystone, "");
                lab.cloud.revoke_tokens();
            },
            expect: &[(12, "Keystone")],
            ..DEFAULT
        },
        Story {
            title: "the reply about the new server is lost",
            befall: |lab| once(lab, Effect::Drop { when: When::After }, Service::Nova, "^POST /servers$"),
            ..DEFAULT
        },
        Story {
            title: "the reply about the new server is lost, it was never made, and there are no volumes",
            befall: |lab| once(lab, Effect::Drop { when: When::Before }, Service::Nova, "^POST /servers$"),
            spec: || json!({}),
            watch: 120,
            ..DEFAULT
        },
        Story {
            title: "the reply about the new server is lost, and the node is deleted",
            befall: |lab| once(lab, Effect::Drop { when: When::After }, Service::Nova, "^POST /servers$"),
            then: &[(2, delete)],
            watch: 120,
            expect: &[(30, "90 s")],
            ..DEFAULT
        },
        Story { title: "there is no host, once", befall: |lab| lab.cloud.next_server(no_host()), ..DEFAULT },
        Story {
            title: "there is no host, and what is left of the attempt goes slowly",
            befall: |lab| {
                lab.cloud.next_server(ServerFate { delete_sticks: true, ..no_host() });
                timeouts(lab, &json!({"delete": "1m"}));
            },
            watch: 120,
            expect: &[(20, "attempt 1 failed (NoValidHost: No valid host was found")],
            ..DEFAULT
        },
        Story {
            title: "there is never a host",
            befall: |lab| lab.cloud.plan_servers(Regex::new("smithi001").unwrap(), 9, no_host()),
            watch: 90,
            ..DEFAULT
        },
        Story {
            title: "the machine of a failed attempt is kept",
            befall: |lab| lab.cloud.next_server(no_host()),
            spec: || json!({"onFailure": "Hold"}),
            ..DEFAULT
        },
        Story {
            title: "the server stays in BUILD",
            befall: |lab| {
                timeouts(lab, &json!({"launch": "40s"}));
                lab.cloud.next_server(ServerFate { sticks: true, ..ServerFate::default() });
            },
            expect: &[(12, "is BUILD")],
            ..DEFAULT
        },
        Story {
            title: "the machine never boots",
            befall: |lab| {
                timeouts(lab, &json!({"boot": "40s"}));
                lab.cloud.next_server(ServerFate { never_boots: true, ..ServerFate::default() });
            },
            watch: 90,
            expect: &[(60, "the last line on the console")],
            ..DEFAULT
        },
        Story {
            title: "the machine never boots, and its console must not be shown",
            befall: |lab| {
                timeouts(lab, &json!({"boot": "40s"}));
                lab.edit("machinetypes", "", "lab", |spec| spec["consoleAccess"] = "Forbidden".into());
                lab.cloud.next_server(ServerFate { never_boots: true, ..ServerFate::default() });
            },
            watch: 90,
            ..DEFAULT
        },
        Story {
            title: "the cloud shows no consoles",
            befall: |lab| strike(lab, Effect::refuse(403), Service::Nova, "os-getConsoleOutput"),
            ..DEFAULT
        },
        Story {
            title: "a volume is never ready",
            befall: |lab| {
                lab.cloud.next_volume(VolumeFate { sticks: true, ..VolumeFate::default() });
                timeouts(lab, &json!({"launch": "40s"}));
            },
            expect: &[(12, "creating")],
            ..DEFAULT
        },
        Story {
            title: "a volume fails",
            befall: |lab| lab.cloud.next_volume(VolumeFate { fails: true, ..VolumeFate::default() }),
            ..DEFAULT
        },
        Story {
            title: "the quota is used up, and raised after 40 s",
            befall: |lab| lab.cloud.change(|settings| settings.quotas.instances = 0),
            then: &[(40, |lab| lab.cloud.change(|settings| settings.quotas.instances = 9))],
            watch: 90,
            expect: &[(12, "1st in turn of 1")],
            ..DEFAULT
        },
        Story {
            title: "the node needs more than the Cloud allows in total",
            befall: |lab| lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxVolumes": 1})),
            ..DEFAULT
        },
        Story {
            title: "the Cloud allows one node, and another is there",
            befall: |lab| {
                lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxNodes": 1}));
                lab.node("other", json!({}));
            },
            ..DEFAULT
        },
        Story {
            title: "there is no such machine type",
            spec: || json!({"machineType": "nosuch"}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "there is no such flavor",
            spec: || json!({"flavor": "nosuch"}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "there is no such image",
            spec: || json!({"os": {"type": "plan9", "version": "4"}}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "the machine type names a Cloud that is not there",
            befall: |lab| {
                lab.edit("machinetypes", "", "lab", |spec| spec["clouds"] = json!([{"name": "far"}]));
            },
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "the password is wrong",
            befall: |lab| {
                let right = lab.cloud.clouds_yaml("http://lab.test");
                lab.credentials("lab", &right.replace("lab-password", "guess"));
            },
            ..DEFAULT
        },
        Story {
            title: "somebody deletes the server of a Ready node",
            then: &[(20, |lab| lab.cloud.remove_server(&server(lab)))],
            watch: 90,
            ..DEFAULT
        },
        Story {
            title: "somebody stops the server of a Ready node",
            then: &[(20, |lab| lab.cloud.stop_server(&server(lab)))],
            watch: 90,
            ..DEFAULT
        },
        Story {
            title: "the node is paused before it has a machine",
            spec: || json!({"paused": true}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "the server is not deleted",
            befall: |lab| {
                timeouts(lab, &json!({"delete": "30s"}));
                lab.cloud.next_server(ServerFate { delete_sticks: true, ..ServerFate::default() });
            },
            then: &[(20, delete)],
            watch: 90,
            expect: &[(80, "openstack server set --state error")],
            ..DEFAULT
        },
        Story {
            title: "a volume cannot be deleted",
            then: &[
                (20, |lab| {
                    let fate = VolumeFate { delete_fails: true, ..VolumeFate::default() };
                    lab.cloud.doom_volume(&volume(lab), fate);
                }),
                (21, delete),
            ],
            watch: 60,
            ..DEFAULT
        },
        Story {
            title: "nsupdate-web is down when the node is deleted",
            then: &[
                (20, |lab| lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Down)),
                (21, delete),
            ],
            watch: 60,
            expect: &[(28, "has not answered yet"), (40, "no answer"), (60, "is still published")],
            ..DEFAULT
        },
        Story {
            title: "Nova is down when the node is deleted",
            then: &[(20, |lab| strike(lab, Effect::refuse(503), Service::Nova, "")), (21, delete)],
            watch: 60,
            expect: &[(33, "503")],
            ..DEFAULT
        },
    ]
}

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

    assert_eq!(queued.len(), 23, "{says:#?}");
    assert!(says.iter().any(|said| said.contains("12th in turn of 23")), "{says:#?}");
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
