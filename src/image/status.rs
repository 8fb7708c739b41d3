//! What a MachineImage says of itself. Pure.

use jiff::Timestamp;

use super::plan::Waiting;
use super::state::Trouble;
use crate::api::MachineImageSpec;
use crate::api::machine_image::MachineImageStatus;
use crate::kubernetes::conditions::Conditions;
use crate::reason::Reason;

/// What is waited for, and where: in a cloud, or at the source.
pub type Waits = Vec<(Option<String>, Waiting)>;

/// The conditions of a MachineImage, and what its columns show.
pub fn tell(
    now: Timestamp,
    generation: Option<i64>,
    spec: &MachineImageSpec,
    going: bool,
    status: &mut MachineImageStatus,
    waits: &Waits,
) {
    let current = |cloud: &str| status.cloud(cloud).and_then(|here| here.current.as_ref());
    let without: Vec<&str> = spec
        .clouds
        .iter()
        .map(|cloud| cloud.name.as_str())
        .filter(|cloud| going || current(cloud).is_none())
        .collect();
    let behind: Vec<&str> = spec
        .clouds
        .iter()
        .map(|cloud| cloud.name.as_str())
        .filter(|cloud| {
            let has = current(cloud).map(|current| &current.id);
            let here = status.cloud(cloud).into_iter().flat_map(|here| &here.images);
            let version = here
                .filter(|record| Some(&record.id) == has)
                .map(|record| (&record.digest, &record.described))
                .next();
            version != status.wanted.as_ref().map(|wanted| (&wanted.digest, &wanted.described))
        })
        .collect();
    let told: Vec<(&Option<String>, &Trouble)> =
        waits.iter().map(|(at, wait)| (at, &wait.why)).filter(|(_, why)| !why.message.is_empty()).collect();
    // Old images that are still there are the least of it.
    let aside = |reason| matches!(reason, Reason::Retiring | Reason::ImageInUse);
    let worst = told.iter().find(|(_, why)| why.is_lasting());
    let worst = worst.or_else(|| told.iter().find(|(_, why)| !aside(why.reason))).or_else(|| told.first());
    let (reason, message) = match worst {
        Some((Some(cloud), why)) => (why.reason, format!("cloud {cloud}: {}", why.message)),
        Some((None, why)) => (why.reason, why.message.clone()),
        None if status.wanted.is_none() => {
            (Reason::LookingAtSource, "the source is being looked at".to_owned())
        }
        None => (Reason::Uploading, "it is being uploaded".to_owned()),
    };
    let stalled = told.iter().find(|(_, why)| why.is_lasting());
    let mut list = Conditions::new(&status.conditions, generation, now);
    if without.is_empty() {
        list.put("Ready", "True", Reason::Ready, "every cloud has a current image");
    } else {
        let message = format!("no current image in {}: {message}", without.join(", "));
        list.put("Ready", "False", reason, message);
    }
    if behind.is_empty() && !going {
        list.put("UpToDate", "True", Reason::Ready, "every cloud has the version that the source has");
    } else {
        list.put(
            "UpToDate",
            "False",
            reason,
            format!("not the newest version in {}: {message}", behind.join(", ")),
        );
    }
    let busy = !behind.is_empty() || going || told.iter().any(|(_, why)| !why.is_lasting());
    match stalled {
        Some((_, why)) => list.put("Stalled", "True", why.reason, &message),
        None => list.put("Stalled", "False", Reason::Ready, "nobody need act"),
    }
    if busy && stalled.is_none() {
        list.put("Reconciling", "True", reason, &message);
    } else {
        list.put("Reconciling", "False", Reason::Ready, "nothing is under way");
    }
    let conditions = list.into_vec();
    let ready = spec.clouds.len().saturating_sub(without.len());
    status.ready = Some(format!("{ready}/{}", spec.clouds.len()));
    status.conditions = conditions;
    status.observed_generation = generation;
}
