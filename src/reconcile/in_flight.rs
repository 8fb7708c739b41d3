//! Requests in flight. A turn plans a request and starts it; it does not wait for the answer. So a cloud, a name server
//! or a guest that does not answer holds up only the nodes that ask it.
//!
//! A node has at most one request in flight. When that has ended, the node is woken and plans anew.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::context::Context;
use super::notes::{Again, InFlight};
use super::state::Problem;

/// A request that panicked is not repeated at once.
const AFTER_PANIC: Duration = Duration::from_mins(1);

/// Starts the request of a node, planned from the object of this `version`. `told` is what is said of it while it is not
/// answered. `call` says when the node is to look again; never, if the node is gone.
pub(super) fn start(
    ctx: &Arc<Context>,
    uid: String,
    version: Option<String>,
    told: Option<Problem>,
    call: impl Future<Output = Option<Duration>> + Send + 'static,
) {
    ctx.note(&uid, |notes| notes.in_flight = Some(InFlight { since: Instant::now(), told }));
    let mut ends = Ends { ctx: ctx.clone(), uid, version, again: Some(AFTER_PANIC) };
    let call = async move {
        ends.again = call.await;
        drop(ends);
    };
    ctx.calls.start(call.instrument(Span::current()));
}

/// The end of a request, even if it panicked.
struct Ends {
    ctx: Arc<Context>,
    uid: String,
    version: Option<String>,
    again: Option<Duration>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(notes) = self.ctx.notes().get_mut(&self.uid) {
            notes.in_flight = None;
            notes.again =
                self.again.map(|pause| Again { at: Instant::now() + pause, version: self.version.take() });
        }
        if self.again.is_some() {
            self.ctx.waker.wake(&self.uid);
        }
    }
}
