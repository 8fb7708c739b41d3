//! What a node's life costs: cloud calls and writes to Kubernetes.

use std::time::Duration;

use devcloud::{Effect, Service, Settings};
use devcluster::{Fault, Verb};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, machine_type, quick, two_volumes};

/// From apply to gone: cloud calls and Kubernetes writes.
async fn life(lab: &Lab, name: &str) -> (usize, usize) {
    lab.node(name, two_volumes());
    lab.ready(name, 30).await;
    lab.delete(name);
    lab.gone(name, 30).await;
    lab.assert_clean();
    (lab.cloud_calls(), lab.kubernetes_writes(name))
}

#[tokio::test(start_paused = true)]
async fn a_first_life_costs_at_most_24_calls_and_a_later_one_14() {
    let mut lab = Lab::idle(quick());
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": "lab"},
        "spec": machine_type(&["lab"]),
    }));
    lab.start();

    for (name, limit) in [("first", 24), ("later", 14)] {
        let (calls, writes) = life(&lab, name).await;
        println!("{name}: {calls} cloud calls, {writes} Kubernetes writes");
        assert!(calls <= limit, "{calls}\n{}", lab.story());
        assert!(writes <= 12, "{writes}: {:#?}", lab.writes(name));
        lab.forget_calls();
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_forty_at_once_costs_at_most_10_calls() {
    let lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["rate"] = generous());
    lab.node("before", two_volumes());
    lab.ready("before", 30).await;
    lab.forget_calls();
    let names: Vec<String> = (0..40).map(|n| format!("smithi{n:03}")).collect();

    for name in &names {
        lab.node(name, two_volumes());
    }
    let all_ready = |lab: &Lab| names.iter().all(|name| lab.is_ready(name));
    let up = lab.until("all are Ready", 120, all_ready).await;
    let coming = lab.cloud_calls();
    for name in &names {
        lab.delete(name);
    }
    let all_gone = |lab: &Lab| names.iter().all(|name| lab.the(name).is_null());
    let down = lab.until("all are gone", 120, all_gone).await;

    let (calls, writes) = (lab.cloud_calls(), lab.kubernetes_writes(&names[7]));
    println!(
        "forty up in {up:?} ({coming} calls) and down in {down:?}: {calls} calls, {writes} writes for one"
    );
    println!("{:?}", lab.tally());
    assert!(calls <= 40 * 82 / 10, "{calls}");
    assert!(names.iter().all(|name| lab.kubernetes_writes(name) <= 8), "{:#?}", lab.writes(&names[7]));
}

/// The server is looked at after 0.5, 1, 2 and 4 s, and its volumes a moment after it is gone, but not before 1 s.
#[tokio::test(start_paused = true)]
async fn a_node_is_gone_soon_after_its_server() {
    for (takes, seen, looks) in [(400, 1_000, 1), (900, 1_250, 2), (1_500, 2_250, 3), (3_500, 4_250, 4)] {
        let [server_delete, volume_delete] = [takes, 100].map(Duration::from_millis);
        let lab = Lab::new(Settings { server_delete, volume_delete, ..quick() }).await;
        lab.node("smithi001", two_volumes());
        lab.ready("smithi001", 30).await;
        lab.forget_calls();

        lab.delete("smithi001");
        let gone = lab.gone("smithi001", 30).await;

        assert!(gone < Duration::from_millis(seen + 200), "{gone:?}, {takes} ms: {}", lab.story());
        let count = |template| lab.cloud.count(Service::Nova, template);
        assert_eq!((count("GET /servers/{id}"), count("GET /servers/detail")), (looks, 0), "{takes} ms");
        // What was waited for is not listed later either.
        sleep(Duration::from_secs(20)).await;
        assert_eq!((lab.cloud_calls(), count("GET /servers/detail")), (looks + 3, 0), "{}", lab.story());
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_that_go_one_question_tells_which_are_gone_and_where_it_is_refused_each_asks() {
    for refused in [false, true] {
        let lab = Lab::new(quick()).await;
        lab.edit("clouds", "", "lab", |spec| spec["rate"] = generous());
        let names: Vec<String> = (0..20).map(|n| format!("smithi{n:03}")).collect();
        for name in &names {
            lab.node(name, json!({}));
        }
        lab.until("all are Ready", 120, |lab| names.iter().all(|name| lab.is_ready(name))).await;
        if refused {
            let refusal = devcloud::Fault::new(Effect::refuse(403)).on(Service::Nova, "changes-since");
            lab.cloud.fault(refusal).unwrap();
        }
        lab.forget_calls();

        for name in &names {
            lab.delete(name);
        }
        lab.until("all are gone", 120, |lab| names.iter().all(|name| lab.the(name).is_null())).await;

        let asked = lab.cloud.count(Service::Nova, "GET /servers/{id}");
        assert!(if refused { asked >= 20 } else { asked <= 5 }, "{asked}: {:?}", lab.tally());
        lab.assert_clean();
    }
}

/// With the rate as it is by default most of them wait for their turn, for a minute and more, in a cloud that takes its time.
#[tokio::test(start_paused = true)]
async fn each_of_forty_that_wait_for_their_turn_is_written_at_most_12_times() {
    let lab = Lab::new(Settings {
        api_latency: Duration::from_millis(400),
        server_build: Duration::from_secs(15),
        volume_create: Duration::from_secs(4),
        server_delete: Duration::from_secs(6),
        ..quick()
    })
    .await;
    let names: Vec<String> = (0..40).map(|n| format!("smithi{n:03}")).collect();

    for name in &names {
        lab.node(name, two_volumes());
    }
    let up = lab.until("all are Ready", 200, |lab| names.iter().all(|name| lab.is_ready(name))).await;
    for name in &names {
        lab.delete(name);
    }
    lab.until("all are gone", 200, |lab| names.iter().all(|name| lab.the(name).is_null())).await;

    let most = names.iter().max_by_key(|name| lab.kubernetes_writes(name)).unwrap();
    println!("forty up in {up:?}, {} writes for one", lab.kubernetes_writes(most));
    assert!(up > Duration::from_secs(45), "{up:?}: nobody waited for long");
    assert!(lab.kubernetes_writes(most) <= 12, "{:#?}", lab.writes(most));
}

/// The watch brings the end of an object late on a busy API server.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_the_last_finalizer_is_removed() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;

    lab.delete("smithi001");
    sleep(Duration::from_millis(100)).await;
    let watches = |call: &devcluster::Call| call.verb == Verb::Watch && call.resource == "testnodes";
    lab.cluster.faults().inject(usize::MAX, watches, Fault::Delay(Duration::from_secs(20)));
    lab.cluster.faults().drop_watches();
    lab.gone("smithi001", 30).await;
    sleep(Duration::from_secs(30)).await;

    let codes: Vec<u16> = lab.writes("smithi001").iter().map(|written| written.code).collect();
    assert!(codes.iter().all(|code| *code == 200), "{codes:?}");
}

fn generous() -> Value {
    json!({"requestsPerSecond": 1000, "burst": 1000, "concurrentCreates": 40})
}

#[tokio::test(start_paused = true)]
async fn at_rest_a_cloud_is_asked_4_times_a_minute() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    sleep(Duration::from_mins(2)).await;
    lab.forget_calls();
    let written = lab.kubernetes_writes("smithi001");

    sleep(Duration::from_mins(30)).await;

    let calls = lab.cloud_calls();
    println!("{calls} calls in 30 minutes at rest: {:?}", lab.tally());
    assert!(calls <= 4 * 30, "{calls}: {:?}", lab.tally());
    assert_eq!(lab.kubernetes_writes("smithi001"), written);
}

#[tokio::test(start_paused = true)]
async fn a_cloud_without_nodes_is_hardly_asked() {
    let lab = Lab::new(quick()).await;
    sleep(Duration::from_mins(2)).await;
    lab.forget_calls();

    sleep(Duration::from_mins(30)).await;

    println!("{:?}", lab.tally());
    assert!(lab.cloud_calls() <= 4 * 30, "{:?}", lab.tally());
}
