//! Questions about single things, which no list answers.

use tokio::time::Instant;

use super::Handle;
use crate::api::Kind;
use crate::inventory::shelf::Owner;
use crate::openstack::compute::ServerStatus;
use crate::openstack::ids::{AttachmentId, PortId, ServerId, VolumeId};
use crate::openstack::{Error, Session};

impl Handle {
    /// Asks whether something is still there, and tells the inventory. Only a 404 for its id proves that it is not.
    ///
    /// # Errors
    /// If the cloud does not say.
    pub async fn confirm(&self, session: &Session, kind: Kind, id: &str, owner: &Owner) -> Result<(), Error> {
        let now = Instant::now();
        let gone = match kind {
            Kind::Server => match session.compute().server(&ServerId(id.to_owned())).await {
                Ok(server) if server.status == ServerStatus::Deleted => true,
                Ok(server) => {
                    self.inventory.lock().servers.fold(server, now);
                    false
                }
                Err(error) if error.is_not_found() => true,
                Err(error) => return Err(error),
            },
            Kind::Volume => match session.block_storage().volume(&VolumeId(id.to_owned())).await {
                Ok(volume) => {
                    self.inventory.lock().volumes.fold(volume, now);
                    false
                }
                Err(error) if error.is_not_found() => true,
                Err(error) => return Err(error),
            },
            Kind::Port => match session.network().port(&PortId(id.to_owned())).await {
                Ok(port) => {
                    self.inventory.lock().ports.fold(port, now);
                    false
                }
                Err(error) if error.is_not_found() => true,
                Err(error) => return Err(error),
            },
        };
        if gone {
            let mut state = self.inventory.lock();
            let known = match kind {
                Kind::Server => state.servers.entry(id).map(|entry| entry.owner.clone()),
                Kind::Volume => state.volumes.entry(id).map(|entry| entry.owner.clone()),
                Kind::Port => state.ports.entry(id).map(|entry| entry.owner.clone()),
            };
            let owner = known.unwrap_or_else(|| owner.clone());
            state.gone(kind, id, &owner, Instant::now());
            if kind == Kind::Server {
                // Its volumes go now.
                state.outdate_volumes(&owner.uid, now);
            }
        }
        Ok(())
    }

    /// What reserves a volume for a server that does not exist, or was not taken from it when it went. A server that is
    /// there after all is told to the inventory.
    ///
    /// # Errors
    /// If the cloud does not say.
    pub async fn loose_attachments(
        &self,
        session: &Session,
        volume: &str,
    ) -> Result<Vec<AttachmentId>, Error> {
        let attachments = session.block_storage().attachments(&VolumeId(volume.to_owned())).await?;
        let mut loose = Vec::new();
        for attachment in attachments {
            let exists = match &attachment.instance {
                None => attachment.status != "reserved",
                Some(server) => match session.compute().server(server).await {
                    Ok(server) => {
                        self.inventory.lock().servers.fold(server, Instant::now());
                        true
                    }
                    Err(error) if error.is_not_found() => false,
                    Err(error) => return Err(error),
                },
            };
            if !exists {
                loose.push(attachment.id);
            }
        }
        Ok(loose)
    }
}
