//! The nodes on the screen: a table that stays where it is on a terminal, a line for each change elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

use crate::node::{Node, Watch};
use crate::options::Options;

/// As many nodes as fit above the fold of a small terminal.
const ROWS: usize = 18;
/// The length of a bar.
const BAR: usize = 16;
/// What a deletion usually takes.
const DOWN: Duration = Duration::from_secs(4);

/// How it is shown.
pub enum Show {
    /// A table, and how many lines the last one had.
    Table(usize),
    /// Lines: when it began, and what was last said of each node.
    Lines(Instant, BTreeMap<String, String>),
}

impl Show {
    pub fn new() -> Self {
        if io::stdout().is_terminal() {
            // The cursor hides, and what is too long is cut.
            print!("\x1b[?25l\x1b[?7l");
            Self::Table(0)
        } else {
            Self::lines()
        }
    }

    pub fn lines() -> Self {
        Self::Lines(Instant::now(), BTreeMap::new())
    }

    pub fn draw(&mut self, watch: &Watch, options: &Options) {
        match self {
            Self::Table(lines) => {
                let table = table(watch, options);
                // Back to where the last table began.
                let back = if *lines == 0 { String::new() } else { format!("\x1b[{lines}A") };
                print!("{back}{table}");
                *lines = table.lines().count();
            }
            Self::Lines(began, said) => {
                for (name, node) in &watch.0 {
                    let line = format!("{name:<12} {:<13} {}", node.phase, node.message);
                    if said.get(name) != Some(&line) {
                        println!("{:6.1}s  {}", began.elapsed().as_secs_f32(), line.trim_end());
                        said.insert(name.clone(), line);
                    }
                }
            }
        }
        // A screen that is gone is nobody's loss.
        drop(io::stdout().flush());
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        if matches!(self, Self::Table(_)) {
            print!("\x1b[?7h\x1b[?25h");
            drop(io::stdout().flush());
        }
    }
}

fn table(watch: &Watch, options: &Options) -> String {
    let mut text =
        String::from("\x1b[2K\x1b[1mNODE         PHASE         ELAPSED             WAITING FOR\x1b[0m\n");
    // Those that are on their way come first, if there is not room for all.
    let mut nodes: Vec<(&String, &Node)> = watch.0.iter().collect();
    if nodes.len() > ROWS {
        nodes.sort_by_key(|(name, node)| (node.is_ready || node.gone.is_some(), (*name).clone()));
    }
    for (name, node) in nodes.iter().take(ROWS) {
        row(&mut text, name, node, options);
    }
    if nodes.len() > ROWS {
        let ready = nodes.iter().filter(|(_, node)| node.is_ready).count();
        let gone = nodes.iter().filter(|(_, node)| node.gone.is_some()).count();
        let more = nodes.len() - ROWS;
        line(&mut text, &format!("… and {more} more; of all {} are {ready} Ready, {gone} gone", nodes.len()));
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "\x1b[2K{line}");
}

fn row(text: &mut String, name: &str, node: &Node, options: &Options) {
    let colour = match node.phase.as_str() {
        "Ready" => "\x1b[32m",
        "Failed" | "Held" | "Retrying" => "\x1b[31m",
        "Gone" => "\x1b[2m",
        _ => "\x1b[33m",
    };
    let usual = if node.deleted.is_some() { DOWN } else { options.usual() };
    let bar = bar(node.elapsed(), usual, node.is_ready || node.gone.is_some());
    let seconds = node.elapsed().as_secs();
    let (phase, waits) = (&node.phase, &node.message);
    line(text, &format!("{name:<12} {colour}{phase:<13}\x1b[0m {bar} {seconds:>3}s {waits}"));
}

/// How far a node has come, by what it usually takes.
fn bar(elapsed: Duration, usual: Duration, done: bool) -> String {
    let part = if done { 1.0 } else { (elapsed.as_secs_f32() / usual.as_secs_f32()).min(0.97) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a few")]
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let full = (part * BAR as f32) as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}
