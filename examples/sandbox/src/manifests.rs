//! What is applied: the files in `examples/`, with the credentials and addresses of the sandbox filled in.

use sandbox::site::{EXAMPLES, read, set};
use serde_json::{Value, json};

use crate::Result;
use crate::lab::Lab;
use crate::options::Options;

/// Applies them. Returns a line about each file.
pub fn apply(lab: &Lab, options: &Options) -> Result<Vec<String>> {
    let (mut lines, mut nodes) = (Vec::new(), Vec::new());
    for (file, text) in EXAMPLES {
        let mut applied = Vec::new();
        for object in read(text)? {
            if kind(&object) == "TestNode" {
                nodes.push((file, object));
                continue;
            }
            applied.push(named(&object));
            lab.site.cluster.put(lab.site.filled_in(object))?;
        }
        if !applied.is_empty() {
            lines.push(format!("applied {file}: {}", applied.join(", ")));
        }
    }
    let wanted = usize::from(options.nodes);
    let mut example = nodes.first().map(|(_, node)| node.clone()).ok_or("the examples hold no TestNode")?;
    for (file, node) in nodes.into_iter().take(wanted) {
        lines.push(format!("applied {file}: {}", named(&node)));
        lab.site.cluster.put(node)?;
    }
    let there = lab.site.cluster.list("testnodes", "default").len();
    for number in there..wanted {
        let mut node = example.clone();
        set(&mut node, "/metadata/name", json!(format!("smithi{:03}", number + 1)));
        lab.site.cluster.put(node)?;
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
    for node in lab.site.cluster.list("testnodes", "") {
        lab.site.cluster.delete(&node)?;
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
