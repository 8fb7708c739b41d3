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
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1;
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

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
}

/// A lease we hold.
struct Term {
    lease: v1::Lease,
    since: Instant,
    until: Instant,
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
        let (leadership, seen) = watch::channel(Leadership::Unknown);
        Ok((Self { leases, settings, leadership, heard: None, failing: None }, seen))
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
            Some(Lost::Lapsed(_)) | None => None,
        };
        self.leadership.send_replace(Leadership::Following { holder });
        if let Some(lost) = lost {
            return Err(lost);
        }
        self.release().await;
        Ok(())
    }

    async fn lead(&mut self) -> Lost {
        let mut term = self.win().await;
        info!(identity = self.settings.identity, "lead");
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
            let taken = timeout(self.patience(), self.take()).await;
            let until = began + self.settings.renew_deadline;
            match taken {
                Ok(Ok(Some(lease))) if Instant::now() < until => return Term { lease, since: began, until },
                Ok(Ok(_)) => self.failing = None,
                Ok(Err(kube::Error::Api(refusal))) if refusal.code == 409 => debug!("another was faster"),
                Ok(Err(error)) => self.complain(&error),
                Err(late) => self.complain(&late),
            }
            sleep_until(began + self.settings.retry).await;
        }
    }

    /// One look, and one write if the lease is to be had.
    async fn take(&mut self) -> Result<Option<v1::Lease>, kube::Error> {
        let found = self.leases.get_opt(&self.settings.name).await?;
        let now = Instant::now();
        let Some(lease) = found else {
            // Its holder works on until it notices; a deleted record frees nobody.
            if self.heard.as_ref().is_some_and(|word| word.binds(&self.settings, now)) {
                return Ok(None);
            }
            return self.create().await.map(Some);
        };
        let word = LastWord::hear(self.heard.take(), &lease, now);
        let bound = word.binds(&self.settings, now);
        self.heard = Some(word);
        match record::holder(&lease) {
            Some(other) if other != self.settings.identity && bound => {
                self.follow(other);
                Ok(None)
            }
            Some(_) | None => self.replace(&lease).await.map(Some),
        }
    }

    /// Waits until it is time, and renews; comes back while there is time left.
    async fn renew(&mut self, term: &mut Term) -> Result<(), Lost> {
        let mut next = term.until - self.settings.renew_deadline + self.settings.retry;
        loop {
            sleep_until(next.min(term.until)).await;
            let began = Instant::now();
            if began >= term.until {
                return Err(Lost::Lapsed(self.settings.renew_deadline));
            }
            let renewal = timeout_at(term.until.min(began + self.patience()), self.write(&term.lease)).await;
            if Instant::now() >= term.until {
                return Err(Lost::Lapsed(self.settings.renew_deadline));
            }
            match renewal {
                Ok(Ok(Ok(lease))) => {
                    term.lease = lease;
                    term.until = began + self.settings.renew_deadline;
                    self.failing = None;
                    return Ok(());
                }
                Ok(Ok(Err(lost))) => return Err(lost),
                Ok(Err(error)) => self.complain(&error),
                Err(late) => self.complain(&late),
            }
            next = began + self.settings.retry;
        }
    }

    /// Writes over what we wrote last. Where the record has changed since, it
    /// may have been us: a reply that was lost.
    async fn write(&self, last: &v1::Lease) -> Result<Result<v1::Lease, Lost>, kube::Error> {
        match self.replace(last).await {
            Err(kube::Error::Api(refusal)) if refusal.is_conflict() || refusal.is_not_found() => {}
            answer => return answer.map(Ok),
        }
        let Some(lease) = self.leases.get_opt(&self.settings.name).await? else {
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
            Ok(Err(error)) => self.complain(&error),
            Err(late) => self.complain(&late),
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

    async fn create(&self) -> Result<v1::Lease, kube::Error> {
        let first = record::first(&self.settings, Timestamp::now());
        self.leases.create(&PostParams::default(), &first).await
    }

    async fn replace(&self, lease: &v1::Lease) -> Result<v1::Lease, kube::Error> {
        let held = record::held(lease, &self.settings, Timestamp::now());
        self.leases.replace(&self.settings.name, &PostParams::default(), &held).await
    }

    /// How long one try may hang, so that there is time for a second.
    fn patience(&self) -> Duration {
        self.settings.renew_deadline / 2
    }

    /// A renewal is not news: it can be seen, but wakes nobody.
    fn tell(&self, term: &Term) {
        let leading = Leadership::Leading { since: term.since, until: term.until };
        self.leadership.send_if_modified(|told| {
            let news = !matches!(told, Leadership::Leading { .. });
            *told = leading;
            news
        });
    }

    fn follow(&self, holder: &str) {
        let following = Leadership::Following { holder: Some(holder.to_owned()) };
        let news = self.leadership.send_if_modified(|told| {
            let news = *told != following;
            *told = following;
            news
        });
        if news {
            info!(holder, "follow");
        }
    }

    fn complain(&mut self, error: &(dyn std::error::Error + 'static)) {
        match self.failing {
            None => {
                self.failing = Some(Instant::now());
                warn!(error, "cannot read or write the lease");
            }
            Some(since) => debug!(error, failing_for = ?since.elapsed(), "cannot read or write the lease"),
        }
    }
}
