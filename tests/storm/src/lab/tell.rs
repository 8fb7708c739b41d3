//! What was asked of whom.

use std::collections::BTreeMap;

use devcloud::{Call, Service};
use devcluster::Written;

use super::Lab;

impl Lab {
    fn calls(&self) -> impl Iterator<Item = Call> {
        let all = self.wires.clouds().into_values().flat_map(|cloud| cloud.calls());
        all.filter(|call| !matches!(call.service, Service::NsupdateWeb | Service::Dns))
    }

    /// How many cloud calls were made since they were forgotten, DNS not counted.
    #[must_use]
    pub fn cloud_calls(&self) -> usize {
        self.calls().count()
    }

    /// The same by what was asked.
    #[must_use]
    pub fn tally(&self) -> BTreeMap<String, usize> {
        let mut tally = BTreeMap::new();
        self.calls()
            .for_each(|call| *tally.entry(format!("{:?} {}", call.service, call.template)).or_default() += 1);
        tally
    }

    /// A Warning event on a node in `default` has this reason.
    #[must_use]
    pub fn warned(&self, name: &str, reason: &str) -> bool {
        self.cluster.list("events", "default").iter().any(|event| {
            event["type"] == "Warning" && event["reason"] == reason && event["involvedObject"]["name"] == name
        })
    }

    /// Begins to count anew.
    pub fn forget_calls(&self) {
        self.wires.clouds().into_values().for_each(|cloud| cloud.forget_calls());
    }

    /// What the operator wrote to a node, refused writes included.
    #[must_use]
    pub fn writes(&self, name: &str) -> Vec<Written> {
        let mut log = self.cluster.faults().log();
        log.retain(|written| written.call.resource == "testnodes" && written.call.name == name);
        log
    }

    /// How many writes those were.
    #[must_use]
    pub fn kubernetes_writes(&self, name: &str) -> usize {
        self.writes(name).len()
    }

    /// What there is and what was asked, for a reader of a test that failed.
    #[must_use]
    pub fn story(&self) -> String {
        let mut lines = Vec::new();
        for (host, cloud) in self.wires.clouds() {
            let calls = cloud.calls();
            for call in calls.iter().skip(calls.len().saturating_sub(80)) {
                let since = call.at.duration_since(self.wires.began).as_secs_f32();
                lines.push(format!(
                    "{since:8.2} {host} {:?} {} {:?}",
                    call.service, call.template, call.status
                ));
            }
            lines.extend(cloud.servers().iter().map(|s| format!("{host}: server {} {:?}", s.name, s.status)));
            lines.extend(cloud.volumes().iter().map(|v| format!("{host}: volume {} {}", v.name, v.status)));
            lines.extend(
                cloud.ports().iter().map(|p| format!("{host}: port {} of {:?}", p.name, p.device_id)),
            );
        }
        lines.push(format!("{:?}", self.cloud.records()));
        for node in self.cluster.list("testnodes", "") {
            let status = serde_json::to_string_pretty(&node["status"]).unwrap();
            lines.push(format!("{} {} {status}", node["metadata"]["name"], node["metadata"]["finalizers"]));
        }
        lines.push(format!("after {:?}", self.wires.began.elapsed()));
        lines.join("\n")
    }
}
