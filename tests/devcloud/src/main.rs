//! The simulated cloud as a program: on loopback, until it is told to stop.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Parser;
use devcloud::{DevCloud, Settings, settings::seconds::parse};
use tokio::{
    net::{TcpListener, UdpSocket},
    signal::unix::{SignalKind, signal},
};

/// A simulated OpenStack with nsupdate-web and DNS.
///
/// Everything else that can be set is a knob: `GET /devcloud/knobs` shows all, `POST /devcloud/knobs` changes some.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Where to serve HTTP.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to serve DNS, over UDP and TCP.
    #[arg(long, default_value = "127.0.0.1:0")]
    dns: SocketAddr,
    /// Write `{"http": …, "dns": …}` here once both are bound.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Print a clouds.yaml for this cloud once it is bound.
    #[arg(long)]
    print_clouds_yaml: bool,
    /// The DNS zone.
    #[arg(long)]
    zone: Option<String>,
    /// Which names nsupdate-web takes, a regex matched from the start.
    #[arg(long)]
    allow_hosts: Option<String>,
    /// `user:password` for nsupdate-web.
    #[arg(long)]
    nsupdate_auth: Option<String>,
    /// How long every API call waits; durations are `8s`, `200ms`, `1.5`.
    #[arg(long, value_parser = parse)]
    api_latency: Option<std::time::Duration>,
    /// From a server's creation to ACTIVE.
    #[arg(long, value_parser = parse)]
    server_build: Option<std::time::Duration>,
    /// From a server's deletion to 404.
    #[arg(long, value_parser = parse)]
    server_delete: Option<std::time::Duration>,
    /// From a volume's creation to `available`.
    #[arg(long, value_parser = parse)]
    volume_create: Option<std::time::Duration>,
    /// From a volume's deletion to 404.
    #[arg(long, value_parser = parse)]
    volume_delete: Option<std::time::Duration>,
    /// From a server's creation until its ports are bound.
    #[arg(long, value_parser = parse)]
    port_bind: Option<std::time::Duration>,
    /// From ACTIVE to cloud-init's final message.
    #[arg(long, value_parser = parse)]
    guest_boot: Option<std::time::Duration>,
    /// Lifetime of a token.
    #[arg(long, value_parser = parse)]
    token_lifetime: Option<std::time::Duration>,
    /// Deleting a server only makes it `SOFT_DELETED`.
    #[arg(long)]
    soft_delete: bool,
    /// At most this many items a page.
    #[arg(long)]
    page_size: Option<usize>,
    /// Two clouds with different seeds never share an id.
    #[arg(long)]
    seed: Option<u64>,
    /// Any other setting, as JSON: `{"quotas": {"instances": 2}, "region": "GRA1"}`.
    #[arg(long, value_parser = json)]
    knobs: Option<serde_json::Value>,
}

fn json(text: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(text)
}

impl Cli {
    fn settings(&self) -> Result<Settings, serde_json::Error> {
        let mut settings = Settings::default();
        if let Some(knobs) = &self.knobs {
            settings = settings.patched(knobs)?;
        }
        settings.soft_delete |= self.soft_delete;
        set(&mut settings.zone, self.zone.clone());
        set(&mut settings.allow_hosts, self.allow_hosts.clone());
        if self.nsupdate_auth.is_some() {
            settings.nsupdate_auth.clone_from(&self.nsupdate_auth);
        }
        set(&mut settings.api_latency, self.api_latency);
        set(&mut settings.server_build, self.server_build);
        set(&mut settings.server_delete, self.server_delete);
        set(&mut settings.volume_create, self.volume_create);
        set(&mut settings.volume_delete, self.volume_delete);
        set(&mut settings.port_bind, self.port_bind);
        set(&mut settings.guest_boot, self.guest_boot);
        set(&mut settings.token_lifetime, self.token_lifetime);
        set(&mut settings.page_size, self.page_size);
        set(&mut settings.seed, self.seed);
        Ok(settings)
    }
}

fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("devcloud: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<(), Box<dyn std::error::Error>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cloud = DevCloud::new(cli.settings()?);
    let http = TcpListener::bind(cli.listen).await?;
    let (udp, tcp) = bind_dns(cli.dns).await?;
    let origin = format!("http://{}", http.local_addr()?);
    let ready = serde_json::json!({"http": origin, "dns": udp.local_addr()?.to_string()});
    println!("{ready}");
    if cli.print_clouds_yaml {
        println!("{}", cloud.clouds_yaml(&origin));
    }
    if let Some(path) = &cli.ready_file {
        // Written beside and renamed: who sees it sees all of it.
        let part = path.with_extension("part");
        std::fs::write(&part, ready.to_string())?;
        std::fs::rename(&part, path)?;
    }
    tokio::select! {
        end = cloud.serve(http, Some((udp, tcp))) => end?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Binds UDP and TCP to one port. When any port will do, the one that UDP got may be taken for TCP: try another.
async fn bind_dns(address: SocketAddr) -> std::io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 16;
    loop {
        let udp = UdpSocket::bind(address).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if address.port() != 0 || tries == 0 => return Err(error),
            Err(_) => tries -= 1,
        }
    }
}
