//! Things of one kind in one cloud, as listings and the answers of our own calls told of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::ledger::Ledger;

/// A deletion that was answered, but of which nothing is to be seen after this, is asked for again.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// Something in a cloud that can carry our marks.
pub trait Owned: Clone + PartialEq {
    /// The cloud's id of it.
    fn id(&self) -> &str;
    /// Whose it is, by its marks.
    fn owner(&self) -> Option<Owner>;
    /// It is on its way out.
    fn is_leaving(&self) -> bool;
    /// Whether a listing without it, that began after its deletion was answered, proves that it is gone. Nova's list
    /// leaves out cells that are down.
    const GONE_BY_LIST: bool;
}

/// Whose a thing is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// UID of the `TestNode`.
    pub uid: String,
    /// Number of the attempt.
    pub attempt: i64,
}

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
    /// When we first asked for its end.
    pub first_deleted: Option<Instant>,
    /// Its end was brought about with that of another thing (a volume's with its server).
    pub goes_along: Option<Instant>,
    /// The last two listings that showed it: when they began, and how they showed it.
    pub sightings: Vec<(Instant, T)>,
    touched: Option<Instant>,
}

/// All things of one kind.
#[derive(Debug)]
pub struct Shelf<T> {
    /// Looks and changes.
    pub ledger: Ledger,
    entries: BTreeMap<String, Entry<T>>,
    /// By UID: what was proved gone, and when.
    gone: HashMap<String, BTreeMap<(String, i64), Instant>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { ledger: Ledger::default(), entries: BTreeMap::new(), gone: HashMap::new() }
    }
}

impl<T: Owned> Shelf<T> {
    /// Takes in a complete listing that began then. It changes nothing that a call of ours touched after it began.
    /// Returns the UIDs whose things changed.
    pub fn listed(&mut self, began: Instant, objects: Vec<T>) -> BTreeSet<String> {
        self.ledger.listed(began);
        let mut changed = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for object in objects {
            let Some(owner) = object.owner() else { continue };
            seen.insert(object.id().to_owned());
            if self.sighted(began, object, &owner) {
                changed.insert(owner.uid);
            }
        }
        let entries = std::mem::take(&mut self.entries);
        for (id, mut entry) in entries {
            let told = entry.touched.is_none_or(|touched| touched < began);
            if !seen.contains(&id) && told {
                let asked = entry.deleted.max(entry.goes_along);
                if T::GONE_BY_LIST && asked.is_some_and(|asked| asked < began) {
                    changed.insert(entry.owner.uid.clone());
                    self.bury(id, &entry.owner, began);
                    continue;
                }
                if !entry.missing {
                    changed.insert(entry.owner.uid.clone());
                }
                entry.missing = true;
            }
            self.entries.insert(id, entry);
        }
        changed
    }

    fn sighted(&mut self, began: Instant, object: T, owner: &Owner) -> bool {
        let Some(entry) = self.entries.get_mut(object.id()) else {
            if self.buried(&object, owner).is_some_and(|buried| buried >= began) {
                return false;
            }
            self.unbury(&object, owner);
            self.entries.insert(object.id().to_owned(), Entry::new(object, owner.clone(), Some(began), None));
            return true;
        };
        if entry.touched.is_some_and(|touched| touched >= began) {
            return false;
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
        entry.object = object;
        changed
    }

    /// Folds in what a call of ours was answered: the thing is there, like this.
    pub fn fold(&mut self, object: T, now: Instant) {
        let Some(owner) = object.owner() else { return };
        self.unbury(&object, &owner);
        if let Some(entry) = self.entries.get_mut(object.id()) {
            entry.object = object;
            entry.missing = false;
            entry.touched = Some(now);
        } else {
            let id = object.id().to_owned();
            self.entries.insert(id, Entry::new(object, owner, None, Some(now)));
        }
    }

    /// Our request to delete it was answered.
    pub fn deleted(&mut self, id: &str, now: Instant) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.deleted = Some(now);
            entry.first_deleted.get_or_insert(now);
            entry.touched = Some(now);
        }
    }

    /// The end of another thing takes these along.
    pub fn go_along(&mut self, now: Instant, goes: impl Fn(&T) -> bool) {
        for entry in self.entries.values_mut().filter(|entry| goes(&entry.object)) {
            entry.goes_along = Some(now);
        }
    }

    /// It was proved gone by then, and may have been known only by a hint.
    pub fn gone(&mut self, id: &str, owner: &Owner, now: Instant) {
        self.entries.remove(id);
        self.bury(id.to_owned(), owner, now);
    }

    /// What there is of a node.
    pub fn of(&self, uid: &str) -> impl Iterator<Item = &Entry<T>> {
        self.entries.values().filter(move |entry| entry.owner.uid == uid)
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

    /// Changes a thing as our own call was answered.
    pub fn amend(&mut self, id: &str, now: Instant, change: impl FnOnce(&mut T)) {
        if let Some(entry) = self.entries.get_mut(id) {
            change(&mut entry.object);
            entry.touched = Some(now);
        }
    }

    /// What was proved gone of a node: ids and attempts.
    pub fn graves(&self, uid: &str) -> impl Iterator<Item = &(String, i64)> {
        self.gone.get(uid).into_iter().flat_map(BTreeMap::keys)
    }

    /// The node is gone.
    pub fn forget(&mut self, uid: &str) {
        self.ledger.forget(uid);
        self.gone.remove(uid);
    }

    fn bury(&mut self, id: String, owner: &Owner, now: Instant) {
        self.gone.entry(owner.uid.clone()).or_default().insert((id, owner.attempt), now);
    }

    fn buried(&self, object: &T, owner: &Owner) -> Option<Instant> {
        let graves = self.gone.get(&owner.uid)?;
        graves.iter().filter(|((id, _), _)| id == object.id()).map(|(_, buried)| *buried).max()
    }

    fn unbury(&mut self, object: &T, owner: &Owner) {
        if let Some(graves) = self.gone.get_mut(&owner.uid) {
            graves.retain(|(id, _), _| id != object.id());
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
        T: Clone,
    {
        let sightings = began.map(|began| (began, object.clone())).into_iter().collect();
        Self {
            object,
            owner,
            missing: false,
            deleted: None,
            first_deleted: None,
            goes_along: None,
            sightings,
            touched,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Thing(&'static str, &'static str);

    impl Owned for Thing {
        fn id(&self) -> &str {
            self.0
        }
        fn owner(&self) -> Option<Owner> {
            Some(Owner { uid: "u".into(), attempt: 1 })
        }
        fn is_leaving(&self) -> bool {
            self.1 == "deleting"
        }
        const GONE_BY_LIST: bool = true;
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn state(shelf: &Shelf<Thing>) -> Vec<(&'static str, &'static str, bool)> {
        shelf.of("u").map(|entry| (entry.object.0, entry.object.1, entry.missing)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_began_before_our_call_was_answered_does_not_undo_it() {
        let start = Instant::now();
        let mut shelf = Shelf::default();
        shelf.fold(Thing("a", "new"), start + SECOND);

        assert!(shelf.listed(start, Vec::new()).is_empty());
        assert_eq!(state(&shelf), [("a", "new", false)]);
        assert!(shelf.listed(start + SECOND, vec![Thing("a", "old")]).is_empty());
        assert_eq!(state(&shelf), [("a", "new", false)]);
        assert!(!shelf.listed(start + 2 * SECOND, vec![Thing("a", "newer")]).is_empty());
        assert_eq!(state(&shelf), [("a", "newer", false)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_without_a_thing_proves_nothing_unless_we_asked_for_its_end_before() {
        let start = Instant::now();
        let mut shelf = Shelf::default();
        shelf.listed(start, vec![Thing("a", "x"), Thing("b", "x")]);
        shelf.deleted("b", start + SECOND);

        shelf.listed(start + SECOND, Vec::new());
        assert_eq!(state(&shelf), [("a", "x", true), ("b", "x", false)]);
        shelf.listed(start + 2 * SECOND, Vec::new());
        assert_eq!(state(&shelf), [("a", "x", true)]);
        assert_eq!(shelf.graves("u").count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_began_before_a_thing_was_proved_gone_does_not_bring_it_back() {
        let start = Instant::now();
        let mut shelf = Shelf::default();
        let thing = Thing("a", "x");
        shelf.listed(start, vec![thing.clone()]);
        shelf.gone("a", &Owner { uid: "u".into(), attempt: 1 }, start + 2 * SECOND);

        assert!(shelf.listed(start + SECOND, vec![thing.clone()]).is_empty());
        assert_eq!((state(&shelf).len(), shelf.graves("u").count()), (0, 1));
        assert!(!shelf.listed(start + 3 * SECOND, vec![thing]).is_empty());
        assert_eq!((state(&shelf).len(), shelf.graves("u").count()), (1, 0), "it is there after all");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deletion_of_which_nothing_is_seen_for_a_minute_is_asked_for_again() {
        let start = Instant::now();
        let mut shelf = Shelf::default();
        shelf.listed(start, vec![Thing("a", "x"), Thing("b", "deleting")]);
        shelf.deleted("a", start);
        shelf.deleted("b", start);

        shelf.listed(start + 61 * SECOND, vec![Thing("a", "x"), Thing("b", "deleting")]);

        let deleted: Vec<bool> = shelf.of("u").map(|entry| entry.deleted.is_some()).collect();
        assert_eq!(deleted, [false, true]);
    }
}
