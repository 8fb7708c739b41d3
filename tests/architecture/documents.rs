//! What the documents say of the code is true of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use testnode_operator::api::{Cloud, TestNode};
use testnode_operator::metrics::Metrics;
use testnode_operator::reason::Reason;
use testnode_operator::reconcile::status::PHASES;

use super::sources;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn text(path: &str) -> String {
    let path = Path::new(ROOT).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Modules that give reasons.
fn speaks_to_people(path: &[String]) -> bool {
    let path = path.join("::");
    let speakers = ["clouds", "controller", "error", "gate", "reconcile", "select", "sweep"];
    speakers.iter().any(|speaker| path == *speaker || path.starts_with(&format!("{speaker}::")))
}

/// Words that are also the name of a condition or of a phase.
const NAMES: &[Reason] = &[
    Reason::Ready,
    Reason::Resolved,
    Reason::Booted,
    Reason::Paused,
    Reason::Pending,
    Reason::Booting,
    Reason::Rebuilding,
];

#[test]
fn a_reason_is_never_written_as_text() {
    let modules = sources();

    for module in modules.iter().filter(|module| speaks_to_people(&module.path)) {
        let mut written = module.texts.iter().filter_map(|text| Reason::from_word(text));
        if let Some(reason) = written.find(|reason| !NAMES.contains(reason)) {
            panic!("src/{} has the text \"{reason}\"; use Reason::{reason}", module.file.display());
        }
    }
}

#[test]
fn every_reason_is_given_somewhere() {
    let modules = sources();
    let given = |reason: &Reason| {
        let others = modules.iter().filter(|module| module.path != ["reason"]);
        others.into_iter().any(|module| module.words.contains(reason.as_str()))
    };

    let unused: Vec<_> = Reason::ALL.iter().filter(|reason| !given(reason)).collect();
    assert!(unused.is_empty(), "nothing gives {unused:?} as its reason");
}

#[test]
fn every_phase_is_explained() {
    let page = text("docs/operating.md");

    for phase in PHASES {
        assert!(page.contains(&format!("| `{phase}` |")), "docs/operating.md does not explain {phase}");
    }
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

/// The names of metrics in a text, without what the kind of a metric puts behind them.
fn metrics_in(text: &str) -> BTreeSet<String> {
    const SUFFIXES: [&str; 5] = ["_total", "_bucket", "_count", "_sum", "_info"];
    let family =
        |word: &str| SUFFIXES.iter().find_map(|suffix| word.strip_suffix(suffix)).unwrap_or(word).to_owned();
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("testnode_") || word.starts_with("process_")).map(family).collect()
}

#[test]
fn alerts_and_dashboard_speak_of_every_metric_and_no_other() {
    /// What says nothing by itself.
    const NOT_SHOWN: [&str; 2] = ["process_start_time_seconds", "process_cpu_seconds"];
    let monitoring = |name: &str| metrics_in(&text(&format!("charts/testnode-operator/monitoring/{name}")));
    let mut used = monitoring("rules.yaml");
    used.append(&mut monitoring("dashboard.json"));
    let mut there = metrics();

    let unknown: Vec<_> = used.difference(&there).collect();
    assert!(unknown.is_empty(), "alerts or dashboard speak of {unknown:?}, and there is no such metric");
    there.retain(|name| !NOT_SHOWN.contains(&name.as_str()));
    let unseen: Vec<_> = there.difference(&used).collect();
    assert!(unseen.is_empty(), "neither alerts nor dashboard show {unseen:?}");
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

/// The pages that people read first.
const PAGES: [&str; 7] = [
    "README.md",
    "CONTRIBUTING.md",
    "RELEASE.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/operating.md",
    "docs/protocol.md",
];

/// The recipes are followed by people who do not know the code: what they name must be there.
#[test]
fn every_name_in_the_recipes_is_in_the_code() {
    let page = text("CONTRIBUTING.md");
    let (_, recipes) = page.split_once("## Recipes\n").unwrap();
    let (recipes, _) = recipes.split_once("\n## ").unwrap();
    let modules = sources();
    let words: BTreeSet<&String> = modules.iter().flat_map(|module| &module.words).collect();

    let quoted = recipes.split('`').skip(1).step_by(2);
    let names = quoted.flat_map(|quoted| quoted.split("::"));
    let is_name = |word: &&str| word.chars().all(|c| c.is_alphanumeric() || c == '_');
    let missing: Vec<&str> =
        names.filter(is_name).filter(|name| !words.contains(&(*name).to_owned())).collect();

    assert!(missing.is_empty(), "CONTRIBUTING.md names {missing:?}, which is not in src/");
}

/// `just` runs what the pages say, and the workflow runs what `.ci/run` runs.
#[test]
fn every_recipe_that_is_named_is_in_the_justfile() {
    let justfile = text("justfile");
    let is_recipe = |name: &str| {
        justfile
            .lines()
            .any(|line| line.starts_with(&format!("{name} ")) || line.starts_with(&format!("{name}:")))
    };

    for document in PAGES.iter().chain(&[".ci/run", ".github/workflows/ci.yaml", "tests/e2e/README.md"]) {
        let page = text(document);
        let calls = page.split("just ").skip(1).filter_map(|rest| rest.split([' ', '`', '\n', '\'']).next());
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        for name in calls.filter(|name| name.starts_with(is_name) && !name.contains(|c| !is_name(c))) {
            assert!(is_recipe(name), "{document} names `just {name}`, which is not in the justfile");
        }
    }
    let checks = [text(".ci/run"), text(".github/workflows/ci.yaml")];
    for name in ["fmt", "lint", "doc", "deny", "alerts", "test", "test-slow", "e2e"] {
        assert!(checks.iter().all(|page| page.contains(name)), "CI does not run `just {name}`");
    }
}

#[test]
fn every_path_that_is_named_is_there() {
    const FOLDERS: [&str; 6] = ["src/", "tests/", "crds/", "charts/", "docs/", "examples/"];

    for document in PAGES {
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
    for document in PAGES.iter().chain(&["crds/README.md", "tests/e2e/README.md"]) {
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
