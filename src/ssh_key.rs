//! Public keys of SSH as one writes them: a type and its base64, which must agree.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};

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

    /// Its type: `ssh-ed25519`, ….
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its fingerprint, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let blob = BASE64_STANDARD.decode(&self.base64).unwrap_or_default();
        let hash = ring::digest::digest(&ring::digest::SHA256, &blob);
        format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(hash))
    }

    /// Orders keys as OpenSSH prefers them: Ed25519, then ECDSA, then RSA.
    #[must_use]
    pub fn preference(&self) -> usize {
        TYPES.iter().position(|(kind, _)| *kind == self.kind).unwrap_or(TYPES.len())
    }

    /// Every whole key of a host in a line of a console, in order, whatever else is glued to it.
    #[must_use]
    pub fn hosts_in(line: &str) -> Vec<Self> {
        let mut found: Vec<(usize, Self)> = TYPES
            .iter()
            .flat_map(|(kind, _)| line.match_indices(kind))
            .filter_map(|(at, kind)| {
                let rest = line.get(at.saturating_add(kind.len())..)?.strip_prefix(' ')?.trim_start();
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)));
                let base64 = rest.get(..end.unwrap_or(rest.len()))?;
                Some((at, Self::of_host(kind, base64)?))
            })
            .collect();
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, key)| key).collect()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS";

    fn blob(fields: &[&[u8]]) -> String {
        let field = |field: &&[u8]| [&u32::try_from(field.len()).unwrap().to_be_bytes(), *field].concat();
        BASE64_STANDARD.encode(fields.iter().map(field).collect::<Vec<_>>().concat())
    }

    proptest! {
        #[test]
        fn a_key_that_was_cut_anywhere_is_not_a_key(kind in 0..TYPES.len(), cut in 0usize..200, size in 32usize..80) {
            let (kind, fields) = TYPES[kind];
            let size = if fields == 2 { 32 } else { size };
            let field = vec![7; size];
            let inside = [vec![kind.as_bytes()], vec![field.as_slice(); fields - 1]].concat();
            let whole = blob(&inside);

            prop_assert!(PublicKey::of_host(kind, &whole).is_some());

            let cut = cut.min(whole.len() - 1);
            prop_assert_eq!(PublicKey::of_host(kind, &whole[..cut]), None);
            prop_assert_eq!(PublicKey::of_host(kind, &whole[whole.len() - cut..]), None);
        }

        #[test]
        fn what_is_printed_reads_back_the_same(comment in "( [ -~]{0,20})?") {
            let key: PublicKey = format!("ssh-ed25519 {ED25519}{comment}").parse().unwrap();

            prop_assert_eq!(key.to_string(), format!("ssh-ed25519 {ED25519}"));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = text.parse::<PublicKey>();
            let _ = PublicKey::of_host("ssh-rsa", &BASE64_STANDARD.encode(bytes));
        }
    }

    #[test]
    fn a_key_under_another_types_name_is_not_a_key() {
        assert_eq!(PublicKey::of_host("ssh-rsa", ED25519), None);
        assert_eq!(
            PublicKey::of_host("ecdsa-sha2-nistp256", &blob(&[b"ecdsa-sha2-nistp384", b"x", b"y"])),
            None
        );
    }

    #[test]
    fn an_ed25519_key_has_exactly_32_bytes() {
        for size in [0, 31, 33] {
            assert_eq!(PublicKey::of_host("ssh-ed25519", &blob(&[b"ssh-ed25519", &vec![1; size]])), None);
        }
    }

    #[test]
    fn two_lines_are_not_a_key() {
        assert_eq!(format!("ssh-ed25519\n{ED25519}").parse::<PublicKey>(), Err(NotAKey));
        assert_eq!(format!("ssh-ed25519 {ED25519} me\nssh-rsa x").parse::<PublicKey>(), Err(NotAKey));
    }

    #[test]
    fn a_person_may_have_a_token_but_a_host_has_none() {
        let kind = "sk-ssh-ed25519@openssh.com";
        let key = blob(&[kind.as_bytes(), &[1; 32], b"ssh:"]);

        assert!(format!("{kind} {key}").parse::<PublicKey>().is_ok());
        assert_eq!(PublicKey::of_host(kind, &key), None);
    }

    #[test]
    fn an_old_type_is_not_known() {
        assert_eq!(PublicKey::of_host("ssh-dss", &blob(&[b"ssh-dss", b"p", b"q", b"g", b"y"])), None);
    }
}
