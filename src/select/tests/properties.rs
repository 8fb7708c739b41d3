//! What holds whatever a cloud offers.

use proptest::prelude::*;

use super::anything::{
    PATTERNS, any_machine, any_node, anything_on_offer, flavors_on_offer, image_rules, images_on_offer,
    picture_of_any_age, requirements,
};
use super::*;
use crate::api::common::Resources;
use crate::api::pattern::Pattern;
use crate::reason::Reason;

/// A machine type that asks by minimums, with patterns that compile.
fn asking(requirements: &FlavorRequirements) -> MachineTypeSpec {
    let sound = |pattern: &Pattern| PATTERNS[..5].contains(&pattern.text());
    let kept = |patterns: &[Pattern]| patterns.iter().filter(|pattern| sound(pattern)).cloned().collect();
    let requirements = FlavorRequirements {
        allow: kept(&requirements.allow),
        exclude: kept(&requirements.exclude),
        ..requirements.clone()
    };
    MachineTypeSpec {
        flavor: FlavorRule { requirements: Some(requirements), ..FlavorRule::default() },
        ..machine()
    }
}

/// An independent reading of "fits".
fn fits(flavor: &Flavor, asked: &FlavorRequirements, image: &Image) -> bool {
    let whole = |text: &str| regex::Regex::new(&format!("^(?:{text})$")).unwrap().is_match(&flavor.name);
    let least = |minimum: Option<i64>| minimum.unwrap_or(0);
    !flavor.disabled
        && flavor.disk_gib > 0
        && flavor.vcpus >= least(asked.min_vcpus)
        && flavor.ram_mib >= least(asked.min_ram_mib).max(image.min_ram_mib)
        && flavor.disk_gib >= least(asked.min_disk_gib).max(image.min_disk_gib)
        && (asked.allow.is_empty() || asked.allow.iter().any(|pattern| whole(pattern.text())))
        && !asked.exclude.iter().any(|pattern| whole(pattern.text()))
}

proptest! {
    #[test]
    fn the_flavor_fits_and_none_that_fits_is_smaller(
        flavors in flavors_on_offer(),
        asked in requirements(),
        image in images_on_offer().prop_map(|images| images.into_iter().next().unwrap_or_default()),
    ) {
        let machine = asking(&asked);
        let asked = machine.flavor.requirements.clone().unwrap();

        let chosen = flavor(&machine, &node(), &image, &flavors);

        let fitting = flavors.iter().filter(|flavor| fits(flavor, &asked, &image));
        let key = |flavor: &Flavor| (flavor.ram_mib, flavor.disk_gib, flavor.vcpus, flavor.name.clone());
        let smallest = fitting.map(key).min();
        match chosen {
            // Without a disk only where none with a disk fits.
            Ok(chosen) if chosen.what.disk_gib == 0 => {
                let grown = Flavor { disk_gib: i64::MAX, ..chosen.what.clone() };
                prop_assert!(fits(&grown, &asked, &image));
                prop_assert_eq!(smallest, None);
            }
            Ok(chosen) => {
                prop_assert!(fits(chosen.what, &asked, &image));
                prop_assert_eq!(Some(key(chosen.what)), smallest);
            }
            Err(problem) => {
                prop_assert_eq!(problem.reason, Reason::FlavorNotFound);
                prop_assert_eq!(smallest, None);
            }
        }
    }

    #[test]
    fn a_flavor_for_a_node_that_asks_fits_node_and_machine_type(
        flavors in flavors_on_offer(), asked in requirements(), own in (0_i64..5, 0_i64..5, 0_i64..5)
    ) {
        let machine = asking(&asked);
        let (vcpus, ram_mib, disk_gib) = own;
        let resources = Resources { vcpus: Some(vcpus), ram_mib: Some(ram_mib), disk_gib: Some(disk_gib) };
        let own = TestNodeSpec { resources: Some(resources), ..node() };
        let image = Image::default();

        if let Ok(chosen) = flavor(&machine, &own, &image, &flavors) {
            // What has no disk gets a volume of the size that is asked.
            let disk = if chosen.what.disk_gib == 0 { i64::MAX } else { chosen.what.disk_gib };
            let grown = Flavor { disk_gib: disk, ..chosen.what.clone() };
            prop_assert!(fits(&grown, machine.flavor.requirements.as_ref().unwrap(), &image));
            prop_assert!(grown.vcpus >= vcpus && grown.ram_mib >= ram_mib && grown.disk_gib >= disk_gib);
        }
    }

    #[test]
    fn an_excluded_flavor_never_changes_the_answer(
        flavors in flavors_on_offer(), asked in requirements(), more in (0_i64..5, 0_i64..5, 1_i64..5)
    ) {
        let mut machine = asking(&asked);
        machine.flavor.requirements.as_mut().unwrap().exclude.push("never-.*".into());
        let (vcpus, ram, disk) = more;
        let with: Vec<_> = flavors.iter().cloned().chain([super::size("never-me", vcpus, ram, disk)]).collect();

        let before = flavor(&machine, &node(), &Image::default(), &flavors);
        let after = flavor(&machine, &node(), &Image::default(), &with);

        prop_assert_eq!(before.map_err(|problem| problem.reason), after.map_err(|problem| problem.reason));
    }

    #[test]
    fn an_image_that_may_not_be_used_never_changes_the_answer(
        offered in images_on_offer(),
        rules in image_rules(),
        extra in picture_of_any_age(),
    ) {
        let exclude_images = vec!["never .*".into()];
        let machine = MachineTypeSpec { images: rules, exclude_images, ..machine() };
        let excluded = Image { name: format!("never {}", extra.name), ..extra.clone() };
        let inactive = Image { status: "deactivated".into(), id: "other".into(), ..extra };
        let with: Vec<_> = offered.iter().cloned().chain([excluded, inactive]).collect();

        let before = image(&machine, &ubuntu(), &offered);
        let after = image(&machine, &ubuntu(), &with);

        prop_assert_eq!(before.map_err(|problem| problem.reason), after.map_err(|problem| problem.reason));
    }

    /// Neither what is chosen nor what is said: a condition must not flap.
    #[test]
    fn the_order_of_lists_does_not_matter(
        machine in any_machine(), node in any_node(), offered in anything_on_offer(), turn in 0_usize..8
    ) {
        let mut turned = offered.clone();
        rotate(&mut turned.flavors, turn);
        rotate(&mut turned.images, turn);
        rotate(&mut turned.networks, turn);
        turned.security_groups.iter_mut().for_each(|groups| rotate(groups, turn));
        turned.volume_types.iter_mut().for_each(|types| rotate(types, turn));

        prop_assert_eq!(resolve(&machine, &node, &offered), resolve(&machine, &node, &turned));
    }

    #[test]
    fn whatever_is_asked_the_answer_is_one_line_and_only_of_what_is_on_offer(
        machine in any_machine(), node in any_node(), offered in anything_on_offer()
    ) {
        match resolve(&machine, &node, &offered) {
            Ok(resolved) => {
                prop_assert!(!resolved.why.unwrap_or_default().contains('\n'));
                prop_assert!(offered.flavors.iter().any(|flavor| flavor.id == resolved.flavor.id && !flavor.disabled));
                prop_assert!(offered.images.iter().any(|image| image.id == resolved.image.id
                    && image.status == "active"
                    && image.min_disk_gib <= resolved.flavor.disk_gib
                    && image.min_ram_mib <= resolved.flavor.ram_mib));
                prop_assert!(!resolved.networks.is_empty());
                prop_assert!(resolved.volumes.len() <= 24);
            }
            Err(problem) => {
                prop_assert!(!problem.message.contains('\n'));
                prop_assert!(problem.message.contains(';'), "no cure: {}", problem.message);
            }
        }
    }

    #[test]
    fn who_reads_what_is_needed_is_never_told_to_read_more(
        machine in any_machine(), node in any_node(), offered in anything_on_offer()
    ) {
        let groups = offered.security_groups.clone().unwrap_or_default();
        let types = offered.volume_types.clone().unwrap_or_default();
        let read = Offerings {
            security_groups: needs_security_groups(&machine, &node).then_some(groups),
            volume_types: needs_volume_types(&machine, &node).then_some(types),
            ..offered
        };

        let reason = resolve(&machine, &node, &read).map_err(|problem| problem.reason).err();

        prop_assert_ne!(reason, Some(Reason::CatalogueUnread));
    }

    #[test]
    fn no_pattern_panics(pattern in "\\PC{0,40}", name in "\\PC{0,20}") {
        let machine = MachineTypeSpec { exclude_images: vec![pattern.into()], ..machine() };
        let offered = [picture(&name)];

        let result = image(&machine, &ubuntu(), &offered);

        prop_assert!(result.is_ok() || !told(result).contains('\n'));
    }
}

fn rotate<T>(list: &mut [T], by: usize) {
    let middle = by.checked_rem(list.len()).unwrap_or(0);
    list.rotate_left(middle);
}
