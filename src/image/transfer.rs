//! One transfer: from the source to Glance, through a few buffers. The last bytes are sent only when the digest of all is right.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use data_encoding::HEXLOWER;
use hyper::body::Bytes;
use ring::digest::{Context, SHA512};
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{Instant, sleep_until, timeout};

use super::source::{Reader, Wish};
use super::state::{Sent, Trouble};
use super::unpack::{Line, PIECE};
use super::web::{SILENCE, Web};
use crate::error::{Class, Effect};
use crate::openstack::{self, ImageId, Session};
use crate::reason::Reason;
use crate::transport::Upload;

/// So many bytes are held back until the digest is known to be right.
pub const HELD_BACK: usize = 64 << 10;
/// Pieces that are in flight to Glance at most.
const PIECES: usize = 8;
/// How long Glance may take to answer after the last byte: stores like Ceph and Swift hash and copy then.
const LAST: Duration = Duration::from_mins(30);
/// How long it may take to see that a connection was cut.
const CUT: Duration = Duration::from_secs(10);

/// What is to be done.
pub struct Job {
    /// Where it comes from, and what it must be.
    pub wish: Wish,
    /// Where it goes.
    pub id: ImageId,
    /// To which cloud.
    pub session: Session,
    /// Bytes a second at most.
    pub rate: Option<u64>,
    /// The way to the source.
    pub web: Web,
    /// Who decompresses now.
    pub line: Line,
    /// Bytes that were sent so far.
    pub bytes: Arc<AtomicU64>,
}

/// Does it.
///
/// # Errors
/// Why the image has no data.
pub async fn transfer(job: Job) -> Result<Sent, Trouble> {
    let reader = Reader::open(&job.web, &job.line, &job.wish).await?;
    let most = u64::try_from(job.wish.max_size_gib).unwrap_or(1).saturating_mul(1 << 30);
    if reader.length.is_some_and(|length| length > most) {
        return Err(too_large(&job.wish));
    }
    let (pieces, body) = channel(PIECES);
    let images = job.session.image();
    let put = images.upload(&job.id, Upload::new(body, reader.length));
    let work = feed(reader, pieces, &job, most);
    tokio::pin!(put, work);
    let sent = tokio::select! {
        biased;
        // Before the end of the body: it was refused, or the connection broke.
        answer = &mut put => {
            return Err(answer.err().map_or_else(
                || Trouble::new(Reason::UploadRefused, "Glance says that it has all, before it was sent all"),
                |error| refused(&error),
            ));
        }
        fed = &mut work => fed,
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(trouble) => {
            // The connection is cut by now: Glance puts the image back to `queued`.
            drop(timeout(CUT, put).await);
            return Err(trouble);
        }
    };
    match timeout(LAST, put).await {
        // It may have all: a look says so.
        Ok(Err(error)) if error.effect() == Effect::Unknown => Ok(sent),
        Ok(Ok(())) | Err(_) => Ok(sent),
        Ok(Err(error)) => Err(refused(&error)),
    }
}

/// Reads the source to its end, and sends it on.
async fn feed(
    mut reader: Reader,
    pieces: Sender<Result<Bytes, io::Error>>,
    job: &Job,
    most: u64,
) -> Result<Sent, Trouble> {
    let (known, virtual_size) = (reader.length.is_some(), reader.head.virtual_size);
    let mut out = Out { pieces, bytes: &job.bytes, began: Instant::now(), rate: job.rate, held: Vec::new() };
    let done = async {
        let (mut sha512, mut size) = (Context::new(&SHA512), 0_u64);
        while let Some(piece) = reader.next().await? {
            size = size.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if size > most {
                return Err(too_large(&job.wish));
            }
            sha512.update(&piece);
            out.take(&piece).await?;
        }
        let digest = reader.digest().await?;
        if digest != job.wish.digest {
            return Err(Trouble::new(
                Reason::ChecksumMismatch,
                format!(
                    "the file has the digest {digest}, and {} is expected; nothing of it became an image",
                    job.wish.digest
                ),
            ));
        }
        out.rest().await?;
        if !known {
            out.end().await?;
        }
        Ok(Sent { sha512: HEXLOWER.encode(sha512.finish().as_ref()), size, virtual_size })
    }
    .await;
    if done.is_err() {
        // An error in the body cuts the connection.
        let broken = Err(io::ErrorKind::ConnectionAborted.into());
        drop(timeout(CUT, out.pieces.send(broken)).await);
    }
    done
}

/// The way out, with what is held back.
struct Out<'a> {
    pieces: Sender<Result<Bytes, io::Error>>,
    bytes: &'a AtomicU64,
    began: Instant,
    rate: Option<u64>,
    held: Vec<u8>,
}

impl Out<'_> {
    async fn take(&mut self, piece: &[u8]) -> Result<(), Trouble> {
        for part in piece.chunks(PIECE) {
            self.held.extend_from_slice(part);
            while self.held.len() >= HELD_BACK + PIECE {
                let piece: Vec<u8> = self.held.drain(..PIECE).collect();
                self.send(piece).await?;
            }
        }
        Ok(())
    }

    async fn rest(&mut self) -> Result<(), Trouble> {
        let held = std::mem::take(&mut self.held);
        for part in held.chunks(PIECE) {
            self.send(part.to_vec()).await?;
        }
        Ok(())
    }

    /// The end of a body whose length was not known: nothing else ends it.
    async fn end(&self) -> Result<(), Trouble> {
        self.put(Bytes::new()).await
    }

    async fn send(&mut self, piece: Vec<u8>) -> Result<(), Trouble> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let sent = self.bytes.load(Ordering::Relaxed);
        if let Some(rate) = self.rate.filter(|rate| *rate > 0) {
            let due = Duration::from_millis(sent.saturating_mul(1000) / rate);
            let now = Instant::now();
            if now > self.began + due {
                // What was slow is not made up for by a burst.
                self.began = now.checked_sub(due).unwrap_or(now);
            }
            sleep_until(self.began + due).await;
        }
        self.put(piece.into()).await?;
        self.bytes.store(sent.saturating_add(length), Ordering::Relaxed);
        Ok(())
    }

    async fn put(&self, piece: Bytes) -> Result<(), Trouble> {
        match timeout(SILENCE, self.pieces.send(Ok(piece))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Trouble::new(Reason::CloudUnreachable, "Glance closed the connection")),
            Err(_) => Err(Trouble::new(Reason::CloudUnreachable, "Glance takes no data for a minute")),
        }
    }
}

fn too_large(wish: &Wish) -> Trouble {
    let message = format!(
        "the file has more than {} GiB (spec.maxSizeGiB), decompressed; raise that if it is right",
        wish.max_size_gib
    );
    Trouble::new(Reason::ImageTooLarge, message)
}

/// What it means that Glance does not take an image.
#[must_use]
pub fn refused(error: &openstack::Error) -> Trouble {
    let reason = match error.class() {
        Class::Quota => Reason::QuotaExceeded,
        Class::Busy => Reason::RateLimited,
        // A token that expired, or an image that another hand changed: it is looked at again.
        Class::Auth | Class::Unreachable | Class::NotFound | Class::Conflict => Reason::CloudUnreachable,
        Class::Invalid | Class::Capacity => Reason::UploadRefused,
    };
    let cure = match error.status().map(|status| status.as_u16()) {
        Some(400 | 411) => "; if the source is compressed, publish it uncompressed: then its length is known",
        Some(_) | None => "",
    };
    Trouble::new(reason, format!("{error}{cure}"))
}
