//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use devcloud::settings::seconds::parse;
use devcloud::{Backend, Effect, Fault, ServerFate, Service, Settings, VolumeFate, When};
use serde_json::json;

/// A test lab in one process: see nodes come up, look around with kubectl, dig and curl, break things.
///
/// Durations are `8s`, `200ms`, `1.5m`.
#[derive(Debug, Parser)]
#[command(name = "sandbox", max_term_width = 100)]
pub struct Options {
    /// Delete the nodes once they are Ready, check that nothing is left, print a summary and exit.
    #[arg(long)]
    pub once: bool,
    /// How many nodes; beyond those of the examples, copies of the first.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub nodes: u16,
    /// From a server's creation to ACTIVE.
    #[arg(long, value_parser = parse, default_value = "3s")]
    pub server_build: Duration,
    /// From ACTIVE to cloud-init's last message.
    #[arg(long, value_parser = parse, default_value = "6s")]
    pub guest_boot: Duration,
    /// From a volume's creation to available.
    #[arg(long, value_parser = parse, default_value = "1s")]
    pub volume_create: Duration,
    /// How long each request to the cloud takes.
    #[arg(long, value_parser = parse, default_value = "20ms")]
    pub api_latency: Duration,
    /// The first of four ports on 127.0.0.1: of the API server, the cloud, DNS and the operator's metrics. 0 takes any
    /// that are free.
    #[arg(long, default_value_t = 17440, value_parser = clap::value_parser!(u16).range(..=65532))]
    pub port: u16,
    /// Where the kubeconfig and the operator's log are written [default: target/sandbox].
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// Trouble in the cloud; may be given more than once.
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<Trouble>,
    /// With --once: how long the nodes may take to be Ready.
    #[arg(long, value_parser = parse, default_value = "5m")]
    pub patience: Duration,
    /// How much the operator logs, as for `testnode-operator run`.
    #[arg(long, default_value = "info")]
    pub log_level: String,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Trouble {
    /// The first server goes to ERROR: no valid host.
    NoValidHost,
    /// The first volume goes to error.
    VolumeError,
    /// The first server is made, and the reply is lost.
    LostReply,
    /// Nova answers 503 for ten seconds.
    Unavailable,
    /// The first server is answered 429, with Retry-After: 10.
    RateLimit,
    /// nsupdate-web reaches no name server for twenty seconds.
    NoDns,
}

impl Trouble {
    /// When it is over, if not by itself.
    pub fn lasts(self) -> Option<Duration> {
        match self {
            Self::Unavailable => Some(Duration::from_secs(10)),
            Self::NoDns => Some(Duration::from_secs(20)),
            Self::NoValidHost | Self::VolumeError | Self::LostReply | Self::RateLimit => None,
        }
    }

    /// Begins.
    pub fn strike(self, cloud: &devcloud::DevCloud) -> crate::Result<()> {
        let create = |effect| Fault::new(effect).on(Service::Nova, "^POST /servers$").times(1);
        match self {
            Self::NoValidHost => {
                let fault = Some("No valid host was found. There are not enough hosts available.".into());
                cloud.next_server(ServerFate { fault, ..ServerFate::default() });
            }
            Self::VolumeError => cloud.next_volume(VolumeFate { fails: true, ..VolumeFate::default() }),
            Self::LostReply => cloud.fault(create(Effect::Drop { when: When::After }))?,
            Self::Unavailable => cloud.fault(Fault::new(Effect::refuse(503)).on(Service::Nova, ""))?,
            Self::RateLimit => cloud.fault(create(Effect::Answer {
                status: 429,
                headers: vec![("Retry-After".into(), "10".into())],
                body: json!({"overLimit": {"code": 429, "message": "This request was rate-limited."}}),
                when: When::Before,
            }))?,
            Self::NoDns => cloud.change(|settings| settings.nsupdate_backend = Backend::Down),
        }
        Ok(())
    }

    /// Ends what does not end by itself.
    pub fn end(self, cloud: &devcloud::DevCloud) {
        match self {
            Self::Unavailable => cloud.heal(),
            Self::NoDns => cloud.change(|settings| settings.nsupdate_backend = Backend::Up),
            Self::NoValidHost | Self::VolumeError | Self::LostReply | Self::RateLimit => {}
        }
    }
}

impl Options {
    /// The cloud's settings.
    pub fn settings(&self) -> Settings {
        Settings {
            server_build: self.server_build,
            guest_boot: self.guest_boot,
            volume_create: self.volume_create,
            api_latency: self.api_latency,
            ..Settings::default()
        }
    }

    /// What a node usually takes to be Ready: what the cloud needs, and a second or two to see it.
    pub fn usual(&self) -> Duration {
        self.volume_create + self.server_build + self.guest_boot + Duration::from_secs(2)
    }
}
