//! Who is before whom.

use std::collections::BTreeMap;

use super::places::Terms;
use super::{Wish, held_by};
use crate::api::ClaimRef;
use crate::pool::slot::{Slot, State};

/// All wishes, the first first.
pub(super) fn order<'w>(slots: &[Slot], wishes: &[&'w Wish], terms: &Terms) -> Vec<&'w Wish> {
    let held = |fits: &dyn Fn(&Slot, &ClaimRef) -> bool| {
        let fits = |slot: &&Slot| {
            slot.state != State::Going && slot.claim.as_ref().is_some_and(|claim| fits(slot, claim))
        };
        slots.iter().filter(fits).count()
    };
    let mut oldest = wishes.to_vec();
    oldest.sort_by_key(|wish| (wish.since, &wish.claim));
    let (mut of_namespace, mut of_owner) = (BTreeMap::new(), BTreeMap::new());
    let mut ranked: Vec<_> = oldest
        .into_iter()
        .map(|wish| {
            // What people hold does not count against the jobs of their team.
            let (namespace, people) = (&wish.claim.namespace, wish.is_interactive);
            let alike = |claim: &ClaimRef| {
                claim.namespace == *namespace && terms.interactive.contains(&claim.uid) == people
            };
            let own = held_by(slots, wish).count();
            let both =
                of_namespace.entry((namespace, people)).or_insert_with(|| held(&|_, claim| alike(claim)));
            let one = of_owner
                .entry((namespace, people, &wish.owner))
                .or_insert_with(|| held(&|slot, claim| alike(claim) && slot.owner == wish.owner));
            let before = if own > 0 { (0, 0, 0) } else { (1, *both, *one) };
            *both += wish.count.saturating_sub(own);
            *one += wish.count.saturating_sub(own);
            (before, wish)
        })
        .collect();
    // Stable: the oldest is first among equals.
    ranked.sort_by_key(|(before, _)| *before);
    ranked.into_iter().map(|(_, wish)| wish).collect()
}
