//! A tester who forges what a tester can write, and also what only a role that we do not ship lets them write: nobody
//! else's name, machine or Secret becomes theirs.

use std::net::IpAddr;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use testnode_operator::api::TestNode;
use tokio::time::sleep;

use crate::harness::{Lab, SYSTEM, quick, two_volumes};

const VICTIM: &str = "victim.front.example.test";

/// What a forger writes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Forgery {
    /// `spec.hostname` of the other node.
    Hostname,
    /// The other's name and address, as if they had been claimed and set.
    Name,
    /// The other's address as one that was withdrawn.
    Withdrawn,
    /// The ids of the other's server, volumes and ports.
    Things,
    /// An attempt that is open in the cloud.
    OpenAttempt,
    /// One that was Ready.
    ReadyAttempt,
    /// One that failed, and is to be ended.
    FailedAttempt,
    /// Conditions and phase of a node that is Ready.
    Conditions,
    /// The finalizer of the cloud.
    Finalizers,
    /// The wish to abandon, and a cloud that is lost.
    Abandon,
    /// User data from a Secret of the same name as the one that opens the cloud.
    Secret,
    /// Numbers, times and words that nobody else writes.
    Nonsense,
}

const FORGERIES: &[Forgery] = &[
    Forgery::Hostname,
    Forgery::Name,
    Forgery::Withdrawn,
    Forgery::Things,
    Forgery::OpenAttempt,
    Forgery::ReadyAttempt,
    Forgery::FailedAttempt,
    Forgery::Conditions,
    Forgery::Finalizers,
    Forgery::Abandon,
    Forgery::Secret,
    Forgery::Nonsense,
];

/// What a victim has.
#[derive(Clone, Debug, PartialEq)]
struct Has {
    server: String,
    volumes: Vec<String>,
    ports: Vec<String>,
    addresses: Vec<IpAddr>,
}

fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|thing| thing["id"].as_str().unwrap().to_owned()).collect()
}

/// What the victim's status shows, and the cloud and the zone have.
fn has(lab: &Lab) -> Has {
    let status = &lab.cluster.get("testnodes", "other", "victim").unwrap()["status"];
    let has = Has {
        server: status["server"]["id"].as_str().unwrap_or_default().to_owned(),
        volumes: ids(&status["volumes"]),
        ports: ids(&status["ports"]),
        addresses: lab.cloud.record(VICTIM).into_iter().collect(),
    };
    assert!(
        lab.cloud.servers().iter().any(|server| server.id == has.server && !server.deleting),
        "{}",
        lab.story()
    );
    assert!(has.volumes.iter().all(|id| lab.cloud.volumes().iter().any(|volume| volume.id == *id)));
    assert!(has.ports.iter().all(|id| lab.cloud.ports().iter().any(|port| port.id == *id)));
    assert_eq!(status["accessIP"], json!(has.addresses[0].to_string()), "{}", lab.story());
    has
}

fn attempt(number: i64, more: &Value) -> Value {
    let mut attempt = json!({
        "number": number, "round": 1, "cloud": "lab", "openedAt": "2026-03-02T08:00:01Z", "settled": false,
    });
    attempt.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    attempt
}

/// The part of a status that is forged.
fn status(forgeries: &[Forgery], victim: &Has) -> Value {
    let mut status = json!({});
    let mut attempts = Vec::new();
    for forgery in forgeries {
        match forgery {
            Forgery::Name => {
                status["dns"] = json!({"name": VICTIM, "addresses": victim.addresses});
                status["fqdn"] = VICTIM.into();
            }
            Forgery::Withdrawn => status["dns"] = json!({"name": VICTIM, "withdrawn": victim.addresses}),
            Forgery::Things => {
                let things = |ids: &[String], more: Value| -> Vec<Value> {
                    let thing = |id: &String| {
                        let mut thing = more.clone();
                        thing["id"] = id.as_str().into();
                        thing
                    };
                    ids.iter().map(thing).collect()
                };
                status["cloud"] = "lab".into();
                status["server"] = json!({"id": victim.server, "name": "victim", "status": "ACTIVE"});
                status["volumes"] =
                    things(&victim.volumes, json!({"name": "osd-0", "status": "in-use"})).into();
                status["ports"] = things(&victim.ports, json!({"network": "n"})).into();
            }
            Forgery::OpenAttempt => attempts.push(attempt(1, &json!({}))),
            Forgery::ReadyAttempt => {
                attempts.push(attempt(
                    2,
                    &json!({"closedAt": "2026-03-02T08:00:09Z", "outcome": "Ready", "settled": true}),
                ));
                status["times"] = json!({"readyAt": "2026-03-02T08:00:09Z"});
            }
            Forgery::FailedAttempt => {
                attempts.push(attempt(3, &json!({"closedAt": "2026-03-02T08:00:09Z", "outcome": "Failed"})));
            }
            Forgery::Conditions => {
                let condition = json!({
                    "type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "2026-03-02T08:00:09Z",
                });
                status["conditions"] = json!([condition]);
                status["phase"] = "Ready".into();
            }
            Forgery::Nonsense => {
                attempts.push(attempt(
                    i64::MAX,
                    &json!({"round": i64::MIN, "cloud": "../x", "zone": "\u{1b}[2J"}),
                ));
                status["observedGeneration"] = i64::MAX.into();
                status["accessIP"] = "not an address".into();
            }
            Forgery::Hostname | Forgery::Finalizers | Forgery::Abandon | Forgery::Secret => {}
        }
    }
    if !attempts.is_empty() {
        status["attempts"] = attempts.into();
    }
    status
}

/// Writes it, as somebody who may write everything of a node.
async fn forge(lab: &Lab, name: &str, forgeries: &[Forgery], victim: &Has) {
    let nodes: kube::Api<TestNode> = kube::Api::namespaced(lab.cluster.client(), "tester");
    let mut metadata = json!({});
    if forgeries.contains(&Forgery::Finalizers) {
        metadata["finalizers"] = json!(["cloud.testnode.dev/lab"]);
    }
    if forgeries.contains(&Forgery::Abandon) {
        // A cloud that there is not holds a node until it is abandoned.
        metadata["finalizers"] = json!(["cloud.testnode.dev/lab", "cloud.testnode.dev/none"]);
        metadata["annotations"] = json!({"testnode.dev/abandon": "\u{1b}[31mbecause"});
    }
    let params = PatchParams::default();
    nodes.patch(name, &params, &Patch::Merge(json!({"metadata": metadata}))).await.unwrap();
    let status = Patch::Merge(json!({"status": status(forgeries, victim)}));
    nodes.patch_status(name, &params, &status).await.unwrap();
}

fn forgeries() -> impl Strategy<Value = Vec<Forgery>> {
    btree_set(select(FORGERIES), 1..6).prop_map(|all| all.into_iter().collect())
}

#[tokio::test(start_paused = true)]
async fn of_a_field_that_somebody_wrote_into_the_status_too_nothing_stays_that_is_not_valid() {
    let lab = Lab::new(quick()).await;
    lab.namespace("other");
    lab.namespace("tester");
    lab.node_in("other", "victim", two_volumes());
    lab.node_in("tester", "forger", json!({}));
    let is_ready = |lab: &Lab, of: (&str, &str)| lab.condition("testnodes", of.0, of.1, "Ready").0 == "True";
    lab.until("both are Ready", 60, |lab| {
        is_ready(lab, ("other", "victim")) && is_ready(lab, ("tester", "forger"))
    })
    .await;
    let before = has(&lab);

    forge(&lab, "forger", &[Forgery::Things], &before).await;
    sleep(Duration::from_mins(1)).await;
    lab.cluster.delete(&lab.cluster.get("testnodes", "tester", "forger").unwrap()).unwrap();

    let gone = |lab: &Lab| lab.cluster.get("testnodes", "tester", "forger").is_none();
    lab.until("the forger is gone", 300, gone).await;
    assert_eq!(has(&lab), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_tester_forges_nobody_elses_name_machine_or_secret_becomes_theirs(
        made in vec(forgeries(), 1..3),
        restarts in any::<bool>(),
        after in 0_u64..8000,
    ) {
        let time = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        time.unwrap().block_on(async {
            let mut lab = Lab::new(quick()).await;
            lab.namespace("other");
            lab.namespace("tester");
            lab.node_in("other", "victim", two_volumes());
            let is_ready = |lab: &Lab| lab.condition("testnodes", "other", "victim", "Ready").0 == "True";
            lab.until("the victim is Ready", 60, is_ready).await;
            let before = has(&lab);

            for (number, forgeries) in made.iter().enumerate() {
                let name = format!("forger{number}");
                let mut spec = json!({});
                if forgeries.contains(&Forgery::Hostname) {
                    spec["hostname"] = "victim".into();
                }
                if forgeries.contains(&Forgery::Secret) {
                    spec["userDataRef"] = json!({"kind": "Secret", "name": "lab", "key": "clouds.yaml"});
                }
                lab.node_in("tester", &name, spec);
                sleep(Duration::from_millis(after)).await;
                if restarts {
                    lab.kill();
                }
                forge(&lab, &name, forgeries, &before).await;
                if restarts {
                    lab.start();
                }
            }
            sleep(Duration::from_mins(8)).await;

            assert!(is_ready(&lab), "{}", lab.story());
            assert_eq!(has(&lab), before);
            for number in 0..made.len() {
                let forger = lab.cluster.get("testnodes", "tester", &format!("forger{number}"));
                if let Some(forger) = forger {
                    lab.cluster.delete(&forger).unwrap();
                }
            }
            sleep(Duration::from_mins(12)).await;

            assert!(is_ready(&lab), "{}", lab.story());
            assert_eq!(has(&lab), before);
            // No guest was given what opens the cloud.
            let secret = &lab.cluster.get("secrets", SYSTEM, "lab").unwrap()["data"]["clouds.yaml"];
            assert!(secret.is_string());
            let told = |call: &devcloud::Call| !call.body.to_string().contains(secret.as_str().unwrap());
            assert!(lab.cloud.calls().iter().all(told));
            // A forger that wrote over its own memory may be stuck, and says so; the victim goes whole.
            lab.cluster.delete(&lab.cluster.get("testnodes", "other", "victim").unwrap()).unwrap();
            let gone = |lab: &Lab| lab.cluster.get("testnodes", "other", "victim").is_none();
            lab.until("the victim is gone", 300, gone).await;
            assert!(!lab.cloud.servers().iter().any(|server| server.id == before.server));
            assert!(lab.cloud.record(VICTIM).is_disjoint(&before.addresses.iter().copied().collect()));
        });
    }
}
