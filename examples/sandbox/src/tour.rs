//! What a person can do in the sandbox, as lines to paste into another terminal.

use std::fmt::Write as _;

use crate::lab::Lab;

/// All of it.
pub fn tour(lab: &Lab) -> String {
    let mut text = String::new();
    for (heading, lines) in chapters(lab) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n{heading}\n");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
    }
    text.push_str("\nThe nodes are shown below whenever they change. Ctrl-C ends everything.\n");
    text
}

/// Headings and lines. Every heading fits into 60 columns; a line is as long as it must be.
fn chapters(lab: &Lab) -> Vec<(&'static str, Vec<String>)> {
    let (node, zone, folder) = (first_node(lab), lab.site.cloud.settings().zone, lab.folder.display());
    let make_a_node = format!("kubectl create -f {folder}/node.yaml");
    let all_in_use = lab.site.cloud.servers().len();
    vec![
        (
            "Look around, in another terminal:",
            vec![
                format!("export KUBECONFIG={folder}/kubeconfig"),
                format!("export CLOUD={}/devcloud", lab.site.origin),
                "kubectl get testnodes".into(),
                format!("kubectl describe testnode {node}"),
                "kubectl explain testnode.spec".into(),
                "kubectl get clouds,machinetypes".into(),
                format!("dig @{} -p {} {node}.{zone} +short", lab.site.dns.ip(), lab.site.dns.port()),
                format!("curl -s http://{}/metrics", lab.admin),
                "curl -s $CLOUD/state".into(),
                format!("tail {folder}/operator.log"),
            ],
        ),
        (
            "Make more nodes, and delete them again:",
            vec![make_a_node.clone(), "kubectl delete testnodes -l sandbox=more --wait=false".into()],
        ),
        (
            "Break Nova, make a node, see what it says, repair Nova:",
            vec![
                r#"curl -s $CLOUD/faults -d '{"service": "nova", "effect": {"kind": "answer", "status": 503}}'"#.into(),
                make_a_node.clone(),
                "kubectl get testnodes -o wide".into(),
                "curl -s $CLOUD/faults -X DELETE".into(),
            ],
        ),
        (
            "Fill the quota, make a node that waits, raise the quota:",
            vec![
                format!(r#"curl -s $CLOUD/knobs -o /dev/null -d '{{"quotas": {{"instances": {all_in_use}}}}}'"#),
                make_a_node.clone(),
                "kubectl get testnodes -o wide".into(),
                r#"curl -s $CLOUD/knobs -o /dev/null -d '{"quotas": {"instances": -1}}'"#.into(),
            ],
        ),
        (
            "Lose the reply about the next server. No second is made:",
            vec![
                r#"curl -s $CLOUD/faults -d '{"service": "nova", "path": "^POST /servers$", "times": 1, "effect": {"kind": "drop", "when": "after"}}'"#
                    .into(),
                make_a_node.clone(),
            ],
        ),
        (
            "Let the next server fail, and see the second attempt:",
            vec![
                r#"curl -s $CLOUD/fates -d '{"server": {"fault": "No valid host was found."}}'"#.into(),
                make_a_node,
            ],
        ),
        (
            "Delete a server behind the operator's back:",
            vec![format!(
                r#"curl -s $CLOUD/behind -d "{{\"remove-server\": \"$(kubectl get testnode {node} -o 'jsonpath={{.status.server.id}}')\"}}""#
            )],
        ),
    ]
}

fn first_node(lab: &Lab) -> String {
    let nodes = lab.site.cluster.list("testnodes", "default");
    let names = nodes.iter().filter_map(|node| node.pointer("/metadata/name")?.as_str());
    names.min().unwrap_or("smithi001").to_owned()
}
