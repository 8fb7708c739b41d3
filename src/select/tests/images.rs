//! Examples of images.

use super::*;
use crate::api::machine_type::Visibility;
use crate::api::server::ImageRef;

fn chosen(machine: &MachineTypeSpec, images: &[Image]) -> Result<String, Problem> {
    image(machine, &ubuntu(), images).map(|choice| choice.why)
}

fn with_rule(rule: ImageRule) -> MachineTypeSpec {
    MachineTypeSpec { images: vec![rule], ..machine() }
}

#[test]
fn an_os_that_is_not_listed_is_found_by_its_name() {
    let cases: [(&[&str], &str); 4] = [
        (&["Debian 12", "Ubuntu 22.04"], "Ubuntu 22.04: name contains \"ubuntu 22.04\""),
        (&["UBUNTU-22.04-server"], "UBUNTU-22.04-server: name contains \"ubuntu-22.04\""),
        (&["ubuntu-22.04", "My Ubuntu 22.04 LTS"], "My Ubuntu 22.04 LTS: name contains \"ubuntu 22.04\""),
        (&["ubuntu 20.04", "kubuntu-22.04"], "kubuntu-22.04: name contains \"ubuntu-22.04\""),
    ];

    for (names, expected) in cases {
        let offered: Vec<Image> = names.iter().map(|name| picture(name)).collect();
        assert_eq!(chosen(&machine(), &offered).unwrap(), expected);
    }
}

#[test]
fn several_by_name_are_told_newest_first_with_the_cure() {
    let offered = [
        made(picture("ubuntu 22.04 a"), "01-02"),
        made(picture("ubuntu 22.04 b"), "03-04"),
        picture("Ubuntu 22.04"),
    ];

    assert_eq!(
        told(chosen(&machine(), &offered)),
        "ImageAmbiguous: ubuntu 22.04: 3 images whose name contains \"ubuntu 22.04\": ubuntu 22.04 b (id-ubuntu 22.04 b, \
         2026-03-04T00:00:00Z), ubuntu 22.04 a (id-ubuntu 22.04 a, 2026-01-02T00:00:00Z), Ubuntu 22.04 (id-Ubuntu \
         22.04, unknown); under the machine type's images give the id, or nameRegex and selection: Newest"
    );
}

#[test]
fn of_many_candidates_five_are_told() {
    let offered: Vec<Image> =
        (1..=7).map(|day| made(picture(&format!("ubuntu 22.04 {day}")), &format!("01-0{day}"))).collect();

    let said = told(chosen(&machine(), &offered));

    assert!(
        said.contains("7 images") && said.contains(" and 2 more; ") && !said.contains("ubuntu 22.04 2"),
        "{said}"
    );
}

#[test]
fn a_rule_finds_by_id_name_regex_or_properties() {
    let tagged = Image {
        properties: [("os".into(), "u".into()), ("v".into(), "1".into())].into(),
        ..picture("tagged")
    };
    let offered = [picture("one"), picture("golden-7"), tagged, picture("Ubuntu 22.04")];
    let asked = |key: &str, value: &str| Some([(key.to_owned(), value.to_owned())].into());
    let cases = [
        (ImageRule { id: Some("id-one".into()), ..rule(ubuntu()) }, "one: id is id-one"),
        (ImageRule { name: Some("one".into()), ..rule(ubuntu()) }, "one: name is \"one\""),
        (
            ImageRule { name_regex: Some("golden-[0-9]".into()), ..rule(ubuntu()) },
            "golden-7: name matches `golden-[0-9]`",
        ),
        (ImageRule { properties: asked("os", "u"), ..rule(ubuntu()) }, "tagged: properties have os=u"),
    ];

    for (rule, expected) in cases {
        assert_eq!(chosen(&with_rule(rule), &offered).unwrap(), expected);
    }
    let half = Some([("os".into(), "u".into()), ("v".into(), "2".into())].into());
    let misses = [
        ImageRule { id: Some("one".into()), ..rule(ubuntu()) },
        ImageRule { name: Some("On".into()), ..rule(ubuntu()) },
        ImageRule { name_regex: Some("golden".into()), ..rule(ubuntu()) },
        ImageRule { properties: asked("os", "v"), ..rule(ubuntu()) },
        ImageRule { properties: half, ..rule(ubuntu()) },
    ];
    for rule in misses {
        let said = told(chosen(&with_rule(rule), &offered));
        assert!(
            said.starts_with("ImageNotFound: ubuntu 22.04: the cloud has no active image whose "),
            "{said}"
        );
    }
}

#[test]
fn a_rule_is_for_exactly_one_os() {
    let other = Os { version: "22.0".into(), ..ubuntu() };
    let machine = with_rule(ImageRule { id: Some("id-one".into()), ..rule(other) });

    let why = chosen(&machine, &[picture("one"), picture("Ubuntu 22.04")]).unwrap();

    assert_eq!(why, "Ubuntu 22.04: name contains \"ubuntu 22.04\"");
}

#[test]
fn newest_takes_the_newest_and_error_takes_none() {
    let unknown = Image { id: "0".into(), ..picture("golden") };
    let offered = [
        made(picture("golden"), "01-02"),
        unknown,
        made(Image { id: "new".into(), ..picture("golden") }, "03-04"),
    ];
    let rule = ImageRule { name: Some("golden".into()), user: Some("root".into()), ..rule(ubuntu()) };
    let newest = with_rule(ImageRule { selection: Selection::Newest, ..rule.clone() });

    let choice = image(&newest, &ubuntu(), &offered).unwrap();

    assert_eq!((choice.what.image.id.as_str(), choice.what.user), ("new", Some("root")));
    assert_eq!(choice.why, "golden: newest of 3, name is \"golden\"");
    assert!(told(chosen(&with_rule(rule), &offered)).starts_with("ImageAmbiguous: "));
}

#[test]
fn an_excluded_or_inactive_image_is_never_taken_and_is_told() {
    let queued = Image { status: "queued".into(), ..picture("Ubuntu 22.04") };
    let machine = MachineTypeSpec {
        exclude_images: vec![".*rescue.*".into()],
        images: vec![ImageRule { id: Some("id-rescue".into()), ..rule(Os { kind: "r".into(), ..ubuntu() }) }],
        ..machine()
    };
    let offered = [queued, picture("rescue ubuntu 22.04"), picture("rescue")];

    assert_eq!(
        told(chosen(&machine, &offered)),
        "ImageNotFound: ubuntu 22.04: the cloud has no active image whose name contains \"ubuntu 22.04\" or \
         \"ubuntu-22.04\", but for Ubuntu 22.04 (status queued), rescue ubuntu 22.04 (excluded by `.*rescue.*`); upload \
         one, or say under the machine type's images which image it is"
    );
    let said = told(image(&machine, &Os { kind: "r".into(), ..ubuntu() }, &offered));
    assert!(said.contains("whose id is id-rescue, but for rescue (excluded by `.*rescue.*`);"), "{said}");
}

#[test]
fn exclusion_must_match_the_whole_name() {
    let machine = MachineTypeSpec { exclude_images: vec!["Ubuntu".into(), "22.04".into()], ..machine() };

    assert!(chosen(&machine, &[picture("Ubuntu 22.04")]).is_ok());
}

#[test]
fn no_properties_are_not_every_image() {
    let any = ImageRule { properties: Some([].into()), selection: Selection::Newest, ..rule(ubuntu()) };

    let why = chosen(&with_rule(any), &[made(picture("Windows"), "01-01"), picture("Ubuntu 22.04")]).unwrap();

    assert_eq!(why, "Ubuntu 22.04: name contains \"ubuntu 22.04\"");
}

#[test]
fn a_pattern_that_does_not_compile_is_named_with_its_field() {
    let exclude = MachineTypeSpec { exclude_images: vec!["*".into()], ..machine() };
    let regex = with_rule(ImageRule { name_regex: Some("*".into()), ..rule(ubuntu()) });

    for (machine, field) in [(exclude, "excludeImages[0]"), (regex, "images[0].nameRegex")] {
        let said = told(chosen(&machine, &[]));
        let start = format!(
            "InvalidPattern: the machine type's {field} `*` is not valid: repetition operator missing "
        );
        assert!(said.starts_with(&start), "{said}");
    }
}

#[test]
fn an_image_that_no_list_has_is_taken_by_its_id_only() {
    let hidden = Image { unlisted: true, ..picture("Ubuntu 22.04") };
    let by_id = with_rule(ImageRule { id: Some("id-Ubuntu 22.04".into()), ..rule(ubuntu()) });

    assert!(chosen(&by_id, std::slice::from_ref(&hidden)).is_ok());
    assert!(told(chosen(&machine(), &[hidden])).starts_with("ImageNotFound: "));
    assert_eq!(
        told(chosen(&by_id, &[])),
        "ImageNotFound: ubuntu 22.04: the cloud has no active image whose id is id-Ubuntu 22.04; Glance shows this project \
         no image of this id; share it with the project, or give another id"
    );
}

fn owned(owner: &str, visibility: &str, image: Image) -> Image {
    Image { id: format!("{}-{owner}", image.id), owner: owner.into(), visibility: visibility.into(), ..image }
}

#[test]
fn of_several_the_oldest_is_taken_if_the_rule_says_so_and_one_without_an_age_is_the_last_choice() {
    let offered = [
        picture("golden"),
        made(Image { id: "new".into(), ..picture("golden") }, "03-04"),
        made(Image { id: "old".into(), ..picture("golden") }, "01-02"),
    ];
    let oldest = ImageRule { name: Some("golden".into()), selection: Selection::Oldest, ..rule(ubuntu()) };
    let machine = with_rule(oldest);

    let choice = image(&machine, &ubuntu(), &offered).unwrap();

    assert_eq!(choice.what.image.id, "old");
    assert_eq!(choice.why, "golden: oldest of 3, name is \"golden\"");
    assert_eq!(image(&machine, &ubuntu(), &offered[..2]).unwrap().what.image.id, "new");
}

#[test]
fn a_rule_can_ask_for_an_owner_a_visibility_and_an_age() {
    let offered = [
        made(owned("lab", "private", picture("golden")), "01-02"),
        made(owned("lab", "shared", picture("golden")), "03-04"),
        made(owned("stranger", "shared", picture("golden")), "05-06"),
    ];
    let newest = || ImageRule { name: Some("golden".into()), selection: Selection::Newest, ..rule(ubuntu()) };
    let cases = [
        (newest(), "id-golden-stranger", 2),
        (ImageRule { owner: Some("lab".into()), ..newest() }, "id-golden-lab", 1),
        (ImageRule { visibility: Some(Visibility::Private), ..newest() }, "id-golden-lab", 0),
        (ImageRule { min_created: Some("2026-02-01T00:00:00Z".into()), ..newest() }, "id-golden-stranger", 2),
    ];
    for (rule, id, index) in cases {
        let machine = with_rule(rule);
        let choice = image(&machine, &ubuntu(), &offered).unwrap();
        assert_eq!((choice.what.image.id.as_str(), choice.what.image), (id, &offered[index]));
    }

    let young = ImageRule {
        owner: Some("lab".into()),
        min_created: Some("2026-04-01T00:00:00+01:00".into()),
        ..newest()
    };
    let said = told(chosen(&with_rule(young), &offered));
    assert!(said.contains("owner is lab, made at 2026-03-31T23:00:00Z or later"), "{said}");
}

#[test]
fn an_age_that_is_no_time_is_told() {
    let odd = ImageRule { min_created: Some("2026-13-41T00:00:00Z".into()), ..rule(ubuntu()) };

    let said = told(chosen(&with_rule(odd), &[picture("Ubuntu 22.04")]));

    assert!(said.starts_with("InvalidPattern: the machine type's images[0].minCreated"), "{said}");
}

#[test]
fn the_projects_own_image_goes_first_then_a_public_one_and_what_another_project_shares_only_if_somebody_says_so()
 {
    let own = owned("lab", "private", picture("Ubuntu 22.04"));
    let foreign =
        |owner, visibility| Image { foreign: true, ..owned(owner, visibility, picture("Ubuntu 22.04")) };
    let (public, shared) = (foreign("cloud", "public"), made(foreign("stranger", "shared"), "05-05"));
    let newest =
        ImageRule { name: Some("Ubuntu 22.04".into()), selection: Selection::Newest, ..rule(ubuntu()) };
    let taken = |machine: &MachineTypeSpec, offered: &[Image]| {
        image(machine, &ubuntu(), offered).map(|choice| choice.what.image.owner.clone())
    };

    for machine in [machine(), with_rule(newest.clone())] {
        assert_eq!(taken(&machine, &[public.clone(), shared.clone(), own.clone()]).unwrap(), "lab");
        assert_eq!(taken(&machine, &[public.clone(), shared.clone()]).unwrap(), "cloud");
        let said = told(taken(&machine, std::slice::from_ref(&shared)));
        assert!(said.starts_with("ImageNotFound: ") && said.contains("which share them"), "{said}");
    }
    let says_so = ImageRule { owner: Some("stranger".into()), ..newest };
    assert_eq!(taken(&with_rule(says_so), &[public.clone(), shared.clone()]).unwrap(), "stranger");
    let named = MachineTypeSpec { image: by_name("Ubuntu 22.04"), ..machine() };
    let booted = |offered: &[Image]| {
        boot_image(&named, &node(), offered).map(|choice| choice.what.image.owner.clone())
    };
    assert_eq!(booted(&[shared.clone(), public.clone(), own]).unwrap(), "lab");
    assert_eq!(booted(&[shared.clone(), public]).unwrap(), "cloud");
    assert!(told(booted(&[shared])).contains("which share them"));
}

#[test]
fn a_community_image_is_taken_by_its_id_or_by_a_rule_that_says_so_and_never_else() {
    let theirs = owned("stranger", "community", picture("Ubuntu 22.04"));
    let offered = [Image { community: true, ..theirs }];
    let asks = ImageRule { visibility: Some(Visibility::Community), ..rule(ubuntu()) };
    let by_id = ImageRule { id: Some("id-Ubuntu 22.04-stranger".into()), ..rule(ubuntu()) };

    assert!(chosen(&machine(), &offered).is_err());
    assert!(chosen(&with_rule(asks), &offered).is_ok());
    assert!(chosen(&with_rule(by_id), &offered).is_ok());
}

#[expect(clippy::unnecessary_wraps, reason = "as the field takes it")]
fn by_name(name: &str) -> Option<ImageRef> {
    Some(ImageRef { id: None, name: Some(name.into()) })
}

#[expect(clippy::unnecessary_wraps, reason = "as the field takes it")]
fn by_id(id: &str) -> Option<ImageRef> {
    Some(ImageRef { id: Some(id.into()), name: None })
}

fn booted(machine: &MachineTypeSpec, node: &TestNodeSpec, images: &[Image]) -> Result<String, Problem> {
    boot_image(machine, node, images).map(|choice| choice.why)
}

#[test]
fn the_nodes_image_goes_before_the_types_and_that_before_the_operating_systems() {
    let offered = [picture("Ubuntu 22.04"), picture("golden"), picture("mine"), picture("debian 12")];
    let typed = MachineTypeSpec { image: by_name("golden"), ..machine() };
    let own = TestNodeSpec { image: by_id("id-mine"), ..node() };
    let debian = Os { kind: "debian".into(), version: "12".into() };
    let other = TestNodeSpec { os: Some(debian), ..node() };
    let same = TestNodeSpec { os: Some(ubuntu()), ..node() };

    assert_eq!(booted(&typed, &own, &offered).unwrap(), "mine: named by spec.image");
    assert_eq!(booted(&typed, &node(), &offered).unwrap(), "golden: named by the machine type's image");
    assert_eq!(booted(&typed, &same, &offered).unwrap(), "golden: named by the machine type's image");
    assert_eq!(booted(&typed, &other, &offered).unwrap(), "debian 12: name contains \"debian 12\"");
    assert_eq!(
        booted(&machine(), &node(), &offered).unwrap(),
        "Ubuntu 22.04: name contains \"ubuntu 22.04\""
    );
}

#[test]
fn with_an_image_nobody_need_say_the_operating_system() {
    let typed = MachineTypeSpec { image: by_name("golden"), default_os: None, ..machine() };
    let offered = Offerings { images: vec![picture("golden")], ..offerings() };

    let resolved = resolve(&typed, &node(), &offered).unwrap();

    assert_eq!((resolved.image.name.as_str(), resolved.os), ("golden", None));
}

#[test]
fn an_image_that_a_node_names_is_held_against_the_types_patterns() {
    let typed = MachineTypeSpec { exclude_images: vec!["win.*".into()], ..machine() };
    let offered = [picture("windows")];

    for image in [by_name("windows"), by_id("id-windows")] {
        let said = told(booted(&typed, &TestNodeSpec { image, ..node() }, &offered));
        assert!(
            said.starts_with("NotAllowed: spec.image: MachineType vps does not allow image windows"),
            "{said}"
        );
    }
}

#[test]
fn an_image_that_is_not_there_or_not_one_is_told_with_the_cure() {
    let offered = [
        picture("twice"),
        made(Image { id: "other".into(), ..picture("twice") }, "01-02"),
        Image { status: "deactivated".into(), ..picture("off") },
        Image { unlisted: true, ..picture("hidden") },
    ];
    for (image, words) in [
        (by_name("nope"), "ImageNotFound: spec.image: the cloud lists no active image of the name nope"),
        (by_name("hidden"), "give the id of one that is hidden"),
        (by_id("nope"), "ImageNotFound: spec.image: Glance shows this project no image of the id nope"),
        (by_name("off"), "its status is deactivated"),
        (
            by_name("twice"),
            "ImageAmbiguous: spec.image: 2 images have the name twice: twice (other, 2026-01-02",
        ),
    ] {
        let said = told(booted(&machine(), &TestNodeSpec { image, ..node() }, &offered));
        assert!(said.contains(words), "{said}");
    }
    let hidden = TestNodeSpec { image: by_id("id-hidden"), ..node() };
    assert_eq!(booted(&machine(), &hidden, &offered).unwrap(), "hidden: named by spec.image");
}
