//! Who may work: leader election over a Lease, by client-go's rules.
//!
//! A candidate writes only with the `resourceVersion` it has just read, so of two writers one is refused. It
//! takes another's lease only when the record has not changed for the time named in it, on our own monotonic
//! clock. A leader's right to work ends at the renew deadline, counted from before the request that renewed it.
//! The deadline is shorter than the lease, so the leader has stopped before anybody can take over, even if it
//! cannot reach the API server at all. Begin reading at [`Lease::hold`].

mod leadership;
mod record;
mod settings;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1;
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use crate::kubernetes::error::said;

pub use leadership::{Leadership, Lost};
use record::LastWord;
pub use settings::{Invalid, Settings};

/// A candidate for the Lease.
#[derive(Debug)]
pub struct Lease {
    leases: Api<v1::Lease>,
    settings: Settings,
    leadership: watch::Sender<Leadership>,
    /// What another holder said last.
    heard: Option<LastWord>,
    /// Since the last success; so that trouble is told once.
    failing: Option<Instant>,
    /// The request that is waited for, and since when.
    asked: Mutex<Option<(&'static str, Instant)>>,
}

/// A lease we hold.
struct Term {
    lease: v1::Lease,
    since: Instant,
    until: Instant,
    /// Where the leader before was at home, if that was elsewhere.
    from: Option<String>,
}

/// The Lease as we have just taken it.
struct Taken {
    lease: v1::Lease,
    since: Instant,
    from: Option<String>,
}

impl Lease {
    /// A candidate that has not looked yet, and where it will stand.
    ///
    /// # Errors
    ///
    /// When the times would allow two leaders.
    pub fn new(
        client: kube::Client,
        settings: Settings,
    ) -> Result<(Self, watch::Receiver<Leadership>), Invalid> {
        settings.check()?;
        let leases = Api::namespaced(client, &settings.namespace);
        let (leadership, seen) = watch::channel(Leadership::Unknown(None));
        let asked = Mutex::default();
        Ok((Self { leases, settings, leadership, heard: None, failing: None, asked }, seen))
    }

    /// Stands for election, leads, and keeps the lease until `released`; then
    /// frees it for the next. Whoever works under it has stopped by then.
    ///
    /// # Errors
    ///
    /// When leadership is lost. All work must stop at once.
    pub async fn hold(mut self, released: impl Future<Output = ()>) -> Result<(), Lost> {
        let mut released = pin!(released);
        let lost = tokio::select! {
            biased;
            () = &mut released => None,
            lost = self.lead() => Some(lost),
        };
        let holder = match &lost {
            Some(Lost::Taken(by)) => Some(by.clone()),
            Some(Lost::Lapsed { .. }) | None => None,
        };
        self.leadership.send_replace(Leadership::Following { holder, home: None });
        if let Some(lost) = lost {
            return Err(lost);
        }
        self.release().await;
        Ok(())
    }

    async fn lead(&mut self) -> Lost {
        let mut term = self.win().await;
        info!(identity = self.settings.identity, "take the lease");
        self.failing = None;
        loop {
            self.tell(&term);
            if let Err(lost) = self.renew(&mut term).await {
                return lost;
            }
        }
    }

    /// Looks again and again until the lease is ours.
    async fn win(&mut self) -> Term {
        loop {
            let began = Instant::now();
            let until = began + self.settings.renew_deadline;
            // A slow answer is one too, as long as it leaves time to lead.
            let taken = timeout_at(until, self.take()).await;
            match taken {
                Ok(Ok(Some(Taken { lease, since, from })))
                    if Instant::now() < since + self.settings.renew_deadline =>
                {
                    return Term { lease, since, until: since + self.settings.renew_deadline, from };
                }
                Ok(Ok(_)) => self.failing = None,
                Ok(Err(kube::Error::Api(refusal))) if refusal.code == 409 => debug!("another was faster"),
                Ok(Err(error)) => self.complain(&said(&error)),
                Err(_) => self.complain(&self.unanswered()),
            }
            sleep_until(began + self.settings.retry).await;
        }
    }

    /// One look, and one write if the lease is to be had. The right to work counts from just before the write: others hear
    /// of us only after that.
    async fn take(&mut self) -> Result<Option<Taken>, kube::Error> {
        let found = self.get().await?;
        let since = Instant::now();
        let Some(lease) = found else {
            // Its holder works on until it notices; a deleted record frees nobody.
            if self.heard.as_ref().is_some_and(|word| word.binds(&self.settings, since)) {
                return Ok(None);
            }
            return self.create().await.map(|lease| Some(Taken { lease, since, from: None }));
        };
        let word = LastWord::hear(self.heard.take(), &lease, since);
        let bound = word.binds(&self.settings, since);
        self.heard = Some(word);
        match record::holder(&lease) {
            Some(other) if other != self.settings.identity && bound => {
                self.follow(other, record::home(&lease));
                Ok(None)
            }
            Some(_) | None => {
                let from = record::home(&lease).filter(|home| *home != self.settings.home);
                let from = from.map(ToOwned::to_owned);
                self.replace(&lease).await.map(|lease| Some(Taken { lease, since, from }))
            }
        }
    }

    /// Waits until it is time, and renews. A try may last as long as the right to work: a slow API server is not a lost
    /// one. After half of that time a second try begins beside the first, on another connection perhaps.
    async fn renew(&mut self, term: &mut Term) -> Result<(), Lost> {
        let mut next = term.until - self.settings.renew_deadline + self.settings.retry;
        let mut why = None;
        loop {
            sleep_until(next.min(term.until)).await;
            let began = Instant::now();
            let renewal = timeout_at(term.until, self.write_twice(&term.lease)).await;
            if Instant::now() >= term.until {
                let why = match &renewal {
                    Ok(Err(error)) => said(error),
                    Ok(Ok(_)) => "the answer came too late".to_owned(),
                    Err(_) => why.unwrap_or_else(|| self.unanswered()),
                };
                return Err(Lost::Lapsed { within: self.settings.renew_deadline, why });
            }
            match renewal {
                Ok(Ok(Ok((began, lease)))) => {
                    term.lease = lease;
                    term.until = began + self.settings.renew_deadline;
                    self.failing = None;
                    return Ok(());
                }
                Ok(Ok(Err(lost))) => return Err(lost),
                Ok(Err(error)) => {
                    self.complain(&said(&error));
                    why = Some(said(&error));
                }
                Err(_) => {}
            }
            next = began + self.settings.retry;
        }
    }

    /// Writes; and where the answer takes long, writes again beside it. The first that succeeds counts, from when it
    /// began. Both are tied to what was read, so that they cannot undo each other.
    async fn write_twice(&self, last: &v1::Lease) -> Result<Result<(Instant, v1::Lease), Lost>, kube::Error> {
        let try_once = async || {
            let began = Instant::now();
            Ok::<_, kube::Error>(self.write(last).await?.map(|lease| (began, lease)))
        };
        let mut first = pin!(try_once());
        let late = tokio::select! {
            biased;
            answer = &mut first => return answer,
            () = sleep_until(Instant::now() + self.patience()) => self.unanswered(),
        };
        warn!(why = late, "the lease is slow to renew; trying again beside it");
        let mut second = pin!(try_once());
        tokio::select! {
            biased;
            answer = &mut first => match answer {
                Ok(Ok(renewed)) => Ok(Ok(renewed)),
                Ok(Err(_)) | Err(_) => second.await,
            },
            answer = &mut second => match answer {
                Ok(answer) => Ok(answer),
                Err(_) => first.await,
            },
        }
    }

    /// Writes over what we wrote last. Where the record has changed since, it
    /// may have been us: a reply that was lost.
    async fn write(&self, last: &v1::Lease) -> Result<Result<v1::Lease, Lost>, kube::Error> {
        match self.replace(last).await {
            Err(kube::Error::Api(refusal)) if refusal.is_conflict() || refusal.is_not_found() => {}
            answer => return answer.map(Ok),
        }
        let Some(lease) = self.get().await? else {
            return self.create().await.map(Ok);
        };
        match record::holder(&lease) {
            Some(other) if other != self.settings.identity => Ok(Err(Lost::Taken(other.to_owned()))),
            Some(_) | None => self.replace(&lease).await.map(Ok),
        }
    }

    /// Frees the lease if it is ours, whatever we believe: a write may have
    /// been under way. If it fails, the others wait for its time to pass.
    async fn release(&mut self) {
        match timeout(self.patience(), self.free()).await {
            Ok(Ok(())) => info!("release the lease"),
            Ok(Err(error)) => self.complain(&said(&error)),
            Err(_) => self.complain(&self.unanswered()),
        }
    }

    async fn free(&self) -> Result<(), kube::Error> {
        loop {
            let Some(lease) = self.leases.get_opt(&self.settings.name).await? else { return Ok(()) };
            if record::holder(&lease) != Some(self.settings.identity.as_str()) {
                return Ok(());
            }
            let free = record::released(&lease, Timestamp::now());
            match self.leases.replace(&self.settings.name, &PostParams::default(), &free).await {
                Err(kube::Error::Api(refusal)) if refusal.is_conflict() => {}
                answer => return answer.map(drop),
            }
        }
    }

    async fn get(&self) -> Result<Option<v1::Lease>, kube::Error> {
        self.ask("GET", self.leases.get_opt(&self.settings.name)).await
    }

    async fn create(&self) -> Result<v1::Lease, kube::Error> {
        let first = record::first(&self.settings, Timestamp::now());
        self.ask("POST", self.leases.create(&PostParams::default(), &first)).await
    }

    async fn replace(&self, lease: &v1::Lease) -> Result<v1::Lease, kube::Error> {
        let held = record::held(lease, &self.settings, Timestamp::now());
        self.ask("PUT", self.leases.replace(&self.settings.name, &PostParams::default(), &held)).await
    }

    /// Notes which request is waited for.
    async fn ask<T>(
        &self,
        verb: &'static str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, kube::Error> {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some((verb, Instant::now()));
        request.await
    }

    /// Which request was not answered, and for how long.
    fn unanswered(&self) -> String {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (verb, since) = asked.unwrap_or(("nothing", Instant::now()));
        format!(
            "{verb} of Lease {}/{} not answered for {:.1} s; an admission webhook may hold it up",
            self.settings.namespace,
            self.settings.name,
            since.elapsed().as_secs_f64()
        )
    }

    /// How long one try may take until a second begins.
    fn patience(&self) -> Duration {
        self.settings.renew_deadline / 2
    }

    /// A renewal is not news: it can be seen, but wakes nobody.
    fn tell(&self, term: &Term) {
        let Term { since, until, ref from, .. } = *term;
        let leading = Leadership::Leading { since, until, from: from.clone() };
        self.leadership.send_if_modified(|told| {
            let news = !matches!(told, Leadership::Leading { .. });
            *told = leading;
            news
        });
    }

    fn follow(&self, holder: &str, home: Option<&str>) {
        let following =
            Leadership::Following { holder: Some(holder.to_owned()), home: home.map(ToOwned::to_owned) };
        let news = self.leadership.send_if_modified(|told| {
            let news = *told != following;
            *told = following;
            news
        });
        if news {
            info!(holder, home, "follow");
        }
    }

    fn complain(&mut self, why: &str) {
        match self.failing {
            None => {
                self.failing = Some(Instant::now());
                warn!(why, "cannot read or write the lease");
                self.leadership.send_if_modified(|told| {
                    let blind = matches!(told, Leadership::Unknown(_));
                    if blind {
                        *told = Leadership::Unknown(Some(why.to_owned()));
                    }
                    blind
                });
            }
            Some(since) => debug!(why, failing_for = ?since.elapsed(), "cannot read or write the lease"),
        }
    }
}
