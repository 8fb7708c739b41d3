//! What the rules see of one MachineImage in one cloud. Words only; begin with [`Seen`].

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::api::MachineImageSpec;
use crate::api::common::Os;
use crate::api::machine_image::{CloudImages, ImageRecord, Version, Wanted};
use crate::reason::Reason;

/// Until a request can no longer take effect that was never answered.
pub const SETTLED: SignedDuration = SignedDuration::from_secs(90);

/// Why something did not work, and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// In one word.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

impl Trouble {
    /// A trouble.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// Whether it stays until somebody acts.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        needs_somebody(self.reason)
    }
}

/// Whether a MachineImage that says so goes on only when somebody acts.
#[must_use]
pub fn needs_somebody(reason: Reason) -> bool {
    use crate::reason::Group;
    reason.group() == Group::ImageTrouble
        || matches!(
            reason,
            Reason::CloudNotFound
                | Reason::AuthenticationFailed
                | Reason::ImageAmbiguous
                | Reason::InvalidPattern
                | Reason::ProjectChanged
                | Reason::DeleteStuck
        )
}

/// Everything that the rules see of one MachineImage in one cloud.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// The time.
    pub now: Timestamp,
    /// The MachineImage's name.
    pub name: &'a str,
    /// The generation of its spec.
    pub generation: i64,
    /// What is asked for.
    pub spec: &'a MachineImageSpec,
    /// The namespace for TestNodes that test images, if there is one.
    pub canaries: Option<&'a str>,
    /// The cloud is to have the image: it is in the spec, and the object is not being deleted.
    pub asked: bool,
    /// The object is being deleted.
    pub going: bool,
    /// The version that the source has now; none if that is not known.
    pub wanted: Option<&'a Wanted>,
    /// All versions that are known, the one that was wanted last first.
    pub versions: &'a [Version],
    /// The finalizer of this cloud is on the object.
    pub held: bool,
    /// What the status says is there.
    pub here: &'a CloudImages,
    /// Whether the cloud can be asked.
    pub standing: Standing,
    /// What this process knows beside that.
    pub memory: &'a Memory,
    /// Whether a transfer to this cloud may begin.
    pub slot: Slot,
}

/// Whether a cloud can be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It can.
    Up,
    /// It can, and nothing new is to be made there.
    Drained,
    /// It cannot.
    Away(Trouble),
}

/// Whether a transfer may begin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Slot {
    /// It may.
    Free,
    /// Others are under way.
    Busy,
    /// One to this cloud is under way, of this MachineImage: the image, and how many bytes were sent.
    Ours(String, u64),
}

/// What this process knows of one MachineImage in one cloud. All of it can be lost.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// When the list of our images there was last read: what is not in it was not there.
    pub listed: Option<Timestamp>,
    /// When that of hidden ones was.
    pub listed_hidden: Option<Timestamp>,
    /// Images of this MachineImage that a list showed, and the status does not know.
    pub found: BTreeMap<String, Picture>,
    /// What is known of each image by its id.
    pub images: BTreeMap<String, Known>,
    /// What uses images, as it was last read.
    pub uses: Option<Uses>,
    /// A request that failed, and when it may be sent again.
    pub pause: Option<(Trouble, Timestamp)>,
    /// How often that happened without a success.
    pub failures: u32,
    /// What the MachineType says that images are tested with.
    pub machine_type: Option<TypeRead>,
}

/// A MachineType, as a test needs it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TypeRead {
    /// Its name.
    pub name: String,
    /// When it was read.
    pub at: Timestamp,
    /// The operating system of its rule that names the MachineImage; or why no test can be made of it.
    pub os: Result<Os, Trouble>,
}

/// What this process knows of one image.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What Glance last said of it, if nothing was asked for since.
    pub look: Option<Look>,
    /// When Glance said that.
    pub looked: Option<Timestamp>,
    /// When it was first seen in the status that it has.
    pub since: Option<Timestamp>,
    /// Nobody can have asked for it: its id was chosen by this process, and no request was sent.
    pub unasked: bool,
    /// Glance has it, or had it: no request of ours can make it any longer.
    pub spent: bool,
    /// It was deleted.
    pub deleted: bool,
    /// Burning it was refused first at this time.
    pub unburned: Option<Timestamp>,
    /// Burning it was refused, and is tried again at this time.
    pub burn_again: Option<Timestamp>,
    /// Glance does not let it be deleted: why, and when to try again.
    pub stays: Option<(Trouble, Timestamp)>,
    /// How its last transfer ended; taken by the rule that records it.
    pub ended: Option<Result<Sent, Trouble>>,
    /// When it was written down that it failed.
    pub counted: Option<Timestamp>,
    /// The TestNode that tests it.
    pub canary: CanaryMemory,
}

/// What this process knows of the TestNode that tests an image.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CanaryMemory {
    /// What was last read of it, if nothing was asked for since.
    pub look: Option<Canary>,
    /// When that was.
    pub looked: Option<Timestamp>,
    /// From then on no request that was never answered can make it; none if that is not known yet.
    pub settles: Option<Timestamp>,
    /// A request about it failed, and when to try again.
    pub trouble: Option<(Trouble, Timestamp)>,
}

/// What there is under the name of a TestNode that tests an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Canary {
    /// Nothing.
    Missing,
    /// A TestNode that is not the test of this image.
    Stranger,
    /// The test.
    There(CanaryNode),
}

/// A TestNode that tests an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CanaryNode {
    /// Its UID.
    pub uid: String,
    /// Its MachineType.
    pub machine_type: String,
    /// It is being deleted.
    pub going: bool,
    /// How far it has come.
    pub stand: Stand,
}

/// How far a test has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stand {
    /// It was Ready with the image.
    Passed,
    /// It is being made, or waits for something that is not the image's: its words.
    Comes(Trouble),
    /// It cannot be made as it is asked for, since then: its words.
    Refused(Trouble, Timestamp),
    /// All its attempts failed, and that can be the image's fault: its words.
    Failed(Trouble),
}

/// What was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// SHA-512 of it.
    pub sha512: String,
    /// Bytes.
    pub size: u64,
    /// Bytes of the disk in it, if its head says that.
    pub virtual_size: Option<u64>,
}

/// What Glance says of an id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Look {
    /// There is no such image, or it is somebody else's private one.
    Missing,
    /// It is not ours.
    Stranger,
    /// It is ours.
    There(Picture),
    /// It is the image of `source.image`: our project's, and not ours. Nothing is asked of it but what it is.
    Source(Picture),
}

/// An image of ours, as Glance has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Picture {
    /// Glance's word.
    pub status: String,
    /// Bytes.
    pub size: u64,
    /// The algorithm of its hash; empty if it has none.
    pub hash_algo: String,
    /// The hash that Glance computed.
    pub hash: String,
    /// The version, as its tag says; of the source's own image, as its hash says.
    pub digest: String,
    /// How it is described, as its tag says.
    pub described: String,
}

/// What uses images.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Uses {
    /// When the lists were asked for.
    pub at: Option<Timestamp>,
    /// By the image's id, who uses it.
    pub by: BTreeMap<String, String>,
}

impl Seen<'_> {
    /// What is known of an image.
    #[must_use]
    pub fn look(&self, id: &str) -> Option<&Look> {
        self.memory.images.get(id).and_then(|known| known.look.as_ref())
    }

    /// What this process knows of an image.
    #[must_use]
    pub fn known(&self, id: &str) -> Known {
        self.memory.images.get(id).cloned().unwrap_or_default()
    }

    /// The status of an image in Glance's words, if it is there.
    #[must_use]
    pub fn status(&self, id: &str) -> Option<&str> {
        match self.look(id) {
            Some(Look::There(picture) | Look::Source(picture)) => Some(&picture.status),
            Some(Look::Missing | Look::Stranger) | None => None,
        }
    }

    /// Whether an image is of the version that the source has now, and that version may be used. Where the source is an image of
    /// this cloud, only that one is.
    #[must_use]
    pub fn is_wanted(&self, record: &ImageRecord) -> bool {
        let fits = match self.golden() {
            Some(id) => record.source && record.id == id,
            None => !record.source,
        };
        fits && self.asked
            && !self.spec.rejects(&record.digest)
            && self.wanted.is_some_and(|wanted| record.is(wanted))
    }

    /// The image of this cloud that the source is, if it is one and its version may be used.
    #[must_use]
    pub fn golden(&self) -> Option<&str> {
        let wanted = self.wanted.filter(|wanted| self.asked && !self.spec.rejects(&wanted.digest))?;
        let version = self.versions.iter().find(|version| version.is(&wanted.digest, &wanted.described))?;
        let image = version.image.as_ref().filter(|image| image.cloud == self.here.name)?;
        Some(&image.id)
    }

    /// The MachineType that a new version is tested with here.
    #[must_use]
    pub fn tested_with(&self) -> Option<&str> {
        self.spec.canary(&self.here.name).filter(|_| self.asked)
    }

    /// The place of an image's version among all: the one that was wanted last is 0.
    #[must_use]
    pub fn age(&self, record: &ImageRecord) -> usize {
        let same = |version: &Version| version.is(&record.digest, &record.described);
        self.versions.iter().position(same).unwrap_or(usize::MAX)
    }

    /// The time some time from now.
    #[must_use]
    pub fn later(&self, pause: SignedDuration) -> Timestamp {
        after(self.now, pause)
    }
}

/// A time some time after another.
#[must_use]
pub fn after(time: Timestamp, pause: SignedDuration) -> Timestamp {
    time.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// The time of a record's state, or the beginning of time.
#[must_use]
pub fn since(record: &ImageRecord) -> Timestamp {
    record.since.as_ref().map_or(Timestamp::UNIX_EPOCH, |since| since.0)
}
