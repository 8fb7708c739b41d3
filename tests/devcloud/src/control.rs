//! `/devcloud`: what is behind the curtain, over HTTP.

use serde_json::json;

use crate::{
    DevCloud,
    wire::{Ask, Reply},
};

pub(crate) fn answer(cloud: &DevCloud, ask: &Ask) -> Reply {
    let path = ask.path.trim_end_matches('/');
    match (ask.method.as_str(), path) {
        ("GET", "/devcloud/state") => cloud.with(|world| {
            Reply::json(
                200,
                json!({
                    "servers": world.servers.iter().filter(|server| server.deleted.is_none()).collect::<Vec<_>>(),
                    "volumes": world.volumes, "attachments": world.attachments, "ports": world.ports,
                    "floating_ips": world.floating_ips, "records": world.records,
                }),
            )
        }),
        _ => Reply::json(404, json!({"error": format!("nothing at {path}")})),
    }
}
