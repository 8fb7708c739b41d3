//! A server's tags, one by one.

use super::{Request, bad, error, own};
use crate::wire::{Answer, Reply};
use crate::world::{World, server::Status};

/// So many tags a server may have, and so long each.
const MOST: usize = 50;
const LONGEST: usize = 60;

/// Adds a tag or removes it.
pub(super) fn change(world: &mut World, request: &Request<'_>, id: &str, method: &str, tag: &str) -> Answer {
    let now = world.now;
    let server = own(world, request, id)?;
    if !matches!(server.status, Status::Active | Status::Shutoff) {
        let state = server.status.word().to_lowercase();
        let message = format!("Cannot 'update tag' instance {id} while it is in vm_state {state}");
        return Err(error(409, &message));
    }
    let has = server.tags.iter().any(|known| known == tag);
    match (method, has) {
        ("PUT", true) => return Ok(Reply::empty(204)),
        ("PUT", false) if tag.len() > LONGEST || tag.contains([',', '/']) => {
            return Err(bad(format!("Tag '{tag}' is invalid.")));
        }
        ("PUT", false) if server.tags.len() >= MOST => {
            return Err(bad(format!("The number of tags exceeded the per-server limit {MOST}")));
        }
        ("PUT", false) => server.tags.push(tag.to_owned()),
        (_, true) => server.tags.retain(|known| known != tag),
        (_, false) => {
            return Err(error(404, &format!("Server {id} has no tag '{tag}'")));
        }
    }
    server.updated = now;
    Ok(Reply::empty(if method == "PUT" { 201 } else { 204 }))
}
