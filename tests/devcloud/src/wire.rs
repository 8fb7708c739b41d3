//! A request as the services read it, and a reply as they write it.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode},
    response::Response,
};
use serde_json::Value;

/// A request whose body has been read.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub method: Method,
    /// Where the request was sent, when its URI says so.
    pub authority: Option<String>,
    /// The whole path with the service's prefix.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Ask {
    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, or null.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Where the client thinks we are.
    pub fn origin(&self) -> String {
        format!("http://{}", self.header("host").or(self.authority.as_deref()).unwrap_or("devcloud.test"))
    }
}

/// What a service answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Content,
}

/// The body of a reply.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Empty,
    Json(Box<Value>),
    Text(String),
    Bytes(Vec<u8>),
}

/// An answer, or the refusal that ends the handling early.
pub(crate) type Answer = Result<Reply, Reply>;

impl Reply {
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Content::Json(Box::new(body)) }
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Content::Empty }
    }

    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/plain".into())],
            body: Content::Text(body.into()),
        }
    }

    pub fn bytes(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/octet-stream".into())],
            body: Content::Bytes(body),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn err<T>(self) -> Result<T, Self> {
        Err(self)
    }

    /// The shape of Glance, and of Nova and Cinder where no controller was reached: HTML in `message`.
    pub fn webob(status: u16, message: &str) -> Self {
        let title = title(status);
        Self::json(
            status,
            serde_json::json!({
                "message": format!("{message}<br /><br />\n\n\n"), "code": format!("{status} {title}"), "title": title
            }),
        )
    }

    pub fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (body, json) = match self.body {
            Content::Empty => (Body::empty(), false),
            Content::Json(value) => (Body::from(value.to_string()), true),
            Content::Text(text) => (Body::from(text), false),
            Content::Bytes(bytes) => (Body::from(bytes), false),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if json {
            response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        }
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// The reason phrase of a status.
pub(crate) fn title(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown")
}

/// The text of a field, or nothing.
pub(crate) fn text<'a>(body: &'a Value, field: &str) -> Option<&'a str> {
    body.get(field).and_then(Value::as_str)
}

/// The items of a field, or none.
pub(crate) fn items<'a>(body: &'a Value, field: &str) -> &'a [Value] {
    body.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Sets a field of an object.
pub(crate) fn put(body: &mut Value, field: &str, value: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(field.into(), value);
    }
}
