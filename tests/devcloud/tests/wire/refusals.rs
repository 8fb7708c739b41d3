//! How Nova, Cinder and Neutron say no.

use devcloud::Settings;
use serde_json::{Value, json};

use crate::client::{Client, EXTERNAL, NETWORK, base64, pass};

async fn with_quotas(change: impl FnOnce(&mut devcloud::Quotas)) -> Client {
    let mut settings = Settings::default();
    change(&mut settings.quotas);
    Client::new(settings).await
}

#[tokio::test(start_paused = true)]
async fn nova_over_quota_is_403_and_only_the_text_tells() {
    let client = with_quotas(|quotas| quotas.cores = 3).await;
    client.server(json!({})).await;

    let said = client.create(json!({})).await;

    let message = "Quota exceeded for cores: Requested 2, but already used 2 of 3 cores";
    assert_eq!((said.status, said.body), (403, json!({"forbidden": {"code": 403, "message": message}})));
    let limits = client.get("/compute/v2.1/limits").await.body["limits"]["absolute"].clone();
    assert_eq!((&limits["totalCoresUsed"], &limits["maxTotalCores"]), (&json!(2), &json!(3)));
    let project = client.cloud.settings().project_id;
    let detail = client.get(&format!("/compute/v2.1/os-quota-sets/{project}/detail")).await;
    assert_eq!(detail.body["quota_set"]["cores"], json!({"limit": 3, "in_use": 2, "reserved": 0}));
}

#[tokio::test(start_paused = true)]
async fn cinder_over_quota_is_413_with_a_retry_after_of_zero() {
    let client = with_quotas(|quotas| quotas.volumes = 1).await;
    client.volume("one").await;

    let said = client.post(&client.volumes("/volumes"), json!({"volume": {"size": 1}})).await;

    let message = "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.";
    assert_eq!(said.status, 413);
    assert_eq!(said.headers["retry-after"], "0");
    assert_eq!(said.body, json!({"overLimit": {"code": 413, "message": message, "retryAfter": "0"}}));
}

#[tokio::test(start_paused = true)]
async fn cinder_tells_too_much_in_all_from_too_large_at_all() {
    let client = with_quotas(|quotas| (quotas.gigabytes, quotas.per_volume_gigabytes) = (10, 8)).await;
    client.post(&client.volumes("/volumes"), json!({"volume": {"size": 4}})).await;
    let refuse = async |size: u32| {
        let said = client.post(&client.volumes("/volumes"), json!({"volume": {"size": size}})).await;
        said.body["overLimit"]["message"].as_str().unwrap().to_owned()
    };

    assert_eq!(
        refuse(7).await,
        "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 7G, \
         quota is 10G and 4G has been consumed."
    );
    assert_eq!(
        refuse(9).await,
        "VolumeSizeExceedsLimit: Requested volume size 9G is larger than maximum allowed limit 8G."
    );
}

#[tokio::test(start_paused = true)]
async fn neutron_over_quota_is_409_and_novas_port_quota_403() {
    let client = with_quotas(|quotas| (quotas.floatingip, quotas.port) = (0, 0)).await;

    let ip = json!({"floatingip": {"floating_network_id": EXTERNAL}});
    let said = client.post("/network/v2.0/floatingips", ip).await;
    let server = client.create(json!({})).await;

    let error = json!({"type": "OverQuota", "message": "Quota exceeded for resources: ['floatingip'].", "detail": ""});
    assert_eq!((said.status, &said.body["NeutronError"]), (409, &error));
    assert_eq!(server.status, 403);
    assert_eq!(server.body["forbidden"]["message"], "The number of defined ports: 1 is over the limit: 0");
}

#[tokio::test(start_paused = true)]
async fn neutron_tells_its_quota_and_refuses_a_port_over_it() {
    let client = with_quotas(|quotas| (quotas.port, quotas.floatingip) = (1, -1)).await;
    client.port("p").await;

    let said = client.post("/network/v2.0/ports", json!({"port": {"network_id": NETWORK}})).await;

    let error =
        json!({"type": "OverQuota", "message": "Quota exceeded for resources: ['port'].", "detail": ""});
    assert_eq!((said.status, &said.body["NeutronError"]), (409, &error));
    let project = client.cloud.settings().project_id;
    let quota =
        client.get(&format!("/network/v2.0/quotas/{project}/details.json")).await.body["quota"].clone();
    assert_eq!(quota["port"], json!({"limit": 1, "used": 1, "reserved": 0}));
    assert_eq!(quota["floatingip"]["limit"], json!(-1));
}

#[tokio::test(start_paused = true)]
async fn servers_in_error_count_against_the_quota() {
    let client = with_quotas(|quotas| quotas.instances = 1).await;
    let fault = Some("No valid host was found. ".into());
    client.cloud.next_server(devcloud::ServerFate { fault, ..devcloud::ServerFate::default() });
    let id = client.server(json!({})).await;
    pass(1.0).await;

    let broken = client.show(&id).await;

    assert_eq!((&broken["status"], &broken["hostId"]), (&json!("ERROR"), &json!("")));
    assert_eq!(broken["fault"]["code"], 500);
    assert_eq!(broken["fault"]["message"], "No valid host was found. ");
    assert_eq!(client.create(json!({})).await.status, 403);
    assert_eq!(client.delete(&format!("/compute/v2.1/servers/{id}")).await.status, 204);
    assert_eq!(client.create(json!({})).await.status, 202, "never scheduled, gone at once");
}

#[tokio::test(start_paused = true)]
async fn the_fault_of_a_server_that_was_never_scheduled_is_in_no_list() {
    for (message, listed) in
        [("No valid host was found. ", false), ("Exceeded maximum number of retries.", true)]
    {
        let client = Client::default().await;
        let fault = Some(message.into());
        client.cloud.next_server(devcloud::ServerFate { fault, ..devcloud::ServerFate::default() });
        let id = client.server(json!({})).await;
        pass(10.0).await;

        let list = client.get("/compute/v2.1/servers/detail").await.body;

        assert_eq!(list["servers"][0]["status"], "ERROR");
        assert_eq!(list["servers"][0].get("fault").is_some(), listed, "{message}");
        assert_eq!(client.show(&id).await["fault"]["message"], message);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_400_in_a_create() {
    let client = Client::default().await;
    let cases = [
        (json!({"flavorRef": "nope"}), "Flavor nope could not be found."),
        (json!({"imageRef": "nope"}), "Can not find requested image"),
        (json!({"networks": [{"uuid": "nope"}]}), "Network nope could not be found."),
        (json!({"key_name": "nope"}), "Invalid key_name provided."),
        (
            json!({"security_groups": [{"name": "nope"}]}),
            "Unable to find security_group with name or id 'nope'",
        ),
    ];

    for (extra, message) in cases {
        let said = client.create(extra).await;
        assert_eq!((said.status, &said.body["badRequest"]["message"]), (400, &json!(message)));
    }
}

#[tokio::test(start_paused = true)]
async fn fields_are_refused_below_their_microversion() {
    let mut client = Client::default().await;

    for (micro, extra, status) in [
        ("2.51", json!({"tags": ["a"]}), 400),
        ("2.52", json!({"tags": ["a"]}), 202),
        ("2.89", json!({"hostname": "ab"}), 400),
        ("2.90", json!({"hostname": "ab"}), 202),
        ("2.90", json!({"hostname": "a.b"}), 400),
        ("2.36", json!({"networks": "none"}), 400),
        ("2.37", json!({"networks": "none"}), 202),
        ("2.90", json!({"networks": null}), 400),
    ] {
        client.micro = micro;
        assert_eq!(client.create(extra.clone()).await.status, status, "{micro} {extra}");
    }
    client.micro = "2.90";
    let bare = json!({"server": {"name": "a", "flavorRef": crate::client::FLAVOR, "imageRef": crate::client::IMAGE}});
    assert_eq!(client.post("/compute/v2.1/servers", bare).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_microversion_too_high_is_406() {
    let mut client = Client::default().await;
    client.micro = "2.999";

    let said = client.get("/compute/v2.1/servers").await;

    let message = "Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.93.";
    assert_eq!((said.status, &said.body["computeFault"]["message"]), (406, &json!(message)));
}

#[tokio::test(start_paused = true)]
async fn marks_are_refused_where_nova_does_not_take_them() {
    let client = Client::default().await;
    let many: Value =
        (0..129).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();

    for (extra, status) in [
        (json!({"tags": ["a=b:c"]}), 202),
        (json!({"tags": ["a/b"]}), 400),
        (json!({"tags": ["x".repeat(61)]}), 400),
        (json!({"metadata": {"a/b": "c"}}), 400),
        (json!({"metadata": {"a": "c/d"}}), 202),
        (json!({"metadata": {"a": "x".repeat(256)}}), 400),
        (json!({"metadata": many}), 403),
        (json!({"user_data": "%"}), 400),
        (json!({"user_data": base64(&"x".repeat(49_149))}), 202),
        (json!({"user_data": base64(&"x".repeat(49_152))}), 400),
    ] {
        let said = client.create(extra.clone()).await;
        assert_eq!(said.status, status, "{}", extra.to_string().chars().take(80).collect::<String>());
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_beside_volumes_must_be_in_the_mapping_too() {
    let client = Client::default().await;
    let volume = client.volume("v").await;
    let mapping =
        json!([{"source_type": "volume", "uuid": volume, "boot_index": -1, "destination_type": "volume"}]);

    let said = client.create(json!({"block_device_mapping_v2": mapping})).await;

    let message = "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping \
                   combination is not valid.";
    assert_eq!((said.status, &said.body["badRequest"]["message"]), (400, &json!(message)));
}

#[tokio::test(start_paused = true)]
async fn a_fixed_ip_that_is_taken_is_400() {
    let client = Client::default().await;
    client.port("p").await;

    let said = client.create(json!({"networks": [{"uuid": NETWORK, "fixed_ip": "10.77.0.10"}]})).await;

    assert_eq!(said.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_zero_disk_flavor_takes_only_servers_that_boot_from_a_volume() {
    let client = Client::default().await;

    let said = client.create(json!({"flavorRef": "7e57f1a0-0000-4000-8000-000000000006"})).await;

    let message = "Only volume-backed servers are allowed for flavors with zero disk.";
    assert_eq!((said.status, &said.body["forbidden"]["message"]), (403, &json!(message)));
}
