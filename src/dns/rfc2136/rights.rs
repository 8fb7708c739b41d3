//! What the key may change, found out without changing anything: an update that deletes what nobody has is accepted only
//! if its records may be changed.

use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::rr::rdata::PTR;
use hickory_proto::rr::{Name, RData};

use super::super::record::PARKED;
use super::super::{Error, Zone};
use super::message::{Update, txt};
use super::problem::UpdateProblem;
use super::{Rfc2136, absolute};

/// The label of the name that is asked about. Nobody has it, and it may be any other.
const PROBE: &str = "testnode-probe";

/// An address of the documentation (RFC 5737).
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 254));

impl Rfc2136 {
    /// Asks whether names may be changed as they must be. Nothing is changed. Says what may.
    ///
    /// # Errors
    /// With what may not, or why the server cannot be asked.
    pub async fn probe(&self) -> Result<String, Error> {
        let all = [("A", NOBODY.into()), ("AAAA", PARKED.into()), ("TXT", txt(PROBE))];
        self.may(&self.zone, &all).await?;
        for zone in &self.reverse {
            let nobody = RData::PTR(PTR(probe_of(&self.zone)?));
            self.may(zone, &[("PTR", nobody)]).await?;
        }
        let pointers: Vec<String> = self.reverse.iter().map(|zone| format!(", and PTR in {zone}")).collect();
        let (key, server) = (self.key.name(), &self.server);
        Ok(format!(
            "the key {key} may change A, AAAA and TXT in {}{} at {server}",
            self.zone,
            pointers.concat()
        ))
    }

    /// One message for all; only if that is refused, one for each tells which.
    async fn may(&self, zone: &Zone, records: &[(&str, RData)]) -> Result<(), Error> {
        let Err(refusal) = self.try_to_delete(zone, records).await else { return Ok(()) };
        if !is_denied(&refusal) {
            return Err(refusal);
        }
        let mut missing = Vec::new();
        for record in records {
            match self.try_to_delete(zone, std::slice::from_ref(record)).await {
                Err(refusal) if is_denied(&refusal) => missing.push(record.0),
                other => other?,
            }
        }
        // A server that refuses all of them together and none alone has rules that nobody could guess.
        let missing = if missing.is_empty() { kinds(records) } else { missing.join(" ") };
        Err(self.failed(&probe_of(zone)?, UpdateProblem::Denied { key: self.key.name(), kinds: missing }))
    }

    async fn try_to_delete(&self, zone: &Zone, records: &[(&str, RData)]) -> Result<(), Error> {
        let update = Update::new(&absolute(zone.as_str())?, probe_of(zone)?);
        let update = records.iter().fold(update, |update, (_, data)| update.delete(data.clone()));
        self.send(update).await?;
        Ok(())
    }
}

fn probe_of(zone: &Zone) -> Result<Name, Error> {
    absolute(&format!("{PROBE}.{zone}"))
}

fn kinds(records: &[(&str, RData)]) -> String {
    let kinds: Vec<&str> = records.iter().map(|(kind, _)| *kind).collect();
    kinds.join(" ")
}

fn is_denied(error: &Error) -> bool {
    let Error::Update { problem, .. } = error else { return false };
    matches!(**problem, UpdateProblem::Denied { .. })
}
