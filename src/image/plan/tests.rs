//! Each rule by its name.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;
use crate::api::MachineImageSpec;
use crate::api::machine_image::{CloudImages, ImageRecord, ImageState, Version, Wanted};
use crate::image::keep;
use crate::image::state::{Known, Look, Memory, Picture, Sent, Slot, Uses};

mod canary;
mod source;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// What is seen, owned: each example alters a part of it.
#[derive(Clone)]
pub struct Scene {
    now: Timestamp,
    generation: i64,
    spec: MachineImageSpec,
    canaries: Option<&'static str>,
    asked: bool,
    wanted: Option<Wanted>,
    versions: Vec<Version>,
    held: bool,
    here: CloudImages,
    standing: Standing,
    memory: Memory,
    slot: Slot,
}

fn digest(version: u8) -> String {
    format!("sha256:{}", format!("{version:02x}").repeat(32))
}

fn ago(minutes: i64) -> Timestamp {
    NOW.checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap()
}

fn record(id: &str, version: u8, state: ImageState) -> ImageRecord {
    ImageRecord {
        id: id.into(),
        digest: digest(version),
        described: "d".into(),
        state,
        since: Some(Time(ago(60))),
        ..ImageRecord::default()
    }
}

fn active(version: u8) -> Look {
    Look::There(Picture {
        status: "active".into(),
        size: 100,
        hash_algo: "sha512".into(),
        hash: format!("hash-{version}"),
        digest: digest(version),
        described: "d".into(),
    })
}

fn status(word: &str) -> Look {
    Look::There(Picture { status: word.into(), ..Picture::default() })
}

impl Scene {
    /// A source whose versions were 1, 2 and 3, and has 3 now; a cloud with nothing in it, that was listed a moment ago.
    fn new() -> Self {
        let spec = json!({
            "source": {"url": {"url": "https://images.test/a.qcow2", "checksumURL": "https://images.test/SHA256SUMS"}},
            "clouds": [{"name": "lab"}],
        });
        let version = |version: u8| Version {
            digest: digest(version),
            described: "d".into(),
            sha512: Some(format!("hash-{version}")),
            size_bytes: Some(100),
            ..Version::default()
        };
        Self {
            now: NOW,
            generation: 1,
            spec: serde_json::from_value(spec).unwrap(),
            canaries: Some("canaries"),
            asked: true,
            wanted: Some(Wanted { digest: digest(3), described: "d".into() }),
            versions: vec![version(3), version(2), version(1)],
            held: true,
            here: CloudImages { name: "lab".into(), ..CloudImages::default() },
            standing: Standing::Up,
            memory: Memory { listed: Some(NOW), listed_hidden: Some(NOW), ..Memory::default() },
            slot: Slot::Free,
        }
    }

    fn with(mut self, record: ImageRecord, look: Option<Look>) -> Self {
        let known = Known { look, looked: Some(NOW), since: Some(ago(1)), ..Known::default() };
        self.memory.images.insert(record.id.clone(), known);
        self.here.images.push(record);
        self
    }

    fn but(mut self, alter: impl FnOnce(&mut Self)) -> Self {
        alter(&mut self);
        self
    }

    fn known(self, id: &str, alter: impl FnOnce(&mut Known)) -> Self {
        self.but(|scene| alter(scene.memory.images.entry(id.into()).or_default()))
    }

    fn seen(&self) -> Seen<'_> {
        Seen {
            now: self.now,
            name: "ubuntu",
            generation: self.generation,
            spec: &self.spec,
            canaries: self.canaries,
            asked: self.asked,
            going: false,
            wanted: self.wanted.as_ref(),
            versions: &self.versions,
            held: self.held,
            here: &self.here,
            standing: self.standing.clone(),
            memory: &self.memory,
            slot: self.slot.clone(),
        }
    }

    fn step(&self) -> Option<Step> {
        next(&self.seen()).step
    }

    fn reasons(&self) -> Vec<Reason> {
        next(&self.seen()).waits.into_iter().map(|wait| wait.why.reason).collect()
    }

    fn current(&self) -> Option<String> {
        keep::current(&self.seen()).map(|record| record.id.clone())
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as a plan has it")]
fn ask(ask: Ask) -> Option<Step> {
    Some(Step::Ask(ask))
}

#[expect(clippy::unnecessary_wraps, reason = "as a plan has it")]
fn write(record: Record) -> Option<Step> {
    Some(Step::Record(record))
}

fn uploading() -> ImageRecord {
    record("i3", 3, ImageState::Uploading)
}

#[test]
fn the_finalizer_comes_first_and_the_id_before_the_image() {
    let new = Scene::new().but(|scene| {
        scene.held = false;
        scene.memory = Memory::default();
    });
    assert_eq!(new.step(), Some(Step::AddFinalizer));

    assert_eq!(Scene::new().step(), write(Record::Begin));
    let begun = Scene::new().with(uploading(), None).known("i3", |known| known.unasked = true);
    assert_eq!(begun.step(), ask(Ask::Create("i3".into())));
}

#[test]
fn nothing_is_done_in_a_cloud_before_what_is_there_was_listed() {
    let unread = Scene::new().but(|scene| scene.memory = Memory::default());

    assert_eq!(unread.step(), ask(Ask::List));
    let half = unread.but(|scene| scene.memory.listed = Some(NOW));
    assert_eq!(half.step(), ask(Ask::ListHidden));
}

#[test]
fn after_a_restart_an_id_is_looked_at_before_it_is_asked_for() {
    assert_eq!(Scene::new().with(uploading(), None).step(), ask(Ask::Look("i3".into())));
    assert_eq!(Scene::new().with(uploading(), Some(Look::Missing)).step(), ask(Ask::Create("i3".into())));
}

#[test]
fn an_image_without_data_is_sent_its_data_when_there_is_a_slot() {
    let queued = Scene::new().with(uploading(), Some(status("queued")));

    assert_eq!(queued.step(), ask(Ask::Upload("i3".into())));
    assert_eq!(queued.clone().but(|scene| scene.slot = Slot::Busy).step(), None);
    let drained = queued.but(|scene| scene.standing = Standing::Drained);
    assert_eq!((drained.step(), drained.reasons()), (None, vec![Reason::Draining]));
}

#[test]
fn an_image_is_usable_only_when_glance_has_what_was_sent() {
    let sent = |hash: &str, size| Sent { sha512: hash.into(), size, virtual_size: None };
    let scene = |sent| {
        let scene = Scene::new().with(uploading(), Some(active(3)));
        scene.known("i3", |known| known.ended = Some(Ok(sent)))
    };

    assert_eq!(scene(sent("hash-3", 100)).step(), write(Record::Usable("i3".into())));
    for wrong in [sent("other", 100), sent("hash-3", 99)] {
        let counted = scene(wrong.clone()).known("i3", |known| known.counted = Some(NOW));
        assert!(matches!(scene(wrong).step(), Some(Step::Record(Record::Failed(..)))), "it is counted first");
        assert_eq!(counted.step(), ask(Ask::Delete("i3".into())));
    }
    let unknown = scene(sent("hash-3", 100)).known("i3", |known| {
        known.ended = None;
        known.counted = Some(NOW);
    });
    let unknown = unknown.but(|scene| scene.versions[0].sha512 = None);
    assert_eq!(unknown.step(), ask(Ask::Delete("i3".into())), "nobody knows what was sent");
}

#[test]
fn an_id_of_a_stranger_or_one_that_was_deleted_is_not_used() {
    let stranger = Scene::new().with(uploading(), Some(Look::Stranger));
    assert_eq!(stranger.step(), write(Record::Renew("i3".into())));

    let spent = Scene::new().with(uploading(), Some(Look::Missing)).known("i3", |known| known.spent = true);
    assert_eq!(spent.step(), write(Record::Renew("i3".into())));
}

#[test]
fn an_image_that_glance_still_takes_data_for_is_deleted_after_two_minutes() {
    let saving = Scene::new().with(uploading(), Some(status("saving")));
    assert_eq!((saving.step(), saving.reasons()), (None, vec![Reason::Uploading]));

    let stuck = saving.known("i3", |known| known.since = Some(ago(3)));
    assert_eq!(stuck.step(), ask(Ask::Delete("i3".into())));

    let old = stuck.clone().known("i3", |known| known.looked = Some(ago(1)));
    assert_eq!(old.step(), ask(Ask::Look("i3".into())), "an old look says nothing");
    let sent = stuck.known("i3", |known| {
        known.ended = Some(Ok(Sent { sha512: String::new(), size: 1, virtual_size: None }));
    });
    assert_eq!(sent.step(), None, "all was sent, and Glance stores it");
    let never = sent.known("i3", |known| known.since = Some(ago(31)));
    assert!(matches!(never.step(), Some(Step::Record(Record::Failed(..)))));
}

#[test]
fn a_failed_transfer_is_written_down_and_tried_again_after_a_pause() {
    let trouble = Trouble::new(Reason::SourceUnreachable, "no answer");
    let failed = Scene::new().with(uploading(), None);
    let failed = failed.known("i3", |known| known.ended = Some(Err(trouble.clone())));
    let failed = failed.known("i3", |known| known.look = Some(status("queued")));
    assert_eq!(failed.step(), write(Record::Failed("i3".into(), trouble)));

    let tried = |minutes, tries| {
        let record = ImageRecord {
            tries,
            since: Some(Time(ago(minutes))),
            reason: Some("SourceUnreachable".into()),
            ..uploading()
        };
        Scene::new().with(record, Some(status("queued")))
    };
    assert_eq!((tried(3, 3).step(), tried(3, 3).reasons()), (None, vec![Reason::SourceUnreachable]));
    assert_eq!(tried(5, 3).step(), ask(Ask::Upload("i3".into())));
}

#[test]
fn a_body_that_stays_wrong_is_read_three_times_a_day_at_most() {
    let mut at = jiff::SignedDuration::ZERO;
    let mut reads = 0;
    while at < jiff::SignedDuration::from_hours(24) {
        reads += 1;
        at += super::upload::pause(reads, Some(Reason::ChecksumMismatch));
    }
    assert_eq!(reads, 3);
    assert!(super::upload::pause(99, Some(Reason::SourceUnreachable)) <= jiff::SignedDuration::from_hours(6));
}

#[test]
fn the_wanted_version_is_current_once_it_is_usable_and_until_then_the_one_before() {
    let before = Scene::new().with(record("i2", 2, ImageState::Usable), Some(active(2)));
    let before = before.with(record("i1", 1, ImageState::Usable), Some(active(1)));
    assert_eq!(before.clone().with(uploading(), None).current(), Some("i2".into()));

    let after = before.with(record("i3", 3, ImageState::Usable), Some(active(3)));
    assert_eq!(after.current(), Some("i3".into()));
    assert_eq!(after.step(), write(Record::Retire("i1".into())), "keep is 2");
}

#[test]
fn a_rejected_version_is_out_of_use_at_once_and_the_one_before_is_current() {
    let both = Scene::new().with(record("i3", 3, ImageState::Usable), Some(active(3)));
    let both = both.with(record("i2", 2, ImageState::Usable), Some(active(2)));
    let rejected = both.but(|scene| scene.spec.reject = vec![digest(3)]);

    assert_eq!(rejected.current(), Some("i2".into()));
    assert_eq!(rejected.step(), write(Record::Retire("i3".into())));
    let alone = Scene::new().but(|scene| scene.spec.reject = vec![digest(3)]);
    assert_eq!((alone.step(), alone.reasons()), (None, vec![Reason::ImageRejected]));
}

#[test]
fn a_deactivated_image_is_not_current_and_is_left_as_it_is() {
    let scene = Scene::new().with(record("i3", 3, ImageState::Usable), Some(status("deactivated")));
    let scene = scene.with(record("i2", 2, ImageState::Usable), Some(active(2)));

    assert_eq!(scene.current(), Some("i2".into()));
    assert_eq!((scene.step(), scene.reasons()), (None, vec![Reason::ImageDeactivated]));
}

#[test]
fn an_image_that_somebody_deleted_is_lost_and_made_again() {
    let lost = Scene::new().with(record("i3", 3, ImageState::Usable), Some(Look::Missing));

    assert_eq!(lost.step(), write(Record::Lost("i3".into())));
}

#[test]
fn a_retired_image_is_deleted_only_after_a_rest_and_a_look_at_what_uses_it() {
    let good = Scene::new().with(record("i3", 3, ImageState::Usable), Some(active(3)));
    let retired =
        |minutes| ImageRecord { since: Some(Time(ago(minutes))), ..record("i1", 1, ImageState::Retired) };
    let scene = |minutes| good.clone().with(retired(minutes), Some(active(1)));
    assert_eq!((scene(9).step(), scene(9).reasons()), (None, vec![Reason::Retiring]));
    assert_eq!(scene(11).step(), ask(Ask::Uses));

    let looked = |by: &[(&str, &str)], minutes: i64| {
        let by = by.iter().map(|(id, who)| ((*id).to_owned(), (*who).to_owned())).collect();
        scene(11).but(|scene| scene.memory.uses = Some(Uses { at: Some(ago(minutes)), by }))
    };
    assert_eq!(looked(&[], 0).step(), ask(Ask::Delete("i1".into())));
    assert_eq!(looked(&[], 5).step(), ask(Ask::Uses), "that look is old, or began before");
    let used = looked(&[("i1", "TestNode default/a")], 0);
    assert_eq!((used.step(), used.reasons()), (None, vec![Reason::ImageInUse]));
}

#[test]
fn what_never_became_usable_is_deleted_at_once() {
    let scene = Scene::new().with(record("i3", 3, ImageState::Usable), Some(active(3)));
    let scene = scene.with(record("i1", 1, ImageState::Failed), Some(status("queued")));
    assert_eq!(scene.step(), ask(Ask::Delete("i1".into())));

    let gone = scene.known("i1", |known| {
        known.look = Some(Look::Missing);
        known.deleted = true;
    });
    assert_eq!(gone.step(), write(Record::Forget("i1".into())));
}

#[test]
fn an_id_whose_request_may_still_arrive_is_burned_before_it_is_forgotten() {
    let scene = Scene::new().but(|scene| scene.asked = false);
    let scene = scene.with(record("i1", 1, ImageState::Failed), Some(Look::Missing));
    assert_eq!(scene.step(), ask(Ask::Burn("i1".into())));

    let refused = |minutes| {
        scene.clone().known("i1", |known| {
            known.unburned = Some(ago(minutes));
            known.burn_again = Some(ago(-1));
        })
    };
    let again = refused(1).known("i1", |known| known.burn_again = Some(NOW));
    assert_eq!(again.step(), ask(Ask::Burn("i1".into())), "there may be room now");
    assert_eq!(refused(1).step(), None, "until no request can use it");
    assert_eq!(refused(2).step(), write(Record::Forget("i1".into())));
}

#[test]
fn the_finalizer_is_removed_once_lists_that_began_after_the_last_change_show_nothing() {
    let empty = Scene::new().but(|scene| scene.asked = false);
    assert_eq!(empty.step(), Some(Step::RemoveFinalizer));

    let changed = empty.clone().but(|scene| scene.memory.listed = None);
    assert_eq!(changed.step(), ask(Ask::List));
    let one = empty.with(record("i3", 3, ImageState::Usable), Some(active(3)));
    assert_eq!(one.step(), write(Record::Retire("i3".into())));
}

#[test]
fn a_cloud_that_is_away_and_a_pause_hold_up_everything() {
    let away = Trouble::new(Reason::CloudUnreachable, "no answer");
    let scene = Scene::new().but(|scene| scene.standing = Standing::Away(away));
    assert_eq!((scene.step(), scene.reasons()), (None, vec![Reason::CloudUnreachable]));

    let paused = Scene::new().but(|scene| scene.spec.paused = true);
    assert_eq!((paused.step(), paused.reasons()), (None, vec![Reason::Paused]));
    let going = paused.but(|scene| scene.asked = false);
    assert_eq!(going.step(), Some(Step::RemoveFinalizer), "what is deleted goes all the same");
}

#[test]
fn no_more_than_two_images_are_there_beside_those_that_are_kept() {
    let rest = |id: &str| ImageRecord { since: Some(Time(ago(1))), ..record(id, 1, ImageState::Retired) };
    let full = Scene::new().but(|scene| scene.spec.keep = 1);
    let full = full.with(record("i2", 2, ImageState::Usable), Some(active(2)));
    let full = full.with(rest("a"), Some(active(1))).with(rest("b"), Some(active(1)));

    assert_eq!(full.step(), None);
    let trouble = Trouble::new(Reason::ImageProtected, "protected");
    let protected = full.clone().known("a", |known| known.stays = Some((trouble, ago(-1))));
    assert_eq!(protected.step(), write(Record::Begin), "what somebody protects does not count");
    assert_eq!(full.but(|scene| scene.spec.keep = 2).step(), write(Record::Begin));
}

#[test]
fn an_older_version_that_is_wanted_again_is_used_without_an_upload() {
    let back = Scene::new().with(record("i3", 3, ImageState::Retired), Some(active(3)));

    assert_eq!(back.step(), write(Record::Usable("i3".into())));
    let unproven = back.but(|scene| {
        scene.versions[0].sha512 = None;
        scene.here.images[0].since = Some(Time(ago(1)));
    });
    assert_eq!(unproven.step(), write(Record::Begin), "its bytes are not known");
}

#[test]
fn a_try_that_worked_waits_for_no_pause() {
    let tried = ImageRecord {
        tries: 9,
        since: Some(Time(ago(1))),
        reason: Some("SourceUnreachable".into()),
        ..uploading()
    };
    let active = Scene::new().with(tried.clone(), Some(active(3)));
    assert_eq!(active.step(), write(Record::Usable("i3".into())));

    let sent = Scene::new().with(tried, Some(status("queued")));
    assert_eq!(sent.step(), None);
    let sent = sent.known("i3", |known| {
        known.ended = Some(Ok(Sent { sha512: String::new(), size: 1, virtual_size: None }));
    });
    assert!(matches!(sent.step(), Some(Step::Record(Record::Failed(..)))), "it is counted at once");
}
