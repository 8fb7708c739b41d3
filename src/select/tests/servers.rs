//! Examples of what Nova is told of a server beside the rest.

use proptest::prelude::*;

use super::*;
use crate::api::TestNode;
use crate::api::server::{LONGEST, PLACEHOLDERS, ResolvedServer, ServerGroupRef};

fn groups() -> Vec<ServerGroup> {
    [("1", "apart"), ("2", "together"), ("3", "together")]
        .map(|(id, name)| ServerGroup { id: id.into(), name: name.into() })
        .to_vec()
}

#[expect(clippy::unnecessary_wraps, reason = "as the field takes it")]
fn named(name: &str) -> Option<ServerGroupRef> {
    Some(ServerGroupRef { id: None, name: Some(name.into()) })
}

#[expect(clippy::unnecessary_wraps, reason = "as the field takes it")]
fn with_id(id: &str) -> Option<ServerGroupRef> {
    Some(ServerGroupRef { id: Some(id.into()), name: None })
}

fn chosen(machine: &MachineTypeSpec, node: &TestNodeSpec) -> Result<Option<ResolvedServer>, Problem> {
    server(machine, node, Some(&groups())).map(|choice| choice.what)
}

fn pairs(all: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    all.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

#[test]
fn where_nobody_says_anything_nothing_is_told() {
    assert_eq!(server(&machine(), &node(), None).unwrap(), Choice { what: None, why: String::new() });
}

#[test]
fn the_nodes_word_goes_before_the_types_and_maps_and_tags_are_joined() {
    let typed = MachineTypeSpec {
        config_drive: Some(true),
        server_description: Some("the lab's".into()),
        server_metadata: pairs(&[("cost", "lab"), ("team", "lab")]),
        server_tags: vec!["lab".into(), "both".into()],
        scheduler_hints: [("query".to_owned(), vec!["[]".to_owned()])].into(),
        server_group: named("apart"),
        nova_microversion: Some("2.90".into()),
        ..machine()
    };
    let own = TestNodeSpec {
        config_drive: Some(false),
        server_metadata: pairs(&[("team", "rados")]),
        server_tags: vec!["both".into(), "own".into()],
        server_group: with_id("2"),
        ..node()
    };

    let told = chosen(&typed, &own).unwrap().unwrap();

    assert_eq!(told.config_drive, Some(false));
    assert_eq!(told.description.as_deref(), Some("the lab's"));
    assert_eq!(told.metadata, pairs(&[("cost", "lab"), ("team", "rados")]));
    assert_eq!(told.tags, ["lab", "both", "own"]);
    assert_eq!(told.group.unwrap().id, "2");
    assert_eq!(told.nova_microversion.as_deref(), Some("2.90"));
    let why = server(&typed, &own, Some(&groups())).unwrap().why;
    assert_eq!(why, "server group together (2); scheduler hints query, which Nova does not check");
}

#[test]
fn a_group_that_is_not_one_is_told_with_the_cure() {
    for (group, words) in [
        (named("nope"), "ServerGroupNotFound: spec.serverGroup: the project has no server group nope"),
        (with_id("9"), "openstack server group create"),
        (
            named("together"),
            "ServerGroupAmbiguous: spec.serverGroup: 2 server groups have the name together; give an id: 2, 3",
        ),
    ] {
        let said = told(chosen(&machine(), &TestNodeSpec { server_group: group, ..node() }));
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn placeholders_are_filled_in_once_and_whatever_stands_in_for_them_is_taken_as_it_is() {
    let mut object = TestNode::new(
        "smithi001",
        TestNodeSpec {
            owner: Some("{{name}}".into()),
            server_metadata: pairs(&[
                ("all", "{{namespace}}/{{name}} {{machineType}} {{os}} {{owner}}"),
                ("odd", "{ {{ }} {{nope}} {{{name}}} {{"),
            ]),
            ..node()
        },
    );
    object.metadata.namespace = Some("rados".into());

    let resolved = resolve(&machine(), &object.spec, &offerings()).unwrap();
    let filled = fill(resolved, &object).unwrap().server.unwrap().metadata;

    assert_eq!(filled["all"], "rados/smithi001 vps ubuntu 22.04 {{name}}");
    assert_eq!(filled["odd"], "{ {{ }} {{nope}} {{{name}}} {{");
}

proptest! {
    #[test]
    fn a_value_is_filled_in_to_what_nova_takes_or_refused(
        text in "\\PC{0,255}", words in proptest::collection::vec(0..PLACEHOLDERS.len(), 0..9), owner in "[a-z]{1,128}"
    ) {
        let text = words.iter().fold(text, |text, word| format!("{text}{{{{{}}}}}", PLACEHOLDERS[*word]));
        let spec = TestNodeSpec { owner: Some(owner), server_metadata: pairs(&[("key", &text)]), ..node() };
        let object = TestNode::new("smithi001", spec);
        let resolved = resolve(&machine(), &object.spec, &offerings()).unwrap();

        match fill(resolved, &object) {
            Ok(resolved) => {
                let value = resolved.server.unwrap().metadata["key"].clone();
                prop_assert!(value.chars().count() <= LONGEST);
            }
            Err(problem) => prop_assert_eq!(problem.reason, crate::reason::Reason::InvalidMetadata),
        }
    }
}
