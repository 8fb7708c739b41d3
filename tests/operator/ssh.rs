//! Nodes that are Ready once sshd is there and is the right one: which host key counts, and the login with a key of the
//! operator's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use devcloud::sshd::public;
use devcloud::{ServerFate, Settings};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, SYSTEM, quick};

const SEED: [u8; 32] = [9; 32];

/// An Ed25519 key as `ssh-keygen` writes it, made from a seed.
fn private_key(cipher: &str, kind: &str) -> String {
    let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let point = public(&SEED);
    let blob = field(&[field(kind.as_bytes()), field(&point)].concat());
    let pair = [SEED.as_slice(), &point].concat();
    let secret =
        [vec![0, 0, 0, 5, 0, 0, 0, 5], field(kind.as_bytes()), field(&point), field(&pair), field(b"me")];
    let head = [b"openssh-key-v1\0".to_vec(), field(cipher.as_bytes()), field(b"none"), field(b"")].concat();
    let whole = [head, vec![0, 0, 0, 1], blob, field(&secret.concat())].concat();
    let packed = BASE64_STANDARD.encode(whole);
    format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{packed}\n-----END OPENSSH PRIVATE KEY-----\n")
}

/// Puts something into the Secret that the machine type names.
fn secret(lab: &Lab, key: &str, content: &str) {
    lab.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "teuthology", "namespace": SYSTEM},
        "stringData": {key: content},
    }));
}

/// The machine type logs in.
fn logs_in(lab: &Lab, check: &Value) {
    lab.edit("machinetypes", "", "lab", |spec| spec["readiness"] = json!([{"type": "console"}, check]));
}

fn teuthology() -> Value {
    json!({"type": "ssh", "user": "ubuntu", "keySecretRef": {"name": "teuthology"}, "sentinel": "/.teuth_provisioned"})
}

/// The machine type logs in, and may.
pub fn lets_in(lab: &Lab) {
    secret(lab, "ssh-privatekey", &private_key("none", "ssh-ed25519"));
    logs_in(lab, &teuthology());
    lab.wires.authorize("ubuntu", &public(&SEED));
    lab.wires.touch("/.teuth_provisioned");
}

fn both() -> Value {
    json!({"readiness": [{"type": "console"}, {"type": "ssh"}]})
}

fn only() -> Value {
    json!({"readiness": [{"type": "ssh"}]})
}

fn ssh(lab: &Lab) -> Value {
    lab.the("smithi001")["status"]["ssh"].clone()
}

fn next_fate(lab: &Lab, alter: impl FnOnce(&mut ServerFate)) {
    let mut fate = ServerFate::default();
    alter(&mut fate);
    lab.cloud.next_server(fate);
}

#[tokio::test(start_paused = true)]
async fn the_key_that_the_console_showed_is_the_one_that_sshd_must_have() {
    let lab = Lab::new(quick()).await;

    lab.node("smithi001", both());
    lab.ready("smithi001", 30).await;

    assert_eq!(
        (ssh(&lab)["hostKeysFrom"].as_str(), ssh(&lab)["hostKeys"].as_array().unwrap().len()),
        (Some("Console"), 3)
    );
    assert!(!lab.says("smithi001", "Ready").2.contains("host key"), "nothing to say of it");
}

#[tokio::test(start_paused = true)]
async fn where_no_key_is_known_the_first_that_is_seen_counts_and_that_is_told() {
    for (fate, spec) in [(false, only()), (true, both())] {
        let mut lab = Lab::new(quick()).await;
        next_fate(&lab, |next| next.no_host_keys = fate);

        lab.node("smithi001", spec);
        lab.ready("smithi001", 30).await;

        let told = ssh(&lab);
        assert_eq!(
            (told["hostKeysFrom"].as_str(), told["hostKeys"].as_array().unwrap().len()),
            (Some("FirstSeen"), 1)
        );
        let message = lab.says("smithi001", "Ready").2;
        assert!(message.contains("the first that was seen in the network"), "{message}");
        lab.start();
        sleep(Duration::from_mins(30)).await;
        assert_eq!((ssh(&lab), lab.says("smithi001", "Ready").2), (told, message), "also after a restart");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_first_seen_gives_way_to_what_the_console_shows_later() {
    let lab = Lab::new(Settings { guest_boot: Duration::from_secs(40), ..quick() }).await;

    lab.node("smithi001", json!({"readiness": [{"type": "ssh"}, {"type": "console"}]}));
    lab.until("a key was seen", 30, |lab| ssh(lab)["hostKeysFrom"] == "FirstSeen").await;
    lab.ready("smithi001", 90).await;

    assert_eq!(
        (ssh(&lab)["hostKeysFrom"].as_str(), ssh(&lab)["hostKeys"].as_array().unwrap().len()),
        (Some("Console"), 3)
    );
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_shows_another_key_than_its_console_is_not_ready_and_is_given_up_in_time() {
    for spec in [both(), json!({"readiness": [{"type": "ssh"}, {"type": "console"}]})] {
        let lab = Lab::new(quick()).await;
        lab.edit("machinetypes", "", "lab", |spec| spec["timeouts"] = json!({"boot": "2m"}));
        next_fate(&lab, |next| next.other_host_key = true);

        lab.node("smithi001", spec);
        let differs = |lab: &Lab| lab.says("smithi001", "Ready").1 == "HostKeyDiffers";
        lab.until("it is told", 30, differs).await;
        let message = lab.says("smithi001", "Ready").2;
        println!("{message}");
        assert_eq!(message.matches("SHA256:").count(), 4, "{message}");
        lab.ready("smithi001", 240).await;

        assert_eq!(lab.cloud.all_servers().len(), 2);
        let failed = &lab.the("smithi001")["status"]["attempts"][0];
        assert_eq!(failed["reason"], "BootTimeout");
        assert!(failed["message"].as_str().unwrap().contains("SHA256:"), "{failed}");
    }
}

#[tokio::test(start_paused = true)]
async fn sshd_that_comes_late_is_waited_for_until_the_checks_own_timeout() {
    for (takes, attempts) in [(40, 1), (90, 2)] {
        let lab = Lab::new(quick()).await;
        next_fate(&lab, |next| next.sshd_takes = takes);

        lab.node("smithi001", json!({"readiness": [{"type": "console"}, {"type": "ssh", "timeout": "1m"}]}));
        lab.ready("smithi001", 180).await;

        let status = lab.the("smithi001")["status"].clone();
        assert_eq!(status["attempts"].as_array().unwrap().len(), attempts, "{status}");
        if attempts > 1 {
            let message = status["attempts"][0]["message"].as_str().unwrap().to_owned();
            assert!(message.contains("within its timeout (60 s): waiting for sshd at port 22"), "{message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_port_of_the_check_is_told_as_the_one_to_log_in_at() {
    let lab = Lab::new(quick()).await;

    lab.node("smithi001", json!({"readiness": [{"type": "ssh", "port": 2222}]}));
    lab.ready("smithi001", 30).await;

    assert_eq!(ssh(&lab)["port"], 2222);
}

#[tokio::test(start_paused = true)]
async fn a_login_waits_for_the_user_and_then_for_the_file() {
    let lab = Lab::new(quick()).await;
    secret(&lab, "ssh-privatekey", &private_key("none", "ssh-ed25519"));
    logs_in(&lab, &teuthology());

    lab.node("smithi001", json!({}));
    let says = |words: &'static str| move |lab: &Lab| lab.says("smithi001", "Ready").2.contains(words);
    lab.until("it does not let us in", 60, says("to let user ubuntu in with the key of Secret teuthology"))
        .await;
    lab.wires.authorize("ubuntu", &public(&SEED));
    lab.until("there is no file", 60, says("waiting for the file /.teuth_provisioned")).await;
    assert!(!lab.is_ready("smithi001"));
    lab.wires.touch("/.teuth_provisioned");
    lab.ready("smithi001", 15).await;

    assert_eq!(ssh(&lab)["hostKeysFrom"], "Console");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_used_is_told_with_its_cure_and_burns_no_attempt() {
    let lab = Lab::new(quick()).await;
    lab.wires.authorize("ubuntu", &public(&SEED));
    lab.wires.touch("/.teuth_provisioned");
    logs_in(&lab, &teuthology());
    lab.node("smithi001", json!({}));
    let message = lab.told("smithi001", "Stalled", "LoginKeyUnusable", 60).await;
    assert!(message.contains("kubectl create secret generic teuthology --namespace"), "{message}");
    for (key, content, words) in [
        ("id_rsa", "hunter2".to_owned(), "has no key ssh-privatekey"),
        ("ssh-privatekey", "hunter2".into(), "not a whole private key"),
        ("ssh-privatekey", private_key("aes256-ctr", "ssh-ed25519"), "passphrase"),
        ("ssh-privatekey", private_key("none", "ssh-rsa"), "only Ed25519 will do"),
    ] {
        secret(&lab, key, &content);
        let told = |lab: &Lab| lab.says("smithi001", "Stalled").2.contains(words);
        lab.until(words, 60, told).await;
        let whole =
            [lab.the("smithi001"), lab.cluster.list("events", "default").into()].map(|o| o.to_string());
        let secret = content.lines().nth(1).unwrap_or(&content).to_owned();
        assert!(whole.iter().all(|told| !told.contains(&secret)), "{words}");
    }
    sleep(Duration::from_mins(15)).await;
    assert_eq!(lab.cloud.all_servers().len(), 1, "{}", lab.story());

    secret(&lab, "ssh-privatekey", &private_key("none", "ssh-ed25519"));
    lab.ready("smithi001", 60).await;
    assert_eq!(lab.cloud.all_servers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_cannot_name_a_secret_of_the_operator() {
    let lab = Lab::new(quick()).await;
    let spec = json!({"machineType": "lab", "readiness": [teuthology()]});
    let node = json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNode",
        "metadata": {"name": "smithi001", "namespace": "default"}, "spec": spec,
    });

    let refused = lab.cluster.put(node).unwrap_err();

    let refused = format!("{refused:?}");
    assert!(refused.contains("are for MachineTypes"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn many_nodes_that_log_in_read_the_secret_once_in_a_while() {
    let lab = Lab::new(quick()).await;
    secret(&lab, "ssh-privatekey", &private_key("none", "ssh-ed25519"));
    logs_in(&lab, &teuthology());
    lab.wires.authorize("ubuntu", &public(&SEED));
    let names: Vec<String> = (0..10).map(|number| format!("smithi{number:03}")).collect();
    for name in &names {
        lab.node(name, json!({}));
    }
    sleep(Duration::from_mins(1)).await;
    let count: Arc<AtomicUsize> = Arc::default();
    let counted = count.clone();
    lab.cluster.faults().observe(move |call| {
        let one = call.resource == "secrets" && call.name == "teuthology";
        counted.fetch_add(usize::from(one), Ordering::SeqCst);
    });

    sleep(Duration::from_mins(1)).await;

    let read = count.load(Ordering::SeqCst);
    assert!((1..=7).contains(&read), "{read}");
}
