//! Security groups, by name or id.

use super::offerings::{Owner, SecurityGroup};
use super::problem::list_sorted;
use super::{Problem, listed};
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::reason::Reason;

/// Whether the cloud's security groups must be read for this node.
#[must_use]
pub fn needs_security_groups(machine: &MachineTypeSpec, node: &TestNodeSpec) -> bool {
    let (networks, _) = listed(&node.networks, &machine.networks, "networks");
    !node.security_groups.is_empty()
        || !machine.security_groups.is_empty()
        || networks.iter().any(|network| !network.security_groups.is_empty())
}

/// The ids of a node's security groups. None named means the project's default: the answer is empty.
///
/// # Errors
/// `SecurityGroupNotFound`, `SecurityGroupAmbiguous`, or `CatalogueUnread` if `groups` is absent and one is needed.
pub fn security_groups(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    groups: Option<&[SecurityGroup]>,
) -> Result<Vec<String>, Problem> {
    let (wanted, field) = listed(&node.security_groups, &machine.security_groups, "securityGroups");
    ids(wanted, &field, groups)
}

/// The ids of the groups that are named in a field.
pub(super) fn ids(
    wanted: &[String],
    field: &str,
    groups: Option<&[SecurityGroup]>,
) -> Result<Vec<String>, Problem> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let groups = groups.ok_or_else(|| Problem::unread("security groups"))?;
    let mut ids = Vec::new();
    for wanted in wanted {
        let id = security_group(wanted, field, groups)?;
        // Neutron refuses a port that names one twice.
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn security_group(wanted: &str, field: &str, groups: &[SecurityGroup]) -> Result<String, Problem> {
    if let Some(group) = groups.iter().find(|group| group.id == wanted) {
        return Ok(group.id.clone());
    }
    let named = groups.iter().filter(|group| group.name == wanted);
    let (own, foreign): (Vec<&SecurityGroup>, Vec<_>) =
        named.partition(|group| group.owner == Owner::Project);
    match (own.as_slice(), foreign.as_slice()) {
        // An admin sees the `default` group of every project; the project's own is meant.
        ([group], _) => Ok(group.id.clone()),
        ([], []) => {
            let known = list_sorted(own_names(groups));
            let cure = format!("name one that the project has: {known}");
            let message = format!("{field}: the project has no security group {wanted}; {cure}");
            Err(Problem::new(Reason::SecurityGroupNotFound, message))
        }
        ([], foreign) => {
            let message = format!(
                "{field}: the security group {wanted} belongs to another project; if it is meant, give its id: {}",
                told(foreign)
            );
            Err(Problem::new(Reason::SecurityGroupNotFound, message))
        }
        (own, _) => {
            let (count, ids) = (own.len(), told(own));
            let message =
                format!("{field}: {count} security groups have the name {wanted}; give an id: {ids}");
            Err(Problem::new(Reason::SecurityGroupAmbiguous, message))
        }
    }
}

fn own_names(groups: &[SecurityGroup]) -> impl Iterator<Item = String> {
    groups.iter().filter(|group| group.owner == Owner::Project).map(|group| group.name.clone())
}

/// The ids, and whose they are.
fn told(groups: &[&SecurityGroup]) -> String {
    list_sorted(groups.iter().map(|group| match &group.owner {
        Owner::Project => group.id.clone(),
        Owner::Other(project) => format!("{} (of project {project})", group.id),
    }))
}
