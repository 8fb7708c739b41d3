//! What a service's call is made of, before it has an address and a token.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use url::Url;

use super::{Error, Lane, Service};
use crate::saying::Origin;
use crate::transport::Keep;

/// Tags on servers at creation need 2.52, `networks` is explicit from 2.37 on.
/// Not later: from 2.57 on a flavor's and a server's answers lose fields, and
/// every cloud since 2017 has this one.
const COMPUTE_MICROVERSION: &str = "2.52";
/// `/attachments`, where alone a reservation without a server can be seen and
/// freed, came with 3.27.
const VOLUME_MICROVERSION: &str = "3.27";

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub call: &'static str,
    pub service: Service,
    pub lane: Lane,
    pub method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    pub body: Option<Value>,
    keep: Keep,
    microversion: Option<String>,
}

/// The most of a page of a list, or of one object.
const LARGEST_ANSWER: usize = 8 << 20;

impl Request {
    fn new(method: Method, call: &'static str, service: Service, lane: Lane, path: &[&str]) -> Self {
        let path = path.iter().map(|&segment| segment.to_owned()).collect();
        let keep = Keep::All(LARGEST_ANSWER);
        Self { call, service, lane, method, path, query: Vec::new(), body: None, keep, microversion: None }
    }

    /// Looks at something.
    pub fn get(call: &'static str, service: Service, path: &[&str]) -> Self {
        Self::new(Method::GET, call, service, Lane::Poll, path)
    }

    /// Asks for something.
    pub fn post(call: &'static str, service: Service, path: &[&str], body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::POST, call, service, Lane::Create, path) }
    }

    /// Changes something.
    pub fn put(call: &'static str, service: Service, path: &[&str], body: Option<Value>) -> Self {
        Self { body, ..Self::new(Method::PUT, call, service, Lane::Create, path) }
    }

    /// Removes something.
    pub fn delete(call: &'static str, service: Service, path: &[&str]) -> Self {
        Self::new(Method::DELETE, call, service, Lane::Delete, path)
    }

    pub fn lane(self, lane: Lane) -> Self {
        Self { lane, ..self }
    }

    /// Asks Nova or Cinder in another microversion than ours, if one is given.
    pub fn microversion(self, microversion: Option<String>) -> Self {
        Self { microversion, ..self }
    }

    /// Reads less, or another part, of the answer.
    pub fn keep(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }

    pub fn query(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.query.retain(|(known, _)| *known != key);
        self.query.push((key, value.into()));
        self
    }

    /// The request as it goes out, but for the token.
    pub fn at(&self, endpoint: &Url) -> http::Request<Vec<u8>> {
        let mut url = endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&self.path);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut request = http::Request::new(self.body.as_ref().map(body).unwrap_or_default());
        *request.method_mut() = self.method.clone();
        // A URL that was parsed is a URI, but for lengths no catalogue has.
        *request.uri_mut() = url.as_str().parse().unwrap_or_default();
        *request.headers_mut() = self.headers();
        request.extensions_mut().insert(self.keep);
        request
    }

    /// The error of an answer to this that cannot be read.
    pub fn malformed(&self, at: Origin, text: &str) -> Error {
        Error::Malformed { call: self.call, service: self.service, at, text: text.into() }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        if self.body.is_some() {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let microversion = match self.service {
            Service::Compute => Some(("compute", COMPUTE_MICROVERSION)),
            Service::BlockStorage => Some(("volume", VOLUME_MICROVERSION)),
            Service::Identity | Service::Image | Service::Network => None,
        };
        let Some((word, ours)) = microversion else { return headers };
        let version = self.microversion.as_deref().unwrap_or(ours);
        if let Ok(value) = HeaderValue::try_from(format!("{word} {version}")) {
            headers.insert(HeaderName::from_static("openstack-api-version"), value);
        }
        // Nova behind an old proxy may see only its first name for it.
        if let (Service::Compute, Ok(value)) = (self.service, HeaderValue::try_from(version)) {
            headers.insert(HeaderName::from_static("x-openstack-nova-api-version"), value);
        }
        headers
    }
}

fn body(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
