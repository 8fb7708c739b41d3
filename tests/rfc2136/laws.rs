//! What holds of any name, whatever it has.

use hickory_proto::rr::{RData, rdata};
use proptest::prelude::*;
use proptest::sample::subsequence;
use testnode_operator::dns::record::{Found, PARKED};

use crate::server::{Server, absolute, fqdn, ip, judge, owner, set, txt};

/// Somebody else's, and nobody may change it.
fn theirs() -> Vec<RData> {
    vec![
        txt("testnode-cluster=c1 testnode-uid=u10 testnode-node=default/u10"),
        txt("v=spf1 -all"),
        RData::MX(rdata::MX::new(10, absolute("mail.example.test"))),
    ]
}

fn any_records() -> impl Strategy<Value = Vec<RData>> {
    let mut all = theirs();
    all.push(txt(&owner("u1", &[]).text));
    let addresses = ["10.77.0.5", "10.77.0.6", "fd00::5", "203.0.113.9", "192.0.2.1"];
    all.extend(addresses.map(|address| RData::from(ip(address))));
    all.push(PARKED.into());
    subsequence(all, 0..4)
}

fn everything(server: &Server) -> Vec<RData> {
    let cloud = server.cloud.as_ref().unwrap();
    let others = cloud.other_records().into_iter().flat_map(|(_, others)| others);
    others.chain(cloud.records().into_iter().flat_map(|(_, found)| found).map(RData::from)).collect()
}

proptest! {
    /// What was planned from a look is done whole or not at all, whatever became of the name since.
    #[test]
    fn a_change_is_whole_or_nothing_and_touches_nobody_elses_record(
        looked in any_records(), now in any_records(), same in any::<bool>(), publish in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let server = Server::in_process();
            let (name, node) = (fqdn("any"), owner("u1", &["10.77.0.5", "10.77.0.6", "fd00::5"]));
            server.put(name.as_str(), looked).await;
            let known = server.ask(&name).await;
            if matches!(judge(&known, &node), Found::Taken(_)) {
                return;
            }
            if !same {
                server.put(name.as_str(), now).await;
            }
            let before = (everything(&server), server.ask(&name).await);
            let target = set(&[ip("10.77.0.6")]);

            if publish {
                server.driver.publish(&name, &node, &target, &known).await.unwrap();
            } else {
                server.driver.withdraw(&name, &node, &known).await.unwrap();
            }

            let after = (everything(&server), server.ask(&name).await);
            let unchanged = before == after;
            let whole = if publish {
                after.1.addresses == target && matches!(judge(&after.1, &node), Found::Ours(_))
            } else {
                after.1.addresses.is_empty() && !after.1.texts.contains(&node.text)
            };
            assert!(whole || unchanged, "{before:?} became {after:?}");
            assert!(whole || !same, "what was as it was known to be was not changed: {after:?}");
            for record in theirs() {
                assert_eq!(before.0.contains(&record), after.0.contains(&record), "{record}");
            }
        });
    }
}
