//! What a guest says on its serial console. Pure, and total: a guest may print anything.
//!
//! Lines carry whatever prefix the kernel, systemd or journald put before them, so everything is
//! found by what it says, wherever in the line it begins. Begin with [`Console::read`].

use crate::ssh_key::PublicKey;

mod plain;

use plain::{bounded, lines};

/// More host keys than any image has.
const MOST_KEYS: usize = 8;
/// Enough failures to see what is wrong.
const MOST_FAILURES: usize = 8;

/// A guest's serial console, as text that may begin anywhere and end anywhere.
#[derive(Clone, Copy, Debug)]
pub struct Console;

/// What a console tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reading {
    /// The last stage that cloud-init announced: `Cloud-init v. … running 'modules:final' at …`.
    pub stage: Option<String>,
    /// cloud-init ran to its end.
    pub finished: Option<Finished>,
    /// The first complete block of host keys. Later ones can be anybody's in the guest.
    pub host_keys: Vec<PublicKey>,
    /// What went wrong on the way: modules that failed, units that did not start.
    pub failures: Vec<String>,
}

/// cloud-init ran to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// It found no metadata: user data, keys and hostname were not applied.
    pub datasource_none: bool,
    /// The line that said so.
    pub line: String,
}

impl Console {
    /// Reads what the console tells. `marker` is a word that our user data puts into the final
    /// message; without it, and beside it, cloud-init's own text counts.
    #[must_use]
    pub fn read(text: &str, marker: Option<&str>) -> Reading {
        let lines: Vec<String> = lines(text).collect();
        let mut reading = Reading { host_keys: host_keys(&lines), ..Reading::default() };
        let mut in_our_words = None;
        for line in &lines {
            if let Some(stage) = after_words(line, &["Cloud-init v. ", " running '"]) {
                reading.stage = Some(bounded(stage));
            }
            // Every boot ends with one; the last is of the system that runs now.
            if let Some(message) = after_words(line, &["Cloud-init v. ", " finished at "]) {
                reading.finished = Some(Finished::of(message));
            } else if marker.is_some_and(|marker| has_word(line, marker)) {
                in_our_words = Some(Finished::of(line));
            }
            if let Some(failure) = failure(line)
                && reading.failures.len() < MOST_FAILURES
                && !reading.failures.contains(&failure)
            {
                reading.failures.push(failure);
            }
        }
        reading.finished = reading.finished.or(in_our_words);
        reading
    }

    /// The last whole lines in at most `limit` bytes, for people: no control characters, no colours.
    #[must_use]
    pub fn tail(text: &str, limit: usize) -> String {
        let lines: Vec<String> = lines(text).filter(|line| !line.is_empty()).collect();
        let mut room = limit.saturating_add(1); // The first line needs no line break before it.
        let fits = |line: &&String| {
            let rest = room.checked_sub(line.len().saturating_add(1));
            room = rest.unwrap_or_default();
            rest.is_some()
        };
        let mut kept: Vec<&str> = lines.iter().rev().take_while(fits).map(String::as_str).collect();
        kept.reverse();
        kept.join("\n")
    }
}

impl Finished {
    fn of(message: &str) -> Self {
        Self { datasource_none: message.contains("DataSourceNone"), line: bounded(message) }
    }
}

/// The keys of the first block that is complete. One that the console cut off, or that a reboot
/// began again, is not.
fn host_keys(lines: &[String]) -> Vec<PublicKey> {
    let mut block: Option<Vec<PublicKey>> = None;
    for line in lines {
        if line.ends_with("-----BEGIN SSH HOST KEY KEYS-----") {
            block = Some(Vec::new());
        } else if line.ends_with("-----END SSH HOST KEY KEYS-----") {
            if let Some(keys) = block {
                return keys;
            }
        } else if let Some(keys) = &mut block
            && keys.len() < MOST_KEYS
            && let Some(key) = host_key(line)
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    Vec::new()
}

fn host_key(line: &str) -> Option<PublicKey> {
    let words = line.split_whitespace();
    words.clone().zip(words.skip(1)).find_map(|(kind, base64)| PublicKey::of_host(kind, base64))
}

fn failure(line: &str) -> Option<String> {
    const MODULE: &[&str] = &["[WARNING]: ", "Running module ", " failed"];
    const SCRIPTS: &[&str] = &["[WARNING]: ", "Failed to run module "];
    const UNIT: &[&str] = &["Failed to start "];
    let said = after_words(line, MODULE).or_else(|| after_words(line, SCRIPTS));
    let said = said.map(|said| said.trim_start_matches("[WARNING]: "));
    said.or_else(|| after_words(line, UNIT)).map(bounded)
}

/// The line from the first of `words` on, if the others follow it in that order.
fn after_words<'a>(line: &'a str, words: &[&str]) -> Option<&'a str> {
    let start = line.find(words.first()?)?;
    let found = line.get(start..)?;
    words.iter().try_fold(found, |rest, word| rest.split_once(word).map(|(_, rest)| rest))?;
    Some(found)
}

/// Whether `word` stands in the line by itself: the first try's nonce begins the tenth's.
fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    !word.is_empty()
        && line.match_indices(word).any(|(start, found)| {
            let before = line.get(..start).and_then(|head| head.chars().next_back());
            let after = line.get(start.saturating_add(found.len())..).and_then(|rest| rest.chars().next());
            !before.is_some_and(inside) && !after.is_some_and(inside)
        })
}

#[cfg(test)]
mod tests;
