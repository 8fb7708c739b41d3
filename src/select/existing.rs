//! Whether what exists can be had now.

use super::Problem;
use super::offerings::Offerings;
use crate::api::testnode_status::Resolved;
use crate::reason::Reason;

/// Why a port or a volume that a machine is to use cannot be had now: something else has it.
#[must_use]
pub fn in_use(resolved: &Resolved, offerings: &Offerings) -> Option<Problem> {
    let port = resolved.networks.iter().filter_map(|network| network.port.as_ref()).find_map(|port| {
        let device = offerings.ports.get(&port.id)?.as_ref()?.device.as_ref()?;
        let message = format!(
            "port {} is bound to {device}; nothing is made until it is free: `openstack server remove port {device} {0}`; or \
             name another port",
            port.id
        );
        Some(Problem::new(Reason::PortInUse, message))
    });
    port.or_else(|| {
        resolved.existing_volumes.iter().find_map(|volume| {
            let status = &offerings.volumes.get(&volume.id)?.as_ref()?.status;
            let message = format!(
                "volume {} is {status}; nothing is made until it is available: `openstack volume show {0}` says what has it; \
                 or name another volume",
                volume.id
            );
            (status != "available").then(|| Problem::new(Reason::VolumeInUse, message))
        })
    })
}
