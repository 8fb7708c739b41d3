//! The wall clock of the operator steps: somebody sets it, or a machine wakes up. How long something lasts is measured by
//! another one.

use std::time::Duration;

use devcloud::{Effect, Fault, ServerFate, Service, Settings};
use jiff::SignedDuration;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::harness::{Lab, quick, two_volumes};

/// How far it steps.
const STEPS: [SignedDuration; 3] =
    [SignedDuration::from_mins(20), SignedDuration::from_hours(-6), SignedDuration::from_hours(24 * 400)];

fn attempts(lab: &Lab) -> usize {
    lab.the("smithi001")["status"]["attempts"].as_array().map_or(0, Vec::len)
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_in_mid_launch_or_mid_boot_fails_no_machine() {
    for step in STEPS {
        // While volumes and server are made, and while the guest boots.
        for after in [500, 2500, 60_000] {
            let lab = Lab::new(Settings { guest_boot: Duration::from_mins(5), ..quick() }).await;
            lab.node("smithi001", two_volumes());
            sleep(Duration::from_millis(after)).await;

            lab.wires.set_clock(step);

            lab.ready("smithi001", 420).await;
            assert_eq!(attempts(&lab), 1, "{step} after {after} ms: {}", lab.story());
            lab.delete("smithi001");
            lab.gone("smithi001", 60).await;
            lab.assert_clean();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_holds_up_no_timeout() {
    for step in STEPS {
        let lab = Lab::new(quick()).await;
        lab.edit("machinetypes", "", "lab", |spec| spec["timeouts"] = json!({"launch": "2m"}));
        lab.cloud.next_server(ServerFate { sticks: true, ..ServerFate::default() });
        let began = Instant::now();
        lab.node("smithi001", json!({}));
        sleep(Duration::from_secs(30)).await;

        lab.wires.set_clock(step);

        lab.ready("smithi001", 150).await;
        assert!(began.elapsed() >= Duration::from_mins(2), "{step}");
        assert_eq!(attempts(&lab), 2, "{step}: {}", lab.story());
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_delays_no_request_that_failed() {
    for step in STEPS {
        let lab = Lab::new(quick()).await;
        lab.cloud
            .fault(Fault::new(Effect::refuse(503)).on(Service::Nova, "^POST /servers$").times(3))
            .unwrap();
        lab.node("smithi001", json!({}));
        sleep(Duration::from_secs(3)).await;

        lab.wires.set_clock(step);

        lab.ready("smithi001", 300).await;
        lab.delete("smithi001");
        lab.gone("smithi001", 300).await;
        lab.assert_clean();
    }
}
