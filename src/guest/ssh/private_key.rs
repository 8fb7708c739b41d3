//! A private key as `ssh-keygen -t ed25519` writes it. What is in it is never quoted.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::wire::{Reader, Writer};

/// The type of key, which is also how it signs.
pub(super) const KIND: &str = "ssh-ed25519";
const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// An Ed25519 key.
pub struct PrivateKey(Ed25519KeyPair);

/// Why text is not a key that we can log in with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotUsable {
    /// No key at all, or one that was cut.
    #[error("is not a whole private key in OpenSSH's form")]
    NotAKey,
    /// Nobody is there to type the passphrase.
    #[error("is protected by a passphrase")]
    Protected,
    /// RSA, ECDSA or DSA.
    #[error("is a key of another kind")]
    AnotherKind,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

impl PrivateKey {
    /// Reads one.
    ///
    /// # Errors
    /// If the text is none, or one of another kind, or one that needs a passphrase.
    pub fn read(text: &[u8]) -> Result<Self, NotUsable> {
        let text = std::str::from_utf8(text).map_err(|_| NotUsable::NotAKey)?.trim();
        let Some(inside) = text.strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END)) else {
            // What older programs wrote is RSA, DSA or ECDSA.
            let other = text.starts_with("-----BEGIN ") && text.contains(" PRIVATE KEY-----");
            return Err(if other { NotUsable::AnotherKind } else { NotUsable::NotAKey });
        };
        let packed: String = inside.split_whitespace().collect();
        let bytes = BASE64_STANDARD.decode(packed).map_err(|_| NotUsable::NotAKey)?;
        let (cipher, secret) = opened(&bytes).ok_or(NotUsable::NotAKey)?;
        if cipher != b"none" {
            return Err(NotUsable::Protected);
        }
        let mut reader = Reader(secret);
        let checks = reader.number().zip(reader.number()).filter(|(one, other)| one == other);
        let kind = reader.string().filter(|_| checks.is_some()).ok_or(NotUsable::NotAKey)?;
        if kind != KIND.as_bytes() {
            return Err(NotUsable::AnotherKind);
        }
        let pair = reader.string().zip(reader.string());
        let pair = pair.and_then(|(public, private)| {
            Ed25519KeyPair::from_seed_and_public_key(private.get(..32)?, public).ok()
        });
        pair.map(Self).ok_or(NotUsable::NotAKey)
    }

    pub(super) fn public(&self) -> Vec<u8> {
        Writer::default().string(KIND).string(self.0.public_key()).0
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        Writer::default().string(KIND).string(self.0.sign(bytes)).0
    }
}

/// The cipher that the private part is under, and that part.
fn opened(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
    let cipher = reader.string()?;
    let (_function, _options) = (reader.string()?, reader.string()?);
    (reader.number()? == 1).then_some(())?;
    let _public = reader.string()?;
    Some((cipher, reader.string()?))
}
