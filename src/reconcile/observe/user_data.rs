//! A look at user data that stands in an object of its own.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretSlice;

use crate::api::TestNode;
use crate::reconcile::context::Context;
use crate::reconcile::state::{Desired, UserData};

/// User data that was read is used so long; what could not be read is tried again after this.
const READ_FOR: Duration = Duration::from_mins(1);
const UNREADABLE_FOR: Duration = Duration::from_secs(20);

/// What was read of what `spec.userDataRef` names, while that is believed.
pub(super) fn read(
    ctx: &Context,
    node: &TestNode,
    uid: &str,
    now: Timestamp,
    desired: &mut Desired,
) -> Option<Arc<SecretSlice<u8>>> {
    let place = node.spec.user_data_ref.as_ref()?;
    let unread = (UserData::Unread(place.clone()), None);
    let (state, read) = ctx.note(uid, |notes| {
        let Some(noted) = notes.user_data.as_ref().filter(|noted| noted.place == *place) else {
            return unread;
        };
        match &noted.found {
            Ok(read) if noted.at.elapsed() < READ_FOR => (UserData::Known, Some(read.clone())),
            Err(problem) if noted.at.elapsed() < UNREADABLE_FOR => {
                let left = UNREADABLE_FOR.saturating_sub(noted.at.elapsed());
                let again = now.checked_add(left).unwrap_or(now);
                (UserData::Cannot { problem: problem.clone(), again }, None)
            }
            Ok(_) | Err(_) => unread,
        }
    });
    desired.user_data = state;
    read
}
