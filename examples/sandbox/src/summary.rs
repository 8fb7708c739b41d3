//! The summary at the end: times, costs, and whether anything is left.

use std::fmt::Write as _;
use std::time::Duration;

use devcloud::Service;
use testnode_operator::dns::record::PARKED;
use tokio::time::Instant;

use crate::lab::Lab;
use crate::node::{Node, Watch};

type Took = fn(&Node) -> Option<Duration>;

/// The summary.
pub fn of(lab: &Lab, watch: &Watch) -> String {
    let mut text = String::from("seconds            shortest   average   longest\n");
    let phases: [(&str, Took); 4] = [
        ("apply to ACTIVE", |node| between(Some(node.applied), node.active)),
        ("ACTIVE to Ready", |node| between(node.active, node.ready)),
        ("apply to Ready", |node| between(Some(node.applied), node.ready)),
        ("delete to gone", |node| between(node.deleted, node.gone)),
    ];
    for (name, took) in phases {
        let all: Vec<f32> = watch.0.values().filter_map(took).map(|took| took.as_secs_f32()).collect();
        let (least, most) = all.iter().fold((f32::MAX, 0.0_f32), |(l, m), took| (l.min(*took), m.max(*took)));
        #[expect(clippy::cast_precision_loss, reason = "a few hundred nodes")]
        let average = all.iter().sum::<f32>() / all.len().max(1) as f32;
        let least = least.min(most);
        put(&mut text, &format!("{name:<18} {least:>8.1} {average:>9.1} {most:>9.1}"));
    }
    let nodes = watch.0.len();
    let calls = lab.site.cloud.calls();
    let dns = calls.iter().filter(|call| matches!(call.service, Service::NsupdateWeb | Service::Dns)).count();
    let log = lab.site.cluster.faults().log();
    let writes =
        log.iter().filter(|written| written.call.resource == "testnodes" && written.manager != "kubectl");
    put(&mut text, "");
    put(&mut text, &format!("{nodes} nodes cost, each"));
    put(&mut text, &format!("{:>8.1} requests to OpenStack", per(calls.len() - dns, nodes)));
    put(&mut text, &format!("{:>8.1} to nsupdate-web and DNS", per(dns, nodes)));
    put(&mut text, &format!("{:>8.1} writes to Kubernetes, events aside", per(writes.count(), nodes)));
    if let Some(peak) = peak_memory() {
        put(
            &mut text,
            &format!("{peak:>8} MiB of memory at the peak, for operator, cluster and cloud together"),
        );
    }
    text
}

fn put(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
fn per(all: usize, nodes: usize) -> f32 {
    all as f32 / nodes.max(1) as f32
}

fn between(from: Option<Instant>, to: Option<Instant>) -> Option<Duration> {
    Some(to?.saturating_duration_since(from?))
}

/// In MiB, on a system that has `/proc`.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// What should no longer be there.
pub fn left(lab: &Lab) -> Vec<String> {
    let mut left = Vec::new();
    left.extend(
        lab.site.cloud.servers().iter().map(|server| format!("server {} ({})", server.name, server.id)),
    );
    left.extend(
        lab.site.cloud.volumes().iter().map(|volume| format!("volume {} ({})", volume.name, volume.id)),
    );
    left.extend(lab.site.cloud.ports().iter().map(|port| format!("port {} ({})", port.name, port.id)));
    left.extend(lab.site.cloud.floating_ips().iter().map(|ip| format!("floating IP {}", ip.address)));
    for (name, addresses) in lab.site.cloud.records() {
        if !addresses.contains(&PARKED) {
            left.push(format!("name {name} at {addresses:?}"));
        }
    }
    left
}
