//! The first bytes of an image: whether it is what it is said to be, and whether it is safe to hand to a cloud. Nothing but these
//! bytes is ever understood.

use super::state::Trouble;
use crate::api::machine_image::Format;
use crate::reason::Reason;

/// So many bytes tell all that is asked.
pub const LENGTH: usize = 512;

const GIB: u64 = 1 << 30;

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// The size of the disk in it, where that is known before all of it was read.
    pub virtual_size: Option<u64>,
}

/// Looks at the first bytes of a file, decompressed.
///
/// # Errors
/// `WrongFormat`, `UnsafeImage` or `ImageTooLarge`.
pub fn look(first: &[u8], format: Format, max_size_gib: i64) -> Result<Head, Trouble> {
    match format {
        Format::Qcow2 => qcow2(first, max_size_gib),
        Format::Raw => raw(first),
    }
}

fn qcow2(first: &[u8], max_size_gib: i64) -> Result<Head, Trouble> {
    if !first.starts_with(b"QFI\xfb") {
        return Err(wrong(first, "qcow2"));
    }
    let short = || unsafe_image("its head is cut off");
    let version = u32_at(first, 4).ok_or_else(short)?;
    if version != 2 && version != 3 {
        return Err(unsafe_image(&format!("its version is {version}, and only 2 and 3 are known")));
    }
    if u64_at(first, 8).ok_or_else(short)? != 0 || u32_at(first, 16).ok_or_else(short)? != 0 {
        return Err(unsafe_image(
            "it has a backing file: what is in it would come from the cloud's own disks",
        ));
    }
    let virtual_size = u64_at(first, 24).ok_or_else(short)?;
    if u32_at(first, 32).ok_or_else(short)? != 0 {
        return Err(unsafe_image("it is encrypted"));
    }
    if version == 3 {
        let incompatible = u64_at(first, 72).ok_or_else(short)?;
        // Dirty, corrupt: a broken file. External data: another file. Compression type and extended L2 entries are known.
        if incompatible & 0b100 != 0 {
            return Err(unsafe_image("its data is in another file"));
        }
        if incompatible & 0b11 != 0 {
            return Err(unsafe_image("it was not closed properly (dirty or corrupt)"));
        }
        if incompatible & !0b11111 != 0 {
            return Err(unsafe_image(&format!("it needs features that are not known ({incompatible:#x})")));
        }
        extensions(first)?;
    }
    let most = u64::try_from(max_size_gib).unwrap_or(1).saturating_mul(16).saturating_mul(GIB);
    if virtual_size > most {
        return Err(Trouble::new(
            Reason::ImageTooLarge,
            format!(
                "the disk in the file has {} GiB, more than 16 times spec.maxSizeGiB; raise that if it is right",
                virtual_size / GIB
            ),
        ));
    }
    Ok(Head { virtual_size: Some(virtual_size) })
}

/// Header extensions can name another file, too.
fn extensions(first: &[u8]) -> Result<(), Trouble> {
    let mut at = usize::try_from(u32_at(first, 100).unwrap_or(104)).unwrap_or(usize::MAX);
    while let (Some(kind), Some(length)) =
        (u32_at(first, at), at.checked_add(4).and_then(|at| u32_at(first, at)))
    {
        match kind {
            0 => break,
            0x4441_5441 => return Err(unsafe_image("it names another file in its head")),
            _ => {}
        }
        let padded = usize::try_from(length).unwrap_or(usize::MAX).checked_next_multiple_of(8);
        let Some(next) = padded.and_then(|padded| at.checked_add(8)?.checked_add(padded)) else { break };
        at = next;
    }
    Ok(())
}

/// A disk that a machine can boot has a boot signature; a page of HTML has none.
fn raw(first: &[u8]) -> Result<Head, Trouble> {
    if first.starts_with(b"QFI\xfb") {
        return Err(Trouble::new(
            Reason::WrongFormat,
            "the file is a qcow2, and spec.format says raw; correct spec.format",
        ));
    }
    if first.get(510..512) == Some(&[0x55, 0xAA]) { Ok(Head::default()) } else { Err(wrong(first, "raw")) }
}

fn wrong(first: &[u8], format: &str) -> Trouble {
    let start = first.trim_ascii_start();
    let is = if start.starts_with(b"<") {
        "it looks like a page of HTML or XML"
    } else if format == "raw" {
        "it has no boot signature (55 AA at 510)"
    } else if first.get(510..512) == Some(&[0x55, 0xAA]) {
        "it looks like a raw disk"
    } else {
        "it does not begin as a qcow2 does"
    };
    Trouble::new(
        Reason::WrongFormat,
        format!("the file is not {format}: {is}; correct the source or spec.format"),
    )
}

fn unsafe_image(why: &str) -> Trouble {
    Trouble::new(
        Reason::UnsafeImage,
        format!(
            "the qcow2 is not taken: {why}; publish it as one whole file, as `qemu-img convert -O qcow2` makes it"
        ),
    )
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_be_bytes(eight.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A good head of a qcow2 with a disk of 10 GiB.
    fn good(version: u8) -> Vec<u8> {
        let mut head = vec![0; LENGTH];
        head[..8].copy_from_slice(&[b'Q', b'F', b'I', 0xfb, 0, 0, 0, version]);
        head[24..32].copy_from_slice(&(10 * GIB).to_be_bytes());
        head[100..104].copy_from_slice(&104_u32.to_be_bytes());
        head
    }

    fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut head = good(3);
        head[at..at + bytes.len()].copy_from_slice(bytes);
        head
    }

    fn said(first: &[u8], format: Format) -> Result<Option<u64>, Reason> {
        look(first, format, 32).map(|head| head.virtual_size).map_err(|trouble| trouble.reason)
    }

    #[test]
    fn a_qcow2_of_version_2_or_3_is_taken_and_its_size_is_known() {
        assert_eq!(said(&good(2), Format::Qcow2), Ok(Some(10 * GIB)));
        assert_eq!(said(&good(3), Format::Qcow2), Ok(Some(10 * GIB)));
        assert_eq!(said(&good(4), Format::Qcow2), Err(Reason::UnsafeImage));
    }

    #[test]
    fn a_qcow2_that_needs_another_file_is_unsafe() {
        let backing = with(8, &300_u64.to_be_bytes());
        let data_file = with(72, &4_u64.to_be_bytes());
        let named = with(104, &0x4441_5441_u32.to_be_bytes());
        let unknown = with(72, &64_u64.to_be_bytes());
        let encrypted = with(32, &1_u32.to_be_bytes());

        for head in [backing, data_file, named, unknown, encrypted, good(3)[..20].to_vec()] {
            assert_eq!(said(&head, Format::Qcow2), Err(Reason::UnsafeImage));
        }
    }

    #[test]
    fn a_disk_that_is_far_larger_than_allowed_is_refused_by_its_head() {
        let huge = with(24, &(1024 * GIB).to_be_bytes());

        assert_eq!(said(&huge, Format::Qcow2), Err(Reason::ImageTooLarge));
        assert!(look(&huge, Format::Qcow2, 64).is_ok());
    }

    #[test]
    fn a_page_of_html_is_no_image() {
        let mut page = b"\n<!DOCTYPE html><title>404</title>".to_vec();
        page.resize(LENGTH, b' ');

        assert_eq!(said(&page, Format::Qcow2), Err(Reason::WrongFormat));
        assert_eq!(said(&page, Format::Raw), Err(Reason::WrongFormat));
        assert_eq!(said(b"", Format::Raw), Err(Reason::WrongFormat));
    }

    #[test]
    fn a_raw_disk_has_a_boot_signature_and_is_no_qcow2() {
        let mut disk = vec![0; LENGTH];
        disk[510..].copy_from_slice(&[0x55, 0xAA]);

        assert_eq!(said(&disk, Format::Raw), Ok(None));
        assert_eq!(said(&disk, Format::Qcow2), Err(Reason::WrongFormat));
        assert_eq!(said(&good(3), Format::Raw), Err(Reason::WrongFormat));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), qcow2: bool) {
            let mut bytes = bytes;
            if qcow2 && bytes.len() > 8 {
                bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
            }
            drop(look(&bytes, Format::Qcow2, 32));
            drop(look(&bytes, Format::Raw, 32));
        }
    }
}
