//! The records of nodes that were released while their cloud could not be asked. The Cloud's own turn is the only one
//! that writes them: a node puts its record here, and goes once the status has it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::orphans::Abandoned;

/// So many fit a status. Beyond that the oldest make room, of the namespace that has the most.
const MOST: usize = 100;

/// The records of one cloud.
#[derive(Debug, Default)]
pub struct Records(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By UID: what the status has.
    written: BTreeMap<String, Abandoned>,
    /// What it shall have.
    wanted: BTreeMap<String, Abandoned>,
    /// What it need not have any more.
    settled: Vec<String>,
}

impl Records {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may be left of this node.
    pub fn add(&self, record: Abandoned) {
        self.lock().wanted.insert(record.uid.clone(), record);
    }

    /// Nothing is left of this node.
    pub fn settle(&self, uid: &str) {
        let mut state = self.lock();
        state.wanted.remove(uid);
        state.settled.push(uid.to_owned());
    }

    /// Whether the status has the record.
    #[must_use]
    pub fn has(&self, uid: &str) -> bool {
        self.lock().written.contains_key(uid)
    }

    /// What the status has, and need have.
    #[must_use]
    pub fn open(&self) -> Vec<Abandoned> {
        let state = self.lock();
        state.written.values().filter(|record| !state.settled.contains(&record.uid)).cloned().collect()
    }

    /// What a status that says this is to say.
    #[must_use]
    pub fn after(&self, before: &[Abandoned]) -> Vec<Abandoned> {
        let state = self.lock();
        let mut after: BTreeMap<&str, &Abandoned> =
            before.iter().chain(state.wanted.values()).map(|record| (record.uid.as_str(), record)).collect();
        after.retain(|uid, _| !state.settled.iter().any(|settled| settled == uid));
        let mut after: Vec<Abandoned> = after.into_values().cloned().collect();
        after.sort_by(|a, b| (a.since.0, &a.uid).cmp(&(b.since.0, &b.uid)));
        while after.len() > MOST {
            let Some(oldest) = oldest_of_the_greediest(&after) else { break };
            after.remove(oldest);
        }
        after
    }

    /// The status says this now.
    pub fn wrote(&self, status: &[Abandoned]) {
        let mut state = self.lock();
        state.written = status.iter().map(|record| (record.uid.clone(), record.clone())).collect();
        let State { written, wanted, settled } = &mut *state;
        wanted.retain(|uid, _| !written.contains_key(uid));
        settled.retain(|uid| written.contains_key(uid));
    }
}

/// Among records by age, the oldest of the namespace that has the most of them: no namespace displaces the records of one
/// that has fewer.
fn oldest_of_the_greediest(records: &[Abandoned]) -> Option<usize> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        *counts.entry(namespace(record)).or_default() += 1;
    }
    let most = counts.values().max()?;
    records.iter().position(|record| counts.get(namespace(record)) == Some(most))
}

fn namespace(record: &Abandoned) -> &str {
    record.node.split_once('/').map_or("", |(namespace, _)| namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(uid: &str, second: i64) -> Abandoned {
        let since = jiff::Timestamp::from_second(second).unwrap();
        let since = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(since);
        Abandoned {
            node: "default/smithi001".into(),
            uid: uid.into(),
            reason: "the cloud burnt down".into(),
            since,
            servers: Vec::new(),
            volumes: Vec::new(),
            floating_ips: Vec::new(),
            ports: Vec::new(),
            fqdn: None,
            addresses: Vec::new(),
        }
    }

    fn uids(records: &[Abandoned]) -> Vec<&str> {
        records.iter().map(|record| record.uid.as_str()).collect()
    }

    #[test]
    fn a_record_is_there_once_the_status_has_it_and_until_it_has_it_no_more() {
        let records = Records::default();
        records.add(record("a", 1));
        assert!(!records.has("a"));
        let after = records.after(&[record("b", 2)]);
        assert_eq!(uids(&after), ["a", "b"]);

        records.wrote(&after);
        assert!(records.has("a") && records.has("b"));
        records.settle("a");

        assert_eq!(uids(&records.open()), ["b"]);
        assert_eq!(uids(&records.after(&after)), ["b"]);
        records.wrote(&[record("b", 2)]);
        assert!(!records.has("a"));
    }

    #[test]
    fn a_record_is_not_lost_to_a_status_that_is_older_than_it() {
        let records = Records::default();
        records.add(record("a", 1));

        records.wrote(&[]);

        assert_eq!(uids(&records.after(&[])), ["a"]);
    }

    #[test]
    fn the_oldest_records_make_room() {
        let records = Records::default();
        let many: Vec<_> = (0..100).map(|second| record(&format!("u{second}"), second)).collect();
        records.add(record("new", 100));

        let after = records.after(&many);

        assert_eq!(after.len(), 100);
        assert_eq!(uids(&after).first().copied(), Some("u1"));
        assert_eq!(uids(&after).last().copied(), Some("new"));
    }

    #[test]
    fn a_namespace_with_many_records_displaces_its_own_and_nobody_elses() {
        let records = Records::default();
        let of = |namespace: &str, uid: String, second| Abandoned {
            node: format!("{namespace}/smithi001"),
            ..record(&uid, second)
        };
        let mut before = vec![of("quiet", "old".into(), 0)];
        before.extend((0..99).map(|n| of("loud", format!("before-{n:02}"), n + 1)));
        for n in 0..300 {
            records.add(of("loud", format!("after-{n:03}"), 1000 + n));
        }

        let after = records.after(&before);

        assert_eq!(after.len(), 100);
        assert_eq!(uids(&after).first().copied(), Some("old"));
        assert_eq!(uids(&after).last().copied(), Some("after-299"));
    }
}
