//! Ids are types, so that a volume's id cannot be sent where a server's is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }
    )+};
}

ids! {
    /// A Nova server.
    ServerId,
    /// A Nova flavor; never its name.
    FlavorId,
    /// A Cinder volume.
    VolumeId,
    /// A Cinder attachment: a server's claim on a volume.
    AttachmentId,
    /// A Glance image.
    ImageId,
    /// A Neutron network.
    NetworkId,
    /// A Neutron port.
    PortId,
    /// A Neutron security group.
    SecurityGroupId,
    /// A Neutron floating IP.
    FloatingIpId,
    /// A Keystone project.
    ProjectId,
}
