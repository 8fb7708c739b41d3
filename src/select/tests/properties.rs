//! What holds whatever a cloud offers.

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::api::common::Resources;

const WORDS: &[&str] =
    &["a", "b", "win-a", "ubuntu 22.04", "Ubuntu-22.04", "ubuntu 22.04 old", "line\nbreak", "", "ünï"];
const PATTERNS: &[&str] =
    &["a", ".*", "win-.*", "ubuntu.*", ".*old", "(", "a)|(b", "[", "(?x)a #", r"\w{60000}"];

fn word() -> impl Strategy<Value = String> {
    select(WORDS).prop_map(str::to_owned)
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0_i64..5, 1 => Just(-1), 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

fn flavors_on_offer() -> impl Strategy<Value = Vec<Flavor>> {
    let disabled = prop_oneof![4 => Just(false), 1 => Just(true)];
    let flavor = (word(), 0_i64..5, 0_i64..5, 0_i64..5, disabled);
    vec(flavor, 0..8).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        numbered
            .map(|(id, (name, vcpus, ram_mib, disk_gib, disabled))| Flavor {
                id: format!("f{id}"),
                name,
                vcpus,
                ram_mib,
                disk_gib,
                disabled,
            })
            .collect()
    })
}

fn images_on_offer() -> impl Strategy<Value = Vec<Image>> {
    let status = select(&["active", "active", "active", "queued"][..]);
    let properties = btree_map(select(&["k", "l"][..]), select(&["v", "w"][..]), 0..3);
    vec((word(), status, of(0_i64..3), 0_i64..4, 0_i64..4, properties), 0..8).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        numbered
            .map(|(id, (name, status, created, min_disk_gib, min_ram_mib, properties))| Image {
                id: format!("i{id}"),
                name,
                status: status.into(),
                created: created.map(|second| jiff::Timestamp::from_second(second).unwrap()),
                min_disk_gib,
                min_ram_mib,
                properties: properties.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            })
            .collect()
    })
}

fn networks_on_offer() -> impl Strategy<Value = Vec<Network>> {
    let reach = select(&[Reach::Internal, Reach::External][..]);
    let owner = select(&[Owner::Project, Owner::Shared, Owner::Other][..]);
    vec((word(), reach, owner, any::<bool>(), any::<bool>()), 0..4).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        numbered
            .map(|(id, (name, reach, owner, admin_up, has_subnets))| Network {
                id: format!("n{id}"),
                name,
                reach,
                owner,
                admin_up,
                has_subnets,
            })
            .collect()
    })
}

fn anything_on_offer() -> impl Strategy<Value = Offerings> {
    let groups = of(vec(word(), 0..4).prop_map(|names| {
        names.into_iter().enumerate().map(|(id, name)| group(&format!("g{id}"), &name)).collect()
    }));
    (flavors_on_offer(), images_on_offer(), networks_on_offer(), groups, of(vec(word(), 0..3))).prop_map(
        |(flavors, images, networks, security_groups, volume_types)| Offerings {
            flavors,
            images,
            networks,
            security_groups,
            volume_types,
        },
    )
}

fn patterns() -> impl Strategy<Value = Vec<String>> {
    let sound = select(&PATTERNS[..5]).prop_map(str::to_owned);
    let any = select(PATTERNS).prop_map(str::to_owned);
    prop_oneof![4 => vec(sound, 0..2), 1 => vec(any, 0..2)]
}

fn requirements() -> impl Strategy<Value = FlavorRequirements> {
    (of(amount()), of(amount()), of(amount()), patterns(), patterns()).prop_map(
        |(min_vcpus, min_ram_mib, min_disk_gib, allow, exclude)| FlavorRequirements {
            min_vcpus,
            min_ram_mib,
            min_disk_gib,
            allow,
            exclude,
        },
    )
}

fn image_rules() -> impl Strategy<Value = Vec<ImageRule>> {
    let properties = of(btree_map(select(&["k"][..]), select(&["v"][..]), 0..2));
    let selection = select(&[Selection::Error, Selection::Newest][..]);
    let regex = of(select(PATTERNS).prop_map(str::to_owned));
    let rule = (of(select(&["i0", "i9"][..])), of(word()), regex, properties, selection);
    vec(rule, 0..2).prop_map(|all| {
        all.into_iter()
            .map(|(id, name, name_regex, properties, selection)| ImageRule {
                id: id.map(str::to_owned),
                name,
                name_regex,
                properties: properties.map(|of| of.into_iter().map(|(k, v)| (k.into(), v.into())).collect()),
                selection,
                user: None,
                ..rule_for_ubuntu()
            })
            .collect()
    })
}

fn rule_for_ubuntu() -> ImageRule {
    super::rule(ubuntu())
}

fn groups_of_volumes() -> impl Strategy<Value = Vec<Volumes>> {
    vec((amount(), amount(), of(word())), 0..3).prop_map(|all| {
        let volumes = |(count, size_gib, kind)| Volumes { name: "osd".into(), count, size_gib, kind };
        all.into_iter().map(volumes).collect()
    })
}

fn network_choices() -> impl Strategy<Value = Vec<NetworkChoice>> {
    let address = of(select(&["10.0.0.1", "::1", "x", "1.2.3"][..]).prop_map(str::to_owned));
    vec((of(word()), of(word()), address), 0..2).prop_map(|all| {
        all.into_iter().map(|(id, name, fixed_ip)| NetworkChoice { id, name, fixed_ip }).collect()
    })
}

prop_compose! {
    fn any_machine()(
        default_os in of(Just(ubuntu())),
        id in of(Just("f0".to_owned())),
        name in of(word()),
        requirements in of(requirements()),
        images in image_rules(),
        exclude_images in patterns(),
        volumes in groups_of_volumes(),
        networks in network_choices(),
        security_groups in vec(word(), 0..2),
    ) -> MachineTypeSpec {
        let flavor = FlavorRule { id, name, requirements };
        MachineTypeSpec {
            default_os, flavor, images, exclude_images, volumes, networks, security_groups,
            ..MachineTypeSpec::default()
        }
    }
}

prop_compose! {
    fn any_node()(
        os in of(Just(ubuntu())),
        flavor in of(word()),
        resources in of((of(amount()), of(amount()), of(amount()))),
        volumes in groups_of_volumes(),
        networks in network_choices(),
        security_groups in vec(word(), 0..2),
    ) -> TestNodeSpec {
        let resources = resources.map(|(vcpus, ram_mib, disk_gib)| Resources { vcpus, ram_mib, disk_gib });
        TestNodeSpec { os, flavor, resources, volumes, networks, security_groups, ..node() }
    }
}

/// A machine type that asks by minimums, with patterns that compile.
fn asking(requirements: &FlavorRequirements) -> MachineTypeSpec {
    let sound = |pattern: &String| PATTERNS[..5].contains(&pattern.as_str());
    let kept = |patterns: &[String]| patterns.iter().filter(|pattern| sound(pattern)).cloned().collect();
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
        && (asked.allow.is_empty() || asked.allow.iter().any(|text| whole(text)))
        && !asked.exclude.iter().any(|text| whole(text))
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
            Ok(chosen) => {
                prop_assert!(fits(chosen.what, &asked, &image));
                prop_assert_eq!(Some(key(chosen.what)), smallest);
            }
            Err(problem) => {
                prop_assert_eq!(problem.reason, "FlavorNotFound");
                prop_assert_eq!(smallest, None);
            }
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
        let exclude_images = vec!["never .*".to_owned()];
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

        prop_assert_ne!(reason, Some("CatalogueUnread"));
    }

    #[test]
    fn no_pattern_panics(pattern in "\\PC{0,40}", name in "\\PC{0,20}") {
        let machine = MachineTypeSpec { exclude_images: vec![pattern], ..machine() };
        let offered = [picture(&name)];

        let result = image(&machine, &ubuntu(), &offered);

        prop_assert!(result.is_ok() || !told(result).contains('\n'));
    }
}

fn picture_of_any_age() -> impl Strategy<Value = Image> {
    (word(), of(0_i64..9)).prop_map(|(name, created)| Image {
        id: "extra".into(),
        created: created.map(|second| jiff::Timestamp::from_second(second).unwrap()),
        ..picture(&name)
    })
}

fn rotate<T>(list: &mut [T], by: usize) {
    let middle = by.checked_rem(list.len()).unwrap_or(0);
    list.rotate_left(middle);
}
