//! Rows of slots in every state, and which pools are served.

use serde_json::{Value, from_value, json};

use super::*;

/// A pool of these names and system, whose machine type is `lab`.
pub fn pool(name: &str, os: &str, more: &Value) -> Arc<TestNodePool> {
    let (kind, version) = os.split_once(' ').unwrap();
    let mut spec = json!({
        "template": {"machineType": "lab", "os": {"type": kind, "version": version}}, "max": 4,
        "claims": {"from": "Same", "duration": "8h", "maxDuration": "24h"},
    });
    spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let metadata = json!({"name": name, "namespace": "lab", "uid": format!("p-{name}")});
    Arc::new(from_value(json!({"metadata": metadata, "spec": spec})).unwrap())
}

fn machine_type(clouds: &[&str]) -> Arc<MachineType> {
    let clouds: Vec<Value> = clouds.iter().map(|name| json!({"name": name})).collect();
    Arc::new(
        from_value(json!({
            "metadata": {"name": "lab"},
            "spec": {"clouds": clouds, "flavor": {"name": "m1"}, "defaultOS": {"type": "ubuntu", "version": "22.04"}},
        }))
        .unwrap(),
    )
}

fn cloud(name: &str, zone: &str) -> Arc<Cloud> {
    Arc::new(
        from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "openstack": {"secretRef": {"name": "s"}, "cloudName": "c"},
                "dns": {"zone": zone, "unverified": true, "nsupdateWeb": {"url": "http://n.test/u"}},
            },
        }))
        .unwrap(),
    )
}

/// These pools, all served, in one zone.
pub fn pools(all: &[Arc<TestNodePool>]) -> Pools {
    Pools::of(all, &[machine_type(&["near"])], &[cloud("near", "front.example.test")], "lab", None)
}

/// An idle node of a pool.
pub fn node(pool: &TestNodePool, number: usize, spec: &Value) -> TestNode {
    let mut whole = json!({"machineType": "lab", "poolRef": {"name": pool.name_any(), "uid": pool.uid()}});
    whole.as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap_or_default());
    from_value(json!({
        "metadata": {"name": pool.slot(number), "namespace": "lab", "uid": format!("n-{number}"), "generation": 1},
        "spec": whole,
        "status": {
            "observedGeneration": 1, "os": "ubuntu 22.04",
            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "m",
                "lastTransitionTime": "2026-03-02T08:00:00Z"}],
            "times": {"readyAt": "2026-03-02T08:00:00Z"},
            "ssh": {"port": 22, "hostKeys": ["h ssh-rsa B", "h ecdsa-sha2-nistp256 A", "h ssh-ed25519 C"]},
        },
    }))
    .unwrap()
}

/// A claim that has the first node of pool `ovh`.
pub fn claim(name: &str, more: &Value) -> TestNodeClaim {
    let mut whole = json!({
        "metadata": {"name": name, "namespace": "lab", "uid": format!("c-{name}")},
        "spec": {"pool": {"name": "ovh"}, "owner": "alice@desk", "description": "trying"},
        "status": {"boundAt": "2026-03-02T09:00:00.5Z", "nodes": [{"name": "ovh001", "namespace": "lab", "uid": "n-1"}]},
    });
    for (part, fields) in more.as_object().into_iter().flatten() {
        whole[part].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    }
    from_value(whole).unwrap()
}

/// What names a claim of `claim`.
pub fn claimed_by(name: &str) -> Value {
    json!({"claimRef": {"namespace": "lab", "name": name, "uid": format!("c-{name}")}})
}

fn only(node: Option<&TestNode>, holder: Option<&TestNodeClaim>, mark: Option<&Value>) -> Row {
    let all = pools(&[pool("ovh", "ubuntu 22.04", &Value::Null)]);
    let mark: Option<TestNodeSlot> =
        mark.map(|spec| from_value(json!({"metadata": {"name": "ovh001"}, "spec": spec})).unwrap());
    let spot = Spot { served: &all.served[0], host: "ovh001".into(), node, holder, mark: mark.as_ref() };
    spot.row()
}

fn warm() -> TestNode {
    node(&pool("ovh", "ubuntu 22.04", &Value::Null), 1, &Value::Null)
}

#[test]
fn a_locked_row_has_its_holder_and_the_host_key_that_a_scan_would_choose() {
    let row = only(Some(&warm()), Some(&claim("job", &Value::Null)), None);

    assert_eq!(row.name, "ovh001.front.example.test");
    assert!(row.locked && row.up && !row.is_vm);
    assert_eq!((row.locked_by.as_deref(), row.description.as_deref()), (Some("alice@desk"), Some("trying")));
    assert_eq!(row.locked_since.as_deref(), Some("2026-03-02 09:00:00.500000"));
    assert_eq!(row.ssh_pub_key.as_deref(), Some("ecdsa-sha2-nistp256 A"));
    assert_eq!((row.os_type.as_deref(), row.os_version.as_deref()), (Some("ubuntu"), Some("22.04")));
}

#[test]
fn a_locked_row_without_a_description_has_an_empty_one() {
    let claim = claim("job", &json!({"spec": {"description": null}}));

    assert_eq!(only(Some(&warm()), Some(&claim), None).description.as_deref(), Some(""));
}

#[test]
fn an_empty_slot_is_capacity_and_says_so() {
    let row = only(None, None, None);

    assert!(row.up && !row.locked && row.os_type.is_none() && row.ssh_pub_key.is_none());
    assert_eq!(row.arch.as_deref(), Some("x86_64"));
    assert!(row.description.unwrap().contains("one is made when it is locked"));
}

#[test]
fn a_mark_counts_for_its_machine_and_a_lost_machine_is_down() {
    let mark =
        |uid: Option<&str>| json!({"pool": "ovh", "down": true, "nodeUID": uid, "description": "no disks"});

    assert!(!only(Some(&warm()), None, Some(&mark(Some("n-1")))).up);
    assert_eq!(only(Some(&warm()), None, Some(&mark(None))).description.as_deref(), Some("no disks"));
    let other = only(Some(&warm()), None, Some(&mark(Some("n-0"))));
    assert!(other.up && other.description.is_none(), "the machine that was marked was replaced");
    let lost = only(None, Some(&claim("job", &Value::Null)), None);
    assert!(lost.locked && !lost.up);
}

#[test]
fn pools_that_cannot_be_shown_are_left_out_with_the_reason() {
    let elsewhere: Arc<TestNodePool> = {
        let mut pool = TestNodePool::clone(&pool("other", "ubuntu 22.04", &Value::Null));
        pool.metadata.namespace = Some("team".into());
        Arc::new(pool)
    };
    let all = [pool("ovh", "ubuntu 22.04", &Value::Null), elsewhere];
    let clouds = [cloud("near", "front.example.test"), cloud("far", "back.example.test")];

    let found = Pools::of(&all, &[machine_type(&["near"])], &clouds, "lab", None);
    assert_eq!((found.served.len(), found.zone.as_deref()), (1, Some("front.example.test")));
    assert!(found.left_out[0].1.contains("claims.from"));
    let mixed = Pools::of(&all, &[machine_type(&["near", "far"])], &clouds, "lab", None);
    assert!(mixed.served.is_empty() && mixed.left_out[0].1.contains("different zones"));
    let other_zone = Pools::of(&all, &[machine_type(&["near"])], &clouds, "lab", Some("sepia.test"));
    assert!(other_zone.served.is_empty());
}

#[test]
fn a_name_is_found_with_and_without_its_zone() {
    let found = pools(&[pool(
        "ovh",
        "ubuntu 22.04",
        &json!({"lockServer": {"machineType": "big", "arch": "aarch64"}}),
    )]);

    for name in ["ovh002", "OVH002.front.example.test"] {
        let (served, host) = found.find(name).unwrap();
        assert_eq!(
            (served.machine_type.as_str(), served.arch.as_str(), host.as_str()),
            ("big", "aarch64", "ovh002")
        );
    }
    for name in ["ovh2", "mira001", "ovh002.back.example.test"] {
        assert!(found.find(name).is_none(), "{name}");
    }
}

#[test]
fn a_name_that_two_pools_could_have_is_a_slot_of_the_one_that_is_large_enough() {
    let all =
        [pool("ovh", "ubuntu 22.04", &json!({"max": 20})), pool("ovh1", "ubuntu 22.04", &json!({"max": 20}))];
    let found = pools(&all);
    let named = |name: &str| found.find(name).map(|(served, _)| served.pool.name_any());

    assert_eq!(named("ovh1001").as_deref(), Some("ovh1"));
    assert_eq!(named("ovh001").as_deref(), Some("ovh"));
    assert_eq!(named("ovh099").as_deref(), Some("ovh"), "a machine may be left of a larger pool");
}
