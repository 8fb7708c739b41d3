//! One cloud, asked by typed calls over a transport that tests can replace.
//!
//! Begin with [`Session`]: it logs in, keeps the token fresh, finds each
//! service's address, paces the calls and sends them. [`Compute`],
//! [`BlockStorage`], [`Images`] and [`Networks`] are thin lists of calls on top.
//! A request is sent once, and once more only after a 401. Every other retry
//! belongs to the reconciler, which knows what is safe to repeat: an [`Error`]
//! says what it means ([`Error::class`]) and whether the thing asked for may
//! have happened ([`Error::effect`]).

use std::fmt;

mod answer;
pub mod block_storage;
pub mod classify;
pub mod clouds_yaml;
pub mod compute;
pub mod credentials;
pub mod endpoints;
pub mod error;
#[cfg(test)]
pub(crate) mod fake;
pub mod identity;
pub mod ids;
pub mod image;
pub mod network;
mod page;
pub mod rate;
mod request;
pub mod session;
mod wire;

pub use block_storage::BlockStorage;
pub use compute::Compute;
pub use credentials::Credentials;
pub use error::Error;
pub use identity::Project;
pub use ids::{
    AttachmentId, FlavorId, FloatingIpId, ImageId, NetworkId, PortId, ProjectId, SecurityGroupId, ServerId,
    VolumeId,
};
pub use image::Images;
pub use network::Networks;
pub use rate::{Lane, RateOptions};
pub use session::{Call, Session, SessionOptions};

/// The services we ask.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Nova.
    Compute,
    /// Cinder.
    BlockStorage,
    /// Glance.
    Image,
    /// Neutron.
    Network,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Identity, Self::Compute, Self::BlockStorage, Self::Image, Self::Network];

    /// The service as a metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Compute => "compute",
            Self::BlockStorage => "block_storage",
            Self::Image => "image",
            Self::Network => "network",
        }
    }
}

/// The name people know it by.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "Keystone",
            Self::Compute => "Nova",
            Self::BlockStorage => "Cinder",
            Self::Image => "Glance",
            Self::Network => "Neutron",
        })
    }
}
