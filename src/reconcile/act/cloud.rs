//! Changes in a cloud. What is made carries its marks in the create itself.

use std::collections::BTreeMap;

use kube::ResourceExt;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use crate::api::testnode_status::Attempt;
use crate::api::{Kind, TestNode, mark};
use crate::clouds::Handle;
use crate::error::{Class, Effect};
use crate::openstack::block_storage::NewVolume;
use crate::openstack::compute::{NewServer, Server, ServerStatus};
use crate::openstack::ids::{
    AttachmentId, FlavorId, ImageId, NetworkId, PortId, SecurityGroupId, ServerId, VolumeId,
};
use crate::openstack::network::NewPort;
use crate::openstack::{self, Session};
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::observe::{Look, path};
use crate::reconcile::plan::CloudChange;
use crate::reconcile::userdata;

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
                availability_zone: None,
                metadata: maker.metadata(*attempt, [(mark::VOLUME, volume.name.clone())]),
                image: None,
            };
            maker.create_volume(&new).await
        }
        CloudChange::CreatePort { attempt, index } => maker.create_port(*attempt, *index).await,
        CloudChange::CreateServer { attempt, volumes, ports } => {
            let result = maker.create_server(*attempt, volumes, ports).await;
            ctx.note(&maker.uid, |notes| notes.user_data = None);
            result
        }
        CloudChange::DeleteServer { id } => {
            session.compute().delete_server(&ServerId(id.clone())).await.map_err(Error::from)
        }
        CloudChange::ForceDeleteServer { id } => {
            let result = session.compute().force_delete_server(&ServerId(id.clone())).await;
            if result.is_ok() {
                ctx.note(&maker.uid, |notes| notes.forced.insert(id.clone()));
            }
            result.map_err(Error::from)
        }
        CloudChange::FreeVolume { id, attachment } => {
            let result = session.block_storage().delete_attachment(&AttachmentId(attachment.clone())).await;
            ctx.note(&maker.uid, |notes| notes.reservations.remove(id));
            // What came of it is seen in a list.
            handle.inventory.lock().volumes.ledger.refused(&maker.uid, Instant::now());
            return result.map_err(Error::from);
        }
        CloudChange::DeleteVolume { id } => {
            session.block_storage().delete_volume(&VolumeId(id.clone())).await.map_err(Error::from)
        }
        CloudChange::DeletePort { id } => {
            session.network().delete_port(&PortId(id.clone())).await.map_err(Error::from)
        }
    };
    maker.settle(change, result)
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

    async fn create_volume(&self, new: &NewVolume) -> Result<(), Error> {
        let volume = self.session.block_storage().create_volume(new).await?;
        self.handle.inventory.lock().volumes.fold(volume, Instant::now());
        Ok(())
    }

    async fn create_port(&self, number: i64, index: usize) -> Result<(), Error> {
        let resolved = self.attempt(number)?.resolved.as_ref();
        let network = resolved.and_then(|resolved| resolved.networks.get(index));
        let network = network.ok_or_else(|| Error::Unready(format!("network {index} is not resolved")))?;
        let groups = resolved.map(|resolved| resolved.security_groups.clone()).unwrap_or_default();
        let new = NewPort {
            network: NetworkId(network.id.clone()),
            name: mark::port_name(&self.uid, number, index),
            description: mark::tag(mark::CLUSTER, self.handle.inventory.cluster_id()),
            // Nova ignores security groups for ports that were made before: they belong here.
            security_groups: (!groups.is_empty()).then(|| groups.into_iter().map(SecurityGroupId).collect()),
            fixed_ip: network.fixed_ip.as_ref().and_then(|address| address.parse().ok()),
        };
        let port = self.session.network().create_port(&new).await?;
        self.handle.inventory.lock().ports.fold(port, Instant::now());
        Ok(())
    }

    async fn create_server(&self, number: i64, volumes: &[String], ports: &[String]) -> Result<(), Error> {
        let attempt = self.attempt(number)?;
        let resolved =
            attempt.resolved.clone().ok_or_else(|| Error::Unready("nothing is resolved".into()))?;
        let machine =
            self.look.machine.as_ref().ok_or_else(|| Error::Unready("the machine type is gone".into()))?;
        let fqdn = self.look.seen.memory.dns.as_ref().map(|dns| dns.name.clone());
        let referred = self.look.user_data.as_ref().map(|read| read.expose_secret());
        let user_data = userdata::build(self.node, &machine.spec, fqdn.as_deref(), referred);
        let user_data = user_data.map_err(Error::Unready)?;
        let cluster = self.handle.inventory.cluster_id();
        let metadata = self.metadata(number, [(mark::FQDN, fqdn.unwrap_or_default())]);
        let new = NewServer {
            name: self.node.hostname().to_owned(),
            flavor: FlavorId(resolved.flavor.id.clone()),
            image: Some(ImageId(resolved.image.id.clone())),
            ports: ports.iter().cloned().map(PortId).collect(),
            volumes: volumes.iter().cloned().map(VolumeId).collect(),
            key_name: resolved.key_name.clone(),
            user_data,
            availability_zone: attempt.zone.clone(),
            metadata: metadata.clone(),
            tags: vec![mark::tag(mark::CLUSTER, cluster), mark::tag(mark::UID, &self.uid)],
        };
        let id = self.session.compute().create_server(&new).await?;
        // The answer has just the id; the first list tells the rest.
        let server = Server {
            id,
            name: new.name,
            status: ServerStatus::Build,
            deleting: false,
            fault: None,
            addresses: Vec::new(),
            metadata,
            created: None,
            host_id: String::new(),
            availability_zone: String::new(),
            attached_volumes: new.volumes,
            tags: new.tags,
            image: new.image,
        };
        self.handle.inventory.lock().servers.fold(server, Instant::now());
        Ok(())
    }

    /// Tells the inventory what came of a request: answered, refused (one fresh look decides) or lost (it may still take
    /// effect).
    fn settle(&self, change: &CloudChange, result: Result<(), Error>) -> Result<(), Error> {
        let now = Instant::now();
        let mut state = self.handle.inventory.lock();
        let (kind, creating) = (change.kind(), change.creates());
        match &result {
            Ok(()) => {
                match change.deletes() {
                    Some(id) if kind == Kind::Port => state.port_deleted(id, now),
                    Some(id) => state.deleted(kind, id, now),
                    None => {}
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
                    state.deleted(kind, id, now);
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
                }
                Effect::Unknown if creating => state.ledger_mut(kind).lost(&self.uid, now),
                Effect::Unknown => state.ledger_mut(kind).refused(&self.uid, now),
            },
        }
        drop(state);
        if let Err(Error::OpenStack(error)) = &result {
            self.learn(error, creating);
        }
        result
    }

    fn learn(&self, error: &openstack::Error, creating: bool) {
        match error.class() {
            // Something we named is not there: what was read of the catalogue is old.
            Class::Invalid | Class::NotFound if creating => self.handle.catalogue.forget(),
            Class::Quota
            | Class::Capacity
            | Class::Busy
            | Class::Auth
            | Class::Unreachable
            | Class::NotFound
            | Class::Conflict
            | Class::Invalid => {}
        }
    }
}
