//! The test of an image with a TestNode, where the MachineImage asks for one.

use jiff::SignedDuration;

use super::adopt::is_gone;
use super::complete::complete;
use super::upload::drained;
use super::{Ask, Move, Record, Step, Waiting};
use crate::api::machine_image::{ImageRecord, ImageState};
use crate::image::state::{Canary, CanaryMemory, CanaryNode, Seen, Stand, Standing, Trouble, after};
use crate::reason::Reason;

/// A TestNode is read again after this, if nobody tells of a change before.
const LOOK: SignedDuration = SignedDuration::from_secs(10);
/// And a MachineType after this.
const TYPE: SignedDuration = SignedDuration::from_secs(30);
/// A node that is refused may only have been quicker than the operator's watch of MachineImages.
const GRACE: SignedDuration = SignedDuration::from_secs(20);
/// What failed is told again after this.
const TOLD: SignedDuration = SignedDuration::from_mins(10);

/// An image that is to be tested gets its TestNode, and what came of that is written down. The TestNode of any other is deleted.
pub(super) fn canary(seen: &Seen<'_>) -> Vec<Move> {
    seen.here.images.iter().filter_map(|record| one(seen, record)).collect()
}

fn one(seen: &Seen<'_>, record: &ImageRecord) -> Option<Move> {
    let wanted = seen.is_wanted(record) && !is_gone(seen, record);
    match record.state {
        ImageState::Testing if wanted => test(seen, record),
        ImageState::Failed if wanted && record.failed_its_test() => failed(seen, record),
        ImageState::Uploading
        | ImageState::Testing
        | ImageState::Usable
        | ImageState::Failed
        | ImageState::Retired => drop_node(seen, record),
    }
}

fn test(seen: &Seen<'_>, record: &ImageRecord) -> Option<Move> {
    let id = &record.id;
    if seen.status(id) != Some("active") {
        // No machine can be made of it now, and that says nothing of its bytes.
        return None;
    }
    let write = |record| Some(Move::Do(Step::Record(record)));
    let ask = |ask| Some(Move::Do(Step::Ask(ask)));
    let Some(kind) = seen.tested_with() else { return write(Record::Usable(id.clone())) };
    let Some(namespace) = seen.canaries else { return Some(nowhere()) };
    let Some(node) = record.canary.as_ref().filter(|node| node.namespace == namespace) else {
        return write(complete(seen, id));
    };
    let known = seen.known(id).canary;
    if let Some(waiting) = trouble(seen, &known) {
        return Some(waiting);
    }
    let (Some(look), Some(again)) = (&known.look, fresh(seen, &known)) else {
        return ask(Ask::FindCanary(id.clone()));
    };
    let wait = |trouble| Some(Move::Wait(Waiting::until(trouble, again)));
    let told = |reason, what: &str| {
        wait(Trouble::new(
            reason,
            format!("TestNode {}/{} tests image {id}: {what}", node.namespace, node.name),
        ))
    };
    match look {
        Canary::Missing => Some(make(seen, id, kind)),
        Canary::Stranger => wait(Trouble::new(
            Reason::CanaryFailed,
            format!(
                "TestNode {}/{} has the name of the test of image {id}, and asks for something else; delete it",
                node.namespace, node.name
            ),
        )),
        Canary::There(CanaryNode { going: true, .. }) => {
            told(Reason::Testing, "it is being deleted, and is made again")
        }
        Canary::There(there) if there.machine_type != kind => ask(Ask::DropCanary(id.clone())),
        Canary::There(there) => match &there.stand {
            Stand::Passed => write(Record::Usable(id.clone())),
            Stand::Failed(why) => {
                let message = format!(
                    "image {id} failed its test: {}; look at TestNode {}/{}, which stays until it expires. To test it again, set \
                     another spec.refreshRequest; or publish another version",
                    why.message, node.namespace, node.name
                );
                let trouble = Trouble::new(Reason::CanaryFailed, message);
                write(Record::TestFailed(id.clone(), trouble, seen.generation))
            }
            Stand::Refused(why, since) if after(*since, GRACE) <= seen.now => told(why.reason, &why.message),
            Stand::Refused(why, _) => told(Reason::Testing, &why.message),
            Stand::Comes(why) => told(why.reason, &why.message),
        },
    }
}

/// There is no namespace for tests.
fn nowhere() -> Move {
    let why = "clouds[].canary asks for a test with a TestNode, and there is no namespace for it: set the chart's \
               images.canaryNamespace (--canary-namespace), or leave canary out";
    Move::Wait(Waiting::new(Reason::CanaryFailed, why))
}

/// A request about a TestNode failed a moment ago.
fn trouble(seen: &Seen<'_>, known: &CanaryMemory) -> Option<Move> {
    let (why, until) = known.trouble.as_ref().filter(|(_, until)| *until > seen.now)?;
    Some(Move::Wait(Waiting::until(why.clone(), *until)))
}

/// Until when the last look counts, if it still does.
fn fresh(seen: &Seen<'_>, known: &CanaryMemory) -> Option<jiff::Timestamp> {
    known.looked.map(|looked| after(looked, LOOK)).filter(|again| *again > seen.now)
}

/// There is no TestNode yet. What it is to be is in its MachineType.
fn make(seen: &Seen<'_>, id: &str, kind: &str) -> Move {
    if seen.standing == Standing::Drained {
        return drained();
    }
    if !seen.held {
        // In the cloud of the source nothing may have been made yet.
        return Move::Do(Step::AddFinalizer);
    }
    let read = seen.memory.machine_type.as_ref();
    let read = read.filter(|read| read.name == kind && after(read.at, TYPE) > seen.now);
    match read.map(|read| (&read.os, read.at)) {
        None => Move::Do(Step::Ask(Ask::ReadType(kind.to_owned()))),
        Some((Ok(_), _)) => Move::Do(Step::Ask(Ask::MakeCanary(id.to_owned()))),
        Some((Err(why), at)) => Move::Wait(Waiting::until(why.clone(), after(at, TYPE))),
    }
}

/// The test failed. The image is kept as it is, and is tested again once somebody edited the MachineImage.
fn failed(seen: &Seen<'_>, record: &ImageRecord) -> Option<Move> {
    let tested = record.canary.as_ref();
    if tested.is_some_and(|node| node.generation == seen.generation) {
        let why = Trouble::new(Reason::CanaryFailed, record.message.clone().unwrap_or_default());
        return Some(Move::Wait(Waiting::until(why, seen.later(TOLD))));
    }
    if tested.is_some() {
        // It is tested with a new node.
        return drop_node(seen, record);
    }
    if seen.status(&record.id) != Some("active") {
        return None;
    }
    Some(Move::Do(Step::Record(complete(seen, &record.id))))
}

/// The TestNode of an image that is not being tested is deleted, and forgotten once it is gone and cannot be made any longer.
fn drop_node(seen: &Seen<'_>, record: &ImageRecord) -> Option<Move> {
    let node = record.canary.as_ref()?;
    let id = &record.id;
    let ask = |ask| Some(Move::Do(Step::Ask(ask)));
    let forget = || Some(Move::Do(Step::Record(Record::CanaryGone(id.clone()))));
    if seen.canaries != Some(node.namespace.as_str()) {
        // Nothing can be asked for there any longer. It expires by itself, and until then the image is in use.
        return forget();
    }
    let known = seen.known(id).canary;
    if let Some(waiting) = trouble(seen, &known) {
        return Some(waiting);
    }
    let (Some(look), Some(looked), Some(settles)) = (&known.look, known.looked, known.settles) else {
        return ask(Ask::FindCanary(id.clone()));
    };
    let wait = |what: &str, until| {
        let why = format!("TestNode {}/{}, which tested image {id}, {what}", node.namespace, node.name);
        Some(Move::Wait(Waiting::until(Trouble::new(Reason::Retiring, why), until)))
    };
    match look {
        Canary::Missing | Canary::Stranger if looked >= settles => forget(),
        Canary::Missing | Canary::Stranger if settles > seen.now => {
            wait("may still be made by a request that was never answered", settles)
        }
        Canary::Missing | Canary::Stranger => ask(Ask::FindCanary(id.clone())),
        Canary::There(there) => match (fresh(seen, &known), there.going) {
            (None, _) => ask(Ask::FindCanary(id.clone())),
            (Some(again), true) => wait("is being deleted", again),
            (Some(_), false) => ask(Ask::DropCanary(id.clone())),
        },
    }
}
