use serde_json::{Value, json};

use super::*;
use crate::openstack::VolumeId;
use crate::openstack::fake::{Reply, cloud};

/// A server at 2.52, shortened by what we do not read.
fn server(id: &str) -> Value {
    json!({
        "id": id, "name": "target001", "status": "ACTIVE", "tenant_id": "p1", "user_id": "u1",
        "metadata": { "testnode-uid": "u" }, "hostId": "d1e2", "accessIPv4": "", "progress": 0,
        "image": { "id": "i1", "links": [] }, "flavor": { "vcpus": 1, "original_name": "m1" },
        "created": "2026-11-21T10:00:00Z", "updated": "2026-11-21T10:00:03Z", "config_drive": "",
        "addresses": { "lab": [
            { "version": 4, "addr": "10.77.0.5", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa:16" },
            { "version": 4, "addr": "203.0.113.9", "OS-EXT-IPS:type": "floating", "OS-EXT-IPS-MAC:mac_addr": "fa:16" },
        ]},
        "OS-EXT-AZ:availability_zone": "nova", "OS-EXT-STS:task_state": null, "OS-EXT-STS:vm_state": "active",
        "os-extended-volumes:volumes_attached": [{ "id": "v1", "delete_on_termination": true }],
        "tags": ["testnode-cluster=c"], "locked": false,
    })
}

fn new_server() -> NewServer {
    NewServer {
        name: "target001".into(),
        flavor: "f1".into(),
        image: Some("i1".into()),
        ports: vec!["p1".into()],
        volumes: vec![VolumeId::from("v1").into(), VolumeId::from("v2").into()],
        key_name: Some("k".into()),
        user_data: Some(b"#cloud-config".to_vec()),
        availability_zone: Some("az".into()),
        metadata: [("testnode-uid".to_owned(), "u".to_owned())].into(),
        tags: vec!["testnode-uid=u".into()],
        extras: Extras::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_read_whole() {
    let (session, log) = cloud(|_| Reply::Json(200, json!({ "server": server("s1") })));

    let server = session.compute().server(&"s1".into()).await.unwrap();

    assert_eq!(log.lines(), ["GET nova/v2.1/servers/s1"]);
    assert_eq!((server.status.clone(), server.deleting), (ServerStatus::Active, false));
    assert_eq!(server.created, Some("2026-11-21T10:00:00Z".parse().unwrap()));
    assert_eq!((server.host_id.as_str(), server.availability_zone.as_str()), ("d1e2", "nova"));
    assert_eq!(server.attached_volumes, ["v1".into()]);
    assert_eq!((server.image, server.fault), (Some("i1".into()), None));
    let kinds: Vec<_> = server.addresses.iter().map(|a| (a.address.to_string(), a.kind)).collect();
    assert_eq!(
        kinds,
        [("10.77.0.5".into(), AddressKind::Fixed), ("203.0.113.9".into(), AddressKind::Floating)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_server_says_why_and_a_going_one_that_it_goes() {
    let (session, _) = cloud(|_| {
        let fault =
            json!({ "code": 500, "created": "2026-11-21T10:00:02Z", "message": "No valid host was found. " });
        Reply::Json(
            200,
            json!({ "servers": [
                { "id": "s1", "status": "ERROR", "image": "", "hostId": "", "fault": fault, "addresses": {} },
                { "id": "s2", "status": "ACTIVE", "OS-EXT-STS:task_state": "deleting" },
                { "id": "s3", "status": "HARD_REBOOT", "name": null, "created": "soon" },
            ]}),
        )
    });

    let servers = session.compute().list_servers("t").await.unwrap();

    assert_eq!(servers[0].fault.as_deref(), Some("No valid host was found."));
    assert_eq!(servers[0].image, None);
    assert!(servers[1].deleting);
    assert_eq!(servers[2].status.to_string(), "HARD_REBOOT");
}

#[tokio::test(start_paused = true)]
async fn a_list_is_all_of_its_pages_and_filtered_by_tag() {
    let (session, log) = cloud(|seen| {
        let more = json!([{ "rel": "next", "href": "http://inside/v2.1/servers/detail?marker=s1" }]);
        if seen.uri.contains("marker=s1") {
            Reply::Json(200, json!({ "servers": [server("s2")] }))
        } else {
            Reply::Json(200, json!({ "servers": [server("s1")], "servers_links": more }))
        }
    });

    let servers = session.compute().list_servers("testnode-cluster=c").await.unwrap();

    assert_eq!(servers.iter().map(|s| s.id.0.as_str()).collect::<Vec<_>>(), ["s1", "s2"]);
    let first = "GET nova/v2.1/servers/detail?tags=testnode-cluster%3Dc";
    assert_eq!(log.lines(), [first.to_owned(), format!("{first}&marker=s1")]);
    assert_eq!(log.last().headers["openstack-api-version"], "compute 2.52");
    assert_eq!(log.last().headers["x-openstack-nova-api-version"], "2.52");
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_marker_is_gone_starts_over_once() {
    let (session, log) = cloud(|seen| {
        let fault = json!({ "badRequest": { "code": 400, "message": "marker [s1] not found" } });
        let more = json!([{ "rel": "next", "href": "?marker=s1" }]);
        if seen.uri.contains("marker") {
            Reply::Json(400, fault)
        } else {
            Reply::Json(200, json!({ "servers": [server("s1")], "servers_links": more }))
        }
    });

    let error = session.compute().list_servers("t").await.unwrap_err();

    assert!(error.to_string().contains("marker [s1] not found"), "{error}");
    assert_eq!(log.lines().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_never_ends_is_an_error() {
    let (session, log) = cloud(|_| {
        let more = json!([{ "rel": "next", "href": "?marker=s1" }]);
        Reply::Json(200, json!({ "servers": [server("s1")], "servers_links": more }))
    });

    assert!(session.compute().list_servers("t").await.is_err());
    assert_eq!(log.lines().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_is_asked_for_with_its_ports_volumes_and_marks() {
    let (session, log) =
        cloud(|_| Reply::Json(202, json!({ "server": { "id": "s1", "links": [], "adminPass": "x" } })));

    let id = session.compute().create_server(&new_server()).await.unwrap();

    assert_eq!(id, "s1".into());
    let volume = |id| {
        json!({ "uuid": id, "source_type": "volume", "destination_type": "volume",
                "boot_index": -1, "delete_on_termination": true })
    };
    assert_eq!(
        log.last().body,
        json!({ "server": {
            "name": "target001", "flavorRef": "f1", "imageRef": "i1", "networks": [{ "port": "p1" }],
            "block_device_mapping_v2": [
                { "uuid": "i1", "source_type": "image", "destination_type": "local",
                  "boot_index": 0, "delete_on_termination": true },
                volume("v1"), volume("v2"),
            ],
            "key_name": "k", "user_data": "I2Nsb3VkLWNvbmZpZw==", "availability_zone": "az",
            "metadata": { "testnode-uid": "u" }, "tags": ["testnode-uid=u"],
        }})
    );
}

#[test]
fn what_few_servers_need_is_said_only_where_it_is_asked_for() {
    let hint =
        |name: &str, values: &[&str]| (name.to_owned(), values.iter().map(|v| (*v).to_owned()).collect());
    let extras = Extras {
        config_drive: Some(true),
        description: Some("for rados".into()),
        hints: [hint("group", &["g"]), hint("different_host", &["a", "b"])].into(),
        microversion: None,
        root_device: None,
    };

    let body = wire::create_server(&NewServer { extras, ..new_server() });

    assert_eq!(
        (&body["server"]["config_drive"], &body["server"]["description"]),
        (&json!(true), &json!("for rados"))
    );
    assert_eq!(body["os:scheduler_hints"], json!({ "group": "g", "different_host": ["a", "b"] }));
    let plain = wire::create_server(&new_server());
    assert_eq!(plain.as_object().unwrap().keys().collect::<Vec<_>>(), ["server"]);
    assert!(plain["server"].get("config_drive").is_none() && plain["server"].get("description").is_none());
}

#[test]
fn a_volume_can_boot_and_be_named_and_stay_and_without_ports_there_is_no_network() {
    let boots = Mapped { boot_index: 0, ..VolumeId::from("v1").into() };
    let stays = Mapped { device: Some("vdc".into()), goes: false, ..VolumeId::from("v2").into() };
    let new = NewServer { image: None, ports: vec![], volumes: vec![boots, stays], ..new_server() };

    let body = wire::create_server(&new);

    let devices = body["server"]["block_device_mapping_v2"].as_array().unwrap();
    assert_eq!(devices.iter().map(|d| d["boot_index"].as_i64().unwrap()).collect::<Vec<_>>(), [0, -1]);
    assert_eq!((devices[0].get("device_name"), &devices[1]["device_name"]), (None, &json!("/dev/vdc")));
    assert_eq!(
        devices.iter().map(|d| d["delete_on_termination"].as_bool().unwrap()).collect::<Vec<_>>(),
        [true, false]
    );
    assert_eq!(body["server"]["networks"], "none");
    assert_eq!(body["server"].get("imageRef"), None);
}

#[tokio::test(start_paused = true)]
async fn deleting_is_said_as_nova_wants_it() {
    let (session, log) = cloud(|_| Reply::Json(204, Value::Null));
    let compute = session.compute();

    compute.delete_server(&"s1".into()).await.unwrap();
    compute.force_delete_server(&"s1".into()).await.unwrap();

    assert_eq!(log.lines(), ["DELETE nova/v2.1/servers/s1", "POST nova/v2.1/servers/s1/action"]);
    assert_eq!(log.last().body, json!({ "forceDelete": null }));
}

#[tokio::test(start_paused = true)]
async fn of_a_console_that_is_too_long_the_end_is_read() {
    for (end, read) in [(r#"the rest\na line\nlogin: "}"#, "a line\nlogin: "), (r#"6;1mno line"}"#, "")] {
        let (session, _) = cloud(move |_| {
            let mut answer = http::Response::new(end.as_bytes().to_vec());
            answer.extensions_mut().insert(crate::transport::Beheaded);
            Reply::Full(answer)
        });

        assert_eq!(session.compute().console(&"s1".into(), 2).await.unwrap(), read);
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_cannot_leave_its_place_in_the_path() {
    let (session, log) = cloud(|_| Reply::Json(204, Value::Null));

    session.compute().delete_server(&"a/../b?c".into()).await.unwrap();

    assert_eq!(log.lines(), ["DELETE nova/v2.1/servers/a%2F..%2Fb%3Fc"]);
}

#[tokio::test(start_paused = true)]
async fn a_console_flavors_and_limits_are_read() {
    let (session, log) = cloud(|seen| {
        Reply::Json(
            200,
            match seen.uri.as_str() {
                "nova/v2.1/servers/s1/action" => json!({ "output": "one\ntwo" }),
                "nova/v2.1/flavors/detail" => json!({ "flavors": [
                    { "id": "f1", "name": "m1", "vcpus": 2, "ram": 4096, "disk": 20, "swap": "", "rxtx_factor": 1.0,
                      "OS-FLV-EXT-DATA:ephemeral": 1, "OS-FLV-DISABLED:disabled": true, "os-flavor-access:is_public": false },
                    { "id": "f2", "name": "bare" },
                ]}),
                _ => json!({ "limits": { "rate": [], "absolute": {
                "totalInstancesUsed": 3, "maxTotalInstances": 10, "totalCoresUsed": 6, "maxTotalCores": -1,
                "totalRAMUsed": 12288, "maxTotalRAMSize": 51200, "maxImageMeta": 128 } } }),
            },
        )
    });
    let compute = session.compute();

    let console = compute.console(&"s1".into(), 2).await.unwrap();
    let sent = log.last().body;
    let flavors = compute.flavors().await.unwrap();
    let limits = compute.limits().await.unwrap();

    assert_eq!((console.as_str(), sent), ("one\ntwo", json!({ "os-getConsoleOutput": { "length": 2 } })));
    let first = &flavors[0];
    assert_eq!((first.vcpus, first.ram_mib, first.disk_gib, first.ephemeral_gib), (2, 4096, 20, 1));
    assert_eq!((first.disabled, first.public, flavors[1].public), (true, false, true));
    assert_eq!(limits.instances, Usage { used: 3, limit: Some(10) });
    assert_eq!((limits.cores.limit, limits.ram_mib.used), (None, 12288));
}
