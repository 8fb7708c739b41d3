//! A look at the source of a MachineImage: which version it has now, and where its bytes are.

use std::time::Duration;

use kube::ResourceExt as _;
use tokio::time::timeout;
use url::Url;

use super::desk::{Desk, reason};
use super::golden;
use super::refresh::{self, Found, FoundAt};
use super::source::{self, InImage, Place, Reader, Wish};
use super::state::{Standing, Trouble};
use super::web;
use crate::api::MachineImage;
use crate::api::machine_image::{ImageSource, MachineImageStatus, SourceImage, UrlSource};
use crate::catalogue::offered_image;
use crate::openstack::image::Image;
use crate::openstack::{self, ImageId, ProjectId, Session};
use crate::reason::Reason;
use crate::select;

/// A look at a file takes no longer: the clouds wait for it.
const HEAD: Duration = Duration::from_secs(90);
/// The longest URL that a status takes.
const LONGEST_URL: usize = 2048;

/// Looks.
///
/// # Errors
/// Why the source cannot be used.
pub async fn look(desk: &Desk, image: &MachineImage, status: &MachineImageStatus) -> Result<Found, Trouble> {
    let spec = &image.spec;
    let (digest, at, place) = match (&spec.source.url, &spec.source.image) {
        (Some(url), _) => file(desk, url).await?,
        (None, Some(source)) => golden(desk, image, source, status).await?,
        (None, None) => {
            return Err(Trouble::new(Reason::SourceNotFound, "give source.url or source.image"));
        }
    };
    let described = refresh::described(spec);
    if status.known(&digest, &described).is_some() {
        return Ok(Found { digest, at, head: None });
    }
    let wish = Wish { place, digest: digest.clone(), format: spec.format, max_size_gib: spec.max_size_gib };
    let opened = timeout(HEAD, Reader::open(&desk.web, &desk.line, &wish)).await.map_err(|_| {
        let message = "its first bytes did not come within 90 seconds: the server is slow, or another file is being decompressed";
        Trouble::new(Reason::SourceUnreachable, message)
    })?;
    let head = opened?.head;
    Ok(Found { digest, at, head: Some(head) })
}

/// A file on a web server.
async fn file(desk: &Desk, source: &UrlSource) -> Result<(String, FoundAt, Place), Trouble> {
    let parsed = |url: &str| {
        url.parse::<Url>().map_err(|_| {
            Trouble::new(Reason::SourceNotFound, "a URL of the source cannot be read as one; correct it")
        })
    };
    // A star is no character of a URL that is asked for.
    let wanted = parsed(&source.url)?;
    let (digest, url) = match (&source.checksum, &source.checksum_url) {
        (Some(checksum), _) => (checksum.clone(), wanted),
        (None, Some(list)) => {
            let sum = source::look_up(&desk.web, parsed(list)?, &wanted).await?;
            let mut url = wanted;
            if web::file(&url).contains('*')
                && let Ok(mut path) = url.path_segments_mut()
            {
                path.pop().push(&sum.name);
            }
            if url.as_str().len() > LONGEST_URL {
                let message =
                    "the name in the list makes a URL that is too long; give the URL of another list";
                return Err(Trouble::new(Reason::ChecksumNotFound, message));
            }
            (sum.digest, url)
        }
        (None, None) => {
            let message = "give source.url.checksum or checksumURL: without a digest there is no version";
            return Err(Trouble::new(Reason::ChecksumNotFound, message));
        }
    };
    Ok((digest, FoundAt::Url(url.to_string()), Place::Url(url)))
}

/// An image in a cloud.
async fn golden(
    desk: &Desk,
    of: &MachineImage,
    source: &ImageSource,
    status: &MachineImageStatus,
) -> Result<(String, FoundAt, Place), Trouble> {
    let (session, project, _) = reach(desk, &source.cloud, status).await?;
    let unread =
        |error: &openstack::Error| in_source(&source.cloud, &Trouble::new(reason(error), error.to_string()));
    let images = match &source.id {
        Some(id) => match session.image().image(&ImageId(id.clone())).await {
            Ok(image) => vec![image],
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(unread(&error)),
        },
        None => session.image().owned(&project).await.map_err(|error| unread(&error))?,
    };
    let chosen = choose(source, images, &ProjectId(project)).and_then(|image| {
        Ok((golden::digest(&image, of.spec.format, &of.uid().unwrap_or_default())?, image))
    });
    let (digest, image) = chosen.map_err(|trouble| in_source(&source.cloud, &trouble))?;
    let at = FoundAt::Image {
        image: SourceImage { cloud: source.cloud.clone(), id: image.id.0.clone() },
        min_disk_gib: image.min_disk_gib.into(),
        min_ram_mib: image.min_ram_mib.into(),
    };
    Ok((digest, at, Place::Image(InImage { cloud: source.cloud.clone(), session, id: image.id })))
}

fn choose(source: &ImageSource, mut images: Vec<Image>, project: &ProjectId) -> Result<Image, Trouble> {
    let offered: Vec<select::Image> =
        images.iter().map(|image| offered_image(image.clone(), project)).collect();
    let chosen = select::source(source, &offered);
    let chosen = chosen.map_err(|problem| Trouble::new(problem.reason, problem.message))?;
    let at = images.iter().position(|image| image.id.0 == chosen.id).unwrap_or_default();
    Ok(images.swap_remove(at))
}

/// The way to a cloud that has a source: its session, its project, and bytes a second at most.
///
/// # Errors
/// Why it cannot be asked.
pub(super) async fn reach(
    desk: &Desk,
    cloud: &str,
    status: &MachineImageStatus,
) -> Result<(Session, String, Option<u64>), Trouble> {
    let pinned = status.cloud(cloud).and_then(|here| here.project_id.as_deref());
    let reached = desk.reach(cloud, pinned).await;
    match (reached.standing, reached.session) {
        (Standing::Away(trouble), _) => Err(in_source(cloud, &trouble)),
        (Standing::Up | Standing::Drained, Some(session)) => Ok((session, reached.project, reached.rate)),
        (Standing::Up | Standing::Drained, None) => {
            Err(in_source(cloud, &Trouble::new(Reason::CloudUnreachable, "not logged in yet")))
        }
    }
}

fn in_source(cloud: &str, trouble: &Trouble) -> Trouble {
    Trouble::new(trouble.reason, format!("source.image in cloud {cloud}: {}", trouble.message))
}
