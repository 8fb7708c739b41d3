//! Why something cannot be chosen, and how that is told.
use crate::reason::Reason;

use crate::saying::Saying;

/// The most characters of a message.
const LONGEST: usize = 1000;
/// At most so many are listed in a message.
const LISTED: usize = 5;

/// A reason, one word, and a message with the cause and the cure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Condition reason, event reason and metric label.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

impl Problem {
    /// A problem, told in one line whatever the names in it hold.
    #[must_use]
    pub fn new(reason: Reason, message: impl AsRef<str>) -> Self {
        Self { reason, message: one_line(message.as_ref()) }
    }

    /// Who calls must read a list first, if something in it is named.
    pub(super) fn unread(what: &str) -> Self {
        Self::new(
            Reason::CatalogueUnread,
            format!("the cloud's {what} have not been read yet; wait until they are"),
        )
    }
}

/// Names come from the cloud: what one holds must not break a condition or a log.
pub(super) fn one_line(text: &str) -> String {
    Saying::line(text, LONGEST)
}

/// `a, b, c`, the first few, and how many more.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    let mut text = items.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if items.is_empty() {
        text.push_str("none");
    } else if items.len() > LISTED {
        text = format!("{text} and {} more", items.len() - LISTED);
    }
    text
}

/// As [`list`], in alphabetical order.
pub(super) fn list_sorted(items: impl IntoIterator<Item = String>) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    items.sort();
    list(items)
}
