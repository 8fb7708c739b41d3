//! The API server of a lab: a simulated one in virtual time, or a real one where the environment names it.

mod real;

use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use devcluster::{DevCluster, Error, Faults};
use jiff::Timestamp;
use serde_json::{Value, json};
use testnode_operator::api::crd;

use super::SYSTEM;
pub use real::Real;

/// An API server that serves our kinds and has nothing of ours yet.
#[derive(Clone)]
pub enum Cluster {
    /// In this process, with faults on demand.
    Simulated(DevCluster),
    /// Somewhere else.
    Real(Real),
}

/// The definitions of our kinds. To make them from the types takes a while, and there are many labs.
fn definitions() -> Vec<Value> {
    static DEFINITIONS: OnceLock<Vec<Value>> = OnceLock::new();
    let made = || crd::all().iter().map(|crd| serde_json::to_value(crd).unwrap()).collect();
    DEFINITIONS.get_or_init(made).clone()
}

/// When a lab begins. Real servers date what they make, so with one of them the rest keeps its time.
#[must_use]
pub fn epoch() -> Timestamp {
    if real::is_named() { Timestamp::now() } else { "2026-03-02T08:00:00Z".parse().unwrap() }
}

impl Cluster {
    /// The real one that `LAB_KUBECONFIG` names, after all that is ours in it was removed; or a simulated one.
    ///
    /// With a real one, time is real from here on.
    #[must_use]
    pub fn new() -> Self {
        if real::is_named() {
            return Self::Real(Real::cleared());
        }
        let cluster = DevCluster::starting(epoch());
        for crd in definitions() {
            cluster.install(crd).unwrap();
        }
        cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})).unwrap();
        Self::Simulated(cluster)
    }

    /// Leaves a real one as a lab ought to find it.
    pub fn leave(&self) {
        if let Self::Real(cluster) = self {
            cluster.clear();
        }
    }

    /// The simulated one.
    ///
    /// # Panics
    ///
    /// With a real one, which does not do on demand what is asked for here.
    #[must_use]
    pub fn simulated(&self) -> &DevCluster {
        match self {
            Self::Simulated(cluster) => cluster,
            Self::Real(_) => panic!("this scenario is for a simulated API server only"),
        }
    }

    /// The trouble a simulated one is in.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        self.simulated().faults()
    }

    /// What answers the operator, with the rights it has there.
    pub fn router(&self) -> Router {
        match self {
            Self::Simulated(cluster) => cluster.router(),
            Self::Real(cluster) => cluster.router(),
        }
    }

    /// A client that may do everything.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        match self {
            Self::Simulated(cluster) => client_of(cluster.router()),
            Self::Real(cluster) => cluster.client(),
        }
    }

    /// The time it dates objects by.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Simulated(cluster) => cluster.now(),
            Self::Real(_) => Timestamp::now(),
        }
    }

    /// The UID of `kube-system`, which tells clusters apart.
    #[must_use]
    pub fn uid(&self) -> String {
        let found = self.get("namespaces", "", "kube-system").unwrap_or_default();
        found["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    }

    /// An object by plural, namespace and name.
    #[must_use]
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        match self {
            Self::Simulated(cluster) => cluster.get(resource, namespace, name),
            Self::Real(cluster) => cluster.get(resource, namespace, name),
        }
    }

    /// All objects of a plural, in one namespace or (when empty) in all.
    #[must_use]
    pub fn list(&self, resource: &str, namespace: &str) -> Vec<Value> {
        match self {
            Self::Simulated(cluster) => cluster.list(resource, namespace),
            Self::Real(cluster) => cluster.list(resource, namespace),
        }
    }

    /// Creates an object, or replaces it whatever its resource version is.
    ///
    /// # Errors
    ///
    /// Where the server refuses it.
    pub fn put(&self, object: Value) -> Result<Value, Error> {
        match self {
            Self::Simulated(cluster) => cluster.put(object),
            Self::Real(cluster) => cluster.put(object),
        }
    }

    /// Deletes an object.
    ///
    /// # Errors
    ///
    /// Where the server refuses.
    pub fn delete(&self, object: &Value) -> Result<(), Error> {
        match self {
            Self::Simulated(cluster) => cluster.delete(object),
            Self::Real(cluster) => cluster.delete(object),
        }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

fn client_of(router: Router) -> kube::Client {
    use tower::ServiceExt as _;
    let service = router.into_service::<Body>();
    kube::Client::new(
        service.map_request(|request: http::Request<kube::client::Body>| request.map(Body::new)),
        "default",
    )
}
