//! Who may do what: names, tokens, and the owners that each may act for. A file that is mounted; no Secret is read.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::digest::{SHA256, digest};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::wildcard::fits;

#[cfg(test)]
mod tests;

/// How long what was read of the file counts.
const FRESH: Duration = Duration::from_secs(10);
/// The shortest token.
const SHORTEST: usize = 16;
/// The most lines that are read.
const MOST: usize = 1000;

/// The tokens, as the file has them.
pub struct Tokens {
    file: PathBuf,
    read: Mutex<Option<(Instant, Vec<Token>)>>,
}

/// One line of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    name: String,
    /// SHA-256 of the token: what is compared does not tell how much of a guess was right.
    hash: Vec<u8>,
    owners: Vec<String>,
}

impl Token {
    /// The name of whoever has the token.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may act for this owner.
    #[must_use]
    pub fn may_be(&self, owner: &str) -> bool {
        self.owners.iter().any(|pattern| fits(pattern, owner))
    }
}

impl Tokens {
    /// Those of a file, which is read again when it changes.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        Self { file: file.to_owned(), read: Mutex::default() }
    }

    /// Whose token a header `Authorization` has, if anybody's.
    #[must_use]
    pub fn holder(&self, authorization: Option<&str>) -> Option<Token> {
        let (name, token) = basic(authorization?)?;
        let hash = digest(&SHA256, token.as_bytes());
        self.all().into_iter().find(|known| known.name == name && known.hash == hash.as_ref())
    }

    /// All tokens. A file that cannot be read lets nobody in: it may be that somebody was taken out of it.
    fn all(&self) -> Vec<Token> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tokens)) = read.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return tokens.clone();
        }
        let tokens = match std::fs::read_to_string(&self.file) {
            Ok(text) => parse(&text).unwrap_or_else(|why| {
                warn!(file = %self.file.display(), why, "the tokens cannot be read, so nobody is let in");
                Vec::new()
            }),
            Err(error) => {
                warn!(file = %self.file.display(), %error, "the tokens cannot be read, so nobody is let in");
                Vec::new()
            }
        };
        if read.as_ref().is_none_or(|(_, before)| *before != tokens) {
            info!(tokens = tokens.len(), "tokens were read");
        }
        *read = Some((Instant::now(), tokens.clone()));
        tokens
    }
}

/// Reads lines of `NAME TOKEN OWNER…`, where an owner may have `*` for any characters. What follows `#` is for people.
///
/// # Errors
/// Which line is wrong, never with what is in it.
pub fn parse(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate().take(MOST) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(name), Some(token)) = (words.next(), words.next()) else {
            return Err(format!("line {} is not: NAME TOKEN OWNER...", number + 1));
        };
        let owners: Vec<String> =
            words.take_while(|word| !word.starts_with('#')).map(str::to_owned).collect();
        if owners.is_empty() {
            return Err(format!("line {} names no owner; * is any", number + 1));
        }
        if token.len() < SHORTEST {
            return Err(format!("the token in line {} has less than {SHORTEST} characters", number + 1));
        }
        let hash = digest(&SHA256, token.as_bytes()).as_ref().to_vec();
        tokens.push(Token { name: name.to_owned(), hash, owners });
    }
    Ok(tokens)
}

/// The user and the password of HTTP's Basic authentication.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, rest) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || rest.len() > 1024 {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
    text.split_once(':').map(|(name, token)| (name.to_owned(), token.to_owned()))
}
