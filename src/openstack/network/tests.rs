use serde_json::{Value, json};

use super::*;
use crate::openstack::fake::{Reply, cloud};

fn port(id: &str, description: &str) -> Value {
    json!({
        "id": id, "name": "testnode-u-1-0", "description": description, "network_id": "n1", "status": "DOWN",
        "device_id": "", "device_owner": "", "mac_address": "fa:16:3e:00:00:01", "admin_state_up": true,
        "fixed_ips": [{ "subnet_id": "sn1", "ip_address": "10.77.0.5" }], "security_groups": [],
    })
}

#[tokio::test(start_paused = true)]
async fn ports_are_listed_by_exactly_their_description() {
    let (session, log) =
        cloud(|_| Reply::Json(200, json!({ "ports": [port("p1", "testnode-cluster=c"), port("p2", "")] })));

    let ports = session.network().list_ports("testnode-cluster=c").await.unwrap();

    assert_eq!(log.lines(), ["GET neutron/v2.0/ports?project_id=p1&description=testnode-cluster%3Dc"]);
    assert_eq!(ports.len(), 1);
    assert_eq!(ports[0].device_id, None);
    assert_eq!(ports[0].addresses, ["10.77.0.5".parse::<IpAddr>().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn a_port_is_asked_for_with_its_groups_and_address() {
    let (session, log) = cloud(|_| Reply::Json(201, json!({ "port": port("p1", "d") })));
    let new = NewPort {
        network: "n1".into(),
        name: "testnode-u-1-0".into(),
        description: "d".into(),
        security_groups: Some(vec!["g1".into()]),
        fixed_ips: vec!["10.77.0.5".parse().unwrap(), "10.77.0.6".parse().unwrap()],
        port_security: Some(true),
    };

    let port = session.network().create_port(&new).await.unwrap();

    assert_eq!(port.id, "p1".into());
    assert_eq!(
        log.last().body,
        json!({ "port": {
            "network_id": "n1", "name": "testnode-u-1-0", "description": "d",
            "security_groups": ["g1"], "port_security_enabled": true,
            "fixed_ips": [{ "ip_address": "10.77.0.5" }, { "ip_address": "10.77.0.6" }],
        }})
    );
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_gone_is_not_found() {
    let (session, _) = cloud(|_| {
        let fault = json!({ "type": "PortNotFound", "message": "Port p1 could not be found.", "detail": "" });
        Reply::Json(404, json!({ "NeutronError": fault }))
    });

    let error = session.network().delete_port(&"p1".into()).await.unwrap_err();

    assert!(error.is_not_found());
    assert_eq!(
        error.to_string(),
        "delete port: Neutron answered 404: Port p1 could not be found. (request req-1)"
    );
}

#[tokio::test(start_paused = true)]
async fn networks_and_groups_are_read() {
    let (session, _) = cloud(|seen| {
        Reply::Json(
            200,
            if seen.uri.ends_with("networks") {
                json!({ "networks": [
                    { "id": "n1", "name": "lab", "router:external": false, "shared": true, "admin_state_up": true,
                      "subnets": ["sn1"], "tenant_id": "p1", "project_id": "p1" },
                    { "id": "n2", "router:external": true },
                ]})
            } else {
                json!({ "security_groups": [{ "id": "g1", "name": "default", "tenant_id": "p2", "security_group_rules": [] }] })
            },
        )
    });
    let neutron = session.network();

    let networks = neutron.networks().await.unwrap();
    let groups = neutron.security_groups().await.unwrap();

    assert_eq!(networks[0].reach, Reach::Internal);
    assert_eq!((networks[0].has_subnets, networks[0].project.as_str()), (true, "p1"));
    assert_eq!((networks[1].reach, networks[1].has_subnets), (Reach::External, false));
    assert_eq!(groups, [SecurityGroup { id: "g1".into(), name: "default".into(), project: "p2".into() }]);
}

#[tokio::test(start_paused = true)]
async fn the_quota_of_ports_is_read_with_what_is_reserved() {
    let (session, log) = cloud(|_| {
        let port = json!({ "limit": 10, "used": 3, "reserved": 1 });
        Reply::Json(
            200,
            json!({ "quota": { "port": port, "subnet": { "limit": -1, "used": 0, "reserved": 0 } } }),
        )
    });

    let quota = session.network().port_quota().await.unwrap();

    assert_eq!(log.lines(), ["GET neutron/v2.0/quotas/p1/details.json"]);
    assert_eq!(quota, Usage { used: 4, limit: Some(10) });
}
