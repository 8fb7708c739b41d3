//! Whose turn it is where there is too little room. Pure.
//!
//! The rule: **namespaces in turn, and in each the oldest first. A node that does not fit may be passed by those behind it
//! for [`PASSED_FOR`]; from then on what it needs is kept for it.** So a small one uses what a big one cannot, and a big one waits no longer than the
//! nodes that were there when its time came. Nothing is kept for a node that would not fit even if all of our nodes
//! went: that would help nobody.

use std::time::Duration;

use super::amounts::{Amounts, Quantity};

#[cfg(test)]
mod tests;

/// So long a node that waits may be passed by younger ones that fit.
pub const PASSED_FOR: Duration = Duration::from_mins(5);

/// Something of which a cloud has only so much.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bound {
    /// Who set it.
    pub by: By,
    /// What is counted.
    pub of: Quantity,
    /// In use.
    pub used: i64,
    /// The part of it that is not our nodes'.
    pub foreign: i64,
    /// No more than this.
    pub limit: i64,
}

/// Who bounds something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// A field of the Cloud's `limits`.
    Limits(&'static str),
    /// The cloud's own quota.
    Quota,
    /// How many nodes are made at once: that passes by itself.
    Pace,
}

/// What a node waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish<'a> {
    /// `namespace/name`.
    pub node: &'a str,
    /// What it needs.
    pub need: Amounts,
    /// How long it has waited.
    pub waited: Duration,
}

/// Whether a node may take what it needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Turn {
    /// It may.
    Now,
    /// There is too little of these.
    Short(Vec<Bound>),
    /// There would be enough, but for older nodes that take these now.
    Behind(Vec<Bound>),
    /// What there is is kept for this node.
    Kept(String),
}

/// Decides, with the wishes of the nodes that come before, in their order.
#[must_use]
pub fn turn(need: &Amounts, before: &[Wish<'_>], bounds: &[Bound]) -> Turn {
    let (mut ahead, mut kept) = (Amounts::default(), Vec::new());
    for wish in before {
        if may(&wish.need, &ahead, &kept, bounds) == Turn::Now {
            ahead = ahead.plus(&wish.need);
        } else if wish.waited >= PASSED_FOR && bounds.iter().all(|bound| bound.could_hold(&wish.need)) {
            kept.push(wish);
        }
    }
    may(need, &ahead, &kept, bounds)
}

fn may(need: &Amounts, ahead: &Amounts, kept: &[&Wish<'_>], bounds: &[Bound]) -> Turn {
    let lacking = |with: &Amounts| -> Vec<Bound> {
        bounds.iter().filter(|bound| !bound.holds(need, with)).cloned().collect()
    };
    let short = lacking(&Amounts::default());
    if !short.is_empty() {
        return Turn::Short(short);
    }
    let behind = lacking(ahead);
    if !behind.is_empty() {
        return Turn::Behind(behind);
    }
    let first = kept.iter().find(|wish| bounds.iter().any(|bound| !bound.spares(need, &wish.need)));
    first.map_or(Turn::Now, |wish| Turn::Kept(wish.node.to_owned()))
}

impl Bound {
    /// It holds this beside what is used, and beside what goes before it.
    fn holds(&self, need: &Amounts, ahead: &Amounts) -> bool {
        let need = need.of(self.of);
        need == 0 || self.used + ahead.of(self.of) + need <= self.limit
    }

    /// It would hold this if all our nodes went.
    fn could_hold(&self, need: &Amounts) -> bool {
        let need = need.of(self.of);
        need == 0 || self.by == By::Pace || self.foreign + need <= self.limit
    }

    /// It holds this and still what is kept, or one of the two needs nothing of it.
    fn spares(&self, need: &Amounts, kept: &Amounts) -> bool {
        self.by == By::Pace || kept.of(self.of) == 0 || self.holds(need, kept)
    }

    /// For people: what is needed, what is used, and of how much.
    #[must_use]
    pub fn tell(&self, need: &Amounts) -> String {
        let figures =
            format!("{} needed, {} of {} in use", self.of.tell(need.of(self.of)), self.used, self.limit);
        match self.by {
            By::Limits(field) => format!("{figures} (the Cloud's {field})"),
            By::Quota | By::Pace => figures,
        }
    }
}

/// Several bounds, for people.
#[must_use]
pub fn tell(bounds: &[Bound], need: &Amounts) -> String {
    bounds.iter().map(|bound| bound.tell(need)).collect::<Vec<_>>().join("; ")
}
