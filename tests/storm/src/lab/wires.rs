//! The ways from an operator to the world, none of which is a socket.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use devcloud::sshd::Sshd;
use devcloud::{DevCloud, Dropped, Status};
use jiff::SignedDuration;
use testnode_operator::dns::exchange::Exchange;
use testnode_operator::guest::dial::Dial;
use testnode_operator::reconcile::context::Seams;
use testnode_operator::transport::{Failure, TlsOptions, Transport};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

use super::cluster::Cluster;

/// nsupdate gives up after this: a request of nsupdate-web's does not come later.
const NSUPDATE: Duration = Duration::from_secs(3);

/// The clouds by host, and the one that has the names.
#[derive(Clone)]
pub struct Wires {
    /// When the lab was made.
    pub began: Instant,
    clouds: Arc<Mutex<BTreeMap<String, DevCloud>>>,
    names: DevCloud,
    /// Guests that drop every packet: how their servers' names begin.
    deaf: Arc<Mutex<Option<String>>>,
    /// Who may log in to guests, and which files they have.
    guests: Arc<Mutex<Sshd>>,
    /// How far the operator's wall clock is ahead.
    ahead: Arc<Mutex<SignedDuration>>,
}

/// Makes the way to a host.
pub type MakeTransport = dyn Fn(&TlsOptions) -> Result<Transport, Failure> + Send + Sync;

/// What one operator's requests pass. Closed, it lets nothing out and nothing in, for ever.
#[derive(Default)]
pub struct Gate {
    closed: AtomicBool,
    passed: AtomicUsize,
    closing: Mutex<Option<Closing>>,
    shut: Notify,
}

/// At which request a gate closes by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Closing {
    /// The first is 0.
    pub at: usize,
    /// Whether that request still takes effect.
    pub reached: Reached,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reached {
    /// It never left.
    Nothing,
    /// It took effect; the answer found nobody.
    World,
    /// It takes effect only after a while.
    WorldLater(Duration),
}

impl Gate {
    /// Cuts the operator off, for ever.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.shut.notify_waiters();
    }

    /// Whether it is cut off.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// How many requests have come by.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }

    /// Closes it at a request to come.
    pub fn close_at(&self, closing: Closing) {
        *self.closing.lock().unwrap() = Some(closing);
    }

    /// Lets a request by, or swallows it.
    pub async fn pass<T: Send + 'static>(&self, request: impl Future<Output = T> + Send + 'static) -> T {
        self.pass_within(Duration::MAX, request).await
    }

    /// The same, of a gate that is shared.
    pub async fn passing<T: Send + 'static>(
        self: Arc<Self>,
        request: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.pass(request).await
    }

    /// The same for a request that takes effect within a time, or never.
    async fn pass_within<T: Send + 'static>(
        &self,
        limit: Duration,
        request: impl Future<Output = T> + Send + 'static,
    ) -> T {
        if self.is_closed() {
            return std::future::pending().await;
        }
        let number = self.passed.fetch_add(1, Ordering::SeqCst);
        let closing = *self.closing.lock().unwrap();
        if let Some(closing) = closing.filter(|closing| closing.at == number) {
            match closing.reached {
                Reached::Nothing => {}
                Reached::World => drop(request.await),
                Reached::WorldLater(by) => drop(tokio::spawn(async move {
                    sleep(by.min(limit)).await;
                    request.await;
                })),
            }
            self.close();
            return std::future::pending().await;
        }
        let shut = self.shut.notified();
        tokio::select! {
            answer = request => answer,
            () = shut => std::future::pending().await,
        }
    }
}

impl Wires {
    /// Ways to no cloud yet; these are the names.
    #[must_use]
    pub fn new(names: DevCloud) -> Self {
        Self {
            began: Instant::now(),
            clouds: Arc::default(),
            names,
            deaf: Arc::default(),
            guests: Arc::default(),
            ahead: Arc::default(),
        }
    }

    /// Lets a cloud be reached at a host.
    pub fn plug(&self, host: &str, cloud: DevCloud) {
        self.clouds.lock().unwrap().insert(host.to_owned(), cloud);
    }

    /// Lets nothing be reached at a host any more: connections are refused.
    pub fn unplug(&self, host: &str) {
        self.clouds.lock().unwrap().remove(host);
    }

    /// Lets guests drop every packet, if the names of their servers begin like this.
    pub fn deafen(&self, prefix: &str) {
        *self.deaf.lock().unwrap() = Some(prefix.to_owned());
    }

    /// Lets a user in to guests, with the private half of a public key.
    pub fn authorize(&self, user: &str, public: &[u8]) {
        self.guests.lock().unwrap().authorized = Some((user.to_owned(), public.to_vec()));
    }

    /// Puts a file into all guests.
    pub fn touch(&self, file: &str) {
        self.guests.lock().unwrap().files.push(file.to_owned());
    }

    /// Sets the operator's wall clock ahead by so much, or back.
    pub fn set_clock(&self, ahead: SignedDuration) {
        *self.ahead.lock().unwrap() = ahead;
    }

    /// How far it is ahead.
    #[must_use]
    pub fn clock_is_ahead(&self) -> SignedDuration {
        *self.ahead.lock().unwrap()
    }

    /// The clouds by host.
    #[must_use]
    pub fn clouds(&self) -> BTreeMap<String, DevCloud> {
        self.clouds.lock().unwrap().clone()
    }

    /// The way to clouds and nsupdate-web.
    #[must_use]
    pub fn http(&self, gate: &Arc<Gate>) -> Arc<MakeTransport> {
        let (wires, gate) = (self.clone(), gate.clone());
        Arc::new(move |_| {
            let (wires, gate) = (wires.clone(), gate.clone());
            Ok(Transport::service(move |request| {
                let (wires, gate) = (wires.clone(), gate.clone());
                let nsupdate = request.uri().path().starts_with("/nsupdate");
                let limit = if nsupdate { NSUPDATE } else { Duration::MAX };
                async move { gate.pass_within(limit, async move { wires.carry(request).await }).await }
            }))
        })
    }

    async fn carry(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, Failure> {
        let (mut head, body) = request.into_parts();
        let host = head.uri.authority().unwrap().as_str().to_owned();
        let Some(cloud) = self.clouds().remove(&host) else {
            return Err(Failure::before(format!("{host}: connection refused")));
        };
        head.headers.insert(http::header::HOST, host.parse().unwrap());
        let Ok(response) = cloud.router().oneshot(http::Request::from_parts(head, Body::from(body))).await;
        if response.extensions().get::<Dropped>().is_some() {
            return Err(Failure::after("connection closed".into()));
        }
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Ok(http::Response::from_parts(head, body.to_vec()))
    }

    /// The way to the name server.
    #[must_use]
    pub fn dns(&self, gate: &Arc<Gate>) -> Exchange {
        let (names, gate) = (self.names.clone(), gate.clone());
        Exchange::new(move |_, question, _| {
            let (names, gate) = (names.clone(), gate.clone());
            async move { gate.pass(async move { Ok(names.dns_reply(&question).await) }).await }
        })
    }

    /// All ways out of a process, through a gate.
    #[must_use]
    pub fn seams(&self, cluster: &Cluster, gate: &Arc<Gate>) -> Seams {
        let (clock, set) = (cluster.clone(), self.clone());
        Seams {
            http: self.http(gate),
            dns: self.dns(gate),
            dial: self.dial(gate),
            clock: Arc::new(move || clock.now() + set.clock_is_ahead()),
        }
    }

    /// A guest answers once its server is ACTIVE.
    #[must_use]
    pub fn dial(&self, gate: &Arc<Gate>) -> Dial {
        let (wires, gate) = (self.clone(), gate.clone());
        Dial::new(move |address| {
            let (wires, gate) = (wires.clone(), gate.clone());
            async move { gate.pass(async move { wires.knock(address.ip()).await }).await }
        })
    }

    async fn knock(&self, address: IpAddr) -> io::Result<DuplexStream> {
        let servers = self.clouds().into_values().flat_map(|cloud| {
            let ports = cloud.ports();
            let owner = ports.into_iter().find(|port| IpAddr::V4(port.address) == address);
            cloud.servers().into_iter().filter(move |server| {
                owner.as_ref().is_some_and(|port| server.id == port.device_id)
                    && server.status == Status::Active
                    && !server.fate.no_answer
                    && server
                        .boots
                        .last()
                        .is_some_and(|boot| boot.elapsed().as_secs() >= server.fate.sshd_takes)
            })
        });
        let Some(guest) = servers.into_iter().next() else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let deaf = self.deaf.lock().unwrap().clone();
        if deaf.is_some_and(|prefix| guest.name.starts_with(&prefix)) {
            std::future::pending::<()>().await;
        }
        let Sshd { authorized, files, .. } = self.guests.lock().unwrap().clone();
        let sshd = Sshd { authorized, files, ..Sshd::of(&guest) };
        let (ours, theirs) = duplex(8192);
        // That the operator hangs up is its right.
        tokio::spawn(async move { drop(sshd.serve(theirs).await) });
        Ok(ours)
    }
}
