//! Examples of images.

use super::*;

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
