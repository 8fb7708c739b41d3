//! DNS through nsupdate-web, when it is away, silent, wrong, or somebody else's.

use std::net::IpAddr;
use std::time::Duration;

use devcloud::{Backend, Call, Effect, Fault, ServerFate, Service, Settings};
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{Lab, PARK, quick, two_volumes};

const NAME: &str = "smithi001.front.example.test";

fn says_what_it_should(lab: &Lab) -> bool {
    let address: Option<IpAddr> =
        lab.the("smithi001")["status"]["accessIP"].as_str().and_then(|address| address.parse().ok());
    address.is_some_and(|address| lab.cloud.record(NAME).iter().eq([&address]))
}

#[tokio::test(start_paused = true)]
async fn a_node_waits_for_its_name_while_nsupdate_web_is_away() {
    for backend in [Backend::Down, Backend::Silent, Backend::BadKey] {
        let lab = Lab::new(quick()).await;
        lab.cloud.change(|settings| settings.nsupdate_backend = backend);

        lab.node("smithi001", two_volumes());
        let message = lab.told("smithi001", "Ready", "DNSUpdateFailed", 60).await;
        println!("{backend:?}: {message}");
        sleep(Duration::from_mins(10)).await;
        assert_eq!(lab.cloud.all_servers().len(), 1, "DNS ends no attempt");
        lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Up);

        lab.ready("smithi001", 90).await;
        assert!(says_what_it_should(&lab), "{backend:?}\n{}", lab.story());
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_cannot_be_withdrawn_keeps_its_address_and_nothing_else() {
    for backend in [Backend::Down, Backend::Silent] {
        let lab = Lab::new(quick()).await;
        lab.node("smithi001", two_volumes());
        lab.ready("smithi001", 30).await;
        lab.cloud.change(|settings| settings.nsupdate_backend = backend);

        lab.delete("smithi001");
        sleep(Duration::from_mins(5)).await;
        let left = (lab.cloud.servers().len(), lab.cloud.volumes().len(), lab.cloud.ports().len());
        assert_eq!(left, (0, 0, 1), "{backend:?}\n{}", lab.story());
        lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Up);

        lab.gone("smithi001", 90).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_set_again_while_dns_is_away_does_not_outlive_its_node() {
    let lab = Lab::new(quick()).await;
    let fails = ServerFate { fault: Some("No valid host was found.".into()), ..ServerFate::default() };
    lab.cloud.plan_servers(regex::Regex::new("").unwrap(), 3, fails);
    lab.node("smithi001", two_volumes());
    lab.told("smithi001", "Stalled", "NoValidHost", 120).await;
    sleep(Duration::from_mins(1)).await;
    let withdrawn = lab.the("smithi001")["status"]["dns"]["withdrawn"][0].clone();

    // By an operator that has lost its lease and does not know it.
    lab.cloud.set_record(NAME, [withdrawn.as_str().unwrap().parse().unwrap()]);
    lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Down);
    lab.delete("smithi001");
    let message = lab.told("smithi001", "Ready", "DNSUpdateFailed", 60).await;
    println!("{message}");
    sleep(Duration::from_mins(5)).await;
    assert!(!lab.the("smithi001").is_null());
    lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Up);

    lab.gone("smithi001", 90).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_name_set_on_a_silent_server_does_not_outlive_its_node() {
    let lab = Lab::new(quick()).await;
    lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Silent);
    lab.node("smithi001", two_volumes());
    lab.told("smithi001", "Ready", "DNSUpdateFailed", 60).await;

    lab.delete("smithi001");
    sleep(Duration::from_mins(2)).await;
    lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Up);

    lab.gone("smithi001", 90).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_no_change_that_is_wrong_is_not_believed() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    // nsupdate-web still remembers the park address; the zone was restored from an old copy.
    lab.cloud.set_record(NAME, []);
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    assert!(says_what_it_should(&lab));

    // And it remembers the right address, while the zone has lost it.
    lab.cloud.set_record(NAME, []);
    lab.until("the name is right again", 1300, says_what_it_should).await;
}

#[tokio::test(start_paused = true)]
async fn a_strangers_record_is_left_alone_until_it_goes() {
    let lab = Lab::new(quick()).await;
    let theirs: IpAddr = "203.0.113.7".parse().unwrap();
    lab.cloud.set_record(NAME, [theirs]);

    lab.node("smithi001", two_volumes());
    let message = lab.told("smithi001", "Ready", "DNSConflict", 60).await;
    lab.until("a person is told to look", 5, |lab| lab.warned("smithi001", "DNSConflict")).await;
    assert!(message.contains("203.0.113.7"), "{message}");
    sleep(Duration::from_mins(5)).await;
    assert!(lab.cloud.record(NAME).iter().eq([&theirs]));
    assert_eq!(lab.cloud.count(Service::NsupdateWeb, "GET /"), 0);
    lab.cloud.set_record(NAME, []);

    lab.ready("smithi001", 120).await;
    assert!(says_what_it_should(&lab));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_became_a_strangers_is_not_withdrawn() {
    let lab = Lab::new(quick()).await;
    let theirs: IpAddr = "203.0.113.7".parse().unwrap();
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    sleep(Duration::from_secs(20)).await;
    lab.cloud.set_record(NAME, [theirs]);

    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;

    assert!(lab.cloud.record(NAME).iter().eq([&theirs]));
    assert!(lab.cloud.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nsupdate_web_refuses_is_told_and_its_consent_heals() {
    let lab = Lab::new(Settings { allow_hosts: "smithi[0-9]+$".into(), ..quick() }).await;

    lab.node("stranger", json!({}));
    let message = lab.told("stranger", "DNSReady", "DNSUpdateFailed", 60).await;
    assert!(message.contains("stranger") && message.contains("allow_hosts"), "{message}");
    lab.cloud.change(|settings| settings.allow_hosts = "^[a-z0-9-]+$".into());

    lab.ready("stranger", 120).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_nodes_of_one_hostname_one_comes_and_the_other_when_it_is_gone() {
    let lab = Lab::new(quick()).await;
    lab.namespace("other");
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;

    lab.node_in("other", "rival", json!({"hostname": "smithi001"}));
    let rival = |lab: &Lab, kind: &str| lab.condition("testnodes", "other", "rival", kind);
    lab.until("the rival waits", 30, |lab| rival(lab, "Ready").1 == "NameConflict").await;
    let said = rival(&lab, "Ready").2;
    assert!(said.contains("of another namespace") && !said.contains("default/"), "{said}");
    sleep(Duration::from_mins(5)).await;
    assert_eq!(lab.cloud.servers().len(), 1);
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;

    let took = lab.until("the rival is Ready", 60, |lab| rival(lab, "Ready").0 == "True").await;
    println!("the name was taken up, and the node Ready, after {took:?}");
    assert!(took <= Duration::from_secs(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn two_nodes_of_one_hostname_at_once_make_one_machine() {
    let lab = Lab::new(quick()).await;
    lab.namespace("other");

    lab.node("smithi001", json!({}));
    lab.node_in("other", "rival", json!({"hostname": "smithi001"}));
    sleep(Duration::from_mins(1)).await;

    let rival = lab.condition("testnodes", "other", "rival", "Ready").0 == "True";
    assert!(lab.is_ready("smithi001") != rival, "{}", lab.story());
    assert_eq!(lab.cloud.servers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_nsupdate_web_is_no_reason_to_set_the_name_to_something_else() {
    let lab = Lab::new(quick()).await;
    lab.cloud.fault(Fault::new(Effect::lost_reply()).on(Service::NsupdateWeb, "").times(1)).unwrap();

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;

    assert!(says_what_it_should(&lab));
    let parked = lab.cloud.calls().into_iter().filter(|call| call.path.contains(PARK)).count();
    assert_eq!(parked, 0);
}

/// The most messages to DNS within one second.
fn busiest_second(lab: &Lab) -> usize {
    let calls = lab.cloud.calls();
    let dns = |call: &&Call| matches!(call.service, Service::NsupdateWeb | Service::Dns);
    let at: Vec<_> = calls.iter().filter(dns).map(|call| call.at).collect();
    let within = |from| at.iter().filter(|at| (from..from + Duration::from_secs(1)).contains(*at)).count();
    at.iter().map(|from| within(*from)).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn however_many_nodes_come_or_go_at_once_a_zone_is_asked_at_its_pace() {
    let lab = Lab::new(Settings { server_build: Duration::from_secs(1), ..quick() }).await;
    lab.edit("clouds", "", "lab", |spec| {
        spec["rate"] = json!({"requestsPerSecond": 1000, "burst": 1000, "concurrentCreates": 60});
        spec["dns"]["messagesPerSecond"] = 20.into();
    });
    sleep(Duration::from_secs(1)).await;
    let names: Vec<String> = (0..60).map(|n| format!("smithi{n:03}")).collect();
    for name in &names {
        lab.node(name, json!({}));
    }
    lab.until("all are Ready", 300, |lab| names.iter().all(|name| lab.is_ready(name))).await;
    assert!(busiest_second(&lab) <= 22, "{} messages to make them", busiest_second(&lab));

    lab.cloud.forget_calls();
    for name in &names {
        lab.delete(name);
    }
    for name in &names {
        lab.gone(name, 300).await;
    }
    assert!(busiest_second(&lab) <= 22, "{} messages to delete them", busiest_second(&lab));
    let asked = lab.cloud.calls().iter().filter(|call| call.service == Service::Dns).count();
    println!("{asked} questions for 60 deletions");
    lab.assert_clean();
}
