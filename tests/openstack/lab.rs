//! A session on a simulated cloud, and what most tests begin with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use devcloud::{DevCloud, Dropped, Settings};
use testnode_operator::openstack::block_storage::NewVolume;
use testnode_operator::openstack::clouds_yaml::{self, Choice};
use testnode_operator::openstack::compute::{Extras, NewServer, Server, ServerStatus};
use testnode_operator::openstack::network::NewPort;
use testnode_operator::openstack::{Call, RateOptions, ServerId, Session, SessionOptions};
use testnode_operator::transport::{Failure, Transport};
use tower::ServiceExt;

pub const MARK: &str = "testnode-cluster=c1";

fn transport(cloud: &DevCloud) -> Transport {
    let router = cloud.router();
    Transport::service(move |request: http::Request<Vec<u8>>| {
        let router = router.clone();
        async move {
            let (mut head, body) = request.into_parts();
            let host = head.uri.authority().unwrap().as_str().parse().unwrap();
            head.headers.insert(http::header::HOST, host);
            let response = router.oneshot(http::Request::from_parts(head, Body::from(body))).await.unwrap();
            if response.extensions().get::<Dropped>().is_some() {
                return Err(Failure::after("connection closed".into()));
            }
            let (head, body) = response.into_parts();
            Ok(http::Response::from_parts(head, to_bytes(body, usize::MAX).await.unwrap().to_vec()))
        }
    })
}

pub fn session_as(cloud: &DevCloud, name: &str) -> Session {
    let text = cloud.clouds_yaml("http://devcloud");
    let credentials = clouds_yaml::parse(&text, &Choice { cloud: name, ..Choice::default() }).unwrap();
    Session::new(SessionOptions {
        cloud: name.into(),
        credentials,
        transport: transport(cloud),
        rate: RateOptions { requests_per_second: 1000, burst: 1000 },
        observe: Arc::new(|_: &Call| {}),
    })
}

pub fn lab(settings: Settings) -> (DevCloud, Session) {
    let cloud = DevCloud::new(settings);
    let session = session_as(&cloud, "lab-app");
    (cloud, session)
}

fn marks() -> BTreeMap<String, String> {
    [("testnode-cluster".to_owned(), "c1".to_owned())].into()
}

pub fn new_volume(name: &str) -> NewVolume {
    NewVolume {
        name: name.into(),
        size_gib: 10,
        volume_type: None,
        availability_zone: None,
        metadata: marks(),
        image: None,
        snapshot: None,
    }
}

pub async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// A volume and a port, and a server that would have them.
pub async fn prepared(session: &Session) -> NewServer {
    let compute = session.compute();
    let flavor = compute.flavors().await.unwrap().into_iter().find(|flavor| flavor.name == "b2-7").unwrap();
    let image = session.image().images().await.unwrap().into_iter().find(|i| i.name == "Debian 12").unwrap();
    let network =
        session.network().networks().await.unwrap().into_iter().find(|n| n.name == "lab-net").unwrap();
    let groups = session.network().security_groups().await.unwrap();
    let volume = session.block_storage().create_volume(&new_volume("target001-osd-0")).await.unwrap();
    let port = NewPort {
        network: network.id,
        name: "testnode-u-1-0".into(),
        description: MARK.into(),
        security_groups: Some(groups.into_iter().map(|group| group.id).collect()),
        fixed_ips: Vec::new(),
        port_security: None,
    };
    let port = session.network().create_port(&port).await.unwrap();
    pass(1).await;
    NewServer {
        name: "target001".into(),
        flavor: flavor.id,
        image: Some(image.id),
        ports: vec![port.id],
        volumes: vec![volume.id.into()],
        key_name: None,
        user_data: Some(b"#cloud-config\n{}".to_vec()),
        availability_zone: None,
        metadata: marks(),
        tags: vec![MARK.into()],
        extras: Extras::default(),
    }
}

pub async fn settled(session: &Session, id: &ServerId) -> Server {
    for _ in 0..60 {
        let server = session.compute().server(id).await.unwrap();
        if server.status != ServerStatus::Build {
            return server;
        }
        pass(1).await;
    }
    panic!("{id} never left BUILD");
}
