//! Images that a MachineImage has in a cloud.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::Problem;
use super::offerings::Image;
use crate::api::MachineImage;
use crate::api::machine_image::{CloudImages, ImageRecord, ImageState};
use crate::api::machine_type::MachineTypeSpec;
use crate::reason::Reason;

/// What the MachineImages that a machine type names have in one cloud.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Published {
    /// The current image, or why there is none, by the MachineImage's name.
    current: BTreeMap<String, Result<Image, Problem>>,
    /// Every image of theirs that can be booted, by id.
    kept: BTreeMap<String, Image>,
}

impl Published {
    /// What the MachineImages that a machine type names have in a cloud. `found` finds one by its name; without it, which means
    /// that they are not looked at, or not yet, `absent` says why.
    pub fn of(
        machine: &MachineTypeSpec,
        cloud: &str,
        found: impl Fn(&str) -> Option<std::sync::Arc<MachineImage>>,
        absent: Option<&Problem>,
    ) -> Self {
        let mut published = Self::default();
        let names = machine.images.iter().filter(|rule| rule.serves(cloud));
        for name in names.filter_map(|rule| rule.machine_image.as_deref()) {
            let image = found(name);
            let kept = image.iter().flat_map(|image| kept(image, cloud));
            published.kept.extend(kept.map(|image| (image.id.clone(), image)));
            let current = match (image, absent) {
                (Some(image), _) => current(&image, cloud),
                (None, Some(problem)) => Err(problem.clone()),
                (None, None) => Err(Problem::new(
                    Reason::MachineImageNotFound,
                    format!("there is no MachineImage {name}; make it, or name another in the machine type"),
                )),
            };
            published.current.insert(name.to_owned(), current);
        }
        published
    }

    /// The current image of a MachineImage.
    pub(super) fn current(&self, name: &str) -> Result<&Image, Problem> {
        match self.current.get(name) {
            Some(Ok(image)) => Ok(image),
            Some(Err(problem)) => Err(problem.clone()),
            None => Err(Problem::new(
                Reason::ImageNotReady,
                format!("MachineImage {name} has not been looked at yet"),
            )),
        }
    }

    /// An image that one of the MachineImages keeps.
    pub(super) fn kept(&self, id: &str) -> Option<&Image> {
        self.kept.get(id)
    }
}

/// The ids of all images that the MachineImages of a machine type keep, in whatever cloud.
pub fn kept_ids(
    machine: &MachineTypeSpec,
    found: impl Fn(&str) -> Option<std::sync::Arc<MachineImage>>,
) -> BTreeSet<String> {
    let names = machine.images.iter().filter_map(|rule| rule.machine_image.as_deref());
    let mut ids = BTreeSet::new();
    for image in names.filter_map(found) {
        let clouds = image.status.iter().flat_map(|status| &status.clouds);
        ids.extend(clouds.flat_map(bootable).map(|record| record.id.clone()));
    }
    ids
}

/// What a node may name by its id. A test of an image does that before the image is used.
fn bootable(cloud: &CloudImages) -> impl Iterator<Item = &ImageRecord> {
    cloud.images.iter().filter(|record| record.is_bootable())
}

fn kept(image: &MachineImage, cloud: &str) -> Vec<Image> {
    let found = image.status.as_ref().and_then(|status| status.cloud(cloud));
    let records = found.into_iter().flat_map(bootable);
    records.map(|record| of_version(image, &record.id, &record.digest, &record.described)).collect()
}

fn current(image: &MachineImage, cloud: &str) -> Result<Image, Problem> {
    let name = image.name_any();
    if image.metadata.deletion_timestamp.is_some() {
        let message = format!(
            "MachineImage {name} is being deleted; make it again, or name another in the machine type"
        );
        return Err(Problem::new(Reason::MachineImageNotFound, message));
    }
    if !image.spec.is_for(cloud) {
        let message = format!(
            "MachineImage {name} is not for cloud {cloud}; add it to its spec.clouds, or give the machine type another rule for \
             this cloud"
        );
        return Err(Problem::new(Reason::ImageNotInCloud, message));
    }
    let status = image.status.clone().unwrap_or_default();
    let current = status.cloud(cloud).and_then(|here| {
        let current = here.current.as_ref()?;
        let good = |record: &&ImageRecord| record.state == ImageState::Usable && record.id == current.id;
        here.images.iter().find(good)
    });
    if let Some(record) = current.filter(|record| !image.spec.rejects(&record.digest)) {
        return Ok(of_version(image, &record.id, &record.digest, &record.described));
    }
    let mut conditions = status.conditions.iter();
    let said = conditions.find(|condition| condition.type_ == "UpToDate" || condition.type_ == "Ready");
    let said = said.map(|said| format!(": {} ({})", said.message, said.reason)).unwrap_or_default();
    let message = format!("MachineImage {name} has no current image in cloud {cloud} yet{said}");
    Err(Problem::new(Reason::ImageNotReady, message))
}

/// The image as a choice knows it. What it needs is in the status, so no list of the cloud's need have it.
fn of_version(image: &MachineImage, id: &str, digest: &str, described: &str) -> Image {
    let status = image.status.as_ref();
    let version = status.and_then(|status| status.known(digest, described)).cloned().unwrap_or_default();
    let gib = |bytes: i64| bytes.max(0).saturating_add((1 << 30) - 1) / (1 << 30);
    let virtual_gib = version.virtual_size_bytes.map_or(0, gib);
    Image {
        id: id.to_owned(),
        name: name(&image.name_any(), digest),
        status: "active".to_owned(),
        min_disk_gib: version.min_disk_gib.unwrap_or(0).max(virtual_gib),
        size_gib: version.size_bytes.map_or(0, gib),
        min_ram_mib: version.min_ram_mib.unwrap_or(0),
        visibility: "private".to_owned(),
        unlisted: true,
        marked: true,
        version: Some((image.name_any(), digest.to_owned())),
        ..Image::default()
    }
}

/// What an image is called in Glance: the MachineImage, and twelve digits of the version.
#[must_use]
pub fn name(machine_image: &str, digest: &str) -> String {
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    format!("{machine_image}-{}", digits.get(..12).unwrap_or(digits))
}

/// A machine type without the images that are for other clouds.
#[must_use]
pub fn in_cloud<'a>(machine: &'a MachineTypeSpec, cloud: &str) -> Cow<'a, MachineTypeSpec> {
    if machine.images.iter().all(|rule| rule.serves(cloud)) {
        return Cow::Borrowed(machine);
    }
    let mut machine = machine.clone();
    machine.images.retain(|rule| rule.serves(cloud));
    Cow::Owned(machine)
}
