//! The `CustomResourceDefinitions`, as they are written to `crds/` and printed by `testnode-operator crd`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use super::{Cloud, MachineType, TestNode};

/// Every CRD, in the order of its importance to a reader.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    [TestNode::crd(), MachineType::crd(), Cloud::crd()]
        .into_iter()
        .map(|mut crd| {
            for version in &mut crd.spec.versions {
                if let Some(root) =
                    version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut())
                {
                    without_nulls(root);
                    pending_at_first(root);
                }
            }
            crd
        })
        .collect()
}

/// The derive calls every `Option` nullable. A field is there or it is not: a stored null would be a third thing.
fn without_nulls(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        without_nulls(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        without_nulls(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        without_nulls(values);
    }
}

/// An object that nobody has looked at yet would count as *Current* for kstatus. As Gateway API does, the schema says
/// `Ready=Unknown, Pending` from the first instant.
fn pending_at_first(root: &mut JSONSchemaProps) {
    if let Some(status) = root.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
        status.default = Some(JSON(json!({ "conditions": [{
            "type": "Ready",
            "status": "Unknown",
            "reason": "Pending",
            "message": "Waiting for testnode-operator",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }]})));
    }
}

/// All CRDs as one YAML stream.
///
/// # Errors
/// Never in practice: every field of a CRD can be written as YAML.
pub fn yaml() -> Result<String, String> {
    all().iter().map(document).collect()
}

/// One CRD as a YAML document, with its leading `---`.
///
/// # Errors
/// As [`yaml`].
pub fn document(crd: &CustomResourceDefinition) -> Result<String, String> {
    let text = serde_saphyr::to_string(crd).map_err(|error| error.to_string())?;
    Ok(format!("---\n{text}"))
}
