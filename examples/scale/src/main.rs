//! What the operator costs with many nodes: the real process, over sockets, between a simulated cluster and a simulated
//! cloud, taken through a burst, a rest, a restart, a queue whose places become free, and deletion.
//!
//! ```sh
//! cargo run --release -p scale -- --nodes 100
//! cargo run --release -p scale -- --nodes 10 --nodes 100 --nodes 1000 --json   # the growth
//! cargo run --release -p scale -- --nodes 10 --waiting 1000
//! cargo run --release -p scale -- --nodes 1000 --pools 100
//! ```
//!
//! Begin with `day.rs`; a day of pools is in `pools.rs`. The operator's process is in `operator.rs`, what is counted in
//! `measure.rs`, what is told in `report.rs`.

mod day;
mod measure;
mod operator;
mod pools;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use devcloud::Settings;
use devcloud::settings::seconds::parse;

/// What testnode-operator costs with many nodes, measured from outside.
///
/// Durations are `8s`, `200ms`, `1.5m`.
#[derive(Debug, Parser)]
#[command(name = "scale", max_term_width = 100)]
pub struct Options {
    /// How many nodes at once; several make several days, and the growth from one to the next is told.
    #[arg(long, default_values_t = [10], value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub nodes: Vec<u32>,
    /// How many more nodes wait for a place, in a phase of its own.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=20_000))]
    pub waiting: u32,
    /// How many places become free while they wait, one after the other.
    #[arg(long, default_value_t = 5)]
    pub places: u32,
    /// So many pools share the nodes, and claims come: a day of another sort.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000), conflicts_with = "waiting")]
    pub pools: Option<u32>,
    /// How many claims come one by one.
    #[arg(long, default_value_t = 20, requires = "pools")]
    pub claims: u32,
    /// One JSON object for each phase, one a line.
    #[arg(long)]
    pub json: bool,
    /// How long nothing happens in each phase of rest.
    #[arg(long, value_parser = parse, default_value = "60s")]
    pub rest: Duration,
    /// The longest that any phase may take.
    #[arg(long, value_parser = parse, default_value = "30m")]
    pub patience: Duration,
    /// From a server's creation to ACTIVE.
    #[arg(long, value_parser = parse, default_value = "3s")]
    pub server_build: Duration,
    /// So many servers the cloud builds at once; 0 is any number.
    #[arg(long, default_value_t = 100)]
    pub builds: usize,
    /// A create beyond that is answered 503, instead of waiting for its turn.
    #[arg(long)]
    pub refuse: bool,
    /// How long each request to the cloud takes.
    #[arg(long, value_parser = parse, default_value = "20ms")]
    pub api_latency: Duration,
    /// The Cloud's `rate.requestsPerSecond` and `rate.burst`.
    #[arg(long, default_value_t = 1000)]
    pub rate: u32,
    /// The Cloud's `dns.messagesPerSecond`.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub messages_per_second: u32,
    /// The Cloud's `rate.concurrentCreates`; as the Cloud has it by default, if not given.
    #[arg(long)]
    pub concurrent_creates: Option<u32>,
    /// Keep the operator's log, and say where.
    #[arg(long)]
    pub keep_log: bool,
    /// This process is the operator itself.
    #[arg(long, hide = true)]
    pub operator: Option<std::net::SocketAddr>,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.operator {
        Some(admin) => operator::run(admin),
        None => tokio::runtime::Runtime::new()
            .map_err(Into::into)
            .and_then(|runtime| runtime.block_on(days(&options))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn days(options: &Options) -> Result<()> {
    let mut days = Vec::new();
    for nodes in &options.nodes {
        days.push((*nodes, Box::pin(day::live(options, *nodes)).await?));
    }
    if days.len() > 1 && !options.json {
        report::growth(&days);
    }
    Ok(())
}

impl Options {
    fn settings(&self) -> Settings {
        let mut settings = Settings {
            server_build: self.server_build,
            guest_boot: Duration::ZERO,
            api_latency: self.api_latency,
            builds_at_once: self.builds,
            refuses_beyond: self.refuse,
            ..Settings::default()
        };
        let quotas = &mut settings.quotas;
        [quotas.instances, quotas.cores, quotas.ram, quotas.port] = [-1; 4];
        settings
    }
}
