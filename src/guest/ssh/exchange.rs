//! The key exchange (RFC 4253, sections 7 and 8; RFC 5656, 8731): it proves that the guest has the private half of a host
//! key.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::agreement::{self, ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::digest::{Context, SHA256};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};

use super::packet::{Cipher, Wire, garbage};
use super::wire::{Reader, Writer, padded};
use super::words::Trouble;
use crate::ssh_key::PublicKey;

const VERSION: &str = "SSH-2.0-testnode-operator";

const KEX_INIT: u8 = 20;
const NEW_KEYS: u8 = 21;
const ECDH_INIT: u8 = 30;
const ECDH_REPLY: u8 = 31;

/// How a secret is agreed upon; all of them hash with SHA-256.
const AGREEMENTS: &[&str] = &["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"];
/// How a host proves its key, each with the type of that key, as OpenSSH prefers them.
const PROOFS: &[(&str, &str)] = &[
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("rsa-sha2-512", "ssh-rsa"),
    ("rsa-sha2-256", "ssh-rsa"),
];
/// What a conversation is encrypted with. It has no use for a MAC.
const CIPHER: &str = "aes256-gcm@openssh.com";
/// What is offered where the conversation ends before anything is encrypted: whatever the guest has will do.
const ANY_CIPHER: &str =
    "aes256-gcm@openssh.com,aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-ctr";
const ANY_MAC: &str =
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1";

/// What was agreed upon.
pub(super) struct Agreed {
    /// The host key that the guest has.
    pub host_key: PublicKey,
    /// The hash of all that was said. It is of this conversation and of no other.
    pub hash: Vec<u8>,
    /// The secret, as it is hashed.
    secret: Vec<u8>,
}

/// Whether the conversation goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Aim {
    /// To the host key.
    HostKey,
    /// To a login.
    Login,
}

/// Agrees upon a secret. A host key of a type that is `known` is asked for first.
pub(super) async fn agree(wire: &mut Wire, known: &[PublicKey], aim: Aim) -> Result<Agreed, Trouble> {
    let version = wire.versions(VERSION).await?;
    let ours = hello(known, aim)?;
    wire.send(&ours).await?;
    let theirs = wire.receive().await?;
    let chosen = Chosen::of(&ours, &theirs)?;
    if chosen.wrong_guess {
        wire.receive().await?;
    }
    let algorithm = if chosen.agreement == "ecdh-sha2-nistp256" { &ECDH_P256 } else { &X25519 };
    let broken = |_| garbage("the key exchange cannot be computed");
    let private = EphemeralPrivateKey::generate(algorithm, &SystemRandom::new()).map_err(broken)?;
    let public = private.compute_public_key().map_err(broken)?;
    wire.send(&Writer::default().byte(ECDH_INIT).string(&public).0).await?;
    let reply = wire.receive().await?;
    let (blob, point, proof) =
        reply_of(&reply).ok_or_else(|| garbage("it answers the key exchange with something else"))?;
    let secret = secret(private, algorithm, point)?;
    let said = Writer::default()
        .string(VERSION)
        .string(&version)
        .string(&ours)
        .string(&theirs)
        .string(blob)
        .string(&public)
        .string(point)
        .bytes(&secret);
    let hash = digest(&[&said.0]);
    let unproved = || garbage("it does not prove that it has the host key it shows");
    let host_key = verified(chosen.proof, blob, proof, &hash).ok_or_else(unproved)?;
    Ok(Agreed { host_key, hash, secret })
}

impl Agreed {
    /// Begins to encrypt.
    pub async fn encrypt(&self, wire: &mut Wire) -> Result<(), Trouble> {
        wire.send(&[NEW_KEYS]).await?;
        if wire.receive().await? != [NEW_KEYS] {
            return Err(garbage("it does not begin to encrypt"));
        }
        let cipher =
            |nonce, key| Cipher::new(&self.derived(key, Cipher::KEY), &self.derived(nonce, Cipher::NONCE));
        let both = cipher(b'A', b'C').zip(cipher(b'B', b'D'));
        let (sealing, opening) = both.ok_or_else(|| garbage("the cipher cannot be made"))?;
        wire.encrypt(sealing, opening);
        Ok(())
    }

    /// Key material; never more than one hash has.
    fn derived(&self, letter: u8, size: usize) -> Vec<u8> {
        let mut bytes = digest(&[&self.secret, &self.hash, &[letter], &self.hash]);
        bytes.truncate(size);
        bytes
    }
}

/// What we can do, in the order in which we prefer it.
fn hello(known: &[PublicKey], aim: Aim) -> Result<Vec<u8>, Trouble> {
    let mut cookie = [0; 16];
    SystemRandom::new().fill(&mut cookie).map_err(|_| garbage("there is no randomness"))?;
    let is_known = |kind: &str| known.iter().any(|key| key.kind() == kind);
    let mut proofs = PROOFS.to_vec();
    proofs.sort_by_key(|(_, kind)| !is_known(kind));
    let proofs: Vec<&str> = proofs.into_iter().map(|(proof, _)| proof).collect();
    let cipher = if aim == Aim::Login { CIPHER } else { ANY_CIPHER };
    let mut hello = Writer::default()
        .byte(KEX_INIT)
        .bytes(&cookie)
        .string(AGREEMENTS.join(","))
        .string(proofs.join(","))
        .string(cipher)
        .string(cipher)
        .string(ANY_MAC)
        .string(ANY_MAC);
    for list in ["none", "none", "", ""] {
        hello = hello.string(list);
    }
    Ok(hello.byte(0).number(0).0)
}

/// What both can do.
struct Chosen<'a> {
    agreement: &'a str,
    proof: &'a str,
    /// The guest has sent a packet for another agreement already.
    wrong_guess: bool,
}

impl<'a> Chosen<'a> {
    fn of(ours: &'a [u8], theirs: &'a [u8]) -> Result<Self, Trouble> {
        let no_hello = || garbage("it does not say what it can do");
        let (ours, _) = lists(ours).ok_or_else(no_hello)?;
        let (theirs, guessed) = lists(theirs).ok_or_else(no_hello)?;
        let chosen = |at: usize| {
            let (ours, theirs) = (ours.get(at)?, theirs.get(at)?);
            ours.iter().find(|name| theirs.contains(name)).copied()
        };
        let first = |at: usize| theirs.get(at).and_then(|list| list.first()).copied();
        let agreement = chosen(0).ok_or_else(|| garbage("it knows no key exchange that we know"))?;
        let proof = chosen(1).ok_or_else(|| garbage("it has no host key of a type that we know"))?;
        if chosen(2).is_none() || chosen(3).is_none() {
            return Err(garbage("it knows no cipher that we know"));
        }
        let wrong_guess = guessed && (first(0) != Some(agreement) || first(1) != Some(proof));
        Ok(Self { agreement, proof, wrong_guess })
    }
}

/// The ten lists of a greeting, and whether a packet follows that is a guess.
fn lists(hello: &[u8]) -> Option<(Vec<Vec<&str>>, bool)> {
    let mut reader = Reader(hello);
    (reader.byte()? == KEX_INIT).then_some(())?;
    reader.bytes(16)?;
    let lists = (0..10).map(|_| reader.names()).collect::<Option<_>>()?;
    Some((lists, reader.byte()? != 0))
}

/// The host key, the guest's part of the secret, and its proof.
fn reply_of(packet: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut reader = Reader(packet);
    (reader.byte()? == ECDH_REPLY).then_some(())?;
    Some((reader.string()?, reader.string()?, reader.string()?))
}

fn secret(
    private: EphemeralPrivateKey,
    algorithm: &'static agreement::Algorithm,
    point: &[u8],
) -> Result<Vec<u8>, Trouble> {
    let theirs = UnparsedPublicKey::new(algorithm, point);
    let agreed = agree_ephemeral(private, &theirs, |secret| Writer::default().integer(secret).0);
    agreed.map_err(|_| garbage("its part of the key exchange is no point of the curve"))
}

fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// The host key, if the proof is one of its owner for this conversation.
fn verified(proof: &str, blob: &[u8], signature: &[u8], hash: &[u8]) -> Option<PublicKey> {
    let (_, kind) = PROOFS.iter().find(|(name, _)| *name == proof)?;
    let (mut key, mut signed) = (Reader(blob), Reader(signature));
    let agrees = key.string()? == kind.as_bytes() && signed.string()? == proof.as_bytes();
    let signature = signed.string().filter(|_| agrees)?;
    let holds = match proof {
        "ssh-ed25519" => check(&ED25519, key.string()?, hash, signature),
        "ecdsa-sha2-nistp256" => elliptic(&ECDSA_P256_SHA256_FIXED, 32, key, hash, signature)?,
        "ecdsa-sha2-nistp384" => elliptic(&ECDSA_P384_SHA384_FIXED, 48, key, hash, signature)?,
        "rsa-sha2-512" => rsa(&RSA_PKCS1_2048_8192_SHA512, key, hash, signature)?,
        "rsa-sha2-256" => rsa(&RSA_PKCS1_2048_8192_SHA256, key, hash, signature)?,
        _ => false,
    };
    PublicKey::of_host(kind, &BASE64_STANDARD.encode(blob)).filter(|_| holds)
}

fn check(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    ring::signature::UnparsedPublicKey::new(algorithm, key).verify(hash, signature).is_ok()
}

fn elliptic(
    algorithm: &'static dyn VerificationAlgorithm,
    size: usize,
    mut key: Reader<'_>,
    hash: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let (_, point) = (key.string()?, key.string()?);
    let mut numbers = Reader(signature);
    let (r, s) = (padded(numbers.integer()?, size)?, padded(numbers.integer()?, size)?);
    Some(check(algorithm, point, hash, &[r, s].concat()))
}

fn rsa(
    algorithm: &'static RsaParameters,
    mut key: Reader<'_>,
    hash: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let (e, n) = (key.integer()?, key.integer()?);
    let signature = padded(signature, n.len())?;
    Some(RsaPublicKeyComponents { n, e }.verify(algorithm, hash, &signature).is_ok())
}
