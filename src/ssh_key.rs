//! Public keys of SSH as one writes them: a type and its base64, which must agree.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// The types we know, each with the number of fields its key has (RFC 4253, 5656, 8709).
const TYPES: &[(&str, usize)] = &[
    ("ssh-ed25519", 2),
    ("ecdsa-sha2-nistp256", 3),
    ("ecdsa-sha2-nistp384", 3),
    ("ecdsa-sha2-nistp521", 3),
    ("ssh-rsa", 3),
];

/// Types of hardware tokens: people have them, hosts do not.
const TOKENS: &[(&str, usize)] =
    &[("sk-ssh-ed25519@openssh.com", 3), ("sk-ecdsa-sha2-nistp256@openssh.com", 4)];

/// A public key without its comment. Whole: a key that was cut is not one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublicKey {
    kind: &'static str,
    base64: String,
}

/// Why text is not a public key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "must be one line of a known type (ssh-ed25519, ecdsa-sha2-nistp256/384/521, ssh-rsa) and its whole base64"
)]
pub struct NotAKey;

impl PublicKey {
    /// A key of a host, from its type and base64.
    #[must_use]
    pub fn of_host(kind: &str, base64: &str) -> Option<Self> {
        Self::of(TYPES, kind, base64)
    }

    fn of(types: &[(&'static str, usize)], kind: &str, base64: &str) -> Option<Self> {
        let &(kind, fields) = types.iter().find(|(name, _)| *name == kind)?;
        let blob = BASE64_STANDARD.decode(base64).ok()?;
        let inside = self::fields(&blob)?;
        let agrees = inside.first().is_some_and(|name| *name == kind.as_bytes()) && inside.len() == fields;
        let sized = kind != "ssh-ed25519" || inside.get(1).is_some_and(|point| point.len() == 32);
        (agrees && sized).then(|| Self { kind, base64: base64.to_owned() })
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    /// Reads a line of `authorized_keys` without options. The comment is dropped.
    fn from_str(line: &str) -> Result<Self, NotAKey> {
        let line = line.trim();
        if line.chars().any(char::is_control) {
            return Err(NotAKey);
        }
        let mut words = line.split_whitespace();
        let (kind, base64) = words.next().zip(words.next()).ok_or(NotAKey)?;
        Self::of(TYPES, kind, base64).or_else(|| Self::of(TOKENS, kind, base64)).ok_or(NotAKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.base64)
    }
}

/// The length-prefixed fields of a key, if they are whole and nothing is left over.
fn fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (field, rest) = rest.split_at_checked(length)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}
