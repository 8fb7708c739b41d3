//! How each kind of thing is listed, read by its id, and deleted: the only place that knows the types of Nova, Cinder and
//! Neutron. `Asked` is what a new kind must bring.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::shelf::Shelf;
use super::{Inventory, State};
use crate::api::mark;
use crate::error::Class;
use crate::openstack::block_storage;
use crate::openstack::compute::{self, ServerStatus};
use crate::openstack::ids::{FloatingIpId, PortId, ServerId, VolumeId};
use crate::openstack::{Error, Service, Session, classify, network};
use crate::things::{
    Fault, FloatingIp, Kind, Meta, Owner, Port, Server, ServerState, Thing, Verdict, Volume, VolumeState,
};

/// A cloud's clocks differ by less, or else it is asked for each server by itself.
const MARGIN: Duration = Duration::from_mins(1);

/// How a kind is asked for.
pub(super) trait Asked: Thing + Send {
    /// At rest it is listed once in so many of the Cloud's idle periods.
    const RESTS: u32;

    /// At rest it is listed only while there is one that we know of, or a node is to have one.
    const RARE: bool = false;

    /// Where it is kept.
    fn shelf(state: &mut State) -> &mut Shelf<Self>;

    /// All that carry our cluster id. The clouds ignore a filter that they do not know, so our mark is looked for again.
    fn list(
        inventory: &Inventory,
        session: &Session,
    ) -> impl Future<Output = Result<Vec<Self>, Error>> + Send;

    /// One of them; `None` if it is gone.
    fn get(
        inventory: &Inventory,
        session: &Session,
        id: &str,
    ) -> impl Future<Output = Result<Option<Self>, Error>> + Send;

    /// Which of these are gone, if the service says that of many at once; with each, when its end was asked for.
    fn gone(
        _: &Session,
        _: &[(String, Instant)],
    ) -> impl Future<Output = Result<BTreeSet<String>, Error>> + Send {
        async { Ok(BTreeSet::new()) }
    }

    /// Asks for its deletion.
    fn delete(session: &Session, id: &str) -> impl Future<Output = Result<(), Error>> + Send;
}

/// The service that has a kind.
#[must_use]
pub fn service(kind: Kind) -> Service {
    match kind {
        Kind::Server => Service::Compute,
        Kind::Volume => Service::BlockStorage,
        Kind::FloatingIp | Kind::Port => Service::Network,
    }
}

/// Asks for the deletion of a thing.
///
/// # Errors
/// As its service answers; 404 is [`Error::is_not_found`].
pub async fn delete(session: &Session, kind: Kind, id: &str) -> Result<(), Error> {
    match kind {
        Kind::Server => Server::delete(session, id).await,
        Kind::Volume => Volume::delete(session, id).await,
        Kind::FloatingIp => FloatingIp::delete(session, id).await,
        Kind::Port => Port::delete(session, id).await,
    }
}

impl Asked for Server {
    const RESTS: u32 = 1;

    fn shelf(state: &mut State) -> &mut Shelf<Self> {
        &mut state.servers
    }

    async fn list(inventory: &Inventory, session: &Session) -> Result<Vec<Self>, Error> {
        let tag = mark::tag(mark::CLUSTER, inventory.cluster_id());
        let found = session.compute().list_servers(&tag).await?;
        Ok(listed(found.into_iter().map(|found| server(found, inventory.cluster_id()))))
    }

    async fn get(inventory: &Inventory, session: &Session, id: &str) -> Result<Option<Self>, Error> {
        let found = session.compute().server(&ServerId(id.to_owned())).await;
        let found = present(found)?.filter(|server| server.status != ServerStatus::Deleted);
        // What Nova does not say here it says nowhere.
        Ok(found.map(|found| Self { unexplained: false, ..server(found, inventory.cluster_id()) }))
    }

    async fn gone(session: &Session, asked: &[(String, Instant)]) -> Result<BTreeSet<String>, Error> {
        let first = asked.iter().map(|(_, at)| at.elapsed() + MARGIN).max();
        let since =
            session.date(Service::Compute).zip(first).and_then(|(now, ago)| now.checked_sub(ago).ok());
        let Some(since) = since else { return Ok(BTreeSet::new()) };
        let gone = session.compute().deleted_since(since).await?;
        let asked = asked.iter().map(|(id, _)| id).filter(|id| gone.contains(&ServerId((*id).clone())));
        Ok(asked.cloned().collect())
    }

    async fn delete(session: &Session, id: &str) -> Result<(), Error> {
        session.compute().delete_server(&ServerId(id.to_owned())).await
    }
}

impl Asked for Volume {
    const RESTS: u32 = 4;

    fn shelf(state: &mut State) -> &mut Shelf<Self> {
        &mut state.volumes
    }

    async fn list(inventory: &Inventory, session: &Session) -> Result<Vec<Self>, Error> {
        let found = session.block_storage().list_volumes(mark::CLUSTER, inventory.cluster_id()).await?;
        Ok(listed(found.into_iter().map(|found| volume(found, inventory.cluster_id()))))
    }

    async fn get(inventory: &Inventory, session: &Session, id: &str) -> Result<Option<Self>, Error> {
        let found = session.block_storage().volume(&VolumeId(id.to_owned())).await;
        Ok(present(found)?.map(|found| volume(found, inventory.cluster_id())))
    }

    async fn delete(session: &Session, id: &str) -> Result<(), Error> {
        session.block_storage().delete_volume(&VolumeId(id.to_owned())).await
    }
}

impl Asked for FloatingIp {
    const RESTS: u32 = 4;
    const RARE: bool = true;

    fn shelf(state: &mut State) -> &mut Shelf<Self> {
        &mut state.floating_ips
    }

    async fn list(inventory: &Inventory, session: &Session) -> Result<Vec<Self>, Error> {
        let neutron = session.network();
        let found = match neutron.floating_ips().await {
            Ok(found) => found,
            // A Neutron without routers has no floating IPs, and no such path.
            Err(error)
                if error.status().is_some_and(|status| status.as_u16() == 404)
                    && !neutron.routes().await? =>
            {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        Ok(listed(found.into_iter().map(|found| floating_ip(found, inventory.cluster_id()))))
    }

    async fn get(inventory: &Inventory, session: &Session, id: &str) -> Result<Option<Self>, Error> {
        let found = session.network().floating_ip(&FloatingIpId(id.to_owned())).await;
        Ok(present(found)?.map(|found| floating_ip(found, inventory.cluster_id())))
    }

    async fn delete(session: &Session, id: &str) -> Result<(), Error> {
        session.network().delete_floating_ip(&FloatingIpId(id.to_owned())).await
    }
}

impl Asked for Port {
    const RESTS: u32 = 4;

    fn shelf(state: &mut State) -> &mut Shelf<Self> {
        &mut state.ports
    }

    async fn list(inventory: &Inventory, session: &Session) -> Result<Vec<Self>, Error> {
        let tag = mark::tag(mark::CLUSTER, inventory.cluster_id());
        let found = session.network().list_ports(&tag).await?;
        Ok(listed(found.into_iter().map(|found| port(found, inventory.cluster_id()))))
    }

    async fn get(inventory: &Inventory, session: &Session, id: &str) -> Result<Option<Self>, Error> {
        let found = session.network().port(&PortId(id.to_owned())).await;
        Ok(present(found)?.map(|found| port(found, inventory.cluster_id())))
    }

    async fn delete(session: &Session, id: &str) -> Result<(), Error> {
        session.network().delete_port(&PortId(id.to_owned())).await
    }
}

/// Only a 404 of the service itself says that something is gone.
fn present<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The clouds' filters are not to be relied on: what lacks the mark of our cluster is left out.
fn listed<T: Thing>(found: impl Iterator<Item = T>) -> Vec<T> {
    found.filter(|thing| !thing.meta().is_unlisted()).collect()
}

/// A server of Nova's. Tags repeat the marks of its cluster and its node.
#[must_use]
pub fn server(found: compute::Server, cluster: &str) -> Server {
    let mut metadata = found.metadata;
    for key in [mark::CLUSTER, mark::UID] {
        let tagged = found.tags.iter().find_map(|tag| tag.strip_prefix(key)?.strip_prefix('='));
        if let (Some(value), false) = (tagged, metadata.contains_key(key)) {
            metadata.insert(key.to_owned(), value.to_owned());
        }
    }
    let uid = |tag: &String| Some(tag.strip_prefix(mark::UID)?.strip_prefix('=')?.to_owned());
    let tagged = found.tags.iter().filter_map(uid).collect();
    let status = found.status.to_string();
    let state = ServerState::of(&status);
    Server {
        meta: marked(found.id.0, found.name, found.created, &metadata, cluster),
        state,
        status,
        deleting: found.deleting || found.status == ServerStatus::Deleted,
        unexplained: state == ServerState::Error && found.fault.is_none(),
        fault: found.fault.map(|words| judged(words.to_string())),
        tagged,
        boot: boot(&metadata),
        image: found.image.map(|image| image.0),
        fqdn: metadata.remove(mark::FQDN).filter(|fqdn| !fqdn.is_empty()),
        addresses: found.addresses.iter().map(|address| address.address).collect(),
        volumes: found.attached_volumes.into_iter().map(|volume| volume.0).collect(),
        host_id: Some(found.host_id).filter(|id| !id.is_empty()),
        zone: Some(found.availability_zone).filter(|zone| !zone.is_empty()),
    }
}

/// How often the root disk was made. A server without the mark was never rebuilt, and a number that nobody counts to is no
/// mark of ours.
fn boot(metadata: &BTreeMap<String, String>) -> i64 {
    let number = metadata.get(mark::BOOT).and_then(|number| number.parse().ok());
    number.filter(|number| (1..i64::from(i32::MAX)).contains(number)).unwrap_or(1)
}

/// A volume of Cinder's.
#[must_use]
pub fn volume(found: block_storage::Volume, cluster: &str) -> Volume {
    let status = found.status.to_string();
    let key = found.metadata.get(mark::VOLUME).cloned().unwrap_or_default();
    let mut meta = marked(found.id.0, found.name, found.created, &found.metadata, cluster);
    meta.lost.extend(key.is_empty().then_some(mark::VOLUME));
    Volume {
        meta,
        key,
        state: VolumeState::of(&status),
        status,
        servers: found.attached_to.into_iter().map(|server| server.0).collect(),
        device: found.device,
    }
}

/// A port of Neutron's.
#[must_use]
pub fn port(found: network::Port, cluster: &str) -> Port {
    let marks = mark::parse_port_name(&found.name);
    let owner = marks.map(|(uid, attempt, _)| Owner { uid: uid.to_owned(), attempt: Some(attempt) });
    let strange = found.description != mark::tag(mark::CLUSTER, cluster);
    let lost = strange.then_some(mark::CLUSTER).into_iter().chain(owner.is_none().then_some(mark::UID));
    Port {
        index: marks.map_or(usize::MAX, |(_, _, index)| index),
        meta: Meta {
            id: found.id.0,
            lost: lost.collect(),
            owner,
            node: None,
            kept: false,
            created: found.created,
            name: found.name,
        },
        device: found.device_id,
        addresses: found.addresses,
        mac: found.mac,
        network: found.network.0,
    }
}

/// A floating IP of Neutron's.
#[must_use]
pub fn floating_ip(found: network::FloatingIp, cluster: &str) -> FloatingIp {
    let read = |key| mark::read(&found.description, key);
    let uid = read(mark::UID);
    let attempt = read(mark::ATTEMPT).and_then(|number| number.parse().ok());
    let lost = [
        (mark::CLUSTER, read(mark::CLUSTER) != Some(cluster)),
        (mark::UID, uid.is_none()),
        (mark::ATTEMPT, attempt.is_none()),
    ];
    FloatingIp {
        meta: Meta {
            id: found.id.0,
            name: found.address.map(|address| address.to_string()).unwrap_or_default(),
            owner: uid.map(|uid| Owner { uid: uid.to_owned(), attempt }),
            lost: lost.into_iter().filter_map(|(key, lost)| lost.then_some(key)).collect(),
            node: None,
            kept: false,
            created: found.created,
        },
        address: found.address,
        port: found.port.map(|port| port.0),
    }
}

/// What metadata says of a server or a volume.
fn marked(
    id: String,
    name: String,
    created: Option<jiff::Timestamp>,
    metadata: &BTreeMap<String, String>,
    cluster: &str,
) -> Meta {
    let strange = metadata.get(mark::CLUSTER).is_none_or(|found| found != cluster);
    let uid = metadata.get(mark::UID).filter(|uid| !uid.is_empty());
    let attempt = metadata.get(mark::ATTEMPT).and_then(|number| number.parse().ok());
    let lost = strange.then_some(mark::CLUSTER).into_iter();
    let lost =
        lost.chain(uid.is_none().then_some(mark::UID)).chain(attempt.is_none().then_some(mark::ATTEMPT));
    Meta {
        id,
        name,
        lost: lost.collect(),
        owner: uid.map(|uid| Owner { uid: uid.clone(), attempt }),
        node: metadata.get(mark::NODE).cloned(),
        kept: metadata.get(mark::KEPT).is_some_and(|kept| kept != "false"),
        created,
    }
}

fn judged(message: String) -> Fault {
    let verdict = match classify::fault(&message) {
        Class::Quota => Verdict::Quota,
        Class::Capacity => Verdict::Capacity,
        Class::Invalid | Class::NotFound => Verdict::Invalid,
        Class::Busy | Class::Auth | Class::Unreachable | Class::Conflict => Verdict::Passing,
    };
    Fault { verdict, message }
}
