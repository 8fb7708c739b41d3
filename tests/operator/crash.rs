//! The operator is killed at every single request of a life, and started again.

use std::time::Duration;

use devcloud::ServerFate;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Closing, Lab, Reached, quick, two_volumes};
use crate::{ssh, updates};

/// What a life is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    UpAndDown,
    /// The same with a floating IP.
    Floating,
    /// The same with a name by updates, and a PTR record.
    Updates,
    /// The first server goes to ERROR.
    FailedLaunch,
    /// The same in a first cloud; there is a second.
    Fallback,
    /// The same, and what failed is kept to be looked at.
    Held,
    /// Up and down, from a volume that is made of the image.
    BootVolume,
    /// The same with block devices of each source, on a port that exists.
    Existing,
    /// Up and down, with a login.
    Ssh,
}

/// Lives a life and says how many requests the first operator made; it is killed at `closing`.
async fn live(life: Life, closing: Option<Closing>) -> usize {
    let (mut lab, first) = if life == Life::Fallback {
        Lab::two_clouds(|_| {}).await
    } else {
        let lab = if life == Life::Updates { updates::lab().await } else { Lab::new(quick()).await };
        let first = lab.cloud.clone();
        (lab, first)
    };
    if life == Life::Ssh {
        ssh::lets_in(&lab);
    }
    let before = lab.operator().gate.passed();
    if let Some(closing) = closing {
        lab.operator().gate.close_at(Closing { at: before + closing.at, ..closing });
    }
    if !matches!(
        life,
        Life::UpAndDown | Life::BootVolume | Life::Ssh | Life::Floating | Life::Updates | Life::Existing
    ) {
        let fault = Some("No valid host was found.".into());
        first.next_server(ServerFate { fault, ..ServerFate::default() });
    }
    let existing = (life == Life::Existing).then(|| existing(&lab));
    let mut spec = two_volumes();
    if life == Life::BootVolume {
        spec = json!({"bootVolume": {"sizeGiB": 20}});
    }
    if let Some((volume, snapshot, port)) = &existing {
        spec = json!({
            "networks": [{"portID": port}],
            "blockDevices": [
                {"volumeSize": 15},
                {"uuid": snapshot, "sourceType": "snapshot", "deviceName": "vdb", "bootIndex": -1},
                {"uuid": volume, "sourceType": "volume", "deviceName": "vdc", "bootIndex": -1},
            ],
        });
    }
    if life == Life::Floating {
        spec["floatingIP"] = json!({"policy": "Always"});
    }
    if life == Life::Held {
        spec["onFailure"] = "Hold".into();
    }
    lab.node("smithi001", spec);
    if life == Life::Held {
        held(&mut lab, closing).await;
    } else {
        up(&mut lab, closing).await;
    }
    lab.delete("smithi001");
    down(&mut lab, closing).await;
    let passed = lab.operator().gate.passed() - before;
    // What was in flight has had its time.
    sleep(Duration::from_mins(2)).await;
    println!("{life:?} killed at {closing:?}");
    if let Some((volume, _, port)) = &existing {
        let left = lab.cloud.volumes().into_iter().find(|known| known.id == *volume).unwrap();
        assert_eq!(
            (left.status.as_str(), lab.cloud.attachments().len()),
            ("available", 0),
            "{}",
            lab.story()
        );
        assert!(lab.cloud.ports().iter().any(|known| known.id == *port && known.device_id.is_empty()));
        lab.cloud.remove(volume);
        lab.cloud.remove(port);
    }
    lab.assert_clean();
    passed
}

/// A volume, a snapshot and a port that somebody made.
fn existing(lab: &Lab) -> (String, String, String) {
    let volume = lab.cloud.strange_volume(7, None);
    let snapshot = lab.cloud.strange_snapshot(&volume).unwrap();
    let network = lab.cloud.settings().networks[0].id.clone();
    (volume, snapshot, lab.cloud.strange_port(&network).unwrap())
}

async fn up(lab: &mut Lab, closing: Option<Closing>) {
    let what = format!("Ready, killed at {closing:?}");
    lab.in_the_end(&what, 400, |lab| lab.is_ready("smithi001")).await;
    let servers: Vec<_> = lab.wires.clouds().into_values().flat_map(|cloud| cloud.servers()).collect();
    assert_eq!(servers.len(), 1, "{closing:?}\n{}", lab.story());
    assert_eq!(Value::from(&*servers[0].id), lab.the("smithi001")["status"]["server"]["id"], "{closing:?}");
}

/// The launch that failed is kept, whole.
async fn held(lab: &mut Lab, closing: Option<Closing>) {
    let what = format!("held, killed at {closing:?}");
    lab.in_the_end(&what, 400, |lab| lab.says("smithi001", "Stalled").1 == "HeldAfterFailure").await;
    assert_eq!(lab.cloud.servers().len(), 1, "{closing:?}\n{}", lab.story());
    assert_eq!(lab.cloud.volumes().len(), 2, "{closing:?}\n{}", lab.story());
}

async fn down(lab: &mut Lab, closing: Option<Closing>) {
    let what = format!("gone, killed at {closing:?}");
    lab.in_the_end(&what, 400, |lab| lab.the("smithi001").is_null()).await;
}

/// Before a request, after it, and with an effect that comes late.
const EACH_WAY: [Reached; 3] =
    [Reached::Nothing, Reached::World, Reached::WorldLater(Duration::from_secs(30))];

async fn at_every_request(life: Life, ways: &[Reached]) {
    let requests = live(life, None).await;
    for at in 0..requests {
        for reached in ways.iter().copied() {
            live(life, Some(Closing { at, reached })).await;
        }
    }
    println!("{life:?}: killed at each of {requests} requests, {ways:?}");
    assert!(requests > 25, "{requests}");
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_request_of_a_life_it_leaves_one_server_and_then_nothing() {
    at_every_request(Life::UpAndDown, &[Reached::World]).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_of_a_life_it_leaves_one_server_and_then_nothing() {
    at_every_request(Life::UpAndDown, &EACH_WAY).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_of_a_life_with_a_login_it_leaves_one_server_and_then_nothing() {
    at_every_request(Life::Ssh, &EACH_WAY).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_of_a_life_from_a_boot_volume_it_leaves_one_server_and_then_nothing() {
    at_every_request(Life::BootVolume, &EACH_WAY).await;
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_request_of_a_life_with_what_exists_it_leaves_that_alone_and_free() {
    at_every_request(Life::Existing, &[Reached::World]).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_of_a_life_with_what_exists_it_leaves_that_alone_and_free() {
    at_every_request(Life::Existing, &EACH_WAY).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_of_a_life_with_a_floating_ip_it_leaves_one_server_and_then_nothing() {
    at_every_request(Life::Floating, &EACH_WAY).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_of_a_life_with_updates_it_leaves_no_name_behind() {
    at_every_request(Life::Updates, &EACH_WAY).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_of_a_failed_launch_it_leaves_one_server_and_then_nothing() {
    at_every_request(Life::FailedLaunch, &EACH_WAY).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_of_a_way_to_a_second_cloud_it_leaves_one_server_and_then_nothing() {
    at_every_request(Life::Fallback, &EACH_WAY).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_around_a_launch_that_is_held_it_keeps_that_and_then_leaves_nothing() {
    at_every_request(Life::Held, &EACH_WAY).await;
}
