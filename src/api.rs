//! The objects people write, group `testnode.dev/v1alpha1`, and every string others depend on.
//!
//! Doc comments in here are the CRDs' descriptions: they speak to the person who writes YAML. Notes to us take two
//! slashes.

pub mod absent;
pub mod block_device;
pub mod boot_volume;
pub mod boundary;
pub mod claim;
pub mod cloud;
pub mod common;
pub mod crd;
pub mod dns;
pub mod former;
pub mod hold;
pub mod kind;
pub mod lock;
pub mod machine_image;
pub mod machine_type;
pub mod orphans;
pub mod pattern;
pub mod pool;
pub mod refs;
pub mod server;
pub mod slot;
pub mod testnode;
pub mod testnode_status;

pub use claim::{TestNodeClaim, TestNodeClaimStatus};
pub use cloud::{Cloud, CloudSpec, CloudStatus};
pub use former::{FORMER_MACHINE, FormerMachine};
pub use kind::{Kind, PerKind};
pub use machine_image::{MachineImage, MachineImageSpec, MachineImageStatus};
pub use machine_type::{MachineType, MachineTypeSpec, MachineTypeStatus};
pub use pool::{TestNodePool, TestNodePoolStatus};
pub use refs::{ClaimRef, PoolRef};
pub use slot::{TestNodeSlot, TestNodeSlotSpec};
pub use testnode::{TestNode, TestNodeSpec};
pub use testnode_status::{Attempt, Outcome, TestNodeStatus};

/// The field manager of everything the operator writes.
pub const MANAGER: &str = "testnode-operator";

/// The finalizer of a Cloud: it stays while a `TestNode` needs it.
pub const CLOUD_GUARD: &str = "testnode.dev/in-use";

/// The annotation on a `TestNode` that is being deleted: why what it left in clouds that are lost is given up.
pub const ABANDON: &str = "testnode.dev/abandon";

/// Finalizers on a `TestNode` are this and the name of a Cloud that was touched for it.
pub const FINALIZER_PREFIX: &str = "cloud.testnode.dev/";

/// The finalizer for one cloud.
#[must_use]
pub fn finalizer(cloud: &str) -> String {
    format!("{FINALIZER_PREFIX}{cloud}")
}

/// Marks on what we make in a cloud. They are API: a release reads every form that an earlier one wrote, and writes
/// the newest on creates only.
pub mod mark {
    /// Metadata key and tag: the cluster that owns the object.
    pub const CLUSTER: &str = "testnode-cluster";
    /// Metadata key and tag: the UID of the `TestNode`.
    pub const UID: &str = "testnode-uid";
    /// Metadata key: `namespace/name` of the `TestNode`, for people.
    pub const NODE: &str = "testnode-node";
    /// Metadata key: the number of the attempt.
    pub const ATTEMPT: &str = "testnode-attempt";
    /// Metadata key on a server: the DNS name that was claimed for it.
    pub const FQDN: &str = "testnode-fqdn";
    /// Metadata key on a volume: which of the node's volumes it is, as `osd-0`.
    pub const VOLUME: &str = "testnode-volume";

    /// Metadata key on a server: how often its root disk was made. Without it, once.
    pub const BOOT: &str = "testnode-boot";

    /// The word by which the console of a machine shows that cloud-init ended in this boot.
    #[must_use]
    pub fn boot(uid: &str, number: i64) -> String {
        format!("testnode-{uid}-{number}")
    }

    /// Tag on an image: the version that it is.
    pub const DIGEST: &str = "testnode-digest";
    /// Tag on an image: how it is described, as a short hash.
    pub const DESCRIBED: &str = "testnode-described";

    /// Metadata key that somebody may set by hand, to any value but `false`: no sweep takes this server or volume.
    pub const KEPT: &str = "testnode-kept";

    /// A server's tag, or the whole description of a port: `key=value`.
    #[must_use]
    pub fn tag(key: &str, value: &str) -> String {
        format!("{key}={value}")
    }

    /// How the text of the TXT record beside a node's name begins: whose it is.
    #[must_use]
    pub fn name(cluster_id: &str, uid: &str) -> String {
        format!("{CLUSTER}={cluster_id} {UID}={uid}")
    }

    /// The whole text, with the node as `namespace/name`, for people.
    #[must_use]
    pub fn name_of(cluster_id: &str, uid: &str, node: &str) -> String {
        format!("{} {NODE}={node}", name(cluster_id, uid))
    }

    /// The name of a port: it carries the owner, as a port has no metadata.
    #[must_use]
    pub fn port_name(uid: &str, attempt: i64, index: usize) -> String {
        format!("testnode-{uid}-{attempt}-{index}")
    }

    /// The description of a floating IP: it carries cluster and owner, as a floating IP has neither metadata nor name.
    #[must_use]
    pub fn floating_ip(cluster_id: &str, uid: &str, attempt: i64) -> String {
        format!("{CLUSTER}={cluster_id} {UID}={uid} {ATTEMPT}={attempt}")
    }

    /// Reads one mark in such a description.
    #[must_use]
    pub fn read<'a>(description: &'a str, key: &str) -> Option<&'a str> {
        let mut marks = description.split_whitespace().filter_map(|mark| mark.split_once('='));
        marks.find_map(|(known, value)| (known == key && !value.is_empty()).then_some(value))
    }

    /// Reads a port's name back into UID, attempt and index.
    #[must_use]
    pub fn parse_port_name(name: &str) -> Option<(&str, i64, usize)> {
        let rest = name.strip_prefix("testnode-")?;
        let (rest, index) = rest.rsplit_once('-')?;
        let (uid, attempt) = rest.rsplit_once('-')?;
        Some((uid, attempt.parse().ok()?, index.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::mark;

    #[test]
    fn the_description_of_a_floating_ip_is_read_back_as_it_was_written() {
        let description = mark::floating_ip("c-1", "u-1", 3);

        let read = |key| mark::read(&description, key);
        assert_eq!(
            (read(mark::CLUSTER), read(mark::UID), read(mark::ATTEMPT)),
            (Some("c-1"), Some("u-1"), Some("3"))
        );
        assert_eq!(mark::read("somebody else's", mark::UID), None);
    }

    #[test]
    fn a_port_name_is_read_back_as_it_was_written() {
        let uid = "0d9c4a6e-6f3a-4b8e-9a51-0c5b7e0d1f22";

        let name = mark::port_name(uid, 3, 1);

        assert_eq!(mark::parse_port_name(&name), Some((uid, 3, 1)));
        assert_eq!(mark::parse_port_name("testnode-x"), None);
        assert_eq!(mark::parse_port_name("somebody-else-1-0"), None);
    }
}
