//! A source while it is read: broken off, it is asked for the rest; compressed, it is decompressed.

use std::time::Duration;

use data_encoding::HEXLOWER;
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::body::Bytes;
use ring::digest::{Context, Digest, SHA256, SHA512};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

use super::head::{self, Head};
use super::state::Trouble;
use super::sums::{self, Sum};
use super::unpack::{Line, Packing, unpack};
use super::web::{Answer, SILENCE, Web, file, refused};
use crate::api::machine_image::Format;
use crate::reason::Reason;

mod place;

pub use place::{InImage, Place};

/// How often the rest of a file is asked for, one time after the other with little between.
const MOST_RESUMED: u32 = 5;
/// So many bytes without a break are no little.
const GOES_ON: u64 = 1 << 20;

/// After an error of the decoder the source may say so long that it broke off.
const CAUSE: Duration = Duration::from_secs(1);

/// A decoder to which data comes gives some out within this.
const STILL: Duration = Duration::from_mins(10);

/// What a file must be.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Where it is.
    pub place: Place,
    /// Its digest, as `sha256:…`.
    pub digest: String,
    /// Its format.
    pub format: Format,
    /// The most GiB that it may have.
    pub max_size_gib: i64,
}

/// Reads a list of sums, and finds a file in it.
///
/// # Errors
/// Why it cannot be read, or does not have the file.
pub async fn look_up(web: &Web, list: Url, wanted: &Url) -> Result<Sum, Trouble> {
    let mut answer = web.get(&list, HeaderMap::new()).await?;
    if !answer.status.is_success() {
        return Err(refused(&list, answer.status));
    }
    let list = Place::Url(list);
    let mut text = Vec::new();
    while let Some(piece) = next(&list, &mut answer).await? {
        text.extend_from_slice(&piece);
        if text.len() > sums::LONGEST {
            let message = "the list of sums is larger than 1 MiB; give the URL of another";
            return Err(Trouble::new(Reason::ChecksumNotFound, message));
        }
    }
    // What is not text in a list is no sum.
    sums::find(&sums::read(&String::from_utf8_lossy(&text)), file(wanted))
}

async fn next(place: &Place, answer: &mut Answer) -> Result<Option<Bytes>, Trouble> {
    match timeout(SILENCE, answer.body.next()).await {
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(None) => Ok(None),
        Ok(Some(Err(why))) => Err(place.broke(&why)),
        Err(_) => Err(place.broke("it sends nothing for a minute")),
    }
}

/// A file as it is published, while it is read.
struct Stream {
    web: Web,
    place: Place,
    answer: Answer,
    /// What says that the file is still the same.
    validator: Option<HeaderValue>,
    /// How many bytes it has, if that is known.
    length: Option<u64>,
    received: u64,
    /// The most GiB that it may have.
    most_gib: i64,
    resumed: u32,
    /// How much had come at the last break.
    broke_at: u64,
    digest: Context,
}

impl Stream {
    async fn open(web: &Web, wish: &Wish) -> Result<Self, Trouble> {
        let answer = wish.place.open(web).await?;
        let encoding = answer.headers.get(header::CONTENT_ENCODING).and_then(|word| word.to_str().ok());
        if encoding.is_some_and(|word| !word.eq_ignore_ascii_case("identity")) {
            let message = "the server sends the file with a Content-Encoding, so its bytes are not those that were published; have \
                           it sent as it is";
            return Err(Trouble::new(Reason::WrongFormat, message));
        }
        let strong = |value: &&HeaderValue| !value.as_bytes().starts_with(b"W/");
        let validator = answer.headers.get(header::ETAG).filter(strong);
        let validator = validator.or_else(|| answer.headers.get(header::LAST_MODIFIED)).cloned();
        let length = answer.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let algorithm = if wish.digest.starts_with("sha512:") { &SHA512 } else { &SHA256 };
        Ok(Self {
            web: web.clone(),
            place: wish.place.clone(),
            answer,
            validator,
            length,
            received: 0,
            most_gib: wish.max_size_gib,
            resumed: 0,
            broke_at: 0,
            digest: Context::new(algorithm),
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            match next(&self.place, &mut self.answer).await {
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(Some(piece)) => {
                    self.received =
                        self.received.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                    if self.received > u64::try_from(self.most_gib).unwrap_or(1).saturating_mul(1 << 30) {
                        let message = format!(
                            "the file has more than {} GiB (spec.maxSizeGiB); raise that if it is right",
                            self.most_gib
                        );
                        return Err(Trouble::new(Reason::ImageTooLarge, message));
                    }
                    self.digest.update(&piece);
                    return Ok(Some(piece));
                }
                Ok(None) if self.length.is_none_or(|length| length <= self.received) => return Ok(None),
                Ok(None) => self.resume(self.place.broke("it ends before the end of the file")).await?,
                Err(trouble) => self.resume(trouble).await?,
            }
        }
    }

    /// Asks for what is missing, of the same file only.
    async fn resume(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        if self.received.saturating_sub(self.broke_at) >= GOES_ON {
            self.resumed = 0;
        }
        self.broke_at = self.received;
        if self.resumed >= MOST_RESUMED {
            return Err(trouble);
        }
        let rest = self.place.rest(&self.web, self.received, self.validator.as_ref());
        let Some(answer) = rest.await? else { return Err(trouble) };
        self.resumed += 1;
        let goes_on = answer.headers.get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
        let goes_on = goes_on.is_some_and(|range| range.starts_with(&format!("bytes {}-", self.received)));
        if answer.status != StatusCode::PARTIAL_CONTENT || !goes_on {
            return Err(self.place.broke("it broke off, and then had another file or could not go on"));
        }
        self.answer = answer;
        Ok(())
    }
}

/// A file while it is read, decompressed.
pub struct Reader {
    /// What its first bytes say.
    pub head: Head,
    /// How many bytes there will be, if that is known.
    pub length: Option<u64>,
    begun: Vec<Bytes>,
    from: From,
    /// All of it was read.
    ended: bool,
}

enum From {
    Plain(Box<Stream>),
    Packed(Receiver<Result<Bytes, Trouble>>, JoinHandle<Result<Box<Stream>, Trouble>>),
}

impl Drop for From {
    fn drop(&mut self) {
        if let Self::Packed(_, pump) = self {
            pump.abort();
        }
    }
}

impl Reader {
    /// Opens a file, and looks at its head.
    ///
    /// # Errors
    /// Why it cannot be read, or must not be used.
    pub async fn open(web: &Web, line: &Line, wish: &Wish) -> Result<Self, Trouble> {
        let mut stream = Box::new(Stream::open(web, wish).await?);
        let mut begun = Vec::new();
        let mut first = Vec::new();
        while first.len() < Packing::LENGTH {
            let Some(piece) = stream.next().await? else { break };
            first.extend_from_slice(piece.get(..piece.len().min(Packing::LENGTH)).unwrap_or_default());
            begun.push(piece);
        }
        let packing = Packing::of(&first);
        if packing != Packing::Plain && matches!(wish.place, Place::Image(_)) {
            let message =
                "the image of the source is compressed, so no machine can boot it; upload it uncompressed";
            return Err(Trouble::new(Reason::WrongFormat, message));
        }
        let mut reader = if packing == Packing::Plain {
            let length = stream.length;
            begun.reverse();
            Self { head: Head::default(), length, begun, from: From::Plain(stream), ended: false }
        } else {
            let (into, packed) = channel(4);
            let pump = tokio::spawn(async move {
                for piece in begun {
                    // A decoder that has ended wants nothing more.
                    drop(into.send(piece).await);
                }
                while let Some(piece) = stream.next().await? {
                    drop(into.send(piece).await);
                }
                Ok(stream)
            });
            // Whoever gives this up meanwhile ends the pump, too.
            let mut from = From::Packed(channel(1).1, pump);
            let begun = unpack(packing, line, packed).await;
            if let From::Packed(unpacked, _) = &mut from {
                *unpacked = begun;
            }
            Self { head: Head::default(), length: None, begun: Vec::new(), from, ended: false }
        };
        let mut head = Vec::new();
        let mut pieces = Vec::new();
        while head.len() < head::LENGTH {
            let Some(piece) = reader.next().await? else { break };
            head.extend_from_slice(&piece);
            pieces.push(piece);
        }
        head.truncate(head::LENGTH);
        reader.head = head::look(&head, wish.format, wish.max_size_gib)?;
        pieces.reverse();
        reader.begun.extend(pieces);
        Ok(reader)
    }

    /// The next bytes.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        if let Some(piece) = self.begun.pop() {
            return Ok(Some(piece));
        }
        if self.ended {
            return Ok(None);
        }
        let piece = match &mut self.from {
            From::Plain(stream) => stream.next().await?,
            From::Packed(unpacked, pump) => match timeout(STILL, unpacked.recv()).await {
                Ok(Some(Ok(piece))) => Some(piece).filter(|piece| !piece.is_empty()),
                Ok(Some(Err(trouble))) => return Err(cause(pump, trouble).await),
                Err(_) => {
                    let message = "nothing came out of the file for ten minutes while it was decompressed";
                    return Err(cause(pump, Trouble::new(Reason::SourceUnreachable, message)).await);
                }
                Ok(None) => {
                    let message = "the decoder broke down; compress the file in another way";
                    return Err(cause(pump, Trouble::new(Reason::DecompressionFailed, message)).await);
                }
            },
        };
        self.ended = piece.is_none();
        Ok(piece)
    }

    /// The digest of the whole file as it is published, once it was read to its end.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn digest(mut self) -> Result<String, Trouble> {
        let stream = match &mut self.from {
            From::Plain(stream) => stream.digest.clone(),
            From::Packed(_, pump) => match pump.await {
                Ok(stream) => stream?.digest.clone(),
                Err(error) => {
                    return Err(Trouble::new(
                        Reason::SourceUnreachable,
                        format!("the transfer was given up: {error}"),
                    ));
                }
            },
        };
        Ok(named(&stream.finish()))
    }
}

/// Why there is nothing more to decompress: if the source broke off, that is the cause of what the decoder says.
async fn cause(pump: &mut JoinHandle<Result<Box<Stream>, Trouble>>, trouble: Trouble) -> Trouble {
    match timeout(CAUSE, pump).await {
        Ok(Ok(Err(cause))) => cause,
        Ok(Ok(Ok(_)) | Err(_)) | Err(_) => trouble,
    }
}

/// A digest, with its algorithm.
fn named(digest: &Digest) -> String {
    let algorithm = if digest.algorithm() == &SHA512 { "sha512" } else { "sha256" };
    format!("{algorithm}:{}", HEXLOWER.encode(digest.as_ref()))
}

#[cfg(test)]
mod tests;
