//! What can be said of the chart without Helm; the rest is in `tests/e2e/suites/chart.sh`.
//!
//! `BLESS=1 cargo test --test chart` writes the table in its README.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

mod monitoring;
mod values;

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use serde_json::Value;
use testnode_operator::api;
use testnode_operator::cli::Cli;
use values::{leaves, settings, table};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/testnode-operator").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&read("values.schema.json")).unwrap()
}

#[test]
fn it_is_of_the_operators_version() {
    let chart: Value = serde_saphyr::from_str(&read("Chart.yaml")).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_flag_is_a_value_with_the_same_default() {
    let settings = settings(&read("values.yaml"));
    let deployment = read("templates/deployment.yaml");
    let cli = Cli::command();
    for flag in cli.find_subcommand("run").unwrap().get_arguments() {
        let name = flag.get_long().unwrap();
        let variable = flag.get_env().unwrap().to_str().unwrap();
        // Each pod has its own: the operator makes it from POD_NAME.
        if name == "identity" {
            assert!(deployment.contains("name: POD_NAME\n"));
            continue;
        }
        let value = camel_case(name);
        // It follows images.enabled, so that there is one switch.
        if name == "machine-images" {
            assert!(deployment.contains("value: {{ .Values.images.enabled | quote }}"), "{variable}");
            continue;
        }
        let setting = settings.iter().find(|setting| setting.path == value);
        let setting = setting.unwrap_or_else(|| panic!("values.yaml lacks {value}, the flag --{name}"));
        assert!(deployment.contains(&format!("name: {variable}\n")), "{variable} is not in the Deployment");
        let text = setting.default.as_str().map(ToOwned::to_owned);
        let default = text.unwrap_or_else(|| setting.default.to_string());
        let flags = flag.get_default_values().first().map(|text| text.to_str().unwrap().to_owned());
        // Where the release is, is where the operator is.
        let flags = flags.filter(|_| name != "namespace").unwrap_or_default();
        assert_eq!(default, flags, "the default of {value} and of --{name}");
    }
}

#[test]
fn every_flag_of_the_lock_server_is_a_value_or_the_charts_own() {
    let settings = settings(&read("values.yaml"));
    let deployment = read("templates/lock-server.yaml");
    // The ports are the chart's; the file is where the Secret is mounted; logs are as the operator's.
    let others = [("address", ""), ("admin-address", ""), ("tokens", "lockServer.tokensSecret")];
    let others = others.into_iter().chain([("log-level", "logLevel"), ("log-format", "logFormat")]);
    let others: std::collections::BTreeMap<&str, &str> = others.collect();
    let cli = Cli::command();
    for flag in cli.find_subcommand("lock-server").unwrap().get_arguments() {
        let name = flag.get_long().unwrap();
        let variable = flag.get_env().unwrap().to_str().unwrap();
        assert_eq!(variable, format!("TESTNODE_{}", name.to_uppercase().replace('-', "_")));
        assert!(flag.get_help().is_some(), "{name} needs a word of help");
        let value =
            others.get(name).map_or_else(|| format!("lockServer.{}", camel_case(name)), ToString::to_string);
        if !value.is_empty() {
            assert!(
                settings.iter().any(|setting| setting.path == value),
                "values.yaml lacks {value}, the flag --{name}"
            );
            assert!(
                deployment.contains(&format!("name: {variable}\n")),
                "{variable} is not in the Deployment"
            );
        }
    }
}

#[test]
fn the_lock_server_reads_no_secret_and_changes_no_machine() {
    let text = read("templates/lock-server.yaml");
    let rules: Vec<&str> = text.split("  - apiGroups: ").skip(1).collect();

    assert_eq!(rules.len(), 4, "a right was added: say here what it is for");
    for rule in rules {
        let words = rule.lines().take(3).collect::<Vec<_>>().join(" ");
        assert!(
            !words.contains("secrets") && !words.contains('*') && words.starts_with("[testnode.dev]"),
            "{words}"
        );
        let writes = ["create", "patch", "update", "delete"].iter().any(|verb| words.contains(verb));
        let ours = words.contains("[testnodeclaims]") || words.contains("[testnodeslots]");
        assert!(!writes || ours, "{words}");
    }
}

#[test]
fn images_are_tested_in_the_one_namespace_that_is_named_and_nodes_are_not_changed_there() {
    let text = read("templates/images.yaml");
    let (_, role) = text.split_once("{{- with .Values.images.canaryNamespace }}\n---\n").unwrap();
    let (role, _) = role.split_once("{{- end }}").unwrap();

    assert!(role.contains("kind: Role\n") && role.contains("  namespace: {{ . | quote }}\n"), "{role}");
    assert!(
        role.contains("    resources: [testnodes]\n    verbs: [get, list, watch, create, delete]\n"),
        "{role}"
    );
    assert_eq!(role.matches("verbs: ").count(), 1, "{role}");
    let cli = Cli::command();
    for flag in cli.find_subcommand("images").unwrap().get_arguments() {
        let known = ["identity", "ca-file", "shutdown-grace"].contains(&flag.get_long().unwrap())
            || flag.get_long().unwrap().starts_with("lease-")
            || flag.get_long().unwrap() == "leader-election";
        let variable = flag.get_env().unwrap().to_str().unwrap();
        assert!(
            known || text.contains(&format!("name: {variable}\n")),
            "{variable} is not in the Deployment"
        );
    }
}

/// `lease-renew-deadline` is `leaseRenewDeadline`, and `cluster-id` is `clusterID` as in every manifest.
fn camel_case(flag: &str) -> String {
    let mut words = flag.split('-');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |name, word| match word {
        "id" => name + "ID",
        word => name + &word[..1].to_uppercase() + &word[1..],
    })
}

#[test]
fn every_value_is_told_about() {
    let text = read("values.yaml");
    let settings = settings(&text);
    let mut found = Vec::new();
    leaves("", &serde_saphyr::from_str(&text).unwrap(), &mut found);
    for leaf in found {
        let told = settings
            .iter()
            .any(|setting| leaf == setting.path || leaf.starts_with(&format!("{}.", setting.path)));
        assert!(told, "values.yaml says nothing about {leaf}");
    }
}

#[test]
fn the_schema_knows_the_values_and_no_others() {
    let schema = schema();
    let mut known = Vec::new();
    properties("", &schema, &mut known);
    // Of a chart that has this one as a part.
    known.retain(|path| path != "global" && path != "enabled");
    for setting in settings(&read("values.yaml")) {
        assert!(known.contains(&setting.path), "values.schema.json lacks {}", setting.path);
        known.retain(|path| *path != setting.path && !path.starts_with(&format!("{}.", setting.path)));
    }
    assert!(known.is_empty(), "values.yaml lacks {known:?}");
}

/// The paths of all that have no properties of their own, and of those that have, which must be closed.
fn properties(path: &str, schema: &Value, found: &mut Vec<String>) {
    if let Some(properties_here) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], false, "{path} of values.schema.json is open");
        for (key, schema) in properties_here {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            found.push(path.clone());
            properties(&path, schema, found);
        }
        // A group is no value.
        found.retain(|known| known != path);
    }
}

/// Each template that makes objects, by its name.
fn templates() -> Vec<(String, String)> {
    let files = std::fs::read_dir(path("templates")).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn names_and_labels_are_made_in_one_place() {
    for (name, text) in templates() {
        for word in ["trunc", "trimSuffix", "commonLabels", "printf \"%s-%s\"", "app.kubernetes.io/name"] {
            assert!(!text.contains(word), "templates/{name} has {word}: a helper does that");
        }
    }
}

#[test]
fn text_from_outside_is_quoted() {
    // A release may be called 007, null or true.
    for (name, text) in templates() {
        for line in text.lines().filter(|line| line.contains(": {{ ") || line.contains("- {{ ")) {
            let safe = [
                "| quote }}",
                "nindent",
                "$kind",
                ".port\"",
                ".Values.replicas",
                ".lockServer.replicas | int64 }}",
                ".service.port | int64 }}",
                "Seconds | int64 }}",
                ".interval",
            ];
            assert!(safe.iter().any(|part| line.contains(part)), "templates/{name}: not quoted: {line}");
        }
    }
}

#[test]
fn every_object_has_labels_and_a_namespace_where_it_can() {
    const CLUSTER_SCOPED: [&str; 5] = [
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    let mut objects = 0;
    for (name, text) in templates() {
        for document in text.split("\n---").filter(|document| document.contains("\nkind: ")) {
            objects += 1;
            let kind = document.split("\nkind: ").nth(1).unwrap().lines().next().unwrap();
            assert!(document.contains("testnode-operator.labels"), "templates/{name}: {kind} has no labels");
            let placed = document.contains("\n  namespace: ");
            assert_eq!(placed, !CLUSTER_SCOPED.contains(&kind), "templates/{name}: the namespace of {kind}");
        }
    }
    assert!(objects > 15, "only {objects} objects");
}

#[test]
fn the_policy_knows_our_finalizers_and_our_annotation() {
    let policy = read("templates/policies.yaml");
    let patterns: Vec<&str> =
        policy.split("f.matches('").skip(1).filter_map(|rest| rest.split('\'').next()).collect();

    assert_eq!(patterns.len(), 2, "before and after");
    for pattern in patterns {
        let pattern = regex::Regex::new(pattern).unwrap();
        assert!(pattern.is_match(&api::finalizer("lab")) && pattern.is_match(api::CLOUD_GUARD));
        assert!(!pattern.is_match("example.test/testnode.dev") && !pattern.is_match("foregroundDeletion"));
    }
    assert!(policy.contains(&format!("'{}'", api::ABANDON)));
}

#[test]
fn its_readme_lists_the_values() {
    const BEGIN: &str = "from the comments in values.yaml -->\n";
    const END: &str = "<!-- values end -->";
    let text = read("README.md");
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let wanted = format!("{before}{BEGIN}\n{}\n{END}{after}", table(&settings(&read("values.yaml"))));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path("README.md"), &wanted).unwrap();
    }
    assert!(
        read("README.md") == wanted,
        "the table of values is not that of values.yaml; BLESS=1 cargo test --test chart writes it"
    );
}
