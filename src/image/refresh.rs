//! When a source is looked at, and what is known of versions. Pure.

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ring::digest::{SHA256, digest};

use super::head::Head;
use super::plan::Waiting;
use super::state::{Trouble, after};
use crate::api::MachineImageSpec;
use crate::api::machine_image::{ImageState, MachineImageStatus, Version, Wanted};
use crate::reason::Reason;

/// The most versions that a status has.
const MOST: usize = 12;
/// At rest a source is looked at so often, if its period cannot be read.
const DAY: std::time::Duration = std::time::Duration::from_hours(24);
/// The first pause after a failure; it doubles.
const FIRST: SignedDuration = SignedDuration::from_mins(1);
/// The longest.
const LONGEST: SignedDuration = SignedDuration::from_hours(6);

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
    let known = wanted.is_some_and(|wanted| status.known(&wanted.digest, &wanted.described).is_some());
    if let Some(checksum) = &spec.source.url.checksum {
        // It cannot change.
        let same = wanted.is_some_and(|wanted| wanted.digest == *checksum);
        return if known && same && !edited && !asked { Source::Rest(None) } else { Source::Look };
    }
    let checked = status.checked_at.as_ref().map(|at| at.0);
    let period = SignedDuration::try_from(spec.refresh.or(DAY)).unwrap_or_default();
    let old = checked.is_none_or(|checked| after(checked, period) <= now);
    let wrong = status.clouds.iter().flat_map(|cloud| &cloud.images).any(|record| {
        record.state == ImageState::Uploading
            && record.reason.as_deref() == Some(Reason::ChecksumMismatch.as_str())
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
    pub url: String,
    /// Its head, if the version was not known.
    pub head: Option<Head>,
}

/// The status after a source was looked at with success.
pub fn found(now: Timestamp, spec: &MachineImageSpec, status: &mut MachineImageStatus, found: &Found) {
    let described = described(spec);
    let known = status.known(&found.digest, &described).cloned();
    let virtual_size = found.head.and_then(|head| head.virtual_size);
    let version = known.unwrap_or_else(|| Version {
        digest: found.digest.clone(),
        described: described.clone(),
        found_at: Some(Time(now)),
        virtual_size_bytes: virtual_size.and_then(|size| i64::try_from(size).ok()),
        min_disk_gib: spec.min_disk_gib.or_else(|| {
            virtual_size.and_then(|size| i64::try_from(size.div_ceil(1 << 30)).ok()).map(|gib| gib.max(1))
        }),
        min_ram_mib: spec.min_ram_mib,
        ..Version::default()
    });
    let version = Version { url: Some(found.url.clone()), ..version };
    status.versions.retain(|other| !other.is(&version.digest, &version.described));
    status.wanted = Some(Wanted { digest: found.digest.clone(), described });
    let digits = found.digest.split_once(':').map_or(found.digest.as_str(), |(_, digits)| digits);
    status.version = Some(digits.chars().take(12).collect());
    status.versions.insert(0, version);
    if spec.source.url.checksum.is_none() || status.checked_at.is_none() {
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
            url: "https://a.test/b".into(),
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
            found(NOW, &spec, &mut status, &Found { digest: digest.into(), url: String::new(), head: None });
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
}
