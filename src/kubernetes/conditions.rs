//! Conditions of any kind. Pure: the time is an argument.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::reason::Reason;
use crate::saying::Saying;

/// The longest message of a condition, in characters: about one screen.
pub const LONGEST: usize = 1024;

/// The conditions of one object, as they are being put together.
#[derive(Debug)]
pub struct Conditions<'a> {
    old: &'a [Condition],
    generation: Option<i64>,
    now: Timestamp,
    new: Vec<Condition>,
}

impl<'a> Conditions<'a> {
    /// None yet; `old` are those that the object has now, and `generation` is the spec that the new ones speak of.
    #[must_use]
    pub fn new(old: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self { old, generation, now, new: Vec::new() }
    }

    /// Adds a condition. The time of its last transition stays the same while its status does.
    pub fn put(&mut self, kind: &str, status: &str, reason: Reason, message: impl AsRef<str>) {
        let same = self.old.iter().find(|old| old.type_ == kind && old.status == status);
        // The schema's default has this time; it was never a transition.
        let since =
            same.map(|old| old.last_transition_time.clone()).filter(|time| time.0 != Timestamp::UNIX_EPOCH);
        self.new.push(Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_string(),
            message: Saying::line(message.as_ref(), LONGEST - 1),
            observed_generation: self.generation,
            last_transition_time: since.unwrap_or(Time(self.now)),
        });
    }

    /// Takes over a condition as it is now. Returns whether there was one.
    pub fn keep(&mut self, kind: &str) -> bool {
        let old = self.old.iter().find(|old| old.type_ == kind);
        self.new.extend(old.cloned());
        old.is_some()
    }

    /// Says one thing more in the message of a condition that was added, unless it is said there already.
    pub fn say_also(&mut self, kind: &str, text: &str) {
        let found = self.new.iter_mut().find(|condition| condition.type_ == kind);
        if let Some(condition) = found.filter(|condition| !condition.message.contains(text)) {
            condition.message = Saying::line(&format!("{}; {text}", condition.message), LONGEST - 1);
        }
    }

    /// The conditions to write.
    #[must_use]
    pub fn into_vec(self) -> Vec<Condition> {
        self.new
    }
}

/// The condition of this kind, if its status or its reason is not what it was.
#[must_use]
pub fn news<'a>(old: &[Condition], new: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    let new = new.iter().find(|condition| condition.type_ == kind)?;
    let same = |old: &Condition| old.type_ == kind && old.status == new.status && old.reason == new.reason;
    (!old.iter().any(same)).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Timestamp = Timestamp::constant(1_000, 0);
    const NOW: Timestamp = Timestamp::constant(2_000, 0);

    fn put(old: &[Condition], status: &str, message: &str) -> Condition {
        let mut conditions = Conditions::new(old, Some(7), if old.is_empty() { THEN } else { NOW });
        conditions.put("Ready", status, Reason::Pending, message);
        conditions.into_vec().remove(0)
    }

    #[test]
    fn the_transition_time_stays_while_the_status_does() {
        let first = put(&[], "False", "one");

        assert_eq!(put(std::slice::from_ref(&first), "False", "two").last_transition_time, Time(THEN));
        assert_eq!(put(&[first], "True", "two").last_transition_time, Time(NOW));
    }

    #[test]
    fn another_message_is_no_news_and_another_reason_is() {
        let old = [put(&[], "False", "one")];
        assert_eq!(news(&old, &[put(&old, "False", "two")], "Ready"), None);

        let new = [Condition { reason: "Another".into(), ..put(&old, "False", "two") }];

        assert_eq!(news(&old, &new, "Ready"), new.first());
        assert_eq!(news(&[], &old, "Ready"), old.first());
        assert_eq!(news(&[], &old, "Stalled"), None);
    }

    #[test]
    fn the_time_that_the_schema_fills_in_is_not_a_transition() {
        let default =
            Condition { last_transition_time: Time(Timestamp::UNIX_EPOCH), ..put(&[], "Unknown", "") };

        assert_eq!(put(&[default], "Unknown", "").last_transition_time, Time(NOW));
    }

    #[test]
    fn what_is_said_also_is_said_once_and_only_where_there_is_something() {
        let mut conditions = Conditions::new(&[], Some(7), NOW);
        conditions.put("Ready", "True", Reason::Ready, "ready");

        conditions.say_also("Ready", "for a while");
        conditions.say_also("Ready", "for a while");
        conditions.say_also("Paused", "for a while");

        let messages: Vec<String> = conditions.into_vec().into_iter().map(|found| found.message).collect();
        assert_eq!(messages, ["ready; for a while"]);
    }

    #[test]
    fn a_message_is_one_line_and_bounded() {
        assert_eq!(put(&[], "False", " a\n  b ").message, "a b");

        let long = put(&[], "False", &"ü".repeat(5000)).message;

        assert_eq!((long.chars().count(), long.chars().last()), (LONGEST, Some('…')));
    }
}
