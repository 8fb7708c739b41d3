//! The end in a cloud.

use super::{Ask, Move, Step};
use crate::image::state::Seen;

/// Once nothing is recorded, and lists that began after the last change show nothing, the finalizer is removed.
pub(super) fn release(seen: &Seen<'_>) -> Vec<Move> {
    if !seen.here.images.is_empty() {
        return Vec::new();
    }
    if !seen.held {
        return vec![Move::Do(Step::RemoveFinalizer)];
    }
    // Both are forgotten with each change.
    if seen.memory.listed.is_none() {
        return vec![Move::Do(Step::Ask(Ask::List))];
    }
    if seen.memory.listed_hidden.is_none() {
        return vec![Move::Do(Step::Ask(Ask::ListHidden))];
    }
    vec![Move::Do(Step::RemoveFinalizer)]
}
