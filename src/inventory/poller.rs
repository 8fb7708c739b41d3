//! Lists each kind in bulk, as often as somebody waits for it, and wakes the nodes it concerns. A call that is never
//! answered holds up only its own kind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use super::kinds::{self, Asked};
use super::{Inventory, State};
use crate::error::Class;
use crate::metrics::{Metrics, Poll};
use crate::openstack::Error;
use crate::openstack::rate::Lane;
use crate::openstack::session::Session;
use crate::supervision::Pulse;
use crate::things::{FloatingIp, Kind, Port, Proof, Server, Volume};

/// A listing takes no longer, with the pause that a service may ask for and with all its pages.
const LISTING: Duration = Duration::from_mins(20);

/// How often it is asked whether the pace is still the same: nobody tells that the last node has got room.
const PACE_MAY_CHANGE: Duration = Duration::from_secs(15);

/// How often to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// While somebody waits.
    pub active: Duration,
    /// While nobody does. Some kinds are looked at less often.
    pub idle: Duration,
    /// A node has, or is to have, what most have not: a floating IP.
    pub rare: bool,
}

/// So often in a row Nova is asked why a server is in ERROR. Then that stays unknown.
const EXPLANATIONS: u32 = 3;

/// The pause between two listings that nobody needs: until somebody does.
const NEVER: Duration = Duration::from_hours(24 * 30);

/// However much of it is made, what hardly anybody has is listed once in so many of its idle periods.
const LONGEST_REST: u32 = 8;

/// So many deleted things are worth one question for all.
const MANY: usize = 2;

/// The pause after such a question that came to nothing.
const IN_VAIN: Duration = Duration::from_mins(10);

/// The pause after a question of that sort that failed.
const EXPLAIN_AGAIN: Duration = Duration::from_secs(5);

/// Polls one kind until it is aborted. `news` is called when the cloud can be looked at for the first time, is away, or is
/// back.
pub async fn poll(
    inventory: Arc<Inventory>,
    kind: Kind,
    cloud: String,
    session: impl Fn() -> Option<(Session, Pace)>,
    metrics: Metrics,
    pulse: Pulse,
    news: impl Fn(),
) {
    match kind {
        Kind::Server => poll_kind::<Server>(&inventory, &cloud, session, &metrics, &pulse, news).await,
        Kind::Volume => poll_kind::<Volume>(&inventory, &cloud, session, &metrics, &pulse, news).await,
        Kind::FloatingIp => {
            poll_kind::<FloatingIp>(&inventory, &cloud, session, &metrics, &pulse, news).await;
        }
        Kind::Port => poll_kind::<Port>(&inventory, &cloud, session, &metrics, &pulse, news).await,
    }
}

async fn poll_kind<T: Asked>(
    inventory: &Inventory,
    cloud: &str,
    session: impl Fn() -> Option<(Session, Pace)>,
    metrics: &Metrics,
    pulse: &Pulse,
    news: impl Fn(),
) {
    let kind = T::KIND;
    let standing = || {
        let state = inventory.lock();
        (state.ledger(kind).last().is_some(), state.ledger(kind).away().is_some())
    };
    loop {
        let poked = inventory.poked(kind).notified();
        let Some((session, pace)) = session() else {
            pulse.rest();
            poked.await;
            continue;
        };
        let next = due::<T>(&inventory.lock(), pace);
        pulse.beat(next.saturating_duration_since(Instant::now()) + LISTING);
        tokio::select! {
            () = sleep_until(next.min(Instant::now() + PACE_MAY_CHANGE)) => {}
            () = poked => continue,
        }
        // Meanwhile another answer may have told what somebody waited for.
        let still = due::<T>(&inventory.lock(), pace);
        if Instant::now() < still {
            continue;
        }
        let before = standing();
        pulse.beat(LISTING);
        session.limiter().ready(kinds::service(kind), Lane::Poll).await;
        let began = Instant::now();
        match list::<T>(inventory, &session, began).await {
            Ok(woken) => {
                metrics.polled(cloud, kind.label(), Poll::Complete);
                debug!(cloud, kind = kind.word(), took = ?began.elapsed(), "listed");
                confirm::<T>(inventory, &session).await;
                for uid in woken {
                    (inventory.wake)(&uid);
                }
            }
            Err(error) => {
                metrics.polled(cloud, kind.label(), Poll::Failed);
                failed(inventory, kind, cloud, &error);
            }
        }
        if standing() != before {
            news();
        }
    }
}

/// When to list a kind next. What hardly anybody has is listed once after a start, and then while there is a reason; what we
/// made ourselves a moment ago is known.
fn due<T: Asked>(state: &State, pace: Pace) -> Instant {
    let ledger = state.ledger(T::KIND);
    let needless = T::RARE && !pace.rare && !state.shelf(T::KIND).has_things();
    let idle = if needless { NEVER } else { pace.idle * T::RESTS };
    let due = ledger.due(Instant::now(), pace.active, idle);
    if !T::RARE || !ledger.is_quiet() {
        return due;
    }
    match (ledger.last(), ledger.changed()) {
        (Some(last), Some(changed)) => due.max((changed + idle).min(last + idle * LONGEST_REST)),
        _ => due,
    }
}

/// An error while looking is never "nothing there".
fn failed(inventory: &Inventory, kind: Kind, cloud: &str, error: &Error) {
    let now = Instant::now();
    let mut state = inventory.lock();
    state.unseen(kind, now);
    let ledger = state.ledger_mut(kind);
    ledger.failed(now, error.class().reason(), error.to_string(), error.retry_after());
    let failures = ledger.failing().map_or(1, |failing| failing.failures);
    drop(state);
    warn!(cloud, kind = kind.word(), failures, %error, "listing failed");
}

/// Lists a kind and takes in what there is. Returns the UIDs of the nodes that it concerns.
async fn list<T: Asked>(
    inventory: &Inventory,
    session: &Session,
    began: Instant,
) -> Result<Vec<String>, Error> {
    let found = T::list(inventory, session).await?;
    let mut state = inventory.lock();
    state.seen(T::KIND, Instant::now());
    let shelf = T::shelf(&mut state);
    let mut woken = shelf.listed(began, found);
    shelf.ledger.took(began.elapsed());
    woken.extend(shelf.ledger.satisfied(began));
    if state.unexplained().is_some() {
        inventory.unexplained.notify_one();
    }
    Ok(woken.into_iter().collect())
}

/// Where many are deleted, one question proves of all of them what each node would ask for its own. If it comes to nothing,
/// they ask.
async fn confirm<T: Asked>(inventory: &Inventory, session: &Session) {
    let began = Instant::now();
    let unproved = {
        let mut state = inventory.lock();
        let in_vain = state.ask_of_many.is_some_and(|again| again > began);
        if in_vain || T::GONE_BY != Proof::NotFound { Vec::new() } else { T::shelf(&mut state).unproved() }
    };
    if unproved.len() < MANY {
        return;
    }
    let gone = T::gone(session, &unproved).await.unwrap_or_else(|error| {
        debug!(%error, "which servers are gone cannot be listed");
        BTreeSet::new()
    });
    let mut state = inventory.lock();
    if gone.is_empty() {
        state.ask_of_many = Some(began + IN_VAIN);
    }
    for id in gone {
        if let Some(owner) = state.shelf(T::KIND).owner(&id) {
            state.gone(T::KIND, &id, &owner, began, Instant::now());
        }
    }
}

/// Asks, one by one, why servers are in ERROR: Nova's list has the faults of one cell only. This stands beside the
/// listings, so that what cannot be told of one server holds up nothing else, and as a question of the lowest urgency it
/// waits for room under the Cloud's rate.
pub async fn explain(
    inventory: Arc<Inventory>,
    cloud: String,
    session: impl Fn() -> Option<(Session, Pace)>,
    pulse: Pulse,
) {
    let mut failures = 0;
    loop {
        let news = inventory.unexplained.notified();
        let next = inventory.lock().unexplained();
        let (Some(id), Some((session, _))) = (next, session()) else {
            failures = 0;
            pulse.rest();
            news.await;
            continue;
        };
        pulse.beat(LISTING);
        session.limiter().ready(kinds::service(Kind::Server), Lane::Poll).await;
        match inventory.read(&session, Kind::Server, &id, None).await {
            Ok(true) => {}
            // A listing, and then a turn, find out what became of it.
            Ok(false) => inventory.lock().unexplainable(&id),
            // The limiter knows how long.
            Err(error) if error.class() == Class::Busy => continue,
            Err(error) => {
                failures += 1;
                warn!(cloud, server = id, failures, %error, "why it is in ERROR cannot be read");
                if failures < EXPLANATIONS {
                    sleep(EXPLAIN_AGAIN).await;
                    continue;
                }
                inventory.lock().unexplainable(&id);
            }
        }
        failures = 0;
        let owner = inventory.lock().shelf(Kind::Server).owner(&id);
        if let Some(owner) = owner {
            (inventory.wake)(&owner.uid);
        }
    }
}

/// Asks for servers that are being deleted, one by one, while few are. It stands beside the listings, so that neither holds up
/// the other.
pub async fn see_off(inventory: Arc<Inventory>, session: impl Fn() -> Option<(Session, Pace)>, pulse: Pulse) {
    loop {
        let news = inventory.farewells.notified();
        let next = inventory.lock().farewells.next();
        let (Some((id, owner, due)), Some((session, _))) = (next, session()) else {
            pulse.rest();
            news.await;
            continue;
        };
        pulse.beat(due.saturating_duration_since(Instant::now()) + LISTING);
        tokio::select! {
            () = sleep_until(due) => {}
            () = news => continue,
        }
        session.limiter().ready(kinds::service(Kind::Server), Lane::Poll).await;
        if !inventory.lock().farewells.look(&id) {
            continue;
        }
        if let Err(error) = inventory.confirm(&session, Kind::Server, &id, &owner).await {
            debug!(server = id, %error, "whether it is gone is not known");
        } else if inventory.lock().servers.entry(&id).is_none() {
            (inventory.wake)(&owner.uid);
        }
    }
}
