//! A simulated cluster and a simulated cloud on loopback, and the examples with the cloud's addresses filled in.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use devcloud::{DevCloud, Settings};
use devcluster::DevCluster;
use serde_json::{Value, json};
use testnode_operator::api::crd;
use tokio::net::{TcpListener, UdpSocket};

use crate::Result;

/// The namespace of the operator.
pub const SYSTEM: &str = "testnode-system";

/// The Cloud, the `MachineType` and the nodes that are applied: each file, and its text.
pub const EXAMPLES: [(&str, &str); 4] = [
    ("examples/cloud.yaml", include_str!("../../cloud.yaml")),
    ("examples/machine-type.yaml", include_str!("../../machine-type.yaml")),
    ("examples/node.yaml", include_str!("../../node.yaml")),
    ("examples/node-with-volumes.yaml", include_str!("../../node-with-volumes.yaml")),
];

/// Where all of it listens.
#[derive(Debug)]
pub struct Doors {
    /// The API server.
    pub api: TcpListener,
    /// The cloud's services.
    pub http: TcpListener,
    /// The name server.
    pub dns: (UdpSocket, TcpListener),
}

/// What the operator works with.
pub struct Site {
    /// The API server, with our kinds.
    pub cluster: DevCluster,
    /// The cloud.
    pub cloud: DevCloud,
    /// Where the cloud's services answer.
    pub origin: String,
    /// Where its name server does.
    pub dns: SocketAddr,
    /// How the API server is reached.
    pub kubeconfig: String,
}

impl Doors {
    /// Any that are free.
    ///
    /// # Errors
    /// If there is none.
    pub async fn any() -> io::Result<Self> {
        let any = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        Ok(Self {
            api: any().await?,
            http: any().await?,
            dns: bind_dns(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?,
        })
    }
}

impl Site {
    /// Serves both, from tasks of the runtime that it is called in.
    ///
    /// # Errors
    /// If our kinds cannot be installed, or a door is closed.
    pub fn serve(settings: Settings, doors: Doors) -> Result<Self> {
        let cloud = DevCloud::new(settings);
        let origin = format!("http://{}", doors.http.local_addr()?);
        let dns = doors.dns.0.local_addr()?;
        let served = cloud.clone();
        tokio::spawn(async move { served.serve(doors.http, Some(doors.dns)).await });

        let cluster = DevCluster::new();
        for crd in crd::all() {
            cluster.install(serde_json::to_value(crd)?)?;
        }
        cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}))?;
        let kubeconfig = cluster.kubeconfig(doors.api.local_addr()?)?;
        let served = cluster.clone();
        tokio::spawn(async move { served.serve_tls(doors.api).await });
        Ok(Self { cluster, cloud, origin, dns, kubeconfig })
    }

    /// The examples name a cloud that does not exist; here it does.
    #[must_use]
    pub fn filled_in(&self, mut object: Value) -> Value {
        match object.get("kind").and_then(Value::as_str).unwrap_or_default() {
            "Secret" => {
                set(&mut object, "/stringData/clouds.yaml", json!(self.cloud.clouds_yaml(&self.origin)));
            }
            "Cloud" => {
                let zone = self.cloud.settings().zone;
                set(&mut object, "/spec/dns/nsupdateWeb/url", json!(format!("{}/nsupdate", self.origin)));
                set(&mut object, "/spec/dns/zone", json!(zone));
                set(&mut object, "/spec/dns/verify/server", json!(self.dns.to_string()));
            }
            _ => {}
        }
        object
    }
}

/// The objects in a text; what is none is left out.
///
/// # Errors
/// If it is no YAML.
pub fn read(text: &str) -> Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple::<Value>(text)?)
}

/// UDP and TCP on the same port. A free port that the system chose for UDP may be in use for TCP.
///
/// # Errors
/// If that port is in use, or no port is free.
pub async fn bind_dns(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = if address.port() == 0 { 16 } else { 1 };
    loop {
        let udp = UdpSocket::bind(address).await?;
        tries -= 1;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

/// Sets a field that is there.
pub fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(place) = object.pointer_mut(field) {
        *place = value;
    }
}
