//! teuthology's lock server: what paddles answers to unmodified teuthology, made of pools and claims; and a page of the lab.
//!
//! It only translates. A lock is a `TestNodeClaim`, and who gets which machine is decided by the operator, for these claims as for
//! all others. Any replica can answer any request: all memory is in the claims.
//!
//! | module | what |
//! |---|---|
//! | `wire` | what is read and written, byte for byte; no other module knows these words |
//! | `lab` | pools and their slots as rows |
//! | `decide` | what a request means |
//! | `desk` | asks and writes |
//! | `http` | who may ask, and which place a path is |
//! | `page`, `show` | the lab at a glance |
//! | `tokens`, `upstream`, `watch` | who may do what; the paddles behind us; what is known without asking |

mod decide;
mod desk;
mod http;
mod lab;
mod page;
mod show;
mod tokens;
mod upstream;
mod watch;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use tokio::sync::watch as signal;
use url::Url;

use crate::supervision::Health;
use crate::transport::Transport;

/// New connections are taken for so long after the process was told to stop: until then nobody who sends them here may know.
pub const STILL_ASKED: Duration = Duration::from_secs(5);
/// Requests under way may take so long after that.
pub const DRAIN: Duration = Duration::from_secs(6);

/// What a lock server is told.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where its claims are.
    pub namespace: String,
    /// The zone of all names; that of the first pool if absent.
    pub zone: Option<String>,
    /// The lock server behind it.
    pub upstream: Option<Url>,
    /// A file of tokens.
    pub tokens: Option<PathBuf>,
    /// Whether a token is needed to read, too.
    pub tokens_for_all: bool,
}

/// A lock server.
pub struct LockServer {
    front: Arc<http::Front>,
    ending: signal::Sender<bool>,
}

impl LockServer {
    /// Begins to watch. It is ready when `health` misses nothing.
    #[must_use]
    pub fn begin(
        client: &kube::Client,
        settings: Settings,
        transport: Transport,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
        health: &Health,
    ) -> Self {
        let watched = watch::Watched::begin(client, health);
        let (ending, is_ending) = signal::channel(false);
        let front = http::Front {
            desk: desk::Desk::new(client.clone(), settings.namespace, settings.zone, watched, clock),
            upstream: settings.upstream.map(|base| upstream::Upstream::new(base, transport)),
            tokens: settings.tokens.as_deref().map(tokens::Tokens::of),
            tokens_for_all: settings.tokens_for_all,
            pages: Arc::new(tokio::sync::Semaphore::new(http::MOST_PAGES)),
            ending: is_ending,
        };
        Self { front: Arc::new(front), ending }
    }

    /// What answers.
    pub fn router(&self) -> Router {
        http::router(self.front.clone())
    }

    /// Ends what would go on for ever.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }
}
