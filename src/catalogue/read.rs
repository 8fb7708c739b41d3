//! The clouds' words turned into what a choice needs to know.

use super::List;
use crate::openstack::{self, ProjectId, Session, compute, image, network};
use crate::select::{Flavor, Image, Network, Owner, Reach, SecurityGroup};

/// One list, as it was read.
pub(super) enum Read {
    Flavors(Vec<Flavor>),
    Images(Vec<Image>),
    Networks(Vec<Network>),
    SecurityGroups(Vec<SecurityGroup>),
    VolumeTypes(Vec<String>),
}

/// Asks for one list, by one request and its further pages.
pub(super) async fn read(session: &Session, list: List) -> Result<Read, openstack::Error> {
    Ok(match list {
        List::Flavors => Read::Flavors(session.compute().flavors().await?.into_iter().map(flavor).collect()),
        List::Images => Read::Images(session.image().images().await?.into_iter().map(image).collect()),
        List::Networks => {
            // No request more: the list needs the login too.
            let project = session.login().await?.id;
            let networks = session.network().networks().await?;
            Read::Networks(networks.into_iter().map(|network| self::network(network, &project)).collect())
        }
        List::SecurityGroups => {
            let groups = session.network().security_groups().await?.into_iter();
            Read::SecurityGroups(
                groups.map(|group| SecurityGroup { id: group.id.0, name: group.name }).collect(),
            )
        }
        List::VolumeTypes => Read::VolumeTypes(session.block_storage().volume_types().await?),
    })
}

fn flavor(flavor: compute::Flavor) -> Flavor {
    Flavor {
        id: flavor.id.0,
        name: flavor.name,
        vcpus: flavor.vcpus.into(),
        ram_mib: flavor.ram_mib.into(),
        disk_gib: flavor.disk_gib.into(),
        disabled: flavor.disabled,
    }
}

fn image(image: image::Image) -> Image {
    Image {
        id: image.id.0,
        name: image.name,
        status: image.status,
        created: image.created,
        min_disk_gib: image.min_disk_gib.into(),
        min_ram_mib: image.min_ram_mib.into(),
        properties: image.properties,
    }
}

fn network(network: network::Network, project: &ProjectId) -> Network {
    let owner = match network.owner {
        network::Owner::Shared => Owner::Shared,
        network::Owner::Project if network.project == project.0 => Owner::Project,
        network::Owner::Project => Owner::Other,
    };
    let reach = match network.reach {
        network::Reach::External => Reach::External,
        network::Reach::Internal => Reach::Internal,
    };
    Network {
        id: network.id.0,
        name: network.name,
        reach,
        owner,
        admin_up: network.admin_up,
        has_subnets: network.has_subnets,
    }
}
