//! The data of an image: where it is, and the task that sends it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::At;
use crate::api::machine_image::{SourceImage, Version};
use crate::image::look::reach;
use crate::image::source::{InImage, Place, Wish};
use crate::image::state::Trouble;
use crate::image::transfer::Job;
use crate::openstack::{ImageId, Session};
use crate::reason::Reason;

impl At<'_> {
    /// Where the bytes of a version are, and how many a second may be read at most.
    async fn place(&self, version: &Version) -> Result<(Place, Option<u64>), Trouble> {
        if let Some(SourceImage { cloud, id }) = version.image.clone() {
            let (session, _, rate) = reach(self.desk, &cloud, self.status).await?;
            return Ok((Place::Image(InImage { cloud, session, id: ImageId(id) }), rate));
        }
        let Some(url) = &version.url else {
            let message = "the image that it is to be copied from is gone; the source is looked at again";
            return Err(Trouble::new(Reason::SourceNotFound, message));
        };
        let url = url.parse();
        let url = url.map_err(|_| {
            Trouble::new(Reason::SourceNotFound, "source.url.url cannot be read as a URL; correct it")
        });
        Ok((Place::Url(url?), None))
    }

    /// Begins to send the data of an image, in a task of its own.
    pub(super) async fn upload(&self, session: &Session, id: &str) {
        let Some(record) = self.record(id) else { return };
        let Some(version) = self.status.known(&record.digest, &record.described) else { return };
        let spec = &self.image.spec;
        let (place, most) = match self.place(version).await {
            Ok(found) => found,
            Err(trouble) => return self.known(id, |known| known.ended = Some(Err(trouble))),
        };
        self.known(id, |known| {
            known.look = None;
            known.counted = None;
        });
        let job = Job {
            wish: Wish {
                place,
                digest: record.digest.clone(),
                format: spec.format,
                max_size_gib: spec.max_size_gib,
            },
            id: ImageId(id.to_owned()),
            session: session.clone(),
            rate: [self.reached.rate, most].into_iter().flatten().min(),
            web: self.desk.web.clone(),
            line: self.desk.line.clone(),
            bytes: Arc::new(AtomicU64::new(0)),
        };
        self.desk.transfers.begin(self.image, &self.uid(), self.cloud, job);
    }
}
