//! DNS: the zone, a driver that changes it, and an authority that may be behind.
//!
//! The driver behaves as that of nsupdate-web, which cannot delete, and sends nothing that it believes to be there; or as
//! that of RFC 2136, which says with each request what must hold for it.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use super::scenario::SECOND;
use crate::dns::record::{PARKED, Record, STAND_IN};

/// Where names are parked.
pub const PARK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// A stranger's.
pub const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

type Addresses = BTreeSet<IpAddr>;

/// Something that is sent to the name server.
#[derive(Clone, Debug)]
enum Request {
    /// By nsupdate-web: these addresses, whatever is there.
    Set(Addresses),
    /// By RFC 2136: this, if the name is as it was known to be.
    Update { known: Box<Record>, wanted: Box<Record> },
}

/// Our name in the zone, and the way there.
#[derive(Debug, Default)]
pub struct Zone {
    /// The driver is that of RFC 2136, which marks names with this.
    pub updates: Option<String>,
    record: Record,
    before: Record,
    lags_until: u64,
    strange_since: u64,
    /// What nsupdate-web believes to have set.
    web: Option<Addresses>,
    /// Sent while the name server was silent: applied in order when it is back.
    held: VecDeque<(u64, Request)>,
    /// It answers nothing until then.
    pub away_until: u64,
    /// A write put our request over a stranger's record.
    pub overwrote: bool,
}

/// What the driver answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The zone has it.
    Done,
    /// Nothing was changed: it was asked for the same before, or the name is not as it was known to be.
    Unproven,
    /// Nobody knows.
    Unknown,
}

impl Zone {
    /// One without our name. With a mark, names are changed by RFC 2136.
    pub fn new(updates: Option<String>) -> Self {
        Self { updates, ..Self::default() }
    }

    /// Publishes the name at an address, or withdraws it. `known` is what the authority said, if it was asked before.
    /// `luck` decides what becomes of a request if the name server is silent, and how far the authority is behind if it is
    /// not.
    pub fn change(&mut self, address: Option<IpAddr>, known: Option<&Record>, now: u64, luck: u8) -> Answer {
        if let Some(mark) = &self.updates {
            let texts = address.iter().map(|_| mark.clone()).collect();
            let wanted = Record { addresses: address.into_iter().collect(), texts, ..Record::default() };
            return self.send(
                Request::Update {
                    known: Box::new(known.cloned().unwrap_or_default()),
                    wanted: Box::new(wanted),
                },
                now,
                luck,
            );
        }
        let (wanted, other) = match address {
            Some(address) => (vec![address], vec![address, STAND_IN]),
            None => (vec![PARK, PARKED], vec![PARKED, STAND_IN]),
        };
        let [wanted, other] = [wanted, other].map(Addresses::from_iter);
        match self.set(&wanted, now, luck) {
            Answer::Unproven if known.is_some() => match self.set(&other, now, luck) {
                Answer::Unknown => Answer::Unknown,
                Answer::Done | Answer::Unproven => self.set(&wanted, now, luck),
            },
            answer => answer,
        }
    }

    fn set(&mut self, addresses: &Addresses, now: u64, luck: u8) -> Answer {
        if self.web.as_ref() == Some(addresses) {
            return Answer::Unproven;
        }
        let answer = self.send(Request::Set(addresses.clone()), now, luck);
        if answer == Answer::Done {
            self.web = Some(addresses.clone());
        }
        answer
    }

    fn send(&mut self, request: Request, now: u64, luck: u8) -> Answer {
        if now < self.away_until {
            if luck.is_multiple_of(2) {
                self.held.push_back((self.away_until + u64::from(luck) * 20, request));
            }
            return Answer::Unknown;
        }
        while let Some((_, held)) = self.held.pop_front() {
            self.apply(held);
        }
        self.before = self.shown(now).clone();
        self.lags_until = if luck >= 200 { now + 3 * SECOND } else { 0 };
        let strange = self.record.addresses.contains(&STRANGER);
        let changed = self.apply(request);
        // nsupdate-web asks for nothing: what a stranger set a moment ago could not be seen yet.
        let seen =
            self.updates.is_some() || self.strange_since == 0 || now > self.strange_since + 10 * SECOND;
        self.overwrote |= changed && strange && seen;
        if changed { Answer::Done } else { Answer::Unproven }
    }

    /// Whether the request was done.
    fn apply(&mut self, request: Request) -> bool {
        match request {
            Request::Set(addresses) => self.record = Record { addresses, ..Record::default() },
            Request::Update { known, wanted } => {
                let holds = match known.texts.is_empty() {
                    true if known.is_empty() => self.record.is_empty(),
                    true => self.record.addresses == known.addresses,
                    false => self.record.texts == known.texts,
                };
                if !holds {
                    return false;
                }
                self.record = *wanted;
            }
        }
        true
    }

    /// What the authority says; nothing if it is away.
    pub fn ask(&self, now: u64) -> Option<Record> {
        (now >= self.away_until).then(|| self.shown(now).clone())
    }

    fn shown(&self, now: u64) -> &Record {
        if now < self.lags_until { &self.before } else { &self.record }
    }

    /// Applies what was held back, once its time has come.
    pub fn tick(&mut self, now: u64) {
        while self.held.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, request)) = self.held.pop_front() {
                self.apply(request);
            }
        }
    }

    /// When something held back is next applied.
    pub fn next(&self) -> Option<u64> {
        self.held.front().map(|(at, _)| *at)
    }

    /// Somebody else writes.
    pub fn strange(&mut self, addresses: Addresses, now: u64) {
        self.lags_until = 0;
        self.strange_since = now;
        self.record = Record { addresses, ..Record::default() };
    }

    /// nsupdate-web restarts.
    pub fn restart(&mut self) {
        self.web = None;
    }

    /// The addresses of ours that the zone has in truth.
    pub fn ours(&self) -> Addresses {
        let not_ours = [PARK, PARKED, STAND_IN, STRANGER];
        self.record.addresses.iter().copied().filter(|address| !not_ours.contains(address)).collect()
    }
}
