//! Whether the wish to abandon what a node has in a cloud is honoured: only while that cloud is lost to us.

use super::{Known, Place};
use crate::clouds::Login;
use crate::reason::Reason;
use crate::reconcile::state::{Abandon, Standing};

/// What is to be said to the wish, if there is one and it can be judged.
pub(super) fn asked(known: &Known<'_>, cloud: &str, standing: &Standing) -> Option<Abandon> {
    if !(known.abandon && known.deleting) {
        return None;
    }
    let place = known.clouds.get(cloud);
    let answered = known.notes.abandon.get(cloud).copied();
    let recorded = place.map(|place| place.recorded);
    Some(match (judge(place, standing)?, answered, recorded) {
        (Verdict::Usable(why), Some(false), _) => Abandon::RefusalTold(why),
        (Verdict::Usable(why), Some(true) | None, _) => Abandon::Refused(why),
        // Without a Cloud there is only the event.
        (Verdict::Lost, _, Some(true)) | (Verdict::Lost, Some(true), None) => Abandon::Recorded,
        (Verdict::Lost, Some(true), Some(false)) => Abandon::Recording,
        (Verdict::Lost, Some(false) | None, Some(false) | None) => Abandon::Honoured,
    })
}

enum Verdict {
    /// The cloud does not exist, cannot be logged in to, or opens another project.
    Lost,
    /// It can be used, and this is how it stands.
    Usable(String),
}

fn judge(place: Option<&Place<'_>>, standing: &Standing) -> Option<Verdict> {
    let Some(place) = place else { return Some(Verdict::Lost) };
    let usable = |why: &str| Some(Verdict::Usable(why.to_owned()));
    if matches!(standing, Standing::Away(problem) if problem.reason == Reason::ClusterIDChanged) {
        return usable("the cloud is there; start the operator with the cluster id of what is in it");
    }
    match (place.login, standing) {
        // Not looked at yet.
        (Login::Pending, _) | (Login::In(_), Standing::Unseen) => None,
        (Login::Refused(_), _) => Some(Verdict::Lost),
        (Login::In(_), Standing::Away(problem)) if problem.reason == Reason::ProjectChanged => {
            Some(Verdict::Lost)
        }
        (Login::In(_), Standing::Away(_)) if place.state.is_silent() => Some(Verdict::Lost),
        (Login::In(_), Standing::Away(_)) => usable(
            "the cloud can be logged in to, and some of it answers; what is there is deleted once all of it does",
        ),
        (Login::In(_), Standing::Seen) => {
            usable("the cloud can be asked, and what is there is being deleted")
        }
    }
}
