//! The form an answer is asked in: whole objects, tables, or metadata only.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::request::Request;
use crate::resource::Resource;
use crate::{event, table};

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Whole,
    Metadata,
    /// A table, each row with the object as this.
    Table(Rows),
}

/// What the rows of a table carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    Nothing,
    Metadata,
    Objects,
}

impl View {
    /// The first form in `Accept` that is known.
    pub(crate) fn of(request: &Request) -> Self {
        for kind in request.accept.split(',') {
            let has = |word: &str| kind.split(';').any(|part| part.trim() == word);
            if has("as=Table") {
                return Self::Table(match request.query.get("includeObject") {
                    "None" => Rows::Nothing,
                    "Object" => Rows::Objects,
                    _ => Rows::Metadata,
                });
            }
            if has("as=PartialObjectMetadata") || has("as=PartialObjectMetadataList") {
                return Self::Metadata;
            }
        }
        Self::Whole
    }

    pub(crate) fn one(self, resource: &Resource, stored: &Value, now: Timestamp) -> Value {
        match self {
            Self::Whole => whole(resource, stored),
            Self::Metadata => partial(stored),
            Self::Table(rows) => {
                let metadata = json!({"resourceVersion": stored.pointer("/metadata/resourceVersion")});
                table::of(resource, &[stored], rows, &metadata, now)
            }
        }
    }

    pub(crate) fn many(
        self,
        resource: &Resource,
        stored: &[&Value],
        metadata: &Value,
        now: Timestamp,
    ) -> Value {
        let (version, kind, items): (_, _, Vec<_>) = match self {
            Self::Table(rows) => return table::of(resource, stored, rows, metadata, now),
            Self::Whole => {
                let items = stored.iter().map(|stored| whole(resource, stored)).collect();
                (resource.api_version(), resource.list_kind.as_str(), items)
            }
            Self::Metadata => {
                let items = stored.iter().map(|stored| partial(stored)).collect();
                ("meta.k8s.io/v1".into(), "PartialObjectMetadataList", items)
            }
        };
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "items": items})
    }
}

/// The object as the resource shows it.
pub(crate) fn whole(resource: &Resource, stored: &Value) -> Value {
    let mut shown = stored.clone();
    event::show(&mut shown, resource);
    shown
}

/// The metadata alone.
pub(crate) fn partial(stored: &Value) -> Value {
    let metadata = stored.get("metadata");
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata})
}
