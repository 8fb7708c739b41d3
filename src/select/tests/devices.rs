//! Examples and properties of `blockDevices` and of ports that exist.

use proptest::prelude::*;

use super::*;
use crate::api::block_device::{BlockDevice, DestinationType, SourceType};
use crate::api::boot_volume::BootVolume;
use crate::api::testnode_status::ResolvedNetwork;

fn device(name: &str, boot_index: i64) -> BlockDevice {
    BlockDevice {
        uuid: None,
        volume_size: None,
        device_name: name.into(),
        source_type: SourceType::Image,
        destination_type: DestinationType::Volume,
        delete_on_termination: None,
        boot_index,
    }
}

fn of(source_type: SourceType, uuid: &str, device: BlockDevice) -> BlockDevice {
    BlockDevice { source_type, uuid: Some(uuid.into()), ..device }
}

fn with(devices: Vec<BlockDevice>) -> TestNodeSpec {
    TestNodeSpec { block_devices: devices, ..node() }
}

/// A cloud with a volume, a bootable one, one of a node, a snapshot of 7 GiB, and a port.
fn cloud() -> Offerings {
    let volume =
        |bootable, marked| Some(Volume { status: "available".into(), bootable, marked, ..Volume::default() });
    let foreign =
        Volume { status: "available".into(), owner: Owner::Other("p9".into()), ..Volume::default() };
    let port = Port {
        network: "id-private".into(),
        addresses: vec!["10.0.0.9".parse().unwrap(), "2001:db8::9".parse().unwrap()],
        ..Port::default()
    };
    Offerings {
        volumes: [
            ("plain".to_owned(), volume(false, false)),
            ("system".to_owned(), volume(true, false)),
            ("ours".to_owned(), volume(true, true)),
            ("foreign".to_owned(), Some(foreign)),
            ("absent".to_owned(), None),
        ]
        .into(),
        snapshots: [("snap".to_owned(), Owner::Project), ("foreign".to_owned(), Owner::Other("p9".into()))]
            .map(|(id, owner)| (id, Some(Snapshot { status: "available".into(), owner, size_gib: 7 })))
            .into(),
        ports: [
            ("free".to_owned(), Some(port.clone())),
            ("theirs".to_owned(), Some(Port { owner: Owner::Other("p9".into()), ..port.clone() })),
            ("bound".to_owned(), Some(Port { device: Some("s-1".into()), ..port })),
        ]
        .into(),
        ..offerings()
    }
}

fn resolved(node: &TestNodeSpec) -> Result<Resolved, Problem> {
    resolve(&machine(), node, &cloud())
}

fn reason(devices: Vec<BlockDevice>) -> Option<Reason> {
    resolved(&with(devices)).err().map(|problem| problem.reason)
}

#[test]
fn a_device_that_boots_goes_first_and_takes_the_place_of_the_machine_types_boot_volume() {
    let machine = MachineTypeSpec { boot_volume: Some(BootVolume::default()), ..machine() };
    let devices = vec![of(SourceType::Snapshot, "snap", device("vdb", -1)), device("vda", 0)];

    let resolved = resolve(&machine, &with(devices), &cloud()).unwrap();

    let names: Vec<(&str, Option<i64>)> =
        resolved.volumes.iter().map(|volume| (volume.name.as_str(), volume.boot_index)).collect();
    assert_eq!(names, [("vda", Some(0)), ("vdb", Some(-1))]);
    assert_eq!((resolved.volumes[1].size_gib, resolved.volumes[1].snapshot.as_deref()), (7, Some("snap")));
    assert!(resolved.boots_from_volume());
}

#[test]
fn a_node_that_boots_from_a_volume_that_exists_needs_no_image() {
    let root = of(SourceType::Volume, "system", device("vda", 0));
    let cloud = Offerings { images: Vec::new(), ..cloud() };

    let resolved = resolve(&machine(), &with(vec![root]), &cloud).unwrap();

    assert_eq!((resolved.volumes.len(), resolved.image.id.as_str()), (0, ""));
    assert_eq!((resolved.existing_volumes[0].id.as_str(), resolved.boots_from_volume()), ("system", true));
}

#[test]
fn the_flavors_own_disk_has_a_name_and_is_no_volume() {
    let local = BlockDevice { destination_type: DestinationType::Local, ..device("/dev/vda", 0) };

    let resolved = resolved(&with(vec![local])).unwrap();

    assert_eq!((resolved.root_device.as_deref(), resolved.boots_from_volume()), (Some("vda"), false));
}

#[test]
fn each_name_each_volume_and_each_number_is_there_once() {
    let plain = |name| of(SourceType::Volume, "plain", device(name, -1));
    for (devices, expected) in [
        (vec![device("vdb", -1), device("/dev/vdb", -1)], Some(Reason::InvalidBlockDevices)),
        (vec![plain("vdb"), plain("vdc")], Some(Reason::InvalidBlockDevices)),
        (vec![device("vda", 0), device("vdb", 0)], Some(Reason::InvalidBlockDevices)),
        (vec![device("vda", 0), device("vdb", 2)], Some(Reason::InvalidBlockDevices)),
        (vec![device("vdb", 2)], Some(Reason::InvalidBlockDevices)),
        (vec![device("vda", 0), device("vdb", 1)], None),
        (vec![device("vdb", 1)], None),
        // Nova calls the disk that it boots from so.
        (vec![device("vda", 1)], Some(Reason::InvalidBlockDevices)),
    ] {
        assert_eq!(reason(devices.clone()), expected, "{devices:?}");
    }
}

#[test]
fn what_another_project_has_is_refused_whatever_the_credentials_show() {
    let of_others = |source| reason(vec![of(source, "foreign", device("vdb", -1))]);

    assert_eq!(of_others(SourceType::Volume), Some(Reason::VolumeNotFound));
    assert_eq!(of_others(SourceType::Snapshot), Some(Reason::SnapshotNotFound));
}

#[test]
fn a_machine_types_root_image_is_for_the_os_that_it_has_by_default() {
    let id = offerings().images[0].id.clone();
    let default_os = Os { kind: "ubuntu".into(), version: "22.04".into() };
    let root = of(SourceType::Image, &id, device("vda", 0));
    let machine =
        MachineTypeSpec { block_devices: vec![root], default_os: Some(default_os.clone()), ..machine() };
    let asks =
        |os| resolve(&machine, &TestNodeSpec { os, ..node() }, &cloud()).map(|resolved| resolved.image.id);

    assert_eq!((asks(None), asks(Some(default_os))), (Ok(id.clone()), Ok(id)));
    let other = Os { kind: "debian".into(), version: "12".into() };
    assert_eq!(asks(Some(other)).unwrap_err().reason, Reason::InvalidBlockDevices);
}

#[test]
fn what_does_not_exist_or_is_a_nodes_or_cannot_boot_is_refused() {
    for (source, id, index, expected) in [
        (SourceType::Volume, "absent", -1, Reason::VolumeNotFound),
        (SourceType::Volume, "ours", -1, Reason::NotAllowed),
        (SourceType::Volume, "plain", 0, Reason::InvalidBlockDevices),
        (SourceType::Volume, "unread", -1, Reason::CatalogueUnread),
        (SourceType::Snapshot, "unread", -1, Reason::CatalogueUnread),
    ] {
        assert_eq!(reason(vec![of(source, id, device("vdb", index))]), Some(expected), "{id}");
    }
}

#[test]
fn a_volume_to_local_cannot_even_be_said() {
    for source in [SourceType::Volume, SourceType::Snapshot] {
        let id = if source == SourceType::Volume { "system" } else { "snap" };
        let local =
            BlockDevice { destination_type: DestinationType::Local, ..of(source, id, device("vda", 0)) };
        assert_eq!(reason(vec![local]), Some(Reason::InvalidBlockDevices), "{source}");
    }
}

fn on(port: &str) -> TestNodeSpec {
    let network = NetworkChoice { port_id: Some(port.into()), ..NetworkChoice::default() };
    TestNodeSpec { networks: vec![network], ..node() }
}

#[test]
fn a_port_that_exists_is_a_network_with_the_addresses_that_it_has() {
    let ResolvedNetwork { id, name, port, .. } = resolved(&on("free")).unwrap().networks.remove(0);

    let port = port.unwrap();
    assert_eq!((id.as_str(), name.as_str(), port.id.as_str()), ("id-private", "private", "free"));
    assert_eq!(port.addresses, ["10.0.0.9", "2001:db8::9"]);
    assert_eq!(resolved(&on("theirs")).unwrap_err().reason, Reason::PortNotFound);
}

#[test]
fn what_something_else_has_is_told_and_what_is_free_is_not() {
    let told = |node: &TestNodeSpec| in_use(&resolved(node).unwrap(), &cloud()).map(|problem| problem.reason);

    assert_eq!((told(&on("bound")), told(&on("free"))), (Some(Reason::PortInUse), None));
    let reads = |status: &str| {
        let taken = Volume { status: status.into(), ..Volume::default() };
        let cloud = Offerings { volumes: [("plain".to_owned(), Some(taken))].into(), ..cloud() };
        let node = with(vec![of(SourceType::Volume, "plain", device("vdb", -1))]);
        in_use(&resolve(&machine(), &node, &cloud).unwrap(), &cloud).map(|problem| problem.reason)
    };
    assert_eq!((reads("in-use"), reads("available")), (Some(Reason::VolumeInUse), None));
}

proptest! {
    /// Whatever the schema lets in, and what it does not: nothing that Nova would take and do wrongly comes of it.
    #[test]
    fn no_name_no_volume_and_no_boot_number_is_ever_there_twice(
        all in proptest::collection::vec((0_usize..4, 0_usize..3, any::<bool>(), -1_i64..3, 0_usize..4), 0..6)
    ) {
        let names = ["vda", "/dev/vda", "vdb", "vdc"];
        let sources = [SourceType::Image, SourceType::Snapshot, SourceType::Volume];
        let ids = ["plain", "system", "snap", "absent"];
        let devices = all.into_iter().map(|(name, source, local, boot_index, id)| BlockDevice {
            destination_type: if local { DestinationType::Local } else { DestinationType::Volume },
            uuid: (sources[source] != SourceType::Image).then(|| ids[id].to_owned()),
            source_type: sources[source],
            ..device(names[name], boot_index)
        });
        let devices: Vec<BlockDevice> = devices.collect();
        let local = devices.iter().filter(|device| device.destination_type == DestinationType::Local).count();
        let Ok(resolved) = resolved(&with(devices.clone())) else { return Ok(()) };

        let made = resolved.volumes.iter().map(|volume| (volume.device_name.clone().unwrap(), volume.boot_index));
        let existing = &resolved.existing_volumes;
        let existing = existing.iter().map(|volume| (volume.device_name.clone(), Some(volume.boot_index)));
        let disks: Vec<(String, Option<i64>)> = made.chain(existing).collect();
        prop_assert_eq!(disks.len() + local, devices.len());
        let names: std::collections::BTreeSet<&String> = disks.iter().map(|(name, _)| name).collect();
        prop_assert_eq!(names.len(), disks.len());
        let mut order: Vec<i64> = disks.iter().filter_map(|(_, index)| *index).filter(|index| *index >= 0).collect();
        order.sort_unstable();
        let first = i64::from(!resolved.boots_from_volume());
        prop_assert!(order.iter().copied().eq((first..).take(order.len())), "{order:?}");
        prop_assert!(local <= 1 && (local == 0 || resolved.root_device.is_some()));
    }
}
