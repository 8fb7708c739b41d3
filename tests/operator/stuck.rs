//! What does not go although it was told to: an administrator must help, and the message says how.

use std::time::Duration;

use devcloud::{ServerFate, VolumeFate};
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
