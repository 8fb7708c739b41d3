//! A life in the cloud whose images are the source: people make them, delete them, and make the same bytes again.

use serde_json::json;

use super::{Made, Sim};
use crate::api::machine_image::{MachineImageStatus, SourceImage};
use crate::image::plan::Ask;
use crate::image::refresh::{Found, FoundAt, found};
use crate::image::state::{Look, Picture};

impl Sim {
    pub(super) fn golden(mut self) -> Self {
        let source = json!({"image": {"cloud": "lab", "nameRegex": "golden-.*", "selection": "Newest"}});
        self.spec.source = serde_json::from_value(source).unwrap();
        (self.status, self.versions) = (MachineImageStatus::default(), 0);
        self.make_golden();
        self
    }

    pub(super) fn is_golden(&self) -> bool {
        self.spec.source.image.is_some()
    }

    /// Somebody makes an image, of new bytes or of those that the last one had. It is found at once.
    pub(super) fn make_golden(&mut self) {
        self.versions += 1;
        let before = self.golden.values().next_back().cloned();
        let again = self.chance(3) == 1;
        let new = format!("sha512:{:064x}", self.versions);
        let digest = before.filter(|_| again).unwrap_or(new);
        let id = format!("golden-{:04}", self.versions);
        self.glance.insert(id.clone(), Made { status: "active", digest: digest.clone(), right: true });
        self.golden.insert(id, digest);
        self.find_golden();
    }

    /// The newest that is there and active is what the source has.
    fn find_golden(&mut self) {
        let active = |id: &&String| self.glance.get(*id).is_some_and(|made| made.status == "active");
        let Some(id) = self.golden.keys().rev().find(active).cloned() else { return };
        let digest = self.golden[&id].clone();
        let image = SourceImage { cloud: "lab".into(), id };
        let at = FoundAt::Image { image, min_disk_gib: 0, min_ram_mib: 0 };
        found(self.now, &self.spec, &mut self.status, &Found { digest, at, head: None });
    }

    /// As a turn does first: an image that was lost is looked for.
    pub(super) fn look_at_source(&mut self) {
        let lost = self.status.versions.first().is_some_and(|version| version.image.is_none());
        if lost && self.is_golden() && !self.going {
            self.find_golden();
        }
    }

    pub(super) fn look_at_golden(&self, id: &str) -> Look {
        self.glance.get(id).map_or(Look::Missing, |made| {
            Look::Source(Picture {
                status: made.status.to_owned(),
                digest: made.digest.clone(),
                ..Picture::default()
            })
        })
    }

    /// Nothing is ever asked of an image of the source but what it is, and nothing is made beside it.
    pub(super) fn spares_golden(&mut self, ask: &Ask) {
        let (Ask::Create(id) | Ask::Upload(id) | Ask::Delete(id) | Ask::Burn(id)) = ask else { return };
        let spared = !self.golden.contains_key(id);
        self.law(spared, "5: an image of the source is neither changed nor deleted");
        let beside = self.is_golden();
        self.law(!beside, "5: nothing is made in the cloud of the source");
    }

    /// Its bytes were tested, in whatever image they were.
    pub(super) fn golden_passed(&self, id: &str) -> bool {
        let digest = self.golden.get(id);
        digest.is_some() && self.passed.iter().any(|passed| self.golden.get(passed) == digest)
    }

    /// The source has nothing that could be used.
    pub(super) fn has_no_golden(&self) -> bool {
        self.is_golden() && !self.golden.keys().any(|id| self.glance.contains_key(id))
    }

    /// How many images of the source are there.
    pub(super) fn golden_left(&self) -> usize {
        self.glance.keys().filter(|id| self.golden.contains_key(*id)).count()
    }
}
