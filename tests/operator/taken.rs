//! Names that somebody else uses, and names that were parked under other rules.

use std::net::IpAddr;
use std::time::Duration;

use devcloud::Service;
use hickory_proto::rr::{Name, RData, rdata};
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{Lab, quick};

const NAME: &str = "smithi001.front.example.test";
const WILDCARD: &str = "*.front.example.test";

fn absolute(name: &str) -> Name {
    Name::from_ascii(name).unwrap()
}

fn points_at_its_machine(lab: &Lab) -> bool {
    let address = lab.the("smithi001")["status"]["accessIP"].as_str().and_then(|text| text.parse().ok());
    address.is_some_and(|address: IpAddr| lab.cloud.record(NAME).iter().eq([&address]))
}

#[tokio::test(start_paused = true)]
async fn a_record_of_any_type_at_the_name_is_left_alone_until_it_is_gone() {
    let mail = RData::MX(rdata::MX::new(10, absolute("mail.example.test.")));
    let text = RData::TXT(rdata::TXT::new(vec!["v=spf1 -all".into()]));
    let alias = RData::CNAME(rdata::CNAME(absolute("www.example.test.")));
    for (data, words) in [
        (mail, "a record of type MX"),
        (text, "a TXT record"),
        (alias, "an alias (CNAME) of www.example.test."),
    ] {
        let lab = Lab::new(quick()).await;
        lab.cloud.add_record(NAME, data);

        lab.node("smithi001", json!({}));
        let message = lab.told("smithi001", "Ready", "DNSConflict", 60).await;
        assert!(message.contains(words) && message.contains("remove that record"), "{message}");
        sleep(Duration::from_mins(2)).await;
        assert_eq!(lab.cloud.count(Service::NsupdateWeb, "GET /"), 0);
        lab.cloud.set_record(NAME, []);

        lab.ready("smithi001", 120).await;
        assert!(points_at_its_machine(&lab));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wildcard_in_the_zone_is_called_by_its_name() {
    let lab = Lab::new(quick()).await;
    lab.cloud.set_record(WILDCARD, ["203.0.113.7".parse().unwrap()]);

    lab.node("smithi001", json!({}));
    let message = lab.told("smithi001", "Ready", "DNSConflict", 60).await;

    assert!(message.contains("the wildcard record *.front.example.test"), "{message}");
    assert!(message.contains("a zone without one"), "{message}");
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;
}

#[tokio::test(start_paused = true)]
async fn names_that_were_parked_on_an_address_of_before_are_used_again() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    let park = "198.51.100.77";
    lab.edit("clouds", "", "lab", |spec| spec["dns"]["nsupdateWeb"]["parkAddress"] = park.into());
    sleep(Duration::from_secs(30)).await;

    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 60).await;

    assert!(points_at_its_machine(&lab));
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    assert!(lab.cloud.record(NAME).contains(&park.parse().unwrap()), "{:?}", lab.cloud.record(NAME));
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_is_minutes_behind_never_makes_the_name_point_elsewhere() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    lab.cloud.change(|settings| settings.dns_lag = Duration::from_mins(3));
    sleep(Duration::from_mins(4)).await;

    lab.node("smithi001", json!({}));
    lab.until("the name is set", 60, points_at_its_machine).await;
    let mut wrong = 0;
    for _ in 0..360 {
        sleep(Duration::from_millis(500)).await;
        let address = lab.the("smithi001")["status"]["accessIP"].as_str().map(str::to_owned);
        let own: IpAddr = address.unwrap().parse().unwrap();
        wrong += usize::from(!lab.cloud.record(NAME).contains(&own));
    }

    assert_eq!(wrong, 0, "{}", lab.story());
    lab.ready("smithi001", 120).await;
    let sets = lab.cloud.count(Service::NsupdateWeb, "GET /");
    assert!(sets < 40, "{sets} requests to nsupdate-web");
}

#[tokio::test(start_paused = true)]
async fn a_hostname_that_the_cloud_does_not_allow_makes_nothing() {
    let lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["dns"]["allowHostnames"] = json!(["smithi[0-9]+"]));
    sleep(Duration::from_secs(30)).await;

    lab.node("gitlab", json!({}));
    let message = lab.told("gitlab", "Ready", "HostnameNotAllowed", 60).await;

    assert!(message.contains("smithi[0-9]+") && message.contains("spec.hostname"), "{message}");
    assert_eq!(lab.cloud.all_servers().len(), 0);
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 60).await;
}
