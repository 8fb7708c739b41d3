//! `TestNode`: a machine in a test lab as a Kubernetes object.
//!
//! ```text
//! kubectl apply ─► API server: schema + CEL rules (crds/)
//!                      │ watch                  ┌────────────── one for each Cloud ──────────────┐
//!                      ▼                        │ inventory: bulk lists of servers, volumes and  │
//!                controller  ◄── wakes nodes ───│ ports that carry our cluster id; answers of our│
//!                      │         that changed   │ own calls folded in. catalogue: what it offers │
//!                      ▼                        └───────────────▲────────────────────────────────┘
//!                reconcile: one turn                            │
//!    ┌─────────────────┬──────────────────┬─────────────────┐   │
//!    ▼                 ▼                  ▼                 ▼   │
//! observe ─────────► plan ────────────► act ───────────► report │
//! reads memory       pure               one request      status, event
//!    ▲               Desired, Observed    └─────────────────────┘
//!    │               ─► Step              openstack, dns, guest, the API server
//! inventory, catalogue, gate, notes
//! ```
//!
//! Three decisions hold it together. **The world is the memory**: whatever is made carries the node's UID from the
//! create request itself, and is read back, never remembered; a crash is a pause. **One change a turn**: its answer goes
//! to the inventory, and the next look decides. **Finalizers and attempts are planned changes** like any other.
//! `docs/protocol.md` tells what follows from them.
//!
//! # Where to begin
//!
//! | question | module |
//! |---|---|
//! | what may I write? | [`api`], and `crds/README.md` |
//! | what happens after apply, in order? | the two lists in [`reconcile::plan`] |
//! | why is my node in this state? | [`reason::Reason`], [`reconcile::status`], and `docs/operating.md` |
//! | what is remembered, and where? | [`reconcile::memory`] |
//! | what is asked of Nova? | [`openstack::compute`] |
//! | which image, which flavor? | [`select`] |
//! | what does a pool make, who gets its nodes? | [`pool`], [`claim`], and `docs/pools.md` |
//! | how does teuthology get machines? | [`lock_server`], and `docs/teuthology.md` |
//! | what runs under what? | [`run`] |
//!
//! # Layers
//!
//! A module imports only what is above it; `tests/architecture/table.rs` has the table, with a reason a row, and the
//! test beside it holds the sources to it.
//!
//! | layer | modules |
//! |---|---|
//! | leaves | [`age`], [`reason`], [`api`], [`clock`], [`error`], [`saying`], [`ssh_key`], [`metrics`], [`supervision`], [`telemetry`], [`transport`] |
//! | clients | [`kubernetes`], [`openstack`], [`dns`], [`guest`] |
//! | what we have in a cloud, **pure** | [`things`] |
//! | decisions, **pure** | [`select`], [`cloud_init`], [`reconcile::state`], [`reconcile::plan`], [`reconcile::backoff`], [`reconcile::memory`], [`reconcile::status`], [`reconcile::userdata`], [`sweep::decide`], [`pool`], [`claim`] |
//! | caches | [`inventory`], [`catalogue`] |
//! | shared by all nodes | [`gate`]: who uses what; [`clouds`]: sessions, pollers, DNS |
//! | the edges of a turn | [`reconcile::error`], [`reconcile::waker`], [`reconcile::fair`], [`reconcile::notes`], [`reconcile::context`], [`reconcile::calls`], [`reconcile::look`] (**pure**), [`reconcile::observe`], [`reconcile::report`], [`reconcile::act`] |
//! | a turn | [`mod@reconcile`] |
//! | what no turn looks at | [`sweep`]: what belongs to no node |
//! | teuthology's lock server, a process of its own | [`lock_server`] |
//! | the process | [`controller`], [`lease`], [`admin`], [`cli`], [`run`] |
//!
//! Pure means: no `async`, no clock, no client, no log, nothing random, nothing remembered. The time is an argument.

pub mod admin;
pub mod age;
pub mod api;
pub mod catalogue;
pub mod claim;
pub mod cli;
pub mod clock;
pub mod cloud_init;
pub mod clouds;
pub mod controller;
pub mod dns;
pub mod error;
pub mod gate;
pub mod guest;
pub mod image;
pub mod import_teuthology;
pub mod inventory;
pub mod kubernetes;
pub mod lease;
pub mod lock_server;
pub mod metrics;
pub mod openstack;
pub mod output;
pub mod plugin;
pub mod pool;
pub mod reason;
pub mod reconcile;
pub mod run;
pub mod saying;
pub mod select;
pub mod ssh_key;
pub mod supervision;
pub mod sweep;
pub mod telemetry;
pub mod things;
pub mod transport;
pub mod wildcard;
