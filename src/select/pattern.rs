//! Regular expressions that the whole name must match.

use regex::{Regex, RegexBuilder};

use super::Problem;

/// Bounds what one expression of at most 255 characters can cost.
const SIZE_LIMIT: usize = 2 << 20;

/// A list of patterns, and the field it stands in.
pub(super) struct Patterns<'a>(Vec<(&'a str, Regex)>);

impl<'a> Patterns<'a> {
    /// Compiles what stands in a field.
    pub fn compile(field: &str, patterns: &'a [String]) -> Result<Self, Problem> {
        let numbered = patterns.iter().enumerate();
        let compiled =
            numbered.map(|(index, text)| Ok((text.as_str(), pattern(&format!("{field}[{index}]"), text)?)));
        Ok(Self(compiled.collect::<Result<_, _>>()?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first pattern that matches the whole name.
    pub fn matching(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(_, regex)| regex.is_match(name)).map(|(text, _)| *text)
    }
}

/// One pattern, anchored.
pub(super) fn pattern(field: &str, text: &str) -> Result<Regex, Problem> {
    let compile = |text: &str| RegexBuilder::new(text).size_limit(SIZE_LIMIT).build();
    // On its own first: `a)|(b` is no expression, but would be one inside the anchors.
    compile(text).and_then(|_| compile(&format!(r"\A(?:{text})\z"))).map_err(|error| {
        let said = error.to_string();
        let cause = said.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
        let cure = "correct the regular expression";
        Problem::new(
            "InvalidPattern",
            format!("the machine type's {field} `{text}` is not valid: {cause}; {cure}"),
        )
    })
}
