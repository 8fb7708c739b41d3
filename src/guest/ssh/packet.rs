//! Lines and packets of SSH's transport (RFC 4253, sections 4 and 6), over any stream. A guest may send anything, and as
//! much as it likes: all that is read of it is bounded here, how long that takes by whoever asks.

use std::io;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::words::Trouble;
use crate::guest::dial::Stream;

/// All that is read of a guest in one conversation, in bytes. It takes some 5 KiB.
const MOST: usize = 64 * 1024;
/// The longest packet that is read. A host key and its proof take some 4 KiB at most.
const LONGEST: usize = 16 * 1024;
/// Lines that a guest may say before its version, and how long each may be.
const LINES: usize = 32;
const LINE: usize = 1024;
/// Bytes of the tag after an encrypted packet.
const TAG: usize = 16;

/// A conversation with a guest.
pub(super) struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    /// What may still be read.
    left: usize,
    sealing: Option<Cipher>,
    opening: Option<Cipher>,
}

/// `aes256-gcm@openssh.com` (RFC 5647) in one direction.
pub(super) struct Cipher {
    key: LessSafeKey,
    nonce: [u8; 12],
}

impl Cipher {
    /// Bytes of its key, and of its first nonce.
    pub const KEY: usize = 32;
    pub const NONCE: usize = 12;

    pub fn new(key: &[u8], nonce: &[u8]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        Some(Self { key, nonce: nonce.try_into().ok()? })
    }

    /// The nonce of the next packet: its last eight bytes count.
    fn next(&mut self) -> Nonce {
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        if let Some((_, count)) = self.nonce.split_last_chunk_mut::<8>() {
            *count = u64::from_be_bytes(*count).wrapping_add(1).to_be_bytes();
        }
        nonce
    }
}

impl Wire {
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufReader::new(stream), left: MOST, sealing: None, opening: None }
    }

    /// What is sent and read from now on is encrypted.
    pub fn encrypt(&mut self, sealing: Cipher, opening: Cipher) {
        (self.sealing, self.opening) = (Some(sealing), Some(opening));
    }

    /// Says a line and reads the guest's version, without the end of its line.
    pub async fn versions(&mut self, ours: &str) -> Result<String, Trouble> {
        self.write(format!("{ours}\r\n").as_bytes()).await?;
        for _ in 0..LINES {
            let line = self.line().await?;
            if line.starts_with(b"SSH-") {
                let version = String::from_utf8(line).map_err(|_| garbage("its version is no text"))?;
                let known = version.starts_with("SSH-2.0-") || version.starts_with("SSH-1.99-");
                return known.then_some(version).ok_or_else(|| garbage("it does not speak version 2 of SSH"));
            }
        }
        Err(garbage("it does not say its version"))
    }

    async fn line(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut line = Vec::new();
        loop {
            match self.read::<1>().await? {
                [b'\n'] => break,
                [byte] => line.push(byte),
            }
            if line.len() > LINE {
                return Err(garbage("it says a line that does not end"));
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    }

    pub async fn send(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        // What is encrypted, without the length before it, is a multiple of a block; else the length is a part of it.
        let (block, counted) = if self.sealing.is_some() { (16, 1) } else { (8, 5) };
        let padding = block * 2 - (payload.len() + counted) % block;
        let padding = if padding >= block + 4 { padding - block } else { padding };
        let mut body = vec![u8::try_from(padding).unwrap_or(u8::MAX)];
        body.extend(payload);
        let padding_from = body.len();
        body.resize(padding_from + padding, 0);
        if let Some(noise) = body.get_mut(padding_from..) {
            SystemRandom::new().fill(noise).map_err(|_| garbage("there is no randomness"))?;
        }
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(cipher) = &mut self.sealing {
            let nonce = cipher.next();
            cipher
                .key
                .seal_in_place_append_tag(nonce, Aad::from(length), &mut body)
                .map_err(|_| garbage("a packet cannot be encrypted"))?;
        }
        self.write(&[&length, body.as_slice()].concat()).await
    }

    /// The payload of the next packet.
    pub async fn receive(&mut self) -> Result<Vec<u8>, Trouble> {
        let length = self.read::<4>().await?;
        let size = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if !(5..=LONGEST).contains(&size) {
            return Err(garbage("it sends a packet of a size that no packet has"));
        }
        let mut body = vec![0; size + if self.opening.is_some() { TAG } else { 0 }];
        self.fill(&mut body).await?;
        if let Some(cipher) = &mut self.opening {
            let nonce = cipher.next();
            cipher
                .key
                .open_in_place(nonce, Aad::from(length), &mut body)
                .map_err(|_| garbage("it sends a packet that does not decrypt"))?;
            body.truncate(size);
        }
        let padding = usize::from(body.first().copied().unwrap_or_default());
        let end = size.checked_sub(padding).filter(|end| *end > 1);
        let payload = end.and_then(|end| body.get(1..end));
        payload.map(<[u8]>::to_vec).ok_or_else(|| garbage("it sends a packet that is nothing but padding"))
    }

    async fn read<const N: usize>(&mut self) -> Result<[u8; N], Trouble> {
        let mut bytes = [0; N];
        self.fill(&mut bytes).await?;
        Ok(bytes)
    }

    async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Trouble> {
        let left = self.left.checked_sub(bytes.len());
        self.left = left.ok_or_else(|| garbage("it says more than any sshd does"))?;
        self.stream.read_exact(bytes).await.map_err(closed)?;
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.stream.write_all(bytes).await.map_err(closed)?;
        self.stream.flush().await.map_err(closed)
    }
}

pub(super) fn garbage(why: &'static str) -> Trouble {
    Trouble::Garbage(why)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn closed(error: io::Error) -> Trouble {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Trouble::NoAnswer("it hangs up".into());
    }
    Trouble::NoAnswer(error.to_string())
}
