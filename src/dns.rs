//! The names of nodes: published, withdrawn, and asked for at the zone's own server.
//!
//! Begin with [`Dns`]. What a name server says is a [`record::Record`], and [`record::Record::judge`] tells whose it is.

mod error;
pub mod exchange;
pub mod lookup;
pub mod name;
pub mod nsupdate_web;
pub mod pace;
pub mod record;
pub mod rfc2136;
pub mod server;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use error::Error;
pub use name::{Fqdn, Hostname, Hostnames, Zone};
pub use server::NameServer;

use crate::saying::Saying;
use exchange::Exchange;
use nsupdate_web::NsupdateWeb;
use record::{Claim, Found, Record};
use rfc2136::Rfc2136;

/// Where the machines of a cloud are named.
#[derive(Clone, Debug)]
pub struct Dns(Arc<DnsOptions>);

/// What a [`Dns`] is made of.
#[derive(Debug)]
pub struct DnsOptions {
    /// The zone of the names.
    pub zone: Zone,
    /// The hostnames that may be used.
    pub allowed: Hostnames,
    /// How names are changed.
    pub driver: Driver,
    /// Who knows what the zone says. Without it nothing can be checked.
    pub authority: Option<Authority>,
    /// Is told of every request.
    pub observe: Observe,
}

/// How names are changed.
#[derive(Clone, Debug)]
pub enum Driver {
    /// Through nsupdate-web. It cannot delete a name, so a name that is withdrawn is parked.
    NsupdateWeb(NsupdateWeb),
    /// By signed updates of the zone's own server. A name that is withdrawn is deleted.
    Rfc2136(Rfc2136),
}

/// The zone's own name server, and the way there.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The server.
    pub server: NameServer,
    /// How messages travel.
    pub exchange: Exchange,
}

/// The node that a name is for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NameOwner {
    /// How the text begins that marks a name as this node's.
    pub mark: String,
    /// The whole text, which also says to people which node that is.
    pub text: String,
    /// Addresses that are, or were, this node's.
    pub addresses: BTreeSet<IpAddr>,
    /// The node as `namespace/name`, while it lives. What an earlier object of this name has marked is its own then.
    pub node: Option<String>,
}

impl NameOwner {
    /// Whether a TXT record marks the name as this node's.
    #[must_use]
    pub fn has_marked(&self, text: &str) -> bool {
        record::is_marked(text, &self.mark, self.node.as_deref())
    }
}

/// What is known of a request that was answered without an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The zone has it.
    Done,
    /// Nothing was changed: the driver was asked for the same before and sent nothing, or the zone no longer says what it
    /// was known to say.
    Unproven,
}

/// One request, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Who was asked: a driver, or the authority.
    pub driver: &'static str,
    /// For what.
    pub call: &'static str,
    /// What came of it.
    pub status: &'static str,
    /// How long it took.
    pub took: Duration,
}

/// Is told of every request.
#[derive(Clone)]
pub struct Observe(Arc<dyn Fn(&Call) + Send + Sync>);

impl Observe {
    /// Tells `observe` of every request.
    pub fn new(observe: impl Fn(&Call) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }
}

impl fmt::Debug for Observe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observe")
    }
}

impl Dns {
    /// The names of a zone.
    #[must_use]
    pub fn new(options: DnsOptions) -> Self {
        Self(Arc::new(options))
    }

    /// The zone of the names.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.0.zone
    }

    /// Which hostnames may be used, if `hostname` may not.
    #[must_use]
    pub fn forbids(&self, hostname: &str) -> Option<&Hostnames> {
        Some(&self.0.allowed).filter(|allowed| !allowed.allow(hostname))
    }

    /// The whole name of a host.
    ///
    /// # Errors
    /// If it is longer than DNS can say.
    pub fn fqdn(&self, hostname: &Hostname) -> Result<Fqdn, Error> {
        Fqdn::new(hostname, &self.0.zone)
    }

    /// Whether there is an authority to ask what the zone says.
    #[must_use]
    pub fn is_verifiable(&self) -> bool {
        self.0.authority.is_some()
    }

    /// To whom a name belongs of which the authority says this.
    #[must_use]
    pub fn judge(&self, record: &Record, owner: &NameOwner) -> Found {
        record.judge(&Claim {
            mark: &owner.mark,
            node: owner.node.as_deref(),
            own: &owner.addresses,
            park: self.park(),
        })
    }

    /// The address on which names that are withdrawn are parked, if the driver cannot delete them.
    #[must_use]
    pub fn park(&self) -> Option<IpAddr> {
        match &self.0.driver {
            Driver::NsupdateWeb(web) => Some(web.park()),
            Driver::Rfc2136(_) => None,
        }
    }

    /// What the authority says of a name; `None` without an authority.
    ///
    /// # Errors
    /// If it does not answer, or not as the zone's own server.
    pub async fn ask(&self, name: &Fqdn, owner: &NameOwner) -> Result<Option<Record>, Error> {
        let Some(authority) = &self.0.authority else { return Ok(None) };
        let began = Instant::now();
        let record = self.look_up(authority, name, owner).await;
        self.told("authority", "ask", if record.is_ok() { "answered" } else { "failed" }, began);
        record.map(Some)
    }

    async fn look_up(&self, authority: &Authority, name: &Fqdn, owner: &NameOwner) -> Result<Record, Error> {
        let server = authority.server.resolve().await?;
        let mut record = lookup::ask(&authority.exchange, server, name).await?;
        if let Driver::Rfc2136(server) = &self.0.driver
            && record.is_empty()
        {
            record.pointers = server.pointing_at(name, &owner.addresses).await?;
        }
        // A name without a record of its own says what the wildcard says.
        if matches!(self.judge(&record, owner), Found::Taken(_)) {
            let wildcard = lookup::wildcard(&authority.exchange, server, &self.0.zone).await?;
            record.wildcard = (wildcard == record).then(|| format!("*.{}", self.0.zone));
        }
        Ok(record)
    }

    /// Asks what may be done to names, and changes nothing: all that is needed, in words. `None` if this driver cannot be
    /// asked.
    ///
    /// # Errors
    /// With what is not granted, or why nobody knows.
    pub async fn probe(&self) -> Option<Result<String, Error>> {
        let Driver::Rfc2136(server) = &self.0.driver else { return None };
        let began = Instant::now();
        let probed = server.probe().await;
        self.told(self.0.driver.label(), "probe", if probed.is_ok() { "done" } else { "failed" }, began);
        Some(probed)
    }

    /// Makes the name say these addresses. Where there is an authority, it has been asked before, and said `known`.
    ///
    /// # Errors
    /// See [`Error`]; with [`crate::error::Effect::Unknown`] the name may have been changed, now or later.
    pub async fn publish(
        &self,
        name: &Fqdn,
        owner: &NameOwner,
        addresses: &BTreeSet<IpAddr>,
        known: Option<&Record>,
    ) -> Result<Answer, Error> {
        let began = Instant::now();
        let answer = match &self.0.driver {
            Driver::NsupdateWeb(web) => web.publish(name, addresses, self.is_verifiable()).await,
            Driver::Rfc2136(server) => {
                server.publish(name, owner, addresses, known.unwrap_or(&Record::default())).await
            }
        };
        self.told(self.0.driver.label(), "publish", status(&answer), began);
        answer
    }

    /// Makes the name say nothing of this node: the driver deletes it, or parks it where it cannot delete.
    ///
    /// # Errors
    /// As [`Dns::publish`].
    pub async fn withdraw(
        &self,
        name: &Fqdn,
        owner: &NameOwner,
        known: Option<&Record>,
    ) -> Result<Answer, Error> {
        let began = Instant::now();
        let answer = match &self.0.driver {
            Driver::NsupdateWeb(web) => web.withdraw(name, self.is_verifiable()).await,
            Driver::Rfc2136(server) => {
                server.withdraw(name, owner, known.unwrap_or(&Record::default())).await
            }
        };
        self.told(self.0.driver.label(), "withdraw", status(&answer), began);
        answer
    }

    /// What sets names: `nsupdate-web`.
    #[must_use]
    pub fn driver_name(&self) -> &'static str {
        self.0.driver.label()
    }

    fn told(&self, driver: &'static str, call: &'static str, status: &'static str, began: Instant) {
        (self.0.observe.0)(&Call { driver, call, status, took: began.elapsed() });
    }
}

impl Driver {
    /// Its name, for people and as a metric label.
    fn label(&self) -> &'static str {
        match self {
            Self::NsupdateWeb(_) => "nsupdate-web",
            Self::Rfc2136(_) => "rfc2136",
        }
    }
}

fn status(answer: &Result<Answer, Error>) -> &'static str {
    match answer {
        Ok(Answer::Done) => "done",
        Ok(Answer::Unproven) => "no-change",
        Err(_) => "failed",
    }
}

/// What somebody else said, fit for a condition.
fn saying(bytes: &[u8]) -> String {
    Saying::of_bytes(bytes).to_string()
}
