//! What a zone says now, asked of the zone's own server.
//!
//! Never of a resolver: what a cache remembers is no proof that a name exists, nor that it does not.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::try_join3;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use super::exchange::{Exchange, Protocol};
use super::record::Record;
use super::{Error, Fqdn, Zone, saying};

/// How long one try may take; a datagram can be lost, so there is a second try.
const PATIENCE: Duration = Duration::from_secs(5);
const TRIES: usize = 2;

/// How many records of one answer are looked at.
const MOST_RECORDS: usize = 200;

/// What a server says that answers ANY with nothing but this (RFC 8482).
const REFUSED_ANY: &str = "RFC8482";

/// Stands for the type of a record that the server does not show.
const UNSHOWN: &str = "(not shown)";

/// Everything that the server says of a name. One question is enough where the name does not exist.
///
/// # Errors
/// If the server does not answer, or not as the zone's own.
pub async fn ask(exchange: &Exchange, server: SocketAddr, name: &Fqdn) -> Result<Record, Error> {
    ask_for(exchange, server, name.as_str()).await
}

/// What the zone's wildcard record says, or an empty record if the zone has none.
///
/// # Errors
/// As [`ask`].
pub async fn wildcard(exchange: &Exchange, server: SocketAddr, zone: &Zone) -> Result<Record, Error> {
    ask_for(exchange, server, &format!("*.{zone}")).await
}

/// The names that a PTR record of this name gives.
///
/// # Errors
/// As [`ask`].
pub async fn pointers(exchange: &Exchange, server: SocketAddr, name: &Name) -> Result<Vec<Name>, Error> {
    let question = Question::new(server, &name.to_ascii(), RecordType::PTR)?;
    let data = question.ask(exchange).await?.unwrap_or_default();
    let name = |data| if let RData::PTR(name) = data { Some(name.0) } else { None };
    Ok(data.into_iter().filter_map(name).collect())
}

async fn ask_for(exchange: &Exchange, server: SocketAddr, name: &str) -> Result<Record, Error> {
    let question = |kind| Question::new(server, name, kind);
    let mut record = Record::default();
    // RFC 8020: such a name has no record of any type.
    let Some(v4) = question(RecordType::A)?.ask(exchange).await? else { return Ok(record) };
    let (v6, texts, others) = try_join3(
        question(RecordType::AAAA)?.ask(exchange),
        question(RecordType::TXT)?.ask(exchange),
        others(exchange, question(RecordType::ANY)?, question(RecordType::MX)?),
    )
    .await?;
    let (others, all_shown) = others;
    for data in [Some(v4), v6, texts].into_iter().flatten().flatten() {
        if let RData::CNAME(target) = &data {
            record.alias = Some(saying(target.0.to_string().as_bytes()));
        } else if let RData::TXT(text) = &data {
            // As it stands: a mark is compared, and texts are never shown.
            record.texts.insert(String::from_utf8_lossy(&text.txt_data.concat()).into_owned());
        } else {
            record.addresses.extend(data.ip_addr());
        }
    }
    record.others = others;
    if record.is_empty() && !all_shown {
        record.others.insert(UNSHOWN.to_owned());
    }
    Ok(record)
}

/// The types of the name's other records, and whether the server shows them all: some answer ANY with a single record,
/// or not at all.
async fn others(
    exchange: &Exchange,
    any: Question,
    mail: Question,
) -> Result<(BTreeSet<String>, bool), Error> {
    let shown = any.over_tcp(exchange).await.ok().flatten().filter(|shown| !shown.iter().any(refuses_any));
    let all_shown = shown.is_some();
    let shown = match shown {
        Some(shown) => shown,
        None => mail.ask(exchange).await?.unwrap_or_default(),
    };
    let kinds = shown.iter().map(RData::record_type).filter(|kind| !is_known_or_technical(*kind));
    Ok((kinds.map(|kind| kind.to_string()).collect(), all_shown))
}

fn refuses_any(data: &RData) -> bool {
    matches!(data, RData::HINFO(info) if info.cpu.eq_ignore_ascii_case(REFUSED_ANY.as_bytes()))
}

/// What is asked for by itself, and what a signed zone adds to every name.
fn is_known_or_technical(kind: RecordType) -> bool {
    matches!(kind, RecordType::A | RecordType::AAAA | RecordType::TXT | RecordType::CNAME)
        || matches!(kind, RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3)
}

/// One name and type, asked of one server.
struct Question {
    server: SocketAddr,
    query: Query,
}

impl Question {
    fn new(server: SocketAddr, name: &str, record_type: RecordType) -> Result<Self, Error> {
        let rule = "cannot be said in DNS";
        let unusable = |_| Error::Unusable { what: "name", given: saying(name.as_bytes()), rule };
        let mut fqdn = Name::from_ascii(name).map_err(unusable)?;
        fqdn.set_fqdn(true);
        Ok(Self { server, query: Query::query(fqdn, record_type) })
    }

    /// What the records of the answer say; `None` if there is no such name.
    async fn ask(&self, exchange: &Exchange) -> Result<Option<Vec<RData>>, Error> {
        let mut tries = 1;
        loop {
            match self.over_udp(exchange).await {
                Err(Error::Silent { .. } | Error::Garbled { .. }) if tries < TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    async fn over_udp(&self, exchange: &Exchange) -> Result<Option<Vec<RData>>, Error> {
        let answer = self.exchange(exchange, Protocol::Udp).await?;
        if answer.metadata.truncation {
            return self.over_tcp(exchange).await;
        }
        self.understand(&answer)
    }

    async fn over_tcp(&self, exchange: &Exchange) -> Result<Option<Vec<RData>>, Error> {
        let answer = self.exchange(exchange, Protocol::Tcp).await?;
        self.understand(&answer)
    }

    async fn exchange(&self, exchange: &Exchange, protocol: Protocol) -> Result<Message, Error> {
        // A fresh random id each time: an answer to an older question is not an answer to this one.
        let mut message = Message::query();
        message.metadata.recursion_desired = false;
        message.add_query(self.query.clone());
        let bytes = message.to_vec().map_err(|error| self.garbled(error.to_string()))?;
        exchange.turn().await;
        let came = tokio::time::timeout(PATIENCE, exchange.carry(self.server, bytes, protocol)).await;
        let came = came.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let came =
            came.map_err(|source| Error::Silent { name: self.name(), server: self.server(), source })?;
        let answer = Message::from_vec(&came).map_err(|error| self.garbled(error.to_string()))?;
        // An answer repeats its question. One that does not may be an answer to anything.
        let ours = answer.metadata.id == message.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && answer.metadata.op_code == OpCode::Query
            && answer.queries == message.queries;
        if ours { Ok(answer) } else { Err(self.garbled("it does not repeat the question".to_owned())) }
    }

    fn understand(&self, answer: &Message) -> Result<Option<Vec<RData>>, Error> {
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
        let own = answer.answers.iter().filter(|record| record.name == *self.query.name());
        let data: Vec<RData> = own.take(MOST_RECORDS).map(|record| record.data.clone()).collect();
        // NXDOMAIN can speak of the target of an alias: the alias itself is there.
        Ok((code == ResponseCode::NoError || !data.is_empty()).then_some(data))
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
