//! What a `MachineType` lets its nodes set and have: the lab's admin draws the boundary, testers move inside it.
//!
//! Every field of a `TestNode`'s spec is in one of two lists here, and a test holds it to that: it is free for anyone, or a
//! node may set it only where the machine type lists it under `overrides`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::common::{NetworkChoice, Period};
use super::testnode::TestNodeSpec;

/// Fields that every node may set: they choose among what the machine type offers, or concern the guest alone.
pub const FREE: &[&str] = &[
    "machineType",
    "os",
    "hostname",
    "volumes",
    "sshAuthorizedKeys",
    "userData",
    "userDataRef",
    "readiness",
    "expireAfter",
    "onFailure",
    "hold",
    "owner",
    "description",
    "paused",
    "consoleRequest",
    "poolRef",
    "claimRef",
    "rebuild",
];

/// A field that a node may set only where its machine type says so.
#[derive(Clone, Copy, Debug)]
pub struct Override {
    /// Its name.
    pub field: &'static str,
    /// It is among the `overrides` of a machine type that does not list any.
    pub by_default: bool,
    /// Whether a node sets it.
    pub is_set: fn(&TestNodeSpec) -> bool,
}

/// Fields that reach past what the machine type offers.
pub const OVERRIDES: &[Override] = &[
    Override { field: "resources", by_default: true, is_set: |node| node.resources.is_some() },
    Override {
        field: "availabilityZones",
        by_default: true,
        is_set: |node| !node.availability_zones.is_empty(),
    },
    Override { field: "cloud", by_default: true, is_set: |node| node.cloud.is_some() },
    Override { field: "keyName", by_default: true, is_set: |node| node.key_name.is_some() },
    Override { field: "flavor", by_default: false, is_set: |node| node.flavor.is_some() },
    Override { field: "networks", by_default: false, is_set: |node| !node.networks.is_empty() },
    Override { field: "floatingIP", by_default: false, is_set: |node| node.floating_ip.is_some() },
    Override {
        field: "securityGroups",
        by_default: false,
        is_set: |node| {
            !node.security_groups.is_empty() || node.networks.iter().any(NetworkChoice::chooses_groups)
        },
    },
    Override { field: "image", by_default: false, is_set: |node| node.image.is_some() },
    Override { field: "configDrive", by_default: false, is_set: |node| node.config_drive.is_some() },
    Override { field: "serverGroup", by_default: false, is_set: |node| node.server_group.is_some() },
    Override { field: "schedulerHints", by_default: false, is_set: |node| !node.scheduler_hints.is_empty() },
    Override { field: "serverMetadata", by_default: false, is_set: |node| !node.server_metadata.is_empty() },
    Override { field: "serverTags", by_default: false, is_set: |node| !node.server_tags.is_empty() },
    Override { field: "bootVolume", by_default: false, is_set: |node| node.boot_volume.is_some() },
    Override { field: "blockDevices", by_default: false, is_set: |node| !node.block_devices.is_empty() },
    Override {
        field: "serverDescription",
        by_default: false,
        is_set: |node| node.server_description.is_some(),
    },
];

/// What nodes of a machine type may set that does not say so.
#[must_use]
pub fn default_overrides() -> Vec<String> {
    OVERRIDES.iter().filter(|known| known.by_default).map(|known| known.field.to_owned()).collect()
}

// Strings to serde: a word that an older release does not know must not break its watch.
pub(super) fn overrides_schema(_: &mut SchemaGenerator) -> Schema {
    let fields: Vec<&str> = OVERRIDES.iter().map(|known| known.field).collect();
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "items": {"type": "string", "enum": fields},
        "x-kubernetes-list-type": "set",
    })
}

/// The most that one node of a machine type may have.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLimits {
    /// Data volumes of one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 24))]
    pub max_volumes: Option<i64>,
    /// GiB of all volumes of one node together, that from which it boots included.
    #[serde(default, rename = "maxVolumeGiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_048_576))]
    pub max_volume_gib: Option<i64>,
    /// No node lives longer than this after its creation, also while it is paused. A longer `expireAfter`, or none, is cut
    /// to it, and the node's condition says so. An edit counts for nodes that are there, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_expire_after: Option<Period>,
    /// No `hold` lasts longer than this after the node's creation. It may be longer than `maxExpireAfter`, which a hold then
    /// beats; if absent, no hold lasts longer than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_hold: Option<Period>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kube::CustomResourceExt as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::TestNode;

    #[test]
    fn every_field_of_the_spec_is_free_or_an_override_and_none_is_both() {
        let crd = serde_json::to_value(TestNode::crd()).unwrap();
        let spec =
            &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
        let fields: Vec<&str> = spec.as_object().unwrap().keys().map(String::as_str).collect();
        let mut known: Vec<&str> = FREE.iter().copied().chain(OVERRIDES.iter().map(|o| o.field)).collect();
        known.sort_unstable();

        assert_eq!(known, fields.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn an_override_is_set_by_a_spec_that_has_its_field_and_by_no_other() {
        let examples = |field: &str| -> Value {
            match field {
                "resources" => json!({"vcpus": 1}),
                "networks" => json!([{"name": "lab-net"}]),
                "floatingIP" => json!({"policy": "Always"}),
                "availabilityZones" | "securityGroups" | "serverTags" => json!(["a"]),
                "image" | "serverGroup" => json!({"name": "a"}),
                "configDrive" => json!(true),
                "bootVolume" => json!({"sizeGiB": 20}),
                "blockDevices" => json!([{}]),
                "schedulerHints" => json!({"a": ["b"]}),
                "serverMetadata" => json!({"a": "b"}),
                _ => json!("a"),
            }
        };
        for known in OVERRIDES {
            let spec = json!({"machineType": "lab", known.field: examples(known.field)});
            let spec: TestNodeSpec = serde_json::from_value(spec).unwrap();

            let set: Vec<&str> = OVERRIDES.iter().filter(|o| (o.is_set)(&spec)).map(|o| o.field).collect();
            assert_eq!(set, [known.field]);
        }
    }
}
