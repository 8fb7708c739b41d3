//! A Kubernetes API server for one process: for tests in virtual time, and for trying with `kubectl`.
//!
//! It serves a few built-in kinds and whatever `CustomResourceDefinition`s it is given, with their schemas,
//! defaults, rules, columns and status. It is not a product: one process, nothing on disk, no users. Where it
//! differs from the real server, it is wrong.
//!
//! Begin with [`DevCluster`]:
//!
//! ```
//! use tower::ServiceExt as _;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let cluster = devcluster::DevCluster::new();
//! let service = cluster.router().into_service::<axum::body::Body>();
//! let service = service.map_request(|r: axum::http::Request<kube::client::Body>| r.map(axum::body::Body::new));
//! let client = kube::Client::new(service, "default");
//! assert_eq!(client.apiserver_version().await.unwrap().minor, "36");
//! # });
//! ```
//!
//! Inside, a request goes
//!
//! ```text
//! server ─► request ─► faults ─► verbs ─► write ─► metadata, namespace, schema, managers ─► store
//!                                  │        (patch: merge, json, apply)                       │
//!                                  └─► read ─► selector, view (table)       watch ◄───────────┘
//! ```
//!
//! and after every write `gc` follows what it set in motion. `discovery` and `openapi` tell clients
//! what there is.

mod clock;
mod definition;
mod delete;
mod discovery;
mod event;
mod faults;
mod fields;
mod gc;
mod json;
mod jsonpath;
mod managers;
mod metadata;
mod namespace;
mod openapi;
mod patch;
mod protobuf;
mod request;
mod resource;
mod schema;
mod selector;
mod server;
mod status;
mod store;
mod table;
mod tls;
mod verbs;
mod view;
mod watch;
mod write;

mod cluster;

pub use cluster::{DevCluster, Error};
pub use faults::{Fault, Faults, Outage, Written};
pub use request::{Call, Verb};
