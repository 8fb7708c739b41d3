//! Names that are checked once, where they come in, and cannot be wrong after.

use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};

use super::{Error, saying};

/// A node's own label: lower case, 2 to 63 characters. The only way a name gets into a URL.
///
/// nsupdate-web hands what it gets to nsupdate as it is; a newline in it would be a command.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hostname(String);

/// The zone that names are in, lower case and without the final dot.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Zone(String);

/// A hostname in its zone: at most 253 characters, lower case, without the final dot.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fqdn(String);

impl Hostname {
    /// The label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Hostname {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        // Nova from 2.90 on refuses a hostname of one character.
        if is_label(given) && given.len() >= 2 {
            return Ok(Self(given.to_owned()));
        }
        let rule = "must be 2 to 63 of a-z, 0-9 and '-', with neither end a '-'";
        Err(Error::Unusable { what: "hostname", given: saying(given.as_bytes()), rule })
    }
}

impl Zone {
    /// The zone, without the final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        let name = given.strip_suffix('.').unwrap_or(given).to_ascii_lowercase();
        // An address is no zone, though each of its numbers is a label.
        let numeric = name.rsplit('.').next().is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit()));
        if name.len() <= Fqdn::LONGEST && name.split('.').all(is_label) && !numeric {
            return Ok(Self(name));
        }
        let rule = "must be a domain such as front.example.test";
        Err(Error::Unusable { what: "zone", given: saying(given.as_bytes()), rule })
    }
}

impl Fqdn {
    /// The most that fits a DNS message, as text.
    const LONGEST: usize = 253;

    /// Puts a hostname into its zone.
    ///
    /// # Errors
    /// If both together are longer than DNS can say.
    pub fn new(hostname: &Hostname, zone: &Zone) -> Result<Self, Error> {
        let name = format!("{}.{}", hostname.0, zone.0);
        if name.len() <= Self::LONGEST {
            return Ok(Self(name));
        }
        let rule = "hostname and zone together must not be longer than 253 characters";
        Err(Error::Unusable { what: "name", given: saying(name.as_bytes()), rule })
    }

    /// The name, without the final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hostname, which is the first label.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

/// The hostnames that may be used: regular expressions that the whole hostname must match. Any if there is none.
#[derive(Clone, Debug, Default)]
pub struct Hostnames(Vec<(String, Regex)>);

impl Hostnames {
    /// How much one compiled expression may take, in bytes.
    const SIZE_LIMIT: usize = 1 << 20;

    /// Compiles the expressions.
    ///
    /// # Errors
    /// With the expression that is not valid, or needs too much memory.
    pub fn new(patterns: &[String]) -> Result<Self, Error> {
        let compile = |text: &str| RegexBuilder::new(text).size_limit(Self::SIZE_LIMIT).build();
        let whole = |text: &String| {
            // On its own first: `a)|(b` is no expression, but would be one inside the anchors.
            let compiled = compile(text).and_then(|_| compile(&format!(r"\A(?:{text})\z")));
            let rule = "is not a valid regular expression, or needs too much memory";
            let unusable = |_| Error::Unusable { what: "pattern", given: saying(text.as_bytes()), rule };
            Ok((text.clone(), compiled.map_err(unusable)?))
        };
        Ok(Self(patterns.iter().map(whole).collect::<Result<_, _>>()?))
    }

    /// Whether a hostname may be used.
    #[must_use]
    pub fn allow(&self, hostname: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|(_, regex)| regex.is_match(hostname))
    }
}

impl fmt::Display for Hostnames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<&str> = self.0.iter().map(|(text, _)| text.as_str()).collect();
        f.write_str(&saying(shown.join(", ").as_bytes()))
    }
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Fqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The rule as the CRD writes it, over text that is nearly a name.
        #[test]
        fn a_hostname_is_exactly_what_the_pattern_says(text in "[-a0]{0,5}|[-a-c0-1A.\n%&é]{0,5}|[a-z]{60,66}") {
            let pattern = Regex::new(r"\A[a-z0-9]([-a-z0-9]*[a-z0-9])\z").unwrap();

            let accepted = text.parse::<Hostname>().is_ok();

            prop_assert_eq!(accepted, pattern.is_match(&text) && (2..=63).contains(&text.len()));
        }

        #[test]
        fn a_full_name_is_lower_case_and_fits_dns(label in "[a-z0-9]{2,63}", zone in "([a-zA-Z]{1,63}\\.){1,5}") {
            let (hostname, zone) = (label.parse().unwrap(), zone.parse::<Zone>());

            let name = zone.and_then(|zone| Fqdn::new(&hostname, &zone));

            if let Ok(name) = name {
                prop_assert!(name.as_str().len() <= 253);
                prop_assert_eq!(name.as_str().to_ascii_lowercase(), name.as_str());
                prop_assert_eq!(name.as_str().split('.').next(), Some(label.as_str()));
            }
        }
    }

    #[test]
    fn an_allowed_hostname_matches_a_whole_pattern() {
        let patterns = ["smithi[0-9]+", "lab-.*"].map(ToOwned::to_owned);
        let allowed = Hostnames::new(&patterns).unwrap();

        for (hostname, may) in [
            ("smithi001", true),
            ("lab-a", true),
            ("gitlab", false),
            ("smithi001x", false),
            ("xsmithi1", false),
        ] {
            assert_eq!(allowed.allow(hostname), may, "{hostname}");
        }
        assert!(Hostnames::default().allow("gitlab"));
    }

    #[test]
    fn a_pattern_that_is_no_expression_or_too_large_is_refused() {
        for text in ["smithi[", "a)|(b", "(((a{1000}){1000}){1000})"] {
            assert!(Hostnames::new(&[text.to_owned()]).is_err(), "{text}");
        }
    }

    #[test]
    fn a_zone_may_be_written_with_capitals_and_a_final_dot() {
        let zone: Zone = "Front.Example.test.".parse().unwrap();

        assert_eq!(zone.as_str(), "front.example.test");
    }

    #[test]
    fn what_is_no_domain_is_no_zone() {
        for text in ["", ".", "a..b", "-a.test", "a_b.test", "10.0.0.1", "a b", "a\n.test"] {
            assert!(text.parse::<Zone>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_for_dns_is_refused_in_one_line() {
        let hostname = "a".repeat(63).parse().unwrap();
        let zone = ["b".repeat(63), "c".repeat(63), "d".repeat(62)].join(".").parse().unwrap();

        let refusal = Fqdn::new(&hostname, &zone).unwrap_err().to_string();

        assert!(refusal.contains("253"), "{refusal}");
    }
}
