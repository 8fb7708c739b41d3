//! The field reference: every field of every kind with its type, default, bounds and meaning, read from the CRDs.

use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool,
};

use testnode_operator::api::crd::EMPTY_OR;

/// What no schema tells: the types of conditions, and what each means where it is true.
const CONDITIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "TestNode",
        &[
            (
                "Ready",
                "The machine is there, has its volumes and its name, and passed its readiness checks. Always present.",
            ),
            ("Reconciling", "Something is being done or waited for. Only while that is so."),
            (
                "Stalled",
                "It does not go on by itself soon: somebody must act, or a rest between rounds is under way. Only while that is so.",
            ),
            ("Paused", "`spec.paused` is true. Only while that is so; `Ready` stays as it was."),
            ("Resolved", "Flavor, image, networks, security groups and volumes were found in a cloud."),
            ("ServerReady", "The server is ACTIVE."),
            ("VolumesAttached", "All data volumes are on the server. Absent where none is asked for."),
            (
                "DNSReady",
                "The name has the machine's address, as far as that can be checked. Absent where the Cloud has no DNS.",
            ),
            ("Booted", "The readiness checks passed."),
        ],
    ),
    (
        "TestNodeClaim",
        &[
            ("Ready", "It has all its nodes, and none is known to be broken. Always present."),
            ("Reconciling", "It waits for nodes, or is being given them. Only while that is so."),
            (
                "Stalled",
                "It cannot be served as it is, a node broke, or it has ended. Only while that is so.",
            ),
            ("Held", "`spec.hold` keeps its nodes. Only while that is so."),
            ("Output", "Whether the ConfigMap of `spec.output` is written. Absent where none is asked for."),
        ],
    ),
    (
        "MachineImage",
        &[
            ("Ready", "every cloud has a current image"),
            ("UpToDate", "and it is the version that the source has"),
            ("Reconciling", "something is under way, or waits by itself"),
            ("Stalled", "somebody must act; the message says what to do"),
        ],
    ),
    (
        "TestNodePool",
        &[
            ("Ready", "A node of the present template has been Ready, or none is wanted. Always present."),
            ("Filled", "As many idle nodes are Ready as `spec.minReady` says. Always present."),
            ("Reconciling", "The first node of the template is being made. Only while that is so."),
            ("Stalled", "The first node of the template cannot be made. Only while that is so."),
            (
                "Frozen",
                "The newest node of the template failed, so one is tried at a time. Only while that is so.",
            ),
            ("Paused", "`spec.paused` is true. Only while that is so."),
        ],
    ),
    ("TestNodeSlot", &[]),
    ("MachineType", &[("Ready", "Every cloud can make every operating system that is named.")]),
    (
        "Cloud",
        &[
            ("Ready", "Machines can be made there."),
            ("Authenticated", "The operator is logged in, to the project it knows."),
            ("Reachable", "Servers, volumes and ports can be listed."),
            ("QuotaAvailable", "Nothing was refused for quota in the last minute."),
            ("Secure", "The cloud and its DNS are asked with TLS, and certificates are verified."),
        ],
    ),
];

/// A rule that is longer is read better where it is written.
const READABLE: usize = 300;

/// The whole reference, as Markdown.
pub fn document(definitions: &[CustomResourceDefinition]) -> String {
    let mut text = String::from(
        "# Field reference\n\n\
         Everything one can write in, and read from, the kinds of `testnode.dev/v1alpha1`. Made from the definitions \
         beside it by `BLESS=1 cargo test --test generated`; edit the doc comments in `src/api` instead.\n\n\
         A field of a spec that is not required may also be null, and one that is a string may be empty: both mean that \
         it is absent.\n\n\
         `kubectl explain testnode.spec.volumes` says the same in a cluster. The reasons of conditions, and what to do \
         for each, are in [docs/operating.md](../docs/operating.md).\n",
    );
    for definition in definitions {
        kind(&mut text, definition);
    }
    text
}

fn kind(text: &mut String, definition: &CustomResourceDefinition) {
    let names = &definition.spec.names;
    let version = definition.spec.versions.first().unwrap();
    let root = version.schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    let short = names
        .short_names
        .iter()
        .flatten()
        .fold(String::new(), |text, short| text + ", short `" + short + "`");
    let scope = definition.spec.scope.to_lowercase();
    let meaning = root.description.clone().unwrap_or_default();
    write!(text, "\n## {}\n\n`{}`{short}; {scope}.\n\n{meaning}\n", names.kind, names.plural).unwrap();

    for part in ["spec", "status"] {
        let Some(schema) = root.properties.as_ref().and_then(|properties| properties.get(part)) else {
            continue;
        };
        write!(text, "\n### {}.{part}\n\n", names.kind).unwrap();
        if part == "status" {
            text.push_str("Written by the operator.\n\n");
        }
        text.push_str("| field | type | default | bounds | meaning |\n|---|---|---|---|---|\n");
        fields(text, schema, "");
    }
    rules(text, &names.kind, root);
    conditions(text, &names.kind);
    columns(text, &names.kind, version.additional_printer_columns.iter().flatten());
}

fn fields(text: &mut String, schema: &JSONSchemaProps, path: &str) {
    for (name, field) in schema.properties.iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let required = schema.required.iter().flatten().any(|required| required == name);
        let default = field.default.as_ref().map(|default| format!("`{}`", default.0)).unwrap_or_default();
        let bounds = bounds(field, required).join("; ");
        let meaning = field.description.clone().unwrap_or_default();
        let cells =
            [format!("`{path}`"), type_of(field), default, bounds, meaning].map(|cell| cell_of(&cell));
        writeln!(text, "| {} |", cells.join(" | ")).unwrap();
        // The fields of a condition are Kubernetes' own.
        if name == "conditions" {
            continue;
        }
        match items(field) {
            Some(items) => fields(text, items, &format!("{path}[]")),
            None => fields(text, field, &path),
        }
    }
}

/// One line, and no bar that would end the cell.
fn cell_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn items(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(items),
        Some(JSONSchemaPropsOrArray::Schemas(_)) | None => None,
    }
}

fn values(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(values),
        Some(JSONSchemaPropsOrBool::Bool(_)) | None => None,
    }
}

fn type_of(schema: &JSONSchemaProps) -> String {
    if let Some(items) = items(schema) {
        return format!("list of {}", type_of(items));
    }
    if let Some(values) = values(schema) {
        return format!("map to {}", type_of(values));
    }
    match (schema.type_.as_deref(), schema.format.as_deref()) {
        (Some("string"), Some("date-time")) => "time".into(),
        (Some(other), _) => other.into(),
        (None, _) => "any".into(),
    }
}

fn bounds(schema: &JSONSchemaProps, required: bool) -> Vec<String> {
    let mut bounds = Vec::new();
    if required {
        bounds.push("required".into());
    }
    if let Some(words) = &schema.enum_ {
        let words = words.iter().filter_map(|word| word.0.as_str()).filter(|word| !word.is_empty());
        let words = words.map(|word| format!("`{word}`"));
        bounds.push(words.collect::<Vec<_>>().join(", "));
    }
    bounds.extend(between(schema.minimum, schema.maximum, ""));
    bounds.extend(between(schema.min_length, schema.max_length, " characters"));
    bounds.extend(between(schema.min_items, schema.max_items, " items"));
    bounds.extend(between(schema.min_properties, schema.max_properties, " keys"));
    let pattern = schema.pattern.as_ref().map(|pattern| pattern.strip_prefix(EMPTY_OR).unwrap_or(pattern));
    bounds.extend(pattern.map(|pattern| format!("`{pattern}`")));
    bounds.extend(schema.x_kubernetes_list_map_keys.iter().flatten().map(|key| format!("one per `{key}`")));
    if let Some(inner) = items(schema).or_else(|| values(schema)) {
        let each = self::bounds(inner, false);
        if !each.is_empty() {
            bounds.push(format!("each {}", each.join(", ")));
        }
    }
    bounds
}

fn between<N: ToString>(least: Option<N>, most: Option<N>, of: &str) -> Option<String> {
    match (least.map(|n| n.to_string()), most.map(|n| n.to_string())) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{of}")),
        (Some(least), None) => Some(format!("at least {least}{of}")),
        (None, Some(most)) => Some(format!("at most {most}{of}")),
        (None, None) => None,
    }
}

fn rules(text: &mut String, kind: &str, root: &JSONSchemaProps) {
    let mut found = Vec::new();
    gather(&mut found, root, "");
    if found.is_empty() {
        return;
    }
    write!(text, "\n### {kind} rules\n\nRefused by the API server, with these words.\n\n").unwrap();
    text.push_str("| at | message | rule |\n|---|---|---|\n");
    for (path, message, rule) in found {
        let path = if path.is_empty() { "the object".into() } else { format!("`{path}`") };
        writeln!(text, "| {path} | {} | {} |", cell_of(&message), cell_of(&rule)).unwrap();
    }
}

/// Everything that a message which is put together can say.
fn words(expression: &str) -> String {
    expression.split('\'').skip(1).step_by(2).collect()
}

fn gather(found: &mut Vec<(String, String, String)>, schema: &JSONSchemaProps, path: &str) {
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        let said = rule
            .message
            .clone()
            .or_else(|| rule.message_expression.as_deref().map(words))
            .unwrap_or_default();
        let rule = Some(&rule.rule).filter(|rule| rule.len() <= READABLE);
        found.push((
            path.to_owned(),
            said,
            rule.map_or_else(|| "see the definition".into(), |rule| format!("`{rule}`")),
        ));
    }
    for (name, field) in schema.properties.iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        gather(found, field, &path);
    }
    if let Some(inner) = items(schema).or_else(|| values(schema)) {
        gather(found, inner, &format!("{path}[]"));
    }
}

fn conditions(text: &mut String, kind: &str) {
    let known = CONDITIONS.iter().find(|(of, _)| *of == kind);
    let (_, known) = known.unwrap_or_else(|| panic!("no conditions are listed for {kind}"));
    if known.is_empty() {
        return;
    }
    write!(text, "\n### {kind} conditions\n\n| type | true means |\n|---|---|\n").unwrap();
    for (name, meaning) in *known {
        writeln!(text, "| `{name}` | {meaning} |").unwrap();
    }
}

fn columns<'a>(
    text: &mut String,
    kind: &str,
    columns: impl Iterator<Item = &'a CustomResourceColumnDefinition>,
) {
    write!(text, "\n### {kind} columns\n\n| column | shows | with |\n|---|---|---|\n").unwrap();
    for column in columns {
        let with = if column.priority.unwrap_or(0) > 0 { "`-o wide`" } else { "" };
        writeln!(text, "| {} | `{}` | {with} |", column.name, cell_of(&column.json_path)).unwrap();
    }
}
