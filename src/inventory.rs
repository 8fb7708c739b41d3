//! What is ours in one cloud. One poller for each kind lists in bulk whatever carries our cluster id; the answers of our
//! own calls are folded in; nodes whose things changed are woken. A node's turn reads from here and never lists.
//!
//! [`kinds`] says how each kind is listed, read and deleted. [`shelf::Shelf::listed`] says what a listing may change, and
//! what it proves.

pub mod farewell;
pub mod kinds;
pub mod ledger;
pub mod poller;
pub mod shelf;
pub mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::openstack::{Error, Session};
use crate::things::{FloatingIp, Kind, Owner, PerKind, Port, Server, Volume};
use kinds::Asked;
pub use state::State;

/// Tells the controller that something of the node with this UID changed.
pub type Wake = Arc<dyn Fn(&str) + Send + Sync>;

/// What is ours in one cloud.
pub struct Inventory {
    cluster_id: String,
    state: Mutex<State>,
    wake: Wake,
    poke: PerKind<Notify>,
    unexplained: Notify,
    farewells: Notify,
}

impl Inventory {
    /// An inventory of what carries this cluster id.
    #[must_use]
    pub fn new(cluster_id: String, wake: Wake) -> Arc<Self> {
        Arc::new(Self {
            cluster_id,
            state: Mutex::default(),
            wake,
            poke: PerKind::from_fn(|_| Notify::new()),
            unexplained: Notify::new(),
            farewells: Notify::new(),
        })
    }

    /// The cluster id that marks what is ours.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The state, for a short while.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node waits for news of what it has.
    pub fn want_news(&self, uid: &str, kind: Kind) {
        let mut state = self.lock();
        // A listing tells nothing that the looks by id do not tell sooner.
        let looks = if kind == Kind::Server { state.farewells.over(uid) } else { None };
        match looks {
            Some(over) => state.ledger_mut(kind).want(uid, over),
            None => state.ledger_mut(kind).want_news(uid, Instant::now()),
        }
        drop(state);
        if looks.is_some() {
            self.farewells.notify_one();
        }
        self.poke(kind);
    }

    /// A node waits until no request of unknown fate can still take effect: just the two listings that prove it are made.
    pub fn want_settled(&self, uid: &str, kind: Kind, suspect: Option<Instant>) {
        let mut state = self.lock();
        let ledger = state.ledger_mut(kind);
        match ledger.settles_at(uid, suspect) {
            Some(at) => ledger.want(uid, at),
            None => ledger.want_news(uid, Instant::now()),
        }
        drop(state);
        self.poke(kind);
    }

    /// There is a thing of a kind that is listed only where there is one.
    pub fn reconsider(&self, kind: Kind) {
        self.poke(kind);
    }

    /// The session or the pace changed.
    pub fn nudge(&self) {
        for kind in Kind::ALL {
            self.poke(kind);
        }
        self.unexplained.notify_one();
        self.farewells.notify_one();
    }

    /// Asks the cloud whether a thing is still there, and takes the answer in. Only a 404 for its id proves that it is gone.
    /// `owner` is whose it is, should it not be known here.
    ///
    /// # Errors
    /// If the cloud does not say.
    pub async fn confirm(&self, session: &Session, kind: Kind, id: &str, owner: &Owner) -> Result<(), Error> {
        let asked = Instant::now();
        if !self.read(session, kind, id, Some(owner)).await? {
            self.lock().gone(kind, id, owner, asked, Instant::now());
        }
        Ok(())
    }

    /// Asks the cloud for a thing by its id, and takes in what it is like. Returns whether it is there. `owner` is whose it
    /// is, if that is known by its id alone.
    ///
    /// # Errors
    /// If the cloud does not say.
    pub async fn read(
        &self,
        session: &Session,
        kind: Kind,
        id: &str,
        owner: Option<&Owner>,
    ) -> Result<bool, Error> {
        match kind {
            Kind::Server => self.read_kind::<Server>(session, id, owner).await,
            Kind::Volume => self.read_kind::<Volume>(session, id, owner).await,
            Kind::FloatingIp => self.read_kind::<FloatingIp>(session, id, owner).await,
            Kind::Port => self.read_kind::<Port>(session, id, owner).await,
        }
    }

    async fn read_kind<T: Asked>(
        &self,
        session: &Session,
        id: &str,
        owner: Option<&Owner>,
    ) -> Result<bool, Error> {
        let asked = Instant::now();
        let found = T::get(self, session, id).await?;
        let is_there = found.is_some();
        if let Some(found) = found {
            T::shelf(&mut self.lock()).fold_as(found, owner, asked);
        }
        Ok(is_there)
    }

    fn poke(&self, kind: Kind) {
        self.poke.get(kind).notify_one();
    }

    fn poked(&self, kind: Kind) -> &Notify {
        self.poke.get(kind)
    }
}
