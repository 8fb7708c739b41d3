//! What is applied: the files in `examples/`, with the credentials and addresses of the sandbox filled in.

use serde_json::{Value, json};

use crate::Result;
use crate::lab::Lab;
use crate::options::Options;

const EXAMPLES: [(&str, &str); 4] = [
    ("examples/cloud.yaml", include_str!("../../cloud.yaml")),
    ("examples/machine-type.yaml", include_str!("../../machine-type.yaml")),
    ("examples/node.yaml", include_str!("../../node.yaml")),
    ("examples/node-with-volumes.yaml", include_str!("../../node-with-volumes.yaml")),
];

/// Applies them. Returns a line about each file.
pub fn apply(lab: &Lab, options: &Options) -> Result<Vec<String>> {
    let (mut lines, mut nodes) = (Vec::new(), Vec::new());
    for (file, text) in EXAMPLES {
        let mut applied = Vec::new();
        for object in serde_saphyr::from_multiple::<Value>(text)? {
            if kind(&object) == "TestNode" {
                nodes.push((file, object));
                continue;
            }
            applied.push(named(&object));
            lab.cluster.put(filled_in(object, lab))?;
        }
        if !applied.is_empty() {
            lines.push(format!("applied {file}: {}", applied.join(", ")));
        }
    }
    let wanted = usize::from(options.nodes);
    let mut example = nodes.first().map(|(_, node)| node.clone()).ok_or("the examples hold no TestNode")?;
    for (file, node) in nodes.into_iter().take(wanted) {
        lines.push(format!("applied {file}: {}", named(&node)));
        lab.cluster.put(node)?;
    }
    let there = lab.cluster.list("testnodes", "default").len();
    for number in there..wanted {
        let mut node = example.clone();
        set(&mut node, "/metadata/name", json!(format!("smithi{:03}", number + 1)));
        lab.cluster.put(node)?;
    }
    if wanted > there {
        lines.push(format!("applied {} more like {}", wanted - there, named(&example)));
    }
    set(&mut example, "/metadata", json!({"generateName": "more-", "labels": {"sandbox": "more"}}));
    std::fs::write(lab.folder.join("node.yaml"), serde_json::to_string_pretty(&example)?)?;
    Ok(lines)
}

/// Deletes all nodes, as a tester does.
pub fn delete_nodes(lab: &Lab) -> Result<()> {
    for node in lab.cluster.list("testnodes", "") {
        lab.cluster.delete(&node)?;
    }
    Ok(())
}

fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

fn named(object: &Value) -> String {
    let word = |field: &str| object.pointer(field).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", word("/kind"), word("/metadata/name"))
}

/// The examples name a cloud that does not exist; here it does.
fn filled_in(mut object: Value, lab: &Lab) -> Value {
    match kind(&object) {
        "Secret" => {
            set(&mut object, "/stringData/clouds.yaml", json!(lab.cloud.clouds_yaml(&lab.origin)));
        }
        "Cloud" => {
            let zone = lab.cloud.settings().zone;
            set(&mut object, "/spec/dns/nsupdateWeb/url", json!(format!("{}/nsupdate", lab.origin)));
            set(&mut object, "/spec/dns/zone", json!(zone));
            set(&mut object, "/spec/dns/verify/server", json!(lab.dns.to_string()));
        }
        _ => {}
    }
    object
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(place) = object.pointer_mut(field) {
        *place = value;
    }
}
