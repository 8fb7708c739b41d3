//! The image that `source.image` names, as Glance shows it: whether it can be a version. Pure.

use super::state::{Look, Picture, Trouble};
use crate::api::machine_image::Format;
use crate::api::mark;
use crate::openstack::image::Image;
use crate::reason::Reason;

/// The hashes of Glance that we can compute, too.
const KNOWN: [&str; 2] = ["sha256", "sha512"];

/// The digest of an image that is of a format and whose bytes can be copied. `uid` is that of the MachineImage.
///
/// # Errors
/// `SourceForbidden`, `WrongFormat` or `ChecksumNotFound`.
pub fn digest(image: &Image, format: Format, uid: &str) -> Result<String, Trouble> {
    let (id, name) = (&image.id, &image.name);
    let no = |reason, why: String| Err(Trouble::new(reason, format!("image {name} ({id}) {why}")));
    if image.tags.contains(&mark::tag(mark::UID, uid)) {
        let why = "was made by this MachineImage itself; name the image that it is to be copied from";
        return no(Reason::SourceForbidden, why.to_owned());
    }
    let property = |key: &str| image.properties.get(key).map_or("", String::as_str);
    if image.size == 0 || !property("block_device_mapping").is_empty() {
        let why = "has no bytes of its own: it is a snapshot of a server that boots from a volume. Make an image of that volume \
                   (openstack image create --volume VOLUME NAME), and name that one";
        return no(Reason::WrongFormat, why.to_owned());
    }
    let (disk, container) = (property("disk_format"), property("container_format"));
    if disk != format.word() || container != "bare" {
        let why = format!(
            "has the format {disk} in a container {container}, and {} in a container bare is asked for; correct spec.format, or name \
             another image",
            format.word()
        );
        return no(Reason::WrongFormat, why);
    }
    if image.hash.is_empty() {
        let why = "has no os_hash_value in Glance, so it cannot be a version. Upload it again: openstack image save --file FILE ID, \
                   then openstack image create --file FILE NAME";
        return no(Reason::ChecksumNotFound, why.to_owned());
    }
    if !KNOWN.contains(&image.hash_algo.as_str()) {
        let why = format!(
            "has a hash by {} in Glance, and only sha256 and sha512 are known. Download it, and publish it with a checksum \
             (source.url)",
            image.hash_algo
        );
        return no(Reason::ChecksumNotFound, why);
    }
    Ok(named(image))
}

/// What Glance says of the image of the source. It must be of our project.
#[must_use]
pub fn seen(image: &Image, project: &str) -> Look {
    if image.owner != project {
        return Look::Stranger;
    }
    Look::Source(Picture {
        status: image.status.clone(),
        size: image.size,
        hash_algo: image.hash_algo.clone(),
        hash: image.hash.clone(),
        digest: named(image),
        described: String::new(),
    })
}

fn named(image: &Image) -> String {
    format!("{}:{}", image.hash_algo, image.hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openstack::ImageId;

    fn golden() -> Image {
        let said = [("disk_format", "qcow2"), ("container_format", "bare")];
        Image {
            id: ImageId("i1".into()),
            name: "golden".into(),
            status: "active".into(),
            owner: "p".into(),
            size: 7,
            hash_algo: "sha512".into(),
            hash: "aa".into(),
            properties: said.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..Image::default()
        }
    }

    fn refused(alter: impl FnOnce(&mut Image)) -> (Reason, String) {
        let mut image = golden();
        alter(&mut image);
        let trouble = digest(&image, Format::Qcow2, "u1").unwrap_err();
        (trouble.reason, trouble.message)
    }

    #[test]
    fn the_version_is_the_hash_that_glance_has() {
        assert_eq!(digest(&golden(), Format::Qcow2, "u1"), Ok("sha512:aa".into()));
        let other = Image { hash_algo: "sha256".into(), ..golden() };
        assert_eq!(digest(&other, Format::Qcow2, "u1"), Ok("sha256:aa".into()));
    }

    #[test]
    fn an_image_of_another_format_or_container_is_refused() {
        let (reason, message) =
            refused(|image| drop(image.properties.insert("disk_format".into(), "vmdk".into())));
        assert_eq!(reason, Reason::WrongFormat);
        assert!(message.contains("vmdk") && message.contains("spec.format"), "{message}");
        let ovf = |image: &mut Image| drop(image.properties.insert("container_format".into(), "ovf".into()));
        assert_eq!(refused(ovf).0, Reason::WrongFormat);
        assert_eq!(digest(&golden(), Format::Raw, "u1").unwrap_err().reason, Reason::WrongFormat);
    }

    #[test]
    fn a_snapshot_of_a_server_that_boots_from_a_volume_is_refused_with_what_to_do() {
        let (reason, message) = refused(|image| (image.size, image.hash) = (0, String::new()));
        assert_eq!(reason, Reason::WrongFormat);
        assert!(message.contains("openstack image create --volume"), "{message}");
        let mapped = |image: &mut Image| {
            drop(image.properties.insert("block_device_mapping".into(), "[{}]".into()));
        };
        assert_eq!(refused(mapped).0, Reason::WrongFormat);
    }

    #[test]
    fn an_image_without_a_hash_or_with_one_that_is_not_known_is_no_version() {
        let (reason, message) = refused(|image| image.hash.clear());
        assert_eq!(reason, Reason::ChecksumNotFound);
        assert!(message.contains("os_hash_value"), "{message}");
        let (reason, message) = refused(|image| image.hash_algo = "blake2b".into());
        assert_eq!(reason, Reason::ChecksumNotFound);
        assert!(message.contains("blake2b"), "{message}");
    }

    #[test]
    fn an_image_that_the_machine_image_made_itself_is_no_source_and_one_of_another_is() {
        let mine = |image: &mut Image| image.tags = vec![mark::tag(mark::UID, "u1")];
        assert_eq!(refused(mine).0, Reason::SourceForbidden);
        let others = Image { tags: vec![mark::tag(mark::UID, "u2")], ..golden() };
        assert!(digest(&others, Format::Qcow2, "u1").is_ok());
    }

    #[test]
    fn an_image_of_another_project_is_a_stranger_whatever_its_id() {
        assert!(matches!(seen(&golden(), "p"), Look::Source(picture) if picture.digest == "sha512:aa"));
        assert_eq!(seen(&golden(), "q"), Look::Stranger);
    }
}
