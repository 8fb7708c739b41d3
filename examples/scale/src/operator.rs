//! The operator: this program once more, as a process of its own, so that its time and its memory are its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::Parser as _;
use sandbox::site::SYSTEM;
use testnode_operator::cli::{Cli, Command as Asked};
use testnode_operator::{run, telemetry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::Result;

/// The process.
pub struct Operator {
    child: Child,
    admin: SocketAddr,
}

/// The work of the child.
pub fn run(admin: SocketAddr) -> Result<()> {
    let words = [
        "testnode-operator",
        "run",
        "--namespace",
        SYSTEM,
        "--admin-address",
        &admin.to_string(),
        "--identity",
        &format!("scale-{}", std::process::id()),
    ];
    let Asked::Run(options) = Cli::try_parse_from(words)?.command else {
        return Err("`run` is no command".into());
    };
    telemetry::init(options.log.format, &options.log.level)?;
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err("another TLS provider is installed already".into());
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(run::run(*options));
    runtime.shutdown_background();
    Ok(ended?)
}

impl Operator {
    /// Starts it, and comes back when it leads.
    pub async fn start(folder: &Path) -> Result<Self> {
        let admin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?;
        let log = File::options().create(true).append(true).open(folder.join("operator.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .arg(format!("--operator={admin}"))
            .env("KUBECONFIG", folder.join("kubeconfig"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut operator = Self { child, admin };
        let leads = async {
            while operator.metric("testnode_leader").await != Some(1.0) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        if timeout(Duration::from_mins(1), leads).await.is_err() {
            operator.kill();
            return Err("the operator does not lead".into());
        }
        Ok(operator)
    }

    /// Asks it to end, as Kubernetes does.
    pub fn ask_to_stop(&self) -> Result<()> {
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        Ok(())
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        self.ask_to_stop()?;
        for _ in 0..200 {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.kill();
        Err("the operator did not end when asked".into())
    }

    fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// The time of the processor that it has used.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
        // Linux tells these in hundredths of a second, whatever its own clock does.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Its memory, in KiB.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        Ok(line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0))
    }

    /// The sum of a metric over its labels.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let mut answer = String::new();
        let asked = async {
            let mut stream = TcpStream::connect(self.admin).await.ok()?;
            stream
                .write_all(b"GET /metrics HTTP/1.1\r\nHost: scale\r\nConnection: close\r\n\r\n")
                .await
                .ok()?;
            stream.read_to_string(&mut answer).await.ok()
        };
        timeout(Duration::from_secs(10), asked).await.ok()??;
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with([' ', '{']).then(|| rest.rsplit(' ').next()?.trim().parse::<f64>().ok())?
        };
        let values: Vec<f64> = answer.lines().filter_map(value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
    }
}
