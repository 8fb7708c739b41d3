//! Objects that are lost and restored: under another UID, beside machines that live.

use serde_json::{Value, json};

use super::Lab;

/// The annotation that says what is to become of a former machine.
const WISH: &str = "testnode.dev/former-machine";

impl Lab {
    /// Takes our finalizers from a node, so that it goes at once and leaves all behind; or leaves it these.
    pub fn force_away(&self, name: &str, finalizers: &[&str]) {
        let mut node = self.the(name);
        node["metadata"]["finalizers"] = json!(finalizers);
        let node = self.apply(node);
        self.cluster.delete(&node).unwrap();
    }

    /// An object is lost, as with etcd, and comes back as a backup has it: with its finalizers, and without its UID and its
    /// status. Returns the backup.
    pub fn restore(&self, name: &str) -> Value {
        let backup = self.the(name);
        self.force_away(name, &[]);
        assert!(self.the(name).is_null());
        self.apply(json!({
            "apiVersion": backup["apiVersion"], "kind": backup["kind"], "spec": backup["spec"],
            "metadata": {
                "name": name, "namespace": "default", "finalizers": backup["metadata"]["finalizers"],
                "annotations": backup["metadata"]["annotations"],
            },
        }));
        backup
    }

    /// Says on a node what is to become of its former machine.
    pub fn wish(&self, name: &str, word: &str) {
        let mut node = self.the(name);
        node["metadata"]["annotations"][WISH] = word.into();
        self.apply(node);
    }
}
