//! Anything that can be asked, and anything that can be on offer.

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::api::common::Resources;
use crate::api::pattern::Pattern;

const WORDS: &[&str] =
    &["a", "b", "win-a", "ubuntu 22.04", "Ubuntu-22.04", "ubuntu 22.04 old", "line\nbreak", "", "ünï"];
/// The first five compile.
pub(super) const PATTERNS: &[&str] =
    &["a", ".*", "win-.*", "ubuntu.*", ".*old", "(", "a)|(b", "[", "(?x)a #", r"\w{60000}"];

fn word() -> impl Strategy<Value = String> {
    select(WORDS).prop_map(str::to_owned)
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0_i64..5, 1 => Just(-1), 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

pub(super) fn flavors_on_offer() -> impl Strategy<Value = Vec<Flavor>> {
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

pub(super) fn images_on_offer() -> impl Strategy<Value = Vec<Image>> {
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
                ..Image::default()
            })
            .collect()
    })
}

fn networks_on_offer() -> impl Strategy<Value = Vec<Network>> {
    let reach = select(&[Reach::Internal, Reach::External][..]);
    let owner = select(vec![Owner::Project, Owner::Other("p9".into())]);
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
                is_default: false,
            })
            .collect()
    })
}

pub(super) fn anything_on_offer() -> impl Strategy<Value = Offerings> {
    let groups = of(vec(word(), 0..4).prop_map(|names| {
        names.into_iter().enumerate().map(|(id, name)| group(&format!("g{id}"), &name)).collect()
    }));
    (flavors_on_offer(), images_on_offer(), networks_on_offer(), groups, of(vec(word(), 0..3))).prop_map(
        |(flavors, images, networks, security_groups, volume_types)| Offerings {
            flavors,
            images,
            networks,
            security_groups,
            server_groups: None,
            volume_types: volume_types.map(|names| {
                names.into_iter().map(|name| VolumeType { id: format!("t-{name}"), name }).collect()
            }),
            ..Offerings::default()
        },
    )
}

fn patterns() -> impl Strategy<Value = Vec<Pattern>> {
    let sound = select(&PATTERNS[..5]).prop_map(Pattern::from);
    let any = select(PATTERNS).prop_map(Pattern::from);
    prop_oneof![4 => vec(sound, 0..2), 1 => vec(any, 0..2)]
}

pub(super) fn requirements() -> impl Strategy<Value = FlavorRequirements> {
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

pub(super) fn image_rules() -> impl Strategy<Value = Vec<ImageRule>> {
    let properties = of(btree_map(select(&["k"][..]), select(&["v"][..]), 0..2));
    let regex = of(select(PATTERNS).prop_map(Pattern::from));
    let selection = select(&[Selection::Error, Selection::Newest, Selection::Oldest][..]);
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
    let pattern = of(select(&["a.*", ".*", "("][..]).prop_map(Pattern::from));
    let choice = (of(word()), of(word()), pattern, address, of(any::<bool>()), vec(word(), 0..2));
    vec(choice, 0..2).prop_map(|all| {
        let choice =
            |(id, name, name_regex, address, port_security, security_groups): (_, _, _, Option<_>, _, _)| {
                let fixed_ips = address.into_iter().collect();
                NetworkChoice {
                    id,
                    name,
                    name_regex,
                    fixed_ips,
                    port_security,
                    security_groups,
                    port_id: None,
                }
            };
        all.into_iter().map(choice).collect()
    })
}

prop_compose! {
    pub(super) fn any_machine()(
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
    pub(super) fn any_node()(
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

pub(super) fn picture_of_any_age() -> impl Strategy<Value = Image> {
    (word(), of(0_i64..9)).prop_map(|(name, created)| Image {
        id: "extra".into(),
        created: created.map(|second| jiff::Timestamp::from_second(second).unwrap()),
        ..picture(&name)
    })
}
