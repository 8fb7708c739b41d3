//! The DNS clients against the simulated cloud: what nsupdate-web does, and what its name server then says.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use devcloud::{Backend, DevCloud, Dropped, Effect as Lost, Fault, Settings, When};
use proptest::prelude::*;
use testnode_operator::dns::exchange::Exchange;
use testnode_operator::dns::nsupdate_web::{BasicAuth, NsupdateWeb};
use testnode_operator::dns::record::{PARKED, Record};
use testnode_operator::dns::{Answer, Error, Fqdn, Hostname, lookup};
use testnode_operator::error::{Class, Effect};
use testnode_operator::transport::{Failure, Transport};
use tokio::time::Instant;
use tower::ServiceExt as _;

const PARK: &str = "192.0.2.1";

/// The lab's names as the operator sees them.
struct Names {
    cloud: DevCloud,
    web: NsupdateWeb,
    exchange: Exchange,
}

impl Names {
    fn new(auth: Option<&BasicAuth>) -> Self {
        let cloud = DevCloud::new(Settings { allow_hosts: "smithi[0-9]+$".into(), ..Settings::default() });
        let web = NsupdateWeb::new("http://cloud.test/nsupdate", ip(PARK), auth, transport(&cloud)).unwrap();
        let authority = cloud.clone();
        let exchange = Exchange::new(move |_, question, _| {
            let authority = authority.clone();
            async move { Ok(authority.dns_reply(&question).await) }
        });
        Self { cloud, web, exchange }
    }

    fn fqdn(&self, name: &str) -> Fqdn {
        Fqdn::new(&host(name), &self.cloud.settings().zone.parse().unwrap()).unwrap()
    }

    async fn publish(&self, name: &str, addresses: &[IpAddr]) -> Result<Answer, Error> {
        self.web.publish(&self.fqdn(name), &addresses.iter().copied().collect(), false).await
    }

    async fn ask(&self, name: &str) -> Result<Record, Error> {
        self.ask_for(&self.fqdn(name)).await
    }

    async fn ask_for(&self, name: &Fqdn) -> Result<Record, Error> {
        lookup::ask(&self.exchange, SocketAddr::from(([127, 0, 0, 1], 53)), name).await
    }
}

fn transport(cloud: &DevCloud) -> Transport {
    let cloud = cloud.clone();
    Transport::service(move |request| {
        let router = cloud.router();
        async move {
            let Ok(response) = router.oneshot(request.map(Body::from)).await;
            if response.extensions().get::<Dropped>().is_some() {
                return Err(Failure::after("connection closed".into()));
            }
            let (head, body) = response.into_parts();
            let body = to_bytes(body, 1 << 20).await.unwrap();
            Ok(http::Response::from_parts(head, body.to_vec()))
        }
    })
}

fn host(name: &str) -> Hostname {
    name.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

proptest! {
    /// Whatever was set before, the zone says what was set last, and so do we.
    #[test]
    fn the_authority_says_what_was_set_last(
        sets in proptest::collection::vec(proptest::collection::btree_set(any::<IpAddr>(), 1..32), 1..6),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let names = Names::new(None);
            let mut before = BTreeSet::new();
            for set in sets {
                let addresses: Vec<IpAddr> = set.iter().copied().collect();

                let answer = names.publish("smithi001", &addresses).await.unwrap();

                assert_eq!(answer, if set == before { Answer::Unproven } else { Answer::Done });
                assert_eq!(names.ask("smithi001").await.unwrap().addresses, set);
                before = set;
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_never_set_says_nothing() {
    let names = Names::new(None);

    assert!(names.ask("smithi001").await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_name_says_only_that_it_is_parked() {
    let names = Names::new(None);
    names.publish("smithi001", &[ip("10.77.0.5"), ip("fd00::5")]).await.unwrap();

    names.web.withdraw(&names.fqdn("smithi001"), false).await.unwrap();

    assert_eq!(names.ask("smithi001").await.unwrap().addresses, BTreeSet::from([ip(PARK), PARKED]));
}

#[tokio::test(start_paused = true)]
async fn a_name_outside_allow_hosts_is_refused_with_the_cure() {
    let names = Names::new(None);

    let error = names.publish("www", &[ip("10.77.0.5")]).await.unwrap_err();

    assert_eq!((error.class(), error.effect()), (Class::Invalid, Effect::Answered));
    assert!(error.to_string().ends_with("the name must match allow_hosts of nsupdate-web"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_name_server_may_take_the_update_later() {
    let names = Names::new(None);
    names.cloud.change(|settings| settings.nsupdate_backend = Backend::Silent);
    let before = Instant::now();

    let error = names.publish("smithi001", &[ip("10.77.0.5")]).await.unwrap_err();

    assert_eq!((error.class(), error.effect()), (Class::Unreachable, Effect::Unknown));
    assert_eq!(before.elapsed(), Duration::from_secs(3));
    let error = names.ask("smithi001").await.unwrap_err();
    assert!(error.to_string().ends_with("no answer"), "{error}");
    names.cloud.change(|settings| settings.nsupdate_backend = Backend::Up);
    assert_eq!(names.ask("smithi001").await.unwrap().addresses, BTreeSet::from([ip("10.77.0.5")]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_unknown_and_the_authority_knows() {
    for lost in [Lost::lost_reply(), Lost::Drop { when: When::After }, Lost::Hang { when: When::After }] {
        let names = Names::new(None);
        names.cloud.fault(Fault::new(lost)).unwrap();

        let error = names.publish("smithi001", &[ip("10.77.0.5")]).await.unwrap_err();

        assert_eq!((error.class(), error.effect()), (Class::Unreachable, Effect::Unknown));
        assert_eq!(names.ask("smithi001").await.unwrap().addresses, BTreeSet::from([ip("10.77.0.5")]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_wants_the_right_password() {
    let right = BasicAuth { user: "lab".into(), password: "secret".into() };
    let wrong = BasicAuth { user: "lab".into(), password: "guess".into() };
    for (auth, class) in [(None, Some(Class::Auth)), (Some(&wrong), Some(Class::Auth)), (Some(&right), None)]
    {
        let names = Names::new(auth);
        names.cloud.change(|settings| settings.nsupdate_auth = Some("lab:secret".into()));

        let answer = names.publish("smithi001", &[ip("10.77.0.5")]).await;

        assert_eq!(answer.err().map(|error| error.class()), class);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_of_another_zone_is_no_authority() {
    let names = Names::new(None);
    let elsewhere = Fqdn::new(&host("smithi001"), &"elsewhere.test".parse().unwrap()).unwrap();

    assert_eq!(names.ask_for(&elsewhere).await.unwrap_err().class(), Class::Invalid);
}
