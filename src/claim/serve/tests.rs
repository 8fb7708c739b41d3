use serde_json::{Value, from_value, json};

use super::*;
use crate::pool::slot::examples::{NOW, claimed, slot};

fn claim(spec: &Value, status: &Value) -> TestNodeClaim {
    let mut whole = json!({"pool": {"name": "smithi"}, "count": 2});
    for (field, value) in spec.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    from_value(json!({"metadata": {"name": "a-1", "namespace": "a", "uid": "u-a-1"}, "spec": whole, "status": status}))
        .unwrap()
}

fn bound(numbers: &[i64]) -> Value {
    let node = |number: &i64| json!({"name": format!("smithi{number:03}"), "namespace": "lab", "uid": format!("n-{number}")});
    json!({"boundAt": "1970-01-01T00:10:00Z", "nodes": numbers.iter().map(node).collect::<Vec<_>>()})
}

fn seen<'a>(claim: &'a TestNodeClaim, mine: &'a [Slot]) -> Seen<'a> {
    Seen { mine: mine.iter().collect(), ..Seen::new(NOW, claim) }
}

fn waits(place: usize) -> Turn {
    Turn::Waits { place, of: 9, ready: 1, kept: false }
}

fn reason(of: &Move) -> Option<Reason> {
    match of {
        Move::End(reason, _)
        | Move::Say(Saying::Broken(reason, _) | Saying::Refused(reason, _) | Saying::Waits(reason, ..)) => {
            Some(*reason)
        }
        Move::Say(Saying::Ended | Saying::Bound)
        | Move::Forget
        | Move::Bind(_)
        | Move::GiveUp(_)
        | Move::Output
        | Move::Publish(_) => None,
    }
}

#[test]
fn it_binds_what_the_desk_gives_and_publishes_when_it_has_all() {
    let claim = claim(&json!({}), &Value::Null);
    let given = Some(Turn::Now(vec!["n-1".into(), "n-2".into()]));
    assert_eq!(serve(&Seen { turn: given, ..seen(&claim, &[]) }), Move::Bind("n-1".into()));

    let first = [claimed(1, "a-1")];
    let given = Some(Turn::Now(vec!["n-2".into()]));
    assert_eq!(serve(&Seen { turn: given, ..seen(&claim, &first) }), Move::Bind("n-2".into()));
    let all = [claimed(2, "a-1"), claimed(1, "a-1")];
    assert_eq!(serve(&seen(&claim, &all)), Move::Publish(vec!["n-1".into(), "n-2".into()]));
}

#[test]
fn a_node_too_many_is_not_published() {
    let claim = claim(&json!({}), &Value::Null);
    let three = [claimed(3, "a-1"), claimed(2, "a-1"), claimed(1, "a-1")];

    assert_eq!(serve(&seen(&claim, &three)), Move::Publish(vec!["n-1".into(), "n-2".into()]));
}

#[test]
fn who_waits_is_told_its_place() {
    let claim = claim(&json!({}), &Value::Null);

    let Move::Say(Saying::Waits(Reason::Queued, message, Some(3))) =
        serve(&Seen { turn: Some(waits(3)), ..seen(&claim, &[]) })
    else {
        panic!("it does not wait")
    };

    assert_eq!(message, "3 of 9 that wait; it asks for 2 nodes in one cloud, and 1 are Ready there");
}

#[test]
fn what_no_wait_can_help_is_refused() {
    let claim = claim(&json!({}), &Value::Null);
    for (pool, expected) in [
        (Pool::Missing, Reason::PoolNotFound),
        (Pool::Forbidden, Reason::PoolForbidden),
        (Pool::Open { max: 1, reserve: 0, per_namespace: None }, Reason::LargerThanPool),
    ] {
        let given = Some(Turn::Now(vec!["n-1".into()]));
        let told = serve(&Seen { pool, turn: given, ..seen(&claim, &[]) });
        assert!(matches!(told, Move::Say(Saying::Refused(reason, _)) if reason == expected), "{told:?}");
    }
    let given = Some(Turn::Now(vec!["n-1".into()]));
    let paused = serve(&Seen { pool: Pool::Paused, turn: given, ..seen(&claim, &[]) });
    assert_eq!(reason(&paused), Some(Reason::PoolPaused));
}

#[test]
fn which_pools_another_namespace_has_is_not_told_to_whom_they_do_not_serve() {
    let elsewhere = claim(&json!({"pool": {"name": "smithi", "namespace": "lab"}}), &Value::Null);
    let told = |pool| serve(&Seen { pool, ..seen(&elsewhere, &[]) });

    assert_eq!(reason(&told(Pool::Missing)), Some(Reason::PoolForbidden));
    assert_eq!(told(Pool::Missing), told(Pool::Forbidden));
}

#[test]
fn who_has_a_part_for_ten_minutes_gives_it_up() {
    let claim = claim(&json!({}), &Value::Null);
    let one = [claimed(1, "a-1")];
    let begun = |minutes| Seen {
        begun_for: Duration::from_mins(minutes),
        turn: Some(waits(1)),
        ..seen(&claim, &one)
    };

    assert_eq!(reason(&serve(&begun(9))), Some(Reason::Queued));
    assert_eq!(serve(&begun(10)), Move::GiveUp(vec!["n-1".into()]));
    let two = [claimed(1, "a-1"), claimed(2, "a-1")];
    let whole = Seen { begun_for: Duration::from_mins(10), ..seen(&claim, &two) };
    assert!(matches!(serve(&whole), Move::Publish(_)));
}

#[test]
fn a_bound_claim_keeps_its_nodes_whatever_becomes_of_the_pool() {
    let claim = claim(&json!({}), &bound(&[1, 2]));
    let mine = [claimed(1, "a-1"), claimed(2, "a-1")];

    assert_eq!(serve(&Seen { pool: Pool::Missing, ..seen(&claim, &mine) }), Move::Say(Saying::Bound));
}

#[test]
fn a_bound_claim_says_what_broke_and_is_given_nothing_instead() {
    let claim = claim(&json!({}), &bound(&[1, 2]));
    let given = Some(Turn::Now(vec!["n-3".into()]));
    let lost = [claimed(1, "a-1")];
    assert_eq!(reason(&serve(&Seen { turn: given, ..seen(&claim, &lost) })), Some(Reason::NodeLost));

    let broken = [claimed(1, "a-1"), Slot { state: State::Broken(NOW), ..claimed(2, "a-1") }];
    assert_eq!(reason(&serve(&seen(&claim, &broken))), Some(Reason::NodeBroken));
    let away = [claimed(1, "a-1"), Slot { state: State::Coming, ..claimed(2, "a-1") }];
    assert_eq!(serve(&seen(&claim, &away)), Move::Say(Saying::Bound), "a cloud that is away breaks nothing");
}

#[test]
fn what_was_released_is_not_lost_and_the_last_ends_the_claim() {
    let one = claim(&json!({"released": ["smithi002"]}), &bound(&[1, 2]));
    assert_eq!(serve(&seen(&one, &[claimed(1, "a-1")])), Move::Say(Saying::Bound));

    let all = claim(&json!({"released": ["smithi002", "smithi001"]}), &bound(&[1, 2]));
    assert_eq!(reason(&serve(&seen(&all, &[]))), Some(Reason::AllReleased));
}

#[test]
fn a_lease_or_a_duration_ends_it_and_an_hour_later_it_is_forgotten() {
    let held = claim(&json!({"lease": {"duration": "90s"}}), &bound(&[1, 2]));
    let over = serve(&Seen { lease_is_over: true, ..seen(&held, &[]) });
    assert_eq!(over, Move::End(Reason::LeaseExpired, "spec.lease was not renewed for 90s".into()));
    let ends = Some((NOW, "8h".to_owned()));
    let over = serve(&Seen { ends: ends.clone(), duration_is_over: true, ..seen(&held, &[]) });
    assert_eq!(reason(&over), Some(Reason::DurationOver));
    let mine = [claimed(1, "a-1"), claimed(2, "a-1")];
    assert_eq!(serve(&Seen { ends, ..seen(&held, &mine) }), Move::Say(Saying::Bound));

    let ended = |at: &str| json!({"ended": {"at": at, "reason": "LeaseExpired", "message": ""}});
    let now = claim(&json!({}), &ended("1970-01-01T00:10:00Z"));
    assert_eq!(serve(&Seen { lease_is_over: true, ..seen(&now, &[]) }), Move::Say(Saying::Ended));
    let then = claim(&json!({}), &ended("1969-12-31T23:10:00Z"));
    assert_eq!(serve(&seen(&then, &[])), Move::Forget);
}

#[test]
fn a_claim_that_is_being_deleted_is_given_nothing() {
    let mut claim = claim(&json!({}), &Value::Null);
    claim.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(NOW));
    let given = Some(Turn::Now(vec!["n-1".into()]));

    assert_eq!(
        reason(&serve(&Seen { turn: given, ..seen(&claim, &[slot(1, State::Ready)]) })),
        Some(Reason::Pending)
    );
}

/// A hold until second `until`.
fn hold(until: i64, is_over: bool) -> Hold {
    Hold { until: Timestamp::constant(until, 0), reason: "a look".into(), cut: None, is_over }
}

#[test]
fn a_hold_beats_lease_and_duration_until_it_is_over() {
    let held = claim(&json!({"lease": {"duration": "90s"}}), &bound(&[1, 2]));
    let mine = [claimed(1, "a-1"), claimed(2, "a-1")];
    let ends = Some((Timestamp::constant(900, 0), "8h".to_owned()));
    let over = Seen { lease_is_over: true, duration_is_over: true, ends, ..seen(&held, &mine) };

    assert_eq!(serve(&Seen { hold: Some(hold(2000, false)), ..over.clone() }), Move::Say(Saying::Bound));
    let after = Seen { hold: Some(hold(1000, true)), lease_is_over: false, ..over.clone() };
    assert_eq!(
        serve(&after),
        Move::End(Reason::HoldOver, "spec.hold kept its nodes until 1970-01-01T00:16:40Z".into())
    );
    let before = Seen { hold: Some(hold(800, true)), lease_is_over: false, ..over };
    assert_eq!(reason(&serve(&before)), Some(Reason::DurationOver), "the hold ended before the duration");
}

#[test]
fn one_that_names_nodes_which_it_cannot_have_has_ended_and_does_not_wait() {
    let named = claim(&json!({"count": null, "nodes": ["smithi001"]}), &Value::Null);
    let not_free = Some(Turn::NotFree("node smithi001 is not Ready".into()));
    assert_eq!(
        serve(&Seen { turn: not_free, ..seen(&named, &[]) }),
        Move::End(Reason::NodeNotFree, "node smithi001 is not Ready".into())
    );
    assert_eq!(reason(&serve(&Seen { pool: Pool::Paused, ..seen(&named, &[]) })), Some(Reason::NodeNotFree));

    let two = claim(&json!({"count": null, "nodes": ["smithi001", "smithi002"]}), &Value::Null);
    let one = [claimed(1, "a-1")];
    let begun = Seen { begun_for: Duration::from_mins(10), ..seen(&two, &one) };
    assert_eq!(reason(&serve(&begun)), Some(Reason::NodeNotFree), "it gives up nothing to wait again");
}

#[test]
fn what_the_pool_keeps_back_is_told() {
    let claim = claim(&json!({}), &Value::Null);
    let told = |turn| reason(&serve(&Seen { turn: Some(turn), ..seen(&claim, &[]) }));
    assert_eq!(told(Turn::Reserved { reserve: 2 }), Some(Reason::Reserved));
    assert_eq!(told(Turn::Limited { has: 3, most: 4 }), Some(Reason::NamespaceLimit));

    let at = |max, reserve, per_namespace| {
        reason(&serve(&Seen { pool: Pool::Open { max, reserve, per_namespace }, ..seen(&claim, &[]) }))
    };
    assert_eq!(at(3, 2, None), Some(Reason::LargerThanPool));
    assert_eq!(at(4, 0, Some(1)), Some(Reason::NamespaceLimit));
    assert_eq!(at(4, 2, Some(2)), Some(Reason::Pending));
}

#[test]
fn no_rule_can_be_left_out() {
    let ended = |at: &str| json!({"ended": {"at": at, "reason": "LeaseExpired", "message": ""}});
    let long_ago = claim(&json!({}), &ended("1969-12-31T23:10:00Z"));
    let now = claim(&json!({}), &ended("1970-01-01T00:10:00Z"));
    let new = claim(&json!({}), &Value::Null);
    let has = claim(&json!({}), &bound(&[1, 2]));
    let mut going = new.clone();
    going.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(NOW));
    let named = claim(&json!({"count": null, "nodes": ["smithi001", "smithi002"]}), &Value::Null);
    let one = [claimed(1, "a-1")];
    let two = [claimed(1, "a-1"), claimed(2, "a-1")];
    let given = || Some(Turn::Now(vec!["n-1".into()]));
    let stories = [
        seen(&long_ago, &[]),
        seen(&now, &[]),
        Seen { lease_is_over: true, ..seen(&has, &two) },
        Seen { output_is_due: true, ..seen(&has, &two) },
        seen(&has, &one),
        Seen { turn: given(), ..seen(&going, &[]) },
        seen(&new, &two),
        Seen { begun_for: Duration::from_mins(10), turn: Some(waits(1)), ..seen(&new, &one) },
        Seen {
            pool: Pool::Open { max: 1, reserve: 0, per_namespace: None },
            turn: given(),
            ..seen(&new, &[])
        },
        Seen { turn: Some(Turn::NotFree("it is taken".into())), ..seen(&named, &[]) },
        Seen { turn: given(), ..seen(&new, &[]) },
        Seen { turn: Some(waits(3)), ..seen(&new, &[]) },
    ];
    for (index, story) in stories.iter().enumerate() {
        let others: Vec<Rule> =
            SERVE.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, rule)| *rule).collect();
        assert_ne!(serve_by(&others, story), serve(story), "rule {index}");
    }
    assert_eq!(stories.len(), SERVE.len());
}
