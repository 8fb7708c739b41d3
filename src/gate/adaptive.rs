//! How many servers are made in a cloud at once, where its administrator gives no number: found out by
//! trying. Pure.
//!
//! It begins with [`BEGINS`] and doubles with each round that went well, until the first trouble; from then on it grows by one.
//! Trouble halves it: a create that was refused, a cloud without a host, a round that took much longer than the best.

use std::time::Duration;

/// Where it begins.
pub const BEGINS: i64 = 10;

/// A machine that took so many times as long as the fastest is slow.
const MUCH_LONGER: u32 = 2;

/// Differences below this are chance.
const CHANCE: Duration = Duration::from_secs(2);

/// One part in so many may be slow.
const SOME: usize = 4;

/// The figure, and why it is that.
#[derive(Clone, Debug, PartialEq)]
pub struct Adaptive {
    figure: i64,
    why: String,
    /// There was trouble: from now on it grows slowly.
    careful: bool,
    /// Counts the halvings. What was begun before one says nothing about what came of it.
    epoch: u64,
    /// As many servers as may be were made at once since the round began.
    reached: bool,
    /// What the machines of this round took.
    took: Vec<Duration>,
    /// What the fastest took.
    fastest: Option<Duration>,
    /// The last round was too slow, and the figure was halved for that.
    slowed: bool,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self {
            figure: BEGINS,
            why: format!("{BEGINS} to begin with"),
            careful: false,
            epoch: 0,
            reached: false,
            took: Vec::new(),
            fastest: None,
            slowed: false,
        }
    }
}

impl Adaptive {
    /// As many may be made at once, if no more than `most` ever may.
    #[must_use]
    pub fn figure(&self, most: i64) -> i64 {
        self.figure.clamp(1, most.max(1))
    }

    /// Why, for people.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// A server is asked for. `reached`: as many are now being made as may be, all told or of its sort. Returns what its end
    /// is to be told with.
    pub fn begins(&mut self, reached: bool) -> u64 {
        self.reached |= reached;
        self.epoch
    }

    /// A machine was made, after so long, by a node that began in this epoch.
    pub fn made(&mut self, epoch: u64, took: Duration, most: i64) {
        if epoch != self.epoch {
            return;
        }
        self.took.push(took);
        let figure = self.figure(most);
        let of = usize::try_from(figure).unwrap_or(usize::MAX);
        let fastest = self.took.iter().min().copied().unwrap_or_default();
        let best = self.fastest.map_or(fastest, |best| best.min(fastest));
        let slow = self.took.iter().filter(|took| **took > best * MUCH_LONGER + CHANCE).count() > of / SOME;
        if slow && !self.slowed {
            self.slowed = true;
            self.fastest = Some(best);
            let why =
                format!("machines take {} s, and the fastest took {} s", took.as_secs(), best.as_secs());
            return self.halve(figure, &why);
        }
        if self.took.len() < of {
            return;
        }
        let reached = std::mem::take(&mut self.reached);
        self.took.clear();
        // If machines are as slow with half as many, the cloud is slow whatever we do.
        self.fastest = Some(if slow { fastest } else { best });
        self.slowed = false;
        if reached && figure < most {
            self.figure = if self.careful { figure + 1 } else { figure * 2 }.min(most);
            let grows = if self.careful { "one more" } else { "doubled" };
            self.why = format!("{grows} after {of} machines were made without trouble");
        }
    }

    /// The cloud shows, by a node that began in this epoch, that this is too much, in these words. A wave is halved once,
    /// however often its nodes are refused.
    pub fn trouble(&mut self, epoch: u64, words: &str, most: i64) {
        if epoch == self.epoch {
            self.halve(self.figure(most), words);
        }
    }

    fn halve(&mut self, figure: i64, words: &str) {
        self.figure = (figure / 2).max(1);
        self.why = format!("halved: {words}");
        self.careful = true;
        self.epoch += 1;
        self.reached = false;
        self.took.clear();
    }
}

#[cfg(test)]
mod tests;
