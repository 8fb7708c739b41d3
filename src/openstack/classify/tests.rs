//! What clouds really say: `tests/field/refusals.json` and `tests/field/faults.json`. Add a line, and where it was seen.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::*;

#[derive(Deserialize)]
struct Refused {
    verdict: String,
    service: String,
    status: u16,
    key: String,
    text: String,
    seen: String,
}

#[derive(Deserialize)]
struct Fault {
    verdict: String,
    text: String,
    seen: String,
}

fn read<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn refusals_mean_what_their_words_say() {
    let rows: Vec<Refused> = read("refusals.json");

    assert!(rows.len() > 60);
    for row in rows {
        let service = Service::ALL.into_iter().find(|service| service.to_string() == row.service).unwrap();
        let status = StatusCode::from_u16(row.status).unwrap();

        let class = refusal(service, status, &row.key, &row.text);

        assert_eq!(format!("{class:?}"), row.verdict, "{service} {status} {}", row.text);
        assert!(!row.seen.is_empty(), "{}", row.text);
    }
}

#[test]
fn faults_mean_what_their_words_say() {
    let rows: Vec<Fault> = read("faults.json");

    assert!(rows.len() > 25);
    for row in rows {
        assert_eq!(format!("{:?}", fault(&row.text)), row.verdict, "{}", row.text);
        assert!(!row.seen.is_empty(), "{}", row.text);
    }
}
