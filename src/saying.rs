//! What somebody else said: a cloud, a name server, a guest, or a library that quotes one of them.
//!
//! Such text reaches conditions, events and logs, so it must not carry terminal escapes, secrets or a megabyte. There is
//! one way for it: [`Saying`]. Errors hold a [`Saying`] instead of a `String`, so that none can be forgotten.

use std::fmt;
use std::ops::Deref;

use url::Url;

mod hidden;
#[cfg(test)]
mod tests;

pub(crate) use hidden::is_hidden;

/// The most characters of a message that are kept.
const LONGEST_MESSAGE: usize = 300;
/// The most characters of a name that are kept; OpenStack allows no longer ones.
const LONGEST_NAME: usize = 255;
/// A run of the standard base64 alphabet of this length is not shown. The longest id without dashes has 32 characters.
const BASE64_RUN: usize = 40;
/// The same for the alphabet that tokens use. A host name has at most 63 of these characters.
const TOKEN_RUN: usize = 64;

/// What somebody else said, fit to be shown: one line of bounded length without control or format characters, without
/// long encoded runs (they may be user data or a token), and with no more of a URL than scheme, host and port.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Saying(Box<str>);

impl Saying {
    /// A message: at most 300 characters of it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(clean(text, LONGEST_MESSAGE).into())
    }

    /// A message whose encoding is not known.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::new(&String::from_utf8_lossy(bytes))
    }

    /// A name: at most 255 characters of it. A long one is kept as it is, it may well look encoded.
    #[must_use]
    pub fn name(text: &str) -> String {
        bounded(words(text), LONGEST_NAME)
    }

    /// A text that we wrote and that quotes others. It may be longer: what it quotes was bounded one by one.
    #[must_use]
    pub fn line(text: &str, longest: usize) -> String {
        bounded(words(text), longest)
    }
}

impl Deref for Saying {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Saying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for Saying {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Saying {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl PartialEq<str> for Saying {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Saying {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

/// Scheme, host and port of a URL: as much of an address as a person may read. The rest may hold a password or a token.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Origin(Box<str>);

impl Origin {
    /// The origin of a URL.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        Self::named(url.scheme(), url.host_str(), url.port())
    }

    /// The origin of a URL that may not be one.
    #[must_use]
    pub fn of_text(url: &str) -> Self {
        Url::parse(url).map_or_else(|_| Self("an address that is no URL".into()), |url| Self::of(&url))
    }

    fn named(scheme: &str, host: Option<&str>, port: Option<u16>) -> Self {
        let host = Saying::name(host.unwrap_or_default());
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Self(format!("{scheme}://{host}{port}").into())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn clean(text: &str, longest: usize) -> String {
    bounded(words(text).map(|word| without_runs(&without_paths(&word))), longest)
}

/// The words of a text, without characters that cannot be seen.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .map(|word| word.chars().filter(|c| !is_hidden(*c)).collect::<String>())
        .filter(|word| !word.is_empty())
}

/// The words as one line, cut where it becomes too long.
fn bounded(words: impl Iterator<Item = String>, longest: usize) -> String {
    let (mut line, mut length) = (String::new(), 0);
    for word in words {
        let space = usize::from(length > 0);
        let room = longest.saturating_sub(length + space);
        let fits: String = word.chars().take(room).collect();
        if !fits.is_empty() {
            line.extend(std::iter::repeat_n(' ', space));
            line.push_str(&fits);
        }
        if fits.len() < word.len() {
            line.push('…');
            return line;
        }
        length += space + fits.chars().count();
    }
    line
}

/// `(https://user:secret@host:1/path?token=x)` becomes `(https://host:1)`.
fn without_paths(word: &str) -> String {
    let Some((before, after)) = word.split_once("://") else { return word.to_owned() };
    let end_of_url = after.find(is_delimiter).unwrap_or(after.len());
    let (url, rest) = after.split_at(end_of_url);
    let authority = url.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let path = url.get(authority.len()..).unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // A sentence goes on after the URL.
    let kept = path.trim_end_matches(['.', ',', ';', ':', ')', ']', '}']);
    let punctuation = path.get(kept.len()..).unwrap_or_default();
    format!("{before}://{host}{punctuation}{}", without_paths(rest))
}

fn is_delimiter(c: char) -> bool {
    matches!(c, '"' | '\'' | '<' | '>' | '`' | '|')
}

/// Replaces what may be encoded by its length.
fn without_runs(word: &str) -> String {
    let word = without_run(word, BASE64_RUN, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='));
    without_run(&word, TOKEN_RUN, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '='))
}

fn without_run(word: &str, longest: usize, is_of_it: fn(char) -> bool) -> String {
    let mut kept = String::with_capacity(word.len());
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_of_it(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if run.len() < longest {
            kept.push_str(run);
        } else {
            kept = format!("{kept}[{} characters]", run.len());
        }
        let next = after.find(is_of_it).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        kept.push_str(between);
        rest = after;
    }
    kept
}
