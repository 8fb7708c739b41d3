//! Trouble on demand, and a record of who asked for what.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::request::{Call, Verb};
use crate::status::Status;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused with this code (409, 500, 503 …); nothing happens.
    Refuse(u16),
    /// Never answered, and nothing happens.
    Hang,
    /// It takes effect, and the answer is lost: the request hangs.
    LoseReply,
    /// It takes effect, and the answer says 500.
    FailReply,
    /// Answered after this long.
    Delay(Duration),
}

/// How a server that is out behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Every request is answered 503.
    Unavailable,
    /// No request is answered until the outage is over, then with 503.
    Silent,
}

/// A write that was answered.
#[derive(Clone, Debug)]
pub struct Written {
    /// When, by the cluster's clock.
    pub at: Timestamp,
    /// What was asked for.
    pub call: Call,
    /// Who asked: the field manager.
    pub manager: String,
    /// The code of the answer, even where it was lost.
    pub code: u16,
}

type Matcher = Box<dyn Fn(&Call) -> bool + Send>;
type Observer = Box<dyn FnMut(&Call) + Send>;

struct Injected {
    left: usize,
    when: Matcher,
    fault: Fault,
}

struct Plan {
    injected: Vec<Injected>,
    outage: Option<(Instant, Outage)>,
    slow: Duration,
    expiring: usize,
    struck: usize,
    calls: BTreeMap<(Verb, String), usize>,
    log: Vec<Written>,
    observers: Vec<Observer>,
}

/// A handle on the trouble of one cluster.
#[derive(Clone)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
    drops: watch::Sender<u64>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

impl Faults {
    pub(crate) fn none() -> Self {
        let plan = Plan {
            injected: Vec::new(),
            outage: None,
            slow: Duration::ZERO,
            expiring: 0,
            struck: 0,
            calls: BTreeMap::new(),
            log: Vec::new(),
            observers: Vec::new(),
        };
        Self { plan: Arc::new(Mutex::new(plan)), drops: watch::Sender::new(0) }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a fault happen to the next `times` requests that match.
    pub fn inject(&self, times: usize, when: impl Fn(&Call) -> bool + Send + 'static, fault: Fault) {
        self.plan().injected.push(Injected { left: times, when: Box::new(when), fault });
    }

    /// Answers the next `times` writes of a resource, by its plural, with 409.
    pub fn conflict(&self, times: usize, resource: &str) {
        let resource = resource.to_owned();
        self.inject(times, move |call| call.verb.writes() && call.resource == resource, Fault::Refuse(409));
    }

    /// Cuts all watches that are open; they end without a word.
    pub fn drop_watches(&self) {
        self.drops.send_modify(|drops| *drops += 1);
    }

    /// Tells the next `times` watches that their resource version is too old.
    pub fn expire_watches(&self, times: usize) {
        self.plan().expiring += times;
    }

    /// Takes the server out for a while, open watches included.
    pub fn outage(&self, lasting: Duration, kind: Outage) {
        self.plan().outage = Some((Instant::now() + lasting, kind));
        self.drop_watches();
    }

    /// Ends an outage early.
    pub fn end_outage(&self) {
        self.plan().outage = None;
    }

    /// Answers everything this much later, until told otherwise.
    pub fn slow(&self, delay: Duration) {
        self.plan().slow = delay;
    }

    /// Forgets all trouble that is still to come.
    pub fn clear(&self) {
        let mut plan = self.plan();
        plan.injected.clear();
        plan.outage = None;
        plan.slow = Duration::ZERO;
        plan.expiring = 0;
    }

    /// Calls back at every request for a resource, before anything happens to it. The callback may look at
    /// the cluster, but not at these faults.
    pub fn observe(&self, observer: impl FnMut(&Call) + Send + 'static) {
        self.plan().observers.push(Box::new(observer));
    }

    /// How many requests met trouble.
    #[must_use]
    pub fn struck(&self) -> usize {
        self.plan().struck
    }

    /// How many requests there were, by verb and plural.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<(Verb, String), usize> {
        self.plan().calls.clone()
    }

    /// How many requests there were with this verb for this plural.
    #[must_use]
    pub fn count(&self, verb: Verb, resource: &str) -> usize {
        self.plan().calls.get(&(verb, resource.to_owned())).copied().unwrap_or_default()
    }

    /// All writes so far, in order.
    #[must_use]
    pub fn log(&self) -> Vec<Written> {
        self.plan().log.clone()
    }

    pub(crate) fn drops(&self) -> watch::Receiver<u64> {
        self.drops.subscribe()
    }

    pub(crate) fn expires_this_watch(&self) -> bool {
        let mut plan = self.plan();
        let expires = plan.expiring > 0;
        plan.expiring = plan.expiring.saturating_sub(1);
        expires
    }

    pub(crate) fn record(&self, written: Written) {
        self.plan().log.push(written);
    }

    /// What happens before the server looks at a request; some of it waits until [`Self::after`].
    pub(crate) async fn before(&self, call: Option<&Call>) -> Result<Option<Fault>, Status> {
        let (outage, slow, fault) = {
            let mut plan = self.plan();
            let now = Instant::now();
            let outage = plan.outage.filter(|(until, _)| *until > now);
            let fault = call.and_then(|call| plan.draw(call));
            plan.struck += usize::from(outage.is_some() || fault.is_some());
            (outage, plan.slow, fault)
        };
        let out =
            || Status::new(503, "ServiceUnavailable", "the server is currently unable to handle the request");
        match outage {
            Some((_, Outage::Unavailable)) => return Err(out()),
            Some((until, Outage::Silent)) => {
                sleep_until(until).await;
                return Err(out());
            }
            None => {}
        }
        if !slow.is_zero() {
            sleep(slow).await;
        }
        match fault {
            Some(Fault::Refuse(code)) => Err(refused(code)),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Delay(delay)) => {
                sleep(delay).await;
                Ok(None)
            }
            later @ (Some(Fault::LoseReply | Fault::FailReply) | None) => Ok(later),
        }
    }

    /// What happens to the answer.
    pub(crate) async fn after(fault: Option<Fault>) -> Result<(), Status> {
        match fault {
            Some(Fault::LoseReply) => std::future::pending().await,
            Some(Fault::FailReply) => Err(refused(500)),
            Some(Fault::Refuse(_) | Fault::Hang | Fault::Delay(_)) | None => Ok(()),
        }
    }
}

impl Plan {
    /// Counts a request and draws its fault.
    fn draw(&mut self, call: &Call) -> Option<Fault> {
        *self.calls.entry((call.verb, call.resource.clone())).or_default() += 1;
        self.observers.iter_mut().for_each(|observer| observer(call));
        let hit = self.injected.iter_mut().find(|injected| injected.left > 0 && (injected.when)(call))?;
        hit.left -= 1;
        let fault = hit.fault;
        self.injected.retain(|injected| injected.left > 0);
        Some(fault)
    }
}

fn refused(code: u16) -> Status {
    let (reason, message) = match code {
        403 => ("Forbidden", "forbidden: injected"),
        404 => ("NotFound", "not found: injected"),
        409 => ("Conflict", "Operation cannot be fulfilled: the object has been modified; injected"),
        410 => ("Expired", "too old resource version: injected"),
        429 => ("TooManyRequests", "too many requests: injected"),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request: injected"),
        504 => ("Timeout", "request did not complete within the allotted timeout: injected"),
        _ => ("InternalError", "Internal error occurred: injected"),
    };
    Status::new(code, reason, message)
}
