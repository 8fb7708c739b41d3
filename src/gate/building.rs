//! How many servers are made at once, and whose is next. What takes long is the server, so a cloud's bound is on servers.
//! The nodes that are next make their volumes and ports meanwhile; then namespaces are served in turn, and in each the oldest
//! node has its server made first.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::{Bounds, Gate, Stage, State, count};
use crate::age::Age;

/// Nodes under construction for each server that may be made at once: the one that has it, and the one that is next.
pub(super) const WAVES: i64 = 2;

/// Of so many servers that may be made at once, this many may be for nodes that nobody waits for.
pub(super) fn for_idle(limit: i64) -> i64 {
    (limit / 2).max(1)
}

impl Gate {
    /// Whether a node's server may be made now. If not, it waits for that once [`Gate::awaits_server`] was told.
    #[must_use]
    pub fn may_build(&self, age: &Age, cloud: &str, bounds: &Bounds) -> bool {
        self.lock().may_build(age, cloud, bounds)
    }

    /// Whether all that a node's server needs is there, and it waits until that may be made.
    pub fn awaits_server(&self, age: &Age, cloud: &str, waits: bool) {
        let mut state = self.lock();
        let ready = &mut state.account(cloud).ready;
        if waits {
            ready.insert(age.clone());
        } else {
            ready.remove(age);
        }
    }

    /// A node's server is about to be asked for. It is refused if another was first since the look.
    pub fn builds(&self, age: &Age, cloud: &str, bounds: &Bounds) -> bool {
        let mut state = self.lock();
        if !state.may_build(age, cloud, bounds) {
            return false;
        }
        state.account(cloud).ready.remove(age);
        state.set_stage(&age.uid, Stage::Building);
        let begun = count(state.uses.sums(cloud).servers_made());
        // One that nobody waits for may find its half taken.
        let idle = state.is_idle(&age.uid).then(|| state.idle_servers(cloud));
        let account = state.account(cloud);
        account.most = bounds.max_concurrent_creates;
        let figure = account.adaptive.figure(account.most);
        let epoch =
            account.adaptive.begins(begun >= figure || idle.is_some_and(|idle| idle >= for_idle(figure)));
        state.building.insert(age.uid.clone(), (Instant::now(), epoch));
        true
    }
}

impl State {
    fn may_build(&self, age: &Age, cloud: &str, bounds: &Bounds) -> bool {
        self.building.contains_key(&age.uid) || self.next_to_build(cloud, bounds, Some(age)).contains(&age)
    }

    /// Who may have its server made now, of those who wait for that and one more. What nobody waits for goes behind all
    /// others, and only half as many of it are made at once.
    pub(super) fn next_to_build<'a>(
        &'a self,
        cloud: &str,
        bounds: &Bounds,
        asker: Option<&'a Age>,
    ) -> Vec<&'a Age> {
        let ready = self.accounts.get(cloud).into_iter().flat_map(|account| &account.ready);
        let mut lines: BTreeMap<(bool, &str), BTreeSet<&Age>> = BTreeMap::new();
        for age in ready.chain(asker) {
            lines.entry((self.is_idle(&age.uid), age.namespace())).or_default().insert(age);
        }
        if lines.is_empty() {
            return Vec::new();
        }
        let limit = self.creates(cloud, bounds);
        let sums = self.uses.sums(cloud);
        let (mut free, mut served) = (limit - count(sums.servers_made()), sums.servers);
        let mut free_for_idle = for_idle(limit) - self.idle_servers(cloud);
        let mut next = Vec::new();
        while free > 0 {
            let turn = |(key, line): (&(bool, &'a str), &BTreeSet<&'a Age>)| {
                let (is_idle, namespace) = *key;
                Some((is_idle, served.get(namespace).copied().unwrap_or_default(), *line.first()?))
            };
            let Some((is_idle, _, age)) = lines.iter().filter_map(turn).min() else { break };
            if is_idle {
                if free_for_idle <= 0 {
                    break;
                }
                free_for_idle -= 1;
            }
            free -= 1;
            *served.entry(age.namespace().to_owned()).or_default() += 1;
            lines.entry((is_idle, age.namespace())).or_default().pop_first();
            next.push(age);
        }
        next
    }

    /// A node that this process let build is building, whatever lists show.
    pub(super) fn stage(&self, uid: &str, seen: Stage) -> Stage {
        if seen == Stage::Preparing && self.building.contains_key(uid) { Stage::Building } else { seen }
    }

    /// The cloud has too much to do, in these words: as far as anybody knows it builds nothing for this node, which
    /// waits for its turn anew.
    pub(super) fn strained(&mut self, uid: &str, cloud: &str, words: &str) {
        // One that an earlier process let build says nothing about what this one lets.
        let Some((_, epoch)) = self.building.remove(uid) else { return };
        self.set_stage(uid, Stage::Preparing);
        let account = self.account(cloud);
        account.adaptive.trouble(epoch, words, account.most);
    }

    fn set_stage(&mut self, uid: &str, stage: Stage) {
        if let Some(used) = self.uses.get(uid).cloned() {
            self.uses.put(uid, Some(super::Use { stage, ..used }));
        }
    }

    /// How many servers are being made for nodes that nobody waits for.
    fn idle_servers(&self, cloud: &str) -> i64 {
        self.idle_in(cloud, |stage| stage == Stage::Building, "")
    }

    /// How many nodes under construction, at such a stage, nobody waits for.
    pub(super) fn idle_in(&self, cloud: &str, at: impl Fn(Stage) -> bool, but: &str) -> i64 {
        let uses = self.uses.under_construction(cloud).filter(|(uid, used)| at(used.stage) && *uid != but);
        count(uses.filter(|(uid, _)| self.is_idle(uid)).count())
    }
}

#[cfg(test)]
mod tests {
    use super::super::amounts::{Amounts, Quantity};
    use super::super::names::Rank;
    use super::super::{Limits, Use};
    use super::*;

    fn age(uid: &str) -> Age {
        Age { node: format!("ns/{uid}"), uid: uid.into(), ..Age::default() }
    }

    fn bounds(creates: Option<i64>) -> Bounds {
        Bounds { limits: Limits::default(), concurrent_creates: creates, max_concurrent_creates: 100 }
    }

    fn at(uid: &str, stage: Stage) -> Use {
        Use {
            node: format!("ns/{uid}"),
            cloud: "c".into(),
            need: Amounts::from_fn(|of| i64::from(of == Quantity::Instances)),
            stage,
            rank: Rank { unset: true, age: age(uid) },
            ..Use::default()
        }
    }

    /// A gate with nodes that have all that their servers need, but for these servers.
    fn prepared(uids: &[&str]) -> Gate {
        let gate = Gate::default();
        for uid in uids {
            gate.set(uid, Some(at(uid, Stage::Preparing)));
        }
        gate
    }

    fn builds(gate: &Gate, uid: &str, creates: Option<i64>) -> bool {
        let may = gate.may_build(&age(uid), "c", &bounds(creates));
        let builds = gate.builds(&age(uid), "c", &bounds(creates));
        assert_eq!(may, builds, "{uid}: it is told what it then gets");
        gate.awaits_server(&age(uid), "c", !builds);
        builds
    }

    #[test]
    fn as_many_servers_are_made_as_may_be_and_the_oldest_of_those_that_are_prepared_is_next() {
        let gate = prepared(&["a", "b", "c", "d"]);

        assert_eq!(["c", "d", "b", "a"].map(|uid| builds(&gate, uid, Some(2))), [true, true, false, false]);
        assert!(builds(&gate, "c", Some(2)), "its place stays its own");
        gate.set("c", Some(at("c", Stage::Preparing)));
        assert!(!builds(&gate, "a", Some(2)), "no list shows the server yet, and it is made all the same");

        assert!(gate.set("c", Some(at("c", Stage::Made))), "others are called");
        assert_eq!(gate.call("c", &bounds(Some(2))), ["a"]);
        assert_eq!(["b", "a"].map(|uid| builds(&gate, uid, Some(2))), [false, true]);
    }

    #[test]
    fn servers_are_made_for_one_namespace_after_the_other() {
        let gate = prepared(&["a", "b", "c", "d"]);
        let single = Age { node: "other/z".into(), uid: "z".into(), ..Age::default() };
        gate.set(
            "z",
            Some(Use { rank: Rank { unset: true, age: single.clone() }, ..at("z", Stage::Preparing) }),
        );
        assert_eq!(["a", "b", "c"].map(|uid| builds(&gate, uid, Some(2))), [true, true, false]);
        gate.awaits_server(&age("d"), "c", true);
        gate.awaits_server(&single, "c", true);

        gate.set("a", Some(at("a", Stage::Made)));

        assert_eq!(
            gate.call("c", &bounds(Some(2))),
            ["z"],
            "the youngest, and nothing is made for its namespace"
        );
        assert!(!builds(&gate, "c", Some(2)));
        assert!(gate.builds(&single, "c", &bounds(Some(2))));
        gate.set("b", Some(at("b", Stage::Made)));
        assert_eq!(gate.call("c", &bounds(Some(2))), ["c"]);
    }

    #[test]
    fn one_that_waits_no_more_holds_up_nobody() {
        for ends in [None, Some(at("a", Stage::Ending))] {
            let gate = prepared(&["a", "b", "c"]);
            assert_eq!(["c", "a", "b"].map(|uid| builds(&gate, uid, Some(1))), [true, false, false]);
            gate.set("a", ends);
            gate.set("c", None);
            assert_eq!(gate.call("c", &bounds(Some(1))), ["b"]);
        }
        let gate = prepared(&["a", "b", "c"]);
        assert_eq!(["c", "a", "b"].map(|uid| builds(&gate, uid, Some(1))), [true, false, false]);
        // It was paused, say.
        gate.awaits_server(&age("a"), "c", false);
        gate.set("c", None);
        assert!(builds(&gate, "b", Some(1)));
    }

    #[test]
    fn what_nobody_waits_for_is_made_last_and_only_half_as_much_at_once() {
        let gate = prepared(&["i1", "i2", "i3", "n"]);
        for idle in ["i1", "i2", "i3"] {
            gate.pooled(idle, true);
        }

        assert_eq!(["i1", "i2", "i3"].map(|uid| builds(&gate, uid, Some(3))), [true, false, false]);
        assert!(builds(&gate, "n", Some(3)));
        gate.set("i1", Some(at("i1", Stage::Made)));
        gate.set("x", Some(at("x", Stage::Building)));
        gate.set("m", Some(at("m", Stage::Preparing)));
        assert!(builds(&gate, "m", Some(3)), "it is younger than what waits for nobody");
        assert!(!builds(&gate, "i2", Some(3)));
    }

    #[test]
    fn a_pool_that_is_filled_finds_out_how_much_a_cloud_takes_though_it_may_use_half_of_that() {
        let uids: Vec<String> = (10..60).map(|n| format!("i{n}")).collect();
        let gate = prepared(&uids.iter().map(String::as_str).collect::<Vec<_>>());
        for uid in &uids {
            gate.pooled(uid, true);
        }

        let mut waves = Vec::new();
        let mut waiting: Vec<&str> = uids.iter().map(String::as_str).collect();
        while !waiting.is_empty() {
            let (now, later): (Vec<&str>, Vec<&str>) =
                waiting.iter().partition(|uid| builds(&gate, uid, None));
            for uid in &now {
                gate.set(uid, Some(at(uid, Stage::Made)));
            }
            waves.push(now.len());
            waiting = later;
        }
        assert_eq!(waves, [5, 5, 10, 10, 20]);
    }

    #[test]
    fn a_create_that_is_refused_for_strain_gives_its_place_back_and_halves_the_figure_once() {
        let gate = prepared(&["a", "b", "c", "d"]);
        for uid in ["a", "b", "c"] {
            assert!(builds(&gate, uid, None));
        }

        gate.strained("b", "c", "503");
        gate.strained("c", "c", "503");

        assert_eq!(gate.creates("c", &bounds(None)), (5, "halved: 503".into()));
        assert_eq!(gate.lock().uses.sums("c").servers_made(), 1, "the others wait for their turn anew");
        assert!(builds(&gate, "b", None));
    }
}
