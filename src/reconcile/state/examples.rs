//! Builders for tests: a node, and what is seen of it, in as few words as its story needs.
//!
//! Everything happens in cloud `lab`, at second 1000. A test begins with [`Observed::nothing`] or with
//! [`Observed::under_way`] and says only what is special.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    Binding, CloudView, Ending, FloatingIp, GuestView, Memory, NameView, Observed, Offer, Pins, Port,
    Presence, Problem, RequestKey, Resolution, Room, Server, ServerState, Standing, Trouble, Turn, Verdict,
    Volume, VolumeState,
};
use crate::api::common::FloatingIpPolicy;
use crate::api::testnode_status::{
    Attempt, DnsFacts, FloatingIpPool, Outcome, Resolved, ResolvedFloatingIp, ResolvedNetwork, ResolvedVolume,
};
use crate::reason::Reason;

/// The one cloud of these stories.
pub const LAB: &str = "lab";

/// The instant of the look.
pub fn now() -> Timestamp {
    Timestamp::constant(1000, 0)
}

/// Some seconds before the look.
pub fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(1000 - seconds).unwrap()
}

/// What an attempt is to make: two volumes, one port.
pub fn resolved() -> Resolved {
    let volume = |name: &str| ResolvedVolume { name: name.into(), size_gib: 1, ..ResolvedVolume::default() };
    Resolved {
        volumes: vec![volume("osd-0"), volume("osd-1")],
        networks: vec![ResolvedNetwork {
            id: "net".into(),
            name: "net".into(),
            ..ResolvedNetwork::default()
        }],
        ..Resolved::default()
    }
}

/// An attempt that is open, as many as this one before it.
pub fn attempt(number: i64) -> Attempt {
    Attempt {
        number,
        round: 1,
        cloud: LAB.into(),
        spec_digest: Some("asked".into()),
        machine_type_generation: Some(1),
        resolved: Some(resolved()),
        opened_at: Some(Time(ago(100))),
        ..Attempt::default()
    }
}

/// One that made the machine.
pub fn ready(number: i64) -> Attempt {
    let closed_at = Some(Time(ago(10)));
    Attempt { closed_at, outcome: Some(Outcome::Ready), settled: true, ..attempt(number) }
}

/// One that failed, and whose remains may still be there.
pub fn failed(number: i64, reason: Reason) -> Attempt {
    let closed_at = Some(Time(ago(10)));
    Attempt { closed_at, outcome: Some(Outcome::Failed), reason: Some(reason), ..attempt(number) }
}

/// A server of attempt 1.
pub fn server(id: &str, state: ServerState) -> Server {
    Server {
        id: id.into(),
        attempt: 1,
        boot: 1,
        image: None,
        presence: Presence::There,
        state,
        fault: None,
        unexplained: false,
        ending: Ending::default(),
        remark: None,
        created: None,
        facts: crate::api::testnode_status::ServerFacts::default(),
    }
}

/// A volume of attempt 1, with its name as its id.
pub fn volume(key: &str, state: VolumeState) -> Volume {
    Volume {
        id: key.into(),
        attempt: 1,
        key: key.into(),
        presence: Presence::There,
        state,
        servers: Vec::new(),
        created: None,
        reservations: Vec::new(),
        status: format!("{state:?}").to_lowercase(),
        ending: Ending::default(),
        remark: None,
        device: None,
    }
}

/// A volume that is on this server.
pub fn attached(key: &str, server: &str) -> Volume {
    Volume { servers: vec![server.into()], ..volume(key, VolumeState::Attached) }
}

/// The first port of attempt 1.
pub fn port(id: &str) -> Port {
    let address = "10.77.0.10".parse().unwrap();
    Port {
        id: id.into(),
        attempt: 1,
        index: 0,
        presence: Presence::There,
        device: None,
        binding: Binding::Sound,
        address: Some(address),
        addresses: vec![address],
        mac: String::new(),
        network: "net".into(),
        ending: Ending::default(),
        remark: None,
    }
}

/// A floating IP of attempt 1 that leads to this port.
pub fn floating_ip(id: &str, port: Option<&str>) -> FloatingIp {
    FloatingIp {
        id: id.into(),
        attempt: 1,
        presence: Presence::There,
        address: Some("198.18.0.10".parse().unwrap()),
        port: port.map(Into::into),
        ending: Ending::default(),
        remark: None,
    }
}

/// Attempt 1 is to have a floating IP on its first port.
pub fn floating(mut seen: Observed, policy: FloatingIpPolicy) -> Observed {
    let pool = FloatingIpPool { id: "ext".into(), name: "Ext-Net".into(), network: 0 };
    let wanted = ResolvedFloatingIp { policy, pool: Some(pool) };
    seen.memory.attempts[0].resolved.as_mut().unwrap().floating_ip = Some(wanted);
    seen
}

/// A request that failed a moment ago, and may be sent again.
pub fn trouble(key: RequestKey, verdict: Verdict) -> Trouble {
    let (reason, message) = (Reason::RequestRefused, "no".into());
    Trouble { key, verdict, reason, message, since: ago(1), failures: 1, retry_at: now() }
}

/// The same, bound to this server.
pub fn bound(id: &str, server: &str) -> Port {
    Port { device: Some(server.into()), ..port(id) }
}

/// A cloud where the machine can be made at once.
pub fn offer(cloud: &str) -> Offer {
    Offer {
        cloud: cloud.into(),
        zones: vec![None],
        standing: Standing::Seen,
        resolution: Resolution::Can(Box::new(resolved())),
        room: Room::Free,
        turn: Turn { place: 1, of: 1 },
        cooling: BTreeMap::new(),
        fqdn: None,
        holder: None,
        taken: None,
        pins: Pins::default(),
        volume_zones: BTreeMap::new(),
    }
}

/// A cloud that cannot be asked.
pub fn away() -> Standing {
    Standing::Away(Problem { reason: Reason::CloudUnreachable, message: "no answer".into() })
}

impl Observed {
    /// A node that has nothing anywhere.
    pub(in crate::reconcile) fn nothing() -> Self {
        Self {
            now: now(),
            uid: "u".into(),
            deleting: false,
            held: BTreeSet::new(),
            memory: Memory::default(),
            clouds: BTreeMap::new(),
            former: Vec::new(),
            unlooked: None,
            offers: Vec::new(),
            may_build: true,
            wish: None,
            name: NameView::default(),
            guest: GuestView::default(),
            troubles: Vec::new(),
            console: None,
            step: None,
        }
    }

    /// A node held by its cloud, where nothing is there.
    pub(in crate::reconcile) fn held() -> Self {
        let seen = Self { held: BTreeSet::from([LAB.into()]), ..Self::nothing() };
        seen.in_lab(|_| {})
    }

    /// A node whose first attempt is open, and of which nothing is there.
    pub(in crate::reconcile) fn under_way() -> Self {
        Self::held().with_attempt(attempt(1))
    }

    /// The same with its two volumes and its port.
    pub(in crate::reconcile) fn with_parts() -> Self {
        let available = |key| volume(key, VolumeState::Available);
        Self::under_way().with_volume(available("osd-0")).with_volume(available("osd-1")).with_port(port("p"))
    }

    /// The same with a server in this state, which has them.
    pub(in crate::reconcile) fn with_machine(state: ServerState) -> Self {
        Self::under_way()
            .with_server(server("s", state))
            .with_volume(attached("osd-0", "s"))
            .with_volume(attached("osd-1", "s"))
            .with_port(bound("p", "s"))
    }

    /// The node is being deleted.
    pub(in crate::reconcile) fn going(self) -> Self {
        Self { deleting: true, ..self }
    }

    /// Something is different in the cloud.
    pub(in crate::reconcile) fn in_lab(mut self, alter: impl FnOnce(&mut CloudView)) -> Self {
        alter(self.clouds.entry(LAB.into()).or_insert_with(|| CloudView::empty(Standing::Seen)));
        self
    }

    /// The attempt is remembered.
    pub(in crate::reconcile) fn with_attempt(mut self, attempt: Attempt) -> Self {
        self.memory.attempts.retain(|known| known.number != attempt.number);
        self.memory.attempts.push(attempt);
        self
    }

    /// The server is there.
    pub(in crate::reconcile) fn with_server(self, server: Server) -> Self {
        self.in_lab(|view| view.servers.push(server))
    }

    /// The volume is there; it replaces one with its id.
    pub(in crate::reconcile) fn with_volume(self, volume: Volume) -> Self {
        self.in_lab(|view| {
            view.volumes.retain(|known| known.id != volume.id);
            view.volumes.push(volume);
        })
    }

    /// The port is there; it replaces one with its id.
    pub(in crate::reconcile) fn with_port(self, port: Port) -> Self {
        self.in_lab(|view| {
            view.ports.retain(|known| known.id != port.id);
            view.ports.push(port);
        })
    }

    /// The floating IP is there.
    pub(in crate::reconcile) fn with_floating_ip(self, ip: FloatingIp) -> Self {
        self.in_lab(|view| view.floating_ips.push(ip))
    }

    /// The machine could be made there; the first is the best.
    pub(in crate::reconcile) fn with_offer(mut self, offer: Offer) -> Self {
        self.offers.push(offer);
        self
    }

    /// The name is claimed, and may have these addresses.
    pub(in crate::reconcile) fn with_name(mut self, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| (*address).into()).collect();
        self.memory.dns = Some(DnsFacts { name: "n.test".into(), addresses, ..DnsFacts::default() });
        self
    }

    /// A request failed.
    pub(in crate::reconcile) fn with_trouble(mut self, trouble: Trouble) -> Self {
        self.troubles.push(trouble);
        self
    }
}
