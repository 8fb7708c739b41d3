//! What was asked of the cloud, in order.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::wire::Ask;

/// A service of the cloud.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Identity, under `/identity`.
    Keystone,
    /// Compute, under `/compute`.
    Nova,
    /// Block storage, under `/volume`.
    Cinder,
    /// Images, under `/image`.
    Glance,
    /// Network, under `/network`.
    Neutron,
    /// nsupdate-web, under `/nsupdate`.
    NsupdateWeb,
    /// The name server.
    Dns,
}

/// One request that reached the cloud.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) serial: u64,
    /// Who was asked.
    pub service: Service,
    /// As in `GET`; `QUERY` or `UPDATE` for DNS.
    pub method: String,
    /// What was asked, ids left out: `POST /servers`, `GET /servers/{id}`, `POST /servers/{id}/action
    /// os-getConsoleOutput`, `GET /ports`, `POST /auth/tokens`, `QUERY AAAA`, `UPDATE front.example.test.`.
    pub template: String,
    /// Path and query as they were sent, without the service's prefix.
    pub path: String,
    /// The body, if it was JSON.
    pub body: Value,
    /// What was answered; none while it is not, and when the answer was withheld.
    pub status: Option<u16>,
    /// When it came.
    pub at: Instant,
}

/// Which service a path belongs to, and the path in it.
pub(crate) fn locate(path: &str) -> Option<(Service, &str)> {
    [
        ("/identity", Service::Keystone),
        ("/compute", Service::Nova),
        ("/volume", Service::Cinder),
        ("/image", Service::Glance),
        ("/network", Service::Neutron),
        ("/nsupdate", Service::NsupdateWeb),
    ]
    .into_iter()
    .find_map(|(prefix, service)| {
        let rest = path.strip_prefix(prefix)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((service, rest))
    })
}

/// The path below the version (and the project) of a service, in parts.
pub(crate) fn parts(service: Service, path: &str) -> Vec<&str> {
    let all = path.split('/').filter(|part| !part.is_empty());
    let skip = match service {
        Service::Nova | Service::Keystone | Service::Glance | Service::Neutron => 1,
        Service::Cinder => 2,
        Service::NsupdateWeb | Service::Dns => 0,
    };
    all.skip(skip).collect()
}

/// Method and path without ids.
pub(crate) fn template(service: Service, path: &str, ask: &Ask) -> String {
    const WORDS: [&str; 5] = ["detail", "tokens", "details.json", "default", "defaults"];
    let parts = parts(service, path);
    let shape = parts
        .iter()
        .enumerate()
        .map(|(at, part)| if at % 2 == 1 && !WORDS.contains(part) { "{id}" } else { part });
    let shape: Vec<_> = match service {
        Service::NsupdateWeb => Vec::new(),
        Service::Keystone
        | Service::Nova
        | Service::Cinder
        | Service::Glance
        | Service::Neutron
        | Service::Dns => shape.collect(),
    };
    let mut template = format!("{} /{}", ask.method, shape.join("/"));
    if parts.last() == Some(&"action")
        && let Some(action) = ask.json().as_object().and_then(|body| body.keys().next())
    {
        template.push(' ');
        template.push_str(action);
    }
    template
}
