//! Servers, volumes, floating IPs and ports as our decisions need them, whatever service shows them. Pure.
//!
//! [`crate::inventory::kinds`] makes these of what Nova, Cinder and Neutron answer. Nothing else knows the services' own
//! types. A new kind of thing is a file here, a variant of [`Kind`], and whatever the compiler then asks for.

mod floating_ip;
mod port;
mod server;
pub mod states;
mod volume;

use jiff::Timestamp;

use crate::api::mark;

pub use crate::api::kind::{Kind, PerKind};
pub use floating_ip::FloatingIp;
pub use port::Port;
pub use server::{Fault, Server, ServerState, Verdict};
pub use volume::{Volume, VolumeState};

/// Something in a cloud that can carry our marks.
pub trait Thing: Clone + PartialEq {
    /// The kind.
    const KIND: Kind;
    /// What proves that it is gone, once its deletion was answered.
    const GONE_BY: Proof;

    /// What every kind has.
    fn meta(&self) -> &Meta;

    /// See [`Thing::meta`].
    fn meta_mut(&mut self) -> &mut Meta;

    /// Its deletion is under way, or is over and has failed.
    fn is_leaving(&self) -> bool;

    /// Takes over from what was known `before` what this look could not show: it is the same thing.
    fn remember(&mut self, before: &Self);

    /// The command that gives back the marks it has lost, if it is `owner`'s.
    fn remark(&self, owner: &Owner, cluster: &str) -> String;
}

/// What proves that a thing is gone whose deletion was answered. A 404 for its id always does, for every kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    /// The answer itself: the service answers when its work is done.
    Answer,
    /// A complete listing without the thing, if it began after the answer.
    Listing,
    /// Nothing but a 404 for its id.
    NotFound,
}

/// What every kind of thing has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Meta {
    /// The cloud's id.
    pub id: String,
    /// The name, which need not be unique.
    pub name: String,
    /// Whose it is, by its marks.
    pub owner: Option<Owner>,
    /// Marks that it should have and has not: somebody removed them.
    pub lost: Vec<&'static str>,
    /// The same for people, as `namespace/name`, where a mark says it.
    pub node: Option<String>,
    /// Somebody marked it to be kept.
    pub kept: bool,
    /// When its service says that it was made.
    pub created: Option<Timestamp>,
}

/// Whose a thing is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Owner {
    /// UID of the `TestNode`.
    pub uid: String,
    /// Number of the attempt, unless that mark was removed.
    pub attempt: Option<i64>,
}

impl Meta {
    /// Whether its marks say that it belongs to this `TestNode`.
    #[must_use]
    pub fn is_of(&self, uid: &str) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.uid == uid)
    }

    /// No listing shows it: they are all filtered by our cluster id.
    #[must_use]
    pub fn is_unlisted(&self) -> bool {
        self.lost.contains(&mark::CLUSTER)
    }

    /// It has neither the mark of our cluster nor that of a node. Without a mark of ours nothing is touched.
    #[must_use]
    pub fn is_unmarked(&self) -> bool {
        self.is_unlisted() && self.owner.is_none()
    }
}

/// `--property key=value` for each mark of a server or a volume that was removed.
fn properties(meta: &Meta, owner: &Owner, cluster: &str, key: &str) -> String {
    let value = |lost: &'static str| match lost {
        mark::CLUSTER => cluster.to_owned(),
        mark::UID => owner.uid.clone(),
        mark::ATTEMPT => owner.attempt.unwrap_or(1).to_string(),
        _ => key.to_owned(),
    };
    let all = meta.lost.iter().map(|lost| format!("--property {lost}={}", value(lost)));
    all.collect::<Vec<_>>().join(" ")
}
