//! A name server, as it is written in a Cloud.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use super::{Error, saying};

/// How long the host's own resolver may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// `host`, `host:port`, an address, or `[v6]:port`; the port is 53 if it is not said.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct NameServer {
    host: String,
    port: u16,
}

impl NameServer {
    /// Finds its address; with an address, without asking anyone.
    ///
    /// # Errors
    /// If the name does not resolve.
    pub async fn resolve(&self) -> Result<SocketAddr, Error> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, self.port));
        }
        let unresolved = |source| Error::Unresolved { server: self.to_string(), source };
        let nowhere = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let found =
            tokio::time::timeout(PATIENCE, tokio::net::lookup_host((self.host.as_str(), self.port))).await;
        let mut addresses =
            found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(unresolved)?;
        addresses.next().ok_or_else(|| unresolved(nowhere()))
    }
}
impl FromStr for NameServer {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        let rule = "must be a host, host:port, an address, or [address]:port";
        let unusable = || Error::Unusable { what: "name server", given: saying(given.as_bytes()), rule };
        if let Ok(address) = given.parse::<IpAddr>() {
            return Ok(Self { host: address.to_string(), port: 53 });
        }
        let (host, port) = match given.rsplit_once(':') {
            Some((host, port)) if !given.ends_with(']') => (host, port.parse().map_err(|_| unusable())?),
            _ => (given, 53),
        };
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match bracketed {
            Some(inner) => inner.parse::<Ipv6Addr>().map_err(|_| unusable())?.to_string(),
            None => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
        };
        let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let named = bracketed.is_some()
            || (host.bytes().all(sound)
                && host.len() <= 253
                && host.split('.').all(|label| !label.is_empty()));
        if named && port != 0 { Ok(Self { host, port }) } else { Err(unusable()) }
    }
}

impl fmt::Display for NameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_server_reads_back_as_it_is_shown(text in "[a-z0-9.:\\[\\]-]{0,20}") {
            if let Ok(server) = text.parse::<NameServer>() {
                prop_assert_eq!(server.to_string().parse::<NameServer>().unwrap(), server);
            }
        }
    }

    #[tokio::test]
    async fn a_server_is_written_in_any_usual_way() {
        for (text, address) in [
            ("10.0.0.53", "10.0.0.53:53"),
            ("10.0.0.53:5353", "10.0.0.53:5353"),
            ("fd00::53", "[fd00::53]:53"),
            ("[fd00::53]", "[fd00::53]:53"),
            ("[fd00::53]:5353", "[fd00::53]:5353"),
        ] {
            let server: NameServer = text.parse().unwrap();

            assert_eq!(server.resolve().await.unwrap(), address.parse().unwrap(), "{text}");
        }
        assert_eq!("NS1.example.test.:54".parse::<NameServer>().unwrap().to_string(), "ns1.example.test:54");
        assert_eq!("ns1.example.test".parse::<NameServer>().unwrap().to_string(), "ns1.example.test:53");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in [
            "",
            ":53",
            "ns:",
            "ns:0",
            "ns:65536",
            "a b",
            "[10.0.0.1]:53",
            "[fd00::1",
            "fd00::1]:53",
            "http://ns",
        ] {
            assert!(text.parse::<NameServer>().is_err(), "{text:?}");
        }
    }
}
