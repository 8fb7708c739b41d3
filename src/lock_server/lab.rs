//! The pools as teuthology sees them: every slot of a pool is a row, whether there is a machine in it or not. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;

use super::wire::{Row, date};
use crate::api::common::Os;
use crate::api::pool::From;
use crate::api::{Cloud, MachineType, TestNode, TestNodeClaim, TestNodePool, TestNodeSlot, TestNodeSpec};
use crate::pool::slot::{Slot, State};
use crate::saying::Saying;

#[cfg(test)]
pub(super) mod tests;

/// The longest description of a row that we word ourselves.
const LONGEST: usize = 300;

/// A pool that is served.
#[derive(Clone, Debug)]
pub struct Served {
    /// The pool.
    pub pool: Arc<TestNodePool>,
    /// teuthology's word for its machines.
    pub machine_type: String,
    /// Their operating system, where it is known.
    pub os: Option<Os>,
    /// It is that of the machine type's `defaultOS`.
    pub is_default: bool,
    /// Their architecture.
    pub arch: String,
    /// Where their names are.
    pub zone: Option<String>,
}

/// Which pools are served, and which not.
#[derive(Clone, Debug, Default)]
pub struct Pools {
    /// Those that are, by namespace and name.
    pub served: Vec<Served>,
    /// Those that are not, as `namespace/name`, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// Where all names are.
    pub zone: Option<String>,
}

/// One slot of a pool.
#[derive(Clone, Debug)]
pub struct Spot<'a> {
    /// Its pool.
    pub served: &'a Served,
    /// Its host name.
    pub host: String,
    /// What is in it.
    pub node: Option<&'a TestNode>,
    /// Who has it.
    pub holder: Option<&'a TestNodeClaim>,
    /// What somebody says of it.
    pub mark: Option<&'a TestNodeSlot>,
}

impl Pools {
    /// Looks through all pools. All names must be in one zone, as teuthology has one `lab_domain`: in `zone`, or else in the
    /// zone of the first pool that has one.
    #[must_use]
    pub fn of(
        pools: &[Arc<TestNodePool>],
        types: &[Arc<MachineType>],
        clouds: &[Arc<Cloud>],
        namespace: &str,
        zone: Option<&str>,
    ) -> Self {
        let mut sorted: Vec<&Arc<TestNodePool>> =
            pools.iter().filter(|pool| pool.metadata.deletion_timestamp.is_none()).collect();
        sorted.sort_by_key(|pool| (pool.namespace(), pool.name_any()));
        let mut all = Self { zone: zone.map(str::to_owned), ..Self::default() };
        for pool in sorted {
            match serve(pool, types, clouds, namespace) {
                Ok(served) => all.served.push(served),
                Err(why) => all.left_out.push((path(pool), why)),
            }
        }
        if all.zone.is_none() {
            all.zone = all.served.iter().find_map(|served| served.zone.clone());
        }
        let (common, given) = (all.zone.clone(), zone.is_some());
        let mut elsewhere = Vec::new();
        all.served.retain_mut(|served| match (&served.zone, &common) {
            (Some(own), Some(zone)) if own != zone => {
                let why = format!("its names are in {own}, and those of this lock server in {zone}");
                elsewhere.push((path(&served.pool), why));
                false
            }
            (None, Some(zone)) if !given => {
                let why = format!("its clouds give no names, and those of this lock server are in {zone}");
                elsewhere.push((path(&served.pool), why));
                false
            }
            _ => {
                served.zone.clone_from(&common);
                true
            }
        });
        all.left_out.extend(elsewhere);
        all
    }

    /// The slot of this name, with or without the zone.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(&Served, String)> {
        let name = name.to_ascii_lowercase();
        let host = self.zone.as_ref().and_then(|zone| name.strip_suffix(zone.as_str())?.strip_suffix('.'));
        let host = host.unwrap_or(&name);
        // A name may be a slot of `ovh` and of `ovh1`: it is meant where there is such a slot.
        let named = |served: &&Served| served.pool.number_of(host).is_some();
        let there = self.served.iter().find(|served| served.has_slot(host));
        let found = there.or_else(|| self.served.iter().find(named));
        found.map(|served| (served, host.to_owned()))
    }

    /// Whether pools have machines of this type.
    #[must_use]
    pub fn have(&self, machine_type: &str) -> bool {
        self.served.iter().any(|served| served.machine_type == machine_type)
    }

    /// The types of all machines.
    #[must_use]
    pub fn machine_types(&self) -> BTreeSet<String> {
        self.served.iter().map(|served| served.machine_type.clone()).collect()
    }
}

fn path(pool: &TestNodePool) -> String {
    format!("{}/{}", pool.namespace().unwrap_or_default(), pool.name_any())
}

fn serve(
    pool: &Arc<TestNodePool>,
    types: &[Arc<MachineType>],
    clouds: &[Arc<Cloud>],
    namespace: &str,
) -> Result<Served, String> {
    let spec = &pool.spec;
    if pool.namespace().as_deref() != Some(namespace) && spec.claims.from != From::All {
        return Err(format!(
            "it serves no claims of the namespace {namespace}; set its spec.claims.from to All"
        ));
    }
    let name = &spec.template.machine_type;
    let Some(machine_type) = types.iter().find(|found| found.name_any() == *name) else {
        return Err(format!("there is no MachineType {name}"));
    };
    let its_clouds: Vec<&str> = match &spec.template.cloud {
        Some(cloud) => vec![cloud],
        None => machine_type.spec.clouds.iter().map(|cloud| cloud.name.as_str()).collect(),
    };
    let zones: BTreeSet<&str> = clouds
        .iter()
        .filter(|cloud| its_clouds.contains(&cloud.name_any().as_str()))
        .filter_map(|cloud| cloud.spec.dns.as_ref().map(|dns| dns.zone.as_str()))
        .collect();
    if zones.len() > 1 {
        let zones: Vec<&str> = zones.into_iter().collect();
        return Err(format!("its clouds name their machines in different zones: {}", zones.join(", ")));
    }
    let lock_server = spec.lock_server.as_ref();
    let os = spec.template.os.clone().or_else(|| machine_type.spec.default_os.clone());
    Ok(Served {
        pool: pool.clone(),
        machine_type: lock_server.and_then(|said| said.machine_type.clone()).unwrap_or_else(|| name.clone()),
        is_default: os == machine_type.spec.default_os,
        os,
        arch: lock_server.and_then(|said| said.arch.clone()).unwrap_or_else(|| "x86_64".into()),
        zone: zones.first().map(|zone| (*zone).to_owned()),
    })
}

impl Served {
    /// The namespace of the pool.
    #[must_use]
    pub fn namespace(&self) -> String {
        self.pool.namespace().unwrap_or_default()
    }

    /// The full name of a slot.
    #[must_use]
    pub fn full_name(&self, host: &str) -> String {
        self.zone.as_ref().map_or_else(|| host.to_owned(), |zone| format!("{host}.{zone}"))
    }

    /// Whether it may make a machine of this name.
    #[must_use]
    pub fn has_slot(&self, host: &str) -> bool {
        self.pool.number_of(host).is_some_and(|number| (1..=self.max()).contains(&number))
    }

    /// How many machines it has at most.
    #[must_use]
    pub fn max(&self) -> usize {
        usize::try_from(self.pool.spec.max).unwrap_or(0)
    }
}

/// Whether a claim has this node now: it lives, and has neither given the node back nor given it up.
#[must_use]
pub fn has(claim: &TestNodeClaim, node: &TestNode) -> bool {
    let named = node.spec.claim_ref.as_ref();
    named.is_some_and(|named| Some(&named.uid) == claim.metadata.uid.as_ref())
        && claim.is_living()
        && !claim.spec.released.contains(&node.name_any())
        && !claim.dropped(node.metadata.uid.as_deref().unwrap_or_default())
}

/// Whether a claim was told of a node of this name in this pool.
#[must_use]
pub fn lists(claim: &TestNodeClaim, pool: &TestNodePool, host: &str) -> bool {
    claim.asks(pool)
        && claim.status.as_ref().is_some_and(|status| status.nodes.iter().any(|node| node.name == host))
}

impl Spot<'_> {
    /// The full name.
    #[must_use]
    pub fn name(&self) -> String {
        self.served.full_name(&self.host)
    }

    /// How the node stands.
    #[must_use]
    pub fn slot(&self) -> Option<Slot> {
        self.node.map(|node| Slot::of(node, &TestNodeSpec::default(), false))
    }

    /// What somebody says of it, if it speaks of the machine that is there.
    #[must_use]
    pub fn said(&self) -> Option<&TestNodeSlot> {
        let node = self.node.and_then(|node| node.metadata.uid.as_ref());
        self.mark.filter(|mark| mark.spec.node_uid.is_none() || mark.spec.node_uid.as_ref() == node)
    }

    /// A machine is there for whoever asks first.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        let free = self.slot().is_some_and(|slot| slot.is(State::Ready));
        free && self.holder.is_none()
    }

    /// Somebody marked the machine that is there as down: also if it is not Ready any longer, whoever names it has it.
    #[must_use]
    pub fn is_for_a_look(&self) -> bool {
        let uid = self.node.and_then(|node| node.metadata.uid.as_deref());
        let is_down = self.mark.is_some_and(|mark| mark.is_down(uid));
        let is_free = self.slot().is_some_and(|slot| slot.is_idle() && slot.ready_at.is_some());
        is_down && is_free && self.holder.is_none()
    }

    /// Whether it may be used: nobody marked it down, and it is not known to be broken.
    #[must_use]
    pub fn is_up(&self) -> bool {
        let lost = self.holder.is_some() && self.node.is_none();
        let sound = self
            .slot()
            .is_none_or(|slot| !slot.is_paused && !matches!(slot.state, State::Broken(_) | State::Taken));
        let marked = self.said().is_some_and(|mark| mark.spec.down);
        !self.served.pool.spec.paused && !lost && sound && !marked
    }

    /// Why it is free and yet not there, in a few words.
    fn words(&self) -> Option<String> {
        let Some(slot) = self.slot() else {
            return Some("no machine yet; one is made when it is locked".into());
        };
        if self.served.pool.spec.paused {
            return Some("its pool is paused".into());
        }
        match slot.state {
            State::Going => Some("being removed".into()),
            _ if slot.claim.is_some() => Some("being removed".into()),
            State::Ready => slot.is_paused.then(|| "an admin looks at it".into()),
            State::Coming => Some("being made".into()),
            State::Failing => Some(Saying::line(&format!("being made again; {}", slot.said), LONGEST)),
            State::Broken(_) | State::Taken => Some(Saying::line(&slot.said, LONGEST)),
        }
    }

    /// The description: what its holder says of it; or somebody else; or we.
    #[must_use]
    pub fn description(&self) -> Option<String> {
        if let Some(holder) = self.holder {
            // Not null: teuthology cannot unlock a locked node without a description.
            return Some(holder.spec.description.clone().unwrap_or_default());
        }
        self.said().and_then(|mark| mark.spec.description.clone()).or_else(|| self.words())
    }

    /// The row.
    #[must_use]
    pub fn row(&self) -> Row {
        let os = self.node.and_then(|node| os_of(node, self.served.os.as_ref()));
        let since = self.holder.and_then(|claim| claim.status.as_ref()?.bound_at.as_ref());
        Row {
            name: self.name(),
            description: self.description(),
            up: self.is_up(),
            machine_type: self.served.machine_type.clone(),
            os_type: os.as_ref().map(|os| os.kind.clone()),
            os_version: os.map(|os| os.version),
            arch: Some(self.served.arch.clone()),
            locked: self.holder.is_some(),
            locked_since: since.map(|since| date(since.0)),
            locked_by: self.holder.map(owner),
            ssh_pub_key: self.node.and_then(host_key),
            ..Row::default()
        }
    }
}

/// Who has a claim's nodes: its owner, else the claim itself.
#[must_use]
pub fn owner(claim: &TestNodeClaim) -> String {
    let itself = || format!("{}/{}", claim.namespace().unwrap_or_default(), claim.name_any());
    claim.spec.owner.clone().unwrap_or_else(itself)
}

fn os_of(node: &TestNode, usual: Option<&Os>) -> Option<Os> {
    let told = node.own_status().and_then(|status| status.os.as_deref()).and_then(|os| os.split_once(' '));
    let told = told.map(|(kind, version)| Os { kind: kind.into(), version: version.into() });
    told.or_else(|| node.spec.os.clone()).or_else(|| usual.cloned())
}

/// Of its host keys the first by the order of their text, which is the one that teuthology's own scan would choose.
#[must_use]
pub fn host_key(node: &TestNode) -> Option<String> {
    host_keys(node).into_iter().min()
}

/// Its host keys, each as type and base64.
#[must_use]
pub fn host_keys(node: &TestNode) -> Vec<String> {
    let lines = node.own_status().and_then(|status| status.ssh.as_ref()).map(|ssh| ssh.host_keys.as_slice());
    let key = |line: &String| line.split_once(' ').map(|(_, key)| key.to_owned());
    lines.unwrap_or_default().iter().filter_map(key).collect()
}

/// Everything that is known of the slots of all pools.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Nodes by namespace and name.
    pub nodes: BTreeMap<(String, String), Arc<TestNode>>,
    /// Claims by UID.
    pub claims: BTreeMap<String, Arc<TestNodeClaim>>,
    /// What somebody says of slots, by namespace and name.
    pub marks: BTreeMap<(String, String), Arc<TestNodeSlot>>,
}

impl Known {
    /// The slots of a pool in the order of the list: those with a machine for whoever asks first, then the others.
    #[must_use]
    pub fn spots<'a>(&'a self, served: &'a Served) -> Vec<Spot<'a>> {
        let (namespace, pool) = (served.namespace(), &served.pool);
        let mut hosts: BTreeSet<String> = (1..=served.max()).map(|number| pool.slot(number)).collect();
        let own = |node: &&Arc<TestNode>| {
            node.spec.pool_ref.as_ref().is_some_and(|named| Some(&named.uid) == pool.metadata.uid.as_ref())
        };
        let of_namespace = self.nodes.range((namespace.clone(), String::new())..);
        let of_namespace = of_namespace.take_while(|((found, _), _)| *found == namespace);
        hosts.extend(of_namespace.map(|(_, node)| node).filter(own).map(|node| node.name_any()));
        let mut listed: BTreeMap<&str, &TestNodeClaim> = BTreeMap::new();
        for claim in self.claims.values().filter(|claim| claim.is_living() && claim.asks(pool)) {
            for node in claim.status.iter().flat_map(|status| &status.nodes) {
                if !claim.spec.released.contains(&node.name) {
                    listed.insert(&node.name, claim);
                }
            }
        }
        let mut spots: Vec<Spot<'a>> = hosts
            .into_iter()
            .map(|host| {
                let at = (namespace.clone(), host.clone());
                let node = self.nodes.get(&at).map(|node| &**node);
                let named = node.and_then(|node| node.spec.claim_ref.as_ref());
                let holder = match (node, named) {
                    (Some(node), Some(named)) => {
                        self.claims.get(&named.uid).map(|claim| &**claim).filter(|claim| has(claim, node))
                    }
                    (None, _) => listed.get(host.as_str()).copied(),
                    (Some(_), None) => None,
                };
                Spot { served, node, holder, mark: self.marks.get(&at).map(|mark| &**mark), host }
            })
            .collect();
        spots.sort_by_key(|spot| !spot.is_warm());
        spots
    }

    /// All rows.
    #[must_use]
    pub fn rows(&self, pools: &Pools) -> Vec<Row> {
        let mut rows: Vec<(bool, Row)> = Vec::new();
        for served in &pools.served {
            rows.extend(self.spots(served).iter().map(|spot| (!spot.is_warm(), spot.row())));
        }
        rows.sort_by_key(|(cold, _)| *cold);
        rows.into_iter().map(|(_, row)| row).collect()
    }
}
