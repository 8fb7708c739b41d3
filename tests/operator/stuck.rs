//! What does not go although it was told to: an administrator must help, and the message says how.

use std::time::Duration;

use devcloud::{Effect, Fault, ServerFate, Service, VolumeFate, When};
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};

/// A lab with a node that goes, after its machine was cursed.
async fn a_node_that_goes(curse: impl Fn(&Lab)) -> Lab {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["timeouts"] = serde_json::json!({"delete": "2m"}));
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    curse(&lab);
    lab.delete("smithi001");
    lab
}

fn doom_volume(lab: &Lab, fate: VolumeFate) {
    lab.cloud.doom_volume(&lab.cloud.volumes()[0].id, fate);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_go_is_told_after_its_time_and_goes_once_it_is_reset() {
    let fate = ServerFate { delete_sticks: true, ..ServerFate::default() };
    let lab = a_node_that_goes(|lab| lab.cloud.doom_server(&lab.cloud.servers()[0].id, fate.clone())).await;
    let id = lab.cloud.servers()[0].id.clone();
    sleep(Duration::from_secs(110)).await;
    assert_eq!(lab.says("smithi001", "Ready").1, "DeletingServer");

    let message = lab.told("smithi001", "Stalled", "DeleteStuck", 60).await;
    assert!(message.contains(&format!("openstack server set --state error {id}")), "{message}");
    sleep(Duration::from_mins(5)).await;
    assert_eq!(lab.cloud.volumes().len(), 2, "what a server may still have stays");
    lab.cloud.doom_server(&id, ServerFate::default());
    lab.cloud.break_server(&id, "reset by an administrator");

    lab.gone("smithi001", 180).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_volume_in_error_deleting_is_told_at_once_and_goes_once_it_is_reset() {
    let fate = VolumeFate { delete_fails: true, ..VolumeFate::default() };
    let lab = a_node_that_goes(|lab| doom_volume(lab, fate)).await;

    let message = lab.told("smithi001", "Stalled", "VolumeStuck", 30).await;
    let id = lab.cloud.volumes()[0].id.clone();
    assert!(message.contains(&format!("openstack volume set --state error {id}")), "{message}");
    doom_volume(&lab, VolumeFate::default());
    lab.cloud.set_volume_status(&id, "error");

    lab.gone("smithi001", 180).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn volumes_left_in_use_by_a_server_that_is_gone_are_freed_and_go() {
    let fate = ServerFate { keeps_volumes: true, ..ServerFate::default() };
    let lab = a_node_that_goes(|lab| lab.cloud.doom_server(&lab.cloud.servers()[0].id, fate.clone())).await;

    lab.gone("smithi001", 60).await;

    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_does_not_go_is_told_after_its_time_and_goes_once_it_is_reset() {
    let fate = VolumeFate { delete_sticks: true, ..VolumeFate::default() };
    let lab = a_node_that_goes(|lab| doom_volume(lab, fate)).await;

    let message = lab.told("smithi001", "Stalled", "DeleteStuck", 200).await;
    let id = lab.cloud.volumes()[0].id.clone();
    assert!(message.contains(&format!("openstack volume set --state error {id}")), "{message}");
    doom_volume(&lab, VolumeFate::default());
    lab.cloud.set_volume_status(&id, "error");

    lab.gone("smithi001", 180).await;
    lab.assert_clean();
}

/// A refusal in Cinder's words.
fn refuses(status: u16, message: &str) -> Effect {
    let body = json!({"badRequest": {"code": status, "message": message}});
    Effect::Answer { status, headers: Vec::new(), body, when: When::Before }
}

#[tokio::test(start_paused = true)]
async fn a_volume_with_a_snapshot_is_overdue_in_time_and_holds_up_nothing_else() {
    let fate = VolumeFate { has_snapshot: true, ..VolumeFate::default() };
    let lab = a_node_that_goes(|lab| doom_volume(lab, fate)).await;
    let id = lab.cloud.volumes()[0].id.clone();

    let message = lab.told("smithi001", "Stalled", "DeleteStuck", 200).await;

    assert!(message.contains(&id) && message.contains("have snapshots"), "{message}");
    assert!(message.contains(&format!("openstack volume snapshot list --volume {id}")), "{message}");
    assert_eq!((lab.cloud.volumes().len(), lab.cloud.ports().len()), (1, 0), "{}", lab.story());
    let asked = || lab.cloud.count(Service::Cinder, "DELETE /volumes/{id}");
    let before = asked();
    sleep(Duration::from_mins(20)).await;
    assert!((before + 2..before + 90).contains(&asked()), "{before} and then {}", asked());
    doom_volume(&lab, VolumeFate::default());
    lab.gone("smithi001", 400).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn an_attachment_that_is_not_freed_is_told_and_asked_for_until_it_is() {
    let fate = ServerFate { keeps_volumes: true, ..ServerFate::default() };
    let words = "Invalid volume: Attachment is not in a state to be deleted.";
    let lab = a_node_that_goes(|lab| {
        lab.cloud.doom_server(&lab.cloud.servers()[0].id, fate.clone());
        lab.cloud.fault(Fault::new(refuses(409, words)).on(Service::Cinder, "DELETE /attachments/")).unwrap();
    })
    .await;

    let message = lab.told("smithi001", "Stalled", "DeleteStuck", 200).await;

    assert!(message.contains(words), "{message}");
    sleep(Duration::from_mins(10)).await;
    lab.cloud.heal();
    lab.gone("smithi001", 400).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn what_is_stuck_is_told_after_a_restart_too() {
    let fate = ServerFate { delete_sticks: true, ..ServerFate::default() };
    let mut lab =
        a_node_that_goes(|lab| lab.cloud.doom_server(&lab.cloud.servers()[0].id, fate.clone())).await;
    sleep(Duration::from_secs(30)).await;

    lab.start();

    lab.told("smithi001", "Stalled", "DeleteStuck", 300).await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_in_any_state_of_cinders_is_asked_for_and_told() {
    for status in [
        "error_extending",
        "error_restoring",
        "error_managing",
        "awaiting-transfer",
        "maintenance",
        "backing-up",
        "retyping",
        "in-use",
        "detaching",
        "reserved",
    ] {
        let mut lab = a_node_that_goes(|_| {}).await;
        lab.until("the server is gone", 60, |lab| lab.cloud.servers().is_empty()).await;
        let Some(volume) = lab.cloud.volumes().first().cloned() else { panic!("{status}: too late") };
        lab.cloud.set_volume_status(&volume.id, status);
        lab.start();

        if ["error_extending", "error_restoring", "error_managing"].contains(&status) {
            lab.gone("smithi001", 300).await;
            lab.assert_clean();
            continue;
        }
        let message = lab.told("smithi001", "Stalled", "DeleteStuck", 400).await;
        assert!(message.contains(&volume.id), "{status}: {message}");
        lab.cloud.set_volume_status(&volume.id, "available");
        lab.gone("smithi001", 600).await;
        lab.assert_clean();
    }
}
