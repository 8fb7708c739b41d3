//! Why a command failed.

use std::io;

use crate::kubernetes::error::said;
use crate::output::Unusable;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// There is neither a kubeconfig nor a service account.
    #[error("no cluster was found; set KUBECONFIG, or name a context with --context")]
    Cluster(#[source] kube::config::InferConfigError),
    /// The API server refused, or cannot be reached.
    #[error("the API server: {}", said(.0))]
    Kubernetes(#[from] kube::Error),
    /// Nobody can log in to the node's machine now.
    #[error("{}: {}; see kubectl testnode why", .0.node, .0.why)]
    Unusable(Unusable),
    /// The machine showed no host keys.
    #[error(
        "{0} showed no host keys on its console, so nothing proves that you reach the right machine; \
         --trust-first logs in all the same"
    )]
    NoKeys(String),
    /// Nobody has looked at the console yet.
    #[error("nobody has asked for the console of {0} yet; without --last it is asked for")]
    NoConsole(String),
    /// The console cannot be shown.
    #[error("{0}")]
    ConsoleProblem(String),
    /// The operator does not answer.
    #[error("{node} has not answered within {seconds} s; it says: {says}")]
    Unanswered {
        /// The node.
        node: String,
        /// For so long it was waited.
        seconds: u64,
        /// What its condition says.
        says: String,
    },
    /// The file for ssh cannot be written.
    #[error("cannot write the known hosts for ssh")]
    File(#[source] io::Error),
    /// ssh cannot be started.
    #[error("cannot start ssh; is it installed?")]
    Ssh(#[source] io::Error),
    /// Standard output cannot be written.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
}
