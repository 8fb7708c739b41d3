//! DNS: nsupdate-web with its memory, the zone behind it, and an authority that may lag.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use super::scenario::SECOND;

/// Where names are parked.
pub const PARK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// A stranger's.
pub const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

/// Our name in the zone, and the way there.
#[derive(Debug, Default)]
pub struct Zone {
    record: BTreeSet<IpAddr>,
    before: BTreeSet<IpAddr>,
    lags_until: u64,
    strange_since: u64,
    /// What nsupdate-web believes to have set.
    web: Option<IpAddr>,
    /// Sent while the name server was silent: applied in order when it is back.
    held: VecDeque<(u64, IpAddr)>,
    /// It answers nothing until then.
    pub away_until: u64,
    /// A write put our request over a stranger's record.
    pub overwrote: bool,
}

/// What nsupdate-web answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It was sent, and done.
    Success,
    /// The same as last time: nothing was sent.
    NoChange,
    /// 500: nobody knows.
    Unknown,
}

impl Zone {
    /// Sets the name. `luck` decides what becomes of it if the name server is silent, and how far the authority is
    /// behind if it is not.
    pub fn set(&mut self, address: IpAddr, now: u64, luck: u8) -> Answer {
        if self.web == Some(address) {
            return Answer::NoChange;
        }
        if now < self.away_until {
            if luck.is_multiple_of(2) {
                self.held.push_back((self.away_until + u64::from(luck) * 20, address));
            }
            return Answer::Unknown;
        }
        while let Some((_, held)) = self.held.pop_front() {
            self.record = BTreeSet::from([held]);
        }
        self.before = self.shown(now).clone();
        self.lags_until = if luck >= 200 { now + 3 * SECOND } else { 0 };
        // One that was set a moment ago could not be seen yet.
        let strange = self.record.contains(&STRANGER);
        self.overwrote |= strange && (self.strange_since == 0 || now > self.strange_since + 10 * SECOND);
        self.record = BTreeSet::from([address]);
        self.web = Some(address);
        Answer::Success
    }

    /// What the authority says; nothing if it is away.
    pub fn ask(&self, now: u64) -> Option<BTreeSet<IpAddr>> {
        (now >= self.away_until).then(|| self.shown(now).clone())
    }

    fn shown(&self, now: u64) -> &BTreeSet<IpAddr> {
        if now < self.lags_until { &self.before } else { &self.record }
    }

    /// Applies what was held back, once its time has come.
    pub fn tick(&mut self, now: u64) {
        while self.held.front().is_some_and(|(at, _)| *at <= now) {
            let address = self.held.pop_front().map(|(_, address)| address);
            self.record = address.into_iter().collect();
        }
    }

    /// When something held back is next applied.
    pub fn next(&self) -> Option<u64> {
        self.held.front().map(|(at, _)| *at)
    }

    /// Somebody else writes.
    pub fn strange(&mut self, record: BTreeSet<IpAddr>, now: u64) {
        self.lags_until = 0;
        self.strange_since = now;
        self.record = record;
    }

    /// nsupdate-web restarts.
    pub fn restart(&mut self) {
        self.web = None;
    }

    /// What the zone holds in truth.
    pub fn truth(&self) -> &BTreeSet<IpAddr> {
        &self.record
    }
}
