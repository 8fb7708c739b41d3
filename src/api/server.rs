//! What Nova is told of a server beside its size, its operating system, its disks and its ports.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The most entries of a list or a map in this file that one object may have. A server takes what its node and its machine
/// type say together, beside our own marks, and Nova's usual limits leave room for all.
const MOST: u32 = 16;
/// The longest value of Nova's metadata, and the longest description.
pub const LONGEST: usize = 255;
/// How our own marks begin, in metadata and tags.
pub const OURS: &str = "testnode-";

/// An image, by its id or by its name.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.id) != has(self.name)").message("give an image's id or its name, one of them"))]
pub struct ImageRef {
    /// Glance's id. It need not be in a list: a community image, or a hidden one, is found too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[0-9A-Za-z-]+$"))]
    pub id: Option<String>,
    /// Its name; it must be that of exactly one active image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
}

/// A server group of Nova's, by its id or by its name. We never make one.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.id) != has(self.name)")
    .message("give a server group's id or its name, one of them"))]
pub struct ServerGroupRef {
    /// Nova's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub id: Option<String>,
    /// Its name; it must be that of exactly one group of the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
}

/// Values of `serverMetadata` may use these between `{{` and `}}`.
pub const PLACEHOLDERS: &[&str] = &["namespace", "name", "machineType", "os", "owner"];

/// Metadata as Nova takes it: no `/` in a key. Our own marks are not for anybody to set.
pub(super) fn metadata_schema(_: &mut SchemaGenerator) -> Schema {
    let words = PLACEHOLDERS.join("|");
    json_schema!({
        "type": "object",
        "maxProperties": MOST,
        "additionalProperties": {
            "type": "string",
            "maxLength": LONGEST,
            "x-kubernetes-validations": [{
                "rule": format!("self.matches('^([{{][{{]({words})[}}][}}]|[{{][^{{]|[^{{])*[{{]?$')"),
                "message": "a placeholder is one of {{namespace}}, {{name}}, {{machineType}}, {{os}}, {{owner}}",
            }],
        },
        "x-kubernetes-validations": [
            {
                "rule": "self.all(key, key.matches('^[a-zA-Z0-9_:. -]{1,255}$'))",
                "message": "a key is 1 to 255 of a-z, A-Z, 0-9, '-', '_', ':', '.' and blank, as Nova wants it",
            },
            {
                "rule": format!("self.all(key, !key.startsWith('{OURS}'))"),
                "message": "keys that begin with testnode- are the operator's own",
            },
        ],
    })
}

/// Tags as Nova takes them.
pub(super) fn tags_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MOST,
        "items": {
            "type": "string",
            "minLength": 1,
            "maxLength": 60,
            "pattern": "^[^,/]*$",
            "x-kubernetes-validations": [{
                "rule": format!("!self.startsWith('{OURS}')"),
                "message": "tags that begin with testnode- are the operator's own",
            }],
        },
        "x-kubernetes-list-type": "set",
    })
}

/// Hints to Nova's scheduler. A hint with one value is sent as that value, one with several as a list.
pub(super) fn hints_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 8,
        "additionalProperties": {
            "type": "array",
            "minItems": 1,
            "maxItems": 8,
            "items": {"type": "string", "maxLength": LONGEST},
        },
        "x-kubernetes-validations": [
            {
                "rule": "!('group' in self)",
                "message": "give the group as serverGroup, which takes its name too",
            },
            {
                "rule": "self.all(key, key.matches('^[a-zA-Z0-9_:.-]{1,255}$'))",
                "message": "a hint is 1 to 255 of a-z, A-Z, 0-9, '-', '_', ':' and '.'",
            },
        ],
    })
}

/// What Nova is told of a server, as node and machine type say together.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedServer {
    /// Whether it has a config drive; as the cloud likes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_drive: Option<bool>,
    /// Its server group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<ResolvedServerGroup>,
    /// Hints to Nova's scheduler.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scheduler_hints: BTreeMap<String, Vec<String>>,
    /// Metadata beside our marks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Tags beside our marks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The microversion of the create request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nova_microversion: Option<String>,
}

/// A server group that was chosen.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedServerGroup {
    /// Nova's id.
    pub id: String,
    /// Its name.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_named_in_the_message_of_the_rule() {
        let schema = metadata_schema(&mut SchemaGenerator::default());
        let values = &schema.as_value()["additionalProperties"]["x-kubernetes-validations"][0];

        for word in PLACEHOLDERS {
            assert!(values["message"].as_str().unwrap().contains(&format!("{{{{{word}}}}}")), "{word}");
            assert!(values["rule"].as_str().unwrap().contains(word), "{word}");
        }
    }
}
