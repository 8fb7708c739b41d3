//! A console's text without what only a terminal understands, and without what cannot be seen.

use crate::saying::is_hidden;

/// As much of a line as a message needs.
const LONGEST: usize = 240;

/// The lines of a console, without escape sequences, control characters and blanks at the end.
pub(super) fn lines(text: &str) -> impl Iterator<Item = String> {
    // A lone carriage return is a progress bar: what follows it is a line of its own.
    text.split(['\n', '\r']).map(plain)
}

/// The columns of the terminals that break lines.
const COLUMNS: usize = 80;

/// The lines of a console through which a terminal of 80 columns printed: what it broke is one line again.
pub(super) fn unwrapped(text: &str) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.split('\n').flat_map(|line| line.trim_end_matches('\r').split('\r')) {
        let line = without_controls(line);
        let full = line.chars().count() == COLUMNS;
        match joined.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(&line),
            None => joined.push(line),
        }
        goes_on = full;
    }
    for line in &mut joined {
        line.truncate(line.trim_end().len());
    }
    joined
}

/// A line that fits a message.
pub(super) fn bounded(line: &str) -> String {
    line.chars().take(LONGEST).collect()
}

fn plain(line: &str) -> String {
    let mut plain = without_controls(line);
    plain.truncate(plain.trim_end().len());
    plain
}

fn without_controls(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => skip_escape(&mut rest),
            '\t' => plain.push(' '),
            c if is_hidden(c) => {}
            c => plain.push(c),
        }
    }
    plain
}

/// Goes past one escape sequence (ECMA-48), to the end of the line if it never ends.
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        // Control sequence: parameters, then one final byte.
        Some('[') => drop(rest.find(|c| ('@'..='~').contains(c))),
        // A string for the terminal, as of a window's title: ends with BEL, or ESC and a backslash.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            if rest.find(|c| matches!(c, '\x07' | '\x1b')) == Some('\x1b') {
                rest.next();
            }
        }
        // Intermediate bytes, then one final byte.
        Some(' '..='/') => drop(rest.find(|c| !(' '..='/').contains(c))),
        Some(_) | None => {}
    }
}
