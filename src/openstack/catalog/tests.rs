use serde_json::json;

use super::*;

fn catalog(kind: &str, url: &str) -> Catalog {
    serde_json::from_value(json!([{ "type": kind, "name": "x", "endpoints": [
        { "id": "1", "interface": "internal", "region_id": "one", "url": "http://inside" },
        { "id": "2", "interface": "public", "region_id": "one", "region": "one", "url": url },
    ]}]))
    .unwrap()
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
        let url = catalog(kind, written).endpoint(service, "one", Interface::Public, &ProjectId::from("p1"));

        assert_eq!(url.unwrap().as_str(), used, "{written}");
    }
}

#[test]
fn the_interface_is_the_wanted_one() {
    let catalog = catalog("network", "http://outside");

    let url = catalog.endpoint(Service::Network, "one", Interface::Internal, &ProjectId::from("p1"));

    assert_eq!(url.unwrap().as_str(), "http://inside/v2.0");
}

#[test]
fn what_is_missing_is_named() {
    let catalog = catalog("image", "http://h");

    let error = catalog.endpoint(Service::BlockStorage, "one", Interface::Public, &ProjectId::from("p1"));

    assert_eq!(error.unwrap_err(), "the catalogue has no public block-storage or volumev3 in region `one`");
}

#[test]
fn the_region_is_the_wanted_one_or_the_only_one() {
    let two: Catalog = serde_json::from_value(json!([{ "type": "compute", "endpoints": [
        { "interface": "public", "region_id": "two", "url": "" },
        { "interface": "public", "region_id": "one", "url": "" },
    ]}]))
    .unwrap();

    assert_eq!(catalog("compute", "http://h").region(None), Ok("one".into()));
    assert_eq!(two.region(Some("two")), Ok("two".into()));
    assert_eq!(two.region(None), Err("no `region_name` is set, and the catalogue has one, two".into()));
    assert_eq!(two.region(Some("six")), Err("no region `six`; the catalogue has one, two".into()));
    assert!(Catalog::default().region(None).is_err());
}
