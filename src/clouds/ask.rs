//! Questions that no list answers.

use std::collections::BTreeSet;

use super::Handle;
use crate::openstack::ids::{AttachmentId, VolumeId};
use crate::openstack::{Error, Session};
use crate::things::Kind;

/// Whose a volume is.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// It was made for a node.
    Ours,
    /// It exists by itself, and a node used it.
    Theirs {
        /// Ids of all servers that the node is known to have had.
        servers: &'a BTreeSet<String>,
    },
}

impl Handle {
    /// What reserves a volume for a server that does not exist, or was not removed when its server was deleted. A server
    /// that is there after all is taken into the inventory. Of a volume that exists by itself, only what claims it for one of
    /// the node's own servers is asked about: everything else is somebody's, who may have just asked Nova for a server.
    ///
    /// # Errors
    /// If the cloud does not say.
    pub async fn loose_attachments(
        &self,
        session: &Session,
        volume: &str,
        whose: Whose<'_>,
    ) -> Result<Vec<AttachmentId>, Error> {
        let attachments = session.block_storage().attachments(&VolumeId(volume.to_owned())).await?;
        let mut loose = Vec::new();
        for attachment in attachments {
            let exists = match (&attachment.instance, whose) {
                (None, Whose::Ours) => attachment.status != "reserved",
                (None, Whose::Theirs { .. }) => true,
                (Some(server), Whose::Theirs { servers }) if !servers.contains(&server.0) => true,
                (Some(server), Whose::Ours | Whose::Theirs { .. }) => {
                    self.inventory.read(session, Kind::Server, &server.0, None).await?
                }
            };
            if !exists {
                loose.push(attachment.id);
            }
        }
        Ok(loose)
    }
}
