//! Ids are types, so that a volume's id cannot be sent where a server's is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::saying::Saying;

/// An id as it came, if it can be one. Ids are shown, compared and put into paths as they are, so nothing in one is
/// repaired.
fn checked(id: String) -> Result<String, &'static str> {
    let misleading = id.is_empty() || id == "." || id == ".." || id.contains('/') || Saying::name(&id) != id;
    if misleading { Err("not an id") } else { Ok(id) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub String);

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(id: String) -> Result<Self, Self::Error> {
                checked(id).map(Self)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

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
