//! Whether a port of a guest can be reached.

use std::net::SocketAddr;
use std::time::Duration;

use super::dial::Dial;

/// Why a port is not open, for people. A guest that is not up yet is nobody's error.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{address}: {why}")]
pub struct Closed {
    /// Where we knocked.
    pub address: SocketAddr,
    /// What came back.
    pub why: String,
}

/// Sees whether somebody listens at `address`.
///
/// # Errors
/// If nobody does, or nothing comes back `within` that time.
pub async fn open(dial: &Dial, address: SocketAddr, within: Duration) -> Result<(), Closed> {
    let closed = |why| Closed { address, why };
    match tokio::time::timeout(within, dial.connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(refusal)) => Err(closed(refusal.to_string())),
        Err(_) => Err(closed(format!("no answer within {} s", within.as_secs_f32()))),
    }
}

#[cfg(test)]
mod tests {
    use std::{future, io};

    use super::*;

    const GUEST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 22);

    #[tokio::test(start_paused = true)]
    async fn a_port_where_somebody_listens_is_open() {
        let dial = Dial::new(|_| future::ready(Ok(tokio::io::empty())));

        assert_eq!(open(&dial, GUEST, Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_told_with_the_address() {
        let dial =
            Dial::new(|_| future::ready(Err::<tokio::io::Empty, _>(io::ErrorKind::ConnectionRefused.into())));

        let closed = open(&dial, GUEST, Duration::from_secs(5)).await.unwrap_err();

        assert_eq!(closed.to_string(), "127.0.0.1:22: connection refused");
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_swallows_packets_costs_no_more_than_was_allowed() {
        let dial = Dial::new(|_| future::pending::<io::Result<tokio::io::Empty>>());
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
