//! What the documents say of the code is true of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use testnode_operator::api::{Cloud, TestNode};
use testnode_operator::metrics::Metrics;

use super::sources;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn text(path: &str) -> String {
    let path = Path::new(ROOT).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Modules whose one-word texts are phases, reasons, conditions and their statuses.
fn speaks_to_people(path: &[String]) -> bool {
    let path = path.join("::");
    let speakers = ["clouds", "controller", "error", "gate", "reconcile", "select", "sweep"];
    speakers.iter().any(|speaker| path == *speaker || path.starts_with(&format!("{speaker}::")))
}

fn is_a_reason(text: &str) -> bool {
    text.starts_with(char::is_uppercase)
        && text.chars().any(char::is_lowercase)
        && text.chars().all(char::is_alphabetic)
}

/// Texts that are for programs: an event's action, and Kubernetes' own words.
const NO_REASONS: &[&str] = &["Reconcile", "Report", "Sweep", "Failed"];

#[test]
fn every_word_that_a_condition_can_say_is_explained() {
    let page = text("docs/operating.md");
    let modules = sources();

    let speakers = modules.iter().filter(|module| speaks_to_people(&module.path));
    let words: BTreeSet<&String> =
        speakers.flat_map(|module| &module.texts).filter(|word| is_a_reason(word)).collect();
    let missing: Vec<_> = words
        .into_iter()
        .filter(|word| !NO_REASONS.contains(&word.as_str()) && !page.contains(&format!("`{word}`")))
        .collect();

    assert!(missing.is_empty(), "docs/operating.md does not explain {missing:?}");
}

/// A family of which nothing was counted yet is not shown: its name is where it is registered.
fn metrics() -> BTreeSet<String> {
    let modules = sources();
    let series = modules.iter().find(|module| module.path == ["metrics", "series"]).unwrap();
    let is_name =
        |text: &&String| text.chars().all(|c| c.is_ascii_lowercase() || c == '_') && *text != "testnode";
    let ours = series.texts.iter().filter(is_name).map(|name| format!("testnode_{name}"));
    let shown = Metrics::new().encode().unwrap();
    let process = shown.lines().filter_map(|line| line.strip_prefix("# TYPE process_")?.split(' ').next());
    ours.chain(process.map(|name| format!("process_{name}"))).collect()
}

#[test]
fn every_metric_is_explained_and_no_other() {
    let page = text("docs/operating.md");
    let names = metrics();

    for name in &names {
        assert!(page.contains(&format!("`{name}`")), "docs/operating.md does not explain {name}");
    }
    let quoted = page.split('`').skip(1).step_by(2);
    let unknown: Vec<&str> = quoted
        .filter(|word| word.starts_with("testnode_") && word.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .filter(|word| !names.contains(word.trim_end_matches("_total")))
        .collect();
    assert!(unknown.is_empty(), "docs/operating.md explains {unknown:?}, and there is no such metric");
}

#[test]
fn every_rule_of_a_life_is_told() {
    let page = text("docs/protocol.md");
    let plan = text("src/reconcile/plan.rs");

    for list in ["BRING_UP", "TEAR_DOWN"] {
        let (_, rest) = plan.split_once(&format!("pub const {list}: ")).unwrap();
        let (_, rules) = rest.split_once("&[\n").unwrap();
        let (rules, _) = rules.split_once("];").unwrap();
        for rule in rules
            .split(',')
            .filter_map(|rule| rule.trim().rsplit("::").next())
            .filter(|rule| !rule.is_empty())
        {
            assert!(page.contains(&format!("`{rule}`")), "docs/protocol.md does not tell of {list}'s {rule}");
        }
    }
}

#[test]
fn what_one_can_copy_from_the_readme_can_be_read() {
    let page = text("README.md");

    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let node: TestNode = serde_saphyr::from_str(rest.split("```").next().unwrap()).unwrap();
    assert_eq!((node.hostname(), node.spec.machine_type.as_str()), ("smithi001", "ovh"));
    let (_, rest) = page.split_once("$ cat cloud.yaml\n").unwrap();
    let cloud: Cloud = serde_saphyr::from_str(rest.split("$ ").next().unwrap()).unwrap();
    assert_eq!(cloud.spec.openstack.secret_ref.name, "lab-openstack");
}

#[test]
fn every_path_that_is_named_is_there() {
    const FOLDERS: [&str; 6] = ["src/", "tests/", "crds/", "charts/", "docs/", "examples/"];

    for document in ["README.md", "docs/operating.md", "docs/protocol.md"] {
        let page = text(document);
        let words = page.split(|c: char| c.is_whitespace() || "`()[]|,;:".contains(c));
        for path in words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder))) {
            let path = path.trim_end_matches('.');
            assert!(Path::new(ROOT).join(path).exists(), "{document} names {path}, which is not there");
        }
    }
}

#[test]
fn every_link_leads_to_a_file() {
    for document in
        ["README.md", "crds/README.md", "docs/operating.md", "docs/protocol.md", "tests/e2e/README.md"]
    {
        let page = text(document);
        let folder = Path::new(ROOT).join(document).parent().map(Path::to_owned).unwrap();
        let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        // A pattern in a table may look like a link; no file has such a name.
        let is_file = |target: &&str| target.chars().all(|c| c.is_alphanumeric() || "./-_#".contains(c));
        for target in targets.filter(|target| is_file(target) && !target.starts_with('#')) {
            let file: PathBuf = folder.join(target.split('#').next().unwrap_or(target));
            assert!(file.exists(), "{document} links {target}, which is not there");
        }
    }
}
