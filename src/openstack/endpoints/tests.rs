use serde_json::{Value, json};

use super::*;

fn endpoints(catalogue: &Value) -> Endpoints {
    serde_json::from_str(&catalogue.to_string()).unwrap()
}

fn catalogue(kind: &str, url: &str) -> Endpoints {
    endpoints(&json!([{ "type": kind, "name": "x", "endpoints": [
        { "id": "1", "interface": "internal", "region_id": "one", "url": "http://inside" },
        { "id": "2", "interface": "public", "region_id": "one", "region": "one", "url": url },
    ]}]))
}

fn find(
    endpoints: &Endpoints,
    service: Service,
    interfaces: &[Interface],
    options: Option<&ServiceOptions>,
) -> Result<String, String> {
    let wanted = Wanted { service, region: "one", interfaces, project: &ProjectId::from("p1"), options };
    endpoints.find(&wanted).map(|url| url.to_string())
}

#[test]
fn addresses_are_used_with_and_without_a_version() {
    for (service, kind, written, used) in [
        (Service::Compute, "compute", "http://h:8774/v2.1", "http://h:8774/v2.1"),
        (Service::Compute, "compute", "http://h/compute/v2.1/p1", "http://h/compute/v2.1/p1"),
        (Service::Compute, "compute", "http://h/compute/", "http://h/compute/v2.1"),
        (Service::Compute, "compute", "http://h/v2/p1", "http://h/v2.1/p1"),
        (Service::BlockStorage, "volumev3", "http://h:8776/v3/p1", "http://h:8776/v3/p1"),
        (Service::BlockStorage, "block-storage", "http://h/volume/v3", "http://h/volume/v3/p1"),
        (Service::BlockStorage, "block-storage", "http://h/volume", "http://h/volume/v3/p1"),
        (Service::Image, "image", "http://h:9292", "http://h:9292/v2"),
        (Service::Image, "image", "http://h/image/v2/", "http://h/image/v2"),
        (Service::Image, "image", "http://h/v2.15", "http://h/v2"),
        (Service::Network, "network", "http://h:9696", "http://h:9696/v2.0"),
        (Service::Network, "network", "http://h:9696/networking/v2.0", "http://h:9696/networking/v2.0"),
    ] {
        let url = find(&catalogue(kind, written), service, &[Interface::Public], None);

        assert_eq!(url.unwrap(), used, "{written}");
    }
}

#[test]
fn the_interface_is_the_first_wanted_one_that_there_is() {
    let inside = |interfaces: &[Interface]| {
        find(&catalogue("network", "http://outside"), Service::Network, interfaces, None).unwrap()
    };

    assert_eq!(inside(&[Interface::Internal]), "http://inside/v2.0");
    assert_eq!(inside(&[Interface::Admin, Interface::Public]), "http://outside/v2.0");
}

#[test]
fn what_the_file_says_of_a_service_goes_before_the_catalogue() {
    let two = endpoints(&json!([
        { "type": "image", "name": "old", "endpoints": [{ "interface": "public", "region": "one", "url": "http://old" }] },
        { "type": "image", "name": "new", "endpoints": [
            { "interface": "public", "region": "one", "url": "http://new" },
            { "interface": "internal", "region": "two", "url": "http://two" },
        ]},
        { "type": "volume", "endpoints": [{ "interface": "public", "region": "one", "url": "http://c" }] },
    ]));
    let with =
        |options: ServiceOptions| find(&two, Service::Image, &[Interface::Public], Some(&options)).unwrap();
    let none = ServiceOptions::default;

    assert_eq!(with(none()), "http://old/v2");
    assert_eq!(with(ServiceOptions { service_name: Some("new".into()), ..none() }), "http://new/v2");
    assert_eq!(
        with(ServiceOptions {
            region: Some("two".into()),
            interfaces: Some(vec![Interface::Internal]),
            ..none()
        }),
        "http://two/v2"
    );
    assert_eq!(
        with(ServiceOptions { endpoint: Some("https://mine/glance".into()), ..none() }),
        "https://mine/glance/v2"
    );
    let cinder = ServiceOptions { endpoint: Some("https://c/v3/%(project_id)s".into()), ..none() };
    let found = find(&Endpoints::default(), Service::BlockStorage, &[Interface::Public], Some(&cinder));
    assert_eq!(found.unwrap(), "https://c/v3/p1");
}

#[test]
fn what_is_missing_is_named_with_what_there_is_instead() {
    let error =
        |url, service, interface| find(&catalogue("image", url), service, &[interface], None).unwrap_err();

    assert_eq!(
        error("http://h", Service::BlockStorage, Interface::Public),
        "the catalogue has no public block-storage or volumev3 or block-store or volume in region `one`"
    );
    assert_eq!(
        error("http://h", Service::Image, Interface::Admin),
        "the catalogue has no admin image in region `one`, but internal in `one`, public in `one`"
    );
    assert_eq!(
        error("ftp://me:hunter2@h/SECRET", Service::Image, Interface::Public),
        "the catalogue's address of image is neither http nor https, but ftp"
    );
    assert!(
        error("", Service::Image, Interface::Public)
            .starts_with("the catalogue's address of image is no URL")
    );
}

#[test]
fn whether_there_is_a_service_at_all_is_told_apart_from_where_it_is() {
    let catalogue = catalogue("volumev3", "http://h");
    let written = ServiceOptions { endpoint: Some("http://c".into()), ..ServiceOptions::default() };

    assert!(catalogue.has(Service::BlockStorage, "one", None));
    assert!(!catalogue.has(Service::BlockStorage, "two", None), "it is in another region");
    assert!(!catalogue.has(Service::Network, "one", None));
    assert!(catalogue.has(Service::Network, "one", Some(&written)));
    let bare = endpoints(&json!([{ "type": "volumev3", "endpoints": [] }]));
    assert!(!bare.has(Service::BlockStorage, "one", None));
}

#[test]
fn an_endpoint_without_an_address_does_not_stand_in_the_way_of_another() {
    let two = endpoints(&json!([{ "type": "image", "endpoints": [
        { "interface": "public", "region_id": "one", "url": null },
        { "interface": "public", "region_id": "one", "url": "http://images" },
    ]}]));

    assert_eq!(find(&two, Service::Image, &[Interface::Public], None).unwrap(), "http://images/v2");
}

#[test]
fn servers_may_be_in_a_region_of_their_own() {
    let two = endpoints(&json!([
        { "type": "compute", "endpoints": [{ "interface": "public", "region_id": "two", "url": "http://h" }] },
    ]));
    let own = ServiceOptions { region: Some("two".into()), ..ServiceOptions::default() };

    assert_eq!(two.region(Some("one"), Some(&own)), Ok("one".into()));
    assert!(two.region(Some("one"), None).is_err());
}

#[test]
fn the_region_is_the_wanted_one_or_the_only_one() {
    let two = endpoints(&json!([{ "type": "compute", "endpoints": [
        { "interface": "public", "region_id": "two", "url": "" },
        { "interface": "public", "region_id": "one", "url": "" },
    ]}]));
    let written = ServiceOptions { endpoint: Some("http://nova".into()), ..ServiceOptions::default() };

    assert_eq!(catalogue("compute", "http://h").region(None, None), Ok("one".into()));
    assert_eq!(two.region(Some("two"), None), Ok("two".into()));
    assert_eq!(two.region(None, None), Err("no `region_name` is set, and the catalogue has one, two".into()));
    assert_eq!(two.region(Some("six"), None), Err("no region `six`; the catalogue has one, two".into()));
    assert!(Endpoints::default().region(None, None).is_err());
    assert_eq!(Endpoints::default().region(Some("one"), Some(&written)), Ok("one".into()));
}

#[test]
fn odd_entries_of_others_do_not_matter() {
    let odd = endpoints(&json!([
        null, 7, {}, { "type": null }, { "type": "compute" }, { "type": "image", "endpoints": null },
        { "type": "image", "endpoints": [null, {}, { "url": 7 }, { "interface": "public", "region": "one" , "url": "http://h" }] },
        { "type": "rating", "name": null, "endpoints": [{ "interface": "public", "region": null, "url": "junk" }] },
    ]));

    assert_eq!(find(&odd, Service::Image, &[Interface::Public], None).unwrap(), "http://h/v2");
}
