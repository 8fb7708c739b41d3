//! The command line. Each flag is one environment variable and one value of the chart; secrets are neither.

mod import_teuthology;
mod lock_server;
mod values;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
pub use import_teuthology::ImportTeuthology;
pub use lock_server::LockServer;
use values::{cluster_id, duration, identity, label, new_identity, own_namespace};

use crate::lease;
use crate::telemetry::Format;

/// Machines for test labs as Kubernetes objects: OpenStack servers, volumes and DNS names that never leak.
#[derive(Debug, Parser)]
#[command(name = "testnode-operator", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look after TestNodes until told to stop.
    ///
    /// The cluster is found as kubectl finds it: from the pod's service account, or from `KUBECONFIG`. Clouds and
    /// their credentials are objects in the cluster, not flags: see `kubectl explain cloud`. SIGTERM and Ctrl-C
    /// end it cleanly.
    Run(Box<Run>),
    /// Answer teuthology in place of paddles, from pools and claims; and show the lab on a page.
    ///
    /// It only translates: claims are served by `testnode-operator run`. There may be several.
    LockServer(Box<LockServer>),
    /// Print what the `libcloud:` section of a teuthology.yaml comes to: a Secret, a Cloud, a MachineType and pools.
    ///
    /// What cannot be carried over, and what to delete from the file, is in comments before them. The Secret has the password of
    /// the file in it.
    ImportTeuthology(ImportTeuthology),
    /// Keep the images of MachineImages in their clouds until told to stop.
    ///
    /// A process of its own: it reads from web servers and sends gigabytes, and the one that looks after TestNodes needs
    /// neither. It finds the cluster as `run` does.
    Images(Box<Images>),
    /// Print the definitions of our kinds (CRDs) as YAML, ready for `kubectl apply --server-side -f -`.
    Crd,
    /// Ask an operator that runs elsewhere whether it is ready, for half a minute at most, and print what it says.
    Ready {
        /// Where its `/readyz` is.
        #[arg(value_name = "URL")]
        url: String,
    },
}

/// How to look after them.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// Where the clouds' Secrets are.
    ///
    /// The only namespace in which Secrets are read. In a pod `POD_NAMESPACE` serves where nothing else is said.
    #[arg(long, env = "TESTNODE_NAMESPACE", value_parser = label, default_value_t = own_namespace())]
    pub namespace: String,

    /// The mark on all that is ours in a cloud, if not kube-system's UID.
    ///
    /// Name the old one here when a cluster was built anew and its nodes restored: without it the operator finds
    /// them marked by another cluster and touches nothing.
    #[arg(long, env = "TESTNODE_CLUSTER_ID", value_name = "ID", value_parser = cluster_id)]
    pub cluster_id: Option<String>,

    /// How often a node is looked at where nothing happens.
    #[arg(long, env = "TESTNODE_RESYNC", value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub resync: Duration,

    /// Whether machine types may name MachineImages. With false none is read, and no right to do so is needed.
    #[arg(long, env = "TESTNODE_MACHINE_IMAGES", value_name = "true|false", action = ArgAction::Set)]
    #[arg(default_value_t = true)]
    pub machine_images: bool,

    /// How long work under way may take to end after SIGTERM.
    ///
    /// Keep it below the pod's terminationGracePeriodSeconds. What does not end is taken up by the next leader.
    #[arg(long, env = "TESTNODE_SHUTDOWN_GRACE", value_name = "DURATION", value_parser = duration)]
    #[arg(default_value = "20s")]
    pub shutdown_grace: Duration,

    /// Address of /livez, /readyz and /metrics. `[::]` is IPv6 and IPv4; without IPv6 in the kernel it is `0.0.0.0`.
    #[arg(long, env = "TESTNODE_ADMIN_ADDRESS", value_name = "ADDRESS:PORT", default_value = "[::]:8080")]
    pub admin_address: SocketAddr,

    /// What is logged.
    #[command(flatten)]
    pub log: Log,

    /// How it is settled who works.
    #[command(flatten)]
    pub election: Election,
}

/// What is logged, and how.
#[derive(Args, Clone, Debug)]
pub struct Log {
    /// How much to log: error, warn, info, debug or trace.
    ///
    /// A level alone is for the operator's own lines; of the libraries only warnings pass. A list such as
    /// `info,testnode_operator::openstack=debug,kube=debug` is taken as it is.
    #[arg(long = "log-level", env = "TESTNODE_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub level: String,

    /// What a line of the log looks like.
    #[arg(long = "log-format", env = "TESTNODE_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How to keep images.
#[derive(Args, Clone, Debug)]
pub struct Images {
    /// Where the clouds' Secrets are.
    #[arg(long, env = "TESTNODE_NAMESPACE", value_parser = label, default_value_t = own_namespace())]
    pub namespace: String,

    /// The mark on all that is ours in a cloud, if not kube-system's UID. The same as the operator's.
    #[arg(long, env = "TESTNODE_CLUSTER_ID", value_name = "ID", value_parser = cluster_id)]
    pub cluster_id: Option<String>,

    /// How many images are uploaded at once; to one cloud never more than one.
    #[arg(long, env = "TESTNODE_TRANSFERS", value_name = "COUNT", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=16))]
    pub transfers: u8,

    /// Hosts that images are fetched from, as `mirror.example.org` or `*.example.org`; by default every host with a public
    /// address.
    ///
    /// A host in this list may have a private address. A loopback or link-local one is never used.
    #[arg(long, env = "TESTNODE_ALLOWED_HOSTS", value_name = "HOST,...", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,

    /// Certificates, in PEM, that web servers of images may be signed by, beside the system's.
    #[arg(long, env = "TESTNODE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<std::path::PathBuf>,

    /// Where TestNodes are made that test an image before it is used (`clouds[].canary` of a MachineImage).
    ///
    /// By default there is no such place, and a MachineImage that asks for a test says so. The namespace must exist.
    #[arg(long, env = "TESTNODE_CANARY_NAMESPACE", value_name = "NAMESPACE", value_parser = label)]
    pub canary_namespace: Option<String>,

    /// How long work under way may take to end after SIGTERM. An upload does not end: it is made again.
    #[arg(long, env = "TESTNODE_SHUTDOWN_GRACE", value_name = "DURATION", value_parser = duration)]
    #[arg(default_value = "10s")]
    pub shutdown_grace: Duration,

    /// Address of /livez, /readyz and /metrics.
    #[arg(long, env = "TESTNODE_ADMIN_ADDRESS", value_name = "ADDRESS:PORT", default_value = "[::]:8080")]
    pub admin_address: SocketAddr,

    /// What is logged.
    #[command(flatten)]
    pub log: Log,

    /// How it is settled who works.
    #[command(flatten)]
    pub election: Election,
}

impl Images {
    /// The Lease to stand for, none where there is no election. It is another than the operator's.
    #[must_use]
    pub fn lease(&self) -> Option<lease::Settings> {
        let settings = self.election.settings(&self.namespace)?;
        Some(lease::Settings { name: "testnode-operator-images".to_owned(), ..settings })
    }
}

/// Which of several operators works.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Leader election")]
pub struct Election {
    /// Work only while holding the Lease. With false there must never be two operators in a cluster.
    #[arg(long, env = "TESTNODE_LEADER_ELECTION", value_name = "true|false", action = ArgAction::Set)]
    #[arg(default_value_t = true)]
    pub leader_election: bool,

    /// Where the Lease is.
    ///
    /// The same for every operator of a cluster, wherever it is installed: that is what keeps two of them from working at
    /// once.
    #[arg(long, env = "TESTNODE_LEASE_NAMESPACE", value_name = "NAMESPACE", value_parser = label)]
    #[arg(default_value = "kube-system")]
    pub lease_namespace: String,

    /// Who we are in the Lease; by default the pod's or host's name and a random end.
    #[arg(long, env = "TESTNODE_IDENTITY", value_name = "NAME", value_parser = identity)]
    pub identity: Option<String>,

    /// How long the others wait after the leader was last heard of.
    #[arg(long, env = "TESTNODE_LEASE_DURATION", value_name = "DURATION", value_parser = duration)]
    #[arg(default_value = "15s")]
    pub lease_duration: Duration,

    /// How long a leader may work after it was last heard; shorter than the lease duration.
    #[arg(long, env = "TESTNODE_LEASE_RENEW_DEADLINE", value_name = "DURATION", value_parser = duration)]
    #[arg(default_value = "12s")]
    pub lease_renew_deadline: Duration,

    /// How often the leader renews and the others look.
    #[arg(long, env = "TESTNODE_LEASE_RETRY_PERIOD", value_name = "DURATION", value_parser = duration)]
    #[arg(default_value = "2s")]
    pub lease_retry_period: Duration,
}

impl Run {
    /// The Lease to stand for, none where there is no election.
    #[must_use]
    pub fn lease(&self) -> Option<lease::Settings> {
        self.election.settings(&self.namespace)
    }
}

impl Election {
    fn settings(&self, home: &str) -> Option<lease::Settings> {
        self.leader_election.then(|| lease::Settings {
            duration: self.lease_duration,
            renew_deadline: self.lease_renew_deadline,
            retry: self.lease_retry_period,
            ..lease::Settings::new(
                &self.lease_namespace,
                home,
                self.identity.clone().unwrap_or_else(new_identity),
            )
        })
    }
}

/// Prints a text. A reader that has seen enough is not an error.
///
/// # Errors
///
/// When stdout cannot be written.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run(flags: &[&str]) -> Result<Run, clap::Error> {
        let words = ["testnode-operator", "run"].iter().chain(flags);
        Cli::try_parse_from(words).map(|cli| {
            let Command::Run(options) = cli.command else { panic!("not what was asked") };
            *options
        })
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_is_an_environment_variable_of_the_same_name() {
        let cli = Cli::command();

        let commands = ["run", "images"].map(|name| cli.find_subcommand(name).unwrap());
        for flag in commands.into_iter().flat_map(clap::Command::get_arguments) {
            let name = flag.get_long().unwrap().to_uppercase().replace('-', "_");
            assert_eq!(flag.get_env().unwrap().to_str(), Some(format!("TESTNODE_{name}").as_str()));
            assert!(flag.get_help().is_some(), "{name} needs a word of help");
        }
    }

    #[test]
    fn everything_has_a_default() {
        let options = run(&[]).unwrap();

        assert_eq!(options.namespace, "testnode-system");
        assert_eq!(options.admin_address.to_string(), "[::]:8080");
        assert_eq!(options.resync.as_secs(), 600);
        let lease = options.lease().unwrap();
        assert_eq!(lease.name, "testnode-operator");
        assert_eq!(
            (lease.duration.as_secs(), lease.renew_deadline.as_secs(), lease.retry.as_secs()),
            (15, 12, 2)
        );
    }

    #[test]
    fn the_process_for_images_has_a_lease_of_its_own() {
        let cli = Cli::try_parse_from(["testnode-operator", "images", "--allowed-hosts=a.lab,*.b"]).unwrap();
        let Command::Images(options) = cli.command else { panic!("not what was asked") };

        assert_eq!(options.lease().unwrap().name, "testnode-operator-images");
        assert_eq!(options.allowed_hosts, ["a.lab", "*.b"]);
        assert_eq!(options.canary_namespace, None);
        assert!(Cli::try_parse_from(["testnode-operator", "images", "--canary-namespace=A_b"]).is_err());
        assert!(Cli::try_parse_from(["testnode-operator", "images", "--transfers=0"]).is_err());
    }

    #[test]
    fn two_starts_on_one_host_are_two_candidates() {
        let (one, other) = (run(&[]).unwrap().lease().unwrap(), run(&[]).unwrap().lease().unwrap());

        assert_ne!(one.identity, other.identity);
        assert!(one.identity.contains('_'));
    }

    #[test]
    fn the_lease_is_as_the_flags_say() {
        let flags = ["--namespace=lab", "--identity=me", "--lease-duration=1m30s", "--lease-retry-period=3s"];
        let lease = run(&flags).unwrap().lease().unwrap();

        assert_eq!((lease.namespace.as_str(), lease.identity.as_str()), ("kube-system", "me"));
        assert_eq!(lease.home, "lab");
        assert_eq!((lease.duration.as_secs(), lease.retry.as_secs()), (90, 3));
        assert!(run(&["--leader-election=false"]).unwrap().lease().is_none());
        assert!(run(&["--leader-election=true"]).unwrap().lease().is_some());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for flag in [
            "--resync=0s",
            "--resync=-5s",
            "--resync=soon",
            "--namespace=",
            "--namespace=Lab",
            "--namespace=-lab",
            "--cluster-id=a/b",
            "--cluster-id=0123456789012345678901234567890123456789abcd",
            "--identity= ",
            "--leader-election=maybe",
            "--log-format=xml",
            "--admin-address=8080",
        ] {
            assert!(run(&[flag]).is_err(), "{flag} was accepted");
        }
        assert!(run(&["--cluster-id=7f0c5ed1-37be-4e0a-9d4f-0f7d0a4f9a11"]).is_ok());
    }
}
