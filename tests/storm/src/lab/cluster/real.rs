//! A real API server, with our definitions and the operator's rights installed. What is ours in it goes with each lab.

use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::IntoResponse as _;
use devcluster::Error;
use http::{Method, StatusCode};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::lab::SYSTEM;

/// Names the kubeconfig of who may do everything.
pub const ADMINISTRATOR: &str = "LAB_KUBECONFIG";
/// Names the kubeconfig with the operator's own rights.
pub const OPERATOR: &str = "LAB_OPERATOR_KUBECONFIG";

/// A label of the namespaces that a lab made, and nobody else's are deleted.
const OURS: &str = "testnode.dev/lab";
/// How long objects may take to go.
const TO_GO: Duration = Duration::from_secs(30);

/// The server, as the operator sees it, and as who set it up does.
#[derive(Clone)]
pub struct Real {
    operator: Client,
    administrator: Client,
}

/// Whether there is one.
pub fn is_named() -> bool {
    std::env::var_os(ADMINISTRATOR).is_some()
}

/// Lets time run. A scenario with several labs has done so before.
fn thaw() {
    let before = tokio::time::Instant::now();
    std::thread::sleep(Duration::from_millis(1));
    if before.elapsed().is_zero() {
        tokio::time::resume();
    }
}

/// What scenarios ask for must not wait for the runtime they run on.
fn beside() -> &'static Runtime {
    static BESIDE: OnceLock<Runtime> = OnceLock::new();
    BESIDE.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

/// Waits here for what is done there.
fn wait_for<T: Send + 'static>(done: impl Future<Output = T> + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    beside().spawn(async move { tell.send(done.await) });
    told.recv().unwrap()
}

async fn config(variable: &str) -> Config {
    let file = std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} names no kubeconfig"));
    let file = Kubeconfig::read_from(file).unwrap();
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap()
}

/// A client that lives as long as the process, whatever becomes of the runtimes of tests.
fn administrator() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let made = || wait_for(async { Client::try_from(config(ADMINISTRATOR).await).unwrap() });
    CLIENT.get_or_init(made).clone()
}

/// The group and version of a plural.
fn group_of(resource: &str) -> &'static str {
    match resource {
        "testnodes" | "testnodepools" | "testnodeclaims" | "testnodeslots" | "machinetypes" | "clouds" => {
            "/apis/testnode.dev/v1alpha1"
        }
        "leases" => "/apis/coordination.k8s.io/v1",
        _ => "/api/v1",
    }
}

fn path(resource: &str, namespace: &str) -> String {
    let group = group_of(resource);
    if namespace.is_empty() {
        format!("{group}/{resource}")
    } else {
        format!("{group}/namespaces/{namespace}/{resource}")
    }
}

/// Where an object is. The plurals of all kinds here are regular.
fn path_of(object: &Value) -> String {
    let resource = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
    let namespace = match resource.as_str() {
        "clouds" | "machinetypes" | "namespaces" => "",
        _ => object["metadata"]["namespace"].as_str().unwrap_or("default"),
    };
    path(&resource, namespace)
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

impl Real {
    /// The one that is named, without nodes, machine types, clouds, and what comes with them.
    pub fn cleared() -> Self {
        thaw();
        let operator = Client::try_from(wait_for(config(OPERATOR))).unwrap();
        let cluster = Self { operator, administrator: administrator() };
        cluster.clear();
        cluster
    }

    /// What the operator asks, it asks with its own rights.
    pub fn router(&self) -> Router {
        let operator = self.operator.clone();
        Router::new().fallback(move |request: axum::extract::Request| {
            let operator = operator.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
                match operator.send(http::Request::from_parts(head, body.into())).await {
                    Ok(answer) => answer.map(Body::new).into_response(),
                    Err(why) => (StatusCode::BAD_GATEWAY, why.to_string()).into_response(),
                }
            }
        })
    }

    pub fn client(&self) -> Client {
        self.administrator.clone()
    }

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        match self.ask(Method::GET, &format!("{}/{name}", path(resource, namespace)), None) {
            Err(why) if why.code == 404 => None,
            found => Some(found.unwrap()),
        }
    }

    /// The server does not repeat in each item what all have in common.
    pub fn list(&self, resource: &str, namespace: &str) -> Vec<Value> {
        let mut list = self.ask(Method::GET, &path(resource, namespace), None).unwrap();
        let version = list["apiVersion"].take();
        let kind = list["kind"].as_str().unwrap().trim_end_matches("List").to_owned();
        let Value::Array(mut items) = list["items"].take() else { return Vec::new() };
        for item in &mut items {
            item["apiVersion"] = version.clone();
            item["kind"] = kind.clone().into();
        }
        items
    }

    pub fn put(&self, mut object: Value) -> Result<Value, Error> {
        if object["kind"] == "Namespace" {
            object["metadata"]["labels"][OURS] = "".into();
        }
        let path = path_of(&object);
        let there = format!("{path}/{}", name_of(&object));
        match self.ask(Method::GET, &there, None) {
            Ok(found) => {
                object["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"].clone();
                self.ask(Method::PUT, &there, Some(&object))
            }
            Err(why) if why.code == 404 => self.ask(Method::POST, &path, Some(&object)),
            Err(why) => Err(why),
        }
    }

    pub fn delete(&self, object: &Value) -> Result<(), Error> {
        self.ask(Method::DELETE, &format!("{}/{}", path_of(object), name_of(object)), None).map(drop)
    }

    /// Removes all that a lab may have left, whatever holds it.
    pub fn clear(&self) {
        for (resource, namespace) in [
            ("testnodeclaims", ""),
            ("testnodepools", ""),
            ("testnodeslots", ""),
            ("testnodes", ""),
            ("machinetypes", ""),
            ("clouds", ""),
            ("secrets", SYSTEM),
            ("leases", "kube-system"),
            ("events", "default"),
        ] {
            // Helm keeps its releases in Secrets.
            let ours = self
                .list(resource, namespace)
                .into_iter()
                .filter(|object| object["type"] != "helm.sh/release.v1")
                // Other components have theirs beside ours.
                .filter(|object| resource != "leases" || object["metadata"]["name"] == "testnode-operator");
            ours.for_each(|object| self.remove(object));
        }
        let made = |namespace: &Value| !namespace["metadata"]["labels"][OURS].is_null();
        let namespaces = || self.list("namespaces", "").into_iter().filter(made);
        namespaces().for_each(|namespace| self.remove(namespace));
        let began = Instant::now();
        while namespaces().next().is_some() {
            assert!(began.elapsed() < TO_GO, "a namespace does not go");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn remove(&self, mut object: Value) {
        if object["metadata"]["finalizers"].take().is_array() {
            self.put(object.clone()).unwrap();
        }
        match self.delete(&object) {
            Err(why) if why.code != 404 => panic!("{why}"),
            _ => {}
        }
    }

    /// One request of the administrator's, and what came of it.
    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let (client, body) = (self.administrator.clone(), body.map(Value::to_string).unwrap_or_default());
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header(http::header::CONTENT_TYPE, "application/json");
        let request = request.body(body.into_bytes()).unwrap();
        match wait_for(async move { client.request::<Value>(request).await }) {
            Ok(answer) => Ok(answer),
            Err(kube::Error::Api(status)) => Err(Error { code: status.code, message: status.message }),
            Err(why) => panic!("{path}: {why}"),
        }
    }
}
