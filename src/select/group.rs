//! Security groups, by name or id.

use super::offerings::SecurityGroup;
use super::problem::list_sorted;
use super::{Problem, listed};
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;

/// Whether the cloud's security groups must be read for this node.
#[must_use]
pub fn needs_security_groups(machine: &MachineTypeSpec, node: &TestNodeSpec) -> bool {
    !node.security_groups.is_empty() || !machine.security_groups.is_empty()
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
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let groups = groups.ok_or_else(|| Problem::unread("security groups"))?;
    let mut ids = Vec::new();
    for wanted in wanted {
        let id = security_group(wanted, &field, groups)?;
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
    let named: Vec<&SecurityGroup> = groups.iter().filter(|group| group.name == wanted).collect();
    match *named.as_slice() {
        [group] => Ok(group.id.clone()),
        [] => {
            let known = list_sorted(groups.iter().map(|group| group.name.clone()));
            let cure = format!("name one that the project has: {known}");
            let message = format!("{field}: the project has no security group {wanted}; {cure}");
            Err(Problem::new("SecurityGroupNotFound", message))
        }
        _ => {
            let ids = list_sorted(named.iter().map(|group| group.id.clone()));
            let message =
                format!("{field}: {} security groups have the name {wanted}; give an id: {ids}", named.len());
            Err(Problem::new("SecurityGroupAmbiguous", message))
        }
    }
}
