//! The table of the nodes, for a terminal of any width.

use crate::screen::{Size, cut};

/// Columns of the bar, where there is room for one.
const BAR: usize = 16;
/// From this width on there is room for a bar.
const WIDE: usize = 100;
/// A longer name is cut.
const NAME: usize = 20;
/// `Provisioning`
const PHASE: usize = 12;
/// `9999s`
const TIME: usize = 5;
/// Lines of the terminal that are not for nodes: the heading, the line about the rest, and the cursor.
const OTHER_LINES: usize = 3;

/// One node.
pub struct Row {
    pub name: String,
    pub phase: String,
    /// How many seconds it has been on its way, up or down.
    pub seconds: u64,
    /// How far it has come: from 0 to 1.
    pub part: f32,
    /// What it waits for, or where it can be reached.
    pub status: String,
    /// There is nothing to see any longer: those that are on their way are shown first.
    pub settled: bool,
}

/// Everything but the last line break is no wider than the terminal, and no higher.
pub fn draw(rows: &[Row], size: Size, colours: bool) -> String {
    let name = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).clamp(4, NAME);
    let bar = if size.columns < WIDE { 0 } else { BAR + 2 };
    let status = size.columns.saturating_sub(name + PHASE + TIME + bar + 3 * 2);

    let gap = " ".repeat(bar);
    let heading =
        format!("{:<name$}  {:<PHASE$}  {:>TIME$}  {gap}{}", "NODE", "PHASE", "TIME", cut("STATUS", status));
    let mut lines = vec![paint(heading.trim_end(), "1", colours)];
    let (shown, hidden) = choose(rows, size.rows.saturating_sub(OTHER_LINES).max(1));
    for row in shown {
        let phase = paint(&format!("{:<PHASE$}", cut(&row.phase, PHASE)), colour(&row.phase), colours);
        let bar = if bar == 0 { String::new() } else { format!("{}  ", bar_of(row.part)) };
        let (name_cell, time) = (cut(&row.name, name), format!("{}s", row.seconds));
        let line = format!("{name_cell:<name$}  {phase}  {time:>TIME$}  {bar}{}", cut(&row.status, status));
        lines.push(line.trim_end().to_owned());
    }
    if hidden > 0 {
        let count = |phase: &str| rows.iter().filter(|row| row.phase == phase).count();
        let rest = format!(
            "… and {hidden} more: of all {} are {} Ready, {} Gone",
            rows.len(),
            count("Ready"),
            count("Gone")
        );
        lines.push(cut(&rest, size.columns));
    }
    lines.join("\n") + "\n"
}

/// As many as there is room for, and how many are left out.
fn choose(rows: &[Row], room: usize) -> (Vec<&Row>, usize) {
    let mut shown: Vec<&Row> = rows.iter().collect();
    if shown.len() > room {
        shown.sort_by_key(|row| row.settled);
        shown.truncate(room);
    }
    let hidden = rows.len() - shown.len();
    (shown, hidden)
}

fn colour(phase: &str) -> &'static str {
    match phase {
        "Ready" => "32",
        "Failed" | "Held" | "Retrying" => "31",
        "Gone" => "2",
        _ => "33",
    }
}

fn paint(text: &str, code: &str, colours: bool) -> String {
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

fn bar_of(part: f32) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and BAR")]
    #[expect(clippy::cast_precision_loss, reason = "BAR is small")]
    let full = (part.clamp(0.0, 1.0) * BAR as f32) as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, phase: &str, status: &str) -> Row {
        Row {
            name: name.into(),
            phase: phase.into(),
            seconds: 12,
            part: 0.5,
            status: status.into(),
            settled: phase == "Ready",
        }
    }

    fn nodes() -> Vec<Row> {
        vec![
            row("smithi001", "Ready", "10.77.0.10  smithi001.front.example.test"),
            row(
                "smithi002",
                "Provisioning",
                "waiting for 3 volumes: osd-0, osd-1, osd-2; cinder says creating",
            ),
            row(
                "a-node-with-a-very-long-name-indeed",
                "Failed",
                "there is no MachineType nosuch; see kubectl get machinetypes",
            ),
        ]
    }

    #[test]
    fn the_table_fits_every_terminal_from_60_to_200_columns_and_fills_it() {
        for columns in 60..=200 {
            let table = draw(&nodes(), Size { columns, rows: 24 }, false);
            let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
            assert!(widths.iter().all(|width| *width <= columns), "{columns} columns:\n{table}");
            assert!(columns > 110 || table.contains('…'), "{columns} columns:\n{table}");
        }
    }

    #[test]
    fn the_address_of_a_ready_node_can_be_read_at_60_columns() {
        let table = draw(&nodes(), Size { columns: 60, rows: 24 }, false);
        assert!(table.contains("10.77.0.10"), "{table}");
    }

    #[test]
    fn without_colours_there_is_no_escape_code() {
        assert!(!draw(&nodes(), Size { columns: 120, rows: 24 }, false).contains('\x1b'));
        assert!(draw(&nodes(), Size { columns: 120, rows: 24 }, true).contains("\x1b[32mReady"));
    }

    #[test]
    fn of_more_nodes_than_fit_those_on_their_way_are_shown() {
        let mut rows: Vec<Row> = (0..30).map(|n| row(&format!("smithi{n:03}"), "Ready", "")).collect();
        rows.push(row("smithi900", "Booting", ""));
        let table = draw(&rows, Size { columns: 80, rows: 24 }, false);

        assert!(table.lines().count() < 24, "{table}");
        assert!(table.contains("smithi900"), "{table}");
        assert!(table.contains("… and 10 more: of all 31 are 30 Ready, 0 Gone"), "{table}");
    }
}
