//! Alerts and dashboard. That they speak of metrics which the operator has is a test of `tests/architecture`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{path, read};

fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&read("monitoring/rules.yaml")).unwrap();
    rules["groups"][0]["rules"].as_array().unwrap().clone()
}

fn stories() -> Vec<Value> {
    let file = path("../../tests/alerts.yaml");
    let stories: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    stories["tests"].as_array().unwrap().clone()
}

/// What the stories say of an alert: at each time, whether it fires.
fn told(alert: &str) -> Vec<bool> {
    let stories = stories();
    let looks = stories.iter().flat_map(|story| story["alert_rule_test"].as_array().unwrap());
    let of_alert = looks.filter(|look| look["alertname"] == alert);
    of_alert.map(|look| look["exp_alerts"].as_array().is_some_and(|fired| !fired.is_empty())).collect()
}

/// `just alerts` has promtool see whether the stories are true.
#[test]
fn each_alert_has_a_story_in_which_it_fires_and_one_in_which_it_does_not() {
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let told = told(name);
        assert!(told.contains(&true), "tests/alerts.yaml: {name} fires in no story");
        assert!(told.contains(&false), "tests/alerts.yaml: {name} is quiet in no story");
    }
}

#[test]
fn each_alert_says_how_bad_it_is_and_what_to_look_at() {
    for alert in alerts() {
        let severity = alert["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info"].contains(&severity), "{alert}");
        for part in ["summary", "description"] {
            assert!(
                alert["annotations"][part].as_str().is_some_and(|text| text.ends_with(['.', '?'])),
                "{alert}"
            );
        }
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&read("monitoring/dashboard.json")).unwrap()
}

#[test]
fn no_two_panels_of_the_dashboard_overlap() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(x < 24 && taken.insert((x, y)), "{} lies over another panel", panel["title"]);
            }
        }
    }
}
