//! What a zone says now, asked of the zone's own server.
//!
//! Never of a resolver: what a cache remembers is neither proof of a name nor of its absence.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use futures::future::try_join;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use super::exchange::{Exchange, Protocol};
use super::{Error, Fqdn, saying};

/// How long one try may take; a datagram that was lost deserves a second.
const PATIENCE: Duration = Duration::from_secs(5);
const TRIES: usize = 2;

/// A name server as it is configured: `host`, `host:port`, an address, `[v6]:port`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Server {
    host: String,
    port: u16,
}

impl Server {
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

impl FromStr for Server {
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

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// All addresses that a name has, sorted; none if there is no such name.
///
/// # Errors
/// If the server does not answer, or not as the zone's own; or the name is an alias.
pub async fn ask(exchange: &Exchange, server: SocketAddr, name: &Fqdn) -> Result<Vec<IpAddr>, Error> {
    let (v4, v6) = try_join(
        Question::new(server, name, RecordType::A)?.ask(exchange),
        Question::new(server, name, RecordType::AAAA)?.ask(exchange),
    )
    .await?;
    let mut addresses = [v4, v6].concat();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// One name and type, asked of one server.
struct Question {
    server: SocketAddr,
    query: Query,
}

impl Question {
    fn new(server: SocketAddr, name: &Fqdn, record_type: RecordType) -> Result<Self, Error> {
        let rule = "cannot be said in DNS";
        let unusable = |_| Error::Unusable { what: "name", given: name.to_string(), rule };
        let mut fqdn = Name::from_ascii(name.as_str()).map_err(unusable)?;
        fqdn.set_fqdn(true);
        Ok(Self { server, query: Query::query(fqdn, record_type) })
    }

    async fn ask(&self, exchange: &Exchange) -> Result<Vec<IpAddr>, Error> {
        let mut tries = 1;
        loop {
            match self.try_once(exchange).await {
                Err(Error::Silent { .. } | Error::Garbled { .. }) if tries < TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_once(&self, exchange: &Exchange) -> Result<Vec<IpAddr>, Error> {
        let answer = self.exchange(exchange, Protocol::Udp).await?;
        let answer =
            if answer.metadata.truncation { self.exchange(exchange, Protocol::Tcp).await? } else { answer };
        self.understand(&answer)
    }

    async fn exchange(&self, exchange: &Exchange, protocol: Protocol) -> Result<Message, Error> {
        // A fresh random id each time: an answer to an older question is not an answer to this one.
        let mut message = Message::query();
        message.metadata.recursion_desired = false;
        message.add_query(self.query.clone());
        let bytes = message.to_vec().map_err(|error| self.garbled(error.to_string()))?;
        let came = tokio::time::timeout(PATIENCE, exchange.carry(self.server, bytes, protocol)).await;
        let came = came.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let came =
            came.map_err(|source| Error::Silent { name: self.name(), server: self.server(), source })?;
        let answer = Message::from_vec(&came).map_err(|error| self.garbled(error.to_string()))?;
        let ours = answer.metadata.id == message.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && answer.metadata.op_code == OpCode::Query
            && (answer.queries.is_empty() || answer.queries == message.queries);
        if ours { Ok(answer) } else { Err(self.garbled("it answers another question".to_owned())) }
    }

    fn understand(&self, answer: &Message) -> Result<Vec<IpAddr>, Error> {
        let (name, server) = (self.name(), self.server());
        let code = answer.metadata.response_code;
        if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
            return Err(Error::Failed { name, server, code });
        }
        if !answer.metadata.authoritative {
            return Err(Error::NotAuthoritative { name, server });
        }
        if answer.metadata.truncation {
            return Err(self.garbled("it is cut off, even over TCP".to_owned()));
        }
        let mut addresses = Vec::new();
        for record in answer.answers.iter().filter(|record| record.name == *self.query.name()) {
            if let RData::CNAME(target) = &record.data {
                return Err(Error::Alias { name, server, target: saying(target.0.to_string().as_bytes()) });
            }
            addresses.extend(record.data.ip_addr());
        }
        Ok(addresses)
    }

    fn garbled(&self, message: String) -> Error {
        Error::Garbled { name: self.name(), server: self.server(), message }
    }

    fn name(&self) -> String {
        self.query.name().to_string()
    }

    fn server(&self) -> String {
        self.server.to_string()
    }
}

#[cfg(test)]
mod tests;
