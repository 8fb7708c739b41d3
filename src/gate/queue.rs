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

/// Those who come first, one after the other, and what they leave.
pub(super) struct Walk<'a> {
    bounds: &'a [Bound],
    ahead: Amounts,
    kept: Vec<(String, Amounts)>,
    /// What did not fit. It only gets tighter: whoever needs the same and comes later does not fit either.
    closed: Vec<Amounts>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(bounds: &'a [Bound]) -> Self {
        Self { bounds, ahead: Amounts::default(), kept: Vec::new(), closed: Vec::new() }
    }

    /// The next takes what it needs, if it may; or it is kept for it, if it has waited for long.
    pub(super) fn meets(&mut self, wish: &Wish<'_>) {
        if self.may(&wish.need) == Turn::Now {
            self.ahead = self.ahead.plus(&wish.need);
            return;
        }
        if wish.waited >= PASSED_FOR && self.bounds.iter().all(|bound| bound.could_hold(&wish.need)) {
            self.kept.push((wish.node.to_owned(), wish.need));
        }
        if !self.has_closed(&wish.need) {
            self.closed.push(wish.need);
        }
    }

    /// Whether this did not fit.
    pub(super) fn has_closed(&self, need: &Amounts) -> bool {
        self.closed.contains(need)
    }

    /// Whether a node that needs this may go after those.
    pub(super) fn may(&self, need: &Amounts) -> Turn {
        let lacking = |with: &Amounts| -> Vec<Bound> {
            self.bounds.iter().filter(|bound| !bound.holds(need, with)).cloned().collect()
        };
        let short = lacking(&Amounts::default());
        if !short.is_empty() {
            return Turn::Short(short);
        }
        let behind = lacking(&self.ahead);
        if !behind.is_empty() {
            return Turn::Behind(behind);
        }
        let keeps =
            |(_, kept): &&(String, Amounts)| self.bounds.iter().any(|bound| !bound.spares(need, kept));
        self.kept.iter().find(keeps).map_or(Turn::Now, |(node, _)| Turn::Kept(node.clone()))
    }
}

/// Decides, with the wishes of the nodes that come before, in their order.
#[cfg(test)]
fn turn(need: &Amounts, before: &[Wish<'_>], bounds: &[Bound]) -> Turn {
    let mut walk = Walk::new(bounds);
    for wish in before {
        walk.meets(wish);
    }
    walk.may(need)
}

impl Bound {
    /// It holds this beside what is used, and beside what goes before it.
    pub(super) fn holds(&self, need: &Amounts, ahead: &Amounts) -> bool {
        let need = need.of(self.of);
        need == 0 || self.used + ahead.of(self.of) + need <= self.limit
    }

    /// It would hold this if all our nodes went.
    pub(super) fn could_hold(&self, need: &Amounts) -> bool {
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
