//! One HTTP request out, one response back: a stand-in until the OpenStack client's transport is here.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::error::Effect;

/// Why there is no response.
#[derive(Debug)]
pub struct Failure {
    /// Whether the request may have done something.
    pub effect: Effect,
    /// What went wrong.
    pub message: String,
}

type Send_ = dyn Fn(http::Request<Vec<u8>>) -> BoxFuture<'static, Result<http::Response<Vec<u8>>, Failure>>
    + Send
    + Sync;

/// Sends a request.
#[derive(Clone)]
pub struct Transport(pub Arc<Send_>);

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}
