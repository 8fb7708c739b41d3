//! How a world begins: two clouds that differ, machine types, nodes to come, and somebody else's things.

use std::collections::BTreeSet;
use std::time::Duration;

use devcloud::{DevCloud, Settings};
use serde_json::json;
use tokio::time::sleep;

use super::{HOSTS, World};
use crate::chance::Chance;
use crate::lab::{Guard, Lab, Manner, Stranger, machine_type, quick};
use crate::storm::gust::{Gust, against, weather};
use crate::storm::laws::{Laws, describe};
use crate::storm::life::Life;

/// The project of a cloud.
pub(in crate::storm) fn project(which: &str) -> String {
    let digit = if which == "lab" { "6" } else { "f" };
    digit.repeat(32)
}

fn settings(which: &str, seed: u64, chance: &mut Chance) -> Settings {
    let mut settings = Settings {
        seed: seed.wrapping_mul(2).wrapping_add(u64::from(which == "far")),
        project_id: project(which),
        soft_delete: chance.percent(15),
        token_lifetime: if chance.percent(20) { Duration::from_mins(11) } else { Duration::from_hours(1) },
        guest_boot: chance.between(0, 9000),
        ..quick()
    };
    if which == "far" {
        for subnet in settings.networks.iter_mut().flat_map(|network| &mut network.subnets) {
            let shift = |address: std::net::Ipv4Addr| {
                let [a, b, c, d] = address.octets();
                std::net::Ipv4Addr::new(a, b + 1, c, d)
            };
            subnet.first = shift(subnet.first);
            subnet.last = shift(subnet.last);
            subnet.gateway = shift(subnet.gateway);
        }
    }
    settings
}

/// Objects are restored too. There is one operator then: what a second one still makes for the lost object is known to nobody.
/// A machine that is not adopted is left to the orphan rule.
fn restores(lab: &Lab, weather: &mut Vec<Gust>) {
    weather.retain(|gust| *gust != Gust::SecondOperator);
    weather.extend([Gust::Restored; 2]);
    for cloud in HOSTS {
        lab.edit("clouds", "", cloud, |spec| spec["orphans"] = json!({"mode": "Delete", "minAge": "1s"}));
    }
}

impl World {
    /// The world of a seed, before anything happens in it: in all weathers, or in that which a guard is there for, and
    /// perhaps with an operator that lacks one.
    pub async fn new(seed: u64, in_weather: Option<Guard>, without: Option<Guard>) -> Self {
        let mut chance = Chance::new(seed);
        let lab = Lab::idle(settings("lab", seed, &mut chance));
        let far = DevCloud::new(settings("far", seed, &mut chance));
        lab.add_cloud("far", far.clone());
        // No draw of its own: the lives of other seeds stay as they were.
        if seed % 3 == 1 {
            lab.name_by_updates();
        }
        let timeouts = json!({"launch": "3m", "boot": "2m", "delete": "5m"});
        for (name, clouds) in [("lab", &["lab"][..]), ("both", &["far", "lab"][..])] {
            let mut spec = machine_type(clouds);
            spec["timeouts"] = timeouts.clone();
            spec["launchRetries"] = (1 + chance.below(3)).into();
            lab.apply(json!({
                "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": name},
                "spec": spec,
            }));
        }
        let storm = chance.seconds(60, 420);
        let lives = (0..4 + chance.index(8)).map(|number| Life::draw(number, storm, &mut chance)).collect();
        // Nova lists no server that was deleted softly, and it is there.
        let soft = lab.cloud.settings().soft_delete || far.settings().soft_delete;
        let mut weather = in_weather.map_or_else(|| weather(&mut chance, soft), against);
        if in_weather.is_none() && seed % 5 == 3 {
            restores(&lab, &mut weather);
        }
        let mut world = Self {
            lab,
            seed,
            chance,
            lives,
            laws: Laws::default(),
            second: None,
            manner: Manner { without, ..Manner::default() },
            strangers: BTreeSet::new(),
            stray: Vec::new(),
            far,
            made: std::collections::BTreeMap::new(),
            weather,
            undo: Vec::new(),
            storm,
            restart: None,
            gusts: 0,
            crashes: 0,
        };
        world.births_and_deaths();
        world.strangers().await;
        world
    }

    /// Somebody else has things of our very names, and things marked by the operator of another cluster.
    async fn strangers(&mut self) {
        let (name, uid) = (self.lives[0].name.clone(), self.lives[0].uid.clone());
        let theirs = Stranger::new(&self.lab);
        for marks in [false, true] {
            self.strangers.insert(theirs.server_like(&name, marks.then_some(&*uid)).await);
            self.strangers.insert(theirs.volume_like(&format!("{name}-osd-0"), marks.then_some(&*uid)).await);
        }
        self.strangers.insert(theirs.port(&format!("testnode-{uid}-1-0")).await);
        sleep(Duration::from_secs(5)).await;
        self.made = describe(&self.clouds(), &self.strangers);
    }
}
