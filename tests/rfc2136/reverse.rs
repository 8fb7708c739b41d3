//! PTR records.

use hickory_proto::rr::{RData, rdata};
use testnode_operator::dns::Answer;

use crate::server::{REVERSE, Server, absolute, fqdn, ip, owner};

fn with_reverse() -> Server {
    let mut server = Server::new();
    server.driver.reverse = vec![REVERSE.parse().unwrap()];
    server
}

#[tokio::test]
async fn an_address_points_back_at_the_name_until_it_is_withdrawn() {
    let (server, name, owner) =
        (with_reverse(), fqdn("pointed-at"), owner("u1", &["10.77.1.5", "10.77.1.6"]));

    server.publish(&name, &owner, &[ip("10.77.1.5")]).await.unwrap();
    assert_eq!(server.pointers(ip("10.77.1.5")).await, ["pointed-at.front.example.test."]);
    server.publish(&name, &owner, &[ip("10.77.1.6")]).await.unwrap();
    assert_eq!(server.pointers(ip("10.77.1.5")).await, [""; 0]);
    assert_eq!(server.pointers(ip("10.77.1.6")).await, ["pointed-at.front.example.test."]);
    assert_eq!(server.withdraw(&name, &owner).await.unwrap(), Answer::Done);

    assert_eq!(server.pointers(ip("10.77.1.6")).await, [""; 0]);
}

#[tokio::test]
async fn an_address_in_no_reverse_zone_costs_no_message() {
    let (server, name, owner) = (with_reverse(), fqdn("elsewhere"), owner("u1", &["10.78.1.5"]));

    server.publish(&name, &owner, &[ip("10.78.1.5"), ip("fd00::5")]).await.unwrap();
    server.withdraw(&name, &owner).await.unwrap();

    assert_eq!(server.updates().len(), 2);
}

#[tokio::test]
async fn an_address_that_points_elsewhere_is_told_and_left_alone() {
    let (server, name, owner) = (with_reverse(), fqdn("contested"), owner("u1", &["10.77.2.5"]));
    let reverse = format!("5.2.{REVERSE}");
    let theirs = [
        RData::PTR(rdata::PTR(absolute("theirs.example.test"))),
        RData::CNAME(rdata::CNAME(absolute(&format!("5.sub.{REVERSE}")))),
    ];
    for data in theirs {
        server.put(&reverse, [data.clone()]).await;

        let error = server.publish(&name, &owner, &[ip("10.77.2.5")]).await.unwrap_err().to_string();

        let shown = if matches!(data, RData::PTR(_)) { "theirs.example.test" } else { "an alias" };
        assert!(error.contains("10.77.2.5") && error.contains(shown), "{error}");
        assert!(server.ask(&name).await.is_empty(), "the name comes after its PTR");
        assert_eq!(server.withdraw(&name, &owner).await.unwrap(), Answer::Done);
    }
    server.put(&reverse, []).await;
}

#[tokio::test]
async fn an_address_that_another_node_had_points_at_its_new_name() {
    let (server, name, owner) = (with_reverse(), fqdn("successor"), owner("u1", &["10.77.4.5"]));
    let old = RData::PTR(rdata::PTR(absolute("predecessor.front.example.test")));
    server.put(&format!("5.4.{REVERSE}"), [old]).await;

    server.publish(&name, &owner, &[ip("10.77.4.5")]).await.unwrap();

    assert_eq!(server.pointers(ip("10.77.4.5")).await, ["successor.front.example.test."]);
    server.withdraw(&name, &owner).await.unwrap();
}

#[tokio::test]
async fn a_change_that_was_cut_off_is_made_whole_by_the_next() {
    let (server, name, owner) = (with_reverse(), fqdn("cut-off"), owner("u1", &["10.77.3.5"]));
    server.put(&format!("5.3.{REVERSE}"), [RData::PTR(rdata::PTR(absolute(name.as_str())))]).await;

    // The PTR record was made, and not yet the name.
    server.publish(&name, &owner, &[ip("10.77.3.5")]).await.unwrap();
    assert_eq!(server.pointers(ip("10.77.3.5")).await, ["cut-off.front.example.test."]);
    // It was deleted, and not yet the name.
    server.put(&format!("5.3.{REVERSE}"), []).await;
    assert_eq!(server.withdraw(&name, &owner).await.unwrap(), Answer::Done);

    assert!(server.ask(&name).await.is_empty());
}

#[tokio::test]
async fn the_right_to_point_is_probed_too() {
    let server = with_reverse();
    server.driver.probe().await.unwrap();
    assert_eq!(server.updates().len(), 2);

    if let Some(cloud) = &server.cloud {
        let but_one = ["A", "AAAA", "TXT"].map(Into::into);
        cloud.change(|settings| settings.update_grants = but_one.into());
        let error = server.driver.probe().await.unwrap_err().to_string();
        assert!(error.contains(" zonesub PTR;"), "{error}");
    }
}
