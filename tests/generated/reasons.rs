//! The tables of reasons in `docs/operating.md`: each word with its meaning, read from `Reason`.

use std::fmt::Write as _;

use testnode_operator::reason::{Group, Reason};

const END: &str = "<!-- end -->";

/// The page with the table of each group between its two markers. What is between them is written anew.
pub fn with_tables(page: &str) -> String {
    Group::ALL.iter().fold(page.to_owned(), |page, group| with_table(&page, *group))
}

fn with_table(page: &str, group: Group) -> String {
    let begin = format!("<!-- reasons: {} -->\n", group.as_str());
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin}"));
    let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("{begin} has no {END}"));
    format!("{before}{begin}\n{}\n{END}{after}", table(group))
}

/// Words with one and the same meaning share a row.
fn table(group: Group) -> String {
    let mut table = String::from("| reason | meaning, and what to do |\n|---|---|\n");
    let reasons: Vec<Reason> = Reason::ALL.iter().copied().filter(|reason| reason.group() == group).collect();
    for row in reasons.chunk_by(|one, next| one.meaning() == next.meaning()) {
        let words: Vec<String> = row.iter().map(|reason| format!("`{reason}`")).collect();
        let meaning = row.first().unwrap().meaning();
        writeln!(table, "| {} | {meaning} |", words.join(", ")).unwrap();
    }
    table
}
