//! Runs the requests of turns, beside the turns: see `in_flight`.

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tracing::error;

/// Starts requests.
#[derive(Debug)]
pub struct Calls(UnboundedSender<BoxFuture<'static, ()>>);

/// Runs requests; see [`Running::beside`].
#[derive(Debug)]
pub struct Running(UnboundedReceiver<BoxFuture<'static, ()>>);

impl Calls {
    /// No request is in flight.
    #[must_use]
    pub fn new() -> (Self, Running) {
        let (start, started) = unbounded_channel();
        (Self(start), Running(started))
    }

    /// Starts a request.
    pub fn start(&self, call: impl Future<Output = ()> + Send + 'static) {
        // The receiver ends with the process.
        drop(self.0.send(call.boxed()));
    }
}

impl Running {
    /// Runs the requests that `work` starts. When `work` has ended, those in flight end first. Dropped, all are dropped.
    pub async fn beside(mut self, work: impl Future<Output = ()>) {
        let mut work = std::pin::pin!(work.fuse());
        let mut calls = JoinSet::new();
        let mut working = true;
        while working || !calls.is_empty() {
            tokio::select! {
                biased;
                () = &mut work, if working => {
                    working = false;
                    // What the last turns started.
                    while let Ok(call) = self.0.try_recv() {
                        calls.spawn(call);
                    }
                }
                Some(call) = self.0.recv() => {
                    calls.spawn(call);
                }
                Some(ended) = calls.join_next() => {
                    if let Err(error) = ended {
                        error!(%error, "a request panicked: a defect of the operator");
                    }
                }
            }
        }
    }
}
