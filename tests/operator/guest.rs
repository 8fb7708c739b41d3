//! What guests and clouds do with the console and with ports: by what a node is Ready, and what is told where nothing can
//! tell.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use devcloud::{Effect, Fault, ServerFate, Service, Settings};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick};

/// Guests that take a while.
fn slow() -> Settings {
    Settings { guest_boot: Duration::from_secs(30), ..quick() }
}

fn host_keys(lab: &Lab) -> Vec<String> {
    let keys = lab.the("smithi001")["status"]["ssh"]["hostKeys"].as_array().cloned().unwrap_or_default();
    keys.iter().map(|key| key.as_str().unwrap_or_default().to_owned()).collect()
}

fn attempts(lab: &Lab) -> usize {
    lab.the("smithi001")["status"]["attempts"].as_array().map_or(0, Vec::len)
}

/// Nova refuses to show any console.
fn no_console(lab: &Lab, status: u16, words: &str) {
    let body = json!({"badRequest": {"code": status, "message": words}});
    let refusal = Effect::Answer { status, headers: Vec::new(), body, when: devcloud::When::Before };
    lab.cloud.fault(Fault::new(refusal).on(Service::Nova, "os-getConsoleOutput")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_final_message_of_the_users_own_does_not_keep_a_node_from_ready() {
    for user_data in [
        "#cloud-config\nfinal_message: READYTORUN\n",
        "#cloud-config\nfinal_message: \"teuthology is up and running after $UPTIME seconds\"\n",
        "\n\n#cloud-config\nfinal_message: |\n  done\n  at last\n",
    ] {
        let lab = Lab::new(slow()).await;

        lab.node("smithi001", json!({"userData": user_data}));
        lab.ready("smithi001", 60).await;

        assert_eq!((attempts(&lab), host_keys(&lab).len()), (1, 3), "{user_data}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_final_message_of_the_machine_types_does_not_either_and_is_not_replaced_by_ours() {
    let lab = Lab::new(slow()).await;
    lab.edit("machinetypes", "", "lab", |spec| {
        spec["cloudInit"] = json!([{"userData": "#cloud-config\nfinal_message: READYTORUN\n"}]);
    });
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS";

    lab.node("smithi001", json!({"sshAuthorizedKeys": [key], "onFailure": "Hold"}));
    lab.ready("smithi001", 60).await;

    let sent = lab.cloud.servers()[0].user_data.clone().unwrap();
    let sent = String::from_utf8(BASE64_STANDARD.decode(sent).unwrap()).unwrap();
    let (theirs, ours) = (sent.find("READYTORUN").unwrap(), sent.rfind("final_message").unwrap());
    assert!(theirs < ours, "{sent}");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_prints_no_host_keys_is_ready_and_that_is_told() {
    let lab = Lab::new(slow()).await;
    lab.cloud.next_server(ServerFate { no_host_keys: true, ..ServerFate::default() });

    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 60).await;

    let message = lab.says("smithi001", "Ready").2;
    assert!(message.contains("no SSH host keys are known"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn what_failed_in_the_guest_is_told_when_it_is_ready_and_stays_told() {
    let mut lab = Lab::new(slow()).await;
    let says =
        vec!["cloud-init[812]: cc_scripts_user.py[WARNING]: Failed to run module scripts-user".to_owned()];
    lab.cloud.next_server(ServerFate { says, ..ServerFate::default() });

    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 60).await;

    let told = |lab: &Lab| (lab.says("smithi001", "Booted").1, lab.says("smithi001", "Ready").2);
    let (reason, message) = told(&lab);
    assert_eq!(reason, "BootedWithFailures");
    assert!(message.contains("Failed to run module scripts-user"), "{message}");
    lab.start();
    sleep(Duration::from_mins(30)).await;
    assert_eq!(told(&lab), (reason, message));
}

#[tokio::test(start_paused = true)]
async fn a_cloud_without_a_console_says_so_in_novas_words_and_burns_no_attempt() {
    for (status, words) in [
        (400, "There is no such action: os-getConsoleOutput"),
        (403, "Policy doesn't allow os_compute_api:os-console-output to be performed."),
        (404, "Unable to get console"),
        (409, "Instance not yet ready"),
        (501, "Unable to get console log, functionality not implemented"),
    ] {
        let lab = Lab::new(quick()).await;
        no_console(&lab, status, words);

        lab.node("smithi001", json!({}));
        let message = lab.told("smithi001", "Stalled", "NoConsole", 120).await;
        println!("{message}");
        assert!(message.contains(words), "{message}");
        assert!(message.contains("readiness: [{type: tcp, port: 22}]"), "{message}");
        sleep(Duration::from_mins(15)).await;
        assert_eq!((attempts(&lab), lab.cloud.all_servers().len()), (1, 1), "{}", lab.story());
        let mut events = lab.cluster.list("events", "default");
        events.retain(|event| event["reason"] == "NoConsole");
        assert_eq!(events.len(), 1, "{events:#?}\n{}", lab.the("smithi001"));
        assert_eq!(events[0]["series"]["count"].as_i64().unwrap_or(1), 1, "{events:?}");

        lab.edit("testnodes", "default", "smithi001", |spec| {
            spec["readiness"] = json!([{"type": "tcp", "port": 22}]);
        });
        lab.ready("smithi001", 30).await;
        assert_eq!(lab.cloud.all_servers().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_console_that_comes_late_is_read_after_all() {
    let lab = Lab::new(quick()).await;
    let refusal = Effect::refuse(404);
    lab.cloud.fault(Fault::new(refusal).on(Service::Nova, "os-getConsoleOutput").times(3)).unwrap();

    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 60).await;

    assert_eq!(host_keys(&lab).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_guest_without_cloud_init_is_told_what_its_readiness_can_be_and_is_kept() {
    let lab = Lab::new(slow()).await;
    let console = Some("Fedora CoreOS 39\r\nIgnition: ran on 2024/02/20\r\nlocalhost login: ".to_owned());
    lab.cloud.next_server(ServerFate { console, ..ServerFate::default() });

    let ignition = json!({"ignition": {"version": "3.4.0"}}).to_string();
    lab.node("smithi001", json!({"userData": ignition}));
    let message = lab.told("smithi001", "Stalled", "NoCloudInit", 90).await;
    assert!(message.contains("readiness: [{type: tcp, port: 22}]"), "{message}");
    sleep(Duration::from_mins(15)).await;
    assert_eq!((attempts(&lab), lab.cloud.all_servers().len()), (1, 1), "{}", lab.story());

    lab.edit("testnodes", "default", "smithi001", |spec| {
        spec["readiness"] = json!([{"type": "tcp", "port": 22}]);
    });
    lab.ready("smithi001", 30).await;
    let sent = lab.cloud.servers()[0].user_data.clone().unwrap();
    assert_eq!(BASE64_STANDARD.decode(sent).unwrap(), ignition.as_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_port_that_answered_on_a_machine_that_failed_is_not_open_on_the_next() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["timeouts"] = json!({"boot": "1m"}));
    lab.cloud.next_server(ServerFate { no_console: true, ..ServerFate::default() });
    lab.cloud.next_server(ServerFate { no_answer: true, ..ServerFate::default() });
    let readiness: Value = json!([{"type": "tcp", "port": 22}, {"type": "console"}]);

    lab.node("smithi001", json!({"readiness": readiness}));
    lab.until("the first attempt failed", 180, |lab| attempts(lab) == 2).await;
    let second = |lab: &Lab| lab.cloud.servers().into_iter().find(|server| server.fate.no_answer);
    let active = |lab: &Lab| second(lab).is_some_and(|server| server.status == devcloud::Status::Active);
    lab.until("the second machine is ACTIVE", 60, active).await;
    sleep(Duration::from_secs(20)).await;

    assert!(!lab.is_ready("smithi001"), "its port was never tried");
    lab.cloud.doom_server(&second(&lab).unwrap().id, ServerFate::default());
    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_no_port_has_is_told_with_those_there_are() {
    for dns in [true, false] {
        let mut lab = Lab::idle(quick());
        let cloud = if dns { "lab" } else { "nameless" };
        lab.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "Cloud", "metadata": {"name": "nameless"},
            "spec": {"openstack": {"secretRef": {"name": "lab"}, "cloudName": "lab"}},
        }));
        lab.edit("clouds", "", cloud, |spec| spec["addressFrom"] = json!({"version": "V6"}));
        lab.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": "lab"},
            "spec": crate::harness::machine_type(&[cloud]),
        }));
        lab.start();

        lab.node("smithi001", json!({"readiness": [{"type": "tcp", "port": 22}]}));
        let message = lab.told("smithi001", "Stalled", "NoAddress", 60).await;
        assert!(message.contains("10.77.0.10 (network ") && message.contains("addressFrom"), "{message}");
        sleep(Duration::from_mins(15)).await;
        assert!(!lab.is_ready("smithi001"));
        assert_eq!(attempts(&lab), 1);

        lab.edit("clouds", "", cloud, |spec| spec["addressFrom"] = json!({"version": "V4"}));
        lab.ready("smithi001", 60).await;
    }
}
