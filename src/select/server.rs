//! What Nova is told of a server beside flavor, image, disks and ports: the node's word before the machine type's.

use std::collections::BTreeMap;

use super::offerings::ServerGroup;
use super::problem::list_sorted;
use super::{Choice, Problem};
use crate::api::TestNode;
use crate::api::common::Os;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::server::{LONGEST, ResolvedServer, ResolvedServerGroup, ServerGroupRef};
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::Resolved;
use crate::reason::Reason;

/// Whether the cloud's server groups must be read for this node.
#[must_use]
pub fn needs_server_groups(machine: &MachineTypeSpec, node: &TestNodeSpec) -> bool {
    node.server_group.is_some() || machine.server_group.is_some()
}

/// What Nova is told beside the rest; nothing if neither node nor machine type say anything. Of maps the entries of both
/// count, the node's before the machine type's; of lists, all.
///
/// # Errors
/// `ServerGroupNotFound`, `ServerGroupAmbiguous`, or `CatalogueUnread` if `groups` is absent and one is needed.
pub fn server(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    groups: Option<&[ServerGroup]>,
) -> Result<Choice<Option<ResolvedServer>>, Problem> {
    let group = match (&node.server_group, &machine.server_group) {
        (Some(wanted), _) => Some(group("spec.serverGroup", wanted, groups)?),
        (None, Some(wanted)) => Some(group("the machine type's serverGroup", wanted, groups)?),
        (None, None) => None,
    };
    let mut tags = machine.server_tags.clone();
    tags.extend(node.server_tags.iter().filter(|tag| !machine.server_tags.contains(tag)).cloned());
    let resolved = ResolvedServer {
        config_drive: node.config_drive.or(machine.config_drive),
        scheduler_hints: both(&machine.scheduler_hints, &node.scheduler_hints),
        metadata: metadata(machine, node),
        tags,
        description: node.server_description.clone().or_else(|| machine.server_description.clone()),
        // It is the machine type's alone, and no reason by itself to say more of the server.
        nova_microversion: machine.nova_microversion.clone(),
        group,
    };
    let joined = resolved.group.iter().map(|group| format!("server group {} ({})", group.name, group.id));
    let hints = (!resolved.scheduler_hints.is_empty()).then(|| {
        let names = resolved.scheduler_hints.keys().cloned().collect::<Vec<_>>().join(", ");
        format!("scheduler hints {names}, which Nova does not check")
    });
    let why = joined.chain(hints).collect::<Vec<_>>().join("; ");
    Ok(Choice { what: (resolved != ResolvedServer::default()).then_some(resolved), why })
}

/// The server's metadata beside our marks, with its placeholders.
pub(super) fn metadata(machine: &MachineTypeSpec, node: &TestNodeSpec) -> BTreeMap<String, String> {
    both(&machine.server_metadata, &node.server_metadata)
}

fn both<T: Clone>(types: &BTreeMap<String, T>, own: &BTreeMap<String, T>) -> BTreeMap<String, T> {
    types.iter().chain(own).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The one group that is meant.
fn group(
    field: &str,
    wanted: &ServerGroupRef,
    groups: Option<&[ServerGroup]>,
) -> Result<ResolvedServerGroup, Problem> {
    let groups = groups.ok_or_else(|| Problem::unread("server groups"))?;
    let (id, name) = (wanted.id.as_deref(), wanted.name.as_deref().unwrap_or_default());
    let meant = |group: &&ServerGroup| id.map_or(group.name == name, |id| group.id == id);
    let found: Vec<&ServerGroup> = groups.iter().filter(meant).collect();
    match found.as_slice() {
        [group] => Ok(ResolvedServerGroup { id: group.id.clone(), name: group.name.clone() }),
        [] => {
            let known = list_sorted(groups.iter().map(|group| format!("{} ({})", group.name, group.id)));
            let message = format!(
                "{field}: the project has no server group {}; make it with `openstack server group create`, or name one \
                 that is there: {known}",
                id.unwrap_or(name)
            );
            Err(Problem::new(Reason::ServerGroupNotFound, message))
        }
        several => {
            let ids = list_sorted(several.iter().map(|group| group.id.clone()));
            let message =
                format!("{field}: {} server groups have the name {name}; give an id: {ids}", several.len());
            Err(Problem::new(Reason::ServerGroupAmbiguous, message))
        }
    }
}

/// Puts what is known of the node in the place of each placeholder of the metadata.
///
/// # Errors
/// `InvalidMetadata`: a value is then longer than Nova takes.
pub fn fill(mut resolved: Resolved, node: &TestNode) -> Result<Resolved, Problem> {
    if let Some(server) = &mut resolved.server {
        server.metadata = filled_in(std::mem::take(&mut server.metadata), resolved.os.as_ref(), node)?;
    }
    Ok(resolved)
}

/// The same for the metadata alone.
pub(super) fn filled_in(
    mut metadata: BTreeMap<String, String>,
    os: Option<&Os>,
    node: &TestNode,
) -> Result<BTreeMap<String, String>, Problem> {
    let os = os.map(ToString::to_string).unwrap_or_default();
    let of = |word: &str| match word {
        "namespace" => Some(node.metadata.namespace.clone().unwrap_or_default()),
        "name" => Some(node.metadata.name.clone().unwrap_or_default()),
        "machineType" => Some(node.spec.machine_type.clone()),
        "os" => Some(os.clone()),
        "owner" => Some(node.spec.owner.clone().unwrap_or_default()),
        _ => None,
    };
    for (key, value) in &mut metadata {
        let filled = filled(value, of);
        if filled.chars().count() > LONGEST {
            let message = format!(
                "serverMetadata {key}: with its placeholders filled in it has {} characters, and Nova takes {LONGEST}; make \
                 it shorter",
                filled.chars().count()
            );
            return Err(Problem::new(Reason::InvalidMetadata, message));
        }
        *value = filled;
    }
    Ok(metadata)
}

/// What stands in for a placeholder is taken as it is, also if it looks like one.
fn filled(text: &str, of: impl Fn(&str) -> Option<String>) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let known = after.split_once("}}").and_then(|(word, after)| Some((of(word)?, after)));
        if let Some((value, after)) = known {
            filled.push_str(&value);
            rest = after;
        } else {
            filled.push_str("{{");
            rest = after;
        }
    }
    filled + rest
}
