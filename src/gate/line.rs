//! Those who wait for room in one cloud, kept in the order in which they are served. Whose turn it is costs as many steps
//! as there are nodes that can go, and sizes and namespaces; how many wait behind them does not matter.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use tokio::time::Instant;

use super::amounts::{Amounts, Quantity};
use super::queue::{Bound, By, Turn, Walk, Wish};
use crate::age::Age;

#[cfg(test)]
mod tests;

/// A node that was called because there is room, and did not look for so long, holds up nobody.
const COMES_WITHIN: Duration = Duration::from_secs(15);

/// The first of its size looks far more often. One that has not is called.
const LOOKS_WITHIN: Duration = Duration::from_secs(30);

/// One that waits.
#[derive(Debug)]
struct Waits {
    need: Amounts,
    since: Instant,
    looked: Instant,
    /// When it was called, if it has not looked since.
    called: Option<Instant>,
    /// It is the first of its size, and knows.
    leads: bool,
}

impl Waits {
    fn is_absent(&self, now: Instant) -> bool {
        self.called.is_some_and(|called| now >= called + COMES_WITHIN)
    }
}

/// Those of one namespace: all of them, and by what they need.
#[derive(Debug, Default)]
struct Namespace {
    all: BTreeMap<Age, Waits>,
    sizes: BTreeMap<Amounts, BTreeSet<Age>>,
}

impl Namespace {
    /// The first of a size that is not absent.
    fn first(&self, need: &Amounts, now: Instant) -> Option<&Age> {
        let present = |age: &&Age| self.all.get(*age).is_some_and(|waits| !waits.is_absent(now));
        self.sizes.get(need)?.iter().find(present)
    }
}

/// All who wait for room in a cloud.
#[derive(Debug, Default)]
pub(super) struct Line {
    namespaces: BTreeMap<String, Namespace>,
    /// By what they need: since when, and how many.
    since: BTreeMap<Amounts, BTreeMap<Instant, usize>>,
    /// Who was told that something is short, and what.
    told: BTreeMap<Age, String>,
    len: usize,
}

/// What is short in a cloud for nodes that wait.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Short {
    /// For how long one of them has waited.
    pub lasts: Duration,
    /// Of what there is too little.
    pub of: BTreeSet<Quantity>,
}

/// Nodes under construction, by namespace.
pub(super) type Served = BTreeMap<String, usize>;

/// What a walk along the line needs to know.
pub(super) struct Scene<'a> {
    pub served: &'a Served,
    pub bounds: &'a [Bound],
    pub now: Instant,
}

impl Line {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// A node waits, or waits still: it has looked.
    pub(super) fn put(&mut self, age: &Age, need: Amounts, told: String, now: Instant) {
        let since = self.remove(age).unwrap_or(now);
        let namespace = self.namespaces.entry(age.namespace().to_owned()).or_default();
        namespace.all.insert(age.clone(), Waits { need, since, looked: now, called: None, leads: false });
        namespace.sizes.entry(need).or_default().insert(age.clone());
        *self.since.entry(need).or_default().entry(since).or_default() += 1;
        if !told.is_empty() {
            self.told.insert(age.clone(), told);
        }
        self.len += 1;
    }

    /// It does not wait here any more. Returns since when it did.
    pub(super) fn remove(&mut self, age: &Age) -> Option<Instant> {
        let namespace = self.namespaces.get_mut(age.namespace())?;
        let Waits { need, since, .. } = namespace.all.remove(age)?;
        if let Some(size) = namespace.sizes.get_mut(&need) {
            size.remove(age);
            if size.is_empty() {
                namespace.sizes.remove(&need);
            }
        }
        if namespace.all.is_empty() {
            self.namespaces.remove(age.namespace());
        }
        if let Some(all) = self.since.get_mut(&need) {
            if let Some(count) = all.get_mut(&since) {
                *count -= 1;
                if *count == 0 {
                    all.remove(&since);
                }
            }
            if all.is_empty() {
                self.since.remove(&need);
            }
        }
        self.told.remove(age);
        self.len -= 1;
        Some(since)
    }

    /// The oldest that was told that something is short, what it was told, and how many others were.
    pub(super) fn shortage(&self) -> Option<(&str, &str, usize)> {
        let (age, told) = self.told.first_key_value()?;
        Some((&age.node, told, self.told.len() - 1))
    }

    /// What is short for those that were told so, and for which there is room beside what is not ours.
    pub(super) fn short(&self, bounds: &[Bound], now: Instant) -> Option<Short> {
        let told = self.told.keys().filter_map(|age| self.namespaces.get(age.namespace())?.all.get(age));
        let helped = told.filter(|waits| bounds.iter().all(|bound| bound.could_hold(&waits.need)));
        let helped: Vec<&Waits> = helped.collect();
        let lacks = |waits: &&Waits| {
            let need = waits.need;
            let full = move |bound: &&Bound| bound.by != By::Pace && !bound.holds(&need, &Amounts::default());
            bounds.iter().filter(full).map(|bound| bound.of).collect::<Vec<_>>()
        };
        Some(Short {
            lasts: helped.iter().map(|waits| now.saturating_duration_since(waits.since)).max()?,
            of: helped.iter().flat_map(lacks).collect(),
        })
    }

    /// Somebody waits here who can have room some day, and who comes when it is called.
    pub(super) fn waits(&self, bounds: &[Bound], now: Instant) -> bool {
        self.namespaces.values().any(|namespace| {
            namespace.sizes.keys().any(|need| {
                bounds.iter().all(|bound| bound.could_hold(need)) && namespace.first(need, now).is_some()
            })
        })
    }

    /// How many come before a node: those of its own namespace that are older, and as many of each other namespace.
    pub(super) fn before(&self, age: &Age, served: &Served) -> usize {
        let of = |namespace: &str| served.get(namespace).copied().unwrap_or_default();
        let own = self.namespaces.get(age.namespace()).map_or(0, |own| own.all.range(..age).count());
        let turn = of(age.namespace()) + own;
        let others = self.namespaces.iter().filter(|(name, _)| *name != age.namespace());
        let before = others.map(|(name, other)| {
            let even = turn.saturating_sub(of(name));
            let first = turn >= of(name) && other.all.keys().nth(even).is_some_and(|at| at < age);
            even.min(other.all.len()) + usize::from(first)
        });
        own + before.sum::<usize>()
    }

    /// Whether a node may take what it needs, after all who come before it.
    pub(super) fn turn(&self, age: &Age, need: &Amounts, scene: &Scene<'_>) -> Turn {
        let mut walk = Walk::new(scene.bounds);
        let mut order = Order::new(self, scene, Some((age, need)));
        while !walk.has_closed(need)
            && let Some((next, wish)) = order.next(&walk)
            && next != age
        {
            walk.meets(&wish);
            order.served(next, &walk, &wish.need);
        }
        walk.may(need)
    }

    /// Who is to look: those that can go now, and the first of each size, who from now on looks for the others too.
    pub(super) fn call(&mut self, scene: &Scene<'_>) -> Vec<Age> {
        let mut walk = Walk::new(scene.bounds);
        let mut go = Vec::new();
        let mut order = Order::new(self, scene, None);
        while let Some((next, wish)) = order.next(&walk) {
            walk.meets(&wish);
            if !walk.has_closed(&wish.need) {
                go.push(next.clone());
            }
            order.served(next, &walk, &wish.need);
        }
        let mut called = Vec::new();
        for age in go {
            if let Some(waits) = self.waits_mut(&age)
                && waits.called.is_none()
            {
                waits.called = Some(scene.now);
                called.push(age);
            }
        }
        for age in self.leaders(scene.now) {
            let Some(waits) = self.waits_mut(&age).filter(|waits| waits.called.is_none()) else { continue };
            let late = scene.now >= waits.looked + LOOKS_WITHIN;
            if late {
                waits.called = Some(scene.now);
            }
            if late || !waits.leads {
                called.push(age.clone());
            }
            waits.leads = true;
        }
        called
    }

    /// Whether a node is the first of its size.
    pub(super) fn leads(&mut self, age: &Age, now: Instant) -> bool {
        let Some(need) = self.waits_mut(age).map(|waits| waits.need) else { return false };
        let first = self.first_of(&need, now) == Some(age);
        if let Some(waits) = self.waits_mut(age) {
            waits.leads = first;
        }
        first
    }

    fn leaders(&self, now: Instant) -> Vec<Age> {
        self.since.keys().filter_map(|need| self.first_of(need, now).cloned()).collect()
    }

    fn first_of(&self, need: &Amounts, now: Instant) -> Option<&Age> {
        self.namespaces.values().filter_map(|namespace| namespace.first(need, now)).min()
    }

    fn waits_mut(&mut self, age: &Age) -> Option<&mut Waits> {
        self.namespaces.get_mut(age.namespace())?.all.get_mut(age)
    }

    /// How long the one that waits longest with this need has waited.
    fn longest(&self, need: &Amounts, now: Instant) -> Duration {
        let since = self.since.get(need).and_then(|all| all.keys().next());
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(*since))
    }
}

/// The order in which they are served: namespaces in turn, and in each the oldest first, of those whose size still fits.
struct Order<'a> {
    line: &'a Line,
    now: Instant,
    /// Namespaces by how many of theirs were served, then by the age of their next; and what that needs.
    next: BinaryHeap<Reverse<(usize, &'a Age, &'a str)>>,
    after: BTreeMap<(&'a str, &'a Amounts), &'a Age>,
    asker: Option<(&'a Age, &'a Amounts)>,
}

impl<'a> Order<'a> {
    fn new(line: &'a Line, scene: &Scene<'a>, asker: Option<(&'a Age, &'a Amounts)>) -> Self {
        let mut order = Self { line, now: scene.now, next: BinaryHeap::new(), after: BTreeMap::new(), asker };
        let own = asker.map(|(age, _)| age.namespace());
        let names = line.namespaces.keys().map(String::as_str);
        let missing = own.filter(|own| !line.namespaces.contains_key(*own));
        let nothing = Walk::new(&[]);
        for name in names.chain(missing) {
            let served = scene.served.get(name).copied().unwrap_or_default();
            order.line_up(name, served, &nothing);
        }
        order
    }

    /// The next of a namespace gets in line with those of the others.
    fn line_up(&mut self, name: &'a str, served: usize, walk: &Walk<'_>) {
        let sizes =
            self.line.namespaces.get(name).into_iter().flat_map(|namespace| {
                namespace.sizes.iter().map(move |(need, ages)| (namespace, need, ages))
            });
        let first =
            sizes.filter(|(_, need, _)| !walk.has_closed(need)).filter_map(|(namespace, need, ages)| {
                let rest = match self.after.get(&(name, need)) {
                    Some(after) => {
                        ages.range((std::ops::Bound::Excluded(*after), std::ops::Bound::Unbounded))
                    }
                    None => ages.range::<Age, _>(..),
                };
                let present =
                    |age: &&Age| namespace.all.get(*age).is_some_and(|waits| !waits.is_absent(self.now));
                rest.into_iter().find(present)
            });
        let asks = self.asker.filter(|(age, _)| age.namespace() == name).map(|(age, _)| age);
        if let Some(age) = first.chain(asks).min() {
            self.next.push(Reverse((served, age, name)));
        }
    }

    /// Who is next, and what it wishes.
    fn next(&mut self, walk: &Walk<'_>) -> Option<(&'a Age, Wish<'a>)> {
        loop {
            let Reverse((served, age, name)) = *self.next.peek()?;
            let waits = self.line.namespaces.get(name).and_then(|namespace| namespace.all.get(age));
            let asks = self.asker.filter(|(asker, _)| *asker == age);
            let need = asks.map(|(_, need)| *need).or(waits.map(|waits| waits.need))?;
            if walk.has_closed(&need) && asks.is_none() {
                // The size does not fit any more: another of the namespace is next.
                self.next.pop();
                self.line_up(name, served, walk);
                continue;
            }
            let waited = self.line.longest(&need, self.now);
            return Some((age, Wish { node: &age.node, need, waited }));
        }
    }

    /// The next was looked at: its namespace is served, if it fits.
    fn served(&mut self, age: &'a Age, walk: &Walk<'_>, need: &Amounts) {
        let Some(Reverse((served, _, name))) = self.next.pop() else { return };
        let size = self.line.namespaces.get(name).and_then(|namespace| namespace.sizes.get_key_value(need));
        if let Some((need, _)) = size {
            self.after.insert((name, need), age);
        }
        self.line_up(name, served + usize::from(!walk.has_closed(need)), walk);
    }
}
