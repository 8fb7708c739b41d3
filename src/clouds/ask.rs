//! Questions that no list answers.

use super::Handle;
use crate::openstack::ids::{AttachmentId, VolumeId};
use crate::openstack::{Error, Session};
use crate::things::Kind;

impl Handle {
    /// What reserves a volume for a server that does not exist, or was not removed when its server was deleted. A server
    /// that is there after all is taken into the inventory. What claims one that is not `ours` without naming a server is
    /// somebody's.
    ///
    /// # Errors
    /// If the cloud does not say.
    pub async fn loose_attachments(
        &self,
        session: &Session,
        volume: &str,
        ours: bool,
    ) -> Result<Vec<AttachmentId>, Error> {
        let attachments = session.block_storage().attachments(&VolumeId(volume.to_owned())).await?;
        let mut loose = Vec::new();
        for attachment in attachments {
            let exists = match &attachment.instance {
                None => !ours || attachment.status != "reserved",
                Some(server) => self.inventory.read(session, Kind::Server, &server.0, None).await?,
            };
            if !exists {
                loose.push(attachment.id);
            }
        }
        Ok(loose)
    }
}
