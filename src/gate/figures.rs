//! What a cloud says of its quotas, and how long that is believed.
//!
//! Between two readings the figures are carried on: what is not our nodes' is taken to stay, what is our nodes' is
//! known. So a node that goes frees its share at once, and one that has just been let in counts before it is made.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::amounts::{Amounts, Quantity};
use super::queue::{Bound, By};
use super::{Stage, Use};
use crate::api::Kind;

/// Figures older than this let nobody in, unless they show plenty.
pub const FIGURES_LAST: Duration = Duration::from_secs(10);

/// Figures that leave half of each quota free let nodes in for this long: others hardly take so much meanwhile. If they do, the
/// cloud refuses.
const PLENTY_LASTS: Duration = Duration::from_mins(1);

/// A service that did not tell its quotas is not asked again sooner.
const UNREADABLE_FOR: Duration = Duration::from_mins(1);

/// What a cloud says of one of its quotas.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// What is counted.
    pub of: Quantity,
    /// In use.
    pub used: i64,
    /// The limit; `None` is none.
    pub limit: Option<i64>,
}

/// What our nodes in one cloud have there, by UID.
#[derive(Clone, Debug, Default)]
pub struct Count {
    shares: HashMap<String, Share>,
    sum: Amounts,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    made: Amounts,
    going: bool,
}

impl Count {
    pub(super) fn of<'a>(uses: impl Iterator<Item = (&'a String, &'a Use)>) -> Self {
        let share = |used: &Use| Share { made: used.made, going: used.stage == Stage::Ending };
        let shares: HashMap<String, Share> = uses.map(|(uid, used)| (uid.clone(), share(used))).collect();
        let sum = shares.values().fold(Amounts::default(), |sum, share| sum.plus(&share.made));
        Self { shares, sum }
    }
}

/// The figures of one service.
#[derive(Debug)]
pub(super) struct Figures {
    answered: Instant,
    /// `None` if the service did not tell.
    quotas: Option<Vec<Quota>>,
    /// What our nodes had when the service was asked: the rest of what is used is others'.
    ours: Count,
    /// Whether they count what was deleted since is not known.
    unsure: bool,
    /// The cloud refused a create in spite of them.
    refuted: bool,
}

impl Figures {
    pub(super) fn new(answered: Instant, ours: Count, quotas: Option<Vec<Quota>>) -> Self {
        Self { answered, quotas, ours, unsure: false, refuted: false }
    }

    pub(super) fn is_old(&self, now: Instant, patience: Duration) -> bool {
        let patience = if self.quotas.is_some() { patience } else { UNREADABLE_FOR };
        self.unsure || self.refuted || now >= self.answered + patience
    }

    /// Whether they let a node in although they are old: these bounds are theirs, and this it needs.
    pub(super) fn shows_plenty<'a>(
        &self,
        mut bounds: impl Iterator<Item = &'a Bound>,
        need: &Amounts,
        now: Instant,
    ) -> bool {
        let young = self.quotas.is_some() && !self.refuted && now < self.answered + PLENTY_LASTS;
        young && bounds.all(|bound| 2 * (bound.used + need.of(bound.of)) <= bound.limit)
    }

    pub(super) fn refute(&mut self) {
        self.refuted = true;
    }

    /// A node has less than before. Unless all of that stood still when the figures were read, nobody knows whether
    /// they still counted it.
    pub(super) fn shrinks(&mut self, uid: &str, kind: Kind, before: &Amounts) {
        let share = self.ours.shares.get(uid);
        self.unsure |= share.is_none_or(|share| share.going || share.made.only(kind) != before.only(kind));
    }

    /// The quotas as they are now, with what our nodes have or are about to have.
    pub(super) fn bounds<'a>(&'a self, ours: &'a Amounts) -> impl Iterator<Item = Bound> + 'a {
        self.quotas.iter().flatten().filter_map(|quota| {
            let foreign = (quota.used - self.ours.sum.of(quota.of)).max(0);
            let used = foreign + ours.of(quota.of);
            Some(Bound { by: By::Quota, of: quota.of, used, foreign, limit: quota.limit? })
        })
    }
}
