//! Examples of flavors.

use super::*;
use crate::api::boot_volume::BootVolume;
use crate::api::common::Resources;

fn chosen(machine: &MachineTypeSpec, node: &TestNodeSpec, flavors: &[Flavor]) -> Result<String, Problem> {
    flavor(machine, node, &picture("Ubuntu 22.04"), flavors).map(|choice| choice.why)
}

fn named(name: &str) -> TestNodeSpec {
    TestNodeSpec { flavor: Some(name.into()), ..node() }
}

fn least(vcpus: i64, ram_mib: i64, disk_gib: i64) -> TestNodeSpec {
    let resources = Resources { vcpus: Some(vcpus), ram_mib: Some(ram_mib), disk_gib: Some(disk_gib) };
    TestNodeSpec { resources: Some(resources), ..node() }
}

fn with_rule(rule: FlavorRule) -> MachineTypeSpec {
    MachineTypeSpec { flavor: rule, ..machine() }
}

#[test]
fn memory_counts_before_disk_before_vcpus_before_the_name() {
    let order = [
        size("z", 9, 2000, 90),
        size("y", 9, 3000, 10),
        size("x", 2, 3000, 20),
        size("a", 3, 3000, 20),
        size("b", 3, 3000, 20),
    ];

    for (index, smallest) in order.iter().enumerate() {
        let offered: Vec<_> = order[index..].iter().rev().cloned().collect();
        let why = chosen(&machine(), &node(), &offered).unwrap();
        assert!(why.starts_with(&format!("{}: ", smallest.name)), "{why}");
    }
}

#[test]
fn what_node_and_machine_type_ask_is_merged_by_maximum_and_the_patterns_hold() {
    let requirements = FlavorRequirements {
        min_ram_mib: Some(2000),
        allow: vec!["b2-.*".into()],
        exclude: vec!["b2-bad".into()],
        ..FlavorRequirements::default()
    };
    let machine = with_rule(FlavorRule { requirements: Some(requirements), ..FlavorRule::default() });
    let offered = [
        size("b2-bad", 1, 1000, 9),
        size("c2-1", 1, 1000, 9),
        size("b2-2", 1, 2000, 9),
        size("b2-30", 8, 30_000, 9),
    ];

    assert_eq!(chosen(&machine, &node(), &offered).unwrap(), "b2-2: smallest of 2 that fit");
    assert_eq!(chosen(&machine, &least(1, 1000, 9), &offered).unwrap(), "b2-2: smallest of 2 that fit");
    assert_eq!(chosen(&machine, &least(2, 1000, 9), &offered).unwrap(), "b2-30: the only one that fits");
    assert_eq!(chosen(&machine, &least(1, 2001, 9), &offered).unwrap(), "b2-30: the only one that fits");
}

#[test]
fn windows_is_left_out_where_nobody_says_what_to_leave_out() {
    let machine = with_rule(FlavorRule { name: Some("b2-7".into()), ..FlavorRule::default() });
    let offered = [size("win-b2-2", 2, 2000, 50), size("b2-7", 2, 7000, 50)];

    assert_eq!(chosen(&machine, &least(1, 1, 1), &offered).unwrap(), "b2-7: the only one that fits");
}

#[test]
fn a_pattern_must_match_the_whole_name() {
    let requirements = FlavorRequirements { exclude: vec!["b2|c2".into()], ..FlavorRequirements::default() };
    let machine = with_rule(FlavorRule { requirements: Some(requirements), ..FlavorRule::default() });
    let offered = [
        size("b2", 1, 1000, 9),
        size("c2", 1, 1000, 9),
        size("b2-7", 2, 7000, 50),
        size("my-c2", 2, 8000, 50),
    ];

    assert_eq!(chosen(&machine, &node(), &offered).unwrap(), "b2-7: smallest of 2 that fit");
}

/// teuthology excluded a size only when all of its patterns matched.
#[test]
fn one_of_several_patterns_is_enough_to_exclude() {
    let exclude = vec!["win-.*".into(), ".*-flex".into()];
    let requirements = FlavorRequirements { exclude, ..FlavorRequirements::default() };
    let machine = with_rule(FlavorRule { requirements: Some(requirements), ..FlavorRule::default() });
    let offered =
        [size("b2-7-flex", 2, 7000, 50), size("win-b2-7", 2, 7000, 50), size("b2-15", 4, 15_000, 100)];

    assert_eq!(chosen(&machine, &node(), &offered).unwrap(), "b2-15: the only one that fits");
}

#[test]
fn what_the_image_needs_is_asked_of_the_flavor_too() {
    let image = Image { min_disk_gib: 60, min_ram_mib: 512, ..picture("Ubuntu 22.04") };

    let choice =
        flavor(&machine(), &node(), &image, &offerings().flavors).map(|choice| choice.what.name.clone());

    assert_eq!(choice, Ok("b2-15".into()));
}

#[test]
fn a_flavor_without_a_disk_is_the_choice_only_where_no_other_fits() {
    let diskless = || size("diskless", 2, 2000, 0);

    assert_eq!(
        chosen(&machine(), &node(), &[diskless(), size("large", 2, 9000, 90)]).unwrap(),
        "large: the only one that fits"
    );
    assert_eq!(
        chosen(&machine(), &node(), &[diskless(), size("small", 2, 100, 90)]).unwrap(),
        "diskless: the smallest that fits, and it has no disk"
    );
    assert_eq!(
        chosen(&machine(), &named("diskless"), &[diskless()]).unwrap(),
        "diskless: named by spec.flavor"
    );
}

#[test]
fn with_a_boot_volume_no_flavor_is_too_small_for_its_disk() {
    let offered = [size("small", 2, 2000, 1), size("large", 2, 9000, 90)];
    let image = Image { min_disk_gib: 60, ..picture("Ubuntu 22.04") };
    let booted = |machine: &MachineTypeSpec| {
        flavor(machine, &node(), &image, &offered).map(|choice| choice.what.name.clone()).unwrap()
    };

    assert_eq!(booted(&machine()), "large");
    assert_eq!(booted(&MachineTypeSpec { boot_volume: Some(BootVolume::default()), ..machine() }), "small");
}

fn boots(machine: &MachineTypeSpec, node: &TestNodeSpec, image: &Image, disk_gib: i64) -> Option<i64> {
    let choice = boot_volume(machine, node, image, &size("f", 2, 2000, disk_gib), None).unwrap();
    choice.map(|choice| choice.what.size_gib)
}

#[test]
fn a_boot_volume_is_as_large_as_it_is_said_or_as_it_must_be_or_20() {
    let image = |min_disk_gib, size_gib| Image { min_disk_gib, size_gib, ..picture("Ubuntu 22.04") };
    let asked = |size_gib| TestNodeSpec { boot_volume: Some(BootVolume { size_gib, kind: None }), ..node() };

    assert_eq!(boots(&machine(), &node(), &image(0, 0), 50), None);
    assert_eq!(boots(&machine(), &node(), &image(0, 0), 0), Some(DEFAULT_GIB));
    assert_eq!(boots(&machine(), &node(), &image(0, 1), 0), Some(DEFAULT_GIB));
    assert_eq!(boots(&machine(), &node(), &image(0, 33), 0), Some(33));
    assert_eq!(boots(&machine(), &node(), &image(7, 0), 0), Some(7));
    assert_eq!(boots(&machine(), &node(), &image(7, 9), 0), Some(9));
    assert_eq!(boots(&machine(), &least(1, 1, 33), &image(7, 9), 0), Some(33));
    assert_eq!(boots(&machine(), &asked(None), &image(7, 0), 50), Some(7));
    assert_eq!(boots(&machine(), &asked(Some(8)), &image(7, 0), 50), Some(8));
    let small = boot_volume(&machine(), &asked(Some(6)), &image(7, 0), &size("f", 2, 2000, 50), None);
    assert!(
        told(small).starts_with("BootVolumeTooSmall: spec.bootVolume.sizeGiB: 6 GiB"),
        "the image needs 7"
    );
}

#[test]
fn the_closest_that_failed_is_named_and_why() {
    let cases = [
        (least(2, 16_000, 10), "closest, b2-15, fails: 15000 MiB of memory, 16000 are asked;"),
        (
            least(8, 16_000, 10),
            "closest, b2-15, fails: 15000 MiB of memory, 16000 are asked, 4 vCPUs, 8 are asked;",
        ),
        (least(1, 1000, 500), "closest, b2-15, fails: 100 GiB of disk, 500 are asked;"),
    ];

    for (node, expected) in cases {
        let said = told(chosen(&machine(), &node, &offerings().flavors));
        assert!(said.starts_with("FlavorNotFound: no flavor fits ") && said.contains(expected), "{said}");
    }
    let said = told(chosen(&machine(), &node(), &[size("win-2", 2, 2000, 50), size("small", 1, 1000, 9)]));
    assert!(said.contains("closest, small, fails: 1000 MiB of memory, 1024 are asked;"), "{said}");
    let said = told(chosen(&machine(), &node(), &[size("win-2", 2, 2000, 50), size("tiny", 1, 0, 0)]));
    assert!(said.contains("closest, win-2, fails: its name matches exclude `win-.*`;"), "{said}");
    let said = told(chosen(&machine(), &node(), &[]));
    assert!(said.starts_with("FlavorNotFound: the cloud offers no flavor at all;"), "{said}");
}

#[test]
fn a_named_flavor_is_taken_or_the_reason_is_told() {
    let closed = Flavor { disabled: true, ..size("closed", 2, 2000, 20) };
    let twin = |id: &str| Flavor { id: id.into(), ..size("twin", 2, 2000, 20) };
    let offered = [size("small", 1, 512, 5), closed, twin("2"), twin("1"), size("right", 2, 2000, 20)];
    let image = Image { min_disk_gib: 8, min_ram_mib: 600, ..picture("Ubuntu 22.04") };
    let ask = |name: &str| flavor(&machine(), &named(name), &image, &offered).map(|choice| choice.why);

    assert_eq!(ask("right").unwrap(), "right: named by spec.flavor");
    assert_eq!(
        told(ask("small")),
        "FlavorTooSmall: spec.flavor: flavor small cannot boot image Ubuntu 22.04: 512 MiB of memory, 600 are what the \
         image needs, 5 GiB of disk, 8 are what the image needs; name another, or give a bootVolume"
    );
    assert_eq!(told(ask("closed")), "FlavorNotFound: spec.flavor: flavor closed is disabled; name another");
    assert_eq!(
        told(ask("twin")),
        "FlavorAmbiguous: spec.flavor: 2 flavors have the name twin: 1, 2; give the one that is meant as the machine \
         type's flavor.id"
    );
    assert_eq!(
        told(ask("b2-8")),
        "FlavorNotFound: spec.flavor: the cloud has no flavor b2-8; name one that it has: closed, right, small, twin, \
         twin"
    );
}

#[test]
fn a_disabled_namesake_is_not_in_the_way() {
    let old = Flavor { id: "old".into(), disabled: true, ..size("b2-7", 1, 1, 1) };
    let offered = [old, size("b2-7", 2, 7000, 50)];

    let choice = flavor(&machine(), &named("b2-7"), &Image::default(), &offered).unwrap();

    assert_eq!(choice.what.id, "id-b2-7");
}

#[test]
fn the_machine_type_names_a_flavor_by_id_or_by_name_and_the_node_goes_before() {
    let by_id = with_rule(FlavorRule { id: Some("id-b2-15".into()), ..FlavorRule::default() });
    let by_name = with_rule(FlavorRule { name: Some("b2-15".into()), ..FlavorRule::default() });
    let lost = with_rule(FlavorRule { id: Some("gone".into()), ..FlavorRule::default() });
    let offered = offerings().flavors;

    assert_eq!(chosen(&by_id, &node(), &offered).unwrap(), "b2-15: named by the machine type's flavor.id");
    assert_eq!(
        chosen(&by_name, &node(), &offered).unwrap(),
        "b2-15: named by the machine type's flavor.name"
    );
    assert_eq!(chosen(&by_id, &named("b2-7"), &offered).unwrap(), "b2-7: named by spec.flavor");
    assert_eq!(chosen(&by_name, &least(1, 1, 1), &offered).unwrap(), "b2-7: smallest of 2 that fit");
    assert_eq!(
        told(chosen(&lost, &node(), &offered)),
        "FlavorNotFound: the machine type's flavor.id: the cloud has no flavor gone; name one that it has: id-b2-15, \
         id-b2-7"
    );
}

#[test]
fn a_pattern_that_does_not_compile_is_named_with_its_field() {
    for (pattern, cause) in [("(", "unclosed group"), ("a)|(b", "unopened group"), ("[z-a]", "invalid")] {
        let requirements =
            FlavorRequirements { allow: vec![".*".into(), pattern.into()], ..FlavorRequirements::default() };
        let machine = with_rule(FlavorRule { requirements: Some(requirements), ..FlavorRule::default() });

        let said = told(chosen(&machine, &node(), &offerings().flavors));

        let field = format!(
            "InvalidPattern: the machine type's flavor.requirements.allow[1] `{pattern}` is not valid: "
        );
        assert!(said.starts_with(&field) && said.contains(cause), "{said}");
    }
}
