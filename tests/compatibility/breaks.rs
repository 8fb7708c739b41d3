//! What in a new definition would break objects that were stored under an old one.

use std::collections::BTreeSet;

use serde_json::Value;

/// Bounds that refuse more the smaller they are, and those that refuse more the greater they are.
const MOST: [&str; 4] = ["maxLength", "maxItems", "maxProperties", "maximum"];
const LEAST: [&str; 4] = ["minLength", "minItems", "minProperties", "minimum"];

/// What may not differ, as stored values would be refused, dropped or read otherwise.
const FIXED: [&str; 8] = [
    "type",
    "format",
    "pattern",
    "default",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
];

/// Each way in which `new` is no successor of `old`, by the path of the field.
pub fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for field in ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural"] {
        if old.pointer(field) != new.pointer(field) {
            found.push(format!("{field} differs"));
        }
    }
    for version in list(old.pointer("/spec/versions")) {
        let same = |other: &&Value| other["name"] == version["name"];
        match list(new.pointer("/spec/versions")).iter().find(same) {
            Some(other) if other["served"] == version["served"] => {
                let schema = "/schema/openAPIV3Schema";
                let (Some(old), Some(new)) = (version.pointer(schema), other.pointer(schema)) else {
                    found.push(format!("{} has no schema", version["name"]));
                    continue;
                };
                compare("", old, new, &mut found);
            }
            Some(_) | None => found.push(format!("{} is not served any more", version["name"])),
        }
    }
    found
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    for key in FIXED {
        if old.get(key) != new.get(key) {
            found.push(format!("{path}: {key} differs"));
        }
    }
    let tighter = |key: &str, order: fn(f64, f64) -> bool| match (old[key].as_f64(), new[key].as_f64()) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(old), Some(new)) => order(new, old),
    };
    let bounds = MOST.iter().filter(|key| tighter(key, |new, old| new < old));
    for key in bounds.chain(LEAST.iter().filter(|key| tighter(key, |new, old| new > old))) {
        found.push(format!("{path}: {key} is tighter"));
    }
    if old["nullable"] == true && new["nullable"] != true {
        found.push(format!("{path}: null is refused"));
    }
    if let Some(allowed) = new["enum"].as_array() {
        match old["enum"].as_array() {
            None => found.push(format!("{path}: has become an enum")),
            Some(before) => {
                let gone = before.iter().filter(|value| !allowed.contains(value));
                found.extend(gone.map(|value| format!("{path}: {value} is refused")));
            }
        }
    }
    let named = |schema: &Value| -> BTreeSet<String> {
        list(schema.get("required")).iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    };
    for name in named(new).difference(&named(old)) {
        // What is missing is filled in before it is looked at.
        if new["properties"][name].get("default").is_none() {
            found.push(format!("{path}.{name}: is required"));
        }
    }
    // A rule about a change says nothing of what is stored.
    let rules = |schema: &Value| -> BTreeSet<String> {
        let rules = list(schema.get("x-kubernetes-validations"));
        rules.iter().filter_map(|rule| rule["rule"].as_str()).map(ToOwned::to_owned).collect()
    };
    let holds = |rule: &str| excludes_what_is_new(rule, old) || adds_another_way(rule, old);
    let says = |rule: &&String| !rule.contains("oldSelf") && !holds(rule);
    for rule in rules(new).difference(&rules(old)).filter(says) {
        found.push(format!("{path}: a new rule: {rule}"));
    }
    for (name, old) in old["properties"].as_object().into_iter().flatten() {
        match new["properties"].get(name) {
            Some(new) => compare(&format!("{path}.{name}"), old, new, found),
            None => found.push(format!("{path}.{name}: is gone")),
        }
    }
    for (key, step) in [("items", "[]"), ("additionalProperties", "{}")] {
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => compare(&format!("{path}{step}"), old, new, found),
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => found.push(format!("{path}: {key} differs")),
        }
    }
}

/// A rule that two fields are not both there, one of which no stored object can have.
fn excludes_what_is_new(rule: &str, old: &Value) -> bool {
    let fields = rule.strip_prefix("!(has(self.").and_then(|rule| rule.strip_suffix("))"));
    let fields = fields.and_then(|fields| fields.split_once(") && has(self."));
    fields.is_some_and(|(one, other)| [one, other].iter().any(|name| old["properties"].get(name).is_none()))
}

/// A rule that one of two fields is there, of which each stored object has one, and none can have the other.
fn adds_another_way(rule: &str, old: &Value) -> bool {
    let fields = rule.strip_prefix("has(self.").and_then(|rule| rule.strip_suffix(')'));
    let Some((one, other)) = fields.and_then(|fields| fields.split_once(") != has(self.")) else {
        return false;
    };
    let required = |name: &str| list(old.get("required")).iter().any(|required| required == name);
    required(one) && old["properties"].get(other).is_none()
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(spec: &Value) -> Value {
        json!({"spec": {
            "group": "testnode.dev", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": spec},
            }}}],
        }})
    }

    fn of(old: &Value, new: &Value) -> Vec<String> {
        breaks(&definition(old), &definition(new))
    }

    #[test]
    fn what_is_looser_or_new_breaks_nothing() {
        let old = json!({"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 10},
            "mode": {"type": "string", "enum": ["A", "B"]},
        }, "x-kubernetes-validations": [{"rule": "self.size != 3"}]});
        let new = json!({"type": "object", "required": ["kind"], "properties": {
            "size": {"type": "integer", "minimum": 0},
            "mode": {"type": "string", "enum": ["A", "B", "C"]},
            "kind": {"type": "string", "default": "x"},
        }, "x-kubernetes-validations": [
            {"rule": "self.kind == oldSelf.kind"}, {"rule": "!(has(self.mode) && has(self.kind))"},
            {"rule": "has(self.size) != has(self.kind)"},
        ]});
        assert_eq!(of(&old, &new), Vec::<String>::new());
    }

    #[test]
    fn each_kind_of_break_is_found() {
        let old = json!({"type": "object", "required": [], "properties": {
            "text": {"type": "string", "maxLength": 10, "nullable": true, "enum": ["a", "b"]},
            "list": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "string"}},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
        }});
        let not_both = json!([{"rule": "!(has(self.text) && has(self.list))"}]);
        let one_of = json!([{"rule": "has(self.text) != has(self.other)"}]);
        let cases: [(&str, Value, &str); 18] = [
            ("/properties/text/type", json!("integer"), ".spec.text: type differs"),
            ("/properties/text/maxLength", json!(9), ".spec.text: maxLength is tighter"),
            ("/properties/text/minLength", json!(1), ".spec.text: minLength is tighter"),
            ("/properties/text/pattern", json!("^a$"), ".spec.text: pattern differs"),
            ("/properties/text/format", json!("date-time"), ".spec.text: format differs"),
            ("/properties/text/nullable", json!(false), ".spec.text: null is refused"),
            ("/properties/text/enum", json!(["a"]), ".spec.text: \"b\" is refused"),
            ("/properties/text/default", json!("a"), ".spec.text: default differs"),
            ("/properties/list/enum", json!([[]]), ".spec.list: has become an enum"),
            ("/properties/list/x-kubernetes-list-type", json!("set"), "x-kubernetes-list-type differs"),
            ("/properties/list/items/type", json!("integer"), ".spec.list[]: type differs"),
            ("/properties/list/items", Value::Null, ".spec.list[]: type differs"),
            ("/properties/map/additionalProperties/maxLength", json!(1), ".spec.map{}: maxLength"),
            ("/properties/map/properties", json!({}), ""),
            ("/required", json!(["list"]), ".spec.list: is required"),
            ("/x-kubernetes-validations", json!([{"rule": "false"}]), ".spec: a new rule: false"),
            ("/x-kubernetes-validations", not_both, ".spec: a new rule: !(has(self.text)"),
            ("/x-kubernetes-validations", one_of, ".spec: a new rule: has(self.text)"),
        ];
        for (place, value, expected) in cases {
            let mut new = old.clone();
            let (parent, key) = place.rsplit_once('/').unwrap();
            new.pointer_mut(parent).unwrap()[key] = value;
            let found = of(&old, &new);
            let right = if expected.is_empty() {
                found.is_empty()
            } else {
                found.iter().any(|it| it.contains(expected))
            };
            assert!(right, "{place}: {found:?}");
        }
    }

    #[test]
    fn a_field_a_version_or_a_kind_that_is_gone_is_found() {
        let old = json!({"type": "object", "properties": {"text": {"type": "string"}}});
        assert_eq!(of(&old, &json!({"type": "object", "properties": {}})), [".spec.text: is gone"]);
        let mut new = definition(&old);
        new["spec"]["versions"][0]["served"] = json!(false);
        assert_eq!(breaks(&definition(&old), &new), ["\"v1\" is not served any more"]);
        new["spec"]["versions"] = json!([]);
        assert_eq!(breaks(&definition(&old), &new), ["\"v1\" is not served any more"]);
        let mut new = definition(&old);
        new["spec"]["names"]["kind"] = json!("Other");
        assert_eq!(breaks(&definition(&old), &new), ["/spec/names/kind differs"]);
    }
}
