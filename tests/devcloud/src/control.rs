//! `/devcloud`: what is behind the curtain, over HTTP and JSON.

mod behind;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    DevCloud, Fault, ServerFate, Service, VolumeFate,
    wire::{Ask, Reply},
};

pub(crate) fn answer(cloud: &DevCloud, ask: &Ask) -> Reply {
    let path = ask.path.strip_prefix("/devcloud").unwrap_or("/").trim_end_matches('/');
    let done = match (ask.method.as_str(), path) {
        ("GET", "/state") => Ok(state(cloud)),
        ("GET", "/requests") => Ok(counts(cloud)),
        ("GET", "/calls") => Ok(calls(cloud)),
        ("DELETE", "/requests") => {
            cloud.forget_calls();
            Ok(json!({}))
        }
        ("GET", "/faults") => Ok(cloud
            .with(|world| json!(world.faults.iter().map(crate::faults::Armed::fault).collect::<Vec<_>>()))),
        ("POST", "/faults") => faults(cloud, ask),
        ("DELETE", "/faults") => {
            cloud.heal();
            Ok(json!({}))
        }
        ("GET", "/knobs") => Ok(json!(cloud.settings())),
        ("POST", "/knobs") => knobs(cloud, ask),
        ("POST", "/fates") => fates(cloud, ask),
        ("POST", "/dns") => behind::record(cloud, ask),
        ("POST", "/behind") => behind::act(cloud, ask),
        ("GET", "/clouds.yaml") => {
            let yaml = cloud.clouds_yaml(&ask.origin());
            return Reply::text(200, yaml);
        }
        ("GET", path) if path.starts_with("/console/") => {
            return Reply::text(200, cloud.console(path.trim_start_matches("/console/")));
        }
        _ => return Reply::json(404, json!({"error": format!("nothing at {} {}", ask.method, ask.path)})),
    };
    match done {
        Ok(body) => Reply::json(200, body),
        Err(error) => Reply::json(400, json!({"error": error})),
    }
}

fn state(cloud: &DevCloud) -> Value {
    cloud.with(|world| {
        let servers: Vec<_> = world.servers.iter().filter(|server| server.deleted.is_none()).collect();
        json!({
            "now": world.clock.zulu_micros(world.now), "servers": servers, "volumes": world.volumes,
            "attachments": world.attachments, "ports": world.ports, "floating_ips": world.floating_ips,
            "records": world.records,
        })
    })
}

/// How often what was asked and how it was answered; status 0 is no answer.
fn counts(cloud: &DevCloud) -> Value {
    let mut counts: BTreeMap<(Service, String, u16), u64> = BTreeMap::new();
    for call in cloud.calls() {
        *counts.entry((call.service, call.template, call.status.unwrap_or(0))).or_default() += 1;
    }
    let lines = counts.into_iter().map(|((service, template, status), count)| {
        json!({"service": service, "template": template, "status": status, "count": count})
    });
    Value::Array(lines.collect())
}

fn calls(cloud: &DevCloud) -> Value {
    let all = cloud.calls();
    cloud.with(|world| {
        let lines = all.iter().map(|call| {
            json!({"service": call.service, "template": call.template, "path": call.path, "status": call.status,
                "at": world.clock.zulu_micros(call.at), "body": call.body})
        });
        Value::Array(lines.collect())
    })
}

fn read<T: for<'de> Deserialize<'de>>(ask: &Ask) -> Result<T, String> {
    serde_json::from_slice(&ask.body).map_err(|error| error.to_string())
}

fn faults(cloud: &DevCloud, ask: &Ask) -> Result<Value, String> {
    let fault: Fault = read(ask)?;
    cloud.fault(fault).map_err(|error| error.to_string())?;
    Ok(json!({}))
}

fn knobs(cloud: &DevCloud, ask: &Ask) -> Result<Value, String> {
    let patch: Value = read(ask)?;
    let settings = cloud.settings().patched(&patch).map_err(|error| error.to_string())?;
    cloud.change(|all| *all = settings);
    Ok(json!(cloud.settings()))
}

/// What is to happen to the next objects whose name fits, or to one that is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fates {
    #[serde(default)]
    name: String,
    #[serde(default = "once")]
    times: u32,
    id: Option<String>,
    server: Option<ServerFate>,
    volume: Option<VolumeFate>,
}

fn once() -> u32 {
    1
}

fn fates(cloud: &DevCloud, ask: &Ask) -> Result<Value, String> {
    let fates: Fates = read(ask)?;
    let name = regex::Regex::new(&fates.name).map_err(|error| error.to_string())?;
    if let Some(fate) = fates.server {
        match &fates.id {
            Some(id) => cloud.doom_server(id, fate),
            None => cloud.plan_servers(name.clone(), fates.times, fate),
        }
    }
    if let Some(fate) = fates.volume {
        match &fates.id {
            Some(id) => cloud.doom_volume(id, fate),
            None => cloud.plan_volumes(name, fates.times, fate),
        }
    }
    Ok(json!({}))
}
