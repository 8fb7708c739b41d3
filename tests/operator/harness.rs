//! A lab: one API server, some clouds, and at most one operator that can be killed at any request.

mod operator;
mod wires;

use std::net::IpAddr;
use std::time::Duration;

use devcloud::{DevCloud, Service, Settings};
use devcluster::DevCluster;
use serde_json::{Value, json};
use testnode_operator::api::crd;
use tokio::time::{Instant, sleep};

pub use operator::Operator;
pub use wires::Wires;

/// Where the operator is at home.
pub const SYSTEM: &str = "testnode-system";
/// Where names are parked.
pub const PARK: &str = "192.0.2.1";
/// How exactly the tests see when something happened.
const BEAT: Duration = Duration::from_millis(50);

/// Everything there is.
pub struct Lab {
    pub cluster: DevCluster,
    /// The cloud `lab`, which has the names too.
    pub cloud: DevCloud,
    wires: Wires,
    operator: Option<Operator>,
}

/// Settings of a cloud whose guests are up at once, so that what is measured is us.
pub fn quick() -> Settings {
    Settings { guest_boot: Duration::ZERO, epoch: Some(epoch()), ..Settings::default() }
}

fn epoch() -> jiff::Timestamp {
    "2026-03-02T08:00:00Z".parse().unwrap()
}

impl Lab {
    /// A lab with one cloud, one machine type, and an operator at work.
    pub async fn new(settings: Settings) -> Self {
        let mut lab = Self::idle(settings);
        lab.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": "lab"},
            "spec": machine_type(&["lab"]),
        }));
        lab.start();
        lab.until("the cloud is Ready", 30, |lab| lab.condition("clouds", "", "lab", "Ready").0 == "True")
            .await;
        lab
    }

    /// The same without machine type and operator.
    pub fn idle(settings: Settings) -> Self {
        let cluster = DevCluster::starting(epoch());
        for crd in crd::all() {
            cluster.install(serde_json::to_value(crd).unwrap()).unwrap();
        }
        cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})).unwrap();
        let cloud = DevCloud::new(settings);
        let wires = Wires::new(cloud.clone());
        let lab = Self { cluster, cloud: cloud.clone(), wires, operator: None };
        lab.add_cloud("lab", cloud);
        lab
    }

    /// Another cloud, whose names are in the first one's zone.
    pub fn add_cloud(&self, name: &str, cloud: DevCloud) {
        self.credentials(name, &cloud.clouds_yaml(&format!("http://{name}.test")));
        self.wires.plug(&format!("{name}.test"), cloud);
        self.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "Cloud", "metadata": {"name": name},
            "spec": {
                "openstack": {"secretRef": {"name": name}, "cloudName": "lab"},
                "dns": {"nsupdateWeb": {
                    "url": "http://lab.test/nsupdate",
                    "zone": self.cloud.settings().zone,
                    "verify": {"server": "127.0.0.1:53"},
                }},
            },
        }));
    }

    /// The Secret of a cloud.
    pub fn credentials(&self, name: &str, clouds_yaml: &str) {
        self.apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": SYSTEM},
            "stringData": {"clouds.yaml": clouds_yaml},
        }));
    }

    /// Starts an operator.
    pub fn start(&mut self) -> &Operator {
        self.operator = None;
        self.operator.insert(Operator::start(&self.cluster, &self.wires))
    }

    /// Ends the operator as a power cut does.
    pub fn kill(&mut self) {
        self.operator = None;
    }

    pub fn operator(&self) -> &Operator {
        self.operator.as_ref().unwrap()
    }

    pub fn apply(&self, object: Value) -> Value {
        self.cluster.put(object).unwrap()
    }

    /// Applies a node of the lab's machine type.
    pub fn node(&self, name: &str, mut spec: Value) -> Value {
        if spec.get("machineType").is_none() {
            spec["machineType"] = "lab".into();
        }
        self.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNode",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec,
        }))
    }

    /// Alters an object's spec as an edit does.
    pub fn edit(&self, resource: &str, namespace: &str, name: &str, alter: impl FnOnce(&mut Value)) {
        let mut object = self.cluster.get(resource, namespace, name).unwrap();
        alter(&mut object["spec"]);
        self.apply(object);
    }

    pub fn delete(&self, name: &str) {
        self.cluster.delete(&self.cluster.get("testnodes", "default", name).unwrap()).unwrap();
    }

    /// A node in `default`, as it is stored.
    pub fn the(&self, name: &str) -> Value {
        self.cluster.get("testnodes", "default", name).unwrap_or_default()
    }

    /// Status, reason and message of a condition.
    pub fn condition(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        kind: &str,
    ) -> (String, String, String) {
        let object = self.cluster.get(resource, namespace, name).unwrap_or_default();
        let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
        let word = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (word("status"), word("reason"), word("message"))
    }

    /// The same of a node in `default`.
    pub fn says(&self, name: &str, kind: &str) -> (String, String, String) {
        self.condition("testnodes", "default", name, kind)
    }

    pub fn is_ready(&self, name: &str) -> bool {
        self.says(name, "Ready").0 == "True"
    }

    /// Waits until something is true, `within` so many seconds, and says how long it took.
    pub async fn until(&self, what: &str, within: u64, is_so: impl Fn(&Self) -> bool) -> Duration {
        let (began, limit) = (Instant::now(), Duration::from_secs(within));
        while !is_so(self) {
            assert!(began.elapsed() < limit, "not within {within} s: {what}\n{}", self.story());
            sleep(BEAT).await;
        }
        began.elapsed()
    }

    pub async fn ready(&self, name: &str, within: u64) -> Duration {
        self.until(&format!("{name} is Ready"), within, |lab| lab.is_ready(name)).await
    }

    /// Waits until a node says this reason in this condition.
    pub async fn told(&self, name: &str, kind: &str, reason: &str, within: u64) -> String {
        let what = format!("{name} says {reason} in {kind}");
        self.until(&what, within, |lab| lab.says(name, kind).1 == reason).await;
        self.says(name, kind).2
    }

    pub async fn gone(&self, name: &str, within: u64) -> Duration {
        self.until(&format!("{name} is gone"), within, |lab| lab.the(name).is_null()).await
    }

    /// Nothing of ours is left: no server, volume or port, and every name is parked.
    pub fn assert_clean(&self) {
        for (host, cloud) in self.wires.clouds() {
            assert!(cloud.is_empty(), "something is left in {host}\n{}", self.story());
        }
        let park: IpAddr = PARK.parse().unwrap();
        for (name, addresses) in self.cloud.records() {
            assert!(addresses.iter().eq([&park]), "{name} still says {addresses:?}\n{}", self.story());
        }
    }

    /// How many cloud calls were made since they were forgotten, DNS not counted.
    pub fn cloud_calls(&self) -> usize {
        let all = self.wires.clouds().into_iter().flat_map(|(_, cloud)| cloud.calls());
        all.filter(|call| !matches!(call.service, Service::NsupdateWeb | Service::Dns)).count()
    }

    pub fn forget_calls(&self) {
        self.wires.clouds().into_iter().for_each(|(_, cloud)| cloud.forget_calls());
    }

    /// How many writes the operator made to a node, refused ones included.
    pub fn kubernetes_writes(&self, name: &str) -> usize {
        let log = self.cluster.faults().log();
        log.iter().filter(|written| written.call.resource == "testnodes" && written.call.name == name).count()
    }

    /// What there is and what was asked, for a reader of a test that failed.
    pub fn story(&self) -> String {
        let mut lines = Vec::new();
        for node in self.cluster.list("testnodes", "") {
            let status = serde_json::to_string_pretty(&node["status"]).unwrap();
            lines.push(format!("{} {} {status}", node["metadata"]["name"], node["metadata"]["finalizers"]));
        }
        for (host, cloud) in self.wires.clouds() {
            let calls = cloud.calls();
            for call in calls.iter().skip(calls.len().saturating_sub(60)) {
                let since = call.at.duration_since(self.wires.began).as_secs_f32();
                lines.push(format!(
                    "{since:8.2} {host} {:?} {} {:?}",
                    call.service, call.template, call.status
                ));
            }
            let left = cloud
                .servers()
                .iter()
                .map(|server| format!("server {} {:?}", server.name, server.status))
                .collect::<Vec<_>>();
            lines.push(format!(
                "{host}: {left:?}, {} volumes, {} ports",
                cloud.volumes().len(),
                cloud.ports().len()
            ));
        }
        lines.push(format!("{:?}", self.cloud.records()));
        lines.join("\n")
    }
}

/// A machine type on some clouds.
pub fn machine_type(clouds: &[&str]) -> Value {
    let clouds: Vec<Value> = clouds.iter().map(|name| json!({"name": name})).collect();
    json!({
        "clouds": clouds,
        "defaultOS": {"type": "ubuntu", "version": "22.04"},
        "flavor": {"requirements": {"minVCPUs": 1, "minRAMMiB": 1000, "minDiskGiB": 10}},
    })
}
