//! The sshd of a simulated guest: key exchange with an Ed25519 host key, logins by key, and `test -e`. For whoever carries
//! packets to guests; the cloud itself carries none.

use std::io;

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral},
    digest::{Context, SHA256},
    rand::SystemRandom,
    signature::{self, ED25519, Ed25519KeyPair, KeyPair},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::world::{ids::bytes, server::Server};

const VERSION: &str = "SSH-2.0-OpenSSH_9.2p1 devcloud";
const CIPHER: &str = "aes256-gcm@openssh.com";

/// An sshd.
#[derive(Clone, Debug, Default)]
pub struct Sshd {
    /// What its host key is made from.
    pub seed: Vec<u8>,
    /// It signs with another host key than it shows.
    pub forges: bool,
    /// Once somebody is in, it says nothing that means anything, for ever.
    pub chatters: bool,
    /// Who may log in: a user and the 32 bytes of a public Ed25519 key.
    pub authorized: Option<(String, Vec<u8>)>,
    /// Files that are there.
    pub files: Vec<String>,
}

/// What both sides said first, and the packets since.
struct Line<S> {
    stream: S,
    sealing: Option<(LessSafeKey, [u8; 12])>,
    opening: Option<(LessSafeKey, [u8; 12])>,
}

pub(crate) fn seed(server: &Server) -> Vec<u8> {
    bytes(&format!("{}/{}/ed25519", server.id, server.rebuilds), 32)
}

/// The public half of an Ed25519 key.
#[must_use]
pub fn public(seed: &[u8]) -> Vec<u8> {
    pair(seed).map(|pair| pair.public_key().as_ref().to_vec()).unwrap_or_default()
}

fn pair(seed: &[u8]) -> io::Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| io::Error::other("a seed has 32 bytes"))
}

impl Sshd {
    /// The sshd of a server, with the host key that its console shows.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        let mut seed = seed(server);
        if server.fate.other_host_key {
            seed.reverse();
        }
        Self { seed, ..Self::default() }
    }

    /// Serves one connection.
    ///
    /// # Errors
    /// If the client goes, or says something that no client of ours says.
    pub async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut line = Line { stream, sealing: None, opening: None };
        let (secret, hash) = self.exchange(&mut line).await?;
        if line.receive().await? != [21] {
            return Err(odd());
        }
        line.send(&[21]).await?;
        let derived = |letter: u8| hashed(&[&secret, &hash, &[letter], &hash]);
        let cipher = |nonce, key| {
            let key = UnboundKey::new(&AES_256_GCM, &derived(key)).map_err(|_| odd())?;
            let nonce = derived(nonce).first_chunk().copied().ok_or_else(odd)?;
            io::Result::Ok((LessSafeKey::new(key), nonce))
        };
        (line.opening, line.sealing) = (Some(cipher(b'A', b'C')?), Some(cipher(b'B', b'D')?));
        self.log_in(&mut line, &hash).await
    }

    async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        line: &mut Line<S>,
    ) -> io::Result<(Vec<u8>, Vec<u8>)> {
        line.stream.write_all(format!("be welcome\r\n{VERSION}\r\n").as_bytes()).await?;
        let mut client = Vec::new();
        loop {
            match line.stream.read_u8().await? {
                b'\n' => break,
                b'\r' => {}
                byte => client.push(byte),
            }
        }
        let mut ours = vec![20];
        ours.extend([7; 16]);
        for names in ["curve25519-sha256", "ssh-ed25519", CIPHER, CIPHER, "", "", "none", "none", "", ""] {
            string(&mut ours, names.as_bytes());
        }
        ours.extend([0; 5]);
        line.send(&ours).await?;
        let theirs = line.receive().await?;
        let init = line.receive().await?;
        let (point, _) = init.strip_prefix(&[30]).and_then(take).ok_or_else(odd)?;
        let random = SystemRandom::new();
        let private = EphemeralPrivateKey::generate(&X25519, &random).map_err(|_| odd())?;
        let public = private.compute_public_key().map_err(|_| odd())?;
        let secret =
            agree_ephemeral(private, &UnparsedPublicKey::new(&X25519, point), integer).map_err(|_| odd())?;
        let pair = pair(&self.seed)?;
        let mut blob = Vec::new();
        string(&mut blob, b"ssh-ed25519");
        string(&mut blob, pair.public_key().as_ref());
        let mut said = Vec::new();
        for part in [&client, VERSION.as_bytes(), &theirs, &ours, &blob, point, public.as_ref()] {
            string(&mut said, part);
        }
        said.extend(&secret);
        let hash = hashed(&[&said]);
        let signed = if self.forges { pair.sign(b"something else") } else { pair.sign(&hash) };
        let mut proof = Vec::new();
        string(&mut proof, b"ssh-ed25519");
        string(&mut proof, signed.as_ref());
        let mut reply = vec![31];
        for part in [&blob, public.as_ref(), &proof] {
            string(&mut reply, part);
        }
        line.send(&reply).await?;
        Ok((secret, hash))
    }

    async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        line: &mut Line<S>,
        hash: &[u8],
    ) -> io::Result<()> {
        loop {
            let said = line.receive().await?;
            let (kind, rest) = said.split_first().ok_or_else(odd)?;
            let mut answer = Vec::new();
            match kind {
                // A service is asked for: it is accepted.
                5 => {
                    answer.push(6);
                    string(&mut answer, b"ssh-userauth");
                }
                50 if self.lets_in(&said, rest, hash).unwrap_or_default() => {
                    line.send(&[[53].as_slice(), &[0, 0, 0, 2], b"hi", &[0; 4]].concat()).await?;
                    line.send(&[52]).await?;
                    // As OpenSSH does, which tells of its other host keys then.
                    answer.push(80);
                    string(&mut answer, b"hostkeys-00@openssh.com");
                    answer.push(1);
                }
                50 => {
                    answer.push(51);
                    string(&mut answer, b"publickey");
                    answer.push(0);
                }
                // The request above was not understood.
                82 => continue,
                90 if self.chatters => loop {
                    line.send(&[2, 0, 0, 0, 0]).await?;
                },
                90 => answer.extend(
                    [[91].as_slice(), &[0; 4], &[0, 0, 0, 9], &[0, 0, 16, 0], &[0, 0, 16, 0]].concat(),
                ),
                98 => {
                    let (_, command) = rest.get(4..).and_then(take).ok_or_else(odd)?;
                    let (command, _) = command.get(1..).and_then(take).ok_or_else(odd)?;
                    let found = self.files.iter().any(|file| format!("test -e {file}").as_bytes() == command);
                    line.send(&[99, 0, 0, 0, 0]).await?;
                    answer.extend([98, 0, 0, 0, 0]);
                    string(&mut answer, b"exit-status");
                    answer.extend([0, 0, 0, 0, u8::from(!found)]);
                }
                _ => return Err(odd()),
            }
            line.send(&answer).await?;
        }
    }

    /// Whether the request to log in is signed by who may.
    fn lets_in(&self, said: &[u8], rest: &[u8], hash: &[u8]) -> Option<bool> {
        let (user, rest) = take(rest)?;
        let (_, rest) = take(rest)?;
        let (_, rest) = take(rest)?;
        let (_, rest) = take(rest.get(1..)?)?;
        let (key, rest) = take(rest)?;
        let (proof, _) = take(rest)?;
        let (_, key) = take(key)?;
        let ((key, _), (_, proof)) = (take(key)?, take(proof)?);
        let (proof, _) = take(proof)?;
        let mut signed = Vec::new();
        string(&mut signed, hash);
        signed.extend(said.get(..said.len().checked_sub(rest.len())?)?);
        let (name, allowed) = self.authorized.as_ref()?;
        let known = name.as_bytes() == user && allowed.as_slice() == key;
        Some(known && signature::UnparsedPublicKey::new(&ED25519, key).verify(&signed, proof).is_ok())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let (block, counted) = if self.sealing.is_some() { (16, 1) } else { (8, 5) };
        let padding = block + (block - (payload.len() + counted) % block);
        let mut body = vec![u8::try_from(padding).unwrap_or_default()];
        body.extend(payload);
        body.resize(body.len() + padding, 0);
        let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
        if let Some((key, nonce)) = &mut self.sealing {
            key.seal_in_place_append_tag(next(nonce), Aad::from(length), &mut body).map_err(|_| odd())?;
        }
        self.stream.write_all(&length).await?;
        self.stream.write_all(&body).await
    }

    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let length = self.stream.read_u32().await?;
        let size = usize::try_from(length).unwrap_or_default();
        let mut body = vec![0; size.min(40_000) + if self.opening.is_some() { 16 } else { 0 }];
        self.stream.read_exact(&mut body).await?;
        if let Some((key, nonce)) = &mut self.opening {
            let aad = Aad::from(length.to_be_bytes());
            key.open_in_place(next(nonce), aad, &mut body).map_err(|_| odd())?;
        }
        let padding = usize::from(body.first().copied().unwrap_or_default());
        Ok(body.get(1..size.saturating_sub(padding)).ok_or_else(odd)?.to_vec())
    }
}

fn next(nonce: &mut [u8; 12]) -> Nonce {
    let now = Nonce::assume_unique_for_key(*nonce);
    if let Some((_, count)) = nonce.split_last_chunk_mut::<8>() {
        *count = u64::from_be_bytes(*count).wrapping_add(1).to_be_bytes();
    }
    now
}

fn odd() -> io::Error {
    io::Error::other("no client says that")
}

fn string(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    into.extend(bytes);
}

/// A field and what comes after it.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut number = bytes.get(zeros..).unwrap_or_default().to_vec();
    if number.first().is_some_and(|first| *first >= 0x80) {
        number.insert(0, 0);
    }
    let mut written = Vec::new();
    string(&mut written, &number);
    written
}

fn hashed(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}
