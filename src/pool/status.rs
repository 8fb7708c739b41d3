//! What is said of a pool. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::keep::Stock;
use super::slot::{Slot, State};
use crate::api::pool::{Failure, TestNodePoolStatus};
use crate::kubernetes::conditions::Conditions;
use crate::reason::Reason;

/// The status of a pool, as it is seen; `waiting` claims await what the stock says. `refused` are the words of the API server,
/// if it lets the pool make or drop nothing.
#[must_use]
pub fn project(
    before: Option<&TestNodePoolStatus>,
    generation: Option<i64>,
    stock: &Stock,
    waiting: usize,
    refused: Option<&str>,
) -> TestNodePoolStatus {
    let count = |fits: &dyn Fn(&Slot) -> bool| number(stock.slots.iter().filter(|slot| fits(slot)).count());
    let broken = |slot: &Slot| {
        slot.is(State::Failing)
            || slot.is(State::Taken)
            || (slot.is_idle() && matches!(slot.state, State::Broken(_)))
    };
    let old = before.map(|before| before.conditions.as_slice()).unwrap_or_default();
    TestNodePoolStatus {
        observed_generation: generation,
        conditions: conditions(old, generation, stock, refused),
        nodes: number(stock.slots.len()),
        ready: number(stock.usable().count()),
        coming: count(&|slot| slot.is(State::Coming)),
        claimed: count(&|slot| slot.claim.is_some() && slot.state != State::Going),
        outdated: number(stock.outdated().count()),
        failed: count(&broken),
        deleting: count(&|slot| slot.state == State::Going),
        queued_claims: number(waiting),
        queued_nodes: number(stock.awaited),
        last_failure: last_failure(before, stock),
    }
}

/// The node that fails now, or else the one that did last.
fn last_failure(before: Option<&TestNodePoolStatus>, stock: &Stock) -> Option<Failure> {
    let known = before.and_then(|before| before.last_failure.clone());
    let broken = |slot: &&Slot| slot.is_idle() && matches!(slot.state, State::Broken(_));
    let Some(slot) = stock.failing().next().or_else(|| stock.slots.iter().find(broken)) else { return known };
    let (reason, message) = slot.said.split_once(": ").unwrap_or((&slot.said, ""));
    let same = known.as_ref().filter(|known| known.node == slot.name && known.reason == reason);
    let at = same.map_or(Time(stock.now), |known| known.at.clone());
    Some(Failure { node: slot.name.clone(), reason: reason.to_owned(), message: message.to_owned(), at })
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn conditions(
    old: &[Condition],
    generation: Option<i64>,
    stock: &Stock,
    refused: Option<&str>,
) -> Vec<Condition> {
    let mut list = Conditions::new(old, generation, stock.now);
    let ready = stock.usable().count();
    let mut filled = format!("{ready} of {} idle nodes are Ready", stock.min_ready);
    if let Some(slot) = stock.named_by_others().next() {
        let number = stock.named_by_others().count();
        filled = format!("{filled}; {number} cannot be made, the first is {} ({})", slot.name, slot.said);
    }
    let refused = refused.map(|words| (Reason::KubernetesAPI, words.to_owned()));
    let rival = stock.rival.as_ref().map(|rival| {
        let message = format!(
            "TestNodePool {rival} is older, and its nodes have the same names; delete one of the two, and make it again with \
             another spec.namePrefix"
        );
        (Reason::PrefixTaken, message)
    });
    let fails = refused.clone().or(rival).or_else(|| {
        let slot = stock.failing().next()?;
        Some((Reason::LaunchesFail, format!("node {}: {}", slot.name, slot.said)))
    });
    // Whoever was served once is served: a pool that is busy, or grows, works all the same.
    let worked = old.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let works = stock.is_proven()
        || (fails.is_none() && worked && stock.outdated().next().is_none())
        || (fails.is_none() && stock.min_ready + stock.awaited == 0);
    match (works, &fails) {
        (true, _) => list.put("Ready", "True", Reason::Serving, &filled),
        (false, Some((reason, fails))) => {
            list.put("Ready", "False", *reason, fails);
            list.put("Stalled", "True", *reason, fails);
        }
        (false, None) => {
            let first =
                format!("no node of this template has been Ready yet; {} are being made", stock.coming());
            list.put("Ready", "False", Reason::Refilling, &first);
            list.put("Reconciling", "True", Reason::Refilling, &first);
        }
    }
    match (ready >= stock.min_ready && refused.is_none(), &fails) {
        (true, _) => list.put("Filled", "True", Reason::Full, &filled),
        (false, Some((reason, fails))) => {
            list.put("Filled", "False", *reason, format!("{filled}; {fails}"));
        }
        (false, None) if stock.slots.len() >= stock.max => {
            let full = format!("{filled}; the pool has {} nodes of at most {}", stock.slots.len(), stock.max);
            list.put("Filled", "False", Reason::AtMax, full);
        }
        (false, None) if stock.held_back && stock.awaited == 0 => {
            let waits = format!("{filled}; nodes that somebody waits for come first in its clouds");
            list.put("Filled", "False", Reason::HeldBack, waits);
        }
        (false, None) => {
            list.put(
                "Filled",
                "False",
                Reason::Refilling,
                format!("{filled}; {} are being made", stock.coming()),
            );
        }
    }
    if let Some(slot) = stock.failing().next() {
        let frozen = format!("until node {} is Ready, no other is begun: {}", slot.name, slot.said);
        list.put("Frozen", "True", Reason::LaunchesFail, frozen);
    }
    if stock.paused {
        list.put(
            "Paused",
            "True",
            Reason::PoolPaused,
            "spec.paused is true: no node is made, dropped or handed out",
        );
    }
    list.into_vec()
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::pool::slot::examples::{NOW, claimed, outdated, slot};

    fn stock(slots: Vec<Slot>) -> Stock {
        Stock { slots, ..Stock::new(NOW) }
    }

    fn says(status: &TestNodePoolStatus, kind: &str) -> (String, String) {
        let found = status.conditions.iter().find(|condition| condition.type_ == kind);
        found.map(|found| (found.status.clone(), found.reason.clone())).unwrap_or_default()
    }

    fn word(status: &str, reason: Reason) -> (String, String) {
        (status.into(), reason.to_string())
    }

    #[test]
    fn every_node_is_counted_once() {
        let slots = vec![
            slot(1, State::Ready),
            slot(2, State::Coming),
            slot(3, State::Failing),
            claimed(4, "a-1"),
            slot(5, State::Going),
            slot(6, State::Broken(NOW)),
        ];
        let status = project(None, Some(1), &Stock { awaited: 7, ..stock(slots) }, 3, None);

        assert_eq!((status.nodes, status.ready, status.coming, status.failed), (6, 1, 1, 2));
        assert_eq!(
            (status.claimed, status.deleting, status.queued_claims, status.queued_nodes),
            (1, 1, 3, 7)
        );
    }

    #[test]
    fn a_pool_is_ready_once_a_node_was_and_stays_so_while_it_is_busy() {
        let new = project(None, Some(1), &stock(vec![slot(1, State::Coming)]), 0, None);
        assert_eq!(says(&new, "Ready"), word("False", Reason::Refilling));
        assert_eq!(says(&new, "Reconciling"), word("True", Reason::Refilling));

        let works = project(Some(&new), Some(1), &stock(vec![slot(1, State::Ready)]), 0, None);
        assert_eq!(says(&works, "Ready"), word("True", Reason::Serving));
        let busy = project(Some(&works), Some(2), &stock(vec![slot(1, State::Going)]), 0, None);
        assert_eq!(says(&busy, "Ready"), word("True", Reason::Serving));
        assert_eq!(says(&busy, "Filled"), word("False", Reason::Refilling));
    }

    #[test]
    fn a_template_that_cannot_be_made_is_told_with_the_words_of_its_node() {
        let failing = Slot { said: "ImageNotFound: there is no image".into(), ..slot(3, State::Failing) };
        let works = project(None, Some(1), &stock(vec![slot(1, State::Ready)]), 0, None);

        let status =
            project(Some(&works), Some(2), &stock(vec![outdated(1, State::Ready), failing]), 0, None);

        assert_eq!(says(&status, "Ready"), word("False", Reason::LaunchesFail));
        assert_eq!(says(&status, "Stalled"), word("True", Reason::LaunchesFail));
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
        assert_eq!(ready.message, "node smithi003: ImageNotFound: there is no image");
        assert_eq!(status.ready, 1, "what is old can still be had");
        assert_eq!(says(&status, "Frozen"), word("True", Reason::LaunchesFail));
        let last = status.last_failure.clone().unwrap();
        assert_eq!(
            (last.node.as_str(), last.reason.as_str(), last.at),
            ("smithi003", "ImageNotFound", Time(NOW))
        );
        let after = project(Some(&status), Some(2), &stock(vec![slot(1, State::Ready)]), 0, None);
        assert_eq!((says(&after, "Frozen"), after.last_failure), (Default::default(), status.last_failure));
    }

    #[test]
    fn a_pool_that_is_full_says_so() {
        let slots = (1..=4).map(|number| claimed(number, "a-1")).collect();

        let status = project(None, Some(1), &stock(slots), 0, None);

        assert_eq!(says(&status, "Filled"), word("False", Reason::AtMax));
        assert_eq!(says(&status, "Ready"), word("True", Reason::Serving));
    }

    #[test]
    fn a_pool_on_demand_works_and_is_filled_with_nothing() {
        let status = project(None, Some(1), &Stock { min_ready: 0, ..stock(Vec::new()) }, 0, None);

        assert_eq!(says(&status, "Ready"), word("True", Reason::Serving));
        assert_eq!(says(&status, "Filled"), word("True", Reason::Full));
        assert_eq!(says(&status, "Paused"), Default::default());
    }

    #[test]
    fn what_the_api_server_refuses_is_told_in_its_words() {
        let refusal = "exceeded quota: nodes";
        let works = project(None, Some(1), &stock(vec![slot(1, State::Ready)]), 0, None);

        let status = project(Some(&works), Some(1), &stock(vec![slot(1, State::Ready)]), 0, Some(refusal));
        assert_eq!(says(&status, "Ready"), word("True", Reason::Serving), "it has one");
        assert_eq!(says(&status, "Filled"), word("False", Reason::KubernetesAPI));
        let never = Stock { min_ready: 0, awaited: 1, ..stock(Vec::new()) };
        let status = project(None, Some(1), &never, 1, Some(refusal));

        assert_eq!(says(&status, "Ready"), word("False", Reason::KubernetesAPI));
        assert_eq!(says(&status, "Filled"), word("False", Reason::KubernetesAPI));
        assert!(status.conditions.iter().all(|condition| condition.message.contains(refusal)));
    }

    #[test]
    fn a_pool_whose_names_an_older_pool_has_says_so_and_how_to_cure_it() {
        let younger = Stock { rival: Some("lab/smithi".into()), ..stock(Vec::new()) };

        let status = project(None, Some(1), &younger, 0, None);

        for kind in ["Ready", "Filled"] {
            assert_eq!(says(&status, kind), word("False", Reason::PrefixTaken));
        }
        assert_eq!(says(&status, "Stalled"), word("True", Reason::PrefixTaken));
        let told = |condition: &Condition| condition.message.contains("spec.namePrefix");
        assert!(status.conditions.iter().all(told), "{:?}", status.conditions);
    }

    #[test]
    fn a_host_name_that_another_node_has_is_told() {
        let taken = Slot { said: "NameConflict: TestNode a/b holds it".into(), ..slot(2, State::Taken) };
        let status = project(None, Some(1), &stock(vec![slot(1, State::Ready), taken]), 0, None);
        let filled = status.conditions.iter().find(|condition| condition.type_ == "Filled").unwrap();

        assert_eq!((status.coming, status.failed), (0, 1));
        assert!(
            filled.message.contains("smithi002 (NameConflict: TestNode a/b holds it)"),
            "{}",
            filled.message
        );
    }
}
