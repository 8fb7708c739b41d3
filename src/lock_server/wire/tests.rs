//! What was recorded of teuthology and paddles is read and written as it was.

use super::*;

#[test]
fn a_row_has_every_key_in_the_order_of_paddles_and_null_where_nothing_is_known() {
    let row = Row {
        name: "ovh001.front.example.test".into(),
        up: true,
        machine_type: "ovh".into(),
        ..Row::default()
    };

    assert_eq!(
        serde_json::to_string(&row).unwrap(),
        "{\"name\":\"ovh001.front.example.test\",\"description\":null,\"up\":true,\"machine_type\":\"ovh\",\"is_vm\":false,\
         \"vm_host\":null,\"os_type\":null,\"os_version\":null,\"arch\":null,\"locked\":false,\"locked_since\":null,\
         \"locked_by\":null,\"mac_address\":null,\"ssh_pub_key\":null}"
    );
}

#[test]
fn a_date_has_six_digits_also_where_they_are_zero() {
    assert_eq!(date("2026-11-29T02:32:46.843102Z".parse().unwrap()), "2026-11-29 02:32:46.843102");
    assert_eq!(date("2026-11-29T02:32:46Z".parse().unwrap()), "2026-11-29 02:32:46.000000");
}

#[test]
fn an_os_version_that_is_a_number_is_its_text() {
    let read = lock_many(
        br#"{"locked_by": "scheduled_root@vm", "count": 2, "machine_type": "ovh|mira", "description": null, "os_type": "ubuntu", "os_version": 22.04}"#,
    )
    .unwrap();

    assert_eq!(read.wanted.os_version.as_deref(), Some("22.04"));
    assert_eq!((read.machine_types, read.count), (vec!["ovh".into(), "mira".into()], 2));
}

#[test]
fn what_lacks_in_lock_many_is_said_as_paddles_says_it() {
    for (body, said) in [
        (r#"{"count":1}"#, "must pass these fields: description, locked_by, machine_type, count"),
        (
            r#"{"count":0,"machine_type":"ovh","locked_by":"a","description":null}"#,
            "cannot lock less than 1 node",
        ),
        (r#"{"count":1,"machine_type":"","locked_by":"a","description":null}"#, "must specify machine_type"),
        (
            r#"{"count":1,"machine_type":"mira","locked_by":null,"description":null}"#,
            "Cannot lock without specifying locked_by",
        ),
        ("nonsense", "could not decode JSON body"),
    ] {
        assert_eq!(lock_many(body.as_bytes()).unwrap_err(), said);
    }
}

#[test]
fn names_must_be_a_list() {
    let said = unlock_many(br#"{"names":"ovh002.front.example.test","locked_by":"alice@desk"}"#).unwrap_err();

    assert_eq!(said, "'names' must be a list");
}

#[test]
fn an_update_cannot_lock_and_takes_what_else_there_is() {
    assert!(update(br#"{"locked": false, "locked_by": "alice@desk"}"#).is_err());
    let read =
        update(br#"{"name":"renamed","nonsense":1,"user":"ubuntu","os_type":"","os_version":""}"#).unwrap();
    assert_eq!(read, Update::default());
    let read = update(br#"{"description": "", "up": false}"#).unwrap();
    assert_eq!((read.description.as_deref(), read.up), (Some(""), Some(false)));
}

#[test]
fn a_path_is_one_place_in_every_form() {
    for path in ["/nodes/a.b", "/nodes/a.b/", "//nodes//a%2Eb/"] {
        assert_eq!(place(path), Place::Node("a.b".into()), "{path}");
    }
    assert_eq!(place("/nodes/a-b_1/lock"), Place::Lock("a-b_1".into()));
    assert_eq!(place("/runs/x/jobs/1/"), Place::Results);
    assert_eq!(place("/"), Place::Home);
    assert_eq!(place("/nodes/a/b/c"), Place::Nowhere);
}

#[test]
fn a_path_that_another_server_could_read_otherwise_is_nowhere() {
    for path in [
        "/nodes/x/../lock_many/",
        "/nodes/x%2F..%2Flock_many/",
        "/nodes/%2e%2e/lock/",
        "/nodes/.%2E/jobs",
        "/nodes/lock_many%3F/lock",
        "/nodes/a%5Cb/",
        "/nodes/a%00/",
        "/nodes/a+b/lock",
    ] {
        assert_eq!(place(path), Place::Nowhere, "{path}");
    }
}

#[test]
fn filters_are_those_of_paddles() {
    let read = |query: &str| Filter::read(query).unwrap();

    assert_eq!(read("machine_type=ovh%7Cmira").machine_types, Some(vec!["ovh".into(), "mira".into()]));
    assert_eq!(read("locked=True").locked, Some(true));
    assert_eq!(read("machine_type=&foo=bar"), Filter::default());
    assert_eq!(read("count=0").count, Some(0));
    assert_eq!(Filter::read("count=x").unwrap_err(), "count must be an integer");
    assert!(Filter::read("locked=maybe").is_err());
}
