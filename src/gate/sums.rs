//! What each node uses, and what comes of it for each cloud, namespace and name: kept, not counted anew.

use std::collections::{BTreeSet, HashMap};

use super::amounts::Amounts;
use super::line::Served;
use super::{Stage, Use};

/// All uses.
#[derive(Debug, Default)]
pub(super) struct Uses {
    by_uid: HashMap<String, Use>,
    by_node: HashMap<String, BTreeSet<String>>,
    by_name: HashMap<String, BTreeSet<String>>,
    by_existing: HashMap<String, BTreeSet<String>>,
    by_cloud: HashMap<String, Sums>,
    under_construction: HashMap<String, BTreeSet<String>>,
}

/// What all nodes of a cloud come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// What they take, or are about to.
    pub need: Amounts,
    /// What counts against the cloud's quotas.
    pub share: Amounts,
    /// How many are under construction, by namespace.
    pub building: Served,
    /// How many servers are being made, by namespace.
    pub servers: Served,
}

impl Sums {
    fn add(&mut self, used: &Use) {
        self.need = self.need.plus(&used.need);
        self.share = self.share.plus(&used.share());
        for served in self.counts(used.stage) {
            *served.entry(used.rank.age.namespace().to_owned()).or_default() += 1;
        }
    }

    fn take(&mut self, used: &Use) {
        self.need = self.need.minus(&used.need);
        self.share = self.share.minus(&used.share());
        let namespace = used.rank.age.namespace();
        for served in self.counts(used.stage) {
            let left = served.get(namespace).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                served.remove(namespace);
            } else {
                served.insert(namespace.to_owned(), left);
            }
        }
    }

    /// In which counts a node at such a stage is.
    fn counts(&mut self, stage: Stage) -> impl Iterator<Item = &mut Served> {
        let building = stage.is_under_construction().then_some(&mut self.building);
        building.into_iter().chain((stage == Stage::Building).then_some(&mut self.servers))
    }
}

impl Uses {
    /// What a node uses.
    pub(super) fn get(&self, uid: &str) -> Option<&Use> {
        self.by_uid.get(uid)
    }

    /// Sets what a node uses. Returns what it used before.
    pub(super) fn put(&mut self, uid: &str, used: Option<Use>) -> Option<Use> {
        if used.as_ref() == self.by_uid.get(uid) {
            return used;
        }
        let before = self.by_uid.remove(uid);
        if let Some(before) = &before {
            drop_from(&mut self.by_node, &before.node, uid);
            if let Some(name) = &before.fqdn {
                drop_from(&mut self.by_name, name, uid);
            }
            for id in &before.existing {
                drop_from(&mut self.by_existing, id, uid);
            }
            drop_from(&mut self.under_construction, &before.cloud, uid);
            if let Some(sums) = self.by_cloud.get_mut(&before.cloud) {
                sums.take(before);
            }
        }
        if let Some(used) = used {
            self.by_node.entry(used.node.clone()).or_default().insert(uid.to_owned());
            if let Some(name) = &used.fqdn {
                self.by_name.entry(name.clone()).or_default().insert(uid.to_owned());
            }
            for id in &used.existing {
                self.by_existing.entry(id.clone()).or_default().insert(uid.to_owned());
            }
            if used.stage.is_under_construction() {
                self.under_construction.entry(used.cloud.clone()).or_default().insert(uid.to_owned());
            }
            self.by_cloud.entry(used.cloud.clone()).or_default().add(&used);
            self.by_uid.insert(uid.to_owned(), used);
        }
        before
    }

    /// The UIDs under which objects of a `namespace/name` use something.
    pub(super) fn of_node(&self, node: &str) -> impl Iterator<Item = &String> {
        self.by_node.get(node).into_iter().flatten()
    }

    /// Who holds a name, by UID.
    pub(super) fn of_name(&self, name: &str) -> impl Iterator<Item = (&String, &Use)> {
        self.by_name.get(name).into_iter().flatten().filter_map(|uid| self.by_uid.get_key_value(uid))
    }

    /// Who uses a port or volume that exists, by UID.
    pub(super) fn of_existing(&self, id: &str) -> impl Iterator<Item = (&String, &Use)> {
        self.by_existing.get(id).into_iter().flatten().filter_map(|uid| self.by_uid.get_key_value(uid))
    }

    /// What is under construction in a cloud.
    pub(super) fn under_construction(&self, cloud: &str) -> impl Iterator<Item = (&String, &Use)> {
        let uids = self.under_construction.get(cloud).into_iter().flatten();
        uids.filter_map(|uid| self.by_uid.get_key_value(uid))
    }

    /// Everything in a cloud.
    pub(super) fn in_cloud<'a>(&'a self, cloud: &'a str) -> impl Iterator<Item = (&'a String, &'a Use)> {
        self.by_uid.iter().filter(move |(_, used)| used.cloud == cloud)
    }

    /// What all in a cloud come to.
    pub(super) fn sums(&self, cloud: &str) -> Sums {
        self.by_cloud.get(cloud).cloned().unwrap_or_default()
    }

    /// The same, but for one node.
    pub(super) fn sums_but(&self, cloud: &str, uid: &str) -> Sums {
        let mut sums = self.sums(cloud);
        if let Some(own) = self.by_uid.get(uid).filter(|own| own.cloud == cloud) {
            sums.take(own);
        }
        sums
    }
}

fn drop_from(index: &mut HashMap<String, BTreeSet<String>>, key: &str, uid: &str) {
    if let Some(all) = index.get_mut(key) {
        all.remove(uid);
        if all.is_empty() {
            index.remove(key);
        }
    }
}

impl Sums {
    /// How many are under construction.
    pub(super) fn under_construction(&self) -> usize {
        self.building.values().sum()
    }

    /// How many servers are being made.
    pub(super) fn servers_made(&self) -> usize {
        self.servers.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::names::Rank;
    use super::*;
    use crate::age::Age;

    const NAMES: [&str; 3] = ["x", "y", "z"];

    fn any_use() -> impl Strategy<Value = Option<Use>> {
        let one = (
            0..2usize,
            0..3usize,
            0..3usize,
            0..5i64,
            0..4usize,
            prop::collection::btree_set(0..3usize, 0..3),
        );
        prop::option::of(one.prop_map(|(cloud, node, name, size, stage, existing)| Use {
            node: format!("{}/n", NAMES[node]),
            cloud: NAMES[cloud].into(),
            existing: existing.into_iter().map(|id| NAMES[id].to_owned()).collect(),
            need: Amounts::from_fn(|_| size),
            made: Amounts::from_fn(|_| size / 2),
            stage: [Stage::Preparing, Stage::Building, Stage::Made, Stage::Ending][stage],
            fqdn: (name > 0).then(|| NAMES[name].into()),
            rank: Rank { unset: false, age: Age { node: format!("{}/n", NAMES[node]), ..Age::default() } },
        }))
    }

    proptest! {
        /// What is kept is what a count of all would find.
        #[test]
        fn sums_and_indexes_are_those_of_all_uses(puts in prop::collection::vec((0..5usize, any_use()), 0..60)) {
            let mut uses = Uses::default();
            for (uid, used) in puts {
                uses.put(&uid.to_string(), used);
            }

            for cloud in NAMES {
                let mut counted = Sums::default();
                uses.in_cloud(cloud).for_each(|(_, used)| counted.add(used));
                prop_assert_eq!(&uses.sums(cloud), &counted);
                let node = format!("{cloud}/n");
                prop_assert_eq!(uses.of_node(&node).count(), uses.by_uid.values().filter(|u| u.node == node).count());
                let named = uses.by_uid.values().filter(|used| used.fqdn.as_deref() == Some(cloud)).count();
                prop_assert_eq!(uses.of_name(cloud).count(), named);
                let using = uses.by_uid.values().filter(|used| used.existing.contains(cloud)).count();
                prop_assert_eq!(uses.of_existing(cloud).count(), using);
                let building = uses.in_cloud(cloud).filter(|(_, used)| used.stage.is_under_construction());
                let building: BTreeSet<&String> = building.map(|(uid, _)| uid).collect();
                prop_assert_eq!(uses.under_construction(cloud).map(|(uid, _)| uid).collect::<BTreeSet<_>>(), building);
                for uid in 0..5 {
                    let mut others = Sums::default();
                    uses.in_cloud(cloud).filter(|(u, _)| **u != uid.to_string()).for_each(|(_, used)| others.add(used));
                    prop_assert_eq!(uses.sums_but(cloud, &uid.to_string()), others);
                }
            }
        }
    }
}
