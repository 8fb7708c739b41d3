//! Claims: nodes of a pool for somebody, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use devcluster::{Fault, Outage, Verb};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Closing, Lab, Manner, Operator, Reached, quick};
use crate::pools::{delete, idle, killed_at_each, names, pool};

/// Applies a claim in `default`.
pub fn claim(lab: &Lab, name: &str, spec: Value) -> Value {
    claim_in(lab, "default", name, spec)
}

pub fn claim_in(lab: &Lab, namespace: &str, name: &str, mut spec: Value) -> Value {
    if spec["pool"].is_null() {
        spec["pool"] = json!({"name": "smithi"});
    }
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodeClaim",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    }))
}

pub fn status(lab: &Lab, name: &str) -> Value {
    lab.cluster.get("testnodeclaims", "default", name).unwrap_or_default()["status"].clone()
}

pub fn phase(lab: &Lab, name: &str) -> String {
    status(lab, name)["phase"].as_str().unwrap_or_default().to_owned()
}

pub fn reason(lab: &Lab, name: &str) -> String {
    lab.condition("testnodeclaims", "default", name, "Ready").1
}

pub fn is_bound(lab: &Lab, name: &str) -> bool {
    phase(lab, name) == "Bound"
}

/// The nodes that a claim's status lists.
pub fn listed(lab: &Lab, name: &str) -> Vec<String> {
    let nodes = status(lab, name)["nodes"].as_array().cloned().unwrap_or_default();
    nodes.iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect()
}

/// The nodes that name a claim, and stay.
pub fn having(lab: &Lab, name: &str) -> BTreeSet<String> {
    let nodes = lab.cluster.list("testnodes", "default");
    let has = |node: &&Value| {
        node["spec"]["claimRef"]["name"] == name && node["metadata"]["deletionTimestamp"].is_null()
    };
    nodes.iter().filter(has).map(|node| node["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// A lab with a pool whose nodes are Ready.
pub async fn lab_with(min_ready: i64, max: i64) -> Lab {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", min_ready, max);
    let count = usize::try_from(min_ready).unwrap();
    lab.until("the pool is full", 90, |lab| idle(lab) == count).await;
    lab
}

#[tokio::test(start_paused = true)]
async fn a_claim_gets_its_nodes_at_once_and_lists_them_with_addresses_and_names() {
    let lab = lab_with(2, 5).await;

    claim(&lab, "job", json!({"count": 2, "owner": "alice", "description": "rados suite"}));
    let took = lab.until("it has them", 5, |lab| is_bound(lab, "job")).await;

    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(listed(&lab, "job"), ["smithi001", "smithi002"]);
    let node = lab.the("smithi001");
    assert_eq!(
        (&node["spec"]["owner"], &node["spec"]["description"]),
        (&json!("alice"), &json!("rados suite"))
    );
    let told = &status(&lab, "job")["nodes"][0];
    assert_eq!((&told["address"], &told["fqdn"]), (&node["status"]["accessIP"], &node["status"]["fqdn"]));
    assert!(told["address"].is_string() && told["fqdn"].is_string(), "{told}");
    assert_eq!(lab.condition("testnodeclaims", "default", "job", "Ready").0, "True");
    lab.until("and the pool has others", 90, |lab| idle(lab) == 2).await;
    assert_eq!(names(&lab).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_deleted_gives_its_nodes_back_and_their_slots_are_filled_again() {
    let lab = lab_with(2, 3).await;
    claim(&lab, "job", json!({"count": 2}));
    lab.until("it has them", 5, |lab| is_bound(lab, "job")).await;
    let uids: Vec<Value> =
        listed(&lab, "job").iter().map(|name| lab.the(name)["metadata"]["uid"].clone()).collect();

    delete(&lab, "testnodeclaims", "job");

    lab.until("both are others", 120, |lab| {
        idle(lab) == 2 && names(lab).iter().all(|name| !uids.contains(&lab.the(name)["metadata"]["uid"]))
    })
    .await;
    let gone = lab.cluster.list("events", "default");
    assert!(gone.iter().any(|event| event["message"] == "its TestNodeClaim default/job is gone"));
}

#[tokio::test(start_paused = true)]
async fn a_claim_for_more_than_is_ready_waits_holds_nothing_and_the_pool_makes_what_lacks() {
    let lab = lab_with(1, 4).await;
    lab.cloud.change(|settings| settings.guest_boot = Duration::from_mins(2));

    claim(&lab, "gang", json!({"count": 3}));
    lab.until("it waits", 10, |lab| reason(lab, "gang") == "Queued").await;
    assert_eq!(status(&lab, "gang")["position"], 1);
    sleep(Duration::from_mins(1)).await;
    assert!(having(&lab, "gang").is_empty());

    lab.until("it has them", 300, |lab| is_bound(lab, "gang")).await;
    assert_eq!(having(&lab, "gang").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn on_demand_a_pool_without_stock_makes_what_is_asked_for() {
    let lab = lab_with(0, 2).await;
    assert!(names(&lab).is_empty());

    claim(&lab, "job", json!({}));
    lab.until("it has one", 60, |lab| is_bound(lab, "job")).await;

    assert_eq!(listed(&lab, "job"), ["smithi001"]);
}

#[tokio::test(start_paused = true)]
async fn claims_that_nobody_can_serve_say_why_and_are_served_once_they_can() {
    let lab = lab_with(1, 2).await;
    lab.namespace("team");
    claim(&lab, "lost", json!({"pool": {"name": "nosuch"}}));
    claim(&lab, "large", json!({"count": 3}));
    claim_in(&lab, "team", "stranger", json!({"pool": {"name": "smithi", "namespace": "default"}}));

    lab.until("each is told", 10, |lab| {
        let stranger = lab.condition("testnodeclaims", "team", "stranger", "Stalled").1;
        (reason(lab, "lost"), reason(lab, "large"), stranger)
            == ("PoolNotFound".into(), "LargerThanPool".into(), "PoolForbidden".into())
    })
    .await;
    lab.edit("testnodepools", "default", "smithi", |spec| {
        spec["max"] = 5.into();
        spec["claims"]["from"] = "All".into();
    });

    let bound = |lab: &Lab| lab.condition("testnodeclaims", "team", "stranger", "Ready").0 == "True";
    lab.until("they are served", 120, |lab| is_bound(lab, "large") && bound(lab)).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_released_goes_before_the_others_and_the_last_ends_the_claim() {
    let lab = lab_with(2, 4).await;
    claim(&lab, "job", json!({"count": 2}));
    lab.until("it has them", 5, |lab| is_bound(lab, "job")).await;

    lab.edit("testnodeclaims", "default", "job", |spec| spec["released"] = json!(["smithi001"]));
    lab.until("one is left", 60, |lab| having(lab, "job") == BTreeSet::from(["smithi002".into()])).await;
    sleep(Duration::from_mins(2)).await;
    assert!(is_bound(&lab, "job"));
    lab.edit("testnodeclaims", "default", "job", |spec| spec["released"] = json!(["smithi001", "smithi002"]));

    lab.until("it has ended", 10, |lab| reason(lab, "job") == "AllReleased").await;
    lab.until("none is left", 60, |lab| having(lab, "job").is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_machine_is_told_and_nothing_is_put_in_its_place() {
    let lab = lab_with(2, 4).await;
    claim(&lab, "job", json!({"count": 2}));
    lab.until("it has them", 5, |lab| is_bound(lab, "job")).await;
    let lost = listed(&lab, "job");

    lab.delete(&lost[0]);
    lab.until("it is told", 60, |lab| reason(lab, "job") == "NodeLost").await;
    sleep(Duration::from_mins(5)).await;

    assert_eq!(listed(&lab, "job"), lost);
    assert_eq!(having(&lab, "job"), BTreeSet::from([lost[1].clone()]));
}

#[tokio::test(start_paused = true)]
async fn a_claim_keeps_its_nodes_when_its_pool_is_deleted() {
    let lab = lab_with(2, 4).await;
    claim(&lab, "job", json!({}));
    lab.until("it has one", 5, |lab| is_bound(lab, "job")).await;

    delete(&lab, "testnodepools", "smithi");
    lab.until("the idle ones go", 120, |lab| names(lab) == listed(lab, "job")).await;
    sleep(Duration::from_mins(10)).await;
    assert_eq!(names(&lab), listed(&lab, "job"));
    assert_eq!(lab.condition("testnodeclaims", "default", "job", "Ready").0, "True");

    delete(&lab, "testnodeclaims", "job");
    lab.until("all are gone", 60, |lab| names(lab).is_empty()).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_lasts_and_one_that_is_not_ends() {
    let lab = lab_with(1, 3).await;
    claim(&lab, "job", json!({"lease": {"duration": "90s"}}));
    lab.until("it has one", 5, |lab| is_bound(lab, "job")).await;
    // The instant it names does not matter: this client's clock is years behind.
    for beat in 0..20 {
        sleep(Duration::from_secs(45)).await;
        let renewed = format!("1999-01-01T00:00:{beat:02}Z");
        lab.edit("testnodeclaims", "default", "job", |spec| spec["lease"]["renewTime"] = renewed.into());
        assert!(is_bound(&lab, "job"), "beat {beat}");
    }

    let took = lab.until("it ends", 100, |lab| reason(lab, "job") == "LeaseExpired").await;
    assert!(took > Duration::from_secs(88), "{took:?}");
    lab.until("its node goes", 60, |lab| having(lab, "job").is_empty()).await;
    assert!(lab.cluster.get("testnodeclaims", "default", "job").is_some(), "it can still be read");
    lab.until("it is forgotten", 3700, |lab| lab.cluster.get("testnodeclaims", "default", "job").is_none())
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_heard_anew_by_a_new_leader_and_not_shortened_by_an_outage() {
    let mut lab = lab_with(1, 3).await;
    claim(&lab, "job", json!({"lease": {"duration": "5m"}}));
    lab.until("it has one", 5, |lab| is_bound(lab, "job")).await;

    sleep(Duration::from_secs(280)).await;
    lab.kill();
    sleep(Duration::from_mins(10)).await;
    lab.start();
    lab.until("it leads", 60, |lab| lab.operator().health.missing().is_empty()).await;
    sleep(Duration::from_secs(270)).await;
    assert!(is_bound(&lab, "job"), "it was down itself");
    lab.edit("testnodeclaims", "default", "job", |spec| {
        spec["lease"]["renewTime"] = "2026-01-01T00:00:00Z".into();
    });
    lab.cluster.faults().outage(Duration::from_mins(10), Outage::Unavailable);
    sleep(Duration::from_mins(11)).await;
    lab.in_the_end("it leads again", 120, |lab| lab.operator().health.missing().is_empty()).await;

    assert!(is_bound(&lab, "job"), "nobody could renew");
    assert_eq!(having(&lab, "job").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_duration_ends_a_claim_and_the_pool_caps_it() {
    let lab = lab_with(2, 4).await;
    lab.edit("testnodepools", "default", "smithi", |spec| {
        spec["claims"]["duration"] = "1h".into();
        spec["claims"]["maxDuration"] = "2h".into();
    });
    claim(&lab, "usual", json!({}));
    claim(&lab, "long", json!({"duration": "10h"}));
    lab.until("they have one each", 5, |lab| is_bound(lab, "usual") && is_bound(lab, "long")).await;

    // Somebody sets the operator's clock: nobody loses a machine.
    lab.wires.set_clock(SignedDuration::from_hours(20));
    sleep(Duration::from_mins(58)).await;
    assert!(is_bound(&lab, "usual"));
    lab.until("an hour is over", 180, |lab| reason(lab, "usual") == "DurationOver").await;
    sleep(Duration::from_mins(58)).await;
    assert!(is_bound(&lab, "long"));
    lab.until("two hours are over", 240, |lab| reason(lab, "long") == "DurationOver").await;
    lab.until("their nodes go", 60, |lab| having(lab, "long").is_empty() && having(lab, "usual").is_empty())
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_pool_hands_out_nothing_and_takes_back_what_is_released() {
    let lab = lab_with(2, 4).await;
    claim(&lab, "first", json!({}));
    lab.until("it has one", 5, |lab| is_bound(lab, "first")).await;

    lab.edit("testnodepools", "default", "smithi", |spec| spec["paused"] = true.into());
    claim(&lab, "second", json!({}));
    lab.until("it waits", 10, |lab| reason(lab, "second") == "PoolPaused").await;
    delete(&lab, "testnodeclaims", "first");
    lab.until("it goes", 60, |lab| having(lab, "first").is_empty()).await;
    sleep(Duration::from_mins(3)).await;
    assert!(!is_bound(&lab, "second"));
    lab.edit("testnodepools", "default", "smithi", |spec| spec["paused"] = false.into());

    lab.until("it has one", 30, |lab| is_bound(lab, "second")).await;
}

#[tokio::test(start_paused = true)]
async fn the_api_server_itself_refuses_a_second_claim_on_a_node() {
    let lab = lab_with(1, 2).await;
    claim(&lab, "job", json!({}));
    lab.until("it has one", 5, |lab| is_bound(lab, "job")).await;
    let mut node = lab.the("smithi001");

    for other in [json!({"namespace": "default", "name": "thief", "uid": "u"}), Value::Null] {
        node["spec"]["claimRef"] = other;
        let refused = lab.cluster.put(node.clone()).unwrap_err();
        assert!(refused.message.contains("a node serves one claim, then goes"), "{}", refused.message);
    }
}

/// Every node is named by at most one claim in its life, and none goes that a living claim lists.
#[derive(Default)]
struct Laws {
    holders: BTreeMap<String, String>,
    promised: BTreeMap<String, String>,
    most: usize,
}

impl Laws {
    fn hold(&mut self, lab: &Lab) {
        let nodes = lab.cluster.list("testnodes", "default");
        self.most = self.most.max(nodes.len());
        let mut there = BTreeSet::new();
        for node in &nodes {
            let uid = node["metadata"]["uid"].as_str().unwrap().to_owned();
            if let Some(holder) = node["spec"]["claimRef"]["uid"].as_str() {
                let before = self.holders.entry(uid.clone()).or_insert_with(|| holder.to_owned());
                assert_eq!(before, holder, "two claims had node {uid}\n{}", lab.story());
            }
            if node["metadata"]["deletionTimestamp"].is_null() {
                there.insert(uid);
            }
        }
        self.promised.clear();
        for claim in lab.cluster.list("testnodeclaims", "default") {
            let lives = claim["status"]["ended"].is_null();
            let name = claim["metadata"]["name"].as_str().unwrap();
            let nodes = claim["status"]["nodes"].as_array().cloned().unwrap_or_default();
            if is_bound(lab, name) {
                let count = claim["spec"]["count"].as_u64().unwrap_or(1);
                assert_eq!(nodes.len() as u64, count, "{name} was told of others\n{}", lab.story());
            }
            for node in nodes.iter().filter(|_| lives) {
                let (node, uid) = (node["uid"].as_str().unwrap(), claim["metadata"]["uid"].as_str().unwrap());
                let before = self.promised.insert(node.to_owned(), uid.to_owned());
                assert_eq!(before, None, "two claims were told of {node}\n{}", lab.story());
                assert!(there.contains(node), "{name} lost {node}\n{}", lab.story());
            }
        }
    }

    /// Waits until something is so; the laws hold meanwhile. Whenever the operator ended, another is started.
    async fn until(&mut self, lab: &mut Lab, what: &str, is_so: impl Fn(&Lab) -> bool) {
        for _ in 0..12_000 {
            self.hold(lab);
            if is_so(lab) {
                return;
            }
            if lab.operator().has_ended() {
                lab.start();
            }
            sleep(Duration::from_millis(50)).await;
        }
        assert!(is_so(lab), "not within 10 min: {what}\n{}", lab.story());
    }
}

/// Two claims, of two and of one, from a pool of two; one is given back. Returns how many requests the first operator made.
async fn live(closing: Option<Closing>) -> usize {
    let mut lab = lab_with(2, 4).await;
    let mut laws = Laws::default();
    let before = lab.operator().gate.passed();
    if let Some(closing) = closing {
        lab.operator().gate.close_at(Closing { at: before + closing.at, ..closing });
    }
    claim(&lab, "gang", json!({"count": 2}));
    laws.until(&mut lab, &format!("gang is served, killed at {closing:?}"), |lab| is_bound(lab, "gang"))
        .await;
    claim(&lab, "other", json!({}));
    laws.until(&mut lab, &format!("other is served, killed at {closing:?}"), |lab| is_bound(lab, "other"))
        .await;
    delete(&lab, "testnodeclaims", "gang");
    laws.until(&mut lab, &format!("gang is gone, killed at {closing:?}"), |lab| {
        having(lab, "gang").is_empty() && idle(lab) == 2
    })
    .await;
    assert!(laws.most <= 4, "{}", laws.most);
    assert_eq!(having(&lab, "other").len(), 1, "{closing:?}");
    lab.operator().gate.passed().saturating_sub(before)
}

#[tokio::test(start_paused = true)]
async fn killed_after_a_request_no_node_has_two_claims_and_no_claim_loses_one() {
    killed_at_each(live, 30, 17, &[Reached::World]).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_no_node_has_two_claims_and_no_claim_loses_one() {
    killed_at_each(live, 30, 1, &[Reached::Nothing, Reached::World]).await;
}

#[tokio::test(start_paused = true)]
async fn lost_replies_of_the_api_server_bind_no_node_twice() {
    let mut lab = lab_with(3, 6).await;
    let mut laws = Laws::default();
    for fault in [Fault::FailReply, Fault::Refuse(500), Fault::Refuse(409), Fault::LoseReply] {
        lab.cluster.faults().inject(
            2,
            |call| call.verb == Verb::Patch && call.resource == "testnodes" && call.subresource.is_empty(),
            fault,
        );
        lab.cluster.faults().inject(
            1,
            |call| call.resource == "testnodeclaims" && call.verb == Verb::Patch,
            fault,
        );
        claim(&lab, "job", json!({"count": 3}));
        laws.until(&mut lab, &format!("it has all, with {fault:?}"), |lab| is_bound(lab, "job")).await;
        delete(&lab, "testnodeclaims", "job");
        laws.until(&mut lab, "the pool is full again", |lab| idle(lab) == 3 && having(lab, "job").is_empty())
            .await;
    }
    assert!(laws.most <= 6);
}

#[tokio::test(start_paused = true)]
async fn two_operators_hand_out_each_node_once() {
    let mut lab = lab_with(6, 8).await;
    let second =
        Operator::start_with(&lab.cluster, &lab.wires, &Manner { unasked: true, ..Manner::default() });
    let mut laws = Laws::default();
    lab.until("it looks", 30, |_| second.health.missing().is_empty()).await;

    for round in 0..3 {
        for number in 0..3 {
            claim(&lab, &format!("job-{round}-{number}"), json!({"count": 2}));
        }
        laws.until(&mut lab, "all have theirs", |lab| {
            (0..3).all(|n| is_bound(lab, &format!("job-{round}-{n}")))
        })
        .await;
        for number in 0..3 {
            delete(&lab, "testnodeclaims", &format!("job-{round}-{number}"));
        }
        laws.until(&mut lab, "the pool is full again", |lab| idle(lab) == 6).await;
    }
    assert!(laws.most <= 8);
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn a_claim_made_again_under_its_name_gets_no_node_of_the_one_before() {
    let mut lab = lab_with(1, 3).await;
    let mut laws = Laws::default();
    claim(&lab, "job", json!({}));
    laws.until(&mut lab, "it has one", |lab| is_bound(lab, "job")).await;
    let before = status(&lab, "job")["nodes"][0]["uid"].clone();

    lab.kill();
    delete(&lab, "testnodeclaims", "job");
    claim(&lab, "job", json!({}));
    lab.start();

    laws.until(&mut lab, "it has another", |lab| is_bound(lab, "job")).await;
    assert_ne!(status(&lab, "job")["nodes"][0]["uid"], before);
    laws.until(&mut lab, "the former goes", |lab| {
        lab.cluster.list("testnodes", "default").iter().all(|node| node["metadata"]["uid"] != before)
    })
    .await;
}

/// A status that was lost is written anew, and nobody loses a machine.
#[tokio::test(start_paused = true)]
async fn a_claim_whose_status_is_lost_keeps_its_nodes() {
    let mut lab = lab_with(2, 4).await;
    let mut laws = Laws::default();
    claim(&lab, "job", json!({"count": 2}));
    laws.until(&mut lab, "it has two", |lab| is_bound(lab, "job")).await;
    let before = listed(&lab, "job");

    let claims: kube::Api<testnode_operator::api::TestNodeClaim> =
        kube::Api::default_namespaced(lab.cluster.client());
    let nothing = kube::api::Patch::Merge(json!({"status": null}));
    claims.patch_status("job", &kube::api::PatchParams::default(), &nothing).await.unwrap();
    laws.until(&mut lab, "it says so again", |lab| is_bound(lab, "job")).await;

    assert_eq!(listed(&lab, "job"), before);
    assert_eq!(having(&lab, "job").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_no_node_can_be_made_the_pool_says_why_and_hands_out_what_becomes_ready() {
    let lab = lab_with(2, 8).await;
    lab.cloud.change(|settings| settings.guest_boot = Duration::from_mins(2));
    claim(&lab, "gang", json!({"count": 3}));
    lab.until("one more is being made", 30, |lab| names(lab).len() == 3).await;
    lab.cluster.faults().inject(
        1000,
        |call| call.verb == Verb::Create && call.resource == "testnodes",
        Fault::Refuse(403),
    );
    claim(&lab, "other", json!({"count": 4}));

    lab.until("the pool says so", 30, |lab| {
        lab.condition("testnodepools", "default", "smithi", "Filled").1 == "KubernetesAPI"
    })
    .await;
    lab.until("the third is Ready", 200, |lab| names(lab).iter().all(|name| lab.is_ready(name))).await;
    lab.until("the first claim has all three", 5, |lab| is_bound(lab, "gang")).await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_goes_while_nobody_watches_frees_its_nodes_after_a_minute() {
    let lab = lab_with(1, 2).await;
    claim(&lab, "job", json!({}));
    lab.until("it has one", 5, |lab| is_bound(lab, "job")).await;
    let node = listed(&lab, "job").remove(0);
    let uid = lab.the(&node)["metadata"]["uid"].clone();
    sleep(Duration::from_secs(5)).await;

    // The nodes are listed again while the claim still seems to be there.
    let lists = |call: &devcluster::Call| call.verb == Verb::List && call.resource == "testnodeclaims";
    lab.cluster.faults().inject(3, lists, Fault::Refuse(500));
    lab.cluster.faults().drop_watches();
    sleep(Duration::from_millis(10)).await;
    delete(&lab, "testnodeclaims", "job");
    lab.cluster.simulated().compact();

    lab.until("its node goes", 75, |lab| lab.the(&node)["metadata"]["uid"] != uid).await;
}
