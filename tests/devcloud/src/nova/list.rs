//! Lists of servers and their filters.

use regex::Regex;
use serde_json::{Value, json};

use super::{Request, bad, view};
use crate::{
    page::{self, Page},
    wire::{Answer, Reply, put},
    world::{
        World,
        server::{Server, Status},
    },
};

/// Parameters that a tenant may send; at 2.75 and above any other is 400.
const KNOWN: &[&str] = &[
    "access_ip_v4",
    "access_ip_v6",
    "all_tenants",
    "auto_disk_config",
    "availability_zone",
    "block_device_mapping",
    "changes-before",
    "changes-since",
    "config_drive",
    "created_at",
    "deleted",
    "description",
    "display_description",
    "display_name",
    "fixed_ip",
    "flavor",
    "hidden",
    "host",
    "hostname",
    "image",
    "image_ref",
    "instance_type_id",
    "ip",
    "ip6",
    "kernel_id",
    "key_name",
    "launch_index",
    "launched_at",
    "limit",
    "locked",
    "locked_by",
    "marker",
    "metadata",
    "name",
    "node",
    "not-tags",
    "not-tags-any",
    "power_state",
    "progress",
    "project_id",
    "ramdisk_id",
    "reservation_id",
    "root_device_name",
    "sort_dir",
    "sort_key",
    "soft_deleted",
    "status",
    "system_metadata",
    "tags",
    "tags-any",
    "task_state",
    "tenant_id",
    "terminated_at",
    "user_id",
    "uuid",
    "vm_state",
];

const STATUSES: &[&str] = &[
    "ACTIVE",
    "BUILD",
    "DELETED",
    "ERROR",
    "HARD_REBOOT",
    "MIGRATING",
    "PASSWORD",
    "PAUSED",
    "REBOOT",
    "REBUILD",
    "RESCUE",
    "RESIZE",
    "REVERT_RESIZE",
    "SHELVED",
    "SHELVED_OFFLOADED",
    "SHUTOFF",
    "SOFT_DELETED",
    "SUSPENDED",
    "UNKNOWN",
    "VERIFY_RESIZE",
];

pub(crate) fn brief(world: &World, request: &Request<'_>) -> Answer {
    answer(world, request, "", |server| view::brief(request, server))
}

pub(crate) fn detail(world: &World, request: &Request<'_>) -> Answer {
    answer(world, request, "/detail", |server| {
        let mut shown = view::detail(world, request, server);
        // A list looks for faults in one cell only; a server that was never scheduled is in another.
        if let Some(fields) = shown.as_object_mut().filter(|_| !server.scheduled) {
            fields.remove("fault");
        }
        shown
    })
}

fn answer(world: &World, request: &Request<'_>, under: &str, show: impl Fn(&Server) -> Value) -> Answer {
    let ask = request.ask;
    if request.micro >= 75
        && let Some((unknown, _)) = ask.query.iter().find(|(key, _)| !KNOWN.contains(&key.as_str()))
    {
        return Err(bad(format!(
            "Invalid input for query parameters: Additional properties are not allowed ('{unknown}' was unexpected)"
        )));
    }
    let filter = Filter::read(world, request)?;
    let found: Vec<&Server> = world
        .servers
        .iter()
        .rev()
        .filter(|server| server.project == request.caller.project && filter.takes(server))
        .collect();
    let url = format!("{}/compute/v2.1/servers{under}", request.caller.origin);
    let Some(Page { items, next }) =
        page::cut(found, ask, world.settings.page_size, &url, |server| &server.id)
    else {
        let marker = ask.param("marker").unwrap_or_default();
        return Err(bad(format!("marker [{marker}] not found")));
    };
    let mut body = json!({"servers": items.into_iter().map(show).collect::<Vec<_>>()});
    if let Some(next) = next {
        put(&mut body, "servers_links", json!([{"rel": "next", "href": next}]));
    }
    Ok(Reply::json(200, body))
}

struct Filter {
    name: Option<Regex>,
    status: Vec<String>,
    tags: Option<Vec<String>>,
    tags_any: Option<Vec<String>>,
    uuid: Option<String>,
    since: Option<tokio::time::Instant>,
}

impl Filter {
    fn read(world: &World, request: &Request<'_>) -> Result<Self, Reply> {
        let ask = request.ask;
        let name = ask.param("name").map(Regex::new).transpose();
        let status: Vec<_> = ask
            .query
            .iter()
            .filter(|(key, _)| key == "status")
            .map(|(_, value)| value.to_uppercase())
            .collect();
        if let Some(unknown) = status.iter().find(|status| !STATUSES.contains(&status.as_str())) {
            return Err(bad(format!("Invalid status value: {unknown}")));
        }
        let since = match ask.param("changes-since") {
            Some(text) => Some(world.clock.instant(text).ok_or_else(|| {
                bad(format!("Invalid input for query parameters changes-since. Value: {text}. '{text}' is not a 'date-time'"))
            })?),
            None => None,
        };
        let tags = |name: &str| {
            let list = ask.param(name).filter(|_| request.micro >= 26);
            list.map(|list| list.split(',').map(str::to_owned).collect::<Vec<_>>())
        };
        Ok(Self {
            name: name.map_err(|_| bad("Invalid filter value: the regex of 'name' is not valid"))?,
            status,
            tags: tags("tags"),
            tags_any: tags("tags-any"),
            uuid: ask.param("uuid").map(str::to_owned),
            since,
        })
    }

    fn takes(&self, server: &Server) -> bool {
        let tagged = self.tags.is_some() || self.tags_any.is_some();
        let shown = match server.status {
            // A gone server has lost its tags.
            Status::Deleted => self.since.is_some() && !tagged,
            Status::SoftDeleted => {
                self.since.is_some() || self.status.iter().any(|status| status == "SOFT_DELETED")
            }
            Status::Build | Status::Active | Status::Shutoff | Status::Error => true,
        };
        shown
            && self.since.is_none_or(|since| server.updated >= since)
            && self.name.as_ref().is_none_or(|name| name.is_match(&server.name))
            && self.uuid.as_ref().is_none_or(|uuid| *uuid == server.id)
            && (self.status.is_empty() || self.status.iter().any(|status| status == server.status.word()))
            && self.tags.as_ref().is_none_or(|tags| tags.iter().all(|tag| server.tags.contains(tag)))
            && self.tags_any.as_ref().is_none_or(|tags| tags.iter().any(|tag| server.tags.contains(tag)))
    }
}
