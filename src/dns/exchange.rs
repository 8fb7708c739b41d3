//! One DNS message out, one back: the seam under the look-up.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::pace::Pace;

/// How a message travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// One datagram each way; what does not fit comes truncated.
    Udp,
    /// A connection; anything fits.
    Tcp,
}

type Carry = dyn Fn(SocketAddr, Vec<u8>, Protocol) -> BoxFuture<'static, io::Result<Vec<u8>>> + Send + Sync;

/// Carries a message to a name server and its answer back.
///
/// Replaceable, because virtual time and real sockets do not go together.
#[derive(Clone)]
pub struct Exchange {
    carry: Arc<Carry>,
    pace: Option<Pace>,
}

impl Exchange {
    /// Carries messages as `carry` does.
    pub fn new<F, A>(carry: F) -> Self
    where
        F: Fn(SocketAddr, Vec<u8>, Protocol) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<Vec<u8>>> + Send + 'static,
    {
        let carry = Arc::new(move |server, message, protocol| carry(server, message, protocol).boxed());
        Self { carry, pace: None }
    }

    /// Carries messages over the network.
    #[must_use]
    pub fn sockets() -> Self {
        Self::new(|server, message, protocol| async move {
            match protocol {
                Protocol::Udp => over_udp(server, &message).await,
                Protocol::Tcp => over_tcp(server, &message).await,
            }
        })
    }

    /// The same way, at this pace.
    #[must_use]
    pub fn paced(&self, pace: Pace) -> Self {
        Self { carry: self.carry.clone(), pace: Some(pace) }
    }

    /// Waits until one more message may be sent.
    pub async fn turn(&self) {
        if let Some(pace) = &self.pace {
            pace.turn().await;
        }
    }

    /// Sends one message and waits for its answer, for as long as the caller does.
    #[must_use]
    pub fn carry(
        &self,
        server: SocketAddr,
        message: Vec<u8>,
        protocol: Protocol,
    ) -> BoxFuture<'static, io::Result<Vec<u8>>> {
        (self.carry)(server, message, protocol)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

async fn over_udp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let any = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Connected: the kernel drops what others send, and tells us when nobody listens.
    socket.connect(server).await?;
    socket.send(message).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = buffer.get(..length).unwrap_or_default();
        // A late or forged datagram with another id must not end the wait for ours.
        if answer.get(..2) == message.get(..2) {
            return Ok(answer.to_vec());
        }
    }
}

async fn over_tcp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(server).await?;
    // What we no longer wait for must not be sent: the kernel would go on for minutes.
    stream.set_zero_linger()?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
