//! An API server that is away, contradicts, or forgets; and namespaces that go.

use std::time::Duration;

use devcluster::{Fault, Outage};
use serde_json::{Value, json};
use testnode_operator::api::crd;
use tokio::time::sleep;

use crate::harness::{Lab, Manner, SYSTEM, quick, two_volumes};

#[tokio::test(start_paused = true)]
async fn an_outage_at_any_moment_of_a_life_leaves_one_server_and_then_nothing() {
    for kind in [Outage::Unavailable, Outage::Silent] {
        for (after, lasting) in [(0, 5), (300, 5), (600, 5), (1500, 40), (2600, 5), (300, 40)] {
            let mut lab = Lab::new(quick()).await;
            let what = format!("{kind:?} after {after} ms for {lasting} s");
            lab.node("smithi001", two_volumes());
            sleep(Duration::from_millis(after)).await;

            lab.cluster.faults().outage(Duration::from_secs(lasting), kind);
            lab.in_the_end(&what, 400, |lab| lab.is_ready("smithi001")).await;
            assert_eq!(lab.cloud.servers().len(), 1, "{what}");
            lab.delete("smithi001");
            sleep(Duration::from_millis(after)).await;
            lab.cluster.faults().outage(Duration::from_secs(lasting), kind);
            lab.in_the_end(&what, 400, |lab| lab.the("smithi001").is_null()).await;

            lab.assert_clean();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn conflicts_cost_time_and_nothing_else() {
    for times in [1, 3, 6] {
        let lab = Lab::new(quick()).await;
        lab.cluster.faults().conflict(times, "testnodes");

        lab.node("smithi001", two_volumes());
        lab.ready("smithi001", 60).await;
        lab.cluster.faults().conflict(times, "testnodes");
        lab.delete("smithi001");
        lab.gone("smithi001", 60).await;

        assert_eq!(lab.cloud.all_servers().len(), 1);
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn each_write_may_get_lost_or_lose_its_reply() {
    for fault in [Fault::LoseReply, Fault::FailReply, Fault::Refuse(500), Fault::Hang] {
        for skipped in 0..8 {
            let lab = Lab::new(quick()).await;
            let mut seen = 0;
            let when = move |call: &devcluster::Call| {
                let write = call.verb.writes() && call.resource == "testnodes";
                seen += usize::from(write);
                write && seen == skipped + 1
            };
            let when = std::sync::Mutex::new(when);
            lab.cluster.faults().inject(1, move |call| (when.lock().unwrap())(call), fault);

            lab.node("smithi001", two_volumes());
            lab.ready("smithi001", 600).await;
            lab.delete("smithi001");
            lab.gone("smithi001", 600).await;

            assert_eq!(lab.cloud.all_servers().len(), 1, "{fault:?} at write {skipped}");
            lab.assert_clean();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn watches_that_break_or_are_too_old_cost_little() {
    let lab = Lab::new(quick()).await;
    for round in 0..6 {
        let name = format!("smithi{round:03}");
        lab.cluster.faults().expire_watches(round % 3);
        lab.cluster.faults().drop_watches();
        lab.node(&name, two_volumes());
        sleep(Duration::from_millis(700)).await;
        lab.cluster.simulated().compact();
        lab.cluster.faults().drop_watches();
        lab.ready(&name, 60).await;
        lab.cluster.faults().drop_watches();
        lab.delete(&name);
        lab.gone(&name, 60).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_goes_with_the_nodes_in_it() {
    for after in [200, 700, 1500, 5000] {
        let lab = Lab::new(quick()).await;
        lab.namespace("suite");
        lab.node_in("suite", "smithi001", two_volumes());
        lab.node_in("suite", "smithi002", json!({}));
        sleep(Duration::from_millis(after)).await;

        lab.cluster.delete(&lab.cluster.get("namespaces", "", "suite").unwrap()).unwrap();

        lab.until("the namespace is gone", 60, |lab| lab.cluster.get("namespaces", "", "suite").is_none())
            .await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn who_keeps_taking_a_finalizer_away_is_not_raced_with() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    let before = lab.kubernetes_writes("smithi001");

    for _ in 0..1000 {
        let mut node = lab.the("smithi001");
        if node["metadata"]["finalizers"] != json!([]) {
            node["metadata"]["finalizers"] = json!([]);
            lab.apply(node);
        }
        sleep(Duration::from_millis(10)).await;
    }
    let writes = lab.kubernetes_writes("smithi001") - before;
    println!("{writes} writes in 10 s");
    assert!((5..=12).contains(&writes), "{writes}");
    lab.until("it is held again", 5, |lab| {
        lab.the("smithi001")["metadata"]["finalizers"] == json!(["cloud.testnode.dev/lab"])
    })
    .await;
}

/// As an admission webhook does that cleans objects.
#[tokio::test(start_paused = true)]
async fn what_is_undone_each_time_is_done_less_and_less_often_and_a_person_is_told() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    let mut writes = Vec::new();

    for _minute in 0..5 {
        let before = lab.kubernetes_writes("smithi001");
        for _ in 0..600 {
            let mut node = lab.the("smithi001");
            node["metadata"]["finalizers"] = json!([]);
            lab.apply(node);
            sleep(Duration::from_millis(100)).await;
        }
        writes.push(lab.kubernetes_writes("smithi001") - before);
    }

    println!("{writes:?} writes a minute");
    assert!(writes[0] <= 15 && writes[4] <= 2, "{writes:?}");
    assert!(lab.warned("smithi001", "KubernetesAPI"));
}

#[tokio::test(start_paused = true)]
async fn a_cloud_and_its_secret_stay_while_a_node_needs_them() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    let get = |lab: &Lab, resource: &str, namespace: &str| lab.cluster.get(resource, namespace, "lab");

    lab.cluster.delete(&get(&lab, "secrets", "testnode-system").unwrap()).unwrap();
    lab.cluster.delete(&get(&lab, "clouds", "").unwrap()).unwrap();
    lab.cluster.delete(&get(&lab, "machinetypes", "").unwrap()).unwrap();
    sleep(Duration::from_mins(5)).await;
    assert!(get(&lab, "secrets", "testnode-system").is_some() && get(&lab, "clouds", "").is_some());
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;

    lab.assert_clean();
    lab.until("cloud and secret are gone", 120, |lab| {
        get(lab, "secrets", "testnode-system").is_none() && get(lab, "clouds", "").is_none()
    })
    .await;
}

fn without_finalizers(lab: &Lab, resource: &str, namespace: &str, name: &str) {
    let mut object = lab.cluster.get(resource, namespace, name).unwrap();
    object["metadata"]["finalizers"] = json!([]);
    lab.apply(object);
}

fn held_by(lab: &Lab, secret: &str) -> Value {
    lab.cluster.get("secrets", SYSTEM, secret).unwrap()["metadata"]["finalizers"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_secret_whose_cloud_went_without_us_is_held_only_while_a_node_waits_for_the_cloud() {
    let mut lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    assert_eq!(held_by(&lab, "lab"), json!(["cloud.testnode.dev/lab"]));
    lab.kill();
    let cloud = lab.cluster.get("clouds", "", "lab").unwrap();
    lab.cluster.delete(&cloud).unwrap();
    without_finalizers(&lab, "clouds", "", "lab");

    lab.start();
    sleep(Duration::from_mins(5)).await;
    assert_eq!(held_by(&lab, "lab"), json!(["cloud.testnode.dev/lab"]), "a node has its machine there");
    lab.delete("smithi001");
    without_finalizers(&lab, "testnodes", "default", "smithi001");

    lab.until("nothing holds the Secret", 120, |lab| held_by(lab, "lab").is_null()).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_a_cloud_no_longer_reads_is_released() {
    let lab = Lab::new(quick()).await;
    lab.credentials("other", &Lab::clouds_yaml("lab", &lab.cloud));

    lab.edit("clouds", "", "lab", |spec| spec["openstack"]["secretRef"]["name"] = "other".into());

    lab.until("the old Secret is released", 120, |lab| held_by(lab, "lab").is_null()).await;
    assert_eq!(held_by(&lab, "other"), json!(["cloud.testnode.dev/lab"]));
}

/// A newer release was here, and was rolled back: its words stay in objects.
#[tokio::test(start_paused = true)]
async fn an_object_that_this_version_cannot_read_breaks_the_watch_of_no_other_and_is_left_alone() {
    let mut lab = Lab::new(quick()).await;
    lab.node("newer", json!({}));
    lab.ready("newer", 30).await;
    let nodes = crd::all().into_iter().find(|crd| crd.spec.names.kind == "TestNode").unwrap();
    let newer = serde_json::to_string(&nodes)
        .unwrap()
        .replace("\"enum\":[\"console\",", "\"enum\":[\"telepathy\",\"console\",");
    assert!(newer.contains("telepathy"));
    lab.cluster.simulated().install(serde_json::from_str(&newer).unwrap()).unwrap();

    lab.edit("testnodes", "default", "newer", |spec| spec["readiness"] = json!([{"type": "telepathy"}]));
    for restarts in [false, true] {
        if restarts {
            lab.start();
        }
        lab.node("smithi001", json!({}));
        lab.ready("smithi001", 60).await;
        sleep(Duration::from_mins(10)).await;
        lab.delete("smithi001");
        lab.gone("smithi001", 60).await;
        assert_eq!(lab.cloud.servers().len(), 1, "{}", lab.story());
    }

    lab.edit("testnodes", "default", "newer", |spec| spec["readiness"] = json!([{"type": "console"}]));
    lab.delete("newer");
    lab.gone("newer", 120).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_is_told_to_stop_before_its_first_lists_came_ends_at_once() {
    let mut lab = Lab::idle(quick());
    let pools = |call: &devcluster::Call| call.resource == "testnodepools";
    lab.cluster.faults().inject(usize::MAX, pools, Fault::Hang);

    lab.start_with(&Manner { stops_after: Some(Duration::from_secs(5)), ..Manner::default() });
    sleep(Duration::from_secs(4)).await;
    assert!(!lab.operator().has_ended());

    sleep(Duration::from_secs(3)).await;
    assert!(lab.operator().has_ended());
}

#[tokio::test(start_paused = true)]
async fn what_memory_leaves_out_stays_in_the_object_through_its_life() {
    let lab = Lab::new(quick()).await;
    let mut metadata = json!({
        "name": "smithi001", "namespace": "default",
        "labels": {"team": "rados"},
        "annotations": {"notes.example/why": "because", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "finalizers": ["other.example/hold"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "run", "uid": "u", "controller": false}],
    });
    lab.cluster.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "run", "namespace": "default"}})).unwrap();
    let owner = lab.cluster.get("configmaps", "default", "run").unwrap();
    metadata["ownerReferences"][0]["uid"] = owner["metadata"]["uid"].clone();
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNode", "metadata": metadata, "spec": {"machineType": "lab"},
    }));

    lab.ready("smithi001", 30).await;
    lab.delete("smithi001");
    lab.until("nothing is left", 120, |lab| lab.cloud.is_empty()).await;
    sleep(Duration::from_secs(30)).await;

    let after = lab.the("smithi001")["metadata"].clone();
    for field in ["labels", "annotations", "ownerReferences", "finalizers"] {
        assert_eq!(after[field], metadata[field], "{field}");
    }
}

/// A lab in which the API server refuses writes of these for a while, as a policy of the cluster does.
fn refusing(resource: &'static str) -> Lab {
    let mut lab = Lab::idle(quick());
    let write = move |call: &devcluster::Call| {
        call.verb.writes() && call.resource == resource && call.subresource.is_empty()
    };
    lab.cluster.faults().inject(1_000, write, Fault::Refuse(403));
    lab.start();
    lab
}

fn ready(lab: &Lab) -> (String, String, String) {
    lab.condition("clouds", "", "lab", "Ready")
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_may_not_be_written_says_so_in_the_words_of_the_api_server() {
    let lab = refusing("clouds");

    lab.until("it is told", 30, |lab| ready(lab).1 == "KubernetesAPI").await;
    assert!(ready(&lab).2.contains("403"), "{:?}", ready(&lab));

    lab.cluster.faults().clear();
    lab.until("it goes on", 30, |lab| ready(lab).0 == "True").await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_may_not_be_held_is_told_and_keystone_is_not_asked_without_end() {
    let lab = refusing("secrets");

    lab.until("it is told", 30, |lab| ready(lab).1 == "KubernetesAPI").await;
    assert!(ready(&lab).2.contains("Secret testnode-system/lab"), "{:?}", ready(&lab));
    sleep(Duration::from_mins(2)).await;
    let logins: usize =
        lab.tally().iter().filter(|(call, _)| call.contains("POST /auth")).map(|(_, n)| n).sum();
    assert!((1..=6).contains(&logins), "{:?}", lab.tally());

    lab.cluster.faults().clear();
    lab.until("it goes on", 60, |lab| ready(lab).0 == "True").await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_may_not_be_written_is_what_readyz_waits_for_in_the_words_of_the_api_server() {
    let lab = refusing("leases");

    let why = |lab: &Lab| {
        lab.operator().health.missing().iter().any(|what| what.contains("Lease") && what.contains("403"))
    };
    lab.until("it says why", 30, why).await;
}
