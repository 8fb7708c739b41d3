//! Whether a port of a guest can be reached.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use tokio::net::TcpStream;

type Connect = dyn Fn(SocketAddr) -> BoxFuture<'static, io::Result<()>> + Send + Sync;

/// Connects and hangs up.
///
/// Replaceable, because virtual time and real sockets do not go together.
#[derive(Clone)]
pub struct Dial(Arc<Connect>);

/// Why a port is not open, for people. A guest that is not up yet is nobody's error.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{address}: {why}")]
pub struct Closed {
    /// Where we knocked.
    pub address: SocketAddr,
    /// What came back.
    pub why: String,
}

impl Dial {
    /// Connects as `connect` does.
    pub fn new<F, A>(connect: F) -> Self
    where
        F: Fn(SocketAddr) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self(Arc::new(move |address| connect(address).boxed()))
    }

    /// Connects over the network.
    #[must_use]
    pub fn sockets() -> Self {
        Self::new(|address| async move { TcpStream::connect(address).await.map(drop) })
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial")
    }
}

/// Sees whether somebody listens at `address`.
///
/// # Errors
/// If nobody does, or nothing comes back `within` that time.
pub async fn open(dial: &Dial, address: SocketAddr, within: Duration) -> Result<(), Closed> {
    let closed = |why| Closed { address, why };
    match tokio::time::timeout(within, (dial.0)(address)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(refusal)) => Err(closed(refusal.to_string())),
        Err(_) => Err(closed(format!("no answer within {} s", within.as_secs_f32()))),
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;

    const GUEST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 22);

    #[tokio::test(start_paused = true)]
    async fn a_port_where_somebody_listens_is_open() {
        let dial = Dial::new(|_| future::ready(Ok(())));

        assert_eq!(open(&dial, GUEST, Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_told_with_the_address() {
        let dial = Dial::new(|_| future::ready(Err(io::ErrorKind::ConnectionRefused.into())));

        let closed = open(&dial, GUEST, Duration::from_secs(5)).await.unwrap_err();

        assert_eq!(closed.to_string(), "127.0.0.1:22: connection refused");
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_swallows_packets_costs_no_more_than_was_allowed() {
        let dial = Dial::new(|_| future::pending());
        let before = tokio::time::Instant::now();

        let closed = open(&dial, GUEST, Duration::from_secs(5)).await.unwrap_err();

        assert_eq!(before.elapsed(), Duration::from_secs(5));
        assert_eq!(closed.to_string(), "127.0.0.1:22: no answer within 5 s");
    }

    #[tokio::test]
    async fn a_real_port_is_open_while_it_is_listened_to() {
        let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();

        assert_eq!(open(&Dial::sockets(), address, Duration::from_secs(5)).await, Ok(()));
    }
}
