//! Which place of the server a path is. The last slash may be missing, and some may be doubled: nothing is ever redirected.

use url::form_urlencoded;

use super::LONGEST_NAME;

/// A place of the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// `/`: the lab, for people.
    Home,
    /// `/lab.json`: the lab, for programs.
    Lab,
    /// `/lab/events`: says whenever the lab changes.
    Events,
    /// A file of the page.
    File(&'static str),
    /// `/nodes/`.
    Nodes,
    /// `/nodes/lock_many/`.
    LockMany,
    /// `/nodes/unlock_many/`.
    UnlockMany,
    /// `/nodes/machine_types/`.
    MachineTypes,
    /// `/nodes/job_stats/`.
    JobStats,
    /// `/nodes/NAME/`.
    Node(String),
    /// `/nodes/NAME/lock/`.
    Lock(String),
    /// `/nodes/NAME/jobs/`.
    NodeJobs(String),
    /// `/nodes/NAME/job_stats/`.
    NodeJobStats(String),
    /// What the results server has: `/runs/…`, `/jobs/…`, `/queue/…`.
    Results,
    /// Nothing.
    Nowhere,
}

/// Which place a path is, without its query.
#[must_use]
pub fn place(path: &str) -> Place {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if let ["runs" | "jobs" | "queue", ..] = parts.as_slice() {
        return Place::Results;
    }
    // A path may be asked of the lock server behind this one as it is: there it must be the same place.
    if !parts.iter().all(|part| is_plain(part)) {
        return Place::Nowhere;
    }
    match parts.as_slice() {
        [] => Place::Home,
        ["lab.json"] => Place::Lab,
        ["lab.css"] => Place::File("lab.css"),
        ["lab.js"] => Place::File("lab.js"),
        ["lab", "events"] => Place::Events,
        ["nodes"] => Place::Nodes,
        ["nodes", "lock_many"] => Place::LockMany,
        ["nodes", "unlock_many"] => Place::UnlockMany,
        ["nodes", "machine_types"] => Place::MachineTypes,
        ["nodes", "job_stats"] => Place::JobStats,
        ["nodes", name] => Place::Node((*name).into()),
        ["nodes", name, "lock"] => Place::Lock((*name).into()),
        ["nodes", name, "jobs"] => Place::NodeJobs((*name).into()),
        ["nodes", name, "job_stats"] => Place::NodeJobStats((*name).into()),
        _ => Place::Nowhere,
    }
}

/// Whether a part of a path can be a name, and nothing else.
fn is_plain(part: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    part.len() <= LONGEST_NAME && part.bytes().all(is_usual) && part.bytes().any(|byte| byte != b'.')
}

/// A part of a path, without its per cent signs.
fn decoded(part: &str) -> String {
    let part = part.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(part.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}
