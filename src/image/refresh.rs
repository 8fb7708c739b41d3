//! When a source is looked at, and what is known of versions. Pure.

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ring::digest::{SHA256, digest};

use super::head::Head;
use super::plan::Waiting;
use super::state::{Trouble, after};
use crate::api::MachineImageSpec;
use crate::api::machine_image::{ImageState, MachineImageStatus, SourceImage, Version, Wanted};
use crate::reason::Reason;

/// The most versions that a status has.
const MOST: usize = 12;
/// At rest a source is looked at so often, if its period cannot be read.
const DAY: std::time::Duration = std::time::Duration::from_hours(24);
/// The first pause after a failure; it doubles.
const FIRST: SignedDuration = SignedDuration::from_mins(1);
/// The longest.
const LONGEST: SignedDuration = SignedDuration::from_hours(6);

/// After an upload that failed for one of these, the source may have something else.
const LOOKS_AGAIN: [Reason; 2] = [Reason::ChecksumMismatch, Reason::SourceNotFound];

/// What this process knows of a source.
#[derive(Clone, Debug, Default)]
pub struct SourceMemory {
    /// The generation of the spec for which it was looked at.
    pub generation: Option<i64>,
    /// Why that did not work, and when to try again.
    pub pause: Option<(Trouble, Timestamp)>,
    /// How often it did not.
    pub failures: u32,
}

/// What is to be done about a source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// It is to be looked at.
    Look,
    /// Nothing now.
    Rest(Option<Waiting>),
}

/// A short hash of everything that describes an image beside its bytes.
#[must_use]
pub fn described(spec: &MachineImageSpec) -> String {
    let text = format!(
        "{} {:?} {:?} {:?}",
        spec.format.word(),
        spec.properties,
        spec.min_disk_gib,
        spec.min_ram_mib
    );
    let digest = digest(&SHA256, text.as_bytes());
    HEXLOWER.encode(digest.as_ref()).chars().take(12).collect()
}

/// Whether the source is to be looked at now.
#[must_use]
pub fn due(
    now: Timestamp,
    generation: Option<i64>,
    spec: &MachineImageSpec,
    status: &MachineImageStatus,
    memory: &SourceMemory,
) -> Source {
    let asked = spec.refresh_request != status.refreshed;
    let edited = memory.generation.is_some() && memory.generation != generation;
    if let Some((trouble, until)) =
        memory.pause.as_ref().filter(|(_, until)| *until > now && !asked && !edited)
    {
        return Source::Rest(Some(Waiting::until(trouble.clone(), *until)));
    }
    if spec.paused {
        return Source::Rest(None);
    }
    let described = described(spec);
    let wanted = status.wanted.as_ref().filter(|wanted| wanted.described == described);
    let version = wanted.and_then(|wanted| status.known(&wanted.digest, &wanted.described));
    let known = version.is_some();
    if let Some(checksum) = spec.source.checksum() {
        // It cannot change.
        let same = version.is_some_and(|version| version.digest == *checksum && version.image.is_none());
        return if same && !edited && !asked { Source::Rest(None) } else { Source::Look };
    }
    let checked = status.checked_at.as_ref().map(|at| at.0);
    // The image is gone that was the source; there may be another.
    let lost = spec.source.image.is_some() && version.is_some_and(|version| version.image.is_none());
    let period = SignedDuration::try_from(spec.refresh.or(DAY)).unwrap_or_default();
    let period = if lost { FIRST } else { period };
    let old = checked.is_none_or(|checked| after(checked, period) <= now);
    let wrong = status.clouds.iter().flat_map(|cloud| &cloud.images).any(|record| {
        record.state == ImageState::Uploading
            && LOOKS_AGAIN.map(Reason::as_str).into_iter().any(|word| record.reason.as_deref() == Some(word))
            && record.since.as_ref().map(|since| since.0) > checked
    });
    let renewed = status.observed_generation != generation;
    if known && !asked && !edited && !old && !wrong && !renewed {
        let next = checked.map(|checked| after(checked, period));
        return Source::Rest(next.map(|next| Waiting::until(Trouble::new(Reason::Ready, ""), next)));
    }
    Source::Look
}

/// What was found at a source.
#[derive(Clone, Debug)]
pub struct Found {
    /// The digest of the file.
    pub digest: String,
    /// Where the file is.
    pub at: FoundAt,
    /// Its head, if the version was not known.
    pub head: Option<Head>,
}

/// Where a file is.
#[derive(Clone, Debug)]
pub enum FoundAt {
    /// At a URL.
    Url(String),
    /// In an image, which says how much disk and memory a machine needs.
    Image {
        /// Which.
        image: SourceImage,
        /// The smallest root disk; 0 if it does not say.
        min_disk_gib: i64,
        /// The least memory; 0 if it does not say.
        min_ram_mib: i64,
    },
}

/// The status after a source was looked at with success.
pub fn found(now: Timestamp, spec: &MachineImageSpec, status: &mut MachineImageStatus, found: &Found) {
    let described = described(spec);
    let known = status.known(&found.digest, &described).cloned();
    let virtual_size = found.head.and_then(|head| head.virtual_size);
    let (url, image, least_disk, least_ram) = match &found.at {
        FoundAt::Url(url) => (Some(url.clone()), None, None, None),
        FoundAt::Image { image, min_disk_gib, min_ram_mib } => {
            let said = |number: &i64| Some(*number).filter(|number| *number > 0);
            (None, Some(image.clone()), said(min_disk_gib), said(min_ram_mib))
        }
    };
    let version = known.unwrap_or_else(|| Version {
        digest: found.digest.clone(),
        described: described.clone(),
        found_at: Some(Time(now)),
        virtual_size_bytes: virtual_size.and_then(|size| i64::try_from(size).ok()),
        min_disk_gib: spec
            .min_disk_gib
            .or_else(|| {
                virtual_size.and_then(|size| i64::try_from(size.div_ceil(1 << 30)).ok()).map(|gib| gib.max(1))
            })
            .max(least_disk),
        min_ram_mib: spec.min_ram_mib.max(least_ram),
        ..Version::default()
    });
    let version = Version { url, image, ..version };
    status.versions.retain(|other| !other.is(&version.digest, &version.described));
    status.wanted = Some(Wanted { digest: found.digest.clone(), described });
    let digits = found.digest.split_once(':').map_or(found.digest.as_str(), |(_, digits)| digits);
    status.version = Some(digits.chars().take(12).collect());
    status.versions.insert(0, version);
    if spec.source.checksum().is_none() || status.checked_at.is_none() {
        status.checked_at = Some(Time(now));
    }
    forget_versions(status);
}

/// After a look that somebody asked for: what failed is tried again.
pub fn obeyed(spec: &MachineImageSpec, status: &mut MachineImageStatus) {
    if status.refreshed == spec.refresh_request {
        return;
    }
    status.refreshed.clone_from(&spec.refresh_request);
    for record in status.clouds.iter_mut().flat_map(|here| &mut here.images) {
        record.tries = 0;
    }
}

/// What has no image anywhere, is not wanted, and is older than the newest four is forgotten.
fn forget_versions(status: &mut MachineImageStatus) {
    let used: Vec<(String, String)> = status
        .clouds
        .iter()
        .flat_map(|cloud| &cloud.images)
        .map(|record| (record.digest.clone(), record.described.clone()))
        .collect();
    let mut place = 0;
    status.versions.retain(|version| {
        place += 1;
        place <= 4 || used.iter().any(|(digest, described)| version.is(digest, described))
    });
    status.versions.truncate(MOST);
}

/// After a failure.
pub fn failed(now: Timestamp, memory: &mut SourceMemory, trouble: Trouble) {
    let pause = FIRST.checked_mul(1 << memory.failures.min(9)).unwrap_or(LONGEST).min(LONGEST);
    memory.failures = memory.failures.saturating_add(1);
    memory.pause = Some((trouble, after(now, pause)));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn spec(source: &serde_json::Value) -> MachineImageSpec {
        serde_json::from_value(json!({"source": {"url": source}, "clouds": [{"name": "lab"}]})).unwrap()
    }

    fn listed() -> MachineImageSpec {
        spec(&json!({"url": "https://a.test/b", "checksumURL": "https://a.test/SHA256SUMS"}))
    }

    fn after_a_look(spec: &MachineImageSpec, digest: &str) -> MachineImageStatus {
        let mut status = MachineImageStatus { observed_generation: Some(1), ..MachineImageStatus::default() };
        let what = Found {
            digest: digest.into(),
            at: FoundAt::Url("https://a.test/b".into()),
            head: Some(Head { virtual_size: Some((2 << 30) + 1) }),
        };
        found(NOW, spec, &mut status, &what);
        status
    }

    fn looks(
        hours: i64,
        spec: &MachineImageSpec,
        status: &MachineImageStatus,
        memory: &SourceMemory,
    ) -> bool {
        due(after(NOW, SignedDuration::from_hours(hours)), Some(1), spec, status, memory) == Source::Look
    }

    #[test]
    fn a_list_of_sums_is_read_again_after_its_period_and_when_somebody_asks() {
        let (spec, memory) = (listed(), SourceMemory::default());
        assert!(looks(0, &spec, &MachineImageStatus::default(), &memory));

        let status = after_a_look(&spec, "sha256:aa");
        assert!(!looks(23, &spec, &status, &memory));
        assert!(looks(24, &spec, &status, &memory));
        let asked = MachineImageSpec { refresh_request: Some("now".into()), ..spec };
        assert!(looks(1, &asked, &status, &memory));
    }

    #[test]
    fn a_file_with_a_checksum_is_looked_at_once() {
        let spec =
            spec(&json!({"url": "https://a.test/b", "checksum": format!("sha256:{}", "a".repeat(64))}));
        let status = after_a_look(&spec, &format!("sha256:{}", "a".repeat(64)));

        assert!(!looks(9999, &spec, &status, &SourceMemory::default()));
        let asked = MachineImageSpec { refresh_request: Some("now".into()), ..spec.clone() };
        assert!(looks(0, &asked, &status, &SourceMemory::default()), "somebody asks");
        let other = MachineImageSpec { min_disk_gib: Some(9), ..spec };
        assert!(looks(0, &other, &status, &SourceMemory::default()), "it is described in another way");
    }

    #[test]
    fn after_a_failure_it_is_left_alone_for_a_while_that_doubles_to_six_hours() {
        let (spec, mut memory) = (listed(), SourceMemory::default());
        for minutes in [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360] {
            failed(NOW, &mut memory, Trouble::new(Reason::SourceUnreachable, "no"));
            let until = memory.pause.as_ref().unwrap().1;
            assert_eq!(until.duration_since(NOW), SignedDuration::from_mins(minutes));
        }
        assert!(!looks(1, &spec, &MachineImageStatus::default(), &memory));
        let asked = MachineImageSpec { refresh_request: Some("now".into()), ..spec };
        assert!(looks(1, &asked, &MachineImageStatus::default(), &memory));
    }

    #[test]
    fn the_version_that_was_wanted_last_is_first_and_only_four_unused_ones_are_kept() {
        let spec = listed();
        let mut status = MachineImageStatus::default();
        for digest in ["a", "b", "c", "d", "e", "f", "b"] {
            found(
                NOW,
                &spec,
                &mut status,
                &Found { digest: digest.into(), at: FoundAt::Url(String::new()), head: None },
            );
        }

        let digests: Vec<&str> = status.versions.iter().map(|version| version.digest.as_str()).collect();
        assert_eq!(digests, ["b", "f", "e", "d"]);
        assert_eq!(status.wanted.unwrap().digest, "b");
    }

    #[test]
    fn the_smallest_disk_is_what_the_head_says_unless_somebody_says_another() {
        let version = |spec: &MachineImageSpec| after_a_look(spec, "sha256:aa").versions[0].min_disk_gib;
        assert_eq!(version(&listed()), Some(3));
        assert_eq!(version(&MachineImageSpec { min_disk_gib: Some(40), ..listed() }), Some(40));
    }

    fn golden() -> MachineImageSpec {
        let spec =
            json!({"source": {"image": {"cloud": "lab", "name": "golden"}}, "clouds": [{"name": "far"}]});
        serde_json::from_value(spec).unwrap()
    }

    fn in_image(id: &str) -> FoundAt {
        let image = SourceImage { cloud: "lab".into(), id: id.into() };
        FoundAt::Image { image, min_disk_gib: 5, min_ram_mib: 512 }
    }

    #[test]
    fn an_image_is_looked_at_every_period_and_a_minute_after_it_was_lost() {
        let (spec, memory) = (golden(), SourceMemory::default());
        let mut status = MachineImageStatus { observed_generation: Some(1), ..MachineImageStatus::default() };
        found(NOW, &spec, &mut status, &Found { digest: "sha512:aa".into(), at: in_image("g1"), head: None });
        assert!(!looks(23, &spec, &status, &memory));
        assert!(looks(24, &spec, &status, &memory));

        status.versions[0].image = None;
        assert!(!looks(0, &spec, &status, &memory));
        assert!(looks(1, &spec, &status, &memory));
    }

    #[test]
    fn the_same_digest_in_another_image_is_the_same_version() {
        let (spec, mut status) = (golden(), MachineImageStatus::default());
        for id in ["g1", "g2"] {
            found(
                NOW,
                &spec,
                &mut status,
                &Found { digest: "sha512:aa".into(), at: in_image(id), head: None },
            );
        }

        assert_eq!(status.versions.len(), 1);
        assert_eq!(status.versions[0].image.as_ref().unwrap().id, "g2");
    }

    #[test]
    fn a_machine_gets_at_least_what_the_image_asks_for() {
        let least = |spec: &MachineImageSpec, virtual_size: u64| {
            let (mut status, head) =
                (MachineImageStatus::default(), Head { virtual_size: Some(virtual_size << 30) });
            let what = Found { digest: "sha512:aa".into(), at: in_image("g1"), head: Some(head) };
            found(NOW, spec, &mut status, &what);
            (status.versions[0].min_disk_gib, status.versions[0].min_ram_mib)
        };

        assert_eq!(least(&golden(), 3), (Some(5), Some(512)));
        assert_eq!(least(&golden(), 9), (Some(9), Some(512)));
        let more = MachineImageSpec { min_disk_gib: Some(2), min_ram_mib: Some(1024), ..golden() };
        assert_eq!(least(&more, 9), (Some(5), Some(1024)));
    }

    #[test]
    fn a_file_that_takes_the_place_of_an_image_is_looked_at_though_it_has_the_same_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let mut status = MachineImageStatus { observed_generation: Some(1), ..MachineImageStatus::default() };
        found(NOW, &golden(), &mut status, &Found { digest: digest.clone(), at: in_image("g1"), head: None });
        let spec = spec(&json!({"url": "https://a.test/b", "checksum": digest}));

        assert!(looks(0, &spec, &status, &SourceMemory::default()));
    }
}
