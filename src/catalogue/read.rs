//! The clouds' words turned into what a choice needs to know.

use super::List;
use crate::api::mark;
use crate::openstack::{
    self, ImageId, PortId, ProjectId, Session, VolumeId, block_storage, compute, image, network,
};
use crate::select::{
    Flavor, Image, Network, Owner, Port, Reach, SecurityGroup, ServerGroup, Snapshot, Volume, VolumeType,
};

/// One list, as it was read.
pub(super) enum Read {
    Flavors(Vec<Flavor>),
    Images(Vec<Image>),
    CommunityImages(Vec<Image>),
    /// None if Glance does not show it.
    Image(String, Option<Image>),
    Networks(Vec<Network>),
    SecurityGroups(Vec<SecurityGroup>),
    ServerGroups(Vec<ServerGroup>),
    VolumeTypes(Vec<VolumeType>),
    /// None if the service does not show it; so are the others.
    Port(String, Option<Port>),
    Volume(String, Option<Volume>),
    Snapshot(String, Option<Snapshot>),
}

/// Asks for one list, by one request and its further pages.
pub(super) async fn read(session: &Session, list: &List) -> Result<Read, openstack::Error> {
    // No request more: every list needs the login too.
    let project = session.login().await?.id;
    Ok(match list {
        List::Flavors => Read::Flavors(session.compute().flavors().await?.into_iter().map(flavor).collect()),
        List::Images => {
            let images = session.image().images().await?.into_iter();
            Read::Images(images.map(|found| image(found, &project)).collect())
        }
        List::CommunityImages => {
            let images = session.image().community_images().await?.into_iter();
            let community = |found| Image { community: true, ..image(found, &project) };
            Read::CommunityImages(images.map(community).collect())
        }
        List::Image(id) => Read::Image(id.clone(), unlisted(session, id, &project).await?),
        List::Networks => {
            let networks = session.network().networks().await?;
            Read::Networks(networks.into_iter().map(|network| self::network(network, &project)).collect())
        }
        List::SecurityGroups => {
            let groups = session.network().security_groups().await?.into_iter();
            Read::SecurityGroups(
                groups
                    .map(|group| SecurityGroup {
                        id: group.id.0,
                        name: group.name,
                        owner: Owner::of(group.project, &project.0),
                    })
                    .collect(),
            )
        }
        List::ServerGroups => {
            let groups = session.compute().server_groups().await?.into_iter();
            Read::ServerGroups(groups.map(|group| ServerGroup { id: group.id, name: group.name }).collect())
        }
        List::VolumeTypes => {
            let types = session.block_storage().volume_types().await?.into_iter();
            Read::VolumeTypes(types.map(|(id, name)| VolumeType { id, name }).collect())
        }
        List::Port(id) => {
            let found = present(session.network().port(&PortId::from(id.as_str())).await)?;
            Read::Port(id.clone(), found.map(|found| port(found, &project)))
        }
        List::Volume(id) => {
            let found = present(session.block_storage().volume(&VolumeId::from(id.as_str())).await)?;
            Read::Volume(id.clone(), found.map(|found| volume(found, &project)))
        }
        List::Snapshot(id) => {
            let found = present(session.block_storage().snapshot(id).await)?;
            let snapshot = |found: block_storage::Snapshot| Snapshot {
                status: found.status,
                owner: Owner::of(found.project, &project.0),
                size_gib: found.size_gib.into(),
            };
            Read::Snapshot(id.clone(), found.map(snapshot))
        }
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

/// An image that no list shows.
async fn unlisted(
    session: &Session,
    id: &str,
    project: &ProjectId,
) -> Result<Option<Image>, openstack::Error> {
    let found = present(session.image().image(&ImageId::from(id)).await)?;
    Ok(found.map(|found| Image { unlisted: true, ..image(found, project) }))
}

fn present<T>(answer: Result<T, openstack::Error>) -> Result<Option<T>, openstack::Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn port(port: network::Port, project: &ProjectId) -> Port {
    Port {
        network: port.network.0,
        owner: Owner::of(port.project, &project.0),
        device: port.device_id,
        addresses: port.addresses,
        mac: port.mac,
        marked: mark::read(&port.description, mark::CLUSTER).is_some(),
    }
}

fn volume(volume: block_storage::Volume, project: &ProjectId) -> Volume {
    Volume {
        status: volume.status.to_string(),
        owner: Owner::of(volume.project, &project.0),
        bootable: volume.bootable,
        marked: volume.metadata.contains_key(mark::CLUSTER),
    }
}

/// An image as a choice knows it, for who belongs to a project.
#[must_use]
pub fn image(image: image::Image, project: &ProjectId) -> Image {
    // Of any cluster.
    let marked = mark::tag(mark::CLUSTER, "");
    Image {
        foreign: Owner::of(image.owner.clone(), &project.0) != Owner::Project,
        id: image.id.0,
        name: image.name,
        status: image.status,
        created: image.created,
        min_disk_gib: image.min_disk_gib.into(),
        size_gib: i64::try_from(image.size.div_ceil(1 << 30)).unwrap_or(i64::MAX),
        min_ram_mib: image.min_ram_mib.into(),
        properties: image.properties,
        owner: image.owner,
        visibility: image.visibility,
        community: false,
        unlisted: false,
        marked: image.tags.iter().any(|tag| tag.to_lowercase().starts_with(&marked)),
        version: None,
    }
}

fn network(network: network::Network, project: &ProjectId) -> Network {
    let reach = match network.reach {
        network::Reach::External => Reach::External,
        network::Reach::Internal => Reach::Internal,
    };
    Network {
        id: network.id.0,
        name: network.name,
        reach,
        owner: Owner::of(network.project, &project.0),
        admin_up: network.admin_up,
        has_subnets: network.has_subnets,
        is_default: network.is_default,
    }
}
