//! The decisions against a world: two clouds, DNS and an operator, in virtual time, with whatever can go wrong. One run
//! is one life of a node ([`live`]); the laws it must keep are in `laws`, what can befall it in `scenario`.
//!
//! The shelves, the memory, the plan and the status are the real ones; only the world and the requests are made up.
//! `PROPTEST_CASES` asks for more lives. A life that breaks a law is told to its end, and can be lived again as printed.
#![expect(clippy::wildcard_enum_match_arm, reason = "names what it does something about")]
#![expect(clippy::struct_excessive_bools, reason = "what can be the case or not, each by itself")]

mod act;
mod ask;
mod cloud;
mod events;
mod guards;
mod laws;
mod look;
mod mutants;
mod process;
mod scenario;
mod settle;
mod things;
mod turn;
mod view;
mod world;
mod zone;

use proptest::prelude::*;

use crate::reconcile::plan::{BRING_UP, TEAR_DOWN};
use scenario::{HARM, MEDDLING, MINUTE, Scenario, TROUBLES, deleted, scenarios};
use world::{Roused, Rules, UID, World};

const RULES: Rules<'static> = Rules { bring_up: BRING_UP, tear_down: TEAR_DOWN, belief: |_| {} };

/// When faults end at the latest.
const FAULTS_END: u64 = 12 * MINUTE;

/// After the last fault a node comes to its end, or to rest, within this.
const PATIENCE: u64 = 60 * MINUTE;

/// The last part of that in which nothing is changed any more.
const STILL: u64 = 16 * MINUTE;

/// Lives one life.
fn live(life: &Scenario, rules: Rules<'_>) -> Result<(), String> {
    lived(&mut World::new(life), rules)
}

fn lived(world: &mut World, rules: Rules<'_>) -> Result<(), String> {
    let (mut end, mut turns) = (None, 0);
    while !world.object.gone {
        world.turn(rules);
        turns += 1;
        if let Some(law) = &world.laws.broken {
            return Err(format!("{law} (at {} ms)", world.now));
        }
        if world.now > FAULTS_END {
            world.calm_down();
        }
        if world.is_calm() {
            let end = *end.get_or_insert(world.now + PATIENCE);
            let still = end + STILL - PATIENCE < world.now && world.laws.last_change + STILL < world.now;
            if still || world.now >= end || turns > 4_000 {
                break;
            }
        }
    }
    if world.object.gone && world.laws.unheld {
        // Whoever takes the finalizers has the leak; the sweep tells of it.
        return Ok(());
    }
    if world.object.gone {
        // What was under way may still take effect.
        world.pass(world.now + 5 * MINUTE, Roused::Never);
        let left = world.clouds.values().any(|cloud| cloud.has_any(UID));
        expect(!left, "deletes without a trace")?;
        expect(world.is_withdrawn(), "the name of what is gone points at nothing of it")?;
        return Ok(());
    }
    expect(!world.object.deleting, "what goes is gone in the end")?;
    expect(world.life.expires.is_none(), "no node outlives its time")?;
    expect(turns <= 4_000, "no hot loop")?;
    stays(world)
}

fn expect(holds: bool, law: &str) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| law.to_owned())
}

/// A node at rest: all is there once, and nothing is done any more.
fn stays(world: &mut World) -> Result<(), String> {
    expect(world.laws.last_change + STILL < world.now, "nothing is changed for ever")?;
    let seen = world.look();
    let ready = world.object.status.as_ref().is_some_and(|status| {
        status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    });
    let servers = || world.clouds.values().flat_map(|cloud| cloud.servers.values());
    let own = servers().filter(|machine| machine.shown.owner.uid == UID).count();
    expect(own <= 1, "one server stays")?;
    expect(own == 1 || !ready, "never Ready without its server")?;
    if world.laws.harmed {
        return Ok(());
    }
    expect(ready, "converges: Ready in the end")?;
    let volumes = world.clouds.values().flat_map(|cloud| cloud.volumes.values());
    let volumes = volumes.filter(|(volume, _)| volume.owner.uid == UID).count();
    let ports = world.clouds.values().flat_map(|cloud| cloud.ports.values());
    let ports: Vec<_> = ports.filter(|port| port.owner.uid == UID).collect();
    expect(own == 1, "one server stays")?;
    expect(volumes == world.life.volumes, "as many volumes as asked for")?;
    expect(ports.len() == world.life.ports, "as many ports as asked for")?;
    if world.life.named && world.life.verifiable {
        let address = ports.iter().find(|port| port.index == 0).map(|port| port.address);
        expect(world.zone.truth().first().copied() == address, "the name points at the machine")?;
    }
    expect(seen.held.len() == 1, "only the machine's cloud holds the node")?;
    expect(seen.memory.current().is_some_and(|attempt| attempt.settled), "nothing unknown is left")
}

fn check(life: &Scenario) -> Result<(), TestCaseError> {
    live(life, RULES).map_err(|law| {
        // The same once more, for whoever must understand it.
        let mut world = World::new(life);
        world.story = Some(Vec::new());
        drop(lived(&mut world, RULES));
        let story = world.story.unwrap_or_default();
        TestCaseError::fail(format!("{law}\n{}", story[story.len().saturating_sub(60)..].join("\n")))
    })
}

/// `PROPTEST_CASES` asks for more lives than that.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    ProptestConfig { cases, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// With finitely many faults a node becomes Ready, and then nothing is done any more.
    #[test]
    fn a_node_converges_and_stays(life in scenarios(TROUBLES, 3)) {
        check(&life)?;
    }

    /// Whenever it is deleted, nothing is left in any cloud, then or later, and its name points at nothing of it.
    #[test]
    fn a_node_is_deleted_without_a_trace(life in deleted(scenarios(TROUBLES, 3))) {
        check(&life)?;
    }

    /// What strangers do to a machine is told, and never makes a twin or a leak.
    #[test]
    fn a_node_that_strangers_harm_is_told_and_goes_whole(
        life in prop_oneof![scenarios(HARM, 2), deleted(scenarios(HARM, 2))],
    ) {
        check(&life)?;
    }

    /// The world is the memory.
    #[test]
    fn a_node_whose_status_is_lost_keeps_its_machine(life in scenarios(MEDDLING, 2)) {
        check(&life)?;
    }
}
