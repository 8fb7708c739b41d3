//! Changes behind everyone's back.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Value, json};

use super::read;
use crate::{DevCloud, wire::Ask};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    name: String,
    #[serde(default)]
    addresses: Vec<IpAddr>,
}

/// Sets a record past nsupdate-web; no address removes it.
pub(crate) fn record(cloud: &DevCloud, ask: &Ask) -> Result<Value, String> {
    let record: Record = read(ask)?;
    cloud.set_record(&record.name, record.addresses);
    Ok(json!(cloud.records()))
}

/// One thing that somebody else does.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Act {
    RemoveServer(String),
    StopServer(String),
    BreakServer { id: String, fault: String },
    RemoveVolume(String),
    VolumeStatus { id: String, status: String },
    RemovePort(String),
    UnbindPort(String),
    RemoveFloatingIp(String),
    RevokeTokens,
    RemoveAppCredential,
    RestartNsupdateWeb,
}

pub(crate) fn act(cloud: &DevCloud, ask: &Ask) -> Result<Value, String> {
    match read(ask)? {
        Act::RemoveServer(id) => cloud.remove_server(&id),
        Act::StopServer(id) => cloud.stop_server(&id),
        Act::BreakServer { id, fault } => cloud.break_server(&id, &fault),
        Act::RemoveVolume(id) => cloud.remove_volume(&id),
        Act::VolumeStatus { id, status } => cloud.set_volume_status(&id, &status),
        Act::RemovePort(id) => cloud.remove_port(&id),
        Act::UnbindPort(id) => cloud.unbind_port(&id),
        Act::RemoveFloatingIp(id) => cloud.remove_floating_ip(&id),
        Act::RevokeTokens => cloud.revoke_tokens(),
        Act::RemoveAppCredential => cloud.remove_app_credential(),
        Act::RestartNsupdateWeb => cloud.restart_nsupdate_web(),
    }
    Ok(json!({}))
}
