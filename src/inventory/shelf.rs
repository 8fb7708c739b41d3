//! Things of one kind in one cloud, as listings and the answers of our own calls told of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::ledger::Ledger;
use crate::things::{Meta, Owner, Proof, Thing};

/// A deletion that was answered, but of which nothing can be seen after this time, is asked for again. So is a thing that
/// no listing shows.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// A thing, and how sure we are of it.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// As it was last seen or answered.
    pub object: T,
    /// Whose it is.
    pub owner: Owner,
    /// A listing left it out: only a GET by its id tells.
    pub missing: bool,
    /// We asked for its end, and that was answered.
    pub deleted: Option<Instant>,
    /// Since when it is to be gone, as far as this process knows: we first asked for it then, or saw that somebody had.
    pub ending_since: Option<Instant>,
    /// What was said when its deletion was last refused.
    pub refusal: Option<String>,
    /// Its end was brought about with that of another thing (a volume's with its server).
    pub goes_along: Option<Instant>,
    /// The last two listings that showed it: when they began, and how they showed it.
    pub sightings: Vec<(Instant, T)>,
    touched: Option<Instant>,
}

/// The id of a thing that is gone, and the attempt that had made it.
pub type Grave = (String, Option<i64>);

/// All things of one kind.
#[derive(Debug)]
pub struct Shelf<T> {
    /// Looks and changes.
    pub ledger: Ledger,
    entries: BTreeMap<String, Entry<T>>,
    /// By UID: the ids of its entries.
    owned: HashMap<String, BTreeSet<String>>,
    /// By the node in their marks, as `namespace/name`: the same.
    marked: HashMap<String, BTreeSet<String>>,
    /// By UID: what was proved gone, and when.
    gone: HashMap<String, BTreeMap<Grave, Instant>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            ledger: Ledger::default(),
            entries: BTreeMap::new(),
            owned: HashMap::new(),
            marked: HashMap::new(),
            gone: HashMap::new(),
        }
    }
}

/// What can be said and done about a shelf whatever its kind.
pub trait AnyShelf {
    /// Looks and changes.
    fn ledger(&self) -> &Ledger;
    /// See [`AnyShelf::ledger`].
    fn ledger_mut(&mut self) -> &mut Ledger;
    /// Whether anything of this node is known.
    fn has_any(&self, uid: &str) -> bool;
    /// Whether anything is known.
    fn has_things(&self) -> bool;
    /// Whether it is known what became of a thing of this node.
    fn is_known(&self, uid: &str, id: &str) -> bool;
    /// Whose a thing is.
    fn owner(&self, id: &str) -> Option<Owner>;
    /// It was proved gone by then, and may have been known by a hint only.
    fn gone(&mut self, id: &str, owner: &Owner, now: Instant);
    /// Our request to delete it was answered: `done`, or with a 404, after which only a look tells.
    fn deleted(&mut self, id: &str, done: bool, now: Instant);
    /// Our request to delete it, or to free it for that, failed with these words.
    fn hindered(&mut self, id: &str, words: String, now: Instant);
    /// It is this node's now: our request to write that into its mark was answered.
    fn adopted(&mut self, id: &str, uid: &str, now: Instant);
    /// The node is gone.
    fn forget(&mut self, uid: &str);
}

impl<T: Thing> AnyShelf for Shelf<T> {
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    fn has_any(&self, uid: &str) -> bool {
        self.owned.contains_key(uid)
    }

    fn has_things(&self) -> bool {
        !self.entries.is_empty()
    }

    fn is_known(&self, uid: &str, id: &str) -> bool {
        self.entries.contains_key(id) || self.graves(uid).any(|(gone, _)| gone == id)
    }

    fn owner(&self, id: &str) -> Option<Owner> {
        self.entries.get(id).map(|entry| entry.owner.clone())
    }

    fn gone(&mut self, id: &str, owner: &Owner, now: Instant) {
        self.remove(id);
        self.bury(id.to_owned(), owner, now);
    }

    fn deleted(&mut self, id: &str, done: bool, now: Instant) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.deleted = Some(now);
        entry.ending_since.get_or_insert(now);
        entry.refusal = None;
        entry.touched = Some(now);
        if done && T::GONE_BY == Proof::Answer {
            let owner = entry.owner.clone();
            self.gone(id, &owner, now);
        }
    }

    fn hindered(&mut self, id: &str, words: String, now: Instant) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.ending_since.get_or_insert(now);
        entry.refusal = Some(words);
    }

    fn adopted(&mut self, id: &str, uid: &str, now: Instant) {
        let Some(mut entry) = self.entries.get(id).cloned() else { return };
        self.remove(id);
        uid.clone_into(&mut entry.owner.uid);
        entry.object.meta_mut().owner = Some(entry.owner.clone());
        entry.touched = Some(now);
        self.insert(entry);
        // What was listed while it was another's may be old.
        self.ledger.outdated(uid, now);
    }

    fn forget(&mut self, uid: &str) {
        self.ledger.forget(uid);
        self.gone.remove(uid);
    }
}

impl<T: Thing> Shelf<T> {
    /// Takes in a complete listing that began then. It changes nothing that a call of ours touched after it began.
    /// Returns the UIDs whose things changed.
    pub fn listed(&mut self, began: Instant, objects: Vec<T>) -> BTreeSet<String> {
        self.ledger.listed(began);
        let mut changed = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for object in objects {
            // What is known by its id stays known, whatever became of its marks.
            let known = self.owner(&object.meta().id);
            let Some(owner) = known.or_else(|| object.meta().owner.clone()) else { continue };
            seen.insert(object.meta().id.clone());
            if self.sighted(began, object, &owner) {
                changed.insert(owner.uid);
            }
        }
        let mut gone = Vec::new();
        for (id, entry) in self.entries.iter_mut().filter(|(id, _)| !seen.contains(*id)) {
            if entry.touched.is_some_and(|touched| touched >= began) {
                continue;
            }
            let unlisted = entry.object.meta().is_unlisted();
            if unlisted && entry.touched.is_some_and(|touched| began < touched + ASK_AGAIN) {
                continue;
            }
            let asked = entry.deleted.max(entry.goes_along).filter(|_| !unlisted);
            if T::GONE_BY != Proof::NotFound && asked.is_some_and(|asked| asked < began) {
                changed.insert(entry.owner.uid.clone());
                gone.push((id.clone(), entry.owner.clone()));
            } else if !std::mem::replace(&mut entry.missing, true) {
                changed.insert(entry.owner.uid.clone());
            }
        }
        for (id, owner) in gone {
            AnyShelf::gone(self, &id, &owner, began);
        }
        changed
    }

    /// What we asked the end of and listings leave out, so that only a question tells whether it is gone; with each, when we
    /// asked.
    #[must_use]
    pub fn unproved(&self) -> Vec<(String, Instant)> {
        let missing = self.entries.iter().filter(|(_, entry)| entry.missing);
        missing.filter_map(|(id, entry)| Some((id.clone(), entry.deleted?))).collect()
    }

    fn sighted(&mut self, began: Instant, mut object: T, owner: &Owner) -> bool {
        let Some(entry) = self.entries.get_mut(&object.meta().id) else {
            if self.buried(&object, owner).is_some_and(|buried| buried >= began) {
                return false;
            }
            self.unbury(&object, owner);
            self.insert(Entry::new(object, owner.clone(), Some(began), None));
            return true;
        };
        if entry.touched.is_some_and(|touched| touched >= began) {
            return false;
        }
        object.remember(&entry.object);
        if object.is_leaving() {
            entry.ending_since.get_or_insert(began);
        }
        let asked_again =
            entry.deleted.is_some_and(|deleted| began > deleted + ASK_AGAIN) && !object.is_leaving();
        let changed = entry.object != object || entry.missing || asked_again;
        if asked_again {
            entry.deleted = None;
        }
        entry.missing = false;
        entry.sightings.push((began, object.clone()));
        if entry.sightings.len() > 2 {
            entry.sightings.remove(0);
        }
        let before = std::mem::replace(&mut entry.object, object);
        let after = entry.object.meta().clone();
        self.re_mark(before.meta(), &after);
        changed
    }

    /// Folds in what a call of ours was answered: the thing is there, like this.
    pub fn fold(&mut self, object: T, now: Instant) {
        self.fold_as(object, None, now);
    }

    /// The same of a thing that is this owner's if its marks do not say otherwise: it is known by its id.
    pub fn fold_as(&mut self, mut object: T, owner: Option<&Owner>, now: Instant) {
        let owner = object.meta().owner.as_ref().or(owner).cloned();
        if let Some(entry) = self.entries.get_mut(&object.meta().id) {
            object.remember(&entry.object);
            if object.is_leaving() {
                entry.ending_since.get_or_insert(now);
            }
            let before = std::mem::replace(&mut entry.object, object);
            entry.missing = false;
            entry.touched = Some(now);
            let after = entry.object.meta().clone();
            self.re_mark(before.meta(), &after);
        } else if let Some(owner) = owner {
            self.unbury(&object, &owner);
            self.insert(Entry::new(object, owner, None, Some(now)));
        }
    }

    /// A call of ours was answered, and this is what it did to a thing.
    pub(super) fn alter(&mut self, id: &str, now: Instant, does: impl FnOnce(&mut T)) {
        if let Some(entry) = self.entries.get_mut(id) {
            does(&mut entry.object);
            entry.touched = Some(now);
        }
    }

    /// The end of another thing of this owner takes these with it.
    pub fn go_along(&mut self, owner: &Owner, now: Instant) {
        for id in self.owned.get(&owner.uid).into_iter().flatten() {
            if let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.owner == *owner) {
                entry.goes_along = Some(now);
                entry.ending_since.get_or_insert(now);
            }
        }
    }

    /// What there is of a node.
    pub fn of(&self, uid: &str) -> impl Iterator<Item = &Entry<T>> {
        self.owned.get(uid).into_iter().flatten().filter_map(|id| self.entries.get(id))
    }

    /// What bears a node's `namespace/name` in its mark, whatever UID it bears.
    pub fn marked(&self, node: &str) -> impl Iterator<Item = &Entry<T>> {
        self.marked.get(node).into_iter().flatten().filter_map(|id| self.entries.get(id))
    }

    /// All there is.
    pub fn all(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.values()
    }

    /// A thing by its id.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<&Entry<T>> {
        self.entries.get(id)
    }

    /// See [`Shelf::entry`].
    pub(super) fn entry_mut(&mut self, id: &str) -> Option<&mut Entry<T>> {
        self.entries.get_mut(id)
    }

    /// What was proved gone of a node.
    pub fn graves(&self, uid: &str) -> impl Iterator<Item = &Grave> {
        self.gone.get(uid).into_iter().flat_map(BTreeMap::keys)
    }

    fn insert(&mut self, entry: Entry<T>) {
        let id = entry.object.meta().id.clone();
        self.owned.entry(entry.owner.uid.clone()).or_default().insert(id.clone());
        if let Some(node) = &entry.object.meta().node {
            self.marked.entry(node.clone()).or_default().insert(id.clone());
        }
        self.entries.insert(id, entry);
    }

    /// A thing was seen again, and somebody may have edited its mark.
    fn re_mark(&mut self, before: &Meta, after: &Meta) {
        if before.node == after.node {
            return;
        }
        if let Some(node) = &before.node {
            drop_from(&mut self.marked, node, &before.id);
        }
        if let Some(node) = &after.node {
            self.marked.entry(node.clone()).or_default().insert(after.id.clone());
        }
    }

    fn remove(&mut self, id: &str) {
        let Some(entry) = self.entries.remove(id) else { return };
        drop_from(&mut self.owned, &entry.owner.uid, id);
        if let Some(node) = &entry.object.meta().node {
            drop_from(&mut self.marked, node, id);
        }
    }

    fn bury(&mut self, id: String, owner: &Owner, now: Instant) {
        self.gone.entry(owner.uid.clone()).or_default().insert((id, owner.attempt), now);
    }

    fn buried(&self, object: &T, owner: &Owner) -> Option<Instant> {
        let graves = self.gone.get(&owner.uid)?;
        graves.iter().filter(|((id, _), _)| *id == object.meta().id).map(|(_, buried)| *buried).max()
    }

    fn unbury(&mut self, object: &T, owner: &Owner) {
        if let Some(graves) = self.gone.get_mut(&owner.uid) {
            graves.retain(|(id, _), _| *id != object.meta().id);
        }
    }
}

fn drop_from(index: &mut HashMap<String, BTreeSet<String>>, key: &str, id: &str) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

impl<T> Entry<T> {
    /// When what is known of it was told: the listing began, or our own call was answered.
    #[must_use]
    pub fn last_told(&self) -> Option<Instant> {
        self.sightings.last().map(|(began, _)| *began).max(self.touched)
    }

    fn new(object: T, owner: Owner, began: Option<Instant>, touched: Option<Instant>) -> Self
    where
        T: Thing,
    {
        let leaving = object.is_leaving();
        let sightings = began.map(|began| (began, object.clone())).into_iter().collect();
        Self {
            object,
            owner,
            missing: false,
            deleted: None,
            ending_since: began.or(touched).filter(|_| leaving),
            refusal: None,
            goes_along: None,
            sightings,
            touched,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::things::{Meta, Volume, VolumeState};
    use VolumeState::{Available, Creating, Deleting, Error};

    /// A volume in a state.
    fn volume(id: &str, state: VolumeState) -> Volume {
        let owner = Some(Owner { uid: "u".into(), attempt: Some(1) });
        let meta = Meta { id: id.into(), owner, ..Meta::default() };
        Volume { meta, key: "osd-0".into(), state, status: String::new(), servers: Vec::new(), device: None }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn state(shelf: &Shelf<Volume>) -> Vec<(&str, VolumeState, bool)> {
        let entries = shelf.of("u");
        entries.map(|entry| (&*entry.object.meta.id, entry.object.state, entry.missing)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_began_before_our_call_was_answered_does_not_undo_it() {
        let start = Instant::now();
        let mut shelf = Shelf::default();
        shelf.fold(volume("a", Creating), start + SECOND);

        assert!(shelf.listed(start, Vec::new()).is_empty());
        assert_eq!(state(&shelf), [("a", Creating, false)]);
        assert!(shelf.listed(start + SECOND, vec![volume("a", Error)]).is_empty());
        assert_eq!(state(&shelf), [("a", Creating, false)]);
        assert!(!shelf.listed(start + 2 * SECOND, vec![volume("a", Available)]).is_empty());
        assert_eq!(state(&shelf), [("a", Available, false)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_without_a_thing_proves_nothing_unless_we_asked_for_its_end_before() {
        let start = Instant::now();
        let mut shelf = Shelf::default();
        shelf.listed(start, vec![volume("a", Available), volume("b", Available)]);
        shelf.deleted("b", true, start + SECOND);

        shelf.listed(start + SECOND, Vec::new());
        assert_eq!(state(&shelf), [("a", Available, true), ("b", Available, false)]);
        shelf.listed(start + 2 * SECOND, Vec::new());
        assert_eq!(state(&shelf), [("a", Available, true)]);
        assert_eq!(shelf.graves("u").count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_began_before_a_thing_was_proved_gone_does_not_bring_it_back() {
        let start = Instant::now();
        let mut shelf = Shelf::default();
        let thing = volume("a", Available);
        shelf.listed(start, vec![thing.clone()]);
        shelf.gone("a", &Owner { uid: "u".into(), attempt: Some(1) }, start + 2 * SECOND);

        assert!(shelf.listed(start + SECOND, vec![thing.clone()]).is_empty());
        assert_eq!((state(&shelf).len(), shelf.graves("u").count()), (0, 1));
        assert!(!shelf.listed(start + 3 * SECOND, vec![thing]).is_empty());
        assert_eq!((state(&shelf).len(), shelf.graves("u").count()), (1, 0), "it is there after all");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deletion_of_which_nothing_is_seen_for_a_minute_is_asked_for_again() {
        let start = Instant::now();
        let mut shelf = Shelf::default();
        shelf.listed(start, vec![volume("a", Available), volume("b", Deleting)]);
        shelf.deleted("a", true, start);
        shelf.deleted("b", true, start);

        shelf.listed(start + 61 * SECOND, vec![volume("a", Available), volume("b", Deleting)]);

        let deleted: Vec<bool> = shelf.of("u").map(|entry| entry.deleted.is_some()).collect();
        assert_eq!(deleted, [false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_by_its_id_stays_known_whatever_became_of_its_marks() {
        let start = Instant::now();
        let mut shelf = Shelf::default();
        shelf.listed(start, vec![volume("a", Available)]);
        let mut found = volume("a", Available);
        found.meta.owner = None;

        shelf.listed(start + SECOND, vec![found.clone()]);
        assert_eq!(state(&shelf), [("a", Available, false)]);

        // No listing shows it any longer. It is asked for by its id, and then for a minute not again.
        found.meta.lost = vec![crate::api::mark::CLUSTER];
        shelf.listed(start + 2 * SECOND, Vec::new());
        assert_eq!(state(&shelf), [("a", Available, true)]);
        shelf.fold(found, start + 3 * SECOND);
        shelf.listed(start + 62 * SECOND, Vec::new());
        assert_eq!(state(&shelf), [("a", Available, false)]);
        shelf.listed(start + 63 * SECOND, Vec::new());
        assert_eq!(state(&shelf), [("a", Available, true)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thing_that_is_found_leaving_has_been_ending_since_then() {
        let start = Instant::now();
        let mut shelf = Shelf::default();
        shelf.listed(start, vec![volume("a", Available), volume("b", Deleting)]);
        shelf.listed(start + SECOND, vec![volume("a", Deleting), volume("b", Deleting)]);

        let since: Vec<Option<Instant>> = shelf.of("u").map(|entry| entry.ending_since).collect();
        assert_eq!(since, [Some(start + SECOND), Some(start)]);
    }
}
