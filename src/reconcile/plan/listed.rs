//! Waits for a list of what there is: it shows what became of a request, and comes before the next one.

use super::Step;
use super::pause::clock;
use crate::reason::Reason;
use crate::reconcile::state::{CloudView, Kind, Observed, Trouble};

/// A request that could have been sent again so long ago is not what the list is for.
const RECENT: jiff::SignedDuration = jiff::SignedDuration::from_secs(15);

/// Waits for the next list of one kind of thing. Where lists fail, or a request was refused before, it says so, in the
/// words of the cloud.
pub(super) fn await_list(seen: &Observed, view: &CloudView, cloud: &str, kind: Kind, reason: Reason) -> Step {
    let what = format!("the {}s in cloud {cloud}", kind.word());
    if let Some(failing) = view.failing.get(kind) {
        let again = clock(failing.retry_at);
        let message = format!("{what} cannot be listed: {}; tried again at {again}", failing.problem.message);
        return Step::look(failing.problem.reason, message, cloud, kind);
    }
    let recent = |trouble: &&Trouble| trouble.retry_at.duration_since(seen.now) > -RECENT;
    let refused = seen.troubles.iter().filter(|trouble| trouble.key.changes() == Some(kind));
    let refused = refused.filter(recent);
    match refused.max_by_key(|trouble| trouble.retry_at) {
        Some(trouble) => {
            let message = format!("{}; {what} are listed, to see what came of it", trouble.message);
            Step::look(trouble.reason, message, cloud, kind)
        }
        None => Step::look(reason, format!("{what} are listed, to see all that was changed"), cloud, kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::Waiting;
    use crate::reconcile::state::examples::ago;
    use crate::reconcile::state::{Failing, Problem, RequestKey, Verdict};

    fn says(seen: &Observed) -> (Reason, String) {
        let step = await_list(seen, &seen.clouds["lab"], "lab", Kind::Server, Reason::LookingAround);
        let Step::Wait(Waiting { reason, message, .. }) = step else { panic!("{step:?}") };
        (reason, message)
    }

    #[test]
    fn a_list_that_fails_is_told_in_the_words_of_the_cloud() {
        let problem = Problem { reason: Reason::RateLimited, message: "Nova answered 429".into() };
        let failing = Failing { problem, retry_at: ago(-10) };
        let seen = Observed::held().in_lab(|view| view.failing.server = Some(failing));

        let (reason, message) = says(&seen);

        assert_eq!(reason, Reason::RateLimited);
        assert_eq!(
            message,
            "the servers in cloud lab cannot be listed: Nova answered 429; tried again at 00:16:50Z"
        );
    }

    #[test]
    fn the_request_whose_end_is_looked_for_is_told() {
        let trouble = Trouble {
            key: RequestKey::CreateServer,
            verdict: Verdict::Passing,
            reason: Reason::CloudUnreachable,
            message: "create server: no answer".into(),
            since: ago(1),
            failures: 1,
            retry_at: ago(0),
        };

        let (reason, message) = says(&Observed::held().with_trouble(trouble));

        assert_eq!(reason, Reason::CloudUnreachable);
        assert!(
            message.starts_with("create server: no answer; the servers in cloud lab are listed"),
            "{message}"
        );
        assert_eq!(says(&Observed::held()).0, Reason::LookingAround);
    }
}
