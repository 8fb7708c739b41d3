//! Clouds as they are in the field: without Cinder, with images that no list has, behind gateways that say 503 for a
//! request that was read.

use std::time::Duration;

use devcloud::{Effect, Fault, Service, Settings};
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{Lab, machine_type, quick, two_volumes};

#[tokio::test(start_paused = true)]
async fn a_create_that_fails_and_takes_effect_all_the_same_leaves_nothing() {
    let creates = [
        (Service::Cinder, "^POST /volumes$"),
        (Service::Neutron, "^POST /ports$"),
        (Service::Nova, "^POST /servers$"),
    ];
    for (service, create) in creates {
        for status in [500, 503, 520] {
            let lab = Lab::new(quick()).await;
            let late = Effect::Late { by: Duration::from_secs(20), status: Some(status) };
            lab.cloud.fault(Fault::new(late).on(service, create)).unwrap();
            lab.node("smithi001", two_volumes());
            sleep(Duration::from_secs(3)).await;

            lab.delete("smithi001");
            lab.gone("smithi001", 400).await;

            sleep(Duration::from_mins(3)).await;
            lab.assert_clean();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_without_cinder_makes_nodes_without_volumes() {
    let lab = Lab::new(Settings { block_storage: false, ..quick() }).await;

    lab.node("plain", json!({}));
    lab.node("disks", two_volumes());

    lab.ready("plain", 60).await;
    sleep(Duration::from_mins(1)).await;
    let (status, _, message) = lab.says("disks", "Ready");
    assert_eq!(status, "False");
    assert!(message.contains("the catalogue has no public block-storage"), "{message}");
    lab.delete("plain");
    lab.delete("disks");
    lab.gone("plain", 120).await;
    lab.gone("disks", 300).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn an_image_that_no_list_has_boots_by_its_id() {
    let mut settings = quick();
    let image = settings.images.first_mut().unwrap();
    image.visibility = "community".into();
    let (id, os) = (image.id.clone(), json!({"type": image.os_distro, "version": image.os_version}));
    let lab = Lab::new(settings).await;
    let mut types = machine_type(&["lab"]);
    types["images"] = json!([{"os": os, "id": id}]);
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": "lab"}, "spec": types,
    }));

    lab.node("smithi001", json!({"os": os}));
    lab.ready("smithi001", 60).await;

    let status = &lab.the("smithi001")["status"];
    assert_eq!(status["attempts"][0]["resolved"]["image"]["id"], id, "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_is_asked_without_tls_says_so() {
    let lab = Lab::new(quick()).await;

    let (status, reason, message) = lab.condition("clouds", "", "lab", "Secure");

    assert_eq!((status.as_str(), reason.as_str()), ("False", "Unprotected"));
    assert!(message.contains("Keystone is asked without TLS at http://"), "{message}");
}
