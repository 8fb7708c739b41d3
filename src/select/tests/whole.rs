//! Examples of operating systems, volumes, and of the whole.

use super::*;
use crate::api::testnode_status::{ResolvedNetwork, ResolvedVolume};

fn osds(count: i64, kind: Option<&str>) -> Volumes {
    Volumes { name: "osd".into(), count, size_gib: 10, kind: kind.map(str::to_owned) }
}

fn with_volumes(volumes: Vec<Volumes>) -> TestNodeSpec {
    TestNodeSpec { volumes, ..node() }
}

#[test]
fn the_nodes_os_goes_before_the_default() {
    let debian = Os { kind: "debian".into(), version: "12".into() };
    let asking = TestNodeSpec { os: Some(debian.clone()), ..node() };

    assert_eq!(os(&machine(), &asking), Ok(debian));
    assert_eq!(os(&machine(), &node()), Ok(ubuntu()));
    assert_eq!(
        told(os(&MachineTypeSpec::default(), &node())),
        "OSNotGiven: no operating system is given; give the node spec.os, or the machine type a defaultOS"
    );
}

#[test]
fn all_of_it_comes_to_one_answer_that_says_why() {
    let machine = MachineTypeSpec {
        key_name: Some("lab".into()),
        security_groups: vec!["ssh".into()],
        volumes: vec![
            osds(2, Some("fast")),
            Volumes { name: "log".into(), count: 1, size_gib: 5, kind: None },
        ],
        ..machine()
    };
    let offered = Offerings {
        security_groups: Some(vec![group("1", "default"), group("2", "ssh")]),
        volume_types: Some(vec![VolumeType { id: "0f5a".into(), name: "fast".into() }]),
        ..offerings()
    };

    let resolved = resolve(&machine, &node(), &offered).unwrap();

    let volume = |name: &str, size_gib, kind: Option<&str>| ResolvedVolume {
        name: name.into(),
        size_gib,
        kind: kind.map(str::to_owned),
        ..ResolvedVolume::default()
    };
    let expected = Resolved {
        flavor: ResolvedFlavor { id: "id-b2-7".into(), name: "b2-7".into(), vcpus: 2, ram_mib: 7000, disk_gib: 50 },
        image: ResolvedImage {
            id: "id-Ubuntu 22.04".into(),
            name: "Ubuntu 22.04".into(),
            ..ResolvedImage::default()
        },
        networks: vec![ResolvedNetwork {
            id: "id-private".into(),
            name: "private".into(),
            ..ResolvedNetwork::default()
        }],
        floating_ip: None,
        security_groups: vec!["2".into()],
        volumes: vec![volume("osd-0", 10, Some("fast")), volume("osd-1", 10, Some("fast")), volume("log-0", 5, None)],
        existing_volumes: Vec::new(),
        root_device: None,
        key_name: Some("lab".into()),
        os: Some(ubuntu()),
        machine_type: Some(ResolvedMachineType {
            readiness: machine.readiness.clone(),
            on_failure: machine.on_failure,
            timeouts: machine.timeouts.clone(),
            launch_retries: machine.launch_retries,
            user_data_digest: user_data_digest(&machine, Some(&ubuntu())),
        }),
        server: None,
        why: Some(
            "flavor b2-7: smallest of 2 that fit; image Ubuntu 22.04: name contains \"ubuntu 22.04\"; network private: \
             the only usable one"
                .into(),
        ),
    };
    assert_eq!(resolved, expected);
}

#[test]
fn the_nodes_key_and_volumes_go_before_the_machine_types() {
    let machine = MachineTypeSpec { key_name: Some("lab".into()), volumes: vec![osds(4, None)], ..machine() };
    let own = TestNodeSpec { key_name: Some("mine".into()), ..with_volumes(vec![osds(1, None)]) };

    let resolved = resolve(&machine, &own, &offerings()).unwrap();

    assert_eq!((resolved.key_name.as_deref(), resolved.volumes.len()), (Some("mine"), 1));
}

#[test]
fn a_server_takes_24_volumes_and_no_more() {
    let most = with_volumes(vec![osds(20, None), osds(4, None)]);
    let too_many = with_volumes(vec![osds(20, None), osds(5, None)]);
    let absurd = with_volumes(vec![osds(i64::MAX, None), osds(i64::MAX, None)]);

    assert_eq!(volumes(&machine(), &most, None).unwrap().len(), 24);
    assert_eq!(
        told(volumes(&machine(), &too_many, None)),
        "TooManyVolumes: spec.volumes: 25 volumes, a server takes 24; ask for fewer, larger ones"
    );
    assert!(told(volumes(&machine(), &absurd, None)).starts_with("TooManyVolumes: "));
}

#[test]
fn a_volume_type_must_be_one_of_the_clouds() {
    let fast = with_volumes(vec![osds(1, None), osds(1, Some("fast"))]);
    let types = ["slow", "hdd"].map(|name| VolumeType { id: format!("id-{name}"), name: name.into() });

    assert!(
        needs_volume_types(&machine(), &fast)
            && !needs_volume_types(&machine(), &with_volumes(vec![osds(1, None)]))
    );
    assert_eq!(
        told(volumes(&machine(), &fast, Some(&types))),
        "VolumeTypeNotFound: spec.volumes osd: the cloud has no volume type fast; name one that it has, or none for its \
         default: hdd, slow"
    );
    assert!(told(volumes(&machine(), &fast, None)).starts_with("CatalogueUnread: "));
}

#[test]
fn a_volume_type_that_is_asked_for_by_id_is_known_by_its_name() {
    let by_id = with_volumes(vec![osds(1, Some("id-hdd"))]);
    let types = ["hdd", "id-slow"].map(|name| VolumeType { id: format!("id-{name}"), name: name.into() });

    assert_eq!(volumes(&machine(), &by_id, Some(&types)).unwrap()[0].kind.as_deref(), Some("hdd"));
}

/// What the node says replaces the machine type's list, types and all.
#[test]
fn a_type_that_the_node_overrides_needs_no_reading() {
    let machine = MachineTypeSpec { volumes: vec![osds(1, Some("fast"))], ..machine() };

    assert!(needs_volume_types(&machine, &node()));
    assert!(!needs_volume_types(&machine, &with_volumes(vec![osds(1, None)])));
}

#[test]
fn a_line_break_in_a_name_stays_out_of_messages() {
    let offered = Offerings { networks: vec![net("a\nb"), net("c")], ..offerings() };

    let said = told(resolve(&machine(), &node(), &offered));

    assert!(said.contains("a b (id-a b), c (id-c)"), "{said}");
}
