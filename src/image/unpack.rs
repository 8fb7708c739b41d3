//! Decompression, by the first bytes and with a limit of memory, on a thread of its own.

use std::io::{self, Read};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use hyper::body::Bytes;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::state::Trouble;
use crate::reason::Reason;
use crate::saying::Saying;

/// How much a decoder may take: `xz -9` needs 65 MiB.
const MEMORY_KIB: u32 = 72 << 10;
/// The largest window of zstd, as `--long=26` has it.
const WINDOW: u64 = 64 << 20;
/// Bytes in one piece.
pub const PIECE: usize = 64 << 10;
/// Pieces that wait on either side of a decoder.
const PIECES: usize = 4;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// `gzip`.
    Gzip,
    /// `xz`.
    Xz,
    /// `zstd`.
    Zstd,
}

impl Packing {
    /// So many bytes are needed to know.
    pub const LENGTH: usize = 6;

    /// By the first bytes. Neither names nor headers decide.
    #[must_use]
    pub fn of(first: &[u8]) -> Self {
        if first.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if first.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
            Self::Xz
        } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }
}

/// One file after the other is decompressed, whatever the number of transfers.
#[derive(Clone, Debug)]
pub struct Line(Arc<Semaphore>);

impl Default for Line {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// Decompresses what comes, until the receiver of what this returns is dropped. An empty piece is the end: a decoder that ended
/// without one broke down.
pub async fn unpack(
    packing: Packing,
    line: &Line,
    packed: Receiver<Bytes>,
) -> Receiver<Result<Bytes, Trouble>> {
    let (out, unpacked) = channel(PIECES);
    // It is never closed.
    let permit = line.0.clone().acquire_owned().await.ok();
    tokio::task::spawn_blocking(move || work(packing, Packed { packed, piece: Bytes::new() }, &out, permit));
    unpacked
}

fn work(
    packing: Packing,
    packed: Packed,
    out: &Sender<Result<Bytes, Trouble>>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let done = match packing {
        Packing::Plain => copy(packed, out),
        Packing::Gzip => copy(MultiGzDecoder::new(packed), out),
        Packing::Xz => copy(XzReader::new_mem_limit(packed, true, MEMORY_KIB), out),
        Packing::Zstd => zstd(packed, out),
    };
    let last = done.map(|()| Bytes::new()).map_err(|error| {
        let message = format!(
            "the file cannot be decompressed within {} MiB of memory: {}; compress it again, with `xz -9` or `zstd --long=26` \
             at most",
            MEMORY_KIB >> 10,
            Saying::new(&error.to_string())
        );
        Trouble::new(Reason::DecompressionFailed, message)
    });
    // Whoever is not there any longer need not be told.
    drop(out.blocking_send(last));
    drop(permit);
}

/// Any number of frames, also such as are to be skipped.
fn zstd(mut packed: Packed, out: &Sender<Result<Bytes, Trouble>>) -> io::Result<()> {
    while packed.fill() {
        match StreamingDecoder::new_with_max_window_size(&mut packed, WINDOW) {
            Ok(decoder) => copy(decoder, out)?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                io::copy(&mut (&mut packed).take(length.into()), &mut io::sink())?;
            }
            Err(error) => return Err(io::Error::other(error.to_string())),
        }
    }
    Ok(())
}

fn copy(mut from: impl Read, out: &Sender<Result<Bytes, Trouble>>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                let piece = buffer.get(..length).unwrap_or_default();
                if out.blocking_send(Ok(Bytes::copy_from_slice(piece))).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What comes, as something that is read.
struct Packed {
    packed: Receiver<Bytes>,
    piece: Bytes,
}

impl Packed {
    /// Whether there is more.
    fn fill(&mut self) -> bool {
        while self.piece.is_empty() {
            match self.packed.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return false,
            }
        }
        true
    }
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.fill() {
            return Ok(0);
        }
        let length = self.piece.len().min(buffer.len());
        let piece = self.piece.split_to(length);
        buffer.iter_mut().zip(piece).for_each(|(to, from)| *to = from);
        Ok(length)
    }
}
