//! Who owns which fields: `metadata.managedFields`.

use serde_json::{Value, json};

use crate::fields::{Fields, Scope};
use crate::json::{items, object, remove, set, text};

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// Who writes, how, through which subresource and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manager {
    pub(crate) name: String,
    pub(crate) operation: Operation,
    pub(crate) subresource: String,
    pub(crate) api_version: String,
}

impl Manager {
    /// The fields of a write that this manager may own at all.
    pub(crate) fn scope(&self, fields: Fields) -> Fields {
        let scope = if self.subresource == "status" { Scope::Within } else { Scope::Outside };
        fields.only("f:status", scope)
    }
}

/// One manager's fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) manager: Manager,
    time: String,
    pub(crate) fields: Fields,
}

/// All managers of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Managers(pub(crate) Vec<Entry>);

impl Managers {
    /// Reads the managers of an object; `None` where it names none.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        let entry = |entry: &Value| {
            let operation =
                if text(entry, "/operation") == "Apply" { Operation::Apply } else { Operation::Update };
            let manager = Manager {
                name: text(entry, "/manager").to_owned(),
                operation,
                subresource: text(entry, "/subresource").to_owned(),
                api_version: text(entry, "/apiVersion").to_owned(),
            };
            let fields = Fields::from_json(entry.get("fieldsV1")?);
            Some(Entry { manager, time: text(entry, "/time").to_owned(), fields })
        };
        let entries: Vec<_> = items(object, "/metadata/managedFields").iter().filter_map(entry).collect();
        (!entries.is_empty()).then_some(Self(entries))
    }

    pub(crate) fn write(&self, into: &mut Value) {
        let entry = |entry: &Entry| {
            let Manager { name, operation, subresource, api_version } = &entry.manager;
            let operation = match operation {
                Operation::Apply => "Apply",
                Operation::Update => "Update",
            };
            let mut value = json!({
                "manager": name, "operation": operation, "apiVersion": api_version, "time": entry.time,
                "fieldsType": "FieldsV1", "fieldsV1": entry.fields.to_json(),
            });
            if !subresource.is_empty() {
                object(&mut value).insert("subresource".into(), subresource.as_str().into());
            }
            value
        };
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by_key(|entry| (entry.manager.operation, entry.time.clone(), entry.manager.name.clone()));
        let entries: Vec<_> = sorted.into_iter().map(entry).collect();
        if entries.is_empty() {
            remove(into, &["metadata", "managedFields"]);
        } else {
            set(into, &["metadata", "managedFields"], Value::Array(entries));
        }
    }

    pub(crate) fn fields_of(&self, manager: &Manager) -> Fields {
        self.0.iter().find(|e| e.manager == *manager).map(|e| e.fields.clone()).unwrap_or_default()
    }

    /// The fields of everybody else.
    pub(crate) fn fields_of_others(&self, manager: &Manager) -> Fields {
        let mut all = Fields::default();
        self.others(manager).for_each(|entry| all.add(&entry.fields));
        all
    }

    pub(crate) fn others(&self, manager: &Manager) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| entry.manager != *manager)
    }

    /// Records what an update changed: it owns what it set, and what is gone nobody owns.
    pub(crate) fn record(&mut self, manager: &Manager, changed: &Fields, gone: &Fields, now: &str) {
        for entry in &mut self.0 {
            entry.fields = entry.fields.without(gone);
            if entry.manager != *manager {
                entry.fields = entry.fields.without(changed);
            }
        }
        if !changed.is_empty() {
            let mut fields = self.fields_of(manager);
            fields.add(changed);
            self.assign(manager, fields, now);
        }
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    /// Gives a manager exactly these fields.
    pub(crate) fn assign(&mut self, manager: &Manager, fields: Fields, now: &str) {
        match self.0.iter_mut().find(|entry| entry.manager == *manager) {
            Some(entry) if entry.fields == fields => {}
            Some(entry) => {
                entry.fields = fields;
                now.clone_into(&mut entry.time);
            }
            None => self.0.push(Entry { manager: manager.clone(), time: now.to_owned(), fields }),
        }
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    /// Takes fields away from everybody else.
    pub(crate) fn take(&mut self, manager: &Manager, fields: &Fields) {
        for entry in self.0.iter_mut().filter(|entry| entry.manager != *manager) {
            entry.fields = entry.fields.without(fields);
        }
        self.0.retain(|entry| !entry.fields.is_empty());
    }
}
