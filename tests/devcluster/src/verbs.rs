//! What the server does on each verb.

mod read;
mod write;

use serde_json::Value;

use crate::gc;
use crate::request::{Request, Verb};
use crate::status::Status;
use crate::store::Store;
use crate::watch::Watch;

/// What a request is answered with.
pub(crate) enum Answer {
    /// One body, with a code and perhaps warnings.
    Body(u16, Value, Vec<String>),
    /// Changes as they come.
    Watch(Box<Watch>),
}

/// Answers a request for a resource.
pub(crate) fn answer(store: &mut Store, request: &Request) -> Result<Answer, Status> {
    let call = &request.call;
    let resource = store.resource(&call.group, &call.version, &call.resource);
    let resource = resource.ok_or_else(Status::page_not_found)?;
    let status = call.subresource == "status" && resource.status;
    if !(call.subresource.is_empty() || status) {
        return Err(Status::page_not_found());
    }
    match call.verb {
        Verb::Get => read::get(store, &resource, request),
        Verb::List => read::list(store, &resource, request),
        Verb::Watch => read::watch(store, resource, request),
        Verb::Create | Verb::Update | Verb::Patch | Verb::Delete | Verb::DeleteCollection => {
            let answer = write::write(store, &resource, request);
            gc::settle(store);
            answer
        }
    }
}
