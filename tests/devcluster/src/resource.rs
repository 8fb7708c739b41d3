//! The kinds the server knows: a few built in, the rest from `CustomResourceDefinition`s.

use serde_json::{Value, json};

use crate::json::{items, text, texts};
use crate::schema::Schema;

/// One resource of one API version.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Whether `status` is written apart from the rest.
    pub(crate) status: bool,
    /// Where objects are kept: events are kept once and seen in two groups.
    pub(crate) storage: String,
    pub(crate) schema: Schema,
    pub(crate) columns: Vec<Column>,
    /// Fields beside name and namespace that a field selector may name, with the path they are read from.
    pub(crate) selectable: Vec<(String, String)>,
    pub(crate) custom: bool,
}

/// A column of `kubectl get`.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) priority: i64,
    pub(crate) description: String,
}

impl Column {
    pub(crate) fn new(name: &str, kind: &str, path: &str) -> Self {
        let description = String::new();
        Self { name: name.into(), kind: kind.into(), path: path.into(), priority: 0, description }
    }
}

impl Resource {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `plural.group`, as `kubectl` writes it.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    fn built_in(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            list_kind: format!("{kind}List"),
            plural: plural.into(),
            singular: kind.to_lowercase(),
            short_names: Vec::new(),
            categories: Vec::new(),
            namespaced,
            status: false,
            storage: if plural == "events" { "events".into() } else { format!("{group}/{plural}") },
            schema: Schema::any(),
            columns: Vec::new(),
            selectable: Vec::new(),
            custom: false,
        }
    }

    fn short(mut self, names: &[&str]) -> Self {
        self.short_names = names.iter().map(|&name| name.into()).collect();
        self
    }

    fn columns(mut self, columns: &[(&str, &str, &str)]) -> Self {
        self.columns = columns.iter().map(|(name, kind, path)| Column::new(name, kind, path)).collect();
        self
    }

    fn selectable(mut self, fields: &[(&str, &str)]) -> Self {
        self.selectable = fields.iter().map(|&(name, path)| (name.into(), path.into())).collect();
        self
    }

    fn with_status(mut self) -> Self {
        self.status = true;
        self
    }

    /// The resources of every version served by a `CustomResourceDefinition`.
    pub(crate) fn defined_by(crd: &Value) -> Result<Vec<Self>, String> {
        let required = |pointer: &str| match text(crd, pointer) {
            "" => Err(format!("{pointer} is missing")),
            found => Ok(found.to_owned()),
        };
        let (group, kind, plural) =
            (required("/spec/group")?, required("/spec/names/kind")?, required("/spec/names/plural")?);
        let or = |pointer: &str, default: String| match text(crd, pointer) {
            "" => default,
            found => found.to_owned(),
        };
        let mut resources = Vec::new();
        for version in items(crd, "/spec/versions") {
            if version.get("served") == Some(&Value::Bool(false)) {
                continue;
            }
            let name = text(version, "/name").to_owned();
            let empty = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
            let schema = version.pointer("/schema/openAPIV3Schema").unwrap_or(&empty);
            resources.push(Self {
                list_kind: or("/spec/names/listKind", format!("{kind}List")),
                singular: or("/spec/names/singular", kind.to_lowercase()),
                short_names: texts(crd, "/spec/names/shortNames"),
                categories: texts(crd, "/spec/names/categories"),
                namespaced: text(crd, "/spec/scope") == "Namespaced",
                status: version.pointer("/subresources/status").is_some(),
                storage: format!("{group}/{plural}"),
                schema: Schema::structural(schema)?,
                columns: printed(version),
                selectable: selectable(version),
                group: group.clone(),
                version: name,
                kind: kind.clone(),
                plural: plural.clone(),
                custom: true,
            });
        }
        Ok(resources)
    }
}

fn printed(version: &Value) -> Vec<Column> {
    let columns = items(version, "/additionalPrinterColumns");
    if columns.is_empty() {
        return vec![Column::new("Age", "date", ".metadata.creationTimestamp")];
    }
    let column = |column: &Value| Column {
        name: text(column, "/name").to_owned(),
        kind: text(column, "/type").to_owned(),
        path: text(column, "/jsonPath").to_owned(),
        priority: column.get("priority").and_then(Value::as_i64).unwrap_or_default(),
        description: text(column, "/description").to_owned(),
    };
    columns.iter().map(column).collect()
}

fn selectable(version: &Value) -> Vec<(String, String)> {
    let path = |field: &Value| {
        let path = text(field, "/jsonPath").trim_start_matches('.').to_owned();
        (path.clone(), path)
    };
    items(version, "/selectableFields").iter().map(path).collect()
}

/// What every cluster has.
pub(crate) fn built_in() -> Vec<Resource> {
    const AGE: (&str, &str, &str) = ("Age", "date", ".metadata.creationTimestamp");
    let event_columns = &[
        ("Last Seen", "date", ".series.lastObservedTime|.lastTimestamp|.eventTime"),
        ("Type", "string", ".type"),
        ("Reason", "string", ".reason"),
        ("Object", "object", ".involvedObject"),
        ("Subobject", "string", ".involvedObject.fieldPath"),
        ("Source", "string", ".source.component|.reportingComponent"),
        ("Message", "string", ".message"),
        ("First Seen", "date", ".firstTimestamp|.eventTime"),
        ("Count", "string", ".series.count|.count"),
        ("Name", "string", ".metadata.name"),
    ];
    let of_events = |resource: Resource| {
        let mut resource = resource.short(&["ev"]).columns(event_columns);
        for column in &mut resource.columns {
            let wide = ["Subobject", "Source", "First Seen", "Count", "Name"].contains(&column.name.as_str());
            column.priority = i64::from(wide);
        }
        resource
    };
    let of_object = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];
    let event_fields = |prefix: &str| {
        let mut fields: Vec<_> =
            of_object.iter().map(|f| (format!("{prefix}.{f}"), format!("involvedObject.{f}"))).collect();
        fields.extend(["reason", "type", "reportingComponent"].map(|f| (f.to_owned(), f.to_owned())));
        fields.push(("source".into(), "source.component".into()));
        fields.push(("reportingController".into(), "reportingComponent".into()));
        fields
    };
    let mut core = of_events(Resource::built_in("", "v1", "Event", "events", true));
    core.selectable = event_fields("involvedObject");
    let mut grouped = of_events(Resource::built_in("events.k8s.io", "v1", "Event", "events", true));
    grouped.selectable = event_fields("regarding");
    vec![
        Resource::built_in("", "v1", "Namespace", "namespaces", false)
            .short(&["ns"])
            .columns(&[("Status", "string", ".status.phase"), AGE])
            .selectable(&[("status.phase", "status.phase")])
            .with_status(),
        Resource::built_in("", "v1", "Secret", "secrets", true)
            .columns(&[("Type", "string", ".type"), ("Data", "count", ".data"), AGE])
            .selectable(&[("type", "type")]),
        Resource::built_in("", "v1", "ConfigMap", "configmaps", true)
            .short(&["cm"])
            .columns(&[("Data", "count", ".data"), AGE]),
        core,
        Resource::built_in("", "v1", "ServiceAccount", "serviceaccounts", true)
            .short(&["sa"])
            .columns(&[("Secrets", "count", ".secrets"), AGE]),
        grouped,
        Resource::built_in("coordination.k8s.io", "v1", "Lease", "leases", true)
            .columns(&[("Holder", "string", ".spec.holderIdentity"), AGE]),
        Resource::built_in(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            false,
        )
        .short(&["crd", "crds"])
        .columns(&[("Created At", "string", ".metadata.creationTimestamp")])
        .with_status(),
    ]
}
