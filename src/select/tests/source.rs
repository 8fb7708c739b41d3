//! Examples of images that MachineImages are copied from.

use super::*;
use crate::api::machine_image::{ImageSource, SourceSelection};

fn by(alter: impl FnOnce(&mut ImageSource)) -> ImageSource {
    let mut source = ImageSource { cloud: "lab".into(), ..ImageSource::default() };
    alter(&mut source);
    source
}

fn named(name: &str) -> ImageSource {
    by(|source| source.name = Some(name.into()))
}

fn newest(pattern: &str) -> ImageSource {
    by(|source| {
        source.name_regex = Some(pattern.to_owned().into());
        source.selection = SourceSelection::Newest;
    })
}

fn chosen(source: &ImageSource, images: &[Image]) -> Result<String, Problem> {
    super::source(source, images).map(|image| image.id.clone())
}

fn refused(source: &ImageSource, images: &[Image]) -> (Reason, String) {
    let problem = chosen(source, images).unwrap_err();
    (problem.reason, problem.message)
}

#[test]
fn an_active_image_of_the_project_is_found_by_id_name_and_expression() {
    let images = [picture("golden-1"), picture("other")];
    let id = by(|source| source.id = Some("id-other".into()));

    assert_eq!(chosen(&id, &images), Ok("id-other".into()));
    assert_eq!(chosen(&named("golden-1"), &images), Ok("id-golden-1".into()));
    assert_eq!(chosen(&newest("golden-.*"), &images), Ok("id-golden-1".into()));
}

#[test]
fn of_several_the_newest_is_taken_if_somebody_says_so_and_else_none() {
    let images = [made(picture("golden-1"), "01-01"), made(picture("golden-2"), "02-01")];
    let strict = by(|source| source.name_regex = Some("golden-.*".to_owned().into()));

    assert_eq!(chosen(&newest("golden-.*"), &images), Ok("id-golden-2".into()));
    let (reason, message) = refused(&strict, &images);
    assert_eq!(reason, Reason::ImageAmbiguous);
    assert!(message.contains("golden-1") && message.contains("selection: Newest"), "{message}");
}

#[test]
fn an_image_that_is_not_there_is_told_with_what_to_do() {
    let (reason, message) = refused(&named("golden"), &[picture("golden-1")]);

    assert_eq!(reason, Reason::SourceNotFound);
    assert!(message.contains("openstack server image create"), "{message}");
}

#[test]
fn an_image_of_another_project_is_not_taken_by_whatever_it_is_named() {
    let foreign = [Image { foreign: true, ..picture("golden") }];
    let id = by(|source| source.id = Some("id-golden".into()));

    assert_eq!(refused(&id, &foreign).0, Reason::SourceForbidden);
    assert_eq!(refused(&named("golden"), &foreign).0, Reason::SourceForbidden);
}

#[test]
fn one_that_is_deactivated_or_still_made_is_told_and_an_active_one_goes_first() {
    let with = |status: &str| Image { status: status.into(), ..picture("golden") };

    assert_eq!(refused(&named("golden"), &[with("deactivated")]).0, Reason::ImageDeactivated);
    assert_eq!(refused(&named("golden"), &[with("saving")]).0, Reason::SourceUnreachable);
    assert_eq!(refused(&named("golden"), &[with("killed")]).0, Reason::SourceNotFound);
    let active = Image { id: "a".into(), ..picture("golden") };
    assert_eq!(chosen(&named("golden"), &[with("saving"), active]), Ok("a".into()));
}

#[test]
fn what_a_machine_image_made_is_found_by_its_id_only() {
    let marked = [Image { marked: true, ..picture("golden") }];
    let id = by(|source| source.id = Some("id-golden".into()));

    assert_eq!(refused(&named("golden"), &marked).0, Reason::SourceNotFound);
    assert_eq!(refused(&newest(".*"), &marked).0, Reason::SourceNotFound);
    assert_eq!(chosen(&id, &marked), Ok("id-golden".into()));
}

#[test]
fn an_expression_that_cannot_be_read_is_told() {
    let (reason, message) = refused(&newest("golden-("), &[]);

    assert_eq!(reason, Reason::InvalidPattern);
    assert!(message.contains("source.image.nameRegex"), "{message}");
}
