//! TestNodes that test images, in the model.

use jiff::SignedDuration;

use super::Sim;
use crate::api::common::Os;
use crate::image::plan::Ask;
use crate::image::state::{Canary, CanaryMemory, CanaryNode, SETTLED, Stand, Trouble, TypeRead, after};
use crate::reason::Reason;

/// A TestNode that tests an image.
#[derive(Clone, Debug)]
pub(super) struct Test {
    uid: u32,
    pub(super) image: String,
    pub(super) going: bool,
    stand: Stand,
}

impl Sim {
    /// What comes of TestNodes: the operator makes and removes machines.
    pub(super) fn operator(&mut self) {
        let now = self.now;
        let late: Vec<(String, Test)> = self
            .late_nodes
            .iter()
            .filter(|(at, ..)| *at <= now)
            .map(|(_, name, test)| (name.clone(), test.clone()))
            .collect();
        self.late_nodes.retain(|(at, ..)| *at > now);
        for (name, test) in late {
            self.nodes.entry(name).or_insert(test);
        }
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        for name in names {
            let drawn = self.chance(8);
            let Some(test) = self.nodes.get_mut(&name) else { continue };
            let why = |reason| Trouble::new(reason, "words");
            match (test.going, drawn) {
                (true, 0..4) => drop(self.nodes.remove(&name)),
                (false, 0 | 1) => {
                    // One that has failed begins again after a while.
                    test.stand = Stand::Passed;
                    self.passed.insert(test.image.clone());
                }
                (false, 2) if test.stand != Stand::Passed => {
                    test.stand = Stand::Failed(why(Reason::CanaryFailed));
                }
                (false, 3) if test.stand != Stand::Passed => {
                    test.stand = Stand::Refused(why(Reason::CanaryFailed), self.now);
                }
                // It expires, or somebody deletes it.
                (false, 4) => test.going = true,
                _ => {}
            }
        }
    }

    /// The name of the TestNode that tests an image. Without its guard it is another each time.
    fn name_of_test(&self, id: &str) -> Option<String> {
        let here = self.here();
        let test = here.images.iter().find(|record| record.id == id)?.canary.clone()?;
        Some(if self.without == Some("fixed name") {
            format!("{}-{}", test.name, self.ids)
        } else {
            test.name
        })
    }

    /// Asks the API server about a test. Returns false if that is not what is asked.
    pub(super) fn about_test(&mut self, ask: &Ask, fate: u8) -> bool {
        let (Ask::FindCanary(id) | Ask::MakeCanary(id) | Ask::DropCanary(id)) = ask else {
            if let Ask::ReadType(name) = ask {
                let os = Ok(Os { kind: "ubuntu".into(), version: "24.04".into() });
                self.memory.machine_type = Some(TypeRead { name: name.clone(), at: self.now, os });
            }
            return matches!(ask, Ask::ReadType(_));
        };
        let Some(name) = self.name_of_test(id) else { return true };
        let before = self.memory.images.get(id).map(|known| known.canary.clone()).unwrap_or_default();
        let until = after(self.now, SignedDuration::from_secs(5));
        let trouble = Some((Trouble::new(Reason::CanaryWaiting, "no"), until));
        let blind = CanaryMemory { look: None, trouble, ..before.clone() };
        let learned = if matches!(ask, Ask::MakeCanary(_)) {
            self.make_test(id, &name, fate, &blind)
        } else if matches!(ask, Ask::DropCanary(_)) && fate != 1 {
            if let Some(Canary::There(meant)) = &before.look
                && let Some(test) = self.nodes.get_mut(&name).filter(|test| test.uid.to_string() == meant.uid)
            {
                test.going = true;
            }
            CanaryMemory { look: None, ..before }
        } else if fate == 0 || fate > 3 {
            self.read_test(&name, &before)
        } else {
            blind
        };
        self.known(id).canary = learned;
        true
    }

    fn make_test(&mut self, id: &str, name: &str, fate: u8, blind: &CanaryMemory) -> CanaryMemory {
        self.ids += 1;
        let stand = Stand::Comes(Trouble::new(Reason::Testing, "words"));
        let test = Test { uid: self.ids, image: id.to_owned(), going: false, stand };
        let unanswered = CanaryMemory { settles: Some(after(self.now, SETTLED)), ..blind.clone() };
        match fate {
            1 => unanswered,
            3 => {
                let late = SignedDuration::from_secs(i64::from(self.chance(80)));
                self.late_nodes.push((after(self.now, late), name.to_owned(), test));
                unanswered
            }
            2 => {
                self.nodes.entry(name.to_owned()).or_insert(test);
                unanswered
            }
            _ => {
                self.nodes.entry(name.to_owned()).or_insert(test);
                self.read_test(name, blind)
            }
        }
    }

    fn read_test(&self, name: &str, before: &CanaryMemory) -> CanaryMemory {
        let there = |test: &Test| {
            Canary::There(CanaryNode {
                uid: test.uid.to_string(),
                machine_type: "small".into(),
                going: test.going,
                stand: test.stand.clone(),
            })
        };
        CanaryMemory {
            look: Some(self.nodes.get(name).map_or(Canary::Missing, there)),
            looked: Some(self.now),
            settles: match self.without {
                Some("settled") => Some(self.now),
                _ => before.settles.or(Some(after(self.now, SETTLED))),
            },
            trouble: None,
        }
    }
}
