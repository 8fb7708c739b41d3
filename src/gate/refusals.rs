//! Clouds that refused a create for quota, whatever their figures say.

use std::time::Duration;

use tokio::time::Instant;

/// Where figures do not tell of what is short, one node may try this often.
pub const TRY_ANYWAY: Duration = Duration::from_mins(1);

/// What a cloud refused.
#[derive(Debug)]
pub(super) struct Refusal {
    said: String,
    at: Instant,
    tried: Instant,
    misleading: bool,
}

impl Refusal {
    /// A cloud refused an attempt for quota. If that was let in after an earlier refusal, by figures that were read
    /// since, they do not tell of what is short.
    pub(super) fn after(earlier: Option<&Self>, said: String, let_in: Option<Instant>, now: Instant) -> Self {
        let misleading = earlier
            .is_some_and(|earlier| earlier.misleading || let_in.is_some_and(|let_in| let_in > earlier.at));
        Self { said, at: now, tried: now, misleading }
    }

    /// A node is let in.
    pub(super) fn tries(&mut self, now: Instant) {
        self.tried = now;
    }

    /// What keeps everybody away now, in the cloud's words.
    pub(super) fn forbids(&self, now: Instant) -> Option<&str> {
        (self.misleading && now < self.tried + TRY_ANYWAY).then_some(&*self.said)
    }

    /// The cloud's words.
    pub(super) fn said(&self) -> &str {
        &self.said
    }

    /// Only one at a time may try.
    pub(super) fn is_misleading(&self) -> bool {
        self.misleading
    }
}
