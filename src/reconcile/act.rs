//! Sends exactly one request: to one cloud, to DNS, to a guest or to the API server. Its answer goes to the inventory or
//! to this process' notes, and the next look decides.

mod abandon;
mod adopt;
mod cloud;
mod guest;
mod keeper;
mod name;
mod object;
mod question;
mod ssh;
mod user_data;

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::context::Context;
use super::error::Error;
use super::observe::{Look, age};
use super::plan::{Change, Question};
use crate::api::TestNode;
use crate::clouds::Handle;
use crate::openstack::Session;
use crate::reason::Reason;

/// One change.
///
/// # Errors
/// If the request was refused, or no answer came.
pub async fn change(change: &Change, node: &Arc<TestNode>, look: &Look, ctx: &Context) -> Result<(), Error> {
    match change {
        Change::AddFinalizer { cloud } => object::add_finalizer(cloud, node, look, ctx).await,
        Change::RemoveFinalizer { cloud } => {
            object::remove_finalizers(&BTreeSet::from([cloud.clone()]), node, look, ctx).await
        }
        Change::AnswerAbandon { cloud } => {
            abandon::answer(cloud, node, look, ctx).await;
            Ok(())
        }
        Change::AbandonUntouched { clouds } => {
            abandon::tell_untouched(clouds, node, ctx).await;
            object::remove_finalizers(clouds, node, look, ctx).await
        }
        Change::Expire { why } => object::delete(Reason::Expired, why, node, ctx).await,
        Change::Release { why } => object::delete(Reason::Released, why, node, ctx).await,
        Change::Memory(change) => object::remember(change, node, look, ctx).await,
        Change::PublishName { address } => name::publish(*address, node, look, ctx).await,
        Change::WithdrawName => name::withdraw(node, look, ctx).await,
        Change::Cloud { cloud, change } => {
            let (handle, session) = session(ctx, cloud, node)?;
            cloud::change(change, node, look, ctx, &handle, &session).await
        }
    }
}

/// One question.
///
/// # Errors
/// As [`change`].
pub async fn ask(question: &Question, node: &Arc<TestNode>, look: &Look, ctx: &Context) -> Result<(), Error> {
    let (uid, namespace) = (node.uid().unwrap_or_default(), node.namespace().unwrap_or_default());
    match question {
        Question::Catalogue { cloud } => {
            let (handle, session) = session(ctx, cloud, node)?;
            question::catalogue(node, look, &handle, &session).await
        }
        Question::Limits { cloud, kind } => {
            let (handle, session) = session(ctx, cloud, node)?;
            question::limits(ctx, &handle, *kind, &uid, &session).await
        }
        Question::Presence { cloud, kind, id } => {
            let (handle, session) = session(ctx, cloud, node)?;
            question::presence(*kind, id, &uid, look, &handle, &session).await
        }
        Question::Reservations { cloud, id } => {
            let (handle, session) = session(ctx, cloud, node)?;
            question::reservations(ctx, &uid, id, look, &handle, &session).await
        }
        Question::Console { cloud, boot } => {
            let (_, session) = session(ctx, cloud, node)?;
            guest::console(ctx, &uid, boot, &session).await
        }
        Question::ShowConsole { cloud, server, request } => {
            let (_, session) = session(ctx, cloud, node)?;
            guest::show_console(ctx, &uid, server, request, &session).await
        }
        Question::Tcp { boot, address, port } => {
            let _permit = ctx.probes.take(&namespace).await;
            guest::tcp(ctx, &uid, boot, *address, *port).await
        }
        Question::Ssh { boot, address, check, known } => {
            let login = ssh::login(ctx, &namespace, check).await?;
            let _permit = ctx.probes.take(&namespace).await;
            ssh::try_it(ctx, &uid, boot, *address, check, known, login).await;
            Ok(())
        }
        Question::UserData(place) => {
            let _permit = ctx.api_server.take(&namespace).await;
            user_data::read(place, node, look, ctx).await
        }
        Question::Keeper(keeper) => {
            let _permit = ctx.api_server.take(&namespace).await;
            keeper::ask(keeper, &uid, ctx).await
        }
        Question::Name { .. } => name::ask(node, look, ctx).await,
    }
}

/// The cloud, and its session if it may be used now. Where requests must wait, namespaces are served in turn.
fn session(ctx: &Context, cloud: &str, node: &TestNode) -> Result<(Arc<Handle>, Session), Error> {
    let handle =
        ctx.clouds.find(cloud).ok_or_else(|| Error::Unready(format!("there is no Cloud {cloud}")))?;
    let session = handle.config().session.clone();
    let session = session.ok_or_else(|| Error::Unready(format!("cloud {cloud} is not logged in")))?;
    Ok((handle, session.on_behalf_of(age(node))))
}
