//! The source's own image in its own cloud.

use super::*;
use crate::api::machine_image::{CanaryRecord, SourceImage};

fn golden(version: u8, state: ImageState) -> ImageRecord {
    ImageRecord { source: true, ..record(&format!("g{version}"), version, state) }
}

fn seen_as(word: &str, version: u8) -> Look {
    Look::Source(Picture { status: word.into(), digest: digest(version), ..Picture::default() })
}

fn is(version: u8) -> Look {
    seen_as("active", version)
}

impl Scene {
    /// The source is an image of this cloud, in which nothing was made.
    fn of_golden() -> Self {
        Self::new().but(|scene| {
            let source = json!({"image": {"cloud": "lab", "nameRegex": "golden-.*", "selection": "Newest"}});
            scene.spec.source = serde_json::from_value(source).unwrap();
            for (version, number) in scene.versions.iter_mut().zip([3, 2, 1]) {
                version.image = Some(SourceImage { cloud: "lab".into(), id: format!("g{number}") });
            }
            scene.held = false;
            scene.memory = Memory::default();
        })
    }

    /// What was seen of an image that the status does not have.
    fn found(self, id: &str, look: Look) -> Self {
        self.known(id, |known| (known.look, known.looked) = (Some(look), Some(NOW)))
    }
}

#[test]
fn it_is_looked_at_written_down_and_used_and_nothing_else_is_asked() {
    let new = Scene::of_golden();
    assert_eq!(new.step(), ask(Ask::Look("g3".into())));
    assert_eq!(new.found("g3", is(3)).step(), write(Record::Source("g3".into())));

    let known = Scene::of_golden().with(golden(3, ImageState::Testing), Some(is(3)));
    assert_eq!(known.step(), write(Record::Usable("g3".into())));
    let used = Scene::of_golden().with(golden(3, ImageState::Usable), Some(is(3)));
    assert_eq!((used.step(), used.reasons(), used.current()), (None, vec![], Some("g3".into())));
}

#[test]
fn it_is_looked_at_again_every_ten_minutes() {
    let used = Scene::of_golden().with(golden(3, ImageState::Usable), Some(is(3)));
    let looked = |minutes| used.clone().known("g3", |known| known.looked = Some(ago(minutes)));

    assert_eq!(looked(9).step(), None);
    assert_eq!(looked(10).step(), ask(Ask::Look("g3".into())));
}

#[test]
fn one_that_is_gone_is_the_source_no_longer_and_nothing_is_uploaded_in_its_place() {
    let used = |look| Scene::of_golden().with(golden(3, ImageState::Usable), Some(look));
    for look in [Look::Missing, Look::Stranger, is(2)] {
        assert_eq!(used(look.clone()).step(), write(Record::Lost("g3".into())));
        assert_eq!(Scene::of_golden().found("g3", look).step(), write(Record::Lost("g3".into())));
    }
    let lost = Scene::of_golden().but(|scene| scene.versions[0].image = None);
    assert_eq!((lost.step(), lost.reasons()), (None, vec![Reason::LookingAtSource]));
}

#[test]
fn one_that_is_deactivated_is_not_current_and_is_waited_for() {
    let before = Scene::of_golden().with(golden(2, ImageState::Usable), Some(is(2)));
    let scene = before.clone().with(golden(3, ImageState::Usable), Some(seen_as("deactivated", 3)));
    assert_eq!((scene.step(), scene.reasons()), (None, vec![Reason::ImageDeactivated]));
    assert_eq!(scene.current(), Some("g2".into()));

    let never = before.found("g3", seen_as("deactivated", 3));
    assert_eq!((never.step(), never.reasons()[0]), (None, Reason::ImageDeactivated));
}

#[test]
fn the_ones_before_are_known_as_long_as_they_are_kept_and_are_never_deleted() {
    let two = Scene::of_golden()
        .with(golden(3, ImageState::Usable), Some(is(3)))
        .with(golden(2, ImageState::Usable), Some(is(2)));
    assert_eq!(two.step(), None);
    let three = two.clone().with(golden(1, ImageState::Usable), Some(is(1)));
    assert_eq!(three.step(), write(Record::Forget("g1".into())));

    let rejected = two.clone().but(|scene| scene.spec.reject = vec![digest(3)]);
    assert_eq!(
        (rejected.current(), rejected.step()),
        (Some("g2".into()), write(Record::Forget("g3".into())))
    );
    let gone = two.known("g2", |known| known.look = Some(Look::Missing));
    assert_eq!(gone.step(), write(Record::Forget("g2".into())), "it is not the source any longer");
}

#[test]
fn the_same_bytes_in_another_image_are_the_same_version() {
    let old = ImageRecord { id: "old".into(), ..golden(3, ImageState::Usable) };
    let moved = Scene::of_golden().with(old.clone(), Some(is(3))).found("g3", is(3));
    assert_eq!((moved.current(), moved.step()), (Some("old".into()), write(Record::Source("g3".into()))));

    let both = Scene::of_golden().with(old, Some(is(3))).with(golden(3, ImageState::Usable), Some(is(3)));
    assert_eq!((both.current(), both.step()), (Some("g3".into()), write(Record::Forget("old".into()))));
}

#[test]
fn an_edit_that_describes_copies_in_another_way_changes_nothing_of_it() {
    let edited = Scene::of_golden().with(golden(3, ImageState::Usable), Some(is(3))).but(|scene| {
        scene.wanted = Some(Wanted { digest: digest(3), described: "e".into() });
        let version = Version { described: "e".into(), ..scene.versions[0].clone() };
        scene.versions.insert(0, version);
    });

    assert_eq!((edited.current(), edited.step()), (Some("g3".into()), write(Record::Source("g3".into()))));
}

#[test]
fn where_it_is_the_source_a_copy_is_out_of_use_once_it_is_not_kept() {
    let copy = record("copy", 3, ImageState::Usable);
    let both = Scene::of_golden()
        .but(|scene| scene.held = true)
        .but(|scene| (scene.memory.listed, scene.memory.listed_hidden) = (Some(NOW), Some(NOW)))
        .but(|scene| scene.spec.keep = 1)
        .with(golden(3, ImageState::Usable), Some(is(3)))
        .with(copy, Some(active(3)));

    assert_eq!((both.current(), both.step()), (Some("g3".into()), write(Record::Retire("copy".into()))));
}

#[test]
fn where_it_is_tested_the_finalizer_comes_before_the_node() {
    let tested = Scene::of_golden().with(golden(3, ImageState::Testing), Some(is(3))).but(|scene| {
        scene.spec.clouds[0].canary = Some("small".into());
    });
    let Some(Step::Record(Record::Test(id, Some(node)))) = tested.step() else {
        panic!("{:?}", tested.step())
    };
    assert_eq!(id, "g3");

    let missing = tested.but(|scene| scene.here.images[0].canary = Some(node)).known("g3", |known| {
        known.canary.look = Some(crate::image::state::Canary::Missing);
        known.canary.looked = Some(NOW);
    });
    assert_eq!(missing.step(), Some(Step::AddFinalizer));
}

#[test]
fn where_nothing_was_made_it_is_forgotten_though_the_cloud_is_away() {
    let away = Trouble::new(Reason::CloudNotFound, "no such cloud");
    let leaving = Scene::of_golden().with(golden(3, ImageState::Usable), Some(is(3))).but(|scene| {
        scene.asked = false;
        scene.standing = Standing::Away(away);
        scene.here.project_id = Some("p".into());
    });
    assert_eq!(leaving.step(), write(Record::Forget("g3".into())));

    let empty = leaving.but(|scene| scene.here.images.clear());
    assert_eq!(empty.step(), Some(Step::RemoveFinalizer));
}

#[test]
fn whatever_state_it_is_in_it_is_never_made_sent_retired_or_deleted() {
    let looks = [
        None,
        Some(is(3)),
        Some(is(1)),
        Some(seen_as("queued", 3)),
        Some(Look::Missing),
        Some(Look::Stranger),
    ];
    let states = [
        ImageState::Uploading,
        ImageState::Testing,
        ImageState::Usable,
        ImageState::Failed,
        ImageState::Retired,
    ];
    for (look, state, at) in every(looks, states) {
        let (held, asked, tested) = (at % 2 == 0, at % 4 < 2, at % 8 < 4);
        let canary = CanaryRecord { namespace: "canaries".into(), name: "canary-1".into(), generation: 1 };
        let record = ImageRecord { canary: Some(canary).filter(|_| tested), ..golden(1 + at / 8, state) };
        let scene = Scene::of_golden().with(record, look.clone()).but(|scene| {
            (scene.held, scene.asked) = (held, asked);
            (scene.memory.listed, scene.memory.listed_hidden) = (Some(NOW), Some(NOW));
            scene.memory.uses = Some(Uses { at: Some(NOW), by: std::collections::BTreeMap::new() });
        });
        let step = scene.step();
        let harms = matches!(
            &step,
            Some(
                Step::Ask(Ask::Create(_) | Ask::Upload(_) | Ask::Delete(_) | Ask::Burn(_))
                    | Step::Record(Record::Retire(_) | Record::Begin | Record::Renew(_))
            )
        );
        assert!(!harms, "{look:?} {state:?} held {held} asked {asked} tested {tested}: {step:?}");
    }
}

/// Each look with each state, and with each of 24 ways to be in or out of use.
fn every(
    looks: [Option<Look>; 6],
    states: [ImageState; 5],
) -> impl Iterator<Item = (Option<Look>, ImageState, u8)> {
    looks.into_iter().flat_map(move |look| {
        states.into_iter().flat_map(move |state| {
            let look = look.clone();
            (0..24).map(move |at| (look.clone(), state, at))
        })
    })
}

#[test]
fn it_takes_no_room_of_what_is_ours() {
    let rest = |id: &str| ImageRecord { since: Some(Time(ago(1))), ..record(id, 1, ImageState::Retired) };
    let scene =
        Scene::new().but(|scene| scene.spec.keep = 1).with(golden(2, ImageState::Usable), Some(is(2)));
    let full = scene.with(rest("a"), Some(active(1))).with(rest("b"), Some(active(1)));

    assert_eq!(full.step(), write(Record::Begin));
}
