//! The rule of `BRING_UP` for a look at the console that somebody asked for with `spec.consoleRequest`.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::pause::is_paused;
use super::{MemoryChange, Question, Step};
use crate::api::testnode_status::ConsoleFacts;
use crate::reconcile::state::{Desired, Observed, Presence, Standing};

/// A node's console is shown at most once in this time.
const AT_MOST_EVERY: Duration = Duration::from_secs(5);

/// Answers each new value of `spec.consoleRequest` once, whatever else the node does. It changes nothing in the cloud, so it
/// holds up no other rule: what cannot be answered now is left for later.
pub(super) fn answer_console_request(desired: &Desired, seen: &Observed) -> Option<Step> {
    let request = unanswered(desired, seen)?;
    if let Some(read) = seen.console.as_ref().filter(|read| read.request == *request) {
        return Some(record(hidden(read, desired)));
    }
    if console_due_in(desired, seen)? > Duration::ZERO {
        return None;
    }
    let no = |problem: &str| {
        let problem = Some(problem.to_owned());
        record(ConsoleFacts { request: request.clone(), at: Time(seen.now), text: String::new(), problem })
    };
    if let Some(forbidden) = &desired.console_forbidden {
        return Some(no(forbidden));
    }
    let Some(attempt) = seen.memory.last() else { return Some(no("the node has no machine yet")) };
    let machine = seen.machine_of(attempt)?;
    if machine.view.standing != Standing::Seen {
        return None;
    }
    let Some(server) = machine.server.filter(|server| server.presence == Presence::There) else {
        return Some(no("the node has no server now"));
    };
    let question = Question::ShowConsole {
        cloud: attempt.cloud.clone(),
        server: server.id.clone(),
        request: request.clone(),
    };
    (!is_paused(seen, &question.key())).then_some(Step::Ask(question))
}

/// What is asked for and was not answered.
fn unanswered<'a>(desired: &'a Desired, seen: &Observed) -> Option<&'a String> {
    let answered = seen.memory.console.as_ref().map(|console| &console.request);
    desired.console_request.as_ref().filter(|request| answered != Some(*request) && !seen.deleting)
}

/// How long it is until what is asked for may be answered; `None` if nothing is asked for.
#[must_use]
pub fn console_due_in(desired: &Desired, seen: &Observed) -> Option<Duration> {
    unanswered(desired, seen)?;
    let last = seen.memory.console.as_ref().map(|console| seen.now.duration_since(console.at.0));
    let last = last.and_then(|ago| Duration::try_from(ago).ok());
    Some(last.map_or(Duration::ZERO, |ago| AT_MOST_EVERY.saturating_sub(ago)))
}

/// It may have become forbidden since it was read.
fn hidden(read: &ConsoleFacts, desired: &Desired) -> ConsoleFacts {
    match &desired.console_forbidden {
        None => read.clone(),
        Some(forbidden) => {
            ConsoleFacts { text: String::new(), problem: Some(forbidden.clone()), ..read.clone() }
        }
    }
}

fn record(console: ConsoleFacts) -> Step {
    Step::Do(MemoryChange::RecordConsole(Box::new(console)).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::{Change, plan};
    use crate::reconcile::state::ServerState;
    use crate::reconcile::state::examples::{ago, ready};

    fn asks(request: &str) -> Desired {
        Desired { console_request: Some(request.into()), ..Desired::any() }
    }

    fn machine() -> Observed {
        Observed::with_machine(ServerState::Active).with_attempt(ready(1))
    }

    fn facts(request: &str, seconds_ago: i64) -> ConsoleFacts {
        ConsoleFacts {
            request: request.into(),
            at: Time(ago(seconds_ago)),
            text: "login:".into(),
            problem: None,
        }
    }

    fn answer(step: Option<Step>) -> ConsoleFacts {
        let Some(Step::Do(Change::Memory(MemoryChange::RecordConsole(console)))) = step else {
            panic!("{step:?}")
        };
        *console
    }

    #[test]
    fn a_new_value_asks_for_one_look_and_its_answer_is_recorded() {
        let mut seen = machine();
        let question = answer_console_request(&asks("a"), &seen);
        assert!(matches!(question, Some(Step::Ask(Question::ShowConsole { .. }))), "{question:?}");

        seen.console = Some(facts("a", 1));
        assert_eq!(answer(answer_console_request(&asks("a"), &seen)).text, "login:");

        seen.memory.console = seen.console.take();
        assert_eq!(answer_console_request(&asks("a"), &seen), None, "it is answered");
        assert_eq!(answer_console_request(&Desired::any(), &machine()), None, "nobody asked");
    }

    #[test]
    fn a_node_is_looked_at_at_most_once_in_five_seconds() {
        let mut seen = machine();
        seen.memory.console = Some(facts("a", 3));
        assert_eq!(answer_console_request(&asks("b"), &seen), None);
        assert_eq!(console_due_in(&asks("b"), &seen), Some(Duration::from_secs(2)));

        seen.memory.console = Some(facts("a", 5));
        assert!(answer_console_request(&asks("b"), &seen).is_some());
    }

    #[test]
    fn a_machine_type_can_forbid_it_even_after_it_was_read() {
        let forbidden = Desired { console_forbidden: Some("forbidden".into()), ..asks("a") };
        let mut seen = machine();
        assert_eq!(answer(answer_console_request(&forbidden, &seen)).problem.as_deref(), Some("forbidden"));

        seen.console = Some(facts("a", 1));
        assert_eq!(answer(answer_console_request(&forbidden, &seen)).text, "");
    }

    #[test]
    fn without_a_server_the_answer_says_so() {
        for seen in [Observed::nothing(), Observed::under_way()] {
            let problem = answer(answer_console_request(&asks("a"), &seen)).problem.unwrap();
            assert!(problem.contains("no machine") || problem.contains("no server"), "{problem}");
        }
    }

    #[test]
    fn a_paused_node_can_be_looked_at_and_one_that_goes_cannot() {
        let paused = Desired { paused: true, ..asks("a") };

        assert!(matches!(plan(&paused, &machine()), Step::Ask(Question::ShowConsole { .. })));
        assert_eq!(answer_console_request(&paused, &machine().going()), None);
    }
}
