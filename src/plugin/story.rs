//! A node's story in the order in which it happened, from its attempts and events, and how it stands now. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::TestNode;
use crate::api::testnode_status::{Attempt, Outcome, Rebuild};
use crate::reason::Reason;
use crate::saying::Saying;

/// The longest line, in characters.
const LONGEST: usize = 1024;

/// Something that happened.
struct Happened {
    at: Timestamp,
    what: String,
}

/// The whole story, for a terminal.
#[must_use]
pub fn tell(node: &TestNode, events: &[Event], now: Timestamp) -> String {
    let mut story = begun(node);
    let attempts = node.own_status().map(|status| status.attempts.as_slice()).unwrap_or_default();
    story.extend(attempts.iter().flat_map(attempted));
    story.extend(events.iter().filter_map(reported));
    story.extend(
        node.metadata
            .deletion_timestamp
            .as_ref()
            .map(|Time(at)| Happened { at: *at, what: "its deletion was asked for".into() }),
    );
    story.sort_by_key(|happened| happened.at);
    let mut text = String::new();
    for Happened { at, what } in story {
        // Anybody may write an event, and a terminal obeys what is printed.
        let what = Saying::line(&what, LONGEST);
        let _ = writeln!(text, "{}  {what}", at.strftime("%Y-%m-%d %H:%M:%SZ"));
    }
    text.push('\n');
    text.push_str(&stands(node, now));
    text
}

fn begun(node: &TestNode) -> Vec<Happened> {
    let os = node.spec.os.as_ref().map(|os| format!(", {os}")).unwrap_or_default();
    let owner = node.spec.owner.as_ref().map(|owner| format!(", owner {owner}")).unwrap_or_default();
    let use_for = node.spec.description.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
    let what = format!("created: machine type {}{os}{owner}{use_for}", node.spec.machine_type);
    node.metadata.creation_timestamp.iter().map(|Time(at)| Happened { at: *at, what: what.clone() }).collect()
}

fn attempted(attempt: &Attempt) -> Vec<Happened> {
    let number = attempt.number;
    let zone = attempt.zone.as_ref().map(|zone| format!(", zone {zone}")).unwrap_or_default();
    let made_of = attempt.resolved.as_ref().map(|resolved| {
        let why = resolved.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!(": flavor {}, image {}{why}", resolved.flavor.name, resolved.image.name)
    });
    let opened =
        format!("attempt {number} opened in cloud {}{zone}{}", attempt.cloud, made_of.unwrap_or_default());
    let closed = match attempt.outcome {
        Some(Outcome::Ready) => format!("attempt {number} became Ready"),
        Some(Outcome::Failed | Outcome::Uncounted) | None => format!(
            "attempt {number} failed, {}: {}",
            attempt.reason.map_or("for no reason that is known", Reason::as_str),
            attempt.message.as_deref().unwrap_or("nothing was said")
        ),
    };
    let moments = [
        (&attempt.opened_at, opened),
        (&attempt.server_active_at, format!("attempt {number}: the server is ACTIVE")),
        (&attempt.closed_at, closed),
    ];
    moments.into_iter().filter_map(happened).chain(attempt.rebuild.iter().flat_map(rebuilt)).collect()
}

fn happened((at, what): (&Option<Time>, String)) -> Option<Happened> {
    Some(Happened { at: at.as_ref()?.0, what })
}

/// The last rebuild of the machine.
fn rebuilt(rebuild: &Rebuild) -> Vec<Happened> {
    let number = rebuild.number;
    let closed = match rebuild.outcome {
        Some(Outcome::Ready) => format!("rebuild {number} became Ready"),
        Some(Outcome::Failed | Outcome::Uncounted) | None => format!(
            "rebuild {number} failed, {}: {}",
            rebuild.reason.map_or("for no reason that is known", Reason::as_str),
            rebuild.message.as_deref().unwrap_or("nothing was said")
        ),
    };
    let moments = [
        (&rebuild.opened_at, format!("rebuild {number} opened: image {}", rebuild.why)),
        (&rebuild.server_active_at, format!("rebuild {number}: the server is ACTIVE")),
        (&rebuild.closed_at, closed),
    ];
    moments.into_iter().filter_map(happened).collect()
}

fn reported(event: &Event) -> Option<Happened> {
    let Time(at) = event
        .last_timestamp
        .clone()
        .or_else(|| event.event_time.as_ref().map(|at| Time(at.0)))
        .or_else(|| event.metadata.creation_timestamp.clone())?;
    let word = |word: &Option<String>| word.clone().unwrap_or_default();
    let mark = if event.type_.as_deref() == Some("Warning") { "! " } else { "" };
    Some(Happened { at, what: format!("{mark}{}: {}", word(&event.reason), word(&event.message)) })
}

/// Each condition, what it says and since when; the one that everybody asks for comes first.
fn stands(node: &TestNode, now: Timestamp) -> String {
    let conditions = node.own_status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    if conditions.is_empty() {
        return "The operator has not written its status yet. If that stays so, ask the lab's admin whether it runs \
                (kubectl get pods -A -l app.kubernetes.io/name=testnode-operator).\n"
            .into();
    }
    let mut text = String::from("Now:\n");
    let width = conditions.iter().map(|condition| condition.type_.len()).max().unwrap_or(0);
    let times = node.own_status().and_then(|status| status.times.as_ref());
    let reason_since = times.and_then(|times| times.since.as_ref()).map(|Time(since)| *since);
    for Condition { type_, status, reason, message, last_transition_time: Time(since), .. } in conditions {
        let since = if type_ == "Ready" { reason_since.unwrap_or(*since) } else { *since };
        let _ = writeln!(text, "  {type_:width$}  {status:7}  {reason}, for {}", ago(since, now));
        if !message.is_empty() {
            let _ = writeln!(text, "  {:width$}           {}", "", Saying::line(message, LONGEST));
        }
    }
    text
}

/// As kubectl shows ages: the two largest units.
fn ago(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes}m"),
        (_, _, _) => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TestNodeSpec;
    use crate::api::testnode_status::TestNodeStatus;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn node() -> TestNode {
        let spec = TestNodeSpec { machine_type: "ovh".into(), ..TestNodeSpec::default() };
        let mut node = TestNode::new("smithi001", spec);
        node.metadata.creation_timestamp = Some(Time(at(0)));
        node
    }

    fn story(node: &TestNode, events: &[Event]) -> Vec<String> {
        let text = tell(node, events, at(100));
        text.lines().map(|line| line.get(22..).unwrap_or(line).to_owned()).collect()
    }

    #[test]
    fn a_node_that_nobody_looks_after_asks_whether_the_operator_runs() {
        let told = story(&node(), &[]);

        assert_eq!(told[0], "created: machine type ovh");
        assert!(tell(&node(), &[], at(1)).contains("ask the lab's admin whether it runs"));
    }

    #[test]
    fn attempts_and_events_stand_in_the_order_of_their_times() {
        let attempt = Attempt {
            number: 1,
            cloud: "lab".into(),
            opened_at: Some(Time(at(1))),
            closed_at: Some(Time(at(9))),
            outcome: Some(Outcome::Failed),
            reason: Some(Reason::NoValidHost),
            message: Some("No valid host was found".into()),
            ..Attempt::default()
        };
        let event = Event {
            reason: Some("CreateServer".into()),
            message: Some("create server".into()),
            last_timestamp: Some(Time(at(5))),
            ..Event::default()
        };
        let mut node = node();
        node.status = Some(TestNodeStatus { attempts: vec![attempt], ..TestNodeStatus::default() });

        assert_eq!(
            story(&node, &[event])[..4],
            [
                "created: machine type ovh",
                "attempt 1 opened in cloud lab",
                "CreateServer: create server",
                "attempt 1 failed, NoValidHost: No valid host was found",
            ]
        );
    }

    #[test]
    fn each_condition_says_since_when() {
        let condition = Condition {
            type_: "Ready".into(),
            status: "False".into(),
            reason: "Booting".into(),
            message: "last: running 'modules:config'".into(),
            last_transition_time: Time(at(25)),
            observed_generation: None,
        };
        let mut node = node();
        node.status = Some(TestNodeStatus { conditions: vec![condition], ..TestNodeStatus::default() });

        let text = tell(&node, &[], at(100));

        assert!(text.ends_with(
            "Now:\n  Ready  False    Booting, for 1m15s\n                  last: running 'modules:config'\n"
        ));
    }

    #[test]
    fn what_others_wrote_cannot_command_the_terminal() {
        let event = Event {
            reason: Some("Evil".into()),
            message: Some("\u{1b}]0;owned\u{7} and\nmore".into()),
            last_timestamp: Some(Time(at(5))),
            ..Event::default()
        };

        let text = tell(&node(), &[event], at(9));

        assert!(!text.contains(['\u{1b}', '\u{7}']));
        assert!(text.lines().any(|line| line.ends_with("and more")));
    }

    #[test]
    fn ages_have_their_two_largest_units() {
        for (seconds, text) in [(5, "5s"), (65, "1m5s"), (3_700, "1h1m"), (90_000, "1d1h"), (-5, "0s")] {
            assert_eq!(ago(at(0), at(seconds)), text);
        }
    }
}
