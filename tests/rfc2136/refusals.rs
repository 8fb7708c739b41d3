//! What a server refuses, and what is told of it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use testnode_operator::dns::Error;
use testnode_operator::error::{Class, Effect};

use crate::server::{Server, fqdn, ip, key, owner};

async fn refused(server: &Server) -> Error {
    let name = fqdn("refused");
    let error = server.publish(&name, &owner("u1", &[]), &[ip("10.77.0.5")]).await.unwrap_err();
    assert!(server.ask(&name).await.is_empty());
    let probed = server.driver.probe().await.unwrap_err();
    assert_eq!(probed.class(), error.class(), "{probed}");
    error
}

#[tokio::test]
async fn a_wrong_key_is_told_by_what_is_wrong_with_it() {
    let mut server = Server::new();
    let cases = [
        (key("testnode", "hmac-sha256", "d3Jvbmc="), "BADSIG"),
        (server.key("nobody", "hmac-sha256"), "BADKEY"),
        (server.key("testnode", "hmac-sha512"), "BADKEY"),
    ];
    for (key, word) in cases {
        server.driver.key = key;

        let error = refused(&server).await;

        assert!(error.to_string().contains(word), "{error}");
        assert_eq!((error.class(), error.effect()), (Class::Auth, Effect::Answered));
    }
}

#[tokio::test]
async fn a_clock_that_is_too_far_off_is_told_with_both_times() {
    let mut server = Server::new();
    for (seconds, well) in [(-400, false), (-60, true), (60, true), (400, false)] {
        let off = SignedDuration::from_secs(seconds);
        server.driver.clock = Arc::new(move || Timestamp::now().checked_add(off).unwrap());

        if well {
            server.driver.probe().await.unwrap();
            continue;
        }
        let error = refused(&server).await.to_string();

        let year = Timestamp::now().strftime("%Y-").to_string();
        assert!(error.contains("BADTIME") && error.matches(&year).count() == 2, "{error}");
    }
}

#[tokio::test]
async fn a_zone_that_the_server_does_not_have_is_told() {
    for zone in ["example.test", "below.front.example.test", "elsewhere.test"] {
        let mut server = Server::new();
        server.driver.zone = zone.parse().unwrap();

        let error = server.driver.probe().await.unwrap_err();

        assert!(error.to_string().contains(&format!("a zone {zone} (NOTAUTH)")), "{error}");
        assert_eq!(error.class(), Class::Invalid);
    }
}

#[tokio::test]
async fn rights_are_found_out_without_changing_anything() {
    let server = Server::new();
    let before = server.serial().await;

    server.driver.probe().await.unwrap();

    assert_eq!((server.updates().len(), server.serial().await), (1, before));
}

#[tokio::test]
async fn the_types_are_told_that_the_key_may_not_change() {
    let mut server = Server::new();
    match &server.cloud {
        Some(cloud) => cloud.change(|settings| settings.update_grants = vec!["A".into(), "AAAA".into()]),
        // BIND's key of that name is granted these two types.
        None => server.driver.key = server.key("narrow", "hmac-sha256"),
    }

    let error = server.driver.probe().await.unwrap_err();

    assert!(error.to_string().contains(" zonesub TXT;"), "{error}");
    assert_eq!((error.class(), error.effect()), (Class::Invalid, Effect::Answered));
}

#[tokio::test]
async fn a_secret_is_in_no_message() {
    let server = Server::new();

    assert_eq!(format!("{:?}", server.key("testnode", "hmac-sha256")), "Key(testnode)");
    assert!(!format!("{:?}", server.driver).contains("HmacSha"));
}
