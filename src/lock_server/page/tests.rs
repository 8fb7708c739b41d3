//! What the page shows, and that it is text.

use super::*;

fn machine(name: &str, owner: &str, description: &str) -> Machine {
    Machine {
        name: name.into(),
        state: How::Taken,
        owner: Some(owner.into()),
        description: Some(description.into()),
        since: Some("2026-03-02T06:00:00Z".into()),
        until: None,
        machine_type: "smithi".into(),
        os: Some("ubuntu 22.04".into()),
        address: Some("10.0.0.7".into()),
        pool: Some("lab/smithi".into()),
        namespace: "lab".into(),
        cloud: Some("ovh".into()),
        message: None,
    }
}

fn page(machines: Vec<Machine>, searched: &str) -> String {
    html(&Glance { at: "2026-03-02T08:00:00Z".into(), machines, ..Glance::default() }, searched)
}

#[test]
fn who_holds_a_machine_since_when_and_for_what_is_on_the_page() {
    let page = page(vec![machine("smithi007.front.example.test", "alice@desk", "rados suite")], "");

    for word in ["smithi007.front.example.test", "alice@desk", "rados suite", ">2 h<", "taken", "lab/smithi"]
    {
        assert!(page.contains(word), "{word}: {page}");
    }
}

#[test]
fn texts_of_others_are_text_and_nothing_else() {
    let evil = "<script>alert(1)</script>\" onload='x' &";
    let page = page(vec![machine(evil, evil, evil)], evil);

    assert!(!page.contains("<script>") && !page.contains("onload='"), "{page}");
    assert_eq!(page.matches("<script ").count(), 1, "its own, from a file");
    assert!(page.contains("&lt;script&gt;"));
    assert!(!page.contains(" style=") && !page.contains("\" onload"), "nothing inline: {page}");
}

#[test]
fn a_search_leaves_the_machines_that_have_every_word() {
    let all =
        || vec![machine("smithi007.lab", "alice@desk", "rados"), machine("smithi008.lab", "bob@desk", "rbd")];

    let found = page(all(), "bob RBD");
    assert!(found.contains("smithi008") && !found.contains("smithi007") && found.contains("1 of 2"));
    assert!(page(all(), "carol").contains("0 of 2"));
    assert_eq!(searched("q=bob+x&other=1"), "bob x");
}
