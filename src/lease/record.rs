//! What a Lease says, what we write in it, and when another's word has run out. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;
use tokio::time::Instant;

use super::Settings;

/// Who holds the lease; an empty name is nobody.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// Where the holder says in which namespace it is at home.
const HOME: &str = "testnode.dev/namespace";

/// The namespace that the holder is at home in.
pub(super) fn home(lease: &Lease) -> Option<&str> {
    lease.metadata.annotations.as_ref()?.get(HOME).map(String::as_str)
}

/// A lease nobody has made yet, held by us.
pub(super) fn first(settings: &Settings, now: Timestamp) -> Lease {
    let metadata = ObjectMeta {
        name: Some(settings.name.clone()),
        namespace: Some(settings.namespace.clone()),
        annotations: Some([(HOME.to_owned(), settings.home.clone())].into()),
        ..ObjectMeta::default()
    };
    let spec = LeaseSpec {
        holder_identity: Some(settings.identity.clone()),
        lease_duration_seconds: Some(whole_seconds(settings.duration)),
        lease_transitions: Some(0),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        ..LeaseSpec::default()
    };
    Lease { metadata, spec: Some(spec) }
}

/// The same lease, taken or renewed by us. It keeps its `resourceVersion`, so
/// that it can only be written over what was read.
pub(super) fn held(lease: &Lease, settings: &Settings, now: Timestamp) -> Lease {
    let ours = holder(lease) == Some(settings.identity.as_str());
    let mut spec = lease.spec.clone().unwrap_or_default();
    if !ours {
        spec.holder_identity = Some(settings.identity.clone());
        spec.acquire_time = Some(MicroTime(now));
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
    }
    spec.lease_duration_seconds = Some(whole_seconds(settings.duration));
    spec.renew_time = Some(MicroTime(now));
    let mut held = rewritten(lease, spec);
    held.metadata.annotations.get_or_insert_default().insert(HOME.to_owned(), settings.home.clone());
    held
}

/// The same lease, free at once for whoever reads it.
pub(super) fn released(lease: &Lease, now: Timestamp) -> Lease {
    let mut spec = lease.spec.clone().unwrap_or_default();
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    spec.acquire_time = Some(MicroTime(now));
    spec.renew_time = Some(MicroTime(now));
    rewritten(lease, spec)
}

fn rewritten(lease: &Lease, spec: LeaseSpec) -> Lease {
    let metadata = ObjectMeta { managed_fields: None, ..lease.metadata.clone() };
    Lease { metadata, spec: Some(spec) }
}

/// Rounded up: others wait longer rather than shorter.
fn whole_seconds(duration: Duration) -> i32 {
    let up = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(up).unwrap_or(i32::MAX)
}

/// The last word of another holder, and since when on our clock it has not
/// changed. What its own clock said does not matter.
#[derive(Debug)]
pub(super) struct LastWord {
    spec: LeaseSpec,
    heard: Instant,
}

impl LastWord {
    /// Takes note of what was just read.
    pub(super) fn hear(known: Option<Self>, lease: &Lease, now: Instant) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        match known {
            Some(word) if word.spec == spec => word,
            Some(_) | None => Self { spec, heard: now },
        }
    }

    /// Whether it still binds us. A record that names no time binds for ours.
    pub(super) fn binds(&self, settings: &Settings, now: Instant) -> bool {
        let seconds = self.spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let time = seconds.map_or(settings.duration, Duration::from_secs);
        now.duration_since(self.heard) < time
    }
}
