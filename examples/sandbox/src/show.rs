//! The nodes on the screen: on a terminal a table that stays where it is, elsewhere a line for each change.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::node::{Node, Watch};
use crate::options::Options;
use crate::screen::{self, Screen};
use crate::table::{self, Row};

/// What a deletion usually takes.
const DOWN: Duration = Duration::from_secs(4);

/// How it is shown.
pub enum Show {
    /// A table, and how many lines the last one had.
    Table(Screen, usize),
    /// Lines: when it began, and what was last said of each node.
    Lines(Instant, BTreeMap<String, String>),
}

impl Show {
    /// As a table, where it can be drawn again in the same place.
    pub fn new(screen: Screen) -> Self {
        if screen.redraws { Self::Table(screen, 0) } else { Self::lines() }
    }

    /// As lines, so that a person can scroll back.
    pub fn lines() -> Self {
        Self::Lines(Instant::now(), BTreeMap::new())
    }

    /// Shows what is new.
    pub fn draw(&mut self, watch: &Watch, options: &Options) -> io::Result<()> {
        match self {
            Self::Table(screen, lines) => {
                let rows: Vec<Row> = watch.0.iter().map(|(name, node)| row(name, node, options)).collect();
                let table = table::draw(&rows, screen::size(), screen.colours);
                // The cursor is hidden, goes back to where the last table began, and what is there is cleared.
                let back = if *lines == 0 { String::new() } else { format!("\x1b[{lines}A") };
                *lines = table.lines().count();
                screen::write(&format!("\x1b[?25l{back}\x1b[J{table}"))
            }
            Self::Lines(began, said) => {
                let mut text = String::new();
                for (name, node) in &watch.0 {
                    let line = format!("{name:<12} {:<13} {}", node.phase, node.message);
                    if said.get(name) != Some(&line) {
                        // Writing to a string does not fail.
                        let _ = writeln!(text, "{:6.1}s  {}", began.elapsed().as_secs_f32(), line.trim_end());
                        said.insert(name.clone(), line);
                    }
                }
                if text.is_empty() { Ok(()) } else { screen::write(&text) }
            }
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        if matches!(self, Self::Table(..)) {
            // The cursor is shown again; if the terminal is gone, nobody misses it.
            drop(screen::write("\x1b[?25h"));
        }
    }
}

fn row(name: &str, node: &Node, options: &Options) -> Row {
    let settled = node.is_ready || node.gone.is_some();
    let usual = if node.deleted.is_some() { DOWN } else { options.usual() };
    let part = (node.elapsed().as_secs_f32() / usual.as_secs_f32()).min(0.97);
    Row {
        name: name.to_owned(),
        phase: node.phase.clone(),
        seconds: node.elapsed().as_secs(),
        part: if settled { 1.0 } else { part },
        // The message says the same, but with the address last, where it may be cut off.
        status: node.address.clone().filter(|_| node.is_ready).unwrap_or_else(|| node.message.clone()),
        settled,
    }
}
