//! What becomes of a name.

use hickory_proto::rr::{RData, rdata};
use testnode_operator::dns::Answer;
use testnode_operator::dns::record::{Found, PARKED, Record};

use crate::server::{Server, absolute, fqdn, ip, judge, owner, set, txt};

const STRANGER: &str = "203.0.113.9";

#[tokio::test]
async fn a_free_name_gets_its_addresses_and_its_mark_in_one_message() {
    let (server, name, owner) = (Server::new(), fqdn("one-message"), owner("u1", &[]));

    let answer = server.publish(&name, &owner, &[ip("10.77.0.5"), ip("fd00::5")]).await.unwrap();

    assert_eq!((answer, server.updates().len()), (Answer::Done, 1));
    let record = server.ask(&name).await;
    assert_eq!(record.addresses, set(&[ip("10.77.0.5"), ip("fd00::5")]));
    assert_eq!(record.texts.iter().collect::<Vec<_>>(), [&owner.text]);
    assert_eq!(judge(&record, &owner), Found::Ours(record.addresses.clone()));
}

#[tokio::test]
async fn a_withdrawn_name_is_deleted() {
    let (server, name, owner) = (Server::new(), fqdn("deleted"), owner("u1", &["10.77.0.5"]));
    server.publish(&name, &owner, &[ip("10.77.0.5"), ip("fd00::5")]).await.unwrap();
    server.updates();

    let answer = server.withdraw(&name, &owner).await.unwrap();

    assert_eq!((answer, server.updates().len()), (Answer::Done, 1));
    assert!(server.ask(&name).await.is_empty());
    // Again, as after a lost reply: proven, and nothing changes.
    let before = server.serial().await;
    assert_eq!(server.withdraw(&name, &owner).await.unwrap(), Answer::Done);
    assert_eq!(server.serial().await, before);
}

#[tokio::test]
async fn a_name_that_was_set_by_a_request_whose_reply_was_lost_is_not_set_again() {
    let (server, name, owner) = (Server::new(), fqdn("lost-reply"), owner("u1", &[]));
    server.publish(&name, &owner, &[ip("10.77.0.5")]).await.unwrap();

    // Planned from a look before the first.
    let stale = Record::default();
    let answer = server.driver.publish(&name, &owner, &set(&[ip("10.77.0.6")]), &stale).await.unwrap();

    assert_eq!(answer, Answer::Unproven);
    assert_eq!(judge(&server.ask(&name).await, &owner), Found::Ours(set(&[ip("10.77.0.5")])));
}

#[tokio::test]
async fn an_own_name_gets_another_address_in_one_message() {
    let (server, name, owner) = (Server::new(), fqdn("replaced"), owner("u1", &[]));
    for address in ["10.77.0.5", "fd00::6", "10.77.0.7"] {
        server.publish(&name, &owner, &[ip(address)]).await.unwrap();

        assert_eq!(server.updates().len(), 1);
        let record = server.ask(&name).await;
        assert_eq!((record.addresses, record.texts.len()), (set(&[ip(address)]), 1));
    }
    server.withdraw(&name, &owner).await.unwrap();
}

#[tokio::test]
async fn a_name_that_became_a_strangers_since_the_look_is_left_alone() {
    let server = Server::new();
    let (name, owner) = (fqdn("strangers"), owner("u1", &["10.77.0.5"]));
    let free = Record::default();
    server.publish(&name, &owner, &[ip("10.77.0.5")]).await.unwrap();
    let ours = server.ask(&name).await;
    let theirs = [
        vec![RData::from(ip(STRANGER))],
        vec![
            RData::from(ip(STRANGER)),
            txt("testnode-cluster=c1 testnode-uid=u10 testnode-node=default/u10"),
        ],
        vec![txt("v=spf1 -all")],
        vec![RData::CNAME(rdata::CNAME(absolute("www.example.test")))],
        vec![RData::MX(rdata::MX::new(10, absolute("mail.example.test")))],
    ];
    for records in theirs {
        server.put(name.as_str(), records).await;
        let before = (server.ask(&name).await, server.serial().await);

        for known in [&free, &ours] {
            let answer = server.driver.publish(&name, &owner, &set(&[ip("10.77.0.5")]), known).await.unwrap();
            assert_eq!(answer, Answer::Unproven);
            assert_eq!(server.driver.withdraw(&name, &owner, known).await.unwrap(), Answer::Unproven);
        }

        assert_eq!((server.ask(&name).await, server.serial().await), before);
        assert!(matches!(judge(&before.0, &owner), Found::Taken(_)), "{:?}", before.0);
    }
    server.put(name.as_str(), []).await;
}

#[tokio::test]
async fn what_somebody_adds_to_an_own_name_stays_when_it_is_withdrawn() {
    let (server, name, owner) = (Server::new(), fqdn("guests"), owner("u1", &["10.77.0.5"]));
    let mail = RData::MX(rdata::MX::new(10, absolute("mail.example.test")));
    server
        .put(name.as_str(), [ip("10.77.0.5").into(), txt(&owner.text), txt("site-verification=1"), mail])
        .await;
    assert!(matches!(judge(&server.ask(&name).await, &owner), Found::Ours(_)));

    server.publish(&name, &owner, &[ip("10.77.0.6")]).await.unwrap();
    assert_eq!(server.ask(&name).await.addresses, set(&[ip("10.77.0.6")]));
    assert_eq!(server.withdraw(&name, &owner).await.unwrap(), Answer::Done);

    let left = server.ask(&name).await;
    assert_eq!((left.addresses.len(), left.texts.len(), left.others.len()), (0, 1, 1), "{left:?}");
    server.put(name.as_str(), []).await;
}

#[tokio::test]
async fn a_name_that_nsupdate_web_parked_is_taken_over() {
    let (server, name, owner) = (Server::new(), fqdn("parked"), owner("u1", &[]));
    server.put(name.as_str(), [ip("192.0.2.1").into(), PARKED.into()]).await;

    assert_eq!(server.publish(&name, &owner, &[ip("10.77.0.5")]).await.unwrap(), Answer::Done);

    assert_eq!(server.ask(&name).await.addresses, set(&[ip("10.77.0.5")]));
    server.withdraw(&name, &owner).await.unwrap();
}

#[tokio::test]
async fn a_name_that_nsupdate_web_set_is_withdrawn_by_its_addresses() {
    let (server, name, owner) = (Server::new(), fqdn("unmarked"), owner("u1", &["10.77.0.5"]));
    server.put(name.as_str(), [ip("10.77.0.5").into()]).await;
    let known = server.ask(&name).await;
    assert!(matches!(judge(&known, &owner), Found::Ours(_)));

    // Somebody adds an address after the look.
    server.put(name.as_str(), [ip("10.77.0.5").into(), ip(STRANGER).into()]).await;
    assert_eq!(server.driver.withdraw(&name, &owner, &known).await.unwrap(), Answer::Unproven);
    server.put(name.as_str(), [ip("10.77.0.5").into()]).await;
    assert_eq!(server.driver.withdraw(&name, &owner, &known).await.unwrap(), Answer::Done);

    assert!(server.ask(&name).await.is_empty());
}

/// A server that was silent takes a message when it is back, and anybody on the way can send one again.
#[tokio::test]
async fn of_messages_that_come_late_only_the_first_of_a_name_does_something_and_a_look_shows_it() {
    let (server, name, owner) = (Server::new(), fqdn("late"), owner("u1", &["10.77.0.5", "10.77.0.6"]));
    server.publish(&name, &owner, &[ip("10.77.0.5")]).await.unwrap();
    server.publish(&name, &owner, &[ip("10.77.0.6")]).await.unwrap();
    server.withdraw(&name, &owner).await.unwrap();
    let [create, replace, withdraw] = server.updates().try_into().unwrap();

    for late in [&replace, &withdraw] {
        server.replay(late).await;
        assert!(server.ask(&name).await.is_empty());
    }
    server.replay(&create).await;

    // It bears our mark: a look says so, and it is withdrawn like any other.
    assert_eq!(judge(&server.ask(&name).await, &owner), Found::Ours(set(&[ip("10.77.0.5")])));
    assert_eq!(server.withdraw(&name, &owner).await.unwrap(), Answer::Done);
    assert!(server.ask(&name).await.is_empty());
}

#[tokio::test]
async fn a_late_first_message_does_nothing_to_the_name_of_another_node() {
    let (server, name) = (Server::new(), fqdn("handed-on"));
    let (first, second) = (owner("u1", &["10.77.0.5"]), owner("u2", &["10.77.0.6"]));
    server.publish(&name, &first, &[ip("10.77.0.5")]).await.unwrap();
    server.withdraw(&name, &first).await.unwrap();
    let late = server.updates();
    server.publish(&name, &second, &[ip("10.77.0.6")]).await.unwrap();

    for message in late {
        server.replay(&message).await;
    }

    let record = server.ask(&name).await;
    assert_eq!(judge(&record, &second), Found::Ours(set(&[ip("10.77.0.6")])));
    assert!(matches!(judge(&record, &first), Found::Taken(_)));
    server.withdraw(&name, &second).await.unwrap();
}
