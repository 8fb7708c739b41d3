//! What the guest says.

use base64::{Engine, engine::general_purpose::STANDARD};
use devcloud::ServerFate;
use serde_json::{Value, json};

use crate::client::{Client, base64, pass};

async fn console(client: &Client, id: &str, length: Value) -> String {
    let path = format!("/compute/v2.1/servers/{id}/action");
    let said = client.post(&path, json!({"os-getConsoleOutput": {"length": length}})).await;
    assert_eq!(said.status, 200);
    said.body["output"].as_str().unwrap().into()
}

#[tokio::test(start_paused = true)]
async fn the_console_grows_stage_by_stage() {
    let client = Client::default().await;
    let id = client.server(json!({})).await;

    assert_eq!(console(&client, &id, Value::Null).await, "");
    pass(2.0 + 4.1).await;
    let early = console(&client, &id, Value::Null).await;
    assert!(early.contains("running 'init' at") && !early.contains("modules:config"), "{early}");
    pass(4.0).await;
    let late = console(&client, &id, Value::Null).await;

    assert!(late.starts_with(&early), "nothing is taken back");
    assert!(late.contains("Datasource DataSourceOpenStackLocal [net,ver=2].  Up 8.00 seconds\r\n"), "{late}");
    let (keys, end) =
        (late.find("-----END SSH HOST KEY KEYS-----").unwrap(), late.find(" finished at ").unwrap());
    assert!(keys < end);
}

#[tokio::test(start_paused = true)]
async fn host_keys_are_well_formed_and_have_a_foreign_line_between_them() {
    let client = Client::default().await;
    let id = client.server(json!({})).await;
    pass(11.0).await;
    let text = console(&client, &id, Value::Null).await;

    let block = text.split("-----BEGIN SSH HOST KEY KEYS-----\r\n").nth(1).unwrap();
    let block = block.split("-----END SSH HOST KEY KEYS-----").next().unwrap();
    let lines: Vec<_> = block.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("[  ")), "{block}");
    let keys: Vec<_> = lines.iter().filter(|line| line.ends_with("root@target001")).collect();
    assert_eq!(keys.len(), 3);
    for key in keys {
        let parts: Vec<_> = key.split(' ').collect();
        let blob = STANDARD.decode(parts[1]).unwrap();
        let length = usize::try_from(u32::from_be_bytes(blob[..4].try_into().unwrap())).unwrap();
        assert_eq!(std::str::from_utf8(&blob[4..4 + length]).unwrap(), parts[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn user_data_chooses_the_final_message() {
    let client = Client::default().await;
    let part =
        "## template: jinja\n#cloud-config\nfinal_message: \"mark {{ v1.instance_id }} {{datasource}} up\"\n";
    let multi = format!(
        "Content-Type: multipart/mixed; boundary=\"b\"\nMIME-Version: 1.0\n\n--b\nContent-Type: text/cloud-config\n\
         Content-Transfer-Encoding: base64\n\n{}\n--b--\n",
        base64(part)
    );
    let plain = client.server(json!({"user_data": base64(part)})).await;
    let packed = client.server(json!({"user_data": base64(&multi)})).await;
    pass(11.0).await;

    for id in [plain, packed] {
        let text = console(&client, &id, Value::Null).await;
        assert!(text.contains(&format!("mark {id} DataSourceOpenStackLocal [net,ver=2] up\r\n")), "{text}");
        assert!(!text.contains(" finished at "));
    }
}

#[tokio::test(start_paused = true)]
async fn length_gives_the_last_lines_less_one_for_the_final_newline() {
    let client = Client::default().await;
    let id = client.server(json!({})).await;
    pass(11.0).await;
    let all = console(&client, &id, Value::Null).await;

    let two = console(&client, &id, json!(2)).await;

    let last = all.trim_end().rsplit('\n').next().unwrap();
    assert_eq!(two.trim_end(), last);
}

#[tokio::test(start_paused = true)]
async fn guests_fail_in_their_own_ways() {
    let client = Client::default().await;
    let boot = async |fate: ServerFate| {
        client.cloud.next_server(fate);
        let id = client.server(json!({"user_data": base64("#cloud-config\nfinal_message: mine\n")})).await;
        pass(12.0).await;
        console(&client, &id, Value::Null).await
    };

    assert_eq!(boot(ServerFate { no_console: true, ..ServerFate::default() }).await, "");
    let stuck = boot(ServerFate { never_boots: true, ..ServerFate::default() }).await;
    assert!(!stuck.is_empty() && !stuck.contains("Cloud-init"), "{stuck}");
    let none = boot(ServerFate { no_datasource: true, ..ServerFate::default() }).await;
    assert!(none.contains("Datasource DataSourceNone."), "{none}");
    let bare = boot(ServerFate { no_host_keys: true, ..ServerFate::default() }).await;
    assert!(bare.contains("mine") && !bare.contains("SSH HOST KEY"), "{bare}");
}

#[tokio::test(start_paused = true)]
async fn only_a_rebuild_prints_the_host_keys_again() {
    let client = Client::default().await;
    let id = client.server(json!({})).await;
    pass(12.0).await;
    let first = console(&client, &id, Value::Null).await;
    let path = format!("/compute/v2.1/servers/{id}/action");

    client.post(&path, json!({"reboot": {"type": "SOFT"}})).await;
    pass(10.0).await;
    let rebooted = console(&client, &id, Value::Null).await;
    assert_eq!(rebooted.matches("BEGIN SSH HOST KEY KEYS").count(), 1);
    assert_eq!(rebooted.matches(" finished at ").count(), 2);
    client.post(&path, json!({"rebuild": {"imageRef": crate::client::IMAGE}})).await;
    pass(12.0).await;

    let key = |text: &str| text.lines().find(|line| line.starts_with("ssh-ed25519")).map(str::to_owned);
    let rebuilt = console(&client, &id, Value::Null).await;
    assert_ne!(key(&first), key(&rebuilt));
}
