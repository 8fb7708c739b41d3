//! A regular expression that somebody wrote, compiled once: when the object that it stands in is read.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most that one compiled pattern may take, in bytes; its text has at most 255 characters.
const SIZE_LIMIT: usize = 256 << 10;

/// The most that a pattern in use may take beside that, in each thread.
const SCRATCH_LIMIT: usize = 32 << 10;

/// A regular expression that the whole of a name must match.
///
/// One that cannot be compiled is kept with the cause: a malformed object must not break the watch of all.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    compiled: Result<Regex, String>,
}

impl Pattern {
    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The expression, anchored.
    ///
    /// # Errors
    /// Why it cannot be compiled.
    pub fn regex(&self) -> Result<&Regex, &str> {
        self.compiled.as_ref().map_err(String::as_str)
    }
}

fn compile(text: &str) -> Result<Regex, String> {
    let build =
        |text: &str| RegexBuilder::new(text).size_limit(SIZE_LIMIT).dfa_size_limit(SCRATCH_LIMIT).build();
    // On its own first: `a)|(b` is no expression, but would be one inside the anchors.
    build(text).and_then(|_| build(&format!(r"\A(?:{text})\z"))).map_err(|error| {
        let said = error.to_string();
        said.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
    })
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self { compiled: compile(&text), text }
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::from)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(to)
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_name_must_match() {
        let pattern = Pattern::from("b2-.*|c2");

        let matches = |name| pattern.regex().unwrap().is_match(name);

        assert!(matches("b2-7") && matches("c2"));
        assert!(!matches("win-b2-7") && !matches("c2-7"));
    }

    #[test]
    fn an_expression_that_would_take_much_memory_is_refused_with_the_cause() {
        let cause = Pattern::from(r"(\w{50}){50}").regex().unwrap_err().to_owned();
        assert!(cause.contains("size limit"), "{cause}");

        // What people write is far below.
        for usual in
            [r"(?i)ubuntu[ -]\d+\.\d+.*", r"\w+-\w+-\d{8}", "(b2|c2|r2)-[0-9]+(-flex)?", r"[^ ]+ \S+ .{1,20}"]
        {
            assert!(Pattern::from(usual).regex().is_ok(), "{usual}");
        }
    }

    #[test]
    fn a_pattern_is_read_and_written_as_its_text() {
        let pattern: Pattern = serde_json::from_str(r#""a)|(b""#).unwrap();

        assert!(pattern.regex().is_err());
        assert_eq!(serde_json::to_string(&pattern).unwrap(), r#""a)|(b""#);
        assert_eq!(pattern, "a)|(b".into());
    }
}
