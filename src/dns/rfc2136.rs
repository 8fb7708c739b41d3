//! RFC 2136: changes a name by one signed message, which the zone's primary server does whole or not at all.
//!
//! Each message carries what must hold for it, its *prerequisites*: that the name is still as the authority has just
//! shown it. So a name of somebody else is never changed, and a message that arrives late does nothing. Beside its
//! addresses a name has a TXT record with the mark of its node.
//!
//! The server accepts some changes without making them, as an address beside an alias (CNAME). What the zone then says is
//! always asked for.

mod message;
mod problem;
mod refusal;
mod reverse;
mod rights;
mod tsig;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use jiff::Timestamp;

use super::exchange::{Exchange, Protocol};
use super::record::Record;
use super::{Answer, Error, Fqdn, NameOwner, NameServer, Zone, saying};
use crate::error::Effect;
use message::Update;
pub use problem::UpdateProblem;
pub use tsig::Key;

/// What a server says when a requirement of the update does not hold (RFC 2136, 3.2).
const OUTDATED: [ResponseCode; 4] =
    [ResponseCode::YXDomain, ResponseCode::YXRRSet, ResponseCode::NXRRSet, ResponseCode::NXDomain];

/// How long a message may take. A server that answers no sooner may still take it later.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells the time. A message says when it was signed, and the server compares that with its own clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A zone's primary name server, and the key by which it knows us.
#[derive(Clone)]
pub struct Rfc2136 {
    /// The server.
    pub server: NameServer,
    /// The zone of the names.
    pub zone: Zone,
    /// The zones in which addresses get a PTR record.
    pub reverse: Vec<Zone>,
    /// What messages are signed with.
    pub key: Key,
    /// How long others may remember a record, in seconds.
    pub ttl: u32,
    /// How messages travel.
    pub exchange: Exchange,
    /// Tells the time.
    pub clock: Clock,
}

/// What became of an update.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Said {
    /// The server took it.
    Done,
    /// A prerequisite did not hold, and nothing was changed.
    Outdated,
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        match said {
            Said::Done => Self::Done,
            Said::Outdated => Self::Unproven,
        }
    }
}

impl Rfc2136 {
    /// Makes `addresses` all that the name says, and gives them their PTR records first: once the name is right, nothing
    /// is missing.
    ///
    /// # Errors
    /// See [`Error`]; with [`Effect::Unknown`] the name may have been changed, now or later.
    pub async fn publish(
        &self,
        name: &Fqdn,
        owner: &NameOwner,
        addresses: &BTreeSet<IpAddr>,
        known: &Record,
    ) -> Result<Answer, Error> {
        for address in
            known.addresses.difference(addresses).filter(|address| owner.addresses.contains(address))
        {
            self.drop_pointer(name, *address).await?;
        }
        for address in addresses {
            self.set_pointer(name, *address).await?;
        }
        let update = self.update(name)?.expect(known, owner);
        let update = update.replace(known, owner, addresses, self.ttl);
        Ok(self.send(update).await?.into())
    }

    /// Deletes what the name says of the node, and first the PTR records of its addresses. Records of other types that
    /// somebody added stay.
    ///
    /// # Errors
    /// As [`Rfc2136::publish`].
    pub async fn withdraw(&self, name: &Fqdn, owner: &NameOwner, known: &Record) -> Result<Answer, Error> {
        for address in owner.addresses.union(&known.addresses) {
            self.drop_pointer(name, *address).await?;
        }
        let update = self.update(name)?.expect(known, owner).clear(known, owner);
        Ok(self.send(update).await?.into())
    }

    fn update(&self, name: &Fqdn) -> Result<Update, Error> {
        Ok(Update::new(&absolute(self.zone.as_str())?, absolute(name.as_str())?))
    }

    async fn send(&self, update: Update) -> Result<Said, Error> {
        let name = update.name().clone();
        let server = self.server.resolve().await?;
        // Before it is signed, for a signature is soon too old.
        self.exchange.turn().await;
        let sent = self.exchange(server, update.into_message()).await;
        sent.map_err(|problem| self.failed(&name, problem))
    }

    fn failed(&self, name: &Name, problem: UpdateProblem) -> Error {
        Error::Update { name: shown(name), server: self.server.to_string(), problem: Box::new(problem) }
    }

    async fn exchange(&self, server: SocketAddr, mut message: Message) -> Result<Said, UpdateProblem> {
        let now = u64::try_from((self.clock)().as_second()).unwrap_or_default();
        let unsent = |error: String| UpdateProblem::NoAnswer { message: error, effect: Effect::None };
        let mut verifier = self.key.sign(&mut message, now).map_err(unsent)?;
        let bytes = message.to_vec().map_err(|error| unsent(error.to_string()))?;
        let came = tokio::time::timeout(PATIENCE, self.exchange.carry(server, bytes, Protocol::Tcp)).await;
        let came = came
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| no_answer(&error))?;
        let answer = Message::from_vec(&came).map_err(|error| garbled(&error.to_string()))?;
        let ours = answer.metadata.id == message.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && answer.metadata.op_code == OpCode::Update;
        if !ours {
            return Err(garbled("it is no answer to our message"));
        }
        let code = answer.metadata.response_code;
        let said = if code == ResponseCode::NoError {
            Said::Done
        } else if OUTDATED.contains(&code) {
            Said::Outdated
        } else {
            // A refusal may come unsigned: a server that does not know the key cannot sign.
            return Err(refusal::of(&answer, &message, now, &self.key));
        };
        if verifier.proves(&came, &answer) { Ok(said) } else { Err(UpdateProblem::Unsigned) }
    }
}

fn no_answer(error: &io::Error) -> UpdateProblem {
    let unreached = matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
    );
    let effect = if unreached { Effect::None } else { Effect::Unknown };
    UpdateProblem::NoAnswer { message: saying(error.to_string().as_bytes()), effect }
}

fn garbled(why: &str) -> UpdateProblem {
    let message = saying(format!("its answer cannot be used: {why}").as_bytes());
    UpdateProblem::NoAnswer { message, effect: Effect::Unknown }
}

/// A name as messages carry it.
fn absolute(name: &str) -> Result<Name, Error> {
    let rule = "cannot be said in DNS";
    let unusable = |_| Error::Unusable { what: "name", given: saying(name.as_bytes()), rule };
    let mut absolute = Name::from_ascii(name).map_err(unusable)?;
    absolute.set_fqdn(true);
    Ok(absolute)
}

fn shown(name: &Name) -> String {
    saying(name.to_string().trim_end_matches('.').as_bytes())
}

/// The type of record that holds an address.
fn kind_of(address: IpAddr) -> RecordType {
    if address.is_ipv4() { RecordType::A } else { RecordType::AAAA }
}

impl fmt::Debug for Rfc2136 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rfc2136({} at {}, {:?})", self.zone, self.server, self.key)
    }
}

#[cfg(test)]
mod tests;
