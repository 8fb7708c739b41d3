//! The lab: the simulated cluster and cloud on loopback, and the operator.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use devcloud::sshd::Sshd;
use devcloud::{DevCloud, Status};
use kube::config::{KubeConfigOptions, Kubeconfig};
use sandbox::site::{Doors, SYSTEM, Site, bind_dns};
use testnode_operator::cli::{Cli, Command, Run};
use testnode_operator::dns::exchange::Exchange;
use testnode_operator::guest::dial::Dial;
use testnode_operator::reconcile::context::Seams;
use testnode_operator::transport::Transport;
use testnode_operator::{run, telemetry};
use tokio::io::duplex;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::options::Options;

/// Everything there is.
pub struct Lab {
    /// The cluster and the cloud.
    pub site: Site,
    /// Where the operator's metrics and probes are.
    pub admin: SocketAddr,
    /// Where the kubeconfig, the log and the manifests are.
    pub folder: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    operator: JoinHandle<std::result::Result<(), run::Error>>,
}

impl Lab {
    /// Starts it all.
    pub async fn start(options: &Options) -> Result<Self> {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            return Err("another TLS provider is installed already".into());
        }
        // First of all, so that a second sandbox leaves the files of the first one alone.
        let api = listen(options, Place::Api).await?;
        let http = listen(options, Place::Cloud).await?;
        let dns = address(options, Place::Dns);
        let dns = bind_dns(dns).await.map_err(|error| no_port(dns, &error))?;
        let folder = make_folder(options)?;
        let log = std::fs::File::create(folder.join("operator.log"))?;
        let log = telemetry::subscriber(telemetry::Format::Text, &options.log_level, Arc::new(log))?;
        tracing::subscriber::set_global_default(log)?;

        let site = Site::serve(options.settings(), Doors { api, http, dns })?;
        for trouble in options.fault.iter().copied() {
            trouble.strike(&site.cloud)?;
            if let Some(lasts) = trouble.lasts() {
                let cloud = site.cloud.clone();
                tokio::spawn(async move {
                    sleep(lasts).await;
                    trouble.end(&cloud);
                });
            }
        }

        std::fs::write(folder.join("kubeconfig"), &site.kubeconfig)?;
        // The operator opens this port itself, a moment later.
        let admin = listen(options, Place::Admin).await?.local_addr()?;
        let kubeconfig = Kubeconfig::from_yaml(&site.kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let seams = Seams {
            http: Arc::new(Transport::reqwest),
            dns: Exchange::sockets(),
            dial: guests(site.cloud.clone()),
            clock: Arc::new(jiff::Timestamp::now),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move { drop(stopped.await) };
        let client = kube::Client::try_from(config)?;
        let operator = tokio::spawn(run::run_with(operator_options(admin)?, client, seams, stopped));
        Ok(Self { site, admin, folder, stop: Some(stop), operator })
    }

    /// Fails if the operator has ended.
    pub fn is_alive(&self) -> Result<()> {
        if self.operator.is_finished() {
            let log = std::fs::read_to_string(self.folder.join("operator.log")).unwrap_or_default();
            return Err(format!("the operator has ended; its log:\n{log}").into());
        }
        Ok(())
    }

    /// Ends the operator as SIGTERM does. The log stays, the kubeconfig would lead nowhere.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(stop) = self.stop.take() {
            // If nobody receives this, the operator has ended already.
            let _ = stop.send(());
        }
        let ended = timeout(Duration::from_secs(10), &mut self.operator).await;
        std::fs::remove_file(self.folder.join("kubeconfig"))?;
        match ended {
            Ok(ended) => Ok(ended??),
            Err(_) => Err("the operator did not end when asked".into()),
        }
    }
}

/// A place at which something listens: its port is the first one plus the place's number.
#[derive(Clone, Copy)]
enum Place {
    Api = 0,
    Cloud = 1,
    Dns = 2,
    Admin = 3,
}

fn address(options: &Options, place: Place) -> SocketAddr {
    let port = if options.port == 0 { 0 } else { options.port + place as u16 };
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn listen(options: &Options, place: Place) -> Result<TcpListener> {
    let address = address(options, place);
    TcpListener::bind(address).await.map_err(|error| no_port(address, &error))
}

fn no_port(address: SocketAddr, error: &io::Error) -> Box<dyn std::error::Error> {
    format!("cannot listen on {address}: {error}; if another sandbox runs, stop it, or give this one a --port and a --folder of its own")
        .into()
}

/// For this user alone: a kubeconfig is a credential.
fn make_folder(options: &Options) -> Result<PathBuf> {
    let folder = options.folder.clone().unwrap_or_else(default_folder);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    Ok(folder.canonicalize()?)
}

/// The same each time: `sandbox` in the folder that cargo builds in.
fn default_folder() -> PathBuf {
    let program = std::env::current_exe().ok();
    let target = program.as_deref().and_then(Path::parent).and_then(Path::parent);
    target.map_or_else(std::env::temp_dir, Path::to_owned).join("sandbox")
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
        Command::Images(_)
        | Command::LockServer(_)
        | Command::ImportTeuthology(_)
        | Command::Crd
        | Command::Ready { .. } => Err("`run` was read as another command".into()),
    }
}

/// There are no machines behind the cloud's addresses: the sandbox answers for those that are up.
fn guests(cloud: DevCloud) -> Dial {
    Dial::new(move |address| {
        let ports = cloud.ports();
        let owner = ports.iter().find(|port| IpAddr::V4(port.address) == address.ip());
        let guest = owner.and_then(|port| {
            let servers = cloud.servers();
            servers.into_iter().find(|server| server.id == port.device_id && server.status == Status::Active)
        });
        std::future::ready(match guest {
            Some(server) => {
                let (ours, theirs) = duplex(8192);
                tokio::spawn(async move { drop(Sshd::of(&server).serve(theirs).await) });
                Ok(ours)
            }
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        })
    })
}
