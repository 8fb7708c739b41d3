//! Somebody else with an account in the cloud.

use std::collections::BTreeMap;
use std::sync::Arc;

use testnode_operator::openstack::block_storage::NewVolume;
use testnode_operator::openstack::clouds_yaml::{self, Choice};
use testnode_operator::openstack::compute::{Extras, NewServer};
use testnode_operator::openstack::ids::ServerId;
use testnode_operator::openstack::network::NewPort;
use testnode_operator::openstack::{Call, RateOptions, Session, SessionOptions};
use testnode_operator::transport::TlsOptions;

use super::Lab;

/// Makes things of whatever name, and does not mark them.
pub struct Stranger(Session);

impl Stranger {
    /// An account in the lab's cloud.
    #[must_use]
    pub fn new(lab: &Lab) -> Self {
        let text = lab.cloud.clouds_yaml("http://lab.test");
        Self(Session::new(SessionOptions {
            cloud: "lab".into(),
            credentials: clouds_yaml::parse(&text, &Choice { cloud: "lab", ..Choice::default() }).unwrap(),
            transport: (lab.wires.http(&Arc::default()))(&TlsOptions::default()).unwrap(),
            rate: RateOptions { requests_per_second: 1000, burst: 1000 },
            observe: Arc::new(|_: &Call| {}),
        }))
    }

    /// A server without ports, and its id.
    pub async fn server(&self, name: &str) -> String {
        self.server_like(name, None).await
    }

    /// The same, marked as another cluster's operator marks what is a node's.
    pub async fn server_like(&self, name: &str, uid: Option<&str>) -> String {
        let flavor = self.0.compute().flavors().await.unwrap().swap_remove(0);
        let image = self.0.image().images().await.unwrap().swap_remove(0);
        let new = NewServer {
            name: name.into(),
            flavor: flavor.id,
            image: Some(image.id),
            ports: Vec::new(),
            volumes: Vec::new(),
            key_name: None,
            user_data: None,
            availability_zone: None,
            metadata: marks(uid),
            tags: Vec::new(),
            extras: Extras::default(),
        };
        self.0.compute().create_server(&new).await.unwrap().to_string()
    }

    /// Edits a mark of anybody's server.
    pub async fn mark(&self, server: &str, key: &str, value: &str) {
        self.0.compute().set_metadata(&ServerId(server.to_owned()), key, value).await.unwrap();
    }

    /// A volume, and its id.
    pub async fn volume(&self, name: &str) -> String {
        self.volume_like(name, None).await
    }

    /// The same, marked as another cluster's operator marks what is a node's.
    pub async fn volume_like(&self, name: &str, uid: Option<&str>) -> String {
        let new = NewVolume {
            name: name.into(),
            size_gib: 1,
            volume_type: None,
            availability_zone: None,
            metadata: marks(uid),
            image: None,
            snapshot: None,
        };
        self.0.block_storage().create_volume(&new).await.unwrap().id.to_string()
    }

    /// A port, and its id.
    pub async fn port(&self, name: &str) -> String {
        let networks = self.0.network().networks().await.unwrap();
        let network = networks.into_iter().find(|network| network.name == "lab-net").unwrap();
        let new = NewPort {
            network: network.id,
            name: name.into(),
            description: "somebody's".into(),
            security_groups: None,
            fixed_ips: Vec::new(),
            port_security: None,
        };
        self.0.network().create_port(&new).await.unwrap().id.to_string()
    }
}

fn marks(uid: Option<&str>) -> BTreeMap<String, String> {
    let mut marks: BTreeMap<String, String> = [("owner".to_owned(), "somebody".to_owned())].into();
    if let Some(uid) = uid {
        let all = [("testnode-cluster", "another-cluster"), ("testnode-uid", uid), ("testnode-attempt", "1")];
        marks.extend(all.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    marks
}
