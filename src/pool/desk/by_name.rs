//! A claim that names its nodes gets these and no others, at once or never.

use std::collections::{BTreeMap, BTreeSet};

use super::places::Places;
use super::{Turn, Wish, held_by};
use crate::api::ClaimRef;
use crate::pool::slot::{Slot, State};

/// What it is told. `given` are nodes that others have in their hands, or that are kept for them.
pub(super) fn by_name(
    slots: &[Slot],
    wish: &Wish,
    given: &BTreeMap<String, &ClaimRef>,
    places: &mut Places<'_>,
) -> Turn {
    let own: BTreeSet<&str> = held_by(slots, wish).map(|slot| slot.name.as_str()).collect();
    if own.is_empty() {
        match places.refuses(wish) {
            Some(Turn::Limited { has, most }) => {
                return Turn::NotFree(format!(
                    "claims of namespace {} have {has} nodes of the pool, and may have {most}",
                    wish.claim.namespace
                ));
            }
            Some(_) => {
                return Turn::NotFree("the nodes that are left are kept for interactive claims".into());
            }
            None => {}
        }
    }
    let mut nodes = Vec::new();
    for name in wish.named.iter().filter(|name| !own.contains(name.as_str())) {
        let slot =
            slots.iter().filter(|slot| slot.name == **name).min_by_key(|slot| slot.state == State::Going);
        match slot {
            None => return Turn::NotFree(format!("the pool has no node {name} now")),
            Some(slot) => match obstacle(slot, given) {
                Some(why) => return Turn::NotFree(format!("node {name} {why}")),
                None => nodes.push(slot.uid.clone()),
            },
        }
    }
    places.take(&wish.claim, nodes.len());
    Turn::Now(nodes)
}

/// Why nobody can have this node now.
fn obstacle(slot: &Slot, given: &BTreeMap<String, &ClaimRef>) -> Option<String> {
    if slot.state == State::Going {
        return Some("is being deleted".into());
    }
    if let Some(claim) = &slot.claim {
        let owner = slot.owner.as_ref().map(|owner| format!(" ({owner})")).unwrap_or_default();
        return Some(format!("is claimed by TestNodeClaim {}/{}{owner}", claim.namespace, claim.name));
    }
    if slot.is_paused {
        return Some("is paused: an admin looks at it".into());
    }
    if slot.is_rejected {
        return Some("was made from a version of its MachineImage that is rejected".into());
    }
    if let Some(claim) = given.get(&slot.uid) {
        return Some(format!("is kept for TestNodeClaim {}/{}", claim.namespace, claim.name));
    }
    // Whoever asks for a machine that is marked as down wants to see what is wrong with it.
    let is_there = matches!(slot.state, State::Ready) || (slot.is_down && slot.ready_at.is_some());
    (!is_there).then(|| format!("is not Ready ({})", slot.said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::desk::places::Terms;
    use crate::pool::desk::{awaited, hand_out, lacks};
    use crate::pool::slot::examples::{NOW, claimed, of, slot};

    fn wish(names: &[&str]) -> Wish {
        Wish {
            claim: of("a-1"),
            owner: None,
            since: NOW,
            count: names.len(),
            named: names.iter().map(|name| (*name).to_owned()).collect(),
            is_interactive: false,
            gave_up: Vec::new(),
        }
    }

    fn terms() -> Terms {
        Terms { max: 9, ..Terms::default() }
    }

    fn told(slots: &[Slot], wishes: &[Wish], terms: &Terms) -> Turn {
        let usable = slots.iter().filter(|slot| slot.is(State::Ready));
        hand_out(slots, usable, wishes, terms, NOW).remove(&of("a-1").uid).unwrap()
    }

    fn why(slots: &[Slot], names: &[&str]) -> String {
        let turn = told(slots, &[wish(names)], &terms());
        let Turn::NotFree(why) = turn else { panic!("{turn:?}") };
        why
    }

    #[test]
    fn a_claim_by_name_gets_these_nodes_though_others_are_older_or_in_another_cloud() {
        let mut slots: Vec<Slot> = (1..=4).map(|number| slot(number, State::Ready)).collect();
        slots[3].cloud = Some("far".into());

        let turn = told(&slots, &[wish(&["smithi002", "smithi004"])], &terms());

        assert_eq!(turn, Turn::Now(vec!["n-2".into(), "n-4".into()]));
    }

    #[test]
    fn one_that_is_not_idle_is_told_with_who_has_it() {
        let slots = [
            Slot { owner: Some("bob".into()), ..claimed(1, "b-7") },
            slot(2, State::Coming),
            slot(3, State::Going),
            Slot { is_paused: true, ..slot(4, State::Ready) },
            slot(5, State::Ready),
            Slot { is_rejected: true, ..slot(6, State::Ready) },
        ];

        assert!(why(&slots, &["smithi006"]).ends_with("of its MachineImage that is rejected"));
        assert_eq!(
            why(&slots, &["smithi005", "smithi001"]),
            "node smithi001 is claimed by TestNodeClaim b/b-7 (bob)"
        );
        assert_eq!(why(&slots, &["smithi002"]), "node smithi002 is not Ready (Ready: Ready)");
        assert_eq!(why(&slots, &["smithi003"]), "node smithi003 is being deleted");
        assert_eq!(why(&slots, &["smithi004"]), "node smithi004 is paused: an admin looks at it");
        assert_eq!(why(&slots, &["smithi009"]), "the pool has no node smithi009 now");
    }

    #[test]
    fn a_node_that_is_marked_as_down_goes_to_whoever_names_it_and_to_nobody_else() {
        let down = [Slot { is_down: true, ..slot(1, State::Broken(NOW)) }];
        assert_eq!(told(&down, &[wish(&["smithi001"])], &terms()), Turn::Now(vec!["n-1".into()]));

        let one = Wish { named: Vec::new(), ..wish(&["smithi001"]) };
        let ready = [Slot { is_down: true, ..slot(1, State::Ready) }];
        assert!(matches!(told(&ready, &[one], &terms()), Turn::Waits { ready: 0, .. }));
    }

    #[test]
    fn what_is_kept_for_a_claim_that_waits_is_kept_from_names_too() {
        let slots = [slot(1, State::Ready), slot(2, State::Coming)];
        let since = NOW - jiff::SignedDuration::from_mins(6);
        let large = Wish { claim: of("b-1"), count: 2, named: Vec::new(), since, ..wish(&[]) };

        let turn = told(&slots, &[wish(&["smithi001"]), large], &terms());

        assert_eq!(turn, Turn::NotFree("node smithi001 is kept for TestNodeClaim b/b-1".into()));
    }

    #[test]
    fn a_node_that_is_named_is_not_handed_out_to_a_count_and_nothing_is_made_for_a_name() {
        let slots = [slot(1, State::Ready)];
        let counted = Wish { claim: of("b-1"), named: Vec::new(), ..wish(&["x"]) };
        let wishes = [counted, wish(&["smithi001"])];
        let usable = || slots.iter().filter(|slot| slot.is(State::Ready));

        let turns = hand_out(&slots, usable(), &wishes, &terms(), NOW);

        assert_eq!(turns.get(&of("a-1").uid), Some(&Turn::Now(vec!["n-1".into()])));
        assert!(matches!(turns.get(&of("b-1").uid), Some(Turn::Waits { .. })));
        assert_eq!(awaited(&slots, &wishes, &turns), 1);
        assert_eq!(lacks(&slots, usable(), &wishes[1..], &turns, &terms()), 0);
    }

    #[test]
    fn reserve_and_limits_hold_for_names_too() {
        let slots = [slot(1, State::Ready), claimed(2, "a-0")];
        let by_name = [wish(&["smithi001"])];
        let reserved = Terms { reserve: 8, ..terms() };
        let limited = Terms { per_namespace: Some(1), ..terms() };

        assert!(
            matches!(told(&slots, &by_name, &reserved), Turn::NotFree(why) if why.contains("interactive"))
        );
        assert!(matches!(told(&slots, &by_name, &limited), Turn::NotFree(why) if why.contains("may have 1")));
        let person = [Wish { is_interactive: true, ..wish(&["smithi001"]) }];
        assert_eq!(told(&slots, &person, &reserved), Turn::Now(vec!["n-1".into()]));
    }
}
