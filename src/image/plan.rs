//! What is to be done for one MachineImage in one cloud: two lists of rules. Pure; begin with [`next`].
//!
//! Every rule looks at what was seen, and says what it would do. The first that has something to do is done; what the others wait
//! for is told.

use jiff::Timestamp;

use super::state::{Seen, Standing, Trouble};
use crate::api::machine_image::CanaryRecord;
use crate::reason::Reason;

mod adopt;
mod canary;
mod clear;
mod complete;
mod release;
mod source;
#[cfg(test)]
mod tests;
mod upload;

/// What is to be done next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Add the finalizer of the cloud, before anything is made there.
    AddFinalizer,
    /// Nothing is left in the cloud: remove its finalizer, and what the status says of it.
    RemoveFinalizer,
    /// Write something into the status.
    Record(Record),
    /// Ask the cloud.
    Ask(Ask),
}

/// What is written into the status of one cloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// An image of the wanted version is about to be made, under a new id.
    Begin,
    /// The image is made under another id from now on: its own cannot be used any longer.
    Renew(String),
    /// Its transfer failed.
    Failed(String, Trouble),
    /// Its transfer is under way: bytes.
    Progress(String, u64),
    /// It has all its bytes, and is tested with this TestNode first. None where there is no namespace for it.
    Test(String, Option<CanaryRecord>),
    /// Its test failed. The spec had this generation then.
    TestFailed(String, Trouble, i64),
    /// Its TestNode is gone.
    CanaryGone(String),
    /// Machines can be made from it.
    Usable(String),
    /// It is out of use.
    Retire(String),
    /// Nothing is left of it.
    Forget(String),
    /// It is there no longer, though nobody here deleted it. If it was the source, that is looked at again.
    Lost(String),
    /// It is the source itself, in its own cloud: it is used as it is.
    Source(String),
    /// A list showed it. It may have been under test, with this TestNode.
    Adopt(String, Option<CanaryRecord>),
}

/// A request to the cloud, or about the TestNode that tests an image.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Ask {
    /// For all images of ours.
    List,
    /// For those that are hidden.
    ListHidden,
    /// For one image.
    Look(String),
    /// To make an image without data.
    Create(String),
    /// To take its data; in a task of its own.
    Upload(String),
    /// To give up the transfer of its data.
    Cancel(String),
    /// To delete it.
    Delete(String),
    /// To make it, so that no earlier request to make it can: its id is then spent.
    Burn(String),
    /// Which machines use images. The API server is asked, too.
    Uses,
    /// For the TestNode that tests an image.
    FindCanary(String),
    /// What the MachineType says that images are tested with.
    ReadType(String),
    /// To make the TestNode that tests an image.
    MakeCanary(String),
    /// To delete it.
    DropCanary(String),
}

/// What is waited for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// Why, in one word, and for people.
    pub why: Trouble,
    /// When to look again, if that is known.
    pub until: Option<Timestamp>,
}

impl Waiting {
    /// For something that is told by itself.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { why: Trouble::new(reason, message), until: None }
    }

    /// Until a time.
    #[must_use]
    pub fn until(why: Trouble, until: Timestamp) -> Self {
        Self { why, until: Some(until) }
    }
}

/// What one rule comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Move {
    /// Something to do.
    Do(Step),
    /// Something to wait for; others may go on.
    Wait(Waiting),
}

/// What all rules come to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// What to do now.
    pub step: Option<Step>,
    /// What is waited for.
    pub waits: Vec<Waiting>,
}

/// A rule: what it would do. All of them are in one of two lists.
type Rule = fn(&Seen<'_>) -> Vec<Move>;

/// The cloud is to have the image.
pub const BRING_UP: &[(&str, Rule)] = &[
    ("listed", adopt::listed),
    ("adopt", adopt::adopt),
    ("lost", adopt::lost),
    ("source", source::source),
    ("retire", clear::retire),
    ("record", upload::record),
    ("again", clear::again),
    ("canary", canary::canary),
    ("clear", clear::clear),
    ("upload", upload::upload),
    ("begin", upload::begin),
];

/// The cloud is to have it no longer.
pub const TEAR_DOWN: &[(&str, Rule)] = &[
    ("listed", adopt::listed),
    ("adopt", adopt::adopt),
    ("source", source::source),
    ("retire", clear::retire),
    ("canary", canary::canary),
    ("clear", clear::clear),
    ("release", release::release),
];

/// What is to be done next for a MachineImage in a cloud.
#[must_use]
pub fn next(seen: &Seen<'_>) -> Plan {
    next_without(seen, None)
}

/// The same without one rule, or one of its guards.
pub(super) fn next_without(seen: &Seen<'_>, without: Option<&str>) -> Plan {
    let mut plan = Plan::default();
    if !seen.asked && !seen.held && seen.here.images.iter().all(|record| record.source) {
        // Nothing was made there, so nothing is asked of the cloud, which may be away.
        plan.step = source::let_go(seen);
        return plan;
    }
    if let Standing::Away(trouble) = &seen.standing {
        plan.waits.push(Waiting { why: trouble.clone(), until: None });
        return plan;
    }
    if let Some((trouble, until)) = seen.memory.pause.as_ref().filter(|(_, until)| *until > seen.now) {
        plan.waits.push(Waiting::until(trouble.clone(), *until));
        return plan;
    }
    if seen.asked && seen.spec.paused {
        plan.waits.push(Waiting::new(
            Reason::Paused,
            "spec.paused is true: nothing is uploaded, and nothing is removed",
        ));
        return plan;
    }
    let rules = if seen.asked { BRING_UP } else { TEAR_DOWN };
    for (_, rule) in rules.iter().filter(|(name, _)| Some(*name) != without) {
        for found in rule(seen) {
            match found {
                Move::Do(step) => {
                    plan.step = Some(step);
                    return plan;
                }
                Move::Wait(waiting) => plan.waits.push(waiting),
            }
        }
    }
    plan
}
