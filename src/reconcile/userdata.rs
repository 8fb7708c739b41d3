//! The user data of a node: our own part, the node's, then the machine type's for its operating system. Pure.

use crate::api::TestNode;
use crate::api::machine_type::MachineTypeSpec;
use crate::cloud_init::{OurConfig, Part, ssh_keys, user_data};
use crate::select;

/// Combines it, with what `spec.userDataRef` names as far as that was read.
///
/// # Errors
/// In words for the condition, naming whose part cannot be used.
pub fn build(
    node: &TestNode,
    machine: &MachineTypeSpec,
    fqdn: Option<&str>,
    referred: Option<&[u8]>,
) -> Result<Option<Vec<u8>>, String> {
    let whose = |of: &'static str| move |error| format!("{of}: {error}");
    let mut keys = ssh_keys(&node.spec.ssh_authorized_keys).map_err(whose("spec.sshAuthorizedKeys"))?;
    let lab =
        ssh_keys(&machine.ssh_authorized_keys).map_err(whose("the machine type's sshAuthorizedKeys"))?;
    keys.extend(
        lab.into_iter()
            .filter(|key| !node.spec.ssh_authorized_keys.iter().any(|own| own.parse() == Ok(key.clone()))),
    );
    let ours = OurConfig {
        hostname: Some(node.hostname().to_owned()),
        fqdn: fqdn.map(ToOwned::to_owned),
        ssh_authorized_keys: keys,
        marker: None,
    };
    let own = node
        .spec
        .user_data
        .as_ref()
        .map(|text| Part { of: "spec.userData".into(), content: text.clone().into_bytes() });
    let referred = node.spec.user_data_ref.as_ref().zip(referred);
    let referred = referred.map(|(place, content)| Part { of: place.to_string(), content: content.to_vec() });
    let os = select::os(machine, &node.spec).ok();
    let fits = machine.cloud_init.iter().filter(|entry| entry.os.is_none() || entry.os == os);
    let theirs = fits.map(|entry| Part {
        of: "the machine type's cloudInit".into(),
        content: entry.user_data.clone().into_bytes(),
    });
    // cloud-init lets the first to say a thing have its way.
    let parts: Vec<Part> = ours.part().into_iter().chain(own).chain(referred).chain(theirs).collect();
    user_data(&parts).map_err(|error| error.to_string())
}
