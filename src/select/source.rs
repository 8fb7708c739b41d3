//! The image that a MachineImage is copied from: an active one that the project of its Cloud owns.

use super::Problem;
use super::image::{Found, Search, newest_first, told};
use super::offerings::Image;
use crate::api::machine_image::{ImageSource, SourceSelection};
use crate::reason::Reason;

/// What Glance calls an image whose data is still to come.
const COMING: [&str; 4] = ["queued", "saving", "uploading", "importing"];

/// The image that `source.image` names, among all that its Cloud's project owns.
///
/// # Errors
/// `InvalidPattern`, `ImageAmbiguous`, `ImageDeactivated`, `SourceForbidden`, `SourceNotFound` or `SourceUnreachable`.
pub fn source<'a>(source: &ImageSource, images: &'a [Image]) -> Result<&'a Image, Problem> {
    let all: Vec<&Image> = images.iter().collect();
    let Found { images: found, how } = search(source)?.among(&all);
    let (mut own, foreign): (Vec<&Image>, Vec<&Image>) = found.into_iter().partition(|image| !image.foreign);
    own.sort_by(|a, b| newest_first(a).cmp(&newest_first(b)));
    let (active, others): (Vec<&Image>, Vec<&Image>) =
        own.into_iter().partition(|image| image.status == "active");
    match (active.as_slice(), source.selection) {
        ([], _) => Err(none(&how, &others, &foreign)),
        ([image], _) | ([image, ..], SourceSelection::Newest) => Ok(image),
        (several, SourceSelection::Error) => Err(Problem::new(
            Reason::ImageAmbiguous,
            format!(
                "{} images whose {how}: {}; give the id under source.image, or set its selection: Newest",
                several.len(),
                told(several)
            ),
        )),
    }
}

fn search(source: &ImageSource) -> Result<Search<'_>, Problem> {
    if let Some(id) = &source.id {
        return Ok(Search::Id(id));
    }
    if let Some(name) = &source.name {
        return Ok(Search::Name(name));
    }
    let Some(pattern) = &source.name_regex else {
        let message = "source.image names no image; give its id, name or nameRegex";
        return Err(Problem::new(Reason::SourceNotFound, message));
    };
    let regex = pattern.regex().map_err(|cause| {
        let text = pattern.text();
        let message =
            format!("source.image.nameRegex `{text}` is not valid: {cause}; correct the regular expression");
        Problem::new(Reason::InvalidPattern, message)
    })?;
    Ok(Search::Regex(pattern.text(), regex))
}

/// No active image of the project's own fits: what comes nearest is told.
fn none(how: &str, others: &[&Image], foreign: &[&Image]) -> Problem {
    if let Some(Image { id, name, .. }) = others.iter().find(|image| image.status == "deactivated") {
        let message = format!(
            "image {name} ({id}) was deactivated by somebody: activate it again (openstack image set --activate {id}), or name \
             another under source.image"
        );
        return Problem::new(Reason::ImageDeactivated, message);
    }
    if let Some(image) = others.iter().find(|image| COMING.contains(&image.status.as_str())) {
        let message = format!(
            "image {} ({}) is not active yet (status {}); it is looked at again",
            image.name, image.id, image.status
        );
        return Problem::new(Reason::SourceUnreachable, message);
    }
    if !foreign.is_empty() {
        let message = format!(
            "these images belong to another project: {}; name an image that the project of the Cloud owns",
            told(foreign)
        );
        return Problem::new(Reason::SourceForbidden, message);
    }
    let message = format!(
        "the project has no active image whose {how}; make one (openstack server image create), or correct source.image"
    );
    Problem::new(Reason::SourceNotFound, message)
}
