//! UPDATE messages: what must hold, and what is then changed. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::op::{Message, OpCode, Query};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{DNSClass, Name, RData, Record as ResourceRecord, RecordType};

use super::super::NameOwner;
use super::super::record::Record;
use super::kind_of;

/// The most that one string of a TXT record can hold, in bytes.
const STRING: usize = 255;

/// The types of record that hold an address.
const ADDRESSES: [RecordType; 2] = [RecordType::A, RecordType::AAAA];

/// A change of one name, in the making.
#[derive(Clone, Debug)]
pub struct Update {
    message: Message,
    name: Name,
}

impl Update {
    /// Nothing to do yet.
    pub fn new(zone: &Name, name: Name) -> Self {
        let mut message = Message::query();
        message.metadata.op_code = OpCode::Update;
        message.metadata.recursion_desired = false;
        message.queries.push(Query::query(zone.clone(), RecordType::SOA));
        Self { message, name }
    }

    /// The name that changes.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What is sent, but for the signature.
    pub fn into_message(self) -> Message {
        self.message
    }

    /// It must be as `known` says. Where the mark is the only text, a server compares that with all texts of the name, and
    /// the addresses need not be compared: those of a type that was there are cleared anyhow, and none of another type may
    /// have come since.
    pub fn expect(self, known: &Record, owner: &NameOwner) -> Self {
        if known.is_empty() {
            return self.must_be_unused();
        }
        match known.texts.iter().next() {
            Some(text) if known.texts.len() == 1 && owner.has_marked(text) => {
                let absent =
                    ADDRESSES.into_iter().filter(|kind| of_kind(&known.addresses, *kind).next().is_none());
                absent.fold(self.must_have(txt(text)), Self::must_lack)
            }
            Some(_) => self.must_have_addresses(known),
            None => self.must_have_addresses(known).must_lack(RecordType::TXT),
        }
    }

    fn must_have_addresses(self, known: &Record) -> Self {
        ADDRESSES.into_iter().fold(self, |update, kind| update.must_have_all_of(known, kind))
    }

    fn must_have_all_of(self, known: &Record, kind: RecordType) -> Self {
        let mut addresses = of_kind(&known.addresses, kind).peekable();
        if addresses.peek().is_none() {
            return self.must_lack(kind);
        }
        addresses.fold(self, |update, address| update.must_have(address.into()))
    }

    /// The name has these addresses and the node's text, and no others.
    pub fn replace(self, known: &Record, owner: &NameOwner, addresses: &BTreeSet<IpAddr>, ttl: u32) -> Self {
        let update = self.clear_addresses(known);
        let stale = known.texts.iter().filter(|text| owner.has_marked(text) && **text != owner.text);
        let update = stale.fold(update, |update, text| update.delete(txt(text)));
        let update = addresses.iter().fold(update, |update, address| update.add(ttl, (*address).into()));
        update.add(ttl, txt(&owner.text))
    }

    /// Nothing of the node is there. A message that changes nothing, where nothing is there, proves that.
    pub fn clear(self, known: &Record, owner: &NameOwner) -> Self {
        let update = self.clear_addresses(known);
        let ours = known.texts.iter().filter(|text| owner.has_marked(text));
        ours.fold(update, |update, text| update.delete(txt(text))).delete(txt(&owner.text))
    }

    /// Only what is there: to delete a type asks for the right to change it.
    fn clear_addresses(self, known: &Record) -> Self {
        let kinds: BTreeSet<RecordType> = known.addresses.iter().copied().map(kind_of).collect();
        kinds.into_iter().fold(self, Self::delete_all)
    }

    /// There is no record of this name.
    pub fn must_be_unused(self) -> Self {
        self.must_lack(RecordType::ANY)
    }

    /// There is no record of this type; with `ANY` of no type.
    pub fn must_lack(mut self, kind: RecordType) -> Self {
        let record = self.bare(kind, DNSClass::NONE);
        self.message.answers.push(record);
        self
    }

    /// There is this record. All that must be there of one type are all that may be there.
    pub fn must_have(mut self, data: RData) -> Self {
        self.message.answers.push(ResourceRecord::from_rdata(self.name.clone(), 0, data));
        self
    }

    /// Deletes all records of a type.
    pub fn delete_all(mut self, kind: RecordType) -> Self {
        let record = self.bare(kind, DNSClass::ANY);
        self.message.authorities.push(record);
        self
    }

    /// Deletes one record; it need not be there.
    pub fn delete(mut self, data: RData) -> Self {
        let mut record = ResourceRecord::from_rdata(self.name.clone(), 0, data);
        record.dns_class = DNSClass::NONE;
        self.message.authorities.push(record);
        self
    }

    /// Adds a record.
    pub fn add(mut self, ttl: u32, data: RData) -> Self {
        self.message.authorities.push(ResourceRecord::from_rdata(self.name.clone(), ttl, data));
        self
    }

    fn bare(&self, kind: RecordType, class: DNSClass) -> ResourceRecord {
        let mut record = ResourceRecord::update0(self.name.clone(), 0, kind);
        record.dns_class = class;
        record
    }
}

fn of_kind(addresses: &BTreeSet<IpAddr>, kind: RecordType) -> impl Iterator<Item = IpAddr> {
    addresses.iter().copied().filter(move |address| kind_of(*address) == kind)
}

/// A text as a record has it: in strings that are as long as can be.
pub fn txt(text: &str) -> RData {
    RData::TXT(TXT::from_bytes(text.as_bytes().chunks(STRING).collect()))
}
