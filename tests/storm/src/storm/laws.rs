//! What must be true of a world, whatever befalls it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use devcloud::{DevCloud, Status};
use serde_json::Value;
use testnode_operator::dns::record::{PARKED, STAND_IN};
use tokio::time::Instant;

use super::blow::THEIRS;
use super::life::{Life, Stage};
use super::tally::Law;
use crate::lab::{Lab, PARK, is_ours};

/// Two servers of one node are twins when neither goes within this: one poll, and a little.
const ONE_POLL: Duration = Duration::from_millis(2500);
/// The same where two operators were at work: the surplus goes once the cloud can be looked at and asked.
const TWO_OPERATORS: Duration = Duration::from_secs(30);
/// In calm, whose time is over goes within this.
const OVERDUE: Duration = Duration::from_secs(5);

/// What is watched, and what was found.
#[derive(Debug, Default)]
pub struct Laws {
    /// The laws that were broken.
    pub broken: Vec<(Law, String)>,
    /// An update of a name may be applied long after it was asked for.
    pub late_names: bool,
    two_operators: bool,
    /// When trouble ended.
    calm: Option<Instant>,
    /// What was looked at last: revisions of the clouds, and of the cluster.
    seen: (u64, u64),
    /// Nodes with two servers, and since when.
    twins: BTreeMap<String, Instant>,
}

/// Whose something is, by the marks of this cluster.
fn uid_of<'a>(metadata: &'a BTreeMap<String, String>, cluster: &str) -> Option<&'a String> {
    metadata.get("testnode-uid").filter(|_| metadata.get("testnode-cluster").is_some_and(|id| id == cluster))
}

impl Laws {
    /// A law is broken.
    pub fn breach(&mut self, law: Law, what: String) {
        let known = self.broken.iter().any(|(broken, said)| *broken == law && *said == what);
        if !known {
            self.broken.push((law, what));
        }
    }

    /// Something of somebody else was touched.
    pub fn stranger(&mut self, what: String) {
        self.breach(Law::Stranger, what);
    }

    /// From now on two operators are, or were, at work at once.
    pub fn two_operators(&mut self) {
        self.two_operators = true;
    }

    /// Trouble is over.
    pub fn calm(&mut self) {
        self.calm = Some(Instant::now());
    }

    /// Looks whether anything is wrong now.
    pub fn watch(&mut self, lab: &Lab, clouds: &[DevCloud], lives: &mut [Life]) {
        let clouds_at: u64 = clouds.iter().map(DevCloud::revision).sum();
        let cluster_at = lab.cluster.simulated().revision();
        if cluster_at != self.seen.1 {
            self.expired(lab, lives);
            follow(lab, lives);
        }
        if (clouds_at, cluster_at) != self.seen {
            self.count_twins(&lab.cluster.uid(), clouds);
            // A twin takes port and volumes along when it goes.
            let doubled = |life: &&mut Life| self.twins.contains_key(&life.uid);
            lives.iter_mut().filter(doubled).for_each(|life| life.harmed = true);
            self.names(lab, clouds, lives);
            self.kept(clouds, lives);
            self.rebuilt(clouds, lives);
        }
        self.seen = (clouds_at, cluster_at);
        self.judge_twins();
    }

    /// Who goes and was not asked to go has expired.
    fn expired(&mut self, lab: &Lab, lives: &mut [Life]) {
        for life in lives.iter_mut().filter(|life| life.is_alive()) {
            let node = lab.the(&life.name);
            let metadata = &node["metadata"];
            if metadata["uid"] == *life.uid && metadata["deletionTimestamp"].is_null() {
                continue;
            }
            life.stage = Stage::Dying;
            // When it was made is written down to the second.
            let soon = Instant::now() + Duration::from_secs(1);
            if life.expires().is_none_or(|expires| soon < expires) {
                self.breach(Law::ThrownAway, format!("{} was deleted before its time", life.name));
            }
        }
    }

    fn count_twins(&mut self, cluster: &str, clouds: &[DevCloud]) {
        let mut servers: BTreeMap<String, usize> = BTreeMap::new();
        for cloud in clouds {
            cloud.look(|all| {
                let stays = |server: &&devcloud::Server| {
                    server.deleted.is_none() && !server.deleting && server.status != Status::SoftDeleted
                };
                for uid in
                    all.servers.iter().filter(stays).filter_map(|server| uid_of(&server.metadata, cluster))
                {
                    *servers.entry(uid.clone()).or_default() += 1;
                }
            });
        }
        self.twins.retain(|uid, _| servers.get(uid).is_some_and(|count| *count > 1));
        for (uid, _) in servers.into_iter().filter(|(_, count)| *count > 1) {
            self.twins.entry(uid).or_insert_with(Instant::now);
        }
    }

    fn judge_twins(&mut self) {
        let now = Instant::now();
        let lasting = |since: &Instant| match (self.two_operators, self.calm) {
            (false, _) => now.duration_since(*since) > ONE_POLL,
            (true, Some(calm)) => now.duration_since((*since).max(calm)) > TWO_OPERATORS,
            (true, None) => false,
        };
        let found: Vec<String> =
            self.twins.iter().filter(|(_, since)| lasting(since)).map(|(uid, _)| uid.clone()).collect();
        for uid in found {
            self.breach(Law::Twin, format!("node {uid} has two servers"));
        }
    }

    /// The name goes before its address is free. nsupdate-web sets what it is told last, so two operators at once may
    /// undo each other's names; at the end of all, theirs too must be gone.
    fn names(&mut self, lab: &Lab, clouds: &[DevCloud], lives: &[Life]) {
        if self.late_names || self.two_operators {
            return;
        }
        let held: BTreeSet<IpAddr> = clouds
            .iter()
            .flat_map(|cloud| {
                cloud.look(|all| {
                    let floating = all.floating_ips.iter().map(|ip| ip.address.into());
                    all.ports
                        .iter()
                        .flat_map(devcloud::Port::addresses)
                        .map(IpAddr::from)
                        .chain(floating)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let parking = [PARK.parse().unwrap(), PARKED, STAND_IN, THEIRS];
        let loose = lab.cloud.look(|all| {
            let all =
                all.records.iter().flat_map(|(name, found)| found.iter().map(move |found| (name, found)));
            let known = |name: &str| name.split('.').next().is_none_or(|name| !is_lost(name, lives));
            let loose =
                all.filter(|(name, found)| !held.contains(found) && !parking.contains(found) && known(name));
            loose.map(|(name, found)| format!("{name} points at {found}, which is free")).collect::<Vec<_>>()
        });
        for what in loose {
            self.breach(Law::Leak, what);
        }
    }

    /// The machine of a node that was Ready stays while the node does.
    fn kept(&mut self, clouds: &[DevCloud], lives: &[Life]) {
        for life in lives.iter().filter(|life| life.is_alive() && !life.harmed) {
            let Some(kept) = &life.kept else { continue };
            let lives_on = clouds.iter().any(|cloud| {
                cloud.look(|all| {
                    let found = all.servers.iter().find(|server| server.id == *kept);
                    found.is_some_and(|s| s.deleted.is_none() && !s.deleting && s.status == Status::Active)
                })
            });
            if !lives_on {
                self.breach(Law::ThrownAway, format!("{} was Ready with server {kept}", life.name));
            }
        }
    }

    /// Nobody's system is made anew more often than somebody asked for it. Two operators at once may both ask.
    fn rebuilt(&mut self, clouds: &[DevCloud], lives: &[Life]) {
        if self.two_operators {
            return;
        }
        for life in lives.iter().filter(|life| life.is_there()) {
            let Some(kept) = &life.kept else { continue };
            let rebuilds = clouds.iter().find_map(|cloud| {
                cloud.look(|all| Some(all.servers.iter().find(|server| server.id == *kept)?.rebuilds))
            });
            if rebuilds.is_some_and(|rebuilds| rebuilds > life.rebuilds) {
                let what =
                    format!("{} was rebuilt {rebuilds:?} times, and {} asked for", life.name, life.rebuilds);
                self.breach(Law::ThrownAway, what);
            }
        }
    }

    /// What a node lacks that says it is Ready, when all is quiet.
    #[must_use]
    pub fn lacks(lab: &Lab, clouds: &[DevCloud], life: &Life) -> Option<String> {
        let mut wrong = Vec::new();
        let mut counts = (0, 0, Vec::new());
        let mut floating: Vec<IpAddr> = Vec::new();
        let cluster = lab.cluster.uid();
        for cloud in clouds {
            cloud.look(|all| {
                let ours = |server: &&devcloud::Server| {
                    server.deleted.is_none() && uid_of(&server.metadata, &cluster) == Some(&life.uid)
                };
                counts.0 += all.servers.iter().filter(ours).count();
                let asks_sshd = life.spec["readiness"].to_string().contains("ssh");
                if asks_sshd && all.servers.iter().filter(ours).any(|server| server.fate.other_host_key) {
                    wrong.push("an sshd with another host key than its console".to_owned());
                }
                let volumes = all.volumes.iter().filter(|v| uid_of(&v.metadata, &cluster) == Some(&life.uid));
                counts.1 += volumes.count();
                let prefix = format!("testnode-{}-", life.uid);
                let marked = |port: &&devcloud::Port| {
                    port.name.starts_with(&prefix) && port.description.contains(&cluster)
                };
                let ports = all.ports.iter().filter(marked);
                counts.2.extend(ports.map(|port| IpAddr::from(port.address)));
                let mark = format!("testnode-uid={} ", life.uid);
                let marked = |ip: &&devcloud::FloatingIp| {
                    ip.description.contains(&mark) && ip.description.contains(&cluster)
                };
                floating.extend(all.floating_ips.iter().filter(marked).map(|ip| IpAddr::from(ip.address)));
            });
        }
        let (servers, volumes, ports) = counts;
        if (servers, volumes, ports.len()) != (1, life.volumes, 1) {
            wrong.push(format!("{servers} servers, {volumes} volumes of {}, ports {ports:?}", life.volumes));
        }
        let fqdn = format!("{}.{}", life.name, lab.cloud.settings().zone);
        let record = lab.cloud.record(&fqdn);
        if floating.len() != usize::from(life.floats) {
            wrong.push(format!("floating IPs {floating:?}"));
        }
        if !record.iter().eq(if life.floats { &floating } else { &ports }) {
            wrong.push(format!("its name says {record:?}"));
        }
        let node = lab.the(&life.name);
        let made = node["status"]["attempts"].as_array().and_then(|all| all.last());
        let asked = made.map(|made| made["asked"]["rebuild"].clone()).unwrap_or_default();
        if asked != node["spec"]["rebuild"] {
            wrong.push(format!("the system of rebuild {asked}, not {}", node["spec"]["rebuild"]));
        }
        (!wrong.is_empty()).then(|| format!("{} is Ready, and has {}", life.name, wrong.join("; ")))
    }

    /// Nothing is left of anybody, but what is somebody else's.
    pub fn nothing_left(
        &mut self,
        lab: &Lab,
        clouds: &[DevCloud],
        strangers: &BTreeSet<String>,
        lives: &[Life],
    ) {
        for cloud in clouds {
            let left = cloud.look(|all| {
                let servers = all.servers.iter().filter(|server| server.deleted.is_none());
                let servers =
                    servers.map(|s| (&s.id, format!("server {} {:?} {:?}", s.name, s.status, s.metadata)));
                let volumes = all.volumes.iter();
                let volumes =
                    volumes.map(|v| (&v.id, format!("volume {} {} {:?}", v.name, v.status, v.metadata)));
                let ports = all.ports.iter().map(|port| (&port.id, format!("port {}", port.name)));
                let floating = all.floating_ips.iter();
                let floating = floating.map(|ip| (&ip.id, format!("floating IP {}", ip.description)));
                let all = servers.chain(volumes).chain(floating).chain(ports);
                all.filter(|(id, _)| !strangers.contains(*id)).map(|(_, what)| what).collect::<Vec<_>>()
            });
            for what in left {
                self.breach(Law::Leak, format!("left: {what}"));
            }
        }
        for (name, addresses) in lab.cloud.records() {
            let lost = name.split('.').next().is_some_and(|name| is_lost(name, lives));
            if !addresses.contains(&PARKED) && !lost {
                self.breach(Law::Leak, format!("{name} still says {addresses:?}"));
            }
        }
        for (name, others) in lab.cloud.other_records() {
            let lost = name.split('.').next().is_some_and(|name| is_lost(name, lives));
            if !lost && !name.ends_with("arpa") && others.iter().any(is_ours) {
                self.breach(Law::Leak, format!("{name} still has {others:?}"));
            }
        }
    }

    /// What is somebody else's is as it was, and nobody ever named it in a request that changes something.
    pub fn strangers_are_untouched(
        &mut self,
        clouds: &[DevCloud],
        strangers: &BTreeSet<String>,
        made: &BTreeMap<String, String>,
    ) {
        let now = describe(clouds, strangers);
        for (id, was) in made.iter().filter(|(id, was)| now.get(*id) != Some(was)) {
            self.stranger(format!("{id} of somebody else was {was}, and is {:?}", now.get(id)));
        }
        for cloud in clouds {
            let named = cloud.look(|all| {
                let changes = all.calls.iter().filter(|call| !matches!(&*call.method, "GET" | "QUERY"));
                let names = |call: &&devcloud::Call| {
                    let body = call.body.to_string();
                    strangers.iter().any(|id| call.path.contains(id) || body.contains(id))
                };
                changes.filter(names).map(|call| format!("{} {}", call.method, call.path)).next()
            });
            if let Some(named) = named {
                self.stranger(named);
            }
        }
    }
}

/// What somebody else has, by id.
#[must_use]
pub fn describe(clouds: &[DevCloud], strangers: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for cloud in clouds {
        cloud.look(|all| {
            for server in all.servers.iter().filter(|server| strangers.contains(&server.id)) {
                let what = format!("{:?} {} {:?}", server.status, server.deleting, server.metadata);
                found.insert(server.id.clone(), what);
            }
            for volume in all.volumes.iter().filter(|volume| strangers.contains(&volume.id)) {
                found.insert(volume.id.clone(), format!("{} {:?}", volume.status, volume.metadata));
            }
            for port in all.ports.iter().filter(|port| strangers.contains(&port.id)) {
                found.insert(port.id.clone(), format!("{} {:?}", port.description, port.device_id));
            }
        });
    }
    found
}

/// Status and reason of a condition.
fn condition<'a>(node: &'a Value, kind: &str) -> (&'a str, &'a str) {
    let all = node["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = all.iter().find(|condition| condition["type"] == kind);
    let word = |field: &str| found.and_then(|found| found[field].as_str()).unwrap_or_default();
    (word("status"), word("reason"))
}

/// Follows each life in the cluster.
fn follow(lab: &Lab, lives: &mut [Life]) {
    for life in lives.iter_mut().filter(|life| life.is_there()) {
        let node = lab.the(&life.name);
        if node["metadata"]["uid"] != *life.uid {
            // What goes leaves nothing to be found; a new one of this name is another life.
            life.stage = Stage::Gone;
        } else if life.kept.is_none() && condition(&node, "Ready").0 == "True" {
            life.kept = node["status"]["server"]["id"].as_str().map(ToOwned::to_owned);
        }
    }
}

/// Nobody can know any more who set this name: neither status nor port of one who had it tells. Of two operators one
/// may set a name when the other has withdrawn it and deleted the port. And of a machine that was restored before it had a
/// server nothing says the name.
fn is_lost(name: &str, lives: &[Life]) -> bool {
    let lost = |life: &Life| life.nameless || life.wiped && (life.portless || life.doubled);
    lives.iter().any(|life| life.name == name && lost(life))
}

/// Whether a life is where it should be when trouble is over, and if not, what it says.
pub fn unsettled(lab: &Lab, life: &Life, all: &[Life]) -> Option<String> {
    let node = lab.the(&life.name);
    let says = || format!("{} {}", life.name, node["status"]["conditions"]);
    match life.stage {
        Stage::Unborn | Stage::Gone => None,
        Stage::Dying => Some(says()),
        Stage::Alive => {
            let ready = condition(&node, "Ready").0 == "True";
            let stalled = condition(&node, "Stalled");
            let told = stalled.0 == "True"
                && (life.harmed || ["HeldAfterFailure", "RebuildFailed"].contains(&stalled.1));
            let taken = is_lost(&life.name, all) && condition(&node, "Ready").1 == "DNSConflict";
            let overdue = life.expires().is_some_and(|expires| expires + OVERDUE < Instant::now());
            (overdue || !ready && !told && !taken).then(says)
        }
    }
}
