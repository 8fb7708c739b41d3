//! A lab: one API server, some clouds, and at most one operator that can be killed at any request.

mod cluster;
pub mod forgetful;
mod harm;
pub mod keeper;
pub mod operator;
mod restore;
mod stranger;
mod tell;
mod wires;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use devcloud::{DevCloud, Settings};
use hickory_proto::rr::RData;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testnode_operator::api::TestNode;
use testnode_operator::dns::record::PARKED;
use tokio::time::{Instant, sleep};

pub use cluster::Cluster;
use cluster::epoch;
pub use forgetful::Guard;
pub use harm::panics;
pub use keeper::{Keeper, Site};
pub use operator::{Manner, Operator};
pub use stranger::Stranger;
pub use wires::{Closing, Reached, Wires};

/// Where the operator is at home.
pub const SYSTEM: &str = "testnode-system";
/// Where names are parked.
pub const PARK: &str = "192.0.2.1";
/// How exactly the tests see when something happened.
const BEAT: Duration = Duration::from_millis(50);

/// Everything there is.
pub struct Lab {
    /// The API server.
    pub cluster: Cluster,
    /// The cloud `lab`, which has the names too.
    pub cloud: DevCloud,
    /// The ways between them.
    pub wires: Wires,
    operator: Option<Operator>,
    /// Nodes with two servers, neither being deleted, and since when.
    twins: Mutex<BTreeMap<String, Instant>>,
}

/// Two volumes, as a storage test wants them.
#[must_use]
pub fn two_volumes() -> Value {
    json!({"volumes": [{"name": "osd", "count": 2, "sizeGiB": 1}]})
}

/// Settings of a cloud whose guests are up at once, so that what is measured is us.
#[must_use]
pub fn quick() -> Settings {
    Settings {
        guest_boot: Duration::ZERO,
        // Two things never happen at quite the same instant.
        api_latency: Duration::from_millis(10),
        epoch: Some(epoch()),
        ..Settings::default()
    }
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

    /// A lab with a second cloud, `far`, and a machine type that prefers that one and is altered before.
    pub async fn two_clouds(alter: impl FnOnce(&mut Value)) -> (Self, DevCloud) {
        let mut lab = Self::idle(quick());
        let far = DevCloud::new(Settings { seed: 1, ..quick() });
        lab.add_cloud("far", far.clone());
        let mut types = machine_type(&["far", "lab"]);
        types["clouds"][1]["weight"] = 10.into();
        alter(&mut types);
        lab.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": "lab"}, "spec": types,
        }));
        lab.start();
        for cloud in ["lab", "far"] {
            let ready = |lab: &Self| lab.condition("clouds", "", cloud, "Ready").0 == "True";
            lab.until("the clouds are Ready", 30, ready).await;
        }
        (lab, far)
    }

    /// A lab with a second cloud, `far`, whose machines have a type of their own, `far`.
    pub async fn with_far() -> (Self, DevCloud) {
        let lab = Self::new(quick()).await;
        let far = DevCloud::new(Settings { seed: 1, ..quick() });
        lab.add_cloud("far", far.clone());
        lab.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": "far"},
            "spec": machine_type(&["far"]),
        }));
        lab.until("far is Ready", 30, |lab| lab.condition("clouds", "", "far", "Ready").0 == "True").await;
        (lab, far)
    }

    /// A lab with one cloud, and without machine type and operator.
    #[must_use]
    pub fn idle(settings: Settings) -> Self {
        let cluster = Cluster::new();
        let cloud = DevCloud::new(settings);
        let wires = Wires::new(cloud.clone());
        let lab = Self { cluster, cloud: cloud.clone(), wires, operator: None, twins: Mutex::default() };
        lab.add_cloud("lab", cloud);
        lab
    }

    /// Another cloud, whose names are in the first one's zone.
    pub fn add_cloud(&self, name: &str, cloud: DevCloud) {
        self.credentials(name, &Self::clouds_yaml(name, &cloud));
        self.wires.plug(&format!("{name}.test"), cloud);
        self.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "Cloud", "metadata": {"name": name},
            "spec": {
                "openstack": {"secretRef": {"name": name}, "cloudName": "lab"},
                "dns": {
                    "zone": self.cloud.settings().zone,
                    "verify": {"server": "127.0.0.1:53"},
                    "nsupdateWeb": {"url": "http://lab.test/nsupdate"},
                },
            },
        }));
    }

    /// What opens a cloud that is plugged in under this name.
    #[must_use]
    pub fn clouds_yaml(name: &str, cloud: &DevCloud) -> String {
        cloud.clouds_yaml(&format!("http://{name}.test"))
    }

    /// The Secret of a cloud.
    pub fn credentials(&self, name: &str, clouds_yaml: &str) {
        self.credentials_in(SYSTEM, name, clouds_yaml);
    }

    /// The same in another namespace.
    pub fn credentials_in(&self, namespace: &str, name: &str, clouds_yaml: &str) {
        self.apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace},
            "stringData": {"clouds.yaml": clouds_yaml},
        }));
    }

    /// Makes a namespace.
    pub fn namespace(&self, name: &str) {
        self.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }

    /// Starts an operator, after killing the one there was.
    pub fn start(&mut self) {
        self.start_with(&Manner::default());
    }

    /// The same with one of some manner.
    pub fn start_with(&mut self, manner: &Manner) {
        self.operator = None;
        self.operator = Some(Operator::start_with(&self.cluster, &self.wires, manner));
    }

    /// Whether there is an operator, and it has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.operator.as_ref().is_some_and(|operator| !operator.has_ended())
    }

    /// Ends the operator as a power cut does.
    pub fn kill(&mut self) {
        self.operator = None;
    }

    /// The operator that was started last.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        self.operator.as_ref().unwrap()
    }

    /// Applies any object.
    pub fn apply(&self, object: Value) -> Value {
        self.cluster.put(object).unwrap()
    }

    /// Applies a node of the lab's machine type.
    pub fn node(&self, name: &str, spec: Value) -> Value {
        self.node_in("default", name, spec)
    }

    /// The same in another namespace.
    pub fn node_in(&self, namespace: &str, name: &str, mut spec: Value) -> Value {
        if spec.get("machineType").is_none() {
            spec["machineType"] = "lab".into();
        }
        self.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNode",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec,
        }))
    }

    /// Alters an object's spec as an edit does.
    pub fn edit(&self, resource: &str, namespace: &str, name: &str, alter: impl FnOnce(&mut Value)) {
        let mut object = self.cluster.get(resource, namespace, name).unwrap();
        alter(&mut object["spec"]);
        self.apply(object);
    }

    /// Deletes a node in `default`.
    pub fn delete(&self, name: &str) {
        self.cluster.delete(&self.cluster.get("testnodes", "default", name).unwrap()).unwrap();
    }

    /// A node in `default`, as it is stored.
    #[must_use]
    pub fn the(&self, name: &str) -> Value {
        self.cluster.get("testnodes", "default", name).unwrap_or_default()
    }

    /// Status, reason and message of a condition.
    #[must_use]
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
    #[must_use]
    pub fn says(&self, name: &str, kind: &str) -> (String, String, String) {
        self.condition("testnodes", "default", name, kind)
    }

    /// Whether a node says that it is Ready.
    #[must_use]
    pub fn is_ready(&self, name: &str) -> bool {
        self.says(name, "Ready").0 == "True"
    }

    /// Loses a node's status, as a careless restore does.
    pub async fn wipe_status(&self, name: &str) {
        assert!(wipe_status(self.cluster.client(), name.to_owned()).await);
    }

    /// Changes a node's status, as somebody with too many rights can.
    pub async fn edit_status(&self, name: &str, patch: Value) {
        let nodes: kube::Api<TestNode> = kube::Api::default_namespaced(self.cluster.client());
        let patch = Patch::Merge(json!({"status": patch}));
        nodes.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Waits until something is true, `within` so many seconds, and says how long it took.
    pub async fn until(&self, what: &str, within: u64, is_so: impl Fn(&Self) -> bool) -> Duration {
        let (began, limit) = (Instant::now(), Duration::from_secs(within));
        while !is_so(self) {
            assert!(began.elapsed() < limit, "not within {within} s: {what}\n{}", self.story());
            self.watch_for_twins();
            sleep(BEAT).await;
        }
        began.elapsed()
    }

    /// The same, and whenever the operator has ended or was killed, another is started.
    pub async fn in_the_end(&mut self, what: &str, within: u64, is_so: impl Fn(&Self) -> bool) {
        let (began, limit) = (Instant::now(), Duration::from_secs(within));
        while !is_so(self) {
            assert!(began.elapsed() < limit, "not within {within} s: {what}\n{}", self.story());
            if self.operator().has_ended() {
                self.start();
            }
            self.watch_for_twins();
            sleep(BEAT).await;
        }
    }

    /// No node has two servers, neither being deleted, for longer than one poll.
    fn watch_for_twins(&self) {
        let mut servers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for server in self.wires.clouds().into_values().flat_map(|cloud| cloud.servers()) {
            if let Some(uid) = server.metadata.get("testnode-uid").filter(|_| !server.deleting) {
                servers.entry(uid.clone()).or_default().insert(server.id);
            }
        }
        let mut twins = self.twins.lock().unwrap();
        twins.retain(|uid, _| servers.get(uid).is_some_and(|ids| ids.len() > 1));
        for (uid, _) in servers.into_iter().filter(|(_, ids)| ids.len() > 1) {
            let since = *twins.entry(uid).or_insert_with(Instant::now);
            assert!(since.elapsed() < Duration::from_millis(2500), "a twin\n{}", self.story());
        }
    }

    /// Waits until a node is Ready.
    pub async fn ready(&self, name: &str, within: u64) -> Duration {
        self.until(&format!("{name} is Ready"), within, |lab| lab.is_ready(name)).await
    }

    /// Waits until a node says this reason in this condition.
    pub async fn told(&self, name: &str, kind: &str, reason: &str, within: u64) -> String {
        let what = format!("{name} says {reason} in {kind}");
        self.until(&what, within, |lab| lab.says(name, kind).1 == reason).await;
        self.says(name, kind).2
    }

    /// Waits until a node is no more.
    pub async fn gone(&self, name: &str, within: u64) -> Duration {
        self.until(&format!("{name} is gone"), within, |lab| lab.the(name).is_null()).await
    }

    /// Lets the names of all Clouds be changed by signed updates (RFC 2136) from now on.
    pub fn name_by_updates(&self) {
        let settings = self.cloud.settings();
        self.apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tsig", "namespace": SYSTEM},
            "stringData": {"secret": settings.tsig_secret},
        }));
        for cloud in self.cluster.list("clouds", "") {
            self.edit("clouds", "", cloud["metadata"]["name"].as_str().unwrap(), |spec| {
                spec["dns"] = json!({
                    "zone": settings.zone,
                    "rfc2136": {
                        "server": "127.0.0.1:53",
                        "keyName": settings.tsig_key,
                        "tsigSecretRef": {"name": "tsig"},
                        "reverseZones": settings.reverse_zones,
                    },
                });
            });
        }
    }

    /// Nothing of ours is left: no server, volume or port, every name is deleted or parked, and no other record is ours.
    pub fn assert_clean(&self) {
        for (host, cloud) in self.wires.clouds() {
            assert!(cloud.is_empty(), "something is left in {host}\n{}", self.story());
        }
        for (name, addresses) in self.cloud.records() {
            assert!(addresses.contains(&PARKED), "{name} still says {addresses:?}\n{}", self.story());
        }
        for (name, others) in self.cloud.other_records() {
            assert!(!others.iter().any(is_ours), "{name} still has {others:?}\n{}", self.story());
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kill();
        self.cluster.leave();
    }
}

/// Whether a record is one that the operator makes beside addresses.
#[must_use]
pub fn is_ours(data: &RData) -> bool {
    matches!(data, RData::PTR(_))
        || matches!(data, RData::TXT(text) if text.to_string().contains("testnode-uid="))
}

/// Loses the status of a node in `default`, and says whether it could.
pub async fn wipe_status(client: kube::Client, name: String) -> bool {
    let nodes: kube::Api<TestNode> = kube::Api::default_namespaced(client);
    let nothing = Patch::Merge(json!({"status": null}));
    nodes.patch_status(&name, &PatchParams::default(), &nothing).await.is_ok()
}

/// A machine type on some clouds, whose nodes may set whatever a node can set.
#[must_use]
pub fn machine_type(clouds: &[&str]) -> Value {
    let clouds: Vec<Value> = clouds.iter().map(|name| json!({"name": name})).collect();
    json!({
        "clouds": clouds,
        "defaultOS": {"type": "ubuntu", "version": "22.04"},
        "flavor": {"requirements": {"minVCPUs": 1, "minRAMMiB": 1000, "minDiskGiB": 10}},
        "overrides": [
            "resources", "availabilityZones", "cloud", "keyName", "flavor", "networks", "floatingIP", "securityGroups",
            "image", "configDrive", "serverGroup", "schedulerHints", "serverMetadata", "serverTags", "serverDescription",
            "bootVolume", "blockDevices",
        ],
    })
}
