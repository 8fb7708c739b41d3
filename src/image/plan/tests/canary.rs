//! The test of an image with a TestNode.

use super::*;
use crate::api::common::Os;
use crate::api::machine_image::CanaryRecord;
use crate::image::canary::name;
use crate::image::state::{Canary, CanaryMemory, CanaryNode, Stand, TypeRead};

fn os() -> Os {
    Os { kind: "ubuntu".into(), version: "24.04".into() }
}

fn node() -> CanaryRecord {
    CanaryRecord { namespace: "canaries".into(), name: name("ubuntu", "lab", "i3"), generation: 1 }
}

fn testing(state: ImageState) -> ImageRecord {
    ImageRecord { canary: Some(node()), ..record("i3", 3, state) }
}

fn there(stand: Stand) -> Canary {
    Canary::There(CanaryNode { uid: "n-1".into(), machine_type: "small".into(), going: false, stand })
}

fn going() -> Canary {
    let Canary::There(node) = there(Stand::Passed) else { panic!("it is there") };
    Canary::There(CanaryNode { going: true, ..node })
}

fn told(reason: Reason) -> Trouble {
    Trouble::new(reason, "words")
}

impl Scene {
    /// A MachineImage that asks for a test, and a MachineType for it that was read a moment ago.
    fn tested() -> Self {
        Self::new().but(|scene| {
            scene.spec.clouds[0].canary = Some("small".into());
            scene.memory.machine_type = Some(TypeRead { name: "small".into(), at: NOW, os: Ok(os()) });
        })
    }

    /// The same with an image that is all there, and in this state.
    fn in_state(state: ImageState) -> Self {
        Self::tested().with(testing(state), Some(active(3)))
    }

    /// What was read of the TestNode a moment ago.
    fn look(self, look: Canary) -> Self {
        self.known("i3", |known| {
            known.canary =
                CanaryMemory { look: Some(look), looked: Some(NOW), settles: Some(ago(1)), trouble: None };
        })
    }
}

#[test]
fn an_image_that_is_all_there_is_tested_before_it_is_used() {
    let sent = Sent { sha512: "hash-3".into(), size: 100, virtual_size: None };
    let all = Scene::tested().with(uploading(), Some(active(3)));
    let all = all.known("i3", |known| known.ended = Some(Ok(sent)));

    assert_eq!(all.step(), write(Record::Test("i3".into(), Some(node()))));
    let without = all.but(|scene| scene.spec.clouds[0].canary = None);
    assert_eq!(without.step(), write(Record::Usable("i3".into())), "no test is asked for");
}

#[test]
fn an_image_that_is_tested_is_not_current() {
    let scene = Scene::in_state(ImageState::Testing).look(there(Stand::Comes(told(Reason::Testing))));
    let scene = scene.with(record("i2", 2, ImageState::Usable), Some(active(2)));

    assert_eq!(scene.current(), Some("i2".into()));
    assert_eq!((scene.step(), scene.reasons()), (None, vec![Reason::Testing]));
}

#[test]
fn a_test_is_looked_for_then_its_machine_type_is_read_and_then_it_is_made() {
    let scene = Scene::in_state(ImageState::Testing);
    assert_eq!(scene.step(), ask(Ask::FindCanary("i3".into())));

    let missing = scene.look(Canary::Missing);
    assert_eq!(missing.step(), ask(Ask::MakeCanary("i3".into())));
    let unread = missing.clone().but(|scene| scene.memory.machine_type = None);
    assert_eq!(unread.step(), ask(Ask::ReadType("small".into())));
    let other = missing.clone().but(|scene| scene.spec.clouds[0].canary = Some("large".into()));
    assert_eq!(other.step(), ask(Ask::ReadType("large".into())));
    let drained = missing.clone().but(|scene| scene.standing = Standing::Drained);
    assert_eq!((drained.step(), drained.reasons()), (None, vec![Reason::Draining]));

    let old = missing.known("i3", |known| known.canary.looked = Some(ago(1)));
    assert_eq!(old.step(), ask(Ask::FindCanary("i3".into())), "an old look says nothing");
}

#[test]
fn a_machine_type_that_cannot_serve_is_told_and_nothing_is_made() {
    let unfit = Scene::in_state(ImageState::Testing).look(Canary::Missing).but(|scene| {
        let os = Err(told(Reason::CanaryFailed));
        scene.memory.machine_type = Some(TypeRead { name: "small".into(), at: NOW, os });
    });

    assert_eq!((unfit.step(), unfit.reasons()), (None, vec![Reason::CanaryFailed]));
}

#[test]
fn without_a_namespace_for_tests_none_is_made_and_that_is_told() {
    let nowhere = Scene::tested().but(|scene| scene.canaries = None);
    let all = nowhere.clone().with(record("i3", 3, ImageState::Uploading), Some(active(3)));
    assert_eq!(all.step(), write(Record::Test("i3".into(), None)));

    let tested = nowhere.with(record("i3", 3, ImageState::Testing), Some(active(3)));
    assert_eq!((tested.step(), tested.reasons()), (None, vec![Reason::CanaryFailed]));
    let given = tested.but(|scene| scene.canaries = Some("canaries"));
    assert_eq!(given.step(), write(Record::Test("i3".into(), Some(node()))));
}

#[test]
fn a_node_that_became_ready_makes_its_image_usable_and_is_deleted_then() {
    let passed = Scene::in_state(ImageState::Testing).look(there(Stand::Passed));
    assert_eq!(passed.step(), write(Record::Usable("i3".into())));

    let usable = Scene::in_state(ImageState::Usable);
    assert_eq!(usable.current(), Some("i3".into()));
    assert_eq!(usable.step(), ask(Ask::FindCanary("i3".into())));
    assert_eq!(usable.clone().look(there(Stand::Passed)).step(), ask(Ask::DropCanary("i3".into())));
    assert_eq!(usable.clone().look(going()).step(), None);
    assert_eq!(usable.look(Canary::Missing).step(), write(Record::CanaryGone("i3".into())));
}

#[test]
fn a_node_is_forgotten_once_no_request_can_make_it_any_longer() {
    let late = |settles, looked| {
        Scene::in_state(ImageState::Usable).look(Canary::Missing).known("i3", |known| {
            known.canary.settles = Some(ago(settles));
            known.canary.looked = Some(ago(looked));
        })
    };

    assert_eq!(late(-1, 0).step(), None, "it may still be made");
    assert_eq!(late(1, 2).step(), ask(Ask::FindCanary("i3".into())), "that look was too early");
    assert_eq!(late(1, 0).step(), write(Record::CanaryGone("i3".into())));
}

#[test]
fn what_failed_its_test_is_kept_and_the_version_before_stays_current() {
    let failed = Scene::in_state(ImageState::Testing).look(there(Stand::Failed(told(Reason::CanaryFailed))));
    let Some(Step::Record(Record::TestFailed(id, why, 1))) = failed.step() else {
        panic!("{:?}", failed.step())
    };
    assert!(id == "i3" && why.message.contains("refreshRequest"), "{}", why.message);

    let told = ImageRecord { reason: Some("CanaryFailed".into()), ..testing(ImageState::Failed) };
    let told = Scene::tested().with(told, Some(active(3)));
    let told = told.with(record("i2", 2, ImageState::Usable), Some(active(2)));
    assert_eq!((told.step(), told.reasons()), (None, vec![Reason::CanaryFailed]));
    assert_eq!(told.current(), Some("i2".into()));
    // Of a version that is not wanted any longer nothing is kept: its node is deleted, and then its image.
    let newer = told.but(|scene| scene.wanted = Some(Wanted { digest: digest(2), described: "d".into() }));
    assert_eq!(newer.step(), write(Record::Retire("i3".into())));
}

#[test]
fn after_an_edit_what_failed_is_tested_again_with_a_new_node() {
    let failed = ImageRecord { reason: Some("CanaryFailed".into()), ..testing(ImageState::Failed) };
    let edited = Scene::tested().with(failed.clone(), Some(active(3))).but(|scene| scene.generation = 2);

    assert_eq!(edited.clone().look(there(Stand::Passed)).step(), ask(Ask::DropCanary("i3".into())));
    assert_eq!(edited.look(Canary::Missing).step(), write(Record::CanaryGone("i3".into())));
    let gone = ImageRecord { canary: None, ..failed };
    let gone = Scene::tested().with(gone, Some(active(3)));
    assert_eq!(gone.step(), write(Record::Test("i3".into(), Some(node()))));
    let unasked = gone.but(|scene| scene.spec.clouds[0].canary = None);
    assert_eq!(unasked.step(), write(Record::Usable("i3".into())), "no test is asked for any longer");
}

#[test]
fn what_is_not_the_images_fault_is_waited_for_and_what_is_refused_is_told_after_a_moment() {
    let says = |stand| Scene::in_state(ImageState::Testing).look(there(stand));

    let full = says(Stand::Comes(told(Reason::CanaryWaiting)));
    assert_eq!((full.step(), full.reasons()), (None, vec![Reason::CanaryWaiting]));
    let refused = |minutes| says(Stand::Refused(told(Reason::CanaryFailed), ago(minutes)));
    assert_eq!((refused(1).step(), refused(1).reasons()), (None, vec![Reason::CanaryFailed]));
    assert_eq!(refused(0).reasons(), vec![Reason::Testing], "the operator may not know of the image yet");
    let stranger = Scene::in_state(ImageState::Testing).look(Canary::Stranger);
    assert_eq!((stranger.step(), stranger.reasons()), (None, vec![Reason::CanaryFailed]));
}

#[test]
fn a_node_of_another_machine_type_is_deleted_and_made_anew() {
    let other = Scene::in_state(ImageState::Testing).look(there(Stand::Passed));
    let other = other.but(|scene| scene.spec.clouds[0].canary = Some("large".into()));

    assert_eq!(other.step(), ask(Ask::DropCanary("i3".into())));
}

#[test]
fn an_image_that_is_deactivated_is_not_judged() {
    let scene = Scene::tested().with(testing(ImageState::Testing), Some(status("deactivated")));
    let scene = scene.look(there(Stand::Failed(told(Reason::CanaryFailed))));

    assert_eq!((scene.step(), scene.reasons()), (None, vec![Reason::ImageDeactivated]));
}

#[test]
fn no_test_is_left_behind_by_what_is_rejected_taken_out_or_deleted() {
    let ends: [fn(&mut Scene); 3] = [
        |scene| scene.spec.reject = vec![digest(3)],
        |scene| scene.asked = false,
        |scene| scene.wanted = Some(Wanted { digest: digest(2), described: "d".into() }),
    ];
    for alter in ends {
        let old = record("i2", 2, ImageState::Usable);
        let scene = Scene::in_state(ImageState::Testing).with(old, Some(active(2))).but(alter);
        let scene = scene.but(|scene| scene.here.images.retain(|record| record.id == "i3" || scene.asked));
        assert_eq!(scene.step(), write(Record::Retire("i3".into())));

        let scene = scene.but(|scene| scene.here.images[0].state = ImageState::Retired);
        let scene = scene.but(|scene| scene.memory.uses = Some(Uses { at: Some(NOW), ..Uses::default() }));
        assert_eq!(scene.clone().look(there(Stand::Passed)).step(), ask(Ask::DropCanary("i3".into())));
        assert_eq!(scene.clone().look(going()).step(), None, "its image waits for it");
        assert_eq!(scene.look(Canary::Missing).step(), write(Record::CanaryGone("i3".into())));
    }
}

#[test]
fn a_node_in_a_namespace_that_is_no_longer_given_holds_up_nothing() {
    let moved = Scene::in_state(ImageState::Retired).but(|scene| {
        scene.canaries = None;
        scene.spec.reject = vec![digest(3)];
    });

    assert_eq!(moved.step(), write(Record::CanaryGone("i3".into())));
}

#[test]
fn a_request_that_failed_is_sent_again_later_and_holds_up_nothing_else() {
    let failed = Scene::in_state(ImageState::Testing).known("i3", |known| {
        known.canary.trouble = Some((told(Reason::CanaryFailed), ago(-1)));
    });
    let failed = failed.with(record("i1", 1, ImageState::Failed), Some(active(1)));

    assert_eq!(failed.step(), ask(Ask::Delete("i1".into())));
    assert_eq!(failed.reasons(), vec![Reason::CanaryFailed]);
}

#[test]
fn what_was_lost_from_the_status_is_adopted_with_its_test() {
    let lost = Scene::tested().but(|scene| {
        scene.memory.found.insert("i3".into(), Picture { status: "active".into(), ..Picture::default() });
    });

    assert_eq!(lost.step(), write(Record::Adopt("i3".into(), Some(node()))));
    let untested = lost.but(|scene| scene.spec.clouds[0].canary = None);
    assert_eq!(untested.step(), write(Record::Adopt("i3".into(), None)));
    let again = Scene::in_state(ImageState::Retired);
    assert_eq!(again.step(), write(Record::Test("i3".into(), Some(node()))), "its bytes are right");
}
