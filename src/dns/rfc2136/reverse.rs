//! PTR records: the way from an address back to its name, in a zone of its own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::rr::rdata::PTR;
use hickory_proto::rr::{Name, RData, RecordType};

use super::super::lookup;
use super::super::{Error, Fqdn, Zone};
use super::message::Update;
use super::problem::UpdateProblem;
use super::{Rfc2136, absolute, shown};

impl Rfc2136 {
    /// Lets an address point at the name, where one of the reverse zones has it. A record for another name of the zone is
    /// old, for the address is this node's now. Any other record stays, and is told.
    pub(super) async fn set_pointer(&self, name: &Fqdn, address: IpAddr) -> Result<(), Error> {
        let Some(update) = self.pointer(address)? else { return Ok(()) };
        let target = absolute(name.as_str())?;
        let data = RData::PTR(PTR(target.clone()));
        self.send(update.clone().must_lack(RecordType::PTR).add(self.ttl, data.clone())).await?;
        // Whether it was there before or not, and whatever the server ignored: what the zone now says decides.
        let mut found = self.pointers(address).await?;
        if let [old] = found.as_slice()
            && *old != target
            && absolute(self.zone.as_str())?.zone_of(old)
        {
            let old = RData::PTR(PTR(old.clone()));
            self.send(update.must_have(old.clone()).delete(old).add(self.ttl, data)).await?;
            found = self.pointers(address).await?;
        }
        if found == [target] {
            return Ok(());
        }
        let others: Vec<String> = found.iter().map(shown).collect();
        let elsewhere = if others.is_empty() { "an alias".to_owned() } else { others.join(", ") };
        let problem = UpdateProblem::PointsElsewhere { address, name: elsewhere };
        Err(self.failed(&absolute(name.as_str())?, problem))
    }

    /// Those of the addresses that point at the name.
    ///
    /// # Errors
    /// If the server does not answer, or not as the zone's own.
    pub async fn pointing_at(
        &self,
        name: &Fqdn,
        addresses: &BTreeSet<IpAddr>,
    ) -> Result<BTreeSet<IpAddr>, Error> {
        let target = absolute(name.as_str())?;
        let mut found = BTreeSet::new();
        for address in addresses {
            if self.pointer(*address)?.is_some() && self.pointers(*address).await?.contains(&target) {
                found.insert(*address);
            }
        }
        Ok(found)
    }

    async fn pointers(&self, address: IpAddr) -> Result<Vec<Name>, Error> {
        let server = self.server.resolve().await?;
        lookup::pointers(&self.exchange, server, &Name::from(address)).await
    }

    /// Lets an address no longer point at the name. If it points elsewhere, that stays.
    pub(super) async fn drop_pointer(&self, name: &Fqdn, address: IpAddr) -> Result<(), Error> {
        let Some(update) = self.pointer(address)? else { return Ok(()) };
        let data = RData::PTR(PTR(absolute(name.as_str())?));
        self.send(update.must_have(data.clone()).delete(data)).await?;
        Ok(())
    }

    /// An update of the address's name in the innermost of the reverse zones that has it, if one does.
    fn pointer(&self, address: IpAddr) -> Result<Option<Update>, Error> {
        let name = Name::from(address);
        let mut zones = self.reverse.iter().map(Zone::as_str).map(absolute).collect::<Result<Vec<_>, _>>()?;
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.num_labels()));
        let zone = zones.into_iter().find(|zone| zone.zone_of(&name));
        Ok(zone.map(|zone| Update::new(&zone, name)))
    }
}
