//! User data as people and programs write it: `tests/field/user_data`. Whoever meets another kind adds a file.

use std::fs;

use super::*;

fn cases(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = format!("{}/tests/field/user_data/{folder}", env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let cases: Vec<_> = files.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect();
    assert!(!cases.is_empty(), "{folder}");
    cases
}

fn without_keys() -> OurConfig {
    OurConfig { ssh_authorized_keys: Vec::new(), ..our_config() }
}

#[test]
fn whatever_nova_takes_goes_to_nova_as_it_is_when_it_is_alone() {
    for (name, content) in cases("combines").into_iter().chain(cases("only_alone")) {
        let data = user_data(&without_keys(), &[part(content.clone())]);

        assert_eq!(data, Ok(Some(content)), "{name}");
    }
}

#[test]
fn what_cloud_init_knows_is_combined_and_arrives_whole() {
    for (name, content) in cases("combines") {
        let message = user_data(&our_config(), &[part(content.clone())]).unwrap().unwrap();

        let arrived = parse(&message);
        let (headers, body) = &arrived[1];
        let nested = [headers.as_bytes(), b"\n\n", body].concat();
        assert!(*body == content || nested == content, "{name}");
        assert!(arrived[0].1.starts_with(b"#cloud-config\nhostname: "), "{name}");
    }
}

#[test]
fn what_cloud_init_cannot_combine_is_refused_by_the_names_of_both_sides() {
    for (name, content) in cases("only_alone") {
        let refusal = user_data(&our_config(), &[part(content)]).unwrap_err().to_string();

        assert!(refusal.contains("userData of the TestNode"), "{name}: {refusal}");
        assert!(refusal.contains("spec.sshAuthorizedKeys"), "{name}: {refusal}");
    }
}
