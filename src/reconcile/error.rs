//! What can go wrong in a turn, and what that means for the node.

use std::time::Duration;

use super::state::Verdict;
use crate::error::{Class, Effect};
use crate::reason::Reason;
use crate::{dns, guest, kubernetes, openstack};

/// A request of a turn that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// OpenStack's.
    #[error(transparent)]
    OpenStack(#[from] openstack::Error),
    /// To DNS.
    #[error(transparent)]
    Dns(#[from] dns::Error),
    /// To the guest.
    #[error(transparent)]
    Guest(#[from] guest::tcp::Closed),
    /// The API server's.
    #[error("the Kubernetes API: {}", kubernetes::error::said(.0))]
    Kube(#[from] kube::Error),
    /// Not sent: another node took the place or the name since the look.
    #[error("another node was quicker")]
    Overtaken,
    /// Not sent: what it needs is not there.
    #[error("{0}")]
    Unready(String),
}

/// Neutron's word for a floating IP that no router could lead to its port.
const NO_ROUTER: &str = "ExternalGatewayForFloatingIPNotFound";

impl Error {
    /// What the failure means.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::OpenStack(error) => error.class(),
            Self::Dns(error) => error.class(),
            Self::Guest(_) | Self::Unready(_) | Self::Kube(_) | Self::Overtaken => Class::Unreachable,
        }
    }

    /// What is known of the request's effect.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::OpenStack(error) => error.effect(),
            Self::Dns(error) => error.effect(),
            Self::Guest(_) | Self::Unready(_) | Self::Overtaken => Effect::None,
            Self::Kube(_) => Effect::Unknown,
        }
    }

    /// One word: condition reason and metric label.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::OpenStack(error) if error.key() == NO_ROUTER => Reason::NoRouter,
            Self::OpenStack(error) => error.class().reason(),
            Self::Dns(_) => Reason::DNSUpdateFailed,
            Self::Guest(_) => Reason::Booting,
            Self::Kube(_) => Reason::KubernetesAPI,
            Self::Unready(_) => Reason::CloudUnreachable,
            Self::Overtaken => Reason::Queued,
        }
    }

    /// What it means for the attempt whose create it was.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.class() {
            Class::Quota => Verdict::Quota,
            Class::Capacity => Verdict::Capacity,
            // What a create names is not there: only an edit brings it.
            Class::Invalid | Class::NotFound => Verdict::Invalid,
            Class::Busy | Class::Auth | Class::Unreachable | Class::Conflict => Verdict::Passing,
        }
    }

    /// Whether the cloud has too much to do: it said so, or it could not answer.
    #[must_use]
    pub fn is_strain(&self) -> bool {
        match self.class() {
            Class::Busy | Class::Capacity | Class::Unreachable => matches!(self, Self::OpenStack(_)),
            Class::Quota | Class::Auth | Class::NotFound | Class::Conflict | Class::Invalid => false,
        }
    }

    /// How long we were told to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::OpenStack(error) => error.retry_after(),
            Self::Dns(_) | Self::Guest(_) | Self::Kube(_) | Self::Overtaken | Self::Unready(_) => None,
        }
    }

    /// No token for the request: nothing was sent, and nothing is wrong.
    #[must_use]
    pub fn throttled(&self) -> Option<Duration> {
        match self {
            Self::OpenStack(openstack::Error::Throttled { wait, .. }) => Some(*wait),
            Self::OpenStack(_)
            | Self::Dns(_)
            | Self::Guest(_)
            | Self::Kube(_)
            | Self::Overtaken
            | Self::Unready(_) => None,
        }
    }

    /// What a request that may not be sent before `at` waits for.
    #[must_use]
    pub fn until(&self, at: &str) -> String {
        match self {
            Self::OpenStack(openstack::Error::Throttled { call, service, asked: true, .. }) => {
                format!("{call}: {service} asked us to wait until {at}")
            }
            Self::OpenStack(openstack::Error::Throttled { call, service, asked: false, .. }) => format!(
                "{call}: waiting for its turn at {service}, about {at}: the Cloud's spec.rate.requestsPerSecond is used up"
            ),
            Self::OpenStack(_)
            | Self::Dns(_)
            | Self::Guest(_)
            | Self::Kube(_)
            | Self::Overtaken
            | Self::Unready(_) => self.to_string(),
        }
    }

    /// Somebody wrote the object since it was read: nothing was written.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Kube(error) if kubernetes::error::is_conflict(error))
    }

    /// The object is gone.
    #[must_use]
    pub fn is_object_gone(&self) -> bool {
        matches!(self, Self::Kube(error) if kubernetes::error::is_gone(error))
    }
}
