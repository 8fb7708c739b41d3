//! The proofs can fail: what a look is careful to say, and what hangs on it. A guard is left out by making of each look
//! what a careless observer would have said; some life must then break a law. The operator itself has no switch for it.

use std::collections::BTreeSet;

use super::RULES;
use super::mutants::fails;
use super::world::Rules;
use super::zone::STRANGER;
use crate::api::PerKind;
use crate::reconcile::state::{CloudView, Found, Kind, Observed, Presence, Standing};

const ALL: PerKind<bool> = PerKind { server: true, volume: true, floating_ip: true, port: true };

fn each_view(seen: &mut Observed, alter: impl Fn(&mut CloudView)) {
    seen.clouds.values_mut().for_each(alter);
}

/// What a careless observer makes of a look.
type Belief = fn(&mut Observed);

/// What may be forgotten, and how.
const GUARDS: &[(&str, Belief)] = &[
    ("a look is fresh once it began after the last change", |seen| each_view(seen, |view| view.fresh = ALL)),
    ("a look at servers is fresh", |seen| each_view(seen, |view| view.fresh.server = true)),
    ("a look at volumes is fresh", |seen| each_view(seen, |view| view.fresh.volume = true)),
    ("a look at floating IPs is fresh", |seen| each_view(seen, |view| view.fresh.floating_ip = true)),
    ("a look at ports is fresh", |seen| each_view(seen, |view| view.fresh.port = true)),
    ("what is unknown settles before it is nothing", |seen| each_view(seen, |view| view.settled = ALL)),
    ("only whole volumes fence an unknown server", |seen| {
        if seen.memory.open().is_some() {
            each_view(seen, |view| view.settled.server = true);
        }
    }),
    ("volumes are freed only when no server can come", |seen| {
        if seen.deleting || seen.memory.open().is_none() {
            each_view(seen, |view| view.settled.server = true);
        }
    }),
    ("a list proves no absence", |seen| {
        each_view(seen, |view| {
            view.servers.retain(|server| server.presence != Presence::Missing);
            view.volumes.retain(|volume| volume.presence != Presence::Missing);
            view.floating_ips.retain(|ip| ip.presence != Presence::Missing);
            view.ports.retain(|port| port.presence != Presence::Missing);
        });
    }),
    ("what was asked to go is not gone", |seen| {
        each_view(seen, |view| {
            view.servers.retain(|server| server.presence != Presence::Going);
            view.volumes.retain(|volume| volume.presence != Presence::Going);
            view.floating_ips.retain(|ip| ip.presence != Presence::Going);
            view.ports.retain(|port| port.presence != Presence::Going);
        });
    }),
    ("a cloud that cannot be looked at is not empty", |seen| {
        each_view(seen, |view| {
            if view.standing != Standing::Seen {
                *view = CloudView::empty(Standing::Seen);
            }
        });
    }),
    ("a finalizer comes before the first create", |seen| {
        seen.held.extend(seen.offers.iter().map(|offer| offer.cloud.clone()));
        seen.held.extend(seen.clouds.keys().cloned());
    }),
    ("a server waits for its turn", |seen| seen.may_build = true),
    ("the name of another is not ours", |seen| seen.name.holder = None),
    ("of a name only what says ours is changed", |seen| {
        if let Some(found @ Found::Taken(_)) = &mut seen.name.found {
            *found = Found::Ours(BTreeSet::from([STRANGER]));
        }
    }),
];

#[test]
fn no_guard_of_a_look_can_be_left_out() {
    assert_eq!(Kind::ALL.len(), 4, "a guard for each kind");
    let mut survivors = Vec::new();
    for (name, belief) in GUARDS {
        let dead = fails(Rules { belief: *belief, ..RULES });
        println!("{name}: {dead:?}");
        survivors.extend(dead.is_none().then_some(*name));
    }

    assert_eq!(survivors, Vec::<&str>::new());
}
