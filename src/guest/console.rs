//! What a guest says on its serial console. Pure, and total: a guest may print anything.
//!
//! Lines carry whatever prefix the kernel, systemd or journald put before them, so everything is found by what it says,
//! wherever in the line it begins. That cloud-init has ended is known by whichever of several signs is there: its text
//! alone is the user's to change. Begin with [`Console::read`].

use crate::ssh_key::PublicKey;

mod plain;

use plain::{bounded, lines, unwrapped};

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
    /// cloud-init found no metadata: user data, keys and hostname were not applied.
    pub no_datasource: bool,
    /// The guest is up, and nothing here is of cloud-init.
    pub no_cloud_init: bool,
    /// The first complete block of host keys. Later ones can be anybody's in the guest.
    pub host_keys: Vec<PublicKey>,
    /// What went wrong on the way: modules that failed, units that did not start.
    pub failures: Vec<String>,
}

/// cloud-init ran to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// The best sign of it.
    pub sign: Sign,
    /// The line that said so.
    pub line: String,
}

/// By what we know that cloud-init ran to its end. A later sign tells more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Sign {
    /// The block of host keys is complete. It is printed after packages, commands and scripts of the user data.
    HostKeys,
    /// systemd says that the unit of the final stage ended.
    FinalStage,
    /// The word that our user data puts into the final message.
    Marker,
    /// cloud-init's own final message.
    FinalMessage,
}

impl Console {
    /// Reads what the console tells. `marker` is a word that our user data puts into the final message.
    #[must_use]
    pub fn read(text: &str, marker: Option<&str>) -> Reading {
        let plain = Reading::of(&lines(text).collect::<Vec<_>>(), marker);
        // A terminal on the way may have broken long lines; what is whole in either form counts.
        let joined = Reading::of(&unwrapped(text), marker);
        let mut host_keys = plain.host_keys;
        for key in joined.host_keys {
            if host_keys.len() < MOST_KEYS && !host_keys.contains(&key) {
                host_keys.push(key);
            }
        }
        let told = |one: &Option<Finished>| one.as_ref().map(|finished| (finished.sign, finished.line.len()));
        let finished =
            if told(&joined.finished) > told(&plain.finished) { joined.finished } else { plain.finished };
        Reading {
            stage: plain.stage.or(joined.stage),
            finished,
            no_datasource: plain.no_datasource || joined.no_datasource,
            no_cloud_init: plain.no_cloud_init && joined.no_cloud_init,
            host_keys,
            failures: if plain.failures.is_empty() { joined.failures } else { plain.failures },
        }
    }

    /// What of a console was printed by the boot that ends with `marker`. A cloud may keep what earlier boots of the same
    /// server printed, whose ends bear the `earlier` markers: what follows the last of these is of the next boot only from where
    /// a kernel starts, or if the boot's own marker is there.
    #[must_use]
    pub fn of_boot<'a>(text: &'a str, earlier: &[String], marker: &str) -> &'a str {
        let mut rest = None;
        let mut end = 0;
        for line in text.split_inclusive('\n') {
            end += line.len();
            if earlier.iter().any(|earlier| has_word(line, earlier)) {
                rest = text.get(end..);
            }
        }
        match rest {
            None => text,
            Some(rest) if has_word(rest, marker) => rest,
            Some(rest) => rest.find("Linux version ").and_then(|start| rest.get(start..)).unwrap_or_default(),
        }
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

impl Reading {
    fn of(lines: &[String], marker: Option<&str>) -> Self {
        let mut reading = Self::default();
        if let Some(keys) = host_keys(lines) {
            reading.host_keys = keys;
            reading.finished = Some(Finished { sign: Sign::HostKeys, line: END_OF_KEYS.to_owned() });
        }
        for line in lines {
            if let Some(stage) = after_words(line, &["Cloud-init v. ", " running '"]) {
                reading.stage = Some(bounded(stage));
            }
            if let Some((sign, said)) = sign(line, marker) {
                // Every boot ends with one; the last is of the system that runs now.
                if reading.finished.as_ref().is_none_or(|finished| finished.sign <= sign) {
                    reading.finished = Some(Finished { sign, line: bounded(said) });
                    // A final message says whether there was metadata.
                    reading.no_datasource = said.contains("DataSourceNone");
                }
            }
            reading.no_datasource |= line.contains("Used fallback datasource");
            if let Some(failure) = failure(line)
                && reading.failures.len() < MOST_FAILURES
                && !reading.failures.contains(&failure)
            {
                reading.failures.push(failure);
            }
        }
        reading.no_cloud_init = reading.finished.is_none() && is_up_without_cloud_init(lines);
        reading
    }
}

/// What in a line shows that cloud-init ended.
fn sign<'a>(line: &'a str, marker: Option<&str>) -> Option<(Sign, &'a str)> {
    // How systemd's messages name the unit: by its name, or by its description in one release or another.
    const FINAL_UNIT: &[&str] =
        &["cloud-final.service", "Execute cloud user/final scripts", "Cloud-init: Final Stage"];
    const TARGET: &[&str] = &["cloud-init.target", "Cloud-init target"];
    if let Some(message) = after_words(line, &["Cloud-init v. ", " finished at "]) {
        return Some((Sign::FinalMessage, message));
    }
    if marker.is_some_and(|marker| has_word(line, marker)) {
        return Some((Sign::Marker, line));
    }
    // Old releases of systemd say "Started" of a unit that has run to its end.
    let ended =
        ["Finished ", "Started ", "Failed to start "].iter().find_map(|verb| after_words(line, &[verb]));
    let ended = ended.filter(|said| FINAL_UNIT.iter().any(|unit| said.contains(unit)));
    let reached = || after_words(line, &["Reached target "]);
    let reached = || reached().filter(|said| TARGET.iter().any(|unit| said.contains(unit)));
    ended.or_else(reached).map(|said| (Sign::FinalStage, said))
}

/// A login, Ignition, cloudbase-init, the console of Windows, Talos.
const UP: &[&str] = &["login:", "ignition: ", "ignition[", "cloudbaseinit", "sac>", "[talos]"];

/// Whether a guest of another kind is up: it asks for a login, or another program set it up, and cloud-init never spoke.
fn is_up_without_cloud_init(lines: &[String]) -> bool {
    let spoke = |line: &String| {
        let line = line.to_ascii_lowercase();
        ["cloud-init", "ci-info", "cloud-config", "cloud-final"].iter().any(|word| line.contains(word))
    };
    // The kernel may print into any line.
    let up = |line: &String| {
        let line = line.to_ascii_lowercase();
        UP.iter().any(|word| line.contains(word))
    };
    !lines.iter().any(spoke) && lines.iter().any(up)
}

const START_OF_KEYS: &str = "-----BEGIN SSH HOST KEY KEYS-----";
const END_OF_KEYS: &str = "-----END SSH HOST KEY KEYS-----";

/// The keys of the first block that is complete. One that the console cut off, or that a reboot began again, is not.
/// The kernel may print into any line, so that its words stand before or behind ours.
fn host_keys(lines: &[String]) -> Option<Vec<PublicKey>> {
    let mut block: Option<Vec<PublicKey>> = None;
    for line in lines {
        let mut rest = line.as_str();
        if let Some((_, behind)) = rest.rsplit_once(START_OF_KEYS) {
            block = Some(Vec::new());
            rest = behind;
        }
        let (inside, ends) = match rest.split_once(END_OF_KEYS) {
            Some((inside, _)) => (inside, true),
            None => (rest, false),
        };
        if let Some(keys) = &mut block {
            for key in PublicKey::hosts_in(inside) {
                if keys.len() < MOST_KEYS && !keys.contains(&key) {
                    keys.push(key);
                }
            }
            if ends {
                return block;
            }
        }
    }
    None
}

fn failure(line: &str) -> Option<String> {
    const MODULE: &[&str] = &["[WARNING]: ", "Running module ", " failed"];
    const SCRIPTS: &[&str] = &["[WARNING]: ", "Failed to run module "];
    const UNIT: &[&str] = &["Failed to start "];
    // What follows quotes the user data, which may be a secret.
    const UNREAD: &[&str] =
        &["Unhandled non-multipart (text/x-not-multipart) userdata", "Failed loading yaml blob"];
    if let Some(words) = UNREAD.iter().find(|words| line.contains(**words)) {
        return Some((*words).to_owned());
    }
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
