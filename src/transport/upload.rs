//! A body that is made while it is sent.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc::Receiver;

/// Pieces of a body as they come. An error among them cuts the connection: the other side sees that the body is not whole. A body
/// whose length is not known ends with an empty piece: one whose maker was lost before that is not whole, either.
#[derive(Debug)]
pub struct Upload {
    pieces: Receiver<Result<Bytes, io::Error>>,
    left: Option<u64>,
}

impl Upload {
    /// A body of so many bytes; with `Transfer-Encoding: chunked`, and until an empty piece, if that is not known.
    #[must_use]
    pub fn new(pieces: Receiver<Result<Bytes, io::Error>>, length: Option<u64>) -> Self {
        Self { pieces, left: length }
    }

    /// All of it, for who takes no stream.
    pub(super) async fn collected(mut self) -> Result<Vec<u8>, io::Error> {
        let mut all = Vec::new();
        while let Some(piece) = poll_fn(|task| self.poll_piece(task)).await {
            all.extend_from_slice(&piece?);
        }
        Ok(all)
    }

    fn poll_piece(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Bytes, io::Error>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        let piece = match ready!(self.pieces.poll_recv(task)) {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
        };
        if let Some(left) = &mut self.left {
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            let Some(rest) = left.checked_sub(length) else {
                return Poll::Ready(Some(Err(io::ErrorKind::InvalidData.into())));
            };
            *left = rest;
        } else if piece.is_empty() {
            self.left = Some(0);
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.poll_piece(task).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
