//! How many nodes claims may have together, beside what is Ready.

use std::collections::{BTreeMap, BTreeSet};

use super::{Turn, Wish};
use crate::api::ClaimRef;
use crate::pool::slot::{Slot, State};

/// On what terms a pool hands out nodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// The most nodes.
    pub max: usize,
    /// So many of them are for interactive claims.
    pub reserve: usize,
    /// The most that the claims of one namespace have.
    pub per_namespace: Option<usize>,
    /// The claims for which people wait, by UID.
    pub interactive: BTreeSet<String>,
}

/// What claims have, against the terms.
#[derive(Clone)]
pub(super) struct Places<'a> {
    terms: &'a Terms,
    claimed: usize,
    by_namespace: BTreeMap<String, usize>,
    /// The next place that is not reserved is for one that waits already.
    is_closed: bool,
    /// So is the next place of these namespaces.
    closed: BTreeSet<String>,
}

impl<'a> Places<'a> {
    pub(super) fn of(slots: &[Slot], terms: &'a Terms) -> Self {
        let mut places = Self {
            terms,
            claimed: 0,
            by_namespace: BTreeMap::new(),
            is_closed: false,
            closed: BTreeSet::new(),
        };
        let staying = slots.iter().filter(|slot| slot.state != State::Going);
        for claim in staying.filter_map(|slot| slot.claim.as_ref()) {
            places.take(claim, 1);
        }
        places
    }

    pub(super) const fn terms(&self) -> &'a Terms {
        self.terms
    }

    /// A claim is given so many nodes.
    pub(super) fn take(&mut self, claim: &ClaimRef, count: usize) {
        self.claimed += count;
        *self.by_namespace.entry(claim.namespace.clone()).or_default() += count;
    }

    /// Why a claim that has none of its nodes cannot have them, though they were Ready.
    pub(super) fn refuses(&self, wish: &Wish) -> Option<Turn> {
        let namespace = &wish.claim.namespace;
        let has = self.by_namespace.get(namespace).copied().unwrap_or(0);
        if let Some(most) = self.terms.per_namespace
            && (has + wish.count > most || self.closed.contains(namespace))
        {
            return Some(Turn::Limited { has, most });
        }
        let reserve = self.terms.reserve;
        let left = self.terms.max.saturating_sub(self.claimed + wish.count);
        (reserve > 0 && !wish.is_interactive && (left < reserve || self.is_closed))
            .then_some(Turn::Reserved { reserve })
    }

    /// Nobody who is refused for the same goes before this one.
    pub(super) fn close(&mut self, wish: &Wish, turn: &Turn) {
        match turn {
            Turn::Reserved { .. } => self.is_closed = true,
            Turn::Limited { .. } => drop(self.closed.insert(wish.claim.namespace.clone())),
            Turn::Now(_) | Turn::Waits { .. } | Turn::NotFree(_) => {}
        }
    }
}
