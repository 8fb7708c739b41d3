//! What a request asks for: the path, the query and the headers, read.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri, header};

use crate::status::Status;

/// What is done to a resource, in the words of Kubernetes' RBAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Follow changes.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change parts of an object, or apply it.
    Patch,
    /// Delete one object.
    Delete,
    /// Delete many.
    DeleteCollection,
}

impl Verb {
    /// Whether it changes anything.
    #[must_use]
    pub fn writes(self) -> bool {
        match self {
            Self::Get | Self::List | Self::Watch => false,
            Self::Create | Self::Update | Self::Patch | Self::Delete | Self::DeleteCollection => true,
        }
    }
}

/// A request for a resource, as faults and observers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is done.
    pub verb: Verb,
    /// The API group, empty for the core.
    pub group: String,
    /// The API version.
    pub version: String,
    /// The plural name of the resource.
    pub resource: String,
    /// The namespace, empty for cluster-scoped resources and for all namespaces.
    pub namespace: String,
    /// The object's name; of a create, empty.
    pub name: String,
    /// `status`, or empty.
    pub subresource: String,
}

/// A request with all that is needed to answer it.
pub(crate) struct Request {
    pub(crate) call: Call,
    pub(crate) query: Query,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) user_agent: String,
    pub(crate) body: Bytes,
}

/// The query string; of a key given twice the last counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        Self(form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect())
    }

    pub(crate) fn get(&self, key: &str) -> &str {
        self.0.get(key).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), "true" | "1")
    }
}

impl Request {
    /// Reads a request for a resource; `None` where the path names something else.
    pub(crate) fn parse(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Option<Self>, Status> {
        let path: Vec<_> = uri.path().split('/').filter(|part| !part.is_empty()).map(decoded).collect();
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let (group, version, rest) = match path.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Ok(None),
        };
        let (namespace, rest) = match rest {
            [] => return Ok(None),
            ["namespaces", _, "status" | "finalize"] => ("", rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let (resource, name, subresource) = match rest {
            [resource] => (*resource, "", ""),
            [resource, name] => (*resource, *name, ""),
            [resource, name, subresource] => (*resource, *name, *subresource),
            _ => return Err(Status::page_not_found()),
        };
        let query = Query::of(uri);
        let verb = verb(method, name, &query)?;
        let word =
            |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        Ok(Some(Self {
            call: Call {
                verb,
                group: group.into(),
                version: version.into(),
                resource: resource.into(),
                namespace: namespace.into(),
                name: name.into(),
                subresource: subresource.into(),
            },
            query,
            accept: word(header::ACCEPT),
            content_type: word(header::CONTENT_TYPE),
            user_agent: word(header::USER_AGENT),
            body,
        }))
    }

    /// Who owns the fields this request writes.
    pub(crate) fn manager(&self) -> String {
        match self.query.get("fieldManager") {
            "" => match self.user_agent.split('/').next() {
                Some(agent) if !agent.is_empty() => agent.to_owned(),
                _ => "unknown".to_owned(),
            },
            manager => manager.to_owned(),
        }
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.query.get("dryRun") == "All"
    }
}

fn decoded(part: &str) -> String {
    // The decoder is for queries, where a plus is a space; in a path it is itself.
    let part = part.replace('+', "%2B");
    form_urlencoded::parse(part.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

fn verb(method: &Method, name: &str, query: &Query) -> Result<Verb, Status> {
    let many = name.is_empty();
    let watched = query.flag("watch");
    Ok(match method.as_str() {
        "GET" if watched => Verb::Watch,
        "GET" if many => Verb::List,
        "GET" => Verb::Get,
        "POST" if many => Verb::Create,
        "PUT" if !many => Verb::Update,
        "PATCH" if !many => Verb::Patch,
        "DELETE" if many => Verb::DeleteCollection,
        "DELETE" => Verb::Delete,
        _ => {
            let message = "the server does not allow this method on the requested resource";
            return Err(Status::new(405, "MethodNotAllowed", message));
        }
    })
}
