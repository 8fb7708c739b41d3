//! Whether the wish to abandon what a node has in a cloud is honoured: only while that cloud is lost to us.

use kube::ResourceExt;

use crate::api::{ABANDON, TestNode};
use crate::clouds::{Handle, Login};
use crate::reconcile::context::Context;
use crate::reconcile::state::{Abandon, Standing};

/// What is to be said to the wish, if there is one and it can be judged.
pub(super) fn asked(
    ctx: &Context,
    node: &TestNode,
    uid: &str,
    cloud: &str,
    standing: &Standing,
) -> Option<Abandon> {
    let going = node.metadata.deletion_timestamp.is_some();
    node.annotations().get(ABANDON).filter(|reason| going && !reason.trim().is_empty())?;
    let handle = ctx.clouds.find(cloud);
    let answered = ctx.note(uid, |notes| notes.abandon.get(cloud).copied());
    let recorded = handle.as_ref().map(|handle| handle.abandoned.has(uid));
    Some(match (judge(handle.as_deref(), standing)?, answered, recorded) {
        (Verdict::Usable(why), Some(false), _) => Abandon::RefusalTold(why),
        (Verdict::Usable(why), Some(true) | None, _) => Abandon::Refused(why),
        // Without a Cloud there is only the event.
        (Verdict::Lost, _, Some(true)) | (Verdict::Lost, Some(true), None) => Abandon::Recorded,
        (Verdict::Lost, Some(true), Some(false)) => Abandon::Recording,
        (Verdict::Lost, Some(false) | None, Some(false) | None) => Abandon::Honoured,
    })
}

enum Verdict {
    /// It is gone, cannot be logged in to, or opens another project.
    Lost,
    /// It is not, and this is how it stands.
    Usable(String),
}

fn judge(handle: Option<&Handle>, standing: &Standing) -> Option<Verdict> {
    let Some(handle) = handle else { return Some(Verdict::Lost) };
    let usable = |why: &str| Some(Verdict::Usable(why.to_owned()));
    if matches!(standing, Standing::Away(problem) if problem.reason == "ClusterIDChanged") {
        return usable("the cloud is there; start the operator with the cluster id of what is in it");
    }
    match (&handle.config().login, standing) {
        // Not looked at yet.
        (Login::Pending, _) | (Login::In(_), Standing::Unseen) => None,
        (Login::Refused(_), _) => Some(Verdict::Lost),
        (Login::In(_), Standing::Away(problem)) if problem.reason == "ProjectChanged" => Some(Verdict::Lost),
        (Login::In(_), Standing::Away(_)) if handle.is_silent() => Some(Verdict::Lost),
        (Login::In(_), Standing::Away(_)) => usable(
            "the cloud can be logged in to, and some of it answers; what is there goes when all of it does",
        ),
        (Login::In(_), Standing::Seen) => {
            usable("the cloud can be asked, and what is there is being deleted")
        }
    }
}
