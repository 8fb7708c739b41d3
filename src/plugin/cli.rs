//! The words of `kubectl testnode`.

use clap::{Args, Parser, Subcommand};

/// Log in to the machines of TestNodes, list them for other programs, and see why one is not Ready.
#[derive(Debug, Parser)]
#[command(name = "kubectl-testnode", bin_name = "kubectl testnode", version, max_term_width = 100)]
pub struct Cli {
    /// Which cluster and namespace.
    #[command(flatten)]
    pub place: Place,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which cluster and namespace, in kubectl's words.
#[derive(Args, Debug)]
pub struct Place {
    /// The namespace; by default that of the kubeconfig's context.
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// The kubeconfig's context to use.
    #[arg(long, global = true)]
    pub context: Option<String>,
}

/// What the plugin can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print teuthology's targets.yaml.
    Targets(Which),
    /// Print lines for a `known_hosts` file.
    KnownHosts(Which),
    /// Print an Ansible inventory, with a group for each MachineType.
    Inventory(Which),
    /// Print a part of `ssh_config`, so that `ssh NAME` logs in.
    SshConfig {
        /// Which nodes.
        #[command(flatten)]
        which: Which,
        /// A file made by `known-hosts`: only the keys in it are trusted.
        #[arg(long, value_name = "FILE")]
        known_hosts: Option<String>,
    },
    /// Log in with ssh, trusting only the host keys in the node's status. It says so if no console showed them.
    Ssh(Ssh),
    /// Show the last lines of a machine's serial console, as it is now.
    Console {
        /// The node.
        name: String,
        /// Show what was read last, and ask for nothing: reading rights are enough.
        #[arg(long)]
        last: bool,
    },
    /// Tell what happened to a node, in order, and what it waits for now.
    Why {
        /// The node.
        name: String,
    },
}

/// Which nodes to list. Those that nobody can log in to are left out, and named on standard error.
#[derive(Args, Debug)]
pub struct Which {
    /// Names of nodes, and `claim/NAME` for those of a claim; all nodes of the namespace if there are none.
    pub names: Vec<String>,
    /// Only nodes with these labels, as in `kubectl get -l`.
    #[arg(short = 'l', long, conflicts_with = "names")]
    pub selector: Option<String>,
    /// Those of all namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["names"])]
    pub all_namespaces: bool,
}

/// How to log in.
#[derive(Args, Debug)]
pub struct Ssh {
    /// The node.
    pub name: String,
    /// The user; by default the one that the MachineType names.
    #[arg(short = 'l', long)]
    pub user: Option<String>,
    /// Log in to a machine that showed no host keys, and trust what it shows now.
    #[arg(long)]
    pub trust_first: bool,
    /// A command to run there, and options of ssh before it.
    #[arg(last = true)]
    pub command: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_for_the_machine_follows_two_dashes() {
        let cli = Cli::try_parse_from(["kubectl-testnode", "-n", "rados", "ssh", "a", "--", "uname", "-a"])
            .unwrap();

        let Command::Ssh(ssh) = cli.command else { panic!("not what was asked") };
        assert_eq!((ssh.name.as_str(), ssh.command), ("a", vec!["uname".to_owned(), "-a".to_owned()]));
        assert_eq!(cli.place.namespace.as_deref(), Some("rados"));
    }
}
