//! The user data of a node: our own part, the node's, then the machine type's for its operating system. Pure.

use crate::api::common::Os;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::{TestNode, mark};
use crate::cloud_init::{self, Keys, LARGEST, OurConfig, Part, size_in_base64, ssh_keys, user_data};
use crate::select;

/// Combines it, with what `spec.userDataRef` names as far as that was read, for a boot of the machine.
///
/// # Errors
/// In words for the condition, naming whose parts cannot be used. They quote nothing.
pub fn build(
    node: &TestNode,
    machine: &MachineTypeSpec,
    os: Option<&Os>,
    fqdn: Option<&str>,
    referred: Option<&[u8]>,
    boot: i64,
) -> Result<Option<Vec<u8>>, String> {
    let theirs = |field: &str| format!("{field} of MachineType {}", node.spec.machine_type);
    let own = keys("spec.sshAuthorizedKeys".into(), &node.spec.ssh_authorized_keys)?;
    let mut lab = keys(theirs("sshAuthorizedKeys"), &machine.ssh_authorized_keys)?;
    lab.keys.retain(|key| !own.keys.contains(key));
    let ours = OurConfig {
        hostname: Some(node.hostname().to_owned()),
        fqdn: fqdn.map(ToOwned::to_owned),
        ssh_authorized_keys: vec![own, lab],
        marker: node.metadata.uid.as_ref().map(|uid| mark::boot(uid, boot)),
    };
    let own = node
        .spec
        .user_data
        .as_ref()
        .map(|text| Part { of: "spec.userData".into(), content: text.clone().into_bytes() });
    let referred = node.spec.user_data_ref.as_ref().zip(referred);
    let referred = referred.map(|(place, content)| Part {
        of: format!("spec.userDataRef ({place})"),
        content: content.to_vec(),
    });
    let lab = select::user_data(machine, os);
    let lab = lab.map(|text| Part { of: theirs("cloudInit"), content: text.into() });
    // cloud-init lets the first to say a thing have its way.
    let parts: Vec<Part> = own.into_iter().chain(referred).chain(lab).collect();
    user_data(&ours, &parts).map_err(|error| error.to_string())
}

fn keys(of: String, lines: &[String]) -> Result<Keys, String> {
    match ssh_keys(lines) {
        Ok(keys) => Ok(Keys { of, keys }),
        Err(error) => Err(format!("{of}: {error}")),
    }
}

/// Why what `spec.userDataRef` names is too large by itself, if it is.
#[must_use]
pub fn too_large(of: String, content: &[u8]) -> Option<String> {
    let size = size_in_base64(content.len());
    (size > LARGEST).then(|| cloud_init::Error::TooLarge { of: vec![of], size }.to_string())
}
