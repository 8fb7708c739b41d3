//! The decisions against a world: two clouds, DNS and an operator, in virtual time, with whatever can go wrong. One run
//! is one life of a node ([`live`]); the laws it must keep are in `laws`, what can befall it in `scenario`.
//!
//! The shelves, the look, the memory, the plan and the status are the real ones; only the world and the requests are made
//! up.
//! `PROPTEST_CASES` asks for more lives. A life that breaks a law is told to its end, and can be lived again as printed.
#![expect(clippy::wildcard_enum_match_arm, reason = "names what it does something about")]
#![expect(clippy::struct_excessive_bools, reason = "what can be the case or not, each by itself")]

mod act;
mod ask;
mod cloud;
mod clouds;
mod events;
mod former;
mod guards;
mod laws;
mod look;
mod mutants;
mod process;
mod scenario;
mod settle;
mod things;
mod turn;
mod world;
mod zone;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::api::FormerMachine;
use crate::reason::Reason;
use crate::reconcile::plan::{BRING_UP, TEAR_DOWN};
use scenario::{
    CROWDS, ENDINGS, HARM, MEDDLING, MINUTE, REBUILDS, RESTORES, Scenario, TROUBLES, deleted, scenarios,
};
use world::{FORMER, Roused, Rules, UID, World};

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
    if world.object.gone && (world.laws.unheld || world.laws.abandoned) {
        // Whoever takes the finalizers has the leak; the sweep tells of it.
        return Ok(());
    }
    if world.object.gone {
        // What was under way may still take effect.
        world.pass(world.now + 5 * MINUTE, Roused::Never);
        let left = world.clouds.values().any(|cloud| cloud.has_any(UID));
        expect(!left, "deletes without a trace")?;
        if world.clouds.values().any(|cloud| cloud.has_any(FORMER)) {
            // A sweep tells of what was not adopted, and its name is its own.
            return Ok(());
        }
        expect(world.is_withdrawn(), "the name of what is gone points at nothing of it")?;
        return Ok(());
    }
    if world.logins.keys().any(|cloud| !world.is_open(cloud) && world.object.held.contains(cloud)) {
        // It waits for its cloud, or for somebody who abandons what it has there.
        return expect(
            !(world.object.deleting && world.object.abandon),
            "what is abandoned is gone in the end",
        );
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
    let ready = world.object.own().is_some_and(|status| {
        status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    });
    let servers = || world.clouds.values().flat_map(|cloud| cloud.servers.values());
    let own = servers().filter(|machine| machine.shown.meta.is_of(UID)).count();
    expect(own <= 1, "one server stays")?;
    expect(own == 1 || !ready, "never Ready without its server")?;
    if world.laws.harmed {
        return Ok(());
    }
    let told = |reason: Reason| {
        let status = world.object.own();
        status.is_some_and(|status| status.conditions.iter().any(|c| c.reason == reason.as_str()))
    };
    let former = world.clouds.values().any(|cloud| cloud.has_any(FORMER));
    if former && told(Reason::DNSConflict) {
        // There was no machine yet, but a name for its address. The sweep takes both away, or somebody does.
        return Ok(());
    }
    if seen.memory.attempts.is_empty() && former {
        expect(told(Reason::FormerMachineFound), "a former machine is told of")?;
        let wished = world.object.former == Some(FormerMachine::Adopt);
        return expect(!(wished && world.clouds.former_is_whole()), "what is one machine is adopted whole");
    }
    if let Some(failed) = seen.memory.failed_rebuild() {
        // The machine stays as it is until something else is asked for.
        let asked = failed.asked.rebuild.as_deref() == Some(world.object.rebuild.to_string().as_str());
        return expect(told(Reason::RebuildFailed) && asked && !ready, "a rebuild that failed is told");
    }
    let system = seen.memory.current().and_then(|attempt| attempt.asked.as_ref());
    let asked = (world.object.rebuild > 0).then(|| world.object.rebuild.to_string());
    let has = system.is_some_and(|system| system.rebuild == asked);
    expect(has || !ready, "a machine that is Ready has the system that is asked for")?;
    let said = world.object.own().map(|status| &status.conditions);
    expect(ready, &format!("converges: Ready in the end, not {said:?}"))?;
    let volumes = world.clouds.values().flat_map(|cloud| cloud.volumes.values());
    let volumes = volumes.filter(|(volume, _)| volume.meta.is_of(UID)).count();
    let ports = world.clouds.values().flat_map(|cloud| cloud.ports.values());
    let ports: Vec<_> = ports.filter(|port| port.meta.is_of(UID)).collect();
    expect(own == 1, "one server stays")?;
    expect(volumes == world.life.volumes, "as many volumes as asked for")?;
    expect(ports.len() == world.life.ports, "as many ports as asked for")?;
    let ips = world.clouds.values().flat_map(|cloud| cloud.floating_ips.values());
    let ips: Vec<_> = ips.filter(|ip| ip.meta.is_of(UID)).collect();
    let wanted = usize::from(world.life.floating.is_some() && !world.life.no_router);
    expect(ips.len() == wanted, "one floating IP, if there is to be one")?;
    if world.life.named && world.life.verifiable {
        let fixed = ports.iter().find(|port| port.index == 0).map(|port| things::address(port));
        let address = ips.first().map_or(fixed, |ip| ip.address);
        expect(world.zone.ours() == address.into_iter().collect(), "the name points at the machine")?;
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

/// Seeds of lives that once broke a law. They are lived first.
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/reconcile/model/seeds.txt");

/// `PROPTEST_CASES` asks for more lives than that.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    ProptestConfig {
        cases,
        max_shrink_iters: 200,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(SEEDS))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// With finitely many faults a node becomes Ready, and then nothing is done any more.
    #[test]
    fn a_node_converges_and_stays(life in scenarios(TROUBLES, 3)) {
        check(&life)?;
    }

    /// It waits for its turn with all that its server needs, and comes out of that Ready, or goes whole.
    #[test]
    fn a_node_that_waits_for_its_turn_is_made_in_the_end_and_goes_whole(
        life in prop_oneof![scenarios(CROWDS, 4), deleted(scenarios(CROWDS, 4))],
    ) {
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

    /// What is not deleted in time is told and asked for again, and only what is lost is abandoned.
    #[test]
    fn a_node_whose_end_takes_long_is_told_and_goes_whole(life in deleted(scenarios(ENDINGS, 4))) {
        check(&life)?;
    }

    /// Nothing is made beside a machine whose object was restored, and it is adopted whole where somebody wishes that.
    #[test]
    fn a_node_whose_uid_changes_keeps_its_machine(
        life in prop_oneof![scenarios(RESTORES, 5), deleted(scenarios(RESTORES, 4))],
    ) {
        check(&life)?;
    }

    /// A machine that was Ready is rebuilt once for each time that it is asked for, and stays the one machine.
    #[test]
    fn a_node_that_is_rebuilt_keeps_its_machine(
        life in prop_oneof![scenarios(REBUILDS, 5), deleted(scenarios(REBUILDS, 4))],
    ) {
        check(&life)?;
    }

    /// The world is the memory.
    #[test]
    fn a_node_whose_status_is_lost_keeps_its_machine(life in scenarios(MEDDLING, 2)) {
        check(&life)?;
    }
}
