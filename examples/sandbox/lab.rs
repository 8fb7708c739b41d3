//! The lab: the simulated cluster and cloud on loopback, and the operator.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use devcloud::{DevCloud, Status};
use devcluster::DevCluster;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use testnode_operator::api::crd;
use testnode_operator::cli::{Cli, Command, Run};
use testnode_operator::dns::exchange::Exchange;
use testnode_operator::guest::tcp::Dial;
use testnode_operator::openstack::Transport;
use testnode_operator::reconcile::context::Seams;
use testnode_operator::{run, telemetry};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::options::Options;

/// Where the operator is at home.
pub const SYSTEM: &str = "testnode-system";

/// Everything there is.
pub struct Lab {
    pub cluster: DevCluster,
    pub cloud: DevCloud,
    /// Where the cloud's services answer.
    pub origin: String,
    /// Where its name server does.
    pub dns: SocketAddr,
    admin: SocketAddr,
    folder: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    operator: JoinHandle<std::result::Result<(), run::Error>>,
}

impl Lab {
    /// Starts it all.
    pub async fn start(options: &Options) -> Result<Self> {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            return Err("another TLS provider is installed already".into());
        }
        let folder = std::env::temp_dir().join(format!("testnode-sandbox-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        let log = std::fs::File::create(folder.join("operator.log"))?;
        let log = telemetry::subscriber(telemetry::Format::Text, &options.log_level, Arc::new(log))?;
        tracing::subscriber::set_global_default(log)?;

        let cloud = DevCloud::new(options.settings());
        let http = TcpListener::bind(LOOPBACK).await?;
        let origin = format!("http://{}", http.local_addr()?);
        let (udp, tcp) = bind_dns().await?;
        let dns = udp.local_addr()?;
        let served = cloud.clone();
        tokio::spawn(async move { served.serve(http, Some((udp, tcp))).await });
        for trouble in options.fault.iter().copied() {
            trouble.strike(&cloud)?;
            if let Some(lasts) = trouble.lasts() {
                let cloud = cloud.clone();
                tokio::spawn(async move {
                    sleep(lasts).await;
                    trouble.end(&cloud);
                });
            }
        }

        let cluster = DevCluster::new();
        for crd in crd::all() {
            cluster.install(serde_json::to_value(crd)?)?;
        }
        cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}))?;
        let listener = TcpListener::bind(LOOPBACK).await?;
        let kubeconfig = cluster.kubeconfig(listener.local_addr()?)?;
        std::fs::write(folder.join("kubeconfig"), &kubeconfig)?;
        let served = cluster.clone();
        tokio::spawn(async move { served.serve_tls(listener).await });

        // Free a moment ago; the operator takes it itself.
        let admin = TcpListener::bind(LOOPBACK).await?.local_addr()?;
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let seams = Seams {
            http: Arc::new(Transport::reqwest),
            dns: Exchange::sockets(),
            dial: guests(cloud.clone()),
            clock: Arc::new(jiff::Timestamp::now),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move { drop(stopped.await) };
        let client = kube::Client::try_from(config)?;
        let operator = tokio::spawn(run::run_with(operator_options(admin)?, client, seams, stopped));
        Ok(Self { cluster, cloud, origin, dns, admin, folder, stop: Some(stop), operator })
    }

    /// An operator that has ended is a failure of the sandbox.
    pub fn is_alive(&self) -> Result<()> {
        if self.operator.is_finished() {
            let log = std::fs::read_to_string(self.folder.join("operator.log")).unwrap_or_default();
            return Err(format!("the operator has ended; its log:\n{log}").into());
        }
        Ok(())
    }

    /// Ends the operator as SIGTERM does, and removes the files.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(stop) = self.stop.take() {
            // If nobody listens it has ended already.
            let _ = stop.send(());
        }
        let ended = timeout(Duration::from_secs(10), &mut self.operator).await;
        std::fs::remove_dir_all(&self.folder)?;
        match ended {
            Ok(ended) => Ok(ended??),
            Err(_) => Err("the operator did not end when asked".into()),
        }
    }

    /// How to look around.
    pub fn tour(&self) -> String {
        let (folder, dns, admin) = (self.folder.display(), self.dns, self.admin);
        let zone = self.cloud.settings().zone;
        let mut names: Vec<String> = self.cloud.records().into_iter().map(|(name, _)| name).collect();
        names.sort();
        let name = names.first().cloned().unwrap_or_else(|| format!("smithi001.{zone}"));
        let node = name.split('.').next().unwrap_or("smithi001");
        format!(
            "\nLook around, in another terminal:\n\n\
             \x20 export KUBECONFIG={folder}/kubeconfig\n\
             \x20 kubectl get testnodes -o wide\n\
             \x20 kubectl describe testnode {node}\n\
             \x20 kubectl explain testnode.spec\n\
             \x20 kubectl get clouds,machinetypes\n\
             \x20 dig @{ip} -p {port} {name} +short\n\
             \x20 curl -s http://{admin}/metrics\n\
             \x20 curl -s {origin}/devcloud/state      # what is behind the curtain\n\
             \x20 tail -f {folder}/operator.log\n\n\
             Delete a node, apply another, take a machine away, as below. What changes is told here. Ctrl-C ends it all.\n\n\
             \x20 id=$(kubectl get testnode {node} -o 'jsonpath={{.status.server.id}}')\n\
             \x20 curl -s {origin}/devcloud/behind -d '{{\"remove-server\": \"'$id'\"}}'\n",
            ip = dns.ip(),
            port = dns.port(),
            origin = self.origin,
        )
    }
}

const LOOPBACK: &str = "127.0.0.1:0";

/// UDP and TCP on one port; the one that UDP got may be taken for TCP.
async fn bind_dns() -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 16;
    loop {
        let udp = UdpSocket::bind(LOOPBACK).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => tries -= 1,
        }
    }
}

fn operator_options(admin: SocketAddr) -> Result<Run> {
    let words = [
        "testnode-operator".to_owned(),
        "run".to_owned(),
        format!("--namespace={SYSTEM}"),
        format!("--admin-address={admin}"),
        "--identity=sandbox".to_owned(),
    ];
    match Cli::try_parse_from(words)?.command {
        Command::Run(options) => Ok(*options),
        Command::Crd => Err("not what was asked".into()),
    }
}

/// No guest is behind the addresses that the cloud gives: the sandbox answers for those that are up.
fn guests(cloud: DevCloud) -> Dial {
    Dial::new(move |address| {
        let ports = cloud.ports();
        let owner = ports.iter().find(|port| IpAddr::V4(port.address) == address.ip());
        let up = owner.is_some_and(|port| {
            let servers = cloud.servers();
            servers.iter().any(|server| server.id == port.device_id && server.status == Status::Active)
        });
        std::future::ready(if up { Ok(()) } else { Err(io::ErrorKind::ConnectionRefused.into()) })
    })
}
