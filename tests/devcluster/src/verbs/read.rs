//! Get, list and watch.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Answer;
use crate::json::{object, text};
use crate::request::Request;
use crate::resource::Resource;
use crate::selector::Selector;
use crate::status::Status;
use crate::store::{Key, Store};
use crate::view::View;
use crate::watch::Watch;

pub(super) fn get(store: &Store, resource: &Resource, request: &Request) -> Result<Answer, Status> {
    let call = &request.call;
    let key = Key::new(&resource.storage, &call.namespace, &call.name);
    let missing = || Status::not_found(&resource.group, &resource.plural, &call.name);
    let found = store.get(&key).ok_or_else(missing)?;
    Ok(Answer::Body(200, View::of(request).one(resource, found, store.clock.now()), Vec::new()))
}

fn selector(resource: &Resource, request: &Request) -> Result<Selector, Status> {
    let query = &request.query;
    Selector::parse(resource, query.get("labelSelector"), query.get("fieldSelector"), &request.call.name)
}

pub(super) fn list(store: &Store, resource: &Resource, request: &Request) -> Result<Answer, Status> {
    let selector = selector(resource, request)?;
    let from = Page::read(request.query.get("continue"))?;
    let limit = request.query.get("limit").parse::<usize>().unwrap_or_default();
    let wanted = |(key, found): &(&Key, &Arc<Value>)| {
        let later =
            from.as_ref().is_none_or(|page| (&key.namespace, &key.name) > (&page.namespace, &page.name));
        later && selector.matches(found)
    };
    let mut found: Vec<_> = store.list(&resource.storage, &request.call.namespace).filter(wanted).collect();
    let revision = from.as_ref().map_or(store.revision(), |page| page.revision);
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if limit > 0 && found.len() > limit {
        let remaining = found.len() - limit;
        found.truncate(limit);
        if let Some((key, _)) = found.last() {
            let next = Page { revision, namespace: key.namespace.clone(), name: key.name.clone() };
            let fields = object(&mut metadata);
            fields.insert("continue".into(), next.write().into());
            fields.insert("remainingItemCount".into(), remaining.into());
        }
    }
    let objects: Vec<_> = found.into_iter().map(|(_, object)| &**object).collect();
    Ok(Answer::Body(
        200,
        View::of(request).many(resource, &objects, &metadata, store.clock.now()),
        Vec::new(),
    ))
}

pub(super) fn watch(store: &Store, resource: Arc<Resource>, request: &Request) -> Result<Answer, Status> {
    let selector = selector(&resource, request)?;
    Watch::begin(store, resource, request, selector).map(|watch| Answer::Watch(Box::new(watch)))
}

/// Where the next page of a list begins.
struct Page {
    revision: u64,
    namespace: String,
    name: String,
}

impl Page {
    fn write(&self) -> String {
        STANDARD.encode(json!({"rv": self.revision, "ns": self.namespace, "start": self.name}).to_string())
    }

    fn read(token: &str) -> Result<Option<Self>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let decoded =
            STANDARD.decode(token).ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        let page = decoded.ok_or_else(|| Status::bad_request("continue key is not valid"))?;
        let revision = page.get("rv").and_then(Value::as_u64).unwrap_or_default();
        Ok(Some(Self { revision, namespace: text(&page, "/ns").into(), name: text(&page, "/start").into() }))
    }
}
