//! Nova's quota: those in ERROR count.

use super::error;
use crate::{lab::Flavor, wire::Reply, world::World};

/// What a project's servers use: those in ERROR count.
pub(crate) struct Usage {
    pub instances: i64,
    pub cores: i64,
    pub ram: i64,
}

pub(crate) fn usage(world: &World, project: &str) -> Usage {
    world.living(project).fold(Usage { instances: 0, cores: 0, ram: 0 }, |sum, server| Usage {
        instances: sum.instances + 1,
        cores: sum.cores + server.flavor.vcpus,
        ram: sum.ram + server.flavor.ram,
    })
}

/// One resource: its name, what is asked for, what is used, and the limit.
type Need = (&'static str, i64, i64, i64);

/// Refuses a server for which there is no room.
pub(crate) fn check(world: &World, project: &str, flavor: &Flavor) -> Result<(), Reply> {
    let used = usage(world, project);
    let quotas = &world.settings.quotas;
    let all: [Need; 3] = [
        ("cores", flavor.vcpus, used.cores, quotas.cores),
        ("instances", 1, used.instances, quotas.instances),
        ("ram", flavor.ram, used.ram, quotas.ram),
    ];
    let over: Vec<_> =
        all.into_iter().filter(|(_, asked, used, limit)| *limit >= 0 && asked + used > *limit).collect();
    if over.is_empty() {
        return Ok(());
    }
    let join = |pick: fn(&Need) -> String| over.iter().map(pick).collect::<Vec<_>>().join(", ");
    let names = join(|need| need.0.into());
    let (asked, used, limit) =
        (join(|need| need.1.to_string()), join(|need| need.2.to_string()), join(|need| need.3.to_string()));
    Err(error(
        403,
        &format!("Quota exceeded for {names}: Requested {asked}, but already used {used} of {limit} {names}"),
    ))
}
