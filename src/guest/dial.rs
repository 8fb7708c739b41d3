//! The way to a guest.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection to a guest.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Connect = dyn Fn(SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync;

/// Connects.
///
/// Replaceable, because virtual time and real sockets do not go together.
#[derive(Clone)]
pub struct Dial(Arc<Connect>);

impl Dial {
    /// Connects as `connect` does.
    pub fn new<F, A, S>(connect: F) -> Self
    where
        F: Fn(SocketAddr) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<S>> + Send + 'static,
        S: Stream + 'static,
    {
        Self(Arc::new(move |address| {
            let connected = connect(address);
            async move { connected.await.map(|stream| Box::new(stream) as Box<dyn Stream>) }.boxed()
        }))
    }

    /// Connects over the network.
    #[must_use]
    pub fn sockets() -> Self {
        Self::new(TcpStream::connect::<SocketAddr>)
    }

    /// Connects.
    ///
    /// # Errors
    /// If nobody listens there.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        (self.0)(address).await
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial")
    }
}
