use std::sync::{Arc, Mutex};
use std::time::Duration;

use devcluster::{Fault, Outage, Verb};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::{PROBE, PROBES, cluster, get, merge, post, probe};

#[tokio::test(start_paused = true)]
async fn so_many_writes_conflict_and_then_no_more() {
    let cluster = cluster();
    cluster.faults().conflict(1, "probes");

    assert_eq!(post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await.0, 409);
    assert_eq!(post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await.0, 201);

    let codes: Vec<_> = cluster.faults().log().iter().map(|written| written.code).collect();
    assert_eq!(codes, [409, 201]);
    assert_eq!(cluster.faults().count(Verb::Create, "probes"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_took_effect() {
    let cluster = cluster();
    cluster.faults().inject(1, |call| call.verb == Verb::Create, Fault::LoseReply);

    let object = probe("p", &json!({"image": "a"}));
    let answer = timeout(Duration::from_mins(1), post(&cluster, PROBES, &object)).await;

    assert!(answer.is_err());
    assert_eq!(get(&cluster, PROBE).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_hung_write_took_none() {
    let cluster = cluster();
    cluster.faults().inject(1, |call| call.verb == Verb::Create, Fault::Hang);

    let object = probe("p", &json!({"image": "a"}));
    let answer = timeout(Duration::from_mins(1), post(&cluster, PROBES, &object)).await;

    assert!(answer.is_err());
    assert_eq!(get(&cluster, PROBE).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn an_outage_passes() {
    let cluster = cluster();
    let began = Instant::now();

    cluster.faults().outage(Duration::from_secs(30), Outage::Unavailable);
    assert_eq!(get(&cluster, PROBES).await.0, 503);
    cluster.faults().outage(Duration::from_secs(30), Outage::Silent);
    assert_eq!(get(&cluster, PROBES).await.0, 503);

    assert_eq!(began.elapsed(), Duration::from_secs(30));
    assert_eq!(get(&cluster, PROBES).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn slow_answers_take_as_long_as_told() {
    let cluster = cluster();
    let began = Instant::now();
    cluster.faults().slow(Duration::from_secs(3));

    get(&cluster, PROBES).await;

    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_every_call() {
    let cluster = cluster();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    cluster.faults().observe(move |call| notes.lock().unwrap().push((call.verb, call.subresource.clone())));

    post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;
    merge(&cluster, &format!("{PROBE}/status"), &json!({"status": {"phase": "x"}})).await;

    assert_eq!(*seen.lock().unwrap(), [(Verb::Create, String::new()), (Verb::Patch, "status".into())]);
}
