//! Changes in a cloud. What is made carries its marks in the create itself.

use std::collections::BTreeMap;

use kube::ResourceExt;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use crate::api::common::Os;
use crate::api::testnode_status::{Attempt, ExistingVolume, ResolvedVolume};
use crate::api::{Kind, TestNode, mark};
use crate::clouds::Handle;
use crate::error::{Class, Effect};
use crate::inventory::kinds;
use crate::openstack::block_storage::NewVolume;
use crate::openstack::compute::{Extras, Mapped, NewServer, NewSystem};
use crate::openstack::ids::{
    AttachmentId, FlavorId, ImageId, NetworkId, PortId, SecurityGroupId, ServerId, VolumeId,
};
use crate::openstack::network::{NewFloatingIp, NewPort};
use crate::openstack::{self, Session};
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::observe::{Look, age, path};
use crate::reconcile::plan::CloudChange;
use crate::reconcile::userdata;
use crate::things::{Owner, Server};

/// Sends one request and folds its answer in.
pub(super) async fn change(
    change: &CloudChange,
    node: &TestNode,
    look: &Look,
    ctx: &Context,
    handle: &Handle,
    session: &Session,
) -> Result<(), Error> {
    let maker = Maker { node, look, handle, session, uid: node.uid().unwrap_or_default() };
    let result = match change {
        CloudChange::CreateVolume { attempt, volume } => {
            let new = NewVolume {
                name: format!("{}-{}", node.hostname(), volume.name),
                size_gib: u32::try_from(volume.size_gib).unwrap_or(u32::MAX),
                volume_type: volume.kind.clone(),
                // Cinder has zones of its own, mostly one; Nova's names would be refused there.
                availability_zone: volume.zone.clone(),
                metadata: maker.metadata(*attempt, [(mark::VOLUME, volume.name.clone())]),
                image: volume.image.clone().map(ImageId),
                snapshot: volume.snapshot.clone(),
            };
            maker.create_volume(&new).await
        }
        CloudChange::CreatePort { attempt, index } => maker.create_port(*attempt, *index).await,
        CloudChange::CreateFloatingIp { attempt, pool, port, fixed } => {
            let new = NewFloatingIp {
                network: NetworkId(pool.clone()),
                port: PortId(port.clone()),
                fixed: *fixed,
                description: mark::floating_ip(maker.cluster(), &maker.uid, *attempt),
            };
            maker.create_floating_ip(&new).await
        }
        CloudChange::CreateServer { attempt, volumes, ports } => {
            if !ctx.gate.builds(&age(node), &handle.name, &handle.bounds()) {
                return Err(Error::Overtaken);
            }
            let result = maker.create_server(*attempt, volumes, ports).await;
            ctx.note(&maker.uid, |notes| {
                notes.user_data = None;
                // What claims volumes is to be asked again.
                notes.reservations.clear();
            });
            result
        }
        CloudChange::RebuildServer { id, number, image } => {
            let result = maker.rebuild_server(id, *number, image).await;
            ctx.note(&maker.uid, |notes| notes.user_data = None);
            result
        }
        CloudChange::DeleteServer { id }
        | CloudChange::DeleteVolume { id }
        | CloudChange::DeleteFloatingIp { id }
        | CloudChange::DeletePort { id } => {
            kinds::delete(session, change.kind(), id).await.map_err(Error::from)
        }
        CloudChange::ForceDeleteServer { id } => {
            let result = session.compute().force_delete_server(&ServerId(id.clone())).await;
            if result.is_ok() {
                ctx.note(&maker.uid, |notes| notes.forced.insert(id.clone()));
            }
            result.map_err(Error::from)
        }
        CloudChange::Adopt { kind, id, mark } => {
            super::adopt::adopt(*kind, id, mark, &maker.uid, (handle, session), ctx).await
        }
        CloudChange::FreeVolume { id, attachment } => {
            let result = session.block_storage().delete_attachment(&AttachmentId(attachment.clone())).await;
            let result = result.map_err(Error::from);
            maker.hindered(Kind::Volume, id, &result);
            ctx.note(&maker.uid, |notes| notes.reservations.remove(id));
            // What came of it is seen in a list.
            handle.inventory.lock().volumes.ledger.refused(&maker.uid, Instant::now());
            return result;
        }
    };
    maker.settle(change, result)
}

/// What the server is to have: volumes that were made for it, in the order in which they are wanted, and volumes that exist,
/// which stay when it goes.
fn mapping(made: &[String], wanted: &[ResolvedVolume], existing: &[ExistingVolume]) -> Vec<Mapped> {
    let made = made.iter().zip(wanted).map(|(id, wanted)| Mapped {
        boot_index: wanted.boot_index.unwrap_or(-1),
        device: wanted.device_name.clone(),
        ..Mapped::from(VolumeId(id.clone()))
    });
    let existing = existing.iter().map(|volume| Mapped {
        id: VolumeId(volume.id.clone()),
        boot_index: volume.boot_index,
        device: Some(volume.device_name.clone()),
        goes: false,
    });
    made.chain(existing).collect()
}

struct Maker<'a> {
    node: &'a TestNode,
    look: &'a Look,
    handle: &'a Handle,
    session: &'a Session,
    uid: String,
}

impl Maker<'_> {
    fn attempt(&self, number: i64) -> Result<&Attempt, Error> {
        let attempts = &self.look.seen.memory.attempts;
        let found = attempts.iter().find(|attempt| attempt.number == number);
        found.ok_or_else(|| Error::Unready(format!("attempt {number} is not recorded")))
    }

    fn metadata<const N: usize>(&self, attempt: i64, more: [(&str, String); N]) -> BTreeMap<String, String> {
        [
            (mark::CLUSTER, self.handle.inventory.cluster_id().to_owned()),
            (mark::UID, self.uid.clone()),
            (mark::NODE, path(self.node).chars().take(255).collect()),
            (mark::ATTEMPT, attempt.to_string()),
        ]
        .into_iter()
        .chain(more)
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }

    fn cluster(&self) -> &str {
        self.handle.inventory.cluster_id()
    }

    async fn create_volume(&self, new: &NewVolume) -> Result<(), Error> {
        let volume = self.session.block_storage().create_volume(new).await?;
        self.handle.inventory.lock().volumes.fold(kinds::volume(volume, self.cluster()), Instant::now());
        Ok(())
    }

    async fn create_port(&self, number: i64, index: usize) -> Result<(), Error> {
        let resolved = self.attempt(number)?.resolved.as_ref();
        let network = resolved.and_then(|resolved| resolved.networks.get(index));
        let network = network.ok_or_else(|| Error::Unready(format!("network {index} is not resolved")))?;
        let groups =
            resolved.map(|resolved| resolved.security_groups_on(network).to_vec()).unwrap_or_default();
        let new = NewPort {
            network: NetworkId(network.id.clone()),
            name: mark::port_name(&self.uid, number, index),
            description: mark::tag(mark::CLUSTER, self.handle.inventory.cluster_id()),
            // Nova ignores security groups for ports that were made before: they belong here.
            security_groups: (!groups.is_empty()).then(|| groups.into_iter().map(SecurityGroupId).collect()),
            fixed_ips: network.fixed_ips.iter().filter_map(|address| address.parse().ok()).collect(),
            port_security: network.port_security,
        };
        let port = self.session.network().create_port(&new).await?;
        self.handle.inventory.lock().ports.fold(kinds::port(port, self.cluster()), Instant::now());
        Ok(())
    }

    async fn create_floating_ip(&self, new: &NewFloatingIp) -> Result<(), Error> {
        let made = self.session.network().create_floating_ip(new).await?;
        let made = kinds::floating_ip(made, self.cluster());
        self.handle.inventory.lock().floating_ips.fold(made, Instant::now());
        self.handle.inventory.reconsider(Kind::FloatingIp);
        Ok(())
    }

    async fn create_server(&self, number: i64, volumes: &[String], ports: &[String]) -> Result<(), Error> {
        let attempt = self.attempt(number)?;
        let resolved =
            attempt.resolved.clone().ok_or_else(|| Error::Unready("nothing is resolved".into()))?;
        let user_data = self.user_data(resolved.os.as_ref(), 1)?;
        let cluster = self.handle.inventory.cluster_id();
        let image = (!resolved.boots_from_volume()).then(|| ImageId(resolved.image.id.clone()));
        let options = resolved.server.unwrap_or_default();
        let mut metadata = options.metadata;
        // Last: nobody writes over our marks.
        metadata.extend(self.metadata(number, [(mark::FQDN, self.fqdn())]));
        let mut tags = vec![mark::tag(mark::CLUSTER, cluster), mark::tag(mark::UID, &self.uid)];
        tags.extend(options.tags);
        let mut hints = options.scheduler_hints;
        hints.extend(options.group.map(|group| ("group".to_owned(), vec![group.id])));
        let new = NewServer {
            name: self.node.hostname().to_owned(),
            flavor: FlavorId(resolved.flavor.id.clone()),
            image,
            ports: ports.iter().cloned().map(PortId).collect(),
            volumes: mapping(volumes, &resolved.volumes, &resolved.existing_volumes),
            key_name: resolved.key_name.clone(),
            user_data,
            availability_zone: attempt.zone.clone(),
            metadata,
            tags,
            extras: Extras {
                config_drive: options.config_drive,
                description: options.description,
                hints,
                microversion: options.nova_microversion,
                root_device: resolved.root_device,
            },
        };
        let id = self.session.compute().create_server(&new).await?;
        let owner = Owner { uid: self.uid.clone(), attempt: Some(number) };
        let server = Server::requested(id.0, new.name, owner, volumes.to_vec());
        self.handle.inventory.lock().servers.fold(server, Instant::now());
        Ok(())
    }

    fn fqdn(&self) -> String {
        self.look.seen.memory.dns.as_ref().map(|dns| dns.name.clone()).unwrap_or_default()
    }

    /// User data for a boot of the machine.
    fn user_data(&self, os: Option<&Os>, boot: i64) -> Result<Option<Vec<u8>>, Error> {
        let machine = self
            .look
            .machine
            .as_ref()
            .ok_or_else(|| Error::Unready("the machine types have not been read yet".into()))?;
        let fqdn = self.fqdn();
        let fqdn = Some(fqdn.as_str()).filter(|fqdn| !fqdn.is_empty());
        let referred = self.look.user_data.as_ref().map(|read| read.expose_secret());
        userdata::build(self.node, &machine.spec, os, fqdn, referred, boot).map_err(Error::Unready)
    }

    /// A rebuild replaces the metadata: all marks are sent again, that of somebody who keeps the server too.
    async fn rebuild_server(&self, id: &str, number: i64, image: &str) -> Result<(), Error> {
        let attempt = self.look.seen.memory.current().filter(|attempt| attempt.rebuild.is_some());
        let attempt = attempt.ok_or_else(|| Error::Unready("no rebuild is recorded".into()))?;
        let rebuild = attempt.rebuild.clone().unwrap_or_default();
        let made = attempt.resolved.as_ref().and_then(|resolved| resolved.server.as_ref());
        let made = made.map(|server| server.metadata.clone());
        let mut metadata = rebuild.metadata.or(made).unwrap_or_default();
        let marks = [(mark::FQDN, self.fqdn()), (mark::BOOT, number.to_string())];
        metadata.extend(self.metadata(attempt.number, marks));
        let kept = self.handle.inventory.lock().servers.entry(id).is_some_and(|known| known.object.meta.kept);
        metadata.extend(kept.then(|| (mark::KEPT.to_owned(), "true".to_owned())));
        let user_data = self.user_data(rebuild.os.as_ref(), number)?;
        let new = NewSystem { image: ImageId(image.to_owned()), metadata, user_data };
        self.session.compute().rebuild_server(&ServerId(id.to_owned()), &new).await?;
        self.handle.inventory.lock().rebuilds(id, number, image, Instant::now());
        Ok(())
    }

    /// A deletion that did not succeed is overdue in time, as one that never ends.
    fn hindered(&self, kind: Kind, id: &str, result: &Result<(), Error>) {
        let Err(error) = result else { return };
        if error.throttled().is_none() {
            self.handle.inventory.lock().hindered(kind, id, error.to_string(), Instant::now());
        }
    }

    /// Tells the inventory what came of a request: answered, refused (one fresh look decides) or lost (it may still take
    /// effect).
    fn settle(&self, change: &CloudChange, result: Result<(), Error>) -> Result<(), Error> {
        let now = Instant::now();
        let mut state = self.handle.inventory.lock();
        let (kind, creating) = (change.kind(), change.creates());
        match &result {
            Ok(()) => {
                if let Some(id) = change.deletes() {
                    state.deleted(kind, id, true, now);
                }
                state.ledger_mut(kind).answered(&self.uid, now);
                if matches!(change, CloudChange::CreateServer { .. }) {
                    // They were last seen free.
                    state.outdate_volumes(&self.uid, now);
                }
            }
            // Gone already, or not to be seen by this part of the cloud: a look tells.
            Err(Error::OpenStack(error)) if error.is_not_found() && !creating => {
                if let Some(id) = change.deletes() {
                    state.deleted(kind, id, false, now);
                }
                state.ledger_mut(kind).refused(&self.uid, now);
                return Ok(());
            }
            Err(error) => match error.effect() {
                Effect::None => {}
                Effect::Answered => {
                    state.ledger_mut(kind).refused(&self.uid, now);
                    // Nova speaks of our own volumes and ports: look at those again too.
                    if kind == Kind::Server {
                        state.ledger_mut(Kind::Volume).refused(&self.uid, now);
                        state.ledger_mut(Kind::Port).refused(&self.uid, now);
                    }
                    // Somebody deleted the port, perhaps.
                    if matches!((kind, error.class()), (Kind::FloatingIp, Class::Conflict)) {
                        state.ledger_mut(Kind::Port).refused(&self.uid, now);
                    }
                }
                Effect::Unknown if change.may_come_late() => state.ledger_mut(kind).lost(&self.uid, now),
                Effect::Unknown => state.ledger_mut(kind).refused(&self.uid, now),
            },
        }
        drop(state);
        if let Some(id) = change.deletes() {
            self.hindered(kind, id, &result);
        }
        let router = matches!(&result, Err(error) if error.reason() == Reason::NoRouter);
        if let (Err(Error::OpenStack(error)), false) = (&result, router) {
            self.learn(error, kind, change.may_come_late());
        }
        result
    }

    fn learn(&self, error: &openstack::Error, kind: Kind, names: bool) {
        match error.class() {
            // Whether the cloud is away is known by its lists.
            Class::Unreachable => self.handle.inventory.want_news(&self.uid, kind),
            // Something we named is not there: what was read of the catalogue is old.
            Class::Invalid | Class::NotFound if names => self.handle.catalogue.forget(),
            Class::Quota
            | Class::Capacity
            | Class::Busy
            | Class::Auth
            | Class::NotFound
            | Class::Conflict
            | Class::Invalid => {}
        }
    }
}
