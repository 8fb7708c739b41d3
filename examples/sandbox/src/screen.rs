//! Standard output, as it is: a terminal of some size, with colours or without, or a pipe or a file.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

use terminal_size::{Height, Width};

/// How much fits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// What standard output can show.
#[derive(Clone, Copy)]
pub struct Screen {
    /// A table can be drawn again in the same place.
    pub redraws: bool,
    pub colours: bool,
}

impl Screen {
    /// Looks at standard output and at the environment, once. [NO_COLOR](https://no-color.org) is respected.
    pub fn of_this_process() -> Self {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let redraws = io::stdout().is_terminal() && !is_dumb;
        Self { redraws, colours: redraws && !is_set("NO_COLOR") }
    }
}

/// The terminal's size now: a person may change it at any time.
pub fn size() -> Size {
    let (Width(columns), Height(rows)) = terminal_size::terminal_size().unwrap_or((Width(80), Height(24)));
    Size { columns: columns.into(), rows: rows.into() }
}

/// Writes to standard output.
///
/// # Errors
///
/// When nobody reads it any longer, as after `| head`. (`println!` would panic.)
pub fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The same, with a line break at the end.
pub fn write_line(text: &str) -> io::Result<()> {
    write(&format!("{text}\n"))
}

/// On one line and at most so many columns wide; `…` stands for what was cut off.
pub fn cut(text: &str, columns: usize) -> String {
    // The messages of a cloud may contain anything, even what a terminal takes for a command.
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() <= columns {
        return text;
    }
    let kept = text.chars().take(columns.saturating_sub(1)).collect::<String>();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_not_cut_and_what_does_not_ends_in_dots() {
        assert_eq!(cut("waiting for the port", 20), "waiting for the port");
        assert_eq!(cut("waiting for the ports", 20), "waiting for the por…");
        assert_eq!(cut("waiting for the ports", 13), "waiting for…");
    }

    #[test]
    fn a_message_cannot_send_commands_to_the_terminal() {
        assert_eq!(cut("a\nb\x1b[2Jc", 80), "a b [2Jc");
    }
}
