//! Regular expressions that the whole name must match. They were compiled when their machine type was read.

use regex::Regex;

use super::Problem;
use crate::api::pattern::Pattern;
use crate::reason::Reason;

/// A list of patterns, all of which can be used.
pub(super) struct Patterns<'a>(Vec<(&'a str, &'a Regex)>);

impl<'a> Patterns<'a> {
    /// What stands in a field.
    pub fn of(field: &str, patterns: &'a [Pattern]) -> Result<Self, Problem> {
        let numbered = patterns.iter().enumerate();
        let usable =
            numbered.map(|(index, text)| Ok((text.text(), regex(&format!("{field}[{index}]"), text)?)));
        Ok(Self(usable.collect::<Result<_, _>>()?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first pattern that matches the whole name.
    pub fn matching(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(_, regex)| regex.is_match(name)).map(|(text, _)| *text)
    }
}

/// One pattern, if it can be used.
pub(super) fn regex<'a>(field: &str, pattern: &'a Pattern) -> Result<&'a Regex, Problem> {
    pattern.regex().map_err(|cause| {
        let (text, cure) = (pattern.text(), "correct the regular expression");
        Problem::new(
            Reason::InvalidPattern,
            format!("the machine type's {field} `{text}` is not valid: {cause}; {cure}"),
        )
    })
}
