//! What every write goes through: metadata, schema, field ownership, and only then the store.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::fields::Fields;
use crate::json::{carry, object, remove, set, text, texts};
use crate::managers::{Manager, Managers};
use crate::metadata;
use crate::request::Request;
use crate::resource::Resource;
use crate::status::Status;
use crate::store::{Key, Store};
use crate::{definition, event, namespace};

/// What becomes of unknown fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    Ignore,
    Warn,
    Refuse,
}

/// Whether a write is only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Real,
    DryRun,
}

/// One write by one manager.
pub(crate) struct Write<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) resource: Arc<Resource>,
    pub(crate) manager: Manager,
    pub(crate) unknown: Unknown,
    pub(crate) effect: Effect,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Write<'a> {
    pub(crate) fn new(
        store: &'a mut Store,
        resource: Arc<Resource>,
        request: &Request,
        operation: crate::managers::Operation,
    ) -> Self {
        let manager = Manager {
            name: request.manager(),
            operation,
            subresource: request.call.subresource.clone(),
            api_version: resource.api_version(),
        };
        let unknown = match request.query.get("fieldValidation") {
            "Strict" => Unknown::Refuse,
            "Ignore" => Unknown::Ignore,
            _ => Unknown::Warn,
        };
        let effect = if request.dry_run() { Effect::DryRun } else { Effect::Real };
        Self { store, resource, manager, unknown, effect, warnings: Vec::new() }
    }

    fn of_status(&self) -> bool {
        self.manager.subresource == "status"
    }

    /// Prunes and, where asked to, refuses what the schema does not know.
    fn decode(&mut self, value: &mut Value, refuse: impl Fn(&str) -> Status) -> Result<(), Status> {
        event::store(value, &self.resource);
        let unknown = self.resource.schema.prune(value);
        let errors: Vec<_> = unknown.iter().map(|field| format!("unknown field {field:?}")).collect();
        match self.unknown {
            _ if errors.is_empty() => {}
            Unknown::Ignore => {}
            Unknown::Warn => self.warnings.extend(errors),
            Unknown::Refuse => {
                return Err(refuse(&format!("strict decoding error: {}", errors.join(", "))));
            }
        }
        Ok(())
    }

    fn undecodable(&self) -> impl Fn(&str) -> Status + use<> {
        let (kind, version) = (self.resource.kind.clone(), self.resource.version.clone());
        move |why| {
            Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
        }
    }

    /// Makes an object; `managers` are given by an apply, which has worked them out.
    pub(crate) fn create(
        &mut self,
        namespace: &str,
        mut new: Value,
        managers: Option<Managers>,
    ) -> Result<Arc<Value>, Status> {
        let resource = self.resource.clone();
        self.decode(&mut new, self.undecodable())?;
        metadata::prepare(self.store, &resource, namespace, &mut new)?;
        let name = text(&new, "/metadata/name").to_owned();
        namespace::admit(self.store, &resource, namespace, &name)?;
        if resource.status {
            remove(&mut new, &["status"]);
        }
        resource.schema.default(&mut new);
        definition::complete(&resource, &mut new);
        self.check(&new, None)?;
        self.warnings.extend(metadata::warnings(&new));

        let key = Key::new(&resource.storage, namespace, &name);
        if let Some(there) = self.store.get(&key) {
            let mut status = Status::already_exists(&resource.group, &resource.plural, &name);
            if !text(there, "/metadata/deletionTimestamp").is_empty() {
                status.message = format!("object is being deleted: {}", status.message);
            }
            return Err(status);
        }
        let managers = managers.unwrap_or_else(|| {
            let mut managers = Managers::default();
            let fields = self.manager.scope(Fields::with_holders(&new, Some(resource.schema.typed())));
            managers.assign(&self.manager, fields, &self.store.clock.stamp());
            managers
        });
        managers.write(&mut new);
        if self.effect == Effect::DryRun {
            return Ok(Arc::new(new));
        }
        self.store.unsettled |= new.pointer("/metadata/ownerReferences").is_some();
        let stored = self.store.put(key, new);
        definition::follow(self.store, &resource, &stored)?;
        Ok(stored)
    }

    /// Replaces an object by what a client sent.
    pub(crate) fn replace(&mut self, key: &Key, mut new: Value) -> Result<Arc<Value>, Status> {
        self.decode(&mut new, self.undecodable())?;
        let unconditional = self.resource.custom || self.resource.plural == "leases";
        if unconditional && text(&new, "/metadata/resourceVersion").is_empty() {
            return Err(metadata::unconditional(&self.resource, &key.name));
        }
        let old = self.existing(key)?;
        metadata::precondition(&self.resource, key, &old, new.get("metadata").unwrap_or(&Value::Null))?;
        self.update(key, new, None)
    }

    /// Replaces an object by what a patch made of it.
    pub(crate) fn patch(&mut self, key: &Key, mut new: Value) -> Result<Arc<Value>, Status> {
        let shown = new.to_string();
        self.decode(&mut new, |why| metadata::bad_patch(&shown, why))?;
        self.update(key, new, None)
    }

    /// Replaces an object, keeping what this write may not touch.
    pub(crate) fn update(
        &mut self,
        key: &Key,
        mut new: Value,
        managers: Option<Managers>,
    ) -> Result<Arc<Value>, Status> {
        let resource = self.resource.clone();
        let old = self.existing(key)?;
        metadata::same_object(&resource, key, &old, &new)?;
        if self.of_status() {
            let mut kept = (*old).clone();
            carry(&new, &mut kept, &["status"]);
            carry(&new, &mut kept, &["metadata", "managedFields"]);
            new = kept;
        } else if resource.status {
            carry(&old, &mut new, &["status"]);
        }
        metadata::keep(&old, &mut new);
        namespace::keep(&resource, &old, &mut new);
        resource.schema.default(&mut new);
        metadata::finalizers(&resource, &old, &new)?;
        self.check(&new, Some(&old))?;
        if resource.custom && spec_moved(&resource, &old, &new) {
            metadata::next_generation(&mut new);
        }
        self.own(&old, &mut new, managers);
        if *old == new || self.effect == Effect::DryRun {
            return Ok(Arc::new(new));
        }
        let leaves = !text(&new, "/metadata/deletionTimestamp").is_empty()
            && texts(&new, "/metadata/finalizers").is_empty()
            && !namespace::is(&resource);
        if leaves {
            let gone = self.store.remove(key, Some(new)).unwrap_or(old);
            definition::forget(self.store, &resource, &gone);
            return Ok(gone);
        }
        self.store.unsettled |= !text(&new, "/metadata/deletionTimestamp").is_empty();
        let stored = self.store.put(key.clone(), new);
        definition::follow(self.store, &resource, &stored)?;
        Ok(stored)
    }

    pub(crate) fn existing(&self, key: &Key) -> Result<Arc<Value>, Status> {
        let missing = || Status::not_found(&self.resource.group, &self.resource.plural, &key.name);
        self.store.get(key).cloned().ok_or_else(missing)
    }

    fn check(&self, new: &Value, old: Option<&Value>) -> Result<(), Status> {
        let errors = metadata::check(new, self.resource.namespaced);
        let errors = self.resource.schema.check(new, old, errors);
        let name = text(new, "/metadata/name");
        if errors.is_empty() {
            return Ok(());
        }
        Err(Status::invalid(&self.resource.group, &self.resource.kind, name, &errors))
    }

    /// Writes down who owns which field after this write.
    fn own(&self, old: &Value, new: &mut Value, managers: Option<Managers>) {
        let managers = managers.unwrap_or_else(|| {
            let typed = Some(self.resource.schema.typed());
            let mut managers = Managers::of(new).or_else(|| Managers::of(old)).unwrap_or_default();
            let changed = self.manager.scope(Fields::changed(old, new, typed));
            let gone = Fields::with_holders(old, typed).without(&Fields::with_holders(new, typed));
            managers.record(&self.manager, &changed, &gone, &self.store.clock.stamp());
            managers
        });
        managers.write(new);
        carry(old, new, &["metadata", "resourceVersion"]);
    }
}

/// Whether anything but the metadata (and a status of its own) differs.
fn spec_moved(resource: &Resource, old: &Value, new: &Value) -> bool {
    let rest = |value: &Value| {
        let mut rest = value.clone();
        object(&mut rest).remove("metadata");
        if resource.status {
            object(&mut rest).remove("status");
        }
        rest
    };
    rest(old) != rest(new)
}

/// The answer to a delete that left nothing.
pub(crate) fn deleted(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = json!({"name": name, "kind": resource.plural, "uid": uid});
    if !resource.group.is_empty() {
        set(&mut details, &["group"], json!(resource.group));
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
