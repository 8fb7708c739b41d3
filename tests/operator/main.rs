//! The whole operator in this process, in virtual time, between a simulated API server and a simulated cloud; and some of it
//! once more on a real API server, by `tests/e2e/suites/operator.sh`.
//!
//! Each module is one kind of story. The lab they happen in is `storm::lab`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod abandon;
mod block_devices;
mod boot_volume;
mod boundary;
mod capacity;
mod claims;
mod clock;
mod console;
mod cost;
mod crash;
mod crowd;
mod existing_ports;
mod expiry;
mod faults;
mod field;
mod floating;
mod golden;
mod guards;
mod guest;
mod hold;
mod hostile;
mod images;
mod input;
mod kubernetes;
mod launch;
mod life;
mod lock_server;
mod loss;
mod machine_type;
mod marks;
mod moments;
mod moving;
mod names;
mod networks;
mod options;
mod places;
mod pool_storms;
mod pool_terms;
mod pools;
mod rebuild;
mod restore;
mod second;
mod slots;
mod ssh;
mod starve;
mod storms;
mod stuck;
mod sweep;
mod taken;
mod tenants;
mod updates;
mod user_data;

use storm::lab as harness;
