use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::openstack::compute::ServerStatus;
use crate::openstack::fake::{Reply, cloud};

/// What a field may hold that nobody expects there.
const ODD: &[&str] = &[
    "null",
    "true",
    "-1",
    "3.5",
    "1e99",
    "18446744073709551616",
    r#""""#,
    r#""\u001b[31m""#,
    r#""\ud800""#,
    "[]",
    "{}",
    "[null, 1, [], {}]",
    r#"{"a": {"b": null}}"#,
    r#"{"message": null, "id": null, "server_id": 7, "addr": []}"#,
];

fn server() -> Value {
    json!({
        "id": "s1", "name": "a", "status": "ACTIVE", "OS-EXT-STS:task_state": null, "metadata": { "k": "v" },
        "fault": { "message": "No valid host" }, "image": { "id": "i1" }, "hostId": "h", "tags": ["t"],
        "created": "2026-11-21T10:00:00Z", "OS-EXT-AZ:availability_zone": "nova",
        "addresses": { "lab": [{ "addr": "10.77.0.5", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa" }] },
        "os-extended-volumes:volumes_attached": [{ "id": "v1" }],
    })
}

fn volume() -> Value {
    json!({
        "id": "v1", "name": "a", "status": "in-use", "size": 10, "metadata": { "k": "v" }, "volume_type": "lvm",
        "availability_zone": "nova", "created_at": "2026-11-21T10:00:00.000000",
        "attachments": [{ "server_id": "s1", "device": "/dev/vdb" }],
    })
}

fn port() -> Value {
    json!({
        "id": "p1", "name": "a", "description": "d", "network_id": "n1", "device_id": "s1", "mac_address": "fa",
        "status": "DOWN", "created_at": "2026-11-21T10:00:00Z", "fixed_ips": [{ "ip_address": "10.77.0.5" }],
    })
}

fn network() -> Value {
    json!({
        "id": "n1", "name": "a", "router:external": false, "shared": true, "admin_state_up": true,
        "subnets": ["sn1"], "project_id": "p1", "tenant_id": "p1",
    })
}

fn flavor() -> Value {
    json!({
        "id": "f1", "name": "a", "vcpus": 1, "ram": 512, "disk": 4, "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": false, "os-flavor-access:is_public": true,
    })
}

fn image() -> Value {
    json!({
        "id": "i1", "name": "a", "status": "active", "visibility": "public", "owner": "p1", "min_disk": 4,
        "min_ram": 512, "created_at": "2026-11-21T10:00:00Z", "os_distro": "ubuntu",
    })
}

/// The ids of a list of `key` in which the first object is as given and a second one is whole.
async fn listed(
    key: &'static str,
    first: String,
    second: &Value,
) -> Result<Vec<String>, crate::openstack::Error> {
    let page = format!(r#"{{"{key}": [{first}, {second}]}}"#);
    let (session, _) = cloud(move |_| Reply::Full(http::Response::new(page.clone().into_bytes())));
    let ids = match key {
        "servers" => session.compute().list_servers("t").await?.into_iter().map(|it| it.id.0).collect(),
        "flavors" => session.compute().flavors().await?.into_iter().map(|it| it.id.0).collect(),
        "volumes" => {
            let volumes = session.block_storage().list_volumes("k", "v").await?;
            volumes.into_iter().map(|it| it.id.0).collect()
        }
        "ports" => session.network().list_ports("d").await?.into_iter().map(|it| it.id.0).collect(),
        "networks" => session.network().networks().await?.into_iter().map(|it| it.id.0).collect(),
        _ => session.image().images().await?.into_iter().map(|it| it.id.0).collect(),
    };
    Ok(ids)
}

#[tokio::test(start_paused = true)]
async fn one_odd_field_hides_neither_its_object_nor_the_list() {
    for (key, whole) in [
        ("servers", server()),
        ("volumes", volume()),
        ("ports", port()),
        ("networks", network()),
        ("flavors", flavor()),
        ("images", image()),
    ] {
        let id = whole["id"].as_str().unwrap();
        // What our own filters look at must be there, or the object is not ours.
        let looked_at: &[&str] = match key {
            "volumes" => &["id", "metadata"],
            "ports" => &["id", "description"],
            "images" => &["id", "status"],
            _ => &["id"],
        };
        for field in whole.as_object().unwrap().keys().filter(|field| !looked_at.contains(&field.as_str())) {
            for odd in ODD {
                let rest: serde_json::Map<_, _> = whole
                    .as_object()
                    .unwrap()
                    .iter()
                    .filter(|(name, _)| *name != field)
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect();
                let rest = Value::from(rest).to_string();
                let first = rest.replacen('{', &format!(r#"{{"{field}": {odd}, "#), 1).replacen(id, "odd", 1);

                let ids = listed(key, first, &whole).await;

                assert_eq!(ids.unwrap(), ["odd", id], "{key} with {field}: {odd}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_no_id_is_left_out_and_the_rest_of_the_list_is_read() {
    for odd in [
        "null",
        "7",
        "[]",
        "{}",
        r#"{"id": 7}"#,
        r#"{"id": ".."}"#,
        r#"{"id": "a/../b"}"#,
        r#"{"id": "\u001b"}"#,
    ] {
        let ids = listed("servers", odd.to_owned(), &server()).await;

        assert_eq!(ids.unwrap(), ["s1"], "{odd}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_utf_8_hides_no_list() {
    let (session, _) = cloud(|_| {
        Reply::Full(http::Response::new(
            b"{\"servers\": [{\"id\": \"s1\", \"name\": \"\xff\xfe\"}]}".to_vec(),
        ))
    });

    assert_eq!(session.compute().list_servers("t").await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_cloud_writes_is_fit_to_be_shown() {
    let (session, _) = cloud(|_| {
        let fault = json!({ "message": format!("\u{1b}[2J {} at http://me:pw@h/secret", "QUJD".repeat(30)) });
        let name = "a\u{202e}b\nc";
        Reply::Json(
            200,
            json!({ "servers": [{ "id": "s1", "name": name, "status": "\u{7}ODD", "fault": fault }] }),
        )
    });

    let server = session.compute().list_servers("t").await.unwrap().remove(0);

    assert_eq!(server.name, "ab c");
    assert_eq!(server.status, ServerStatus::Other("ODD".into()));
    assert_eq!(&*server.fault.unwrap(), "[2J [120 characters] at http://h");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_more_objects_than_we_keep_is_an_error_and_not_a_part_of_the_list() {
    for per_page in [MOST_ITEMS + 1, 1000] {
        let (session, log) = cloud(move |seen| {
            let page: u64 = seen.uri.rsplit_once("marker=s").map_or(0, |(_, marker)| marker.parse().unwrap());
            let ids = (0..per_page as u64).map(|place| format!(r#"{{"id": "s{}"}}"#, page + place + 1));
            let servers = ids.collect::<Vec<_>>().join(",");
            let page = format!(r#"{{"servers": [{servers}], "servers_links": [{{"rel": "next"}}]}}"#);
            Reply::Full(http::Response::new(page.into_bytes()))
        });

        let error = session.compute().list_servers("t").await.unwrap_err();

        assert!(error.to_string().contains("more than 50000 objects"), "{error}");
        assert!(log.lines().len() <= MOST_ITEMS / per_page + 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_nested_without_end_is_an_error() {
    for body in
        ["[".repeat(2_000_000), r#"{"servers":"#.repeat(200_000), r#"{"servers": [{"id": "#.to_owned()]
    {
        let (session, _) = cloud(move |_| Reply::Full(http::Response::new(body.clone().into_bytes())));

        assert!(session.compute().list_servers("t").await.is_err());
        assert!(session.login().await.is_ok());
    }
}

#[test]
fn numbers_are_read_however_they_are_written() {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Number(#[serde(deserialize_with = "maybe_number")] Option<u32>);
    for (written, read) in [
        ("2", Some(2)),
        ("2.0", Some(2)),
        ("\"2\"", Some(2)),
        ("-1", None),
        ("2.5", None),
        ("\"\"", None),
        ("null", None),
        ("4294967296", None),
        ("{}", None),
    ] {
        assert_eq!(serde_json::from_str::<Number>(written).unwrap().0, read, "{written}");
    }
}

proptest! {
    /// Whatever a cloud answers, nothing panics.
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300), status in 100_u16..1000) {
        let (session, _) = cloud(move |_| {
            Reply::Full(http::Response::builder().status(status).body(body.clone()).unwrap())
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();

        runtime.block_on(async {
            let _ = session.compute().list_servers("t").await;
            let _ = session.compute().console(&"s1".into(), 5).await;
            let _ = session.image().images().await;
        });
    }
}
