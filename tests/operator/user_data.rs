//! User data that stands in a Secret or a ConfigMap beside the node.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use devcloud::{Fault as CloudFault, Service, Settings};
use devcluster::{Fault, Verb};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, SYSTEM, quick, two_volumes};

const SCRIPT: &str = "#!/bin/sh\necho hunter2\n";

fn from(kind: &str) -> Value {
    json!({"userDataRef": {"kind": kind, "name": "first-boot", "key": "script"}})
}

fn object(kind: &str, key: &str, content: &str) -> Value {
    let field = if kind == "Secret" { "stringData" } else { "data" };
    json!({
        "apiVersion": "v1", "kind": kind, "metadata": {"name": "first-boot", "namespace": "default"},
        field: {key: content},
    })
}

/// What the one server was given to boot with.
fn given(lab: &Lab) -> String {
    let servers = lab.cloud.servers();
    let sent = BASE64_STANDARD.decode(servers[0].user_data.as_ref().unwrap()).unwrap();
    String::from_utf8(sent).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_secret_or_a_config_map_holds_reaches_the_guest_and_nobody_else() {
    for kind in ["Secret", "ConfigMap"] {
        let lab = Lab::new(quick()).await;
        lab.apply(object(kind, "script", SCRIPT));

        lab.node("smithi001", from(kind));
        lab.ready("smithi001", 30).await;

        assert_eq!(given(&lab), SCRIPT, "untouched, as it is the only part");
        let told =
            [lab.the("smithi001"), lab.cluster.list("events", "default").into()].map(|o| o.to_string());
        assert!(told.iter().all(|told| !told.contains("hunter2")), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_told_before_anything_is_made_and_making_it_heals() {
    let lab = Lab::new(quick()).await;

    lab.node("smithi001", from("Secret"));
    let message = lab.told("smithi001", "Stalled", "UserDataNotFound", 30).await;
    assert!(message.contains("there is no Secret first-boot in namespace default"), "{message}");
    lab.apply(object("Secret", "other", SCRIPT));
    let no_key = |lab: &Lab| lab.says("smithi001", "Ready").2.contains("has no key script; add it");
    lab.until("it names the key that is missing", 30, no_key).await;
    lab.apply(object("Secret", "script", &"x".repeat(60_000)));
    let message = lab.told("smithi001", "Ready", "InvalidUserData", 30).await;
    assert!(message.contains("Secret first-boot"), "{message}");
    assert!(lab.cloud.all_servers().is_empty() && lab.cloud.is_empty());

    lab.apply(object("Secret", "script", SCRIPT));
    lab.ready("smithi001", 90).await;
}

#[tokio::test(start_paused = true)]
async fn a_reference_that_is_mended_is_read_at_once() {
    let lab = Lab::new(quick()).await;
    lab.apply(object("ConfigMap", "script", SCRIPT));
    lab.node("smithi001", from("Secret"));
    lab.told("smithi001", "Stalled", "UserDataNotFound", 30).await;

    lab.edit("testnodes", "default", "smithi001", |spec| spec["userDataRef"]["kind"] = "ConfigMap".into());

    let took = lab.ready("smithi001", 30).await;
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn where_it_may_not_be_read_the_cure_is_told_and_heals() {
    let lab = Lab::new(quick()).await;
    lab.apply(object("Secret", "script", SCRIPT));
    let theirs = |call: &devcluster::Call| call.resource == "secrets" && call.namespace == "default";
    lab.cluster.faults().inject(usize::MAX, theirs, Fault::Refuse(403));

    lab.node("smithi001", from("Secret"));
    let message = lab.told("smithi001", "Stalled", "UserDataForbidden", 30).await;
    assert!(message.contains("userDataNamespaces"), "{message}");
    lab.cluster.faults().clear();

    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_started_in_mid_launch_reads_it_again() {
    let mut lab = Lab::new(Settings { volume_create: Duration::from_secs(100), ..quick() }).await;
    lab.apply(object("Secret", "script", SCRIPT));
    let mut spec = two_volumes();
    spec["userDataRef"] = from("Secret")["userDataRef"].clone();
    lab.node("smithi001", spec);
    lab.until("volumes are being made", 30, |lab| lab.cloud.volumes().len() == 2).await;

    lab.start();
    lab.ready("smithi001", 300).await;

    assert!(given(&lab).contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn what_went_in_mid_launch_is_told_and_ends_it_in_time() {
    let lab = Lab::new(Settings { volume_create: Duration::from_secs(100), ..quick() }).await;
    lab.apply(object("Secret", "script", SCRIPT));
    let mut spec = two_volumes();
    spec["userDataRef"] = from("Secret")["userDataRef"].clone();
    lab.node("smithi001", spec);
    lab.until("volumes are being made", 30, |lab| lab.cloud.volumes().len() == 2).await;

    lab.cluster.delete(&lab.cluster.get("secrets", "default", "first-boot").unwrap()).unwrap();
    lab.told("smithi001", "Stalled", "UserDataNotFound", 300).await;
    assert!(lab.cloud.all_servers().is_empty());
    lab.until("the attempt is given up", 3600, |lab| lab.cloud.is_empty()).await;
    lab.apply(object("Secret", "script", SCRIPT));

    lab.ready("smithi001", 600).await;
}

#[tokio::test(start_paused = true)]
async fn secrets_are_read_where_the_operator_is_at_home_and_elsewhere_only_what_a_node_names() {
    let lab = Lab::new(quick()).await;
    let seen: Arc<Mutex<Vec<devcluster::Call>>> = Arc::default();
    let calls = seen.clone();
    lab.cluster.faults().observe(move |call| calls.lock().unwrap().push(call.clone()));
    lab.apply(object("Secret", "script", SCRIPT));
    lab.node("smithi001", two_volumes());
    lab.node("smithi002", from("Secret"));
    lab.ready("smithi001", 30).await;
    lab.ready("smithi002", 30).await;
    lab.cloud.revoke_tokens();
    sleep(Duration::from_mins(15)).await;

    let seen = seen.lock().unwrap();
    let elsewhere = |call: &&devcluster::Call| call.resource == "secrets" && call.namespace != SYSTEM;
    let elsewhere: Vec<_> =
        seen.iter().filter(elsewhere).map(|call| (call.verb, call.name.as_str())).collect();
    // Once to see that it can be used, once for the create of the server: it is not kept in between.
    assert_eq!(elsewhere, [(Verb::Get, "first-boot"), (Verb::Get, "first-boot")]);
    assert!(!seen.iter().any(|call| call.resource == "secrets" && call.verb == Verb::Delete));
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_refused_and_made_again_has_it_too() {
    let lab = Lab::new(quick()).await;
    lab.apply(object("Secret", "script", SCRIPT));
    let busy = CloudFault::new(devcloud::Effect::refuse(503)).on(Service::Nova, "^POST /servers$").times(2);
    lab.cloud.fault(busy).unwrap();

    lab.node("smithi001", from("Secret"));
    // A 503 may come from a gateway: each is waited out until it can no longer take effect.
    lab.ready("smithi001", 300).await;

    assert!(given(&lab).contains("hunter2"));
}

/// Everything that anybody can read of a node: the object, its events.
fn told(lab: &Lab) -> String {
    format!("{}{}", lab.the("smithi001"), Value::from(lab.cluster.list("events", "default")))
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_no_user_data_is_quoted_nowhere_nor_are_the_names_of_its_keys() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS";
    let refer = |key: &str| json!({"kind": "Secret", "name": "first-boot", "key": key});
    for key_name in ["password-of-prod", "script"] {
        let lab = Lab::new(quick()).await;
        lab.apply(object("Secret", "password-of-prod", "correct horse battery staple"));
        let mut spec = json!({"sshAuthorizedKeys": [key]});
        spec["userDataRef"] = refer(key_name);

        lab.node("smithi001", spec);
        lab.until("it is told", 30, |lab| lab.says("smithi001", "Stalled").0 == "True").await;
        sleep(Duration::from_mins(1)).await;

        let told = told(&lab);
        assert!(!told.contains("horse"), "{told}");
        assert!(key_name != "script" || !told.contains("password-of-prod"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_operators_own_namespace_is_never_read_for_user_data() {
    let lab = Lab::new(quick()).await;
    let seen: Arc<Mutex<Vec<devcluster::Call>>> = Arc::default();
    let calls = seen.clone();
    lab.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": SYSTEM},
        "stringData": {"clouds.yaml": "hunter2"},
    }));
    lab.cluster.faults().observe(move |call| calls.lock().unwrap().push(call.clone()));
    lab.node_in(
        SYSTEM,
        "smithi001",
        json!({"userDataRef": {"kind": "Secret", "name": "other", "key": "clouds.yaml"}}),
    );
    let says = |lab: &Lab| lab.condition("testnodes", SYSTEM, "smithi001", "Stalled");
    lab.until("it is refused", 30, |lab| says(lab).1 == "UserDataForbidden").await;
    sleep(Duration::from_mins(5)).await;

    assert!(says(&lab).2.contains("never read in namespace testnode-system"), "{}", says(&lab).2);
    assert!(lab.cloud.is_empty());
    let seen = seen.lock().unwrap();
    assert!(
        !seen.iter().any(|call| call.resource == "secrets" && call.verb == Verb::Get && call.name == "other")
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_combined_is_refused_by_the_names_of_both_sides_before_anything_is_made() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| {
        spec["cloudInit"] = json!([{"userData": "#cloud-config\npackages: [git]\n"}]);
    });

    lab.node("smithi001", json!({"userData": "#ps1_sysnative\r\nWrite-Host hello\r\n"}));
    let message = lab.told("smithi001", "Stalled", "InvalidUserData", 30).await;
    assert!(
        message.contains("spec.userData") && message.contains("cloudInit of MachineType lab"),
        "{message}"
    );
    assert!(lab.cloud.all_servers().is_empty() && lab.cloud.is_empty());

    lab.edit("machinetypes", "", "lab", |spec| spec["cloudInit"] = json!([]));
    lab.ready("smithi001", 30).await;
    assert_eq!(given(&lab), "#ps1_sysnative\r\nWrite-Host hello\r\n");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_text_pass_from_a_secret_to_the_guest() {
    let lab = Lab::new(quick()).await;
    let bytes: Vec<u8> = [b"\x1f\x8b".as_slice(), &(0..=255).collect::<Vec<u8>>()].concat();
    lab.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "first-boot", "namespace": "default"},
        "data": {"script": BASE64_STANDARD.encode(&bytes)},
    }));

    lab.node("smithi001", from("Secret"));
    lab.ready("smithi001", 30).await;

    let sent = lab.cloud.servers()[0].user_data.clone().unwrap();
    assert_eq!(BASE64_STANDARD.decode(sent).unwrap(), bytes);
}
