//! Sends exactly one request: to one cloud, to DNS, to a guest or to the API server. Its answer goes to the inventory or
//! to this process' notes, and the next look decides.

mod abandon;
mod cloud;
mod name;
mod object;
mod question;
mod user_data;

use std::sync::Arc;

use kube::ResourceExt;

use super::context::Context;
use super::error::Error;
use super::observe::Look;
use super::plan::{Change, Question};
use crate::api::TestNode;
use crate::clouds::Handle;
use crate::openstack::Session;

/// One change.
///
/// # Errors
/// If the request was refused, or no answer came.
pub async fn change(change: &Change, node: &Arc<TestNode>, look: &Look, ctx: &Context) -> Result<(), Error> {
    match change {
        Change::AddFinalizer { cloud } => object::add_finalizer(cloud, node, look, ctx).await,
        Change::RemoveFinalizer { cloud } => object::remove_finalizer(cloud, node, look, ctx).await,
        Change::AnswerAbandon { cloud } => {
            abandon::answer(cloud, node, look, ctx).await;
            Ok(())
        }
        Change::Expire { why } => object::expire(why, node, ctx).await,
        Change::Memory(change) => object::remember(change, node, look, ctx).await,
        Change::SetName { address } | Change::ParkName { address } => {
            name::set(*address, node, look, ctx).await
        }
        Change::Cloud { cloud, change } => {
            let (handle, session) = session(ctx, cloud)?;
            cloud::change(change, node, look, ctx, &handle, &session).await
        }
    }
}

/// One question.
///
/// # Errors
/// As [`change`].
pub async fn ask(question: &Question, node: &Arc<TestNode>, look: &Look, ctx: &Context) -> Result<(), Error> {
    let uid = node.uid().unwrap_or_default();
    match question {
        Question::Catalogue { cloud } => {
            let (handle, session) = session(ctx, cloud)?;
            question::catalogue(node, look, &handle, &session).await
        }
        Question::Limits { cloud, kind } => {
            let (handle, session) = session(ctx, cloud)?;
            question::limits(ctx, &handle, *kind, &session).await
        }
        Question::Presence { cloud, kind, id } => {
            let (handle, session) = session(ctx, cloud)?;
            question::presence(*kind, id, &uid, look, &handle, &session).await
        }
        Question::Reservations { cloud, id } => {
            let (handle, session) = session(ctx, cloud)?;
            question::reservations(ctx, &uid, id, &handle, &session).await
        }
        Question::Console { cloud, server } => {
            let (_, session) = session(ctx, cloud)?;
            question::console(ctx, &uid, server, &session).await
        }
        Question::Tcp { address, port } => question::tcp(ctx, &uid, *address, *port).await,
        Question::UserData(place) => user_data::read(place, node, ctx).await,
        Question::Name { .. } => name::ask(node, look, ctx).await,
    }
}

/// The cloud, and its session if it may be used now.
fn session(ctx: &Context, cloud: &str) -> Result<(Arc<Handle>, Session), Error> {
    let handle =
        ctx.clouds.find(cloud).ok_or_else(|| Error::Unready(format!("there is no Cloud {cloud}")))?;
    let session = handle.config().session.clone();
    let session = session.ok_or_else(|| Error::Unready(format!("cloud {cloud} is not logged in")))?;
    Ok((handle, session))
}
