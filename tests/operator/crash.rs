//! The operator is killed at every single request of a life, and started again.

use std::time::Duration;

use devcloud::ServerFate;
use serde_json::Value;
use tokio::time::sleep;

use crate::harness::{Closing, Lab, Reached, quick, two_volumes};

/// What a life is.
#[derive(Clone, Copy, Debug)]
enum Life {
    UpAndDown,
    FailedLaunch,
}

/// Lives a life and says how many requests the first operator made; it is killed at `closing`.
async fn live(life: Life, closing: Option<Closing>) -> usize {
    let mut lab = Lab::new(quick()).await;
    let before = lab.operator().gate.passed();
    if let Some(closing) = closing {
        lab.operator().gate.close_at(Closing { at: before + closing.at, ..closing });
    }
    if let Life::FailedLaunch = life {
        let fault = Some("No valid host was found.".into());
        lab.cloud.next_server(ServerFate { fault, ..ServerFate::default() });
    }
    lab.node("smithi001", two_volumes());
    up(&mut lab, closing).await;
    lab.delete("smithi001");
    down(&mut lab, closing).await;
    let passed = lab.operator().gate.passed() - before;
    // What was in flight has had its time.
    sleep(Duration::from_mins(2)).await;
    println!("{life:?} killed at {closing:?}");
    lab.assert_clean();
    passed
}

async fn up(lab: &mut Lab, closing: Option<Closing>) {
    let what = format!("Ready, killed at {closing:?}");
    lab.in_the_end(&what, 400, |lab| lab.is_ready("smithi001")).await;
    let servers = lab.cloud.servers();
    assert_eq!(servers.len(), 1, "{closing:?}\n{}", lab.story());
    assert_eq!(Value::from(&*servers[0].id), lab.the("smithi001")["status"]["server"]["id"], "{closing:?}");
}

async fn down(lab: &mut Lab, closing: Option<Closing>) {
    let what = format!("gone, killed at {closing:?}");
    lab.in_the_end(&what, 400, |lab| lab.the("smithi001").is_null()).await;
}

async fn at_every_request(life: Life) {
    let requests = live(life, None).await;
    for at in 0..requests {
        for reached in [Reached::Nothing, Reached::World, Reached::WorldLater(Duration::from_secs(30))] {
            live(life, Some(Closing { at, reached })).await;
        }
    }
    println!(
        "{life:?}: killed at each of {requests} requests, before, after, and with an effect that came late"
    );
    assert!(requests > 30, "{requests}");
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_request_of_a_life_it_leaves_one_server_and_then_nothing() {
    at_every_request(Life::UpAndDown).await;
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_request_of_a_failed_launch_it_leaves_one_server_and_then_nothing() {
    at_every_request(Life::FailedLaunch).await;
}
