//! The `CustomResourceDefinitions`, as they are written to `crds/` and printed by `testnode-operator crd`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use super::{Cloud, MachineImage, MachineType, TestNode, TestNodeClaim, TestNodePool, TestNodeSlot};
use crate::reason::Reason;

/// Every CRD, in the order of its importance to a reader.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    let pools = [TestNodeClaim::crd(), TestNodePool::crd(), TestNodeSlot::crd()];
    let all = [TestNode::crd()].into_iter().chain(pools).chain([
        MachineType::crd(),
        Cloud::crd(),
        MachineImage::crd(),
    ]);
    all.map(|mut crd| {
        for version in &mut crd.spec.versions {
            if let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut())
            {
                without_nulls(root);
                folded(root);
                spec_takes_empty_fields(root);
                pending_at_first(root, waits_for(&crd.spec.names.kind));
            }
        }
        crd
    })
    .collect()
}

/// The derive calls every `Option` nullable. Which fields are is said by [`empty_is_absent`], for specs only: a status is
/// ours.
fn without_nulls(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    for inner in inner(schema) {
        without_nulls(inner);
    }
}

/// Descriptions as running text: `kubectl explain` would keep the line breaks of our sources, and breaks lines itself.
fn folded(schema: &mut JSONSchemaProps) {
    if let Some(text) = &mut schema.description {
        *text = text.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
    for inner in inner(schema) {
        folded(inner);
    }
}

/// Lets null into every optional field, and the empty string into every optional field that is a string;
/// [`super::absent`] reads both as absent. A field with a default keeps refusing null: the API server puts the default
/// there.
///
/// What the schema says of a string, it says of one that is not empty. The rules see what the operator will see: `has` of
/// a field that is null or empty is false.
fn empty_is_absent(schema: &mut JSONSchemaProps) {
    rules_see_absent(schema);
    let required = schema.required.clone().unwrap_or_default();
    for (name, property) in schema.properties.iter_mut().flatten() {
        if !required.contains(name) {
            optional(property);
        }
    }
    for inner in inner(schema) {
        empty_is_absent(inner);
    }
}

/// Of a field that need not be there.
fn optional(schema: &mut JSONSchemaProps) {
    let null = schema.default.is_none();
    schema.nullable = null.then_some(true);
    if is_string(schema) {
        match schema.enum_.take() {
            // The API server takes no null that an enum would have to list.
            Some(words) if null => {
                let words: Vec<&str> = words.iter().filter_map(|word| word.0.as_str()).collect();
                schema.pattern = Some(format!("^({})$", words.join("|")));
            }
            Some(words) => schema.enum_ = Some(words.into_iter().chain([JSON("".into())]).collect()),
            None => {}
        }
        let least = schema.min_length.take().unwrap_or(0);
        schema.pattern = match schema.pattern.take() {
            Some(pattern) => Some(format!("{EMPTY_OR}{pattern}")),
            // Any character, a line's end included.
            None => (least > 1).then(|| format!("{EMPTY_OR}^[\\s\\S]{{{least},}}$")),
        };
        for rule in schema.x_kubernetes_validations.iter_mut().flatten() {
            rule.rule = format!("self == '' || ({})", rule.rule);
        }
    }
}

/// How the pattern of an optional string begins.
pub const EMPTY_OR: &str = "^$|";

fn is_string(schema: &JSONSchemaProps) -> bool {
    schema.type_.as_deref() == Some("string")
}

/// Has the rules of a schema take an empty string for an absent one.
fn rules_see_absent(schema: &mut JSONSchemaProps) {
    let at = schema.clone();
    for rule in schema.x_kubernetes_validations.iter_mut().flatten() {
        rule.rule = absent_to_rules(&rule.rule, &at);
        rule.message_expression = rule.message_expression.as_ref().map(|text| absent_to_rules(text, &at));
    }
}

/// Each `has(self.a.b)` in CEL, of a string that may be empty, with what makes it true of text only.
fn absent_to_rules(rule: &str, at: &JSONSchemaProps) -> String {
    let mut parts = rule.split("has(");
    let begin = parts.next().unwrap_or_default().to_owned();
    parts.fold(begin, |text, part| {
        let (path, after) = part.split_once(')').unwrap_or((part, ""));
        if may_be_empty(path, at) {
            text + "(has(" + path + ") && " + path + " != '')" + after
        } else {
            text + "has(" + path + ")" + after
        }
    })
}

/// Whether a path such as `self.spec.hostname` is that of an optional string.
fn may_be_empty(path: &str, at: &JSONSchemaProps) -> bool {
    let mut names = path.split('.');
    if !matches!(names.next(), Some("self" | "oldSelf")) {
        return false;
    }
    let mut schema = at;
    let mut optional = false;
    for name in names {
        let Some(property) = schema.properties.as_ref().and_then(|all| all.get(name)) else { return false };
        optional = !schema.required.iter().flatten().any(|required| required == name);
        schema = property;
    }
    optional && is_string(schema)
}

/// The schemas in a schema, one step down.
fn inner(schema: &mut JSONSchemaProps) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let items = match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(&mut **items),
        Some(JSONSchemaPropsOrArray::Schemas(_)) | None => None,
    };
    let values = match &mut schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(&mut **values),
        Some(JSONSchemaPropsOrBool::Bool(_)) | None => None,
    };
    let properties = schema.properties.iter_mut().flat_map(|properties| properties.values_mut());
    properties.chain(items).chain(values)
}

/// [`empty_is_absent`] for the spec, and for the rules at the root that speak of it.
fn spec_takes_empty_fields(root: &mut JSONSchemaProps) {
    rules_see_absent(root);
    if let Some(spec) = root.properties.as_mut().and_then(|properties| properties.get_mut("spec")) {
        empty_is_absent(spec);
    }
}

/// Who is to look at an object of a kind.
fn waits_for(kind: &str) -> &'static str {
    if kind == "MachineImage" {
        "Waiting for testnode-operator images (chart value images.enabled)"
    } else {
        "Waiting for testnode-operator"
    }
}

/// An object that nobody has looked at yet would count as *Current* for kstatus. As Gateway API does, the schema says
/// `Ready=Unknown, Pending` from the first instant.
fn pending_at_first(root: &mut JSONSchemaProps, message: &str) {
    if let Some(status) = root.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
        status.default = Some(JSON(json!({ "conditions": [{
            "type": "Ready",
            "status": "Unknown",
            "reason": Reason::Pending,
            "message": message,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kube::core::DynamicObject;
    use serde_json::{Value, from_value, to_value};

    use super::*;

    /// The spec's schema, and the least that a spec must say.
    fn specs() -> [(&'static str, Value, Value); 7] {
        let spec = |crd: CustomResourceDefinition| {
            let crd = to_value(crd).unwrap();
            crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap().clone()
        };
        let [node, claim, pool, slot, machine_type, cloud, image] =
            <[_; 7]>::try_from(all()).unwrap().map(spec);
        let ours =
            [("TestNode", node), ("TestNodeClaim", claim), ("TestNodePool", pool), ("TestNodeSlot", slot)];
        let [node, claim, pool, slot] = ours;
        [node, claim, pool, slot, ("MachineType", machine_type), ("Cloud", cloud), ("MachineImage", image)]
            .map(|(kind, schema)| (kind, schema.clone(), least(&schema)))
    }

    /// A value with all that is required, and with one of each list and each object, so that their fields are there.
    fn least(schema: &Value) -> Value {
        match schema["type"].as_str().unwrap() {
            "object" if schema["properties"].is_object() => {
                let required: Vec<&str> =
                    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let fields = schema["properties"].as_object().unwrap();
                let there = fields.iter().filter(|(name, field)| {
                    required.contains(&name.as_str())
                        || matches!(field["type"].as_str(), Some("object" | "array"))
                });
                there.map(|(name, field)| (name.clone(), least(field))).collect()
            }
            "object" if schema["additionalProperties"]["type"] == "array" => json!({"hint": ["a1"]}),
            "object" => json!({"os_distro": ""}),
            "array" => json!([least(&schema["items"])]),
            "string" => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("a1")),
            "integer" => json!(1),
            "boolean" => json!(false),
            other => panic!("{other}"),
        }
    }

    /// Where in a value the optional fields are, with their schemas.
    fn optional_fields(schema: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}/{name}");
            if !schema["required"].as_array().into_iter().flatten().any(|required| required == name) {
                found.insert(path.clone(), field.clone());
            }
            optional_fields(field, &path, found);
            optional_fields(&field["items"], &format!("{path}/0"), found);
        }
    }

    fn put(spec: &Value, path: &str, value: Option<Value>) -> Value {
        let mut spec = spec.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent =
            spec.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}")).as_object_mut().unwrap();
        match value {
            Some(value) => parent.insert(name.to_owned(), value),
            None => parent.remove(name),
        };
        spec
    }

    /// As the operator understands it, written out.
    fn understood(kind: &str, spec: &Value) -> Result<Value, serde_json::Error> {
        let object = json!({"metadata": {"name": "a1"}, "spec": spec});
        let read = match kind {
            "TestNode" => to_value(from_value::<TestNode>(object)?)?,
            "TestNodeClaim" => to_value(from_value::<TestNodeClaim>(object)?)?,
            "TestNodePool" => to_value(from_value::<TestNodePool>(object)?)?,
            "TestNodeSlot" => to_value(from_value::<TestNodeSlot>(object)?)?,
            "MachineType" => to_value(from_value::<MachineType>(object)?)?,
            "MachineImage" => to_value(from_value::<MachineImage>(object)?)?,
            _ => to_value(from_value::<Cloud>(object)?)?,
        };
        Ok(from_value::<DynamicObject>(read)?.data["spec"].clone())
    }

    #[test]
    fn an_optional_field_that_is_null_or_empty_is_read_as_absent() {
        for (kind, schema, spec) in specs() {
            let mut fields = BTreeMap::new();
            optional_fields(&schema, "", &mut fields);
            assert!(fields.len() > 2, "{kind}");
            for (path, field) in fields {
                let absent = understood(kind, &put(&spec, &path, None)).unwrap();
                let null = understood(kind, &put(&spec, &path, Some(Value::Null)));
                assert_eq!(null.unwrap(), absent, "{kind}.spec{path}: null");
                if field["type"] == "string" {
                    let empty = understood(kind, &put(&spec, &path, Some("".into())));
                    assert_eq!(empty.unwrap(), absent, "{kind}.spec{path}: an empty string");
                }
            }
        }
    }

    #[test]
    fn what_a_person_wrote_into_a_map_stays_though_it_is_empty() {
        let (kind, _, spec) = specs().into_iter().find(|(kind, ..)| *kind == "MachineType").unwrap();

        let read = understood(kind, &spec).unwrap();

        assert_eq!(read["images"][0]["properties"], json!({"os_distro": ""}));
    }

    #[test]
    fn an_optional_field_may_be_null_or_empty_and_a_required_one_may_not() {
        for (kind, schema, _) in specs() {
            let mut fields = BTreeMap::new();
            optional_fields(&schema, "", &mut fields);
            for (path, field) in fields {
                assert_eq!(field["nullable"] == true, field["default"].is_null(), "{kind}.spec{path}");
                assert_eq!(field["minLength"], Value::Null, "{kind}.spec{path}");
                if let Some(pattern) = field["pattern"].as_str() {
                    assert!(pattern.starts_with(EMPTY_OR), "{kind}.spec{path}: {pattern}");
                }
                if let Some(words) = field["enum"].as_array() {
                    assert!(words.contains(&"".into()), "{kind}.spec{path}");
                }
            }
        }
        let (_, node, _) = &specs()[0];
        assert_eq!(node["properties"]["machineType"]["minLength"], 1);
        assert_eq!(node["properties"]["machineType"]["nullable"], Value::Null);
    }

    #[test]
    fn descriptions_have_no_line_breaks_but_between_paragraphs() {
        fn walk(schema: &Value, found: &mut Vec<String>) {
            found.extend(schema["description"].as_str().map(ToOwned::to_owned));
            for inner in schema["properties"].as_object().into_iter().flat_map(serde_json::Map::values) {
                walk(inner, found);
            }
            if schema["items"].is_object() {
                walk(&schema["items"], found);
            }
        }
        let mut found = Vec::new();
        for crd in all() {
            walk(&to_value(crd).unwrap()["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut found);
        }

        assert!(found.len() > 100);
        for text in found {
            assert!(!text.replace("\n\n", "").contains('\n'), "{text}");
        }
    }

    /// A row of `kubectl get`, as wide as it gets with names of usual lengths, has at most 100 characters.
    #[test]
    fn the_columns_fit_a_hundred_characters_with_the_longest_reason() {
        let longest = Reason::ALL.iter().map(|reason| reason.as_str().len()).max().unwrap();
        let usual = |name: &str| match name {
            "Reason" => longest,
            "Phase" => "Provisioning".len(),
            "IP" => "255.255.255.255".len(),
            "Type" | "Clouds" | "Owner" | "Pool" => 8,
            "Nodes" | "Limit" | "Orphans" => 7,
            "Ready" | "UpToDate" => "Unknown".len(),
            "Version" => 12,
            "Down" => "false".len(),
            "Description" => 40,
            "Age" | "Min" | "Max" | "Claimed" | "Queued" | "Count" => 4,
            other => panic!("how long is {other}?"),
        };
        for crd in all() {
            let crd = to_value(crd).unwrap();
            let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap().clone();
            let name = |column: &Value| column["name"].as_str().unwrap().to_owned();
            let shown = columns.iter().filter(|column| column["priority"].as_i64().unwrap_or(0) == 0);
            let width: usize =
                shown.clone().map(|column| 3 + usual(&name(column)).max(name(column).len())).sum();

            assert!("smithi001".len() + width <= 100, "{} needs {width}", crd["metadata"]["name"]);
            if crd["spec"]["names"]["kind"] == "TestNodeSlot" {
                // It has no status.
                continue;
            }
            assert!(shown.clone().any(|column| name(column) == "Reason"), "{}", crd["metadata"]["name"]);
            assert_eq!(columns.iter().map(name).rev().take(2).collect::<Vec<_>>(), ["Message", "Age"]);
        }
    }

    #[test]
    fn the_rules_take_an_empty_string_for_an_absent_one() {
        let (_, node, _) = &specs()[0];

        let rules = node["x-kubernetes-validations"].to_string();

        assert!(
            rules.contains("!((has(self.flavor) && self.flavor != '') && has(self.resources))"),
            "{rules}"
        );
        let period = &node["properties"]["expireAfter"]["x-kubernetes-validations"][0]["rule"];
        assert!(period.as_str().unwrap().starts_with("self == '' || ("), "{period}");
    }
}
