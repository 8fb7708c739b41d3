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

/// What was read of what `spec.userDataRef` names, while that is believed. Its content is kept only while an attempt is
/// open.
pub(super) fn read(
    ctx: &Context,
    node: &TestNode,
    uid: &str,
    now: Timestamp,
    is_open: bool,
    desired: &mut Desired,
) -> Option<Arc<SecretSlice<u8>>> {
    let place = node.spec.user_data_ref.as_ref()?;
    let (state, read) = ctx.note(uid, |notes| {
        let noted = notes.user_data.as_mut().filter(|noted| noted.place == *place);
        let Some(noted) = noted else { return (UserData::Unread(place.clone()), None) };
        let age = noted.at.elapsed();
        match &mut noted.found {
            Ok(content) if age < READ_FOR => {
                if !is_open {
                    *content = None;
                }
                match content {
                    Some(content) => (UserData::Known, Some(content.clone())),
                    None => (UserData::Checked(place.clone()), None),
                }
            }
            Err(problem) if age < UNREADABLE_FOR => {
                let again = now.checked_add(UNREADABLE_FOR.saturating_sub(age)).unwrap_or(now);
                (UserData::Cannot { problem: problem.clone(), again }, None)
            }
            Ok(_) | Err(_) => {
                notes.user_data = None;
                (UserData::Unread(place.clone()), None)
            }
        }
    });
    desired.user_data = state;
    read
}
