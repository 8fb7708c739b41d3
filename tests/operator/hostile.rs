//! A cloud that answers anything: what its operators never meant, or what somebody on the way puts in. `tests/hostile.rs`
//! has more of it.

use std::time::Duration;

use devcloud::{Effect, Fault, Service};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{Lab, panics, quick, two_volumes};

/// Services that a node needs.
const SERVICES: &[Service] =
    &[Service::Keystone, Service::Nova, Service::Cinder, Service::Neutron, Service::Glance];

fn virtually(story: impl Future<Output = ()>) {
    let time = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    time.unwrap().block_on(story);
}

/// So many answers of a service, after so many that are honest.
fn twists() -> impl Strategy<Value = Vec<(Service, u64, u32, u32)>> {
    vec((select(SERVICES), any::<u64>(), 0_u32..12, 1_u32..60), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_cloud_answers_there_is_no_panic_no_twin_and_nothing_left_once_it_is_sane(
        twists in twists(),
        at in 0_u64..4000,
    ) {
        virtually(async {
            let (lab, before) = (Lab::new(quick()).await, panics());
            lab.node("smithi001", two_volumes());
            sleep(Duration::from_millis(at)).await;

            for (service, seed, skip, times) in twists {
                let twisted = Fault::new(Effect::Twisted { seed }).on(service, "").skip(skip).times(times);
                lab.cloud.fault(twisted).unwrap();
            }
            lab.node("smithi002", json!({}));
            sleep(Duration::from_mins(5)).await;
            lab.assert_harmless();
            lab.cloud.heal();
            // Its lies may have cost more than one machine for a node; what is one too many goes at the first honest look.
            sleep(Duration::from_mins(2)).await;

            // What the cloud denied may have cost an attempt, or all of them.
            let settled = |lab: &Lab, name: &str| lab.is_ready(name) || lab.says(name, "Stalled").0 == "True";
            let both = |lab: &Lab| settled(lab, "smithi001") && settled(lab, "smithi002");
            lab.until("both are Ready, or say why not", 3600, both).await;
            lab.node("smithi003", json!({}));
            lab.ready("smithi003", 120).await;
            for name in ["smithi001", "smithi002", "smithi003"] {
                lab.delete(name);
            }
            for name in ["smithi001", "smithi002", "smithi003"] {
                lab.gone(name, 1800).await;
            }
            lab.assert_clean();
            lab.assert_harmless();
            assert_eq!(panics(), before);
        });
    }
}
