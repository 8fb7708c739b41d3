//! What befalls a node: what it asks for, what strangers do to it and when, and a tape that decides the rest.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::api::common::FloatingIpPolicy;

/// A second, in the model's time.
pub const SECOND: u64 = 1000;
/// A minute.
pub const MINUTE: u64 = 60 * SECOND;

/// One life of a node, reproducible to the last reply.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Data volumes that the node asks for.
    pub volumes: usize,
    /// Networks, and so ports.
    pub ports: usize,
    /// It is to have a floating IP.
    pub floating: Option<FloatingIpPolicy>,
    /// No router leads to the external network.
    pub no_router: bool,
    /// Its cloud gives it a name.
    pub named: bool,
    /// There is an authority to ask.
    pub verifiable: bool,
    /// Names are changed by RFC 2136, not through nsupdate-web. The server itself can then be asked.
    pub updates: bool,
    /// A stranger's record stands under the name until then.
    pub stranger_until: u64,
    /// The cloud keeps for a while what is deleted.
    pub soft_delete: bool,
    /// Both Clouds open one project.
    pub one_project: bool,
    /// Readiness is the console.
    pub console: bool,
    /// And then sshd.
    pub ssh: bool,
    /// When the node is to go by itself.
    pub expires: Option<u64>,
    /// What strangers do, and when.
    pub events: Vec<(u64, Event)>,
    /// Decides every matter of luck: zero is calm, and all is calm after its end.
    pub tape: Vec<u8>,
}

/// What happens from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// The operator dies, with all its notes.
    Crash,
    /// `kubectl delete`.
    Delete,
    /// Somebody replaces the status by nothing.
    WipeStatus,
    /// Both at once.
    DeleteWiped,
    /// Somebody takes our finalizers from the object.
    Unheld,
    /// Somebody edits the spec.
    Edit,
    /// Somebody asks for a rebuild. While an attempt is open it is refused.
    Rebuild,
    /// `spec.paused` for a minute.
    Pause,
    /// A cloud does not answer for a while.
    CloudAway(Place),
    /// A cell of Nova is down: lists leave its servers out.
    CellDown(Place),
    /// Nothing that is deleted in a cloud goes for a while: servers stay, volumes and ports are refused.
    Sticks(Place),
    /// A cloud refuses our credentials from now on.
    CloudLost(Place),
    /// It takes them again.
    CloudFound(Place),
    /// Somebody wishes that what the node has in a lost cloud is abandoned.
    Abandon,
    /// As many servers as may be are made in a cloud for a while.
    CloudBusy(Place),
    /// A cloud has no room for a while.
    CloudFull(Place),
    /// DNS answers nothing for a while.
    DnsAway,
    /// nsupdate-web forgets what it sent.
    WebRestarts,
    /// Somebody removes the record.
    RecordRemoved,
    /// Somebody sets the record to an address of theirs.
    RecordTaken,
    /// Another node holds the name for a minute.
    NameHeld,
    /// Somebody deletes the server.
    ServerDeleted,
    /// Somebody stops the server.
    ServerStopped,
    /// Somebody deletes a volume.
    VolumeDeleted,
    /// Somebody deletes a port.
    PortDeleted,
    /// Somebody deletes a floating IP.
    FloatingIpDeleted,
    /// The object is lost and restored, under another UID and without its status. The operator begins anew with it.
    Restored,
    /// The same with the status that it had.
    RestoredWithStatus,
    /// Somebody wishes that a former machine is adopted.
    Adopt,
    /// A second operator makes another server of the open attempt.
    SecondServer,
}

/// Which of the two clouds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The one that is tried first.
    East,
    /// The other.
    West,
}

impl Place {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::East => "east",
            Self::West => "west",
        }
    }
}

/// Troubles of the cloud, of DNS and of the operator, whose node should come out of them Ready.
pub const TROUBLES: &[Event] = &[
    Event::Crash,
    Event::Crash,
    Event::Edit,
    Event::Pause,
    Event::CloudAway(Place::East),
    Event::CloudAway(Place::West),
    Event::CellDown(Place::East),
    Event::CloudFull(Place::East),
    Event::DnsAway,
    Event::WebRestarts,
    Event::RecordRemoved,
    Event::NameHeld,
];

/// A machine that lives is rebuilt, in whatever trouble.
pub const REBUILDS: &[Event] = &[
    Event::Rebuild,
    Event::Rebuild,
    Event::Rebuild,
    Event::Rebuild,
    Event::Crash,
    Event::Crash,
    Event::CloudAway(Place::East),
    Event::CellDown(Place::East),
    Event::Pause,
    Event::DnsAway,
];

/// Other nodes' servers are made first, in whatever trouble.
pub const CROWDS: &[Event] = &[
    Event::CloudBusy(Place::East),
    Event::CloudBusy(Place::East),
    Event::CloudBusy(Place::West),
    Event::Crash,
    Event::CloudAway(Place::East),
    Event::Pause,
    Event::VolumeDeleted,
    Event::PortDeleted,
];

/// What strangers do behind our back.
pub const HARM: &[Event] = &[
    Event::ServerDeleted,
    Event::ServerStopped,
    Event::VolumeDeleted,
    Event::PortDeleted,
    Event::FloatingIpDeleted,
    Event::RecordTaken,
    Event::SecondServer,
    Event::Crash,
];

/// Any life with such events among its own.
pub fn scenarios(events: &'static [Event], most: usize) -> impl Strategy<Value = Scenario> {
    let when = prop_oneof![3 => 0..90 * SECOND, 1 => 0..10 * MINUTE];
    let asked = (0_usize..4, 0_usize..3, prop::bool::weighted(0.8), any::<bool>());
    let stranger = prop_oneof![4 => Just(0), 1 => 0..5 * MINUTE];
    let around = (stranger, prop::bool::weighted(0.2), prop::bool::weighted(0.8));
    let byte = prop_oneof![2 => Just(0_u8), 3 => any::<u8>()];
    (asked, around, vec((when, select(events)), 0..=most), vec(byte, 0..160)).prop_map(
        |((volumes, ports, named, verifiable), (stranger_until, soft_delete, console), mut events, tape)| {
            events.sort_by_key(|(when, _)| *when);
            // Without a network there is no address to give a name to.
            let named = named && ports > 0;
            let expires = None;
            // No draw of its own, see below.
            let one_project = tape.len() % 5 == 4;
            let floating = match tape.len() % 7 {
                _ if ports == 0 => None,
                0..=2 => Some(FloatingIpPolicy::Always),
                3 => Some(FloatingIpPolicy::IfNeeded),
                _ => None,
            };
            let no_router = floating == Some(FloatingIpPolicy::IfNeeded) && tape.len() % 2 == 1;
            let ssh = console && ports > 0 && tape.len() % 4 == 1;
            let updates = verifiable && tape.len() % 3 == 1;
            Scenario {
                volumes,
                ports,
                floating,
                no_router,
                named,
                verifiable,
                updates,
                stranger_until,
                soft_delete,
                one_project,
                console,
                ssh,
                expires,
                events,
                tape,
            }
        },
    )
}

/// What is done to the object by hand.
pub const MEDDLING: &[Event] =
    &[Event::WipeStatus, Event::WipeStatus, Event::DeleteWiped, Event::Unheld, Event::Crash];

/// A restore changes the UID under a machine that lives, and somebody may wish that it is adopted.
pub const RESTORES: &[Event] = &[
    Event::Restored,
    Event::Restored,
    Event::RestoredWithStatus,
    Event::Adopt,
    Event::Adopt,
    Event::Adopt,
    Event::Crash,
];

/// Deletions that take long, and clouds that are lost.
pub const ENDINGS: &[Event] = &[
    Event::Sticks(Place::East),
    Event::Sticks(Place::East),
    Event::Sticks(Place::West),
    Event::CloudAway(Place::East),
    Event::CloudFull(Place::East),
    Event::Crash,
    Event::CloudLost(Place::East),
    Event::CloudFound(Place::East),
    Event::Abandon,
    Event::Abandon,
];

/// The same life, but the node is deleted at some moment, or its time is over.
pub fn deleted(lives: impl Strategy<Value = Scenario>) -> impl Strategy<Value = Scenario> {
    let when = prop_oneof![4 => 0..6 * SECOND, 2 => 0..60 * SECOND, 1 => 0..8 * MINUTE];
    (lives, when).prop_map(|(mut life, when)| {
        // No draw of its own: other lives stay as they were, and with them those that find the rarest mutants.
        if when.is_multiple_of(5) {
            life.expires = Some(when);
        } else {
            life.events.push((when, Event::Delete));
            life.events.sort_by_key(|(when, _)| *when);
        }
        life
    })
}
