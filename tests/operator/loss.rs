//! What becomes of a node that is Ready when somebody else takes things away.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};

async fn ready() -> Lab {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    sleep(Duration::from_mins(3)).await;
    lab
}

async fn told(lab: &Lab, reason: &str, within: u64) {
    let began = tokio::time::Instant::now();
    lab.told("smithi001", "Stalled", reason, within).await;
    println!("{reason} told after {:?}", began.elapsed());
    assert_eq!(lab.says("smithi001", "Ready").0, "False");
    let made = lab.cloud.all_servers().len();
    sleep(Duration::from_mins(30)).await;
    assert_eq!(lab.cloud.all_servers().len(), made, "it was replaced behind the tester's back");
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_lost_server_is_told_within_a_poll() {
    let lab = ready().await;

    lab.cloud.remove_server(&lab.cloud.servers()[0].id);

    told(&lab, "ServerLost", 31).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_in_error_is_told_within_a_poll() {
    let lab = ready().await;

    lab.cloud.break_server(&lab.cloud.servers()[0].id, "the host is on fire");

    told(&lab, "ServerError", 31).await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_server_is_told_within_a_poll() {
    let lab = ready().await;

    lab.cloud.stop_server(&lab.cloud.servers()[0].id);

    told(&lab, "ServerStopped", 31).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_volume_is_told_within_a_poll() {
    let lab = ready().await;

    lab.cloud.remove_volume(&lab.cloud.volumes()[1].id);

    told(&lab, "VolumeLost", 121).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_port_is_told_within_a_poll() {
    let lab = ready().await;

    lab.cloud.remove_port(&lab.cloud.ports()[0].id);

    told(&lab, "PortLost", 121).await;
}

#[tokio::test(start_paused = true)]
async fn a_port_unbound_under_a_server_is_told_after_two_looks() {
    let lab = ready().await;

    lab.cloud.unbind_port(&lab.cloud.ports()[0].id);

    told(&lab, "PortLost", 241).await;
}

#[tokio::test(start_paused = true)]
async fn a_wiped_status_does_not_kill_an_active_server() {
    let lab = ready().await;
    let server = lab.cloud.servers()[0].id.clone();

    lab.wipe_status("smithi001").await;
    lab.ready("smithi001", 60).await;
    sleep(Duration::from_mins(30)).await;

    assert_eq!(lab.cloud.all_servers().into_iter().map(|s| s.id).collect::<Vec<_>>(), [server]);
    assert!(lab.is_ready("smithi001"));
    assert_eq!(lab.the("smithi001")["status"]["fqdn"], "smithi001.front.example.test");
    lab.delete("smithi001");
    lab.gone("smithi001", 200).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_status_wiped_while_the_operator_is_away_does_not_kill_an_active_server() {
    let mut lab = ready().await;
    let server = lab.cloud.servers()[0].id.clone();

    lab.kill();
    lab.wipe_status("smithi001").await;
    lab.start();
    lab.ready("smithi001", 120).await;
    sleep(Duration::from_mins(5)).await;

    assert_eq!(lab.cloud.all_servers().into_iter().map(|s| s.id).collect::<Vec<_>>(), [server]);
    lab.delete("smithi001");
    lab.gone("smithi001", 300).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_status_wiped_on_the_way_up_leaves_one_machine() {
    for after in [200, 700, 1500, 2400] {
        let lab = Lab::new(quick()).await;
        lab.node("smithi001", two_volumes());
        sleep(Duration::from_millis(after)).await;

        lab.wipe_status("smithi001").await;
        lab.ready("smithi001", 400).await;
        sleep(Duration::from_mins(3)).await;

        let things = (lab.cloud.servers().len(), lab.cloud.volumes().len(), lab.cloud.ports().len());
        assert_eq!(things, (1, 2, 1), "wiped after {after} ms\n{}", lab.story());
        lab.delete("smithi001");
        lab.gone("smithi001", 300).await;
        lab.assert_clean();
    }
}

fn told_of(lab: &Lab) -> String {
    serde_json::to_string_pretty(&lab.the("smithi001")["status"]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_restart_changes_nothing_of_a_node_at_rest() {
    let mut lab = ready().await;
    let before = told_of(&lab);
    lab.forget_calls();

    lab.start();
    sleep(Duration::from_mins(10)).await;

    let after = told_of(&lab);
    assert!(after == before, "{before}\n{after}");
    let changes: Vec<Value> = lab
        .cloud
        .calls()
        .into_iter()
        .filter(|call| call.method != "GET" && call.method != "QUERY" && call.template != "POST /auth/tokens")
        .map(|call| json!(call.template))
        .collect();
    assert!(changes.is_empty(), "{changes:?}");
}
