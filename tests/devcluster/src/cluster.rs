//! The cluster: what a test or a program holds.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::json::{set, text};
use crate::request::Request;
use crate::status::Status;
use crate::store::{Key, Store};
use crate::tls::{self, Identity};
use crate::verbs::{Answer, answer};
use crate::{namespace, server};

/// A Kubernetes cluster without nodes. Clones are the same cluster.
#[derive(Clone, Debug)]
pub struct DevCluster {
    store: Arc<Mutex<Store>>,
    faults: Faults,
    identity: Arc<OnceLock<Identity>>,
}

/// A refusal, in the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The HTTP code.
    pub code: u16,
    /// What the server said.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self { code: status.code, message: status.message }
    }
}

impl Default for DevCluster {
    fn default() -> Self {
        Self::new()
    }
}

impl DevCluster {
    /// A cluster with the namespaces `default`, `kube-system` and `kube-public`, whose clock starts now.
    ///
    /// In virtual time, make it where tokio's clock is already paused.
    #[must_use]
    pub fn new() -> Self {
        Self::starting(Timestamp::now())
    }

    /// The same, with a clock that starts at a given instant.
    #[must_use]
    pub fn starting(at: Timestamp) -> Self {
        let mut store = Store::new(Clock::starting(at));
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            namespace::found(&mut store, name);
        }
        Self { store: Arc::new(Mutex::new(store)), faults: Faults::none(), identity: Arc::default() }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The HTTP service: for a client in this process, or for a listener.
    pub fn router(&self) -> Router {
        Router::new().fallback(server::serve).with_state(self.clone())
    }

    /// Serves over TLS until the future is dropped. There are no users: whoever reaches the port may do
    /// everything, so let it be on loopback.
    ///
    /// # Errors
    ///
    /// Where no certificate can be made.
    pub async fn serve_tls(&self, listener: TcpListener) -> io::Result<()> {
        let identity = self.identity()?;
        axum::serve(tls::listen(listener, identity)?, self.router()).await
    }

    /// What `kubectl` needs to reach this cluster at an address.
    ///
    /// # Errors
    ///
    /// Where no certificate can be made.
    pub fn kubeconfig(&self, address: SocketAddr) -> io::Result<String> {
        Ok(self.identity()?.kubeconfig(address))
    }

    fn identity(&self) -> io::Result<&Identity> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity);
        }
        let made = Identity::new()?;
        Ok(self.identity.get_or_init(|| made))
    }

    /// The trouble this cluster is in.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The cluster's time: tokio's clock on top of the instant it started at.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.store().clock.now()
    }

    /// The UID of `kube-system`, which tells clusters apart.
    #[must_use]
    pub fn uid(&self) -> String {
        let found = self.get("namespaces", "", "kube-system");
        found.map(|namespace| text(&namespace, "/metadata/uid").to_owned()).unwrap_or_default()
    }

    /// Serves the kinds of a `CustomResourceDefinition`, or what a newer one makes of them.
    ///
    /// # Errors
    ///
    /// Where the definition is not one, or a rule in it does not compile.
    pub fn install(&self, crd: Value) -> Result<(), Error> {
        self.put(crd).map(drop)
    }

    /// An object by plural (`testnodes`, or `testnodes.testnode.dev`), namespace and name.
    #[must_use]
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let store = self.store();
        let storage = storage(&store, resource)?;
        store.get(&Key::new(&storage, namespace, name)).map(|found| (**found).clone())
    }

    /// All objects of a plural, in one namespace or (when empty) in all.
    #[must_use]
    pub fn list(&self, resource: &str, namespace: &str) -> Vec<Value> {
        let store = self.store();
        let Some(storage) = storage(&store, resource) else { return Vec::new() };
        store.list(&storage, namespace).map(|(_, found)| (**found).clone()).collect()
    }

    /// Creates an object, or replaces it whatever its resource version is. Past faults and logs.
    ///
    /// # Errors
    ///
    /// Where the server refuses it.
    pub fn put(&self, mut object: Value) -> Result<Value, Error> {
        let (path, name) = self.path(&object)?;
        let there = format!("{path}/{name}");
        match self.request(&Method::GET, &there, None) {
            Ok(found) => {
                let version = text(&found, "/metadata/resourceVersion");
                set(&mut object, &["metadata", "resourceVersion"], version.into());
                self.request(&Method::PUT, &there, Some(&object))
            }
            Err(error) if error.code == 404 => self.request(&Method::POST, &path, Some(&object)),
            Err(error) => Err(error),
        }
    }

    /// Grows with every change of an object.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.store().revision()
    }

    /// Deletes an object, as a client would. Past faults and logs.
    ///
    /// # Errors
    ///
    /// Where the server refuses.
    pub fn delete(&self, object: &Value) -> Result<(), Error> {
        let (path, name) = self.path(object)?;
        self.request(&Method::DELETE, &format!("{path}/{name}"), None).map(drop)
    }

    /// Forgets all history, so that a watch from before now is told 410.
    pub fn compact(&self) {
        self.store().forget();
    }

    /// Where objects like this are, and its name.
    fn path(&self, object: &Value) -> Result<(String, String), Error> {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let store = self.store();
        let resource = store.resources.iter().find(|r| r.api_version() == version && r.kind == kind);
        let resource = resource.ok_or_else(|| Error {
            code: 404,
            message: format!("no matches for kind {kind:?} in version {version:?}"),
        })?;
        let root = if resource.group.is_empty() { "/api" } else { "/apis" };
        let namespace = match text(object, "/metadata/namespace") {
            _ if !resource.namespaced => String::new(),
            "" => "/namespaces/default".to_owned(),
            namespace => format!("/namespaces/{namespace}"),
        };
        let path = format!("{root}/{version}{namespace}/{}", resource.plural);
        Ok((path, text(object, "/metadata/name").to_owned()))
    }

    fn request(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let invalid = |why: String| Error { code: 400, message: why };
        let uri: Uri = path.parse().map_err(|why| invalid(format!("{path}: {why}")))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("devcluster"));
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = Request::parse(method, &uri, &headers, body)?;
        let request = request.ok_or_else(|| invalid(format!("{path} is no resource")))?;
        match answer(&mut self.store(), &request)? {
            Answer::Body(_, body, _) => Ok(body),
            Answer::Watch(_) => Err(invalid(format!("{path} is a watch"))),
        }
    }
}

fn storage(store: &Store, resource: &str) -> Option<String> {
    let named = |r: &&Arc<crate::resource::Resource>| r.plural == resource || r.qualified() == resource;
    store.resources.iter().find(named).map(|resource| resource.storage.clone())
}
