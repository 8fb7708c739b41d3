//! Lists are read once, kept, and dropped again, in paused time.

use std::time::Duration;

use tokio::time::{Instant, advance, sleep, sleep_until};

use super::*;
use crate::api::server::{ImageRef, ServerGroupRef};
use crate::select::{Flavor, Image, Network, Owner, Reach, SecurityGroup, ServerGroup, VolumeType};

mod cloud;

use cloud::{Cloud, TAKES};

const EVERYTHING: [List; 5] =
    [List::Flavors, List::Images, List::Networks, List::SecurityGroups, List::VolumeTypes];

async fn load_all(catalogue: &Catalogue, session: &Session) {
    while let Some(list) = catalogue.missing(&EVERYTHING, Instant::now()) {
        catalogue.load(session, list).await.unwrap();
    }
}

fn flavor_name(catalogue: &Catalogue) -> String {
    catalogue.offerings().unwrap().flavors[0].name.clone()
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_one_at_a_time_in_the_order_they_are_wanted() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let session = cloud.session();

    for list in EVERYTHING {
        assert_eq!(catalogue.missing(&EVERYTHING, Instant::now()), Some(list.clone()));
        let before = cloud.asked();
        catalogue.load(&session, list).await.unwrap();
        assert_eq!(cloud.asked(), before + 1);
    }

    assert_eq!(catalogue.missing(&EVERYTHING, Instant::now()), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_what_the_cloud_said() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());

    load_all(&catalogue, &cloud.session()).await;
    for list in [List::CommunityImages, List::ServerGroups] {
        catalogue.load(&cloud.session(), list).await.unwrap();
    }

    let network = |id: &str, reach, owner| Network {
        id: id.into(),
        name: id.into(),
        reach,
        owner,
        admin_up: true,
        has_subnets: true,
        is_default: false,
    };
    let expected = Offerings {
        flavors: vec![Flavor {
            id: "1".into(),
            name: "f1".into(),
            vcpus: 2,
            ram_mib: 4096,
            disk_gib: 20,
            disabled: true,
        }],
        images: vec![
            Image {
                id: "i".into(),
                name: "Ubuntu 22.04".into(),
                status: "active".into(),
                created: Some("2026-01-01T00:00:00Z".parse().unwrap()),
                min_disk_gib: 3,
                size_gib: 0,
                min_ram_mib: 512,
                properties: [("os_distro".into(), "ubuntu".into())].into(),
                owner: String::new(),
                foreign: false,
                visibility: "public".into(),
                community: false,
                unlisted: false,
                marked: false,
                version: None,
            },
            Image {
                id: "c".into(),
                name: "theirs".into(),
                status: "active".into(),
                visibility: "community".into(),
                community: true,
                ..Image::default()
            },
        ],
        networks: vec![
            network("own", Reach::Internal, Owner::Project),
            network("theirs", Reach::Internal, Owner::Other("p2".into())),
            network("ext", Reach::External, Owner::Other("p2".into())),
        ],
        security_groups: Some(vec![SecurityGroup {
            id: "g".into(),
            name: "ssh".into(),
            owner: Owner::Project,
        }]),
        server_groups: Some(vec![ServerGroup { id: "sg".into(), name: "apart".into() }]),
        volume_types: Some(vec![VolumeType { id: "t".into(), name: "fast".into() }]),
        ..Offerings::default()
    };
    assert_eq!(*catalogue.offerings().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_offered_before_flavors_images_and_networks_are_read() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let session = cloud.session();

    for list in [List::VolumeTypes, List::Networks, List::Images] {
        catalogue.load(&session, list).await.unwrap();
        assert_eq!(catalogue.offerings(), None);
    }
    catalogue.load(&session, List::Flavors).await.unwrap();

    let offerings = catalogue.offerings().unwrap();
    assert!(offerings.security_groups.is_none() && offerings.volume_types.is_some());
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_at_once_share_one_request_and_its_answer() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let session = cloud.session();

    let answers = futures::future::join_all((0..20).map(|_| catalogue.load(&session, List::Flavors))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(cloud.asked(), 1);

    cloud.breaks();
    catalogue.forget();
    let answers = futures::future::join_all((0..20).map(|_| catalogue.load(&session, List::Flavors))).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(cloud.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn different_lists_are_read_at_the_same_time() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let (session, begun) = (cloud.session(), Instant::now());

    futures::future::join_all(EVERYTHING.map(|list| catalogue.load(&session, list))).await;

    assert!(begun.elapsed() < TAKES * 2, "took {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_request_to_the_next() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let session = cloud.session();

    let given_up = tokio::time::timeout(TAKES / 2, catalogue.load(&session, List::Flavors));
    let (given_up, other) = tokio::join!(given_up, catalogue.load(&session, List::Flavors));

    assert!(given_up.is_err() && other.is_ok());
    assert_eq!(cloud.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_anew_after_ten_minutes() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let (session, begun) = (cloud.session(), Instant::now());
    load_all(&catalogue, &session).await;

    // Its age counts from the request.
    sleep_until(begun + Duration::from_secs(599)).await;
    assert_eq!(catalogue.missing(&EVERYTHING, Instant::now()), None);
    sleep_until(begun + FRESH).await;
    assert_eq!(catalogue.missing(&EVERYTHING, Instant::now()), Some(List::Flavors));
    assert_eq!(catalogue.missing(&[List::VolumeTypes], Instant::now()), None);

    catalogue.load(&session, List::Flavors).await.unwrap();
    assert_eq!(flavor_name(&catalogue), "f6");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_read_again_serves_for_an_hour() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let (session, begun) = (cloud.session(), Instant::now());
    load_all(&catalogue, &session).await;
    cloud.breaks();
    advance(FRESH).await;

    catalogue.load(&session, List::Flavors).await.unwrap();

    assert_eq!(flavor_name(&catalogue), "f1");
    assert_eq!(catalogue.missing(&[List::Flavors], Instant::now()), None);
    advance(PAUSE).await;
    assert_eq!(catalogue.missing(&[List::Flavors], Instant::now()), Some(List::Flavors));
    sleep_until(begun + LONGEST).await;
    assert_eq!(catalogue.missing(&[List::Flavors], Instant::now()), Some(List::Flavors));
    assert!(catalogue.load(&session, List::Flavors).await.is_err());
    assert_eq!(catalogue.offerings(), None);
}

#[tokio::test(start_paused = true)]
async fn an_hour_is_the_end_also_right_after_a_failure() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let (session, begun) = (cloud.session(), Instant::now());
    load_all(&catalogue, &session).await;
    cloud.breaks();
    sleep_until(begun + Duration::from_secs(3570)).await;

    catalogue.load(&session, List::VolumeTypes).await.unwrap();
    // Sooner than a pause after the failure.
    advance(PAUSE / 2 + TAKES * 5).await;

    assert_eq!(catalogue.missing(&[List::VolumeTypes], Instant::now()), Some(List::VolumeTypes));
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_heals_is_believed_again() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let session = cloud.session();
    cloud.breaks();
    assert!(catalogue.load(&session, List::Flavors).await.is_err());
    assert_eq!(catalogue.missing(&EVERYTHING, Instant::now()), Some(List::Flavors));

    cloud.heals();
    load_all(&catalogue, &session).await;

    assert_eq!(flavor_name(&catalogue), "f2");
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_read_anew_at_once() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let session = cloud.session();
    load_all(&catalogue, &session).await;

    catalogue.forget();

    assert_eq!(catalogue.offerings(), None);
    for list in EVERYTHING {
        assert_eq!(catalogue.missing(std::slice::from_ref(&list), Instant::now()).as_ref(), Some(&list));
    }
    for list in [List::Flavors, List::Images, List::Networks] {
        catalogue.load(&session, list).await.unwrap();
    }
    assert_eq!(flavor_name(&catalogue), "f6");
    assert_eq!(catalogue.offerings().unwrap().security_groups, None);
}

/// The answer may be older than the refusal that made us forget.
#[tokio::test(start_paused = true)]
async fn what_was_asked_before_it_was_forgotten_is_not_believed() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let session = cloud.session();

    let forget = async {
        sleep(TAKES / 2).await;
        catalogue.forget();
    };
    let (answer, ()) = tokio::join!(catalogue.load(&session, List::Flavors), forget);

    assert_eq!(answer, Ok(()));
    assert_eq!(catalogue.missing(&EVERYTHING, Instant::now()), Some(List::Flavors));
}

#[tokio::test(start_paused = true)]
async fn an_image_that_the_list_does_not_have_is_asked_for_by_its_id() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let session = cloud.session();
    let wanted = ["i", "hidden", "absent"].map(|id| List::Image(id.into()));
    load_all(&catalogue, &session).await;

    // The list has `i`.
    while let Some(list) = catalogue.missing(&wanted, Instant::now()) {
        assert_ne!(list, List::Image("i".into()));
        catalogue.load(&session, list).await.unwrap();
    }
    let asked = cloud.asked();
    catalogue.load(&session, List::Images).await.unwrap();

    let images = catalogue.offerings().unwrap().images.clone();
    let mut known: Vec<_> = images.iter().map(|image| (image.id.as_str(), image.unlisted)).collect();
    known.sort_unstable();
    assert_eq!(known, [("hidden", true), ("i", false)]);
    assert_eq!((asked, catalogue.missing(&wanted, Instant::now())), (7, None));
    advance(FRESH).await;
    assert_eq!(catalogue.missing(&wanted, Instant::now()), Some(List::Image("hidden".into())));
}

#[test]
fn only_what_a_node_needs_is_wanted() {
    let machine = MachineTypeSpec::default();
    let grouped = TestNodeSpec { security_groups: vec!["ssh".into()], ..TestNodeSpec::default() };

    assert_eq!(List::wanted(&machine, &TestNodeSpec::default()), EVERYTHING[..3]);
    assert_eq!(List::wanted(&machine, &grouped), EVERYTHING[..4]);
    let apart = ServerGroupRef { id: None, name: Some("apart".into()) };
    let apart = TestNodeSpec { server_group: Some(apart), ..TestNodeSpec::default() };
    assert!(List::wanted(&machine, &apart).contains(&List::ServerGroups));
    let named = ImageRef { id: Some("hidden".into()), name: None };
    let named = TestNodeSpec { image: Some(named), ..TestNodeSpec::default() };
    assert!(List::wanted(&machine, &named).contains(&List::Image("hidden".into())));
}

#[tokio::test(start_paused = true)]
async fn each_list_of_images_brings_its_own_anew_and_leaves_those_of_the_other() {
    let (cloud, catalogue) = (Cloud::default(), Catalogue::new());
    let session = cloud.session();
    load_all(&catalogue, &session).await;

    for list in [List::CommunityImages, List::Images, List::CommunityImages] {
        catalogue.load(&session, list).await.unwrap();
        let offerings = catalogue.offerings().unwrap();
        let mut ids: Vec<_> = offerings.images.iter().map(|image| image.id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["c", "i"]);
    }
}
