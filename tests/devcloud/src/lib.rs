//! A simulated cloud that speaks the real wire: Keystone, Nova, Cinder, Glance, Neutron, nsupdate-web and
//! authoritative DNS. What it answers, odd answers included, is what was measured on a real OpenStack.
//!
//! Everything is behind one origin: `/identity`, `/compute/v2.1`, `/volume/v3/{project}`, `/image`, `/network`,
//! `/nsupdate` and, to look behind the curtain, `/devcloud`. The catalogue's URLs are made from the request's `Host`.
//!
//! Time is tokio's. [`DevCloud::router`] can be called in process, where time may be paused; [`DevCloud::serve`] puts
//! the same router on a socket. Nothing runs in the background: each request first settles the `world.rs` up to now.
//!
//! Begin reading at `router.rs` (what happens to a request), then `world.rs` (what there is, and what happens to it by
//! itself), then the service in question.

mod cinder;
mod clock;
mod cloud;
mod console;
mod control;
mod dns;
mod faults;
mod glance;
mod keystone;
pub mod lab;
mod log;
mod neutron;
mod nova;
mod nsupdate_web;
mod page;
mod router;
mod serve;
pub mod settings;
pub mod sshd;
mod trouble;
mod twist;
mod update;
mod wire;
mod world;

pub use crate::{
    cloud::{DevCloud, Things},
    faults::{Effect, Fault, When},
    glance::MadeImage,
    log::{Call, Service},
    router::Dropped,
    settings::{Backend, Quotas, Settings},
    twist::HOSTILE_TEXTS,
    world::{
        network::{FloatingIp, Port},
        server::{Mapped, Server, ServerFate, Status, WantedPort},
        volume::{Attachment, Volume, VolumeFate},
    },
};
