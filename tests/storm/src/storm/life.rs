//! One node of a world: when it comes, what it asks for, and when it goes.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::chance::Chance;

/// A node.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what befell it: each may, whatever else does")]
pub struct Life {
    /// Its name, and its hostname.
    pub name: String,
    /// What it asks for.
    pub spec: Value,
    /// How many volumes that is.
    pub volumes: usize,
    /// It asks for a floating IP.
    pub floats: bool,
    /// When it is made.
    pub born: Instant,
    /// When it is deleted; when the storm is over, if not given.
    pub dies: Option<Instant>,
    /// How long it may be there: its `expireAfter`.
    pub lasts: Option<Duration>,
    /// How far it is.
    pub stage: Stage,
    /// Its UID, once made.
    pub uid: String,
    /// Somebody did something to what it has.
    pub harmed: bool,
    /// Somebody wiped its status.
    pub wiped: bool,
    /// It was lost and restored, under another UID.
    pub restored: bool,
    /// Its former machine may have no server, and only a server says the DNS name.
    pub nameless: bool,
    /// Somebody took its port.
    pub portless: bool,
    /// Two operators worked at it at once.
    pub doubled: bool,
    /// How often somebody asked for a rebuild.
    pub rebuilds: u32,
    /// The server that it was first Ready with.
    pub kept: Option<String>,
}

/// How far a life is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// It is not made yet.
    Unborn,
    /// It was made.
    Alive,
    /// It was deleted, and is still there.
    Dying,
    /// It is no more.
    Gone,
}

impl Life {
    /// A life that begins within the storm.
    pub fn draw(number: usize, storm: Duration, chance: &mut Chance) -> Self {
        let now = Instant::now();
        let length = u64::try_from(storm.as_millis()).unwrap();
        let born = if number == 0 { Duration::ZERO } else { chance.between(0, length * 4 / 5) };
        let dies = chance.percent(60).then(|| now + born + chance.between(500, length));
        let lasts = chance.percent(20).then(|| Duration::from_secs(20 + chance.below(580)));
        let volumes = chance.index(3);
        let mut spec = json!({"machineType": if chance.percent(30) { "both" } else { "lab" }});
        if volumes > 0 {
            spec["volumes"] = json!([{"name": "osd", "count": volumes, "sizeGiB": 1}]);
        }
        if let Some(lasts) = lasts {
            spec["expireAfter"] = format!("{}s", lasts.as_secs()).into();
        }
        if chance.percent(10) {
            spec["onFailure"] = "Hold".into();
        }
        if chance.percent(20) {
            spec["readiness"] = json!([]);
        }
        // No draw of its own: other lives stay as they were.
        if number % 4 == 2 && spec["readiness"].is_null() {
            spec["readiness"] = json!([{"type": "console"}, {"type": "ssh"}]);
        }
        let floats = number % 3 == 1;
        if floats {
            spec["floatingIP"] = json!({"policy": "Always"});
        }
        // A name is used again once it is free.
        let name = format!("smithi{:03}", if chance.percent(25) { number / 2 } else { number });
        let (uid, kept) = (String::new(), None);
        Self {
            name,
            spec,
            volumes,
            floats,
            born: now + born,
            dies,
            lasts,
            stage: Stage::Unborn,
            uid,
            harmed: false,
            wiped: false,
            restored: false,
            nameless: false,
            portless: false,
            doubled: false,
            rebuilds: 0,
            kept,
        }
    }

    /// When its time is over, once it is made.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        Some(self.born + self.lasts?)
    }

    /// It is made, and not deleted.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.stage == Stage::Alive
    }

    /// It is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        matches!(self.stage, Stage::Alive | Stage::Dying)
    }
}
