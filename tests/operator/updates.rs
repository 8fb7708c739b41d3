//! Names by signed updates of the zone's own server (RFC 2136).

use std::net::IpAddr;
use std::time::Duration;

use devcloud::{Backend, Effect, Fault, Service, When};
use hickory_proto::rr::{Name, RData, rdata};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, is_ours, quick, two_volumes};

const NAME: &str = "smithi001.front.example.test";

/// A lab whose names are changed by updates.
pub async fn lab() -> Lab {
    let lab = Lab::new(quick()).await;
    lab.name_by_updates();
    lab.until("the key may change names", 60, |lab| right(lab).1 == "Granted").await;
    lab
}

fn right(lab: &Lab) -> (String, String, String) {
    lab.condition("clouds", "", "lab", "DNSReady")
}

fn address(lab: &Lab, name: &str) -> Option<IpAddr> {
    lab.the(name)["status"]["accessIP"].as_str()?.parse().ok()
}

fn says_what_it_should(lab: &Lab) -> bool {
    address(lab, "smithi001").is_some_and(|address| lab.cloud.record(NAME).iter().eq([&address]))
}

fn updates(lab: &Lab) -> usize {
    lab.cloud.count(Service::Dns, "UPDATE front.example.test.")
}

fn texts(lab: &Lab) -> Vec<String> {
    let all = lab.cloud.other_records().into_iter().filter(|(name, _)| name == NAME);
    all.flat_map(|(_, others)| others).map(|data| data.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_name_comes_with_its_node_and_its_mark_and_is_deleted_with_it() {
    let lab = lab().await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;

    assert!(says_what_it_should(&lab), "{}", lab.story());
    let uid = lab.the("smithi001")["metadata"]["uid"].as_str().unwrap().to_owned();
    let texts = texts(&lab);
    assert!(texts.len() == 1 && texts[0].contains(&format!("testnode-uid={uid} ")), "{texts:?}");
    assert!(texts[0].contains("testnode-node=default/smithi001"), "{texts:?}");
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;

    assert!(lab.cloud.records().is_empty() && lab.cloud.other_records().is_empty(), "{}", lab.story());
    assert_eq!(updates(&lab), 3, "to probe, to publish and to withdraw");
}

#[tokio::test(start_paused = true)]
async fn updates_cost_no_more_messages_than_nsupdate_web() {
    let mut costs = Vec::new();
    for by_updates in [false, true] {
        let lab = Lab::new(quick()).await;
        if by_updates {
            lab.name_by_updates();
            lab.edit("clouds", "", "lab", |spec| spec["dns"]["rfc2136"]["reverseZones"] = json!([]));
            lab.until("the key may change names", 60, |lab| right(lab).1 == "Granted").await;
        }
        lab.forget_calls();
        lab.node("smithi001", json!({}));
        lab.ready("smithi001", 30).await;
        lab.delete("smithi001");
        lab.gone("smithi001", 30).await;
        let names = |call: &devcloud::Call| matches!(call.service, Service::Dns | Service::NsupdateWeb);
        costs.push(lab.cloud.calls().iter().filter(|call| names(call)).count());
    }

    println!("messages for a name: {} by nsupdate-web, {} by updates", costs[0], costs[1]);
    assert!(costs[1] <= costs[0], "{costs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_is_told_at_the_cloud_with_what_to_grant_and_the_grant_heals() {
    let lab = lab().await;
    for (change, word) in [
        (json!(["A", "AAAA"]), "zonesub TXT;"),
        (json!(["A", "TXT"]), "zonesub AAAA;"),
        (json!(["A", "AAAA", "TXT"]), "zonesub PTR;"),
        (json!([]), "zonesub A AAAA TXT;"),
    ] {
        let grants: Vec<String> = serde_json::from_value(change).unwrap();
        lab.cloud.change(|settings| settings.update_grants = grants);
        lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxNodes": word.len()}));
        let told = |lab: &Lab| right(lab).2.contains(word);
        lab.until(&format!("{word} is told"), 60, told).await;
        let (status, reason, message) = lab.condition("clouds", "", "lab", "Ready");
        assert!(status == "False" && reason == "DNSUnusable" && message.contains(word), "{message}");
    }
    lab.node("smithi001", json!({}));
    sleep(Duration::from_mins(2)).await;
    assert_eq!(lab.cloud.all_servers().len(), 0, "no machine is made that cannot have its name");
    let all = ["A", "AAAA", "TXT", "PTR"].map(Into::into);
    lab.cloud.change(|settings| settings.update_grants = all.into());

    lab.ready("smithi001", 120).await;
    assert_eq!(right(&lab).0, "True");
}

#[tokio::test(start_paused = true)]
async fn clocks_that_differ_are_told_with_both_times() {
    let lab = lab().await;
    lab.cloud.change(|settings| settings.dns_clock_ahead = 400);

    lab.node("smithi001", json!({}));
    let message = lab.told("smithi001", "DNSReady", "DNSUpdateFailed", 60).await;
    assert!(message.contains("BADTIME") && message.contains("set both clocks"), "{message}");
    lab.cloud.change(|settings| settings.dns_clock_ahead = 0);

    lab.ready("smithi001", 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_missing_or_wrong_is_told_and_a_right_one_heals() {
    let lab = lab().await;
    let secret = |data: Value| {
        lab.apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tsig", "namespace": "testnode-system"},
            "stringData": data,
        }));
    };
    for (data, word) in [
        (json!({"secret": "not base64!"}), "base64"),
        (json!({"secret": " "}), "must have the key secret"),
        (json!({"secret": "d3Jvbmc="}), "BADSIG"),
    ] {
        secret(data);
        let told = |lab: &Lab| lab.condition("clouds", "", "lab", "Ready").2.contains(word);
        lab.until(&format!("{word} is told"), 60, told).await;
        let message = lab.condition("clouds", "", "lab", "Ready").2;
        assert!(!message.contains("d3Jvbmc") && !message.contains("not base64"), "{message}");
    }

    secret(json!({"secret": lab.cloud.settings().tsig_secret}));
    lab.until("the key may change names", 60, |lab| right(lab).1 == "Granted").await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_no_reason_to_set_the_name_again() {
    for lost in [Effect::Hang { when: When::After }, Effect::Drop { when: When::After }] {
        let lab = lab().await;
        lab.cloud.fault(Fault::new(lost).on(Service::Dns, "UPDATE front").times(1)).unwrap();
        let before = updates(&lab);

        lab.node("smithi001", json!({}));
        lab.ready("smithi001", 60).await;

        assert!(says_what_it_should(&lab));
        assert_eq!(updates(&lab) - before, 1);
        lab.delete("smithi001");
        lab.gone("smithi001", 200).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_comes_long_after_the_name_was_withdrawn_does_not_outlive_the_node() {
    for by in [5, 20, 60] {
        let lab = lab().await;
        let late = Effect::Late { by: Duration::from_secs(by), status: None };
        lab.cloud.fault(Fault::new(late).on(Service::Dns, "UPDATE front").times(1)).unwrap();
        lab.node("smithi001", json!({}));
        lab.until("it was sent", 60, |lab| updates(lab) > 1).await;

        lab.delete("smithi001");
        lab.gone("smithi001", 300).await;
        sleep(Duration::from_mins(5)).await;

        println!("{by} s late");
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_or_away_gives_the_name_in_the_end() {
    for backend in [Backend::Down, Backend::Silent, Backend::BadKey] {
        let lab = lab().await;
        lab.cloud.change(|settings| settings.nsupdate_backend = backend);
        lab.node("smithi001", json!({}));
        let message = lab.told("smithi001", "DNSReady", "DNSUpdateFailed", 90).await;
        println!("{backend:?}: {message}");
        sleep(Duration::from_mins(5)).await;
        lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Up);

        lab.ready("smithi001", 120).await;
        assert!(says_what_it_should(&lab), "{backend:?}\n{}", lab.story());
        lab.delete("smithi001");
        lab.gone("smithi001", 300).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_of_anybody_else_is_left_alone() {
    let theirs = "testnode-cluster=other testnode-uid=u-9 testnode-node=rados/smithi001";
    let text = |words: &str| RData::TXT(rdata::TXT::new(vec![words.to_owned()]));
    let alias = RData::CNAME(rdata::CNAME(Name::from_ascii("www.example.test.").unwrap()));
    for (data, words) in [
        (text(theirs), "another TestNode (testnode-cluster=other testnode-uid=u-9)"),
        (text("v=spf1 -all"), "a TXT record"),
        (alias, "an alias (CNAME)"),
    ] {
        let lab = lab().await;
        let before = updates(&lab);
        lab.cloud.add_record(NAME, data);

        lab.node("smithi001", json!({}));
        let message = lab.told("smithi001", "Ready", "DNSConflict", 60).await;
        assert!(message.contains(words), "{message}");
        lab.delete("smithi001");
        lab.gone("smithi001", 60).await;

        assert_eq!((updates(&lab), lab.cloud.other_records().len()), (before, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_follows_nsupdate_web_takes_over_its_names() {
    let lab = Lab::new(quick()).await;
    for name in ["smithi001", "smithi002"] {
        lab.node(name, json!({}));
        lab.ready(name, 30).await;
    }
    lab.delete("smithi002");
    lab.gone("smithi002", 30).await;
    lab.name_by_updates();
    lab.until("the key may change names", 60, |lab| right(lab).1 == "Granted").await;

    // One is parked, and one points at a machine.
    lab.node("smithi002", json!({}));
    lab.ready("smithi002", 30).await;
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;
    assert!(lab.cloud.record(NAME).is_empty(), "{:?}", lab.cloud.records());
    lab.delete("smithi002");
    lab.gone("smithi002", 60).await;

    assert!(lab.cloud.records().is_empty(), "{:?}", lab.cloud.records());
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn the_name_of_an_orphan_is_deleted_before_its_server() {
    let mut lab = lab().await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    lab.kill();
    let mut node = lab.the("smithi001");
    node["metadata"]["finalizers"] = json!([]);
    lab.cluster.delete(&lab.apply(node)).unwrap();
    lab.start();
    lab.forget_calls();
    lab.edit("clouds", "", "lab", |spec| spec["orphans"] = json!({"mode": "Delete", "minAge": "1s"}));

    lab.until("all is gone", 900, |lab| lab.cloud.is_empty()).await;

    lab.assert_clean();
    let calls = lab.cloud.calls();
    let named = calls.iter().rposition(|call| call.template.starts_with("UPDATE front")).unwrap();
    let deleted = calls.iter().position(|call| call.method == "DELETE").unwrap();
    assert!(named < deleted, "{}", lab.story());
}

#[tokio::test(start_paused = true)]
async fn an_address_points_back_at_its_name_while_the_node_is_there() {
    let lab = lab().await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;

    let reverse = Name::from(address(&lab, "smithi001").unwrap()).to_string();
    let mut pointers = lab.cloud.other_records();
    pointers.retain(|(name, others)| reverse.trim_end_matches('.') == name && others.iter().any(is_ours));
    assert!(pointers.len() == 1 && pointers[0].1[0].to_string() == format!("{NAME}."), "{pointers:?}");
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;

    assert!(lab.cloud.other_records().is_empty());
}
