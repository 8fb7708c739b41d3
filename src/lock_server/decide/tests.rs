//! What requests mean, one story each.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

use super::super::lab::tests::{claim, claimed_by, node, pool, pools};
use super::*;
use crate::api::TestNode;

fn request(os_type: Option<&str>, os_version: Option<&str>, count: i64) -> LockMany {
    let own = |word: Option<&str>| word.map(str::to_owned);
    LockMany {
        owner: "alice@desk".into(),
        count,
        machine_types: vec!["lab".into()],
        description: None,
        wanted: Wanted { os_type: own(os_type), os_version: own(os_version), arch: None },
    }
}

fn chosen(systems: &[(&str, &str)], wanted: (Option<&str>, Option<&str>)) -> Result<String, String> {
    let all: Vec<_> = systems.iter().map(|(name, os)| pool(name, os, &Value::Null)).collect();
    let pools = pools(&all);
    choose(&pools, &request(wanted.0, wanted.1, 1), |_| Room::default()).map(|served| served.pool.name_any())
}

#[test]
fn a_system_is_matched_as_teuthology_writes_it() {
    let all = [
        ("a", "ubuntu 22.04"),
        ("b", "rocky 9.6"),
        ("c", "rocky 10.0"),
        ("d", "rocky 10.1"),
        ("e", "centos 9.stream"),
    ];

    for (wanted, pool) in [
        ((Some("ubuntu"), Some("22.04")), "a"),
        ((Some("Rocky"), Some("10")), "d"),
        ((Some("rocky"), Some("10.0")), "c"),
        ((Some("centos"), Some("9")), "e"),
        ((Some("centos"), Some("9.stream")), "e"),
        ((Some("rocky"), None), "b"),
        ((None, None), "a"),
    ] {
        assert_eq!(chosen(&all, wanted).as_deref(), Ok(pool), "{wanted:?}");
    }
    assert_eq!(chosen(&[("e", "centos 9")], (Some("centos"), Some("9.stream"))).as_deref(), Ok("e"));
    let said = chosen(&all, (Some("debian"), Some("11"))).unwrap_err();
    assert!(said.starts_with("lab has no debian 11; it has ubuntu 22.04, rocky 9.6"), "{said}");
}

#[test]
fn without_a_system_the_default_one_is_taken_also_if_it_is_not_the_first() {
    assert_eq!(chosen(&[("a", "debian 12"), ("b", "ubuntu 22.04")], (None, None)).as_deref(), Ok("b"));
}

#[test]
fn of_two_pools_of_one_system_the_one_with_warm_machines_is_taken() {
    let all = pools(&[pool("a", "ubuntu 22.04", &Value::Null), pool("b", "ubuntu 22.04", &Value::Null)]);
    let room = |served: &Served| Room { warm: if served.pool.name_any() == "b" { 2 } else { 1 }, free: 4 };

    let found = |count| choose(&all, &request(None, None, count), room).unwrap().pool.name_any();
    assert_eq!((found(1), found(2), found(3)), ("a".into(), "b".into(), "a".into()));
}

fn picked(claims: &[TestNodeClaim]) -> (String, Option<&TestNodeClaim>) {
    pick("s", claims, |_| true)
}

#[test]
fn the_same_request_finds_the_claim_of_before_until_it_was_told_for_sure() {
    let leased = |name: &str| claim(name, &json!({"spec": {"lease": {"duration": "90s"}}}));
    let ended = |name: &str| {
        let ended = json!({"at": "2026-03-02T10:00:00Z", "reason": "LeaseExpired", "message": "m"});
        claim(name, &json!({"spec": {"lease": {"duration": "90s"}}, "status": {"ended": ended}}))
    };
    let told = claim("s-1", &Value::Null);

    assert_eq!(picked(&[]), ("s-1".into(), None));
    assert_eq!(picked(&[leased("s-1")]).1.map(ResourceExt::name_any).as_deref(), Some("s-1"));
    assert_eq!(picked(std::slice::from_ref(&told)).0, "s-2");
    assert_eq!(picked(&[told.clone(), leased("s-2")]).1.map(ResourceExt::name_any).as_deref(), Some("s-2"));
    assert_eq!(picked(&[told, ended("s-2")]), ("s-3".into(), None));
    assert_eq!(picked(&[leased("s-2")]), ("s-1".into(), None));
}

#[test]
fn a_claim_waits_only_as_long_as_its_pool_may_serve_it() {
    let waiting = claim("s-1", &json!({"spec": {"lease": {"duration": "90s"}}, "status": {"boundAt": null}}));
    let bound = claim("s-1", &json!({"spec": {"lease": {"duration": "90s"}}}));
    let asked = LockMany { owner: "scheduled_alice@desk".into(), ..request(Some("ubuntu"), None, 2) };
    let waits = |claim: &TestNodeClaim, asked: &LockMany, name: &str, os: &str, more: &Value| {
        let pools = pools(&[pool(name, os, more)]);
        pick("s", std::slice::from_ref(claim), |claim| may_wait(claim, &pools, asked)).0 == "s-1"
    };
    let rules = |more: Value| {
        let mut claims = json!({"from": "Same", "duration": "8h", "maxDuration": "24h"});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"claims": claims})
    };
    let ubuntu = "ubuntu 22.04";

    assert!(waits(&waiting, &asked, "ovh", ubuntu, &Value::Null));
    for (name, os, more) in [
        ("other", ubuntu, Value::Null),
        ("ovh", "debian 12", Value::Null),
        ("ovh", ubuntu, json!({"paused": true})),
        ("ovh", ubuntu, json!({"max": 1})),
        ("ovh", ubuntu, rules(json!({"reserve": 3}))),
        ("ovh", ubuntu, rules(json!({"maxNodesPerNamespace": 1}))),
    ] {
        assert!(!waits(&waiting, &asked, name, os, &more), "{name} {os} {more}");
        assert!(waits(&bound, &asked, name, os, &more), "what it has it keeps");
    }
    let person = request(Some("ubuntu"), None, 2);
    assert!(
        waits(&waiting, &person, "ovh", ubuntu, &rules(json!({"reserve": 3}))),
        "it may have the reserve"
    );
}

#[test]
fn a_pool_whose_reserve_or_limit_leaves_too_little_is_not_chosen() {
    let rules = json!({"claims": {"from": "Same", "duration": "8h", "maxDuration": "24h", "reserve": 3}});
    let all = pools(&[pool("a", "ubuntu 22.04", &rules), pool("b", "ubuntu 22.04", &Value::Null)]);
    let found = |owner: &str, count| {
        let asked = LockMany { owner: owner.into(), ..request(None, None, count) };
        choose(&all, &asked, |_| Room::default()).map(|served| served.pool.name_any())
    };

    assert_eq!(found("scheduled_alice@desk", 1).as_deref(), Ok("a"));
    assert_eq!(found("scheduled_alice@desk", 2).as_deref(), Ok("b"));
    assert_eq!(found("alice@desk", 2).as_deref(), Ok("a"));
    assert!(found("alice@desk", 5).unwrap_err().contains("at most 4 machines"));
}

#[test]
fn requests_that_differ_in_anything_have_other_names() {
    let one = request(Some("ubuntu"), None, 2);
    let mut stems = vec![stem_of(&one)];
    stems.push(stem_of(&LockMany { count: 3, ..one.clone() }));
    stems.push(stem_of(&LockMany { owner: "bob@desk".into(), ..one.clone() }));
    stems.push(stem_of(&LockMany { description: Some("x".into()), ..one.clone() }));
    stems.push(stem_of(&LockMany {
        wanted: Wanted { os_version: Some("ubuntu".into()), ..Wanted::default() },
        ..one
    }));

    stems.sort();
    stems.dedup();
    assert_eq!(stems.len(), 5);
    assert!(stems.iter().all(|stem| stem.len() < 30 && stem.starts_with(PREFIX)));
}

#[test]
fn a_job_is_told_by_its_path() {
    assert!(is_job(Some("/srv/archive/alice-2026-11-29_02:51:00-mini-main-distro-default-ovh/2")));
    for other in [None, Some("trying"), Some(""), Some("/"), Some("/only"), Some("a/b")] {
        assert!(!is_job(other), "{other:?}");
    }
    assert!(!is_job(Some("/home/alice/x is full, looking at it")));
    assert!(
        is_for_job(&[], Some("/srv/archive/x/2"))
            && !is_for_job(&["ovh001".into()], Some("/srv/archive/x/2"))
    );
    assert!(is_interactive("alice@desk") && !is_interactive("scheduled_root@vm"));
}

fn one(owner: &str, description: Option<&str>) -> LockOne {
    LockOne { locked: Some(false), owner: Some(owner.into()), description: description.map(str::to_owned) }
}

/// The answer to an unlock of a node that `holder` has, if anybody, and others had.
fn unlocked(
    machine: Option<&TestNode>,
    holder: Option<&TestNodeClaim>,
    former: &[&TestNodeClaim],
    request: &LockOne,
) -> Result<Option<String>, String> {
    let all = pools(&[pool("ovh", "ubuntu 22.04", &Value::Null)]);
    let spot = Spot { served: &all.served[0], host: "ovh001".into(), node: machine, holder, mark: None };
    match unlock(&spot, request, former, "lab") {
        Unlock::Done => Ok(None),
        Unlock::Release(claim) => Ok(Some(claim.name_any())),
        Unlock::No(No(_, why)) => Err(why),
    }
}

#[test]
fn an_unlock_must_come_from_the_holder_and_not_speak_of_something_else() {
    let held = claim("job", &Value::Null);
    let machine = node(&pool("ovh", "ubuntu 22.04", &Value::Null), 1, &claimed_by("job"));
    let answer =
        |owner, description| unlocked(Some(&machine), Some(&held), &[&held], &one(owner, description));

    assert_eq!(answer("alice@desk", None), Ok(Some("job".into())));
    assert_eq!(answer("alice@desk", Some("")), Ok(Some("job".into())));
    assert_eq!(answer("alice@desk", Some("trying")), Ok(Some("job".into())));
    assert_eq!(answer("alice@desk", Some("x")).unwrap_err(), "Cannot unlock - description values must match");
    assert_eq!(answer("bob@desk", None).unwrap_err(), "Cannot unlock - locked_by values must match");
}

#[test]
fn a_late_retry_is_200_and_does_not_touch_the_next_holder() {
    let before = claim("before", &json!({"spec": {"released": ["ovh001"]}}));
    let next = claim("next", &json!({"spec": {"owner": "bob@desk"}}));
    let machine = node(&pool("ovh", "ubuntu 22.04", &Value::Null), 1, &claimed_by("next"));

    assert_eq!(unlocked(Some(&machine), Some(&next), &[&before, &next], &one("alice@desk", None)), Ok(None));
    assert_eq!(unlocked(None, None, &[&before], &one("alice@desk", Some("trying"))), Ok(None));
    let other = unlocked(None, None, &[&before], &one("carol@desk", None));
    assert_eq!(other.unwrap_err(), "Cannot unlock an already-unlocked node");
}

#[test]
fn a_node_whose_machine_was_lost_is_given_back_all_the_same() {
    let held = claim("job", &Value::Null);

    assert_eq!(unlocked(None, Some(&held), &[&held], &one("alice@desk", None)), Ok(Some("job".into())));
    let another = node(&pool("ovh", "ubuntu 22.04", &Value::Null), 1, &Value::Null);
    assert_eq!(unlocked(Some(&another), None, &[&held], &one("alice@desk", None)), Ok(Some("job".into())));
}

#[test]
fn a_node_that_a_job_lost_to_the_next_job_of_its_owner_is_given_back_by_the_first_one_too() {
    let lost = claim("lost", &json!({"spec": {"description": "first"}}));
    let next = claim("next", &json!({"spec": {"description": "second"}}));
    let machine = node(&pool("ovh", "ubuntu 22.04", &Value::Null), 1, &claimed_by("next"));

    let answer =
        |words| unlocked(Some(&machine), Some(&next), &[&lost, &next], &one("alice@desk", Some(words)));
    assert_eq!(answer("first"), Ok(Some("lost".into())));
    assert_eq!(answer("second"), Ok(Some("next".into())));
    assert!(answer("third").is_err());
}

#[test]
fn a_broken_machine_is_locked_by_name_only_if_it_is_marked_as_down() {
    let all = pools(&[pool("ovh", "ubuntu 22.04", &Value::Null)]);
    let mut broken = node(&all.served[0].pool, 1, &Value::Null);
    let conditions = &mut broken.status.as_mut().unwrap().conditions;
    conditions[0].status = "False".into();
    let stalled = Condition { type_: "Stalled".into(), status: "True".into(), ..conditions[0].clone() };
    conditions.push(stalled);
    let asked = LockOne { locked: Some(true), ..one("alice@desk", None) };
    let answer = |node: &TestNode, uid: Option<&str>| {
        let mark = uid.map(|uid| {
            let spec = json!({"pool": "ovh", "down": true, "nodeUID": uid});
            serde_json::from_value(json!({"metadata": {"name": "ovh001"}, "spec": spec})).unwrap()
        });
        let (served, host) = (&all.served[0], "ovh001".into());
        let spot = Spot { served, host, node: Some(node), holder: None, mark: mark.as_ref() };
        lock(&spot, &asked, &[])
    };

    assert_eq!(answer(&broken, Some("n-1")), Lock::Claim);
    assert!(matches!(answer(&broken, Some("n-0")), Lock::No(No(503, _))), "another machine was marked");
    assert!(matches!(answer(&broken, None), Lock::No(No(503, _))));
    broken.spec.paused = true;
    assert!(matches!(answer(&broken, Some("n-1")), Lock::No(No(503, _))), "an admin looks at it");
}

#[test]
fn a_claim_of_another_namespace_is_not_ours_to_end() {
    let mut held = claim("job", &Value::Null);
    held.metadata.namespace = Some("team".into());

    let said = unlocked(None, Some(&held), &[], &one("alice@desk", None)).unwrap_err();
    assert!(said.contains("team/job"), "{said}");
}

#[test]
fn a_lock_by_name_is_for_a_machine_that_is_there_and_the_same_again_is_200() {
    let all = pools(&[pool("ovh", "ubuntu 22.04", &Value::Null)]);
    let held = claim("job", &Value::Null);
    let (free, taken) =
        (node(&all.served[0].pool, 1, &Value::Null), node(&all.served[0].pool, 1, &claimed_by("job")));
    let spot =
        |node, holder| Spot { served: &all.served[0], host: "ovh001".into(), node, holder, mark: None };
    let asked =
        |owner: &str, description: Option<&str>| LockOne { locked: Some(true), ..one(owner, description) };

    assert_eq!(lock(&spot(Some(&free), None), &asked("alice@desk", None), &[]), Lock::Claim);
    assert_eq!(lock(&spot(Some(&taken), Some(&held)), &asked("alice@desk", Some("trying")), &[]), Lock::Done);
    for (owner, description) in
        [("alice@desk", None), ("alice@desk", Some("x")), ("bob@desk", Some("trying"))]
    {
        let said = lock(&spot(Some(&taken), Some(&held)), &asked(owner, description), &[]);
        assert_eq!(said, Lock::No(No(403, "Cannot lock an already-locked node".into())));
    }
    let nobody = LockOne { locked: Some(true), ..LockOne::default() };
    assert!(matches!(lock(&spot(Some(&free), None), &nobody, &[]), Lock::No(No(400, _))));
    let said = lock(&spot(None, None), &asked("alice@desk", None), &["ovh002".into()]);
    let expected = "ovh001 has no machine yet; lock one of ovh002, or use --lock-many";
    assert_eq!(said, Lock::No(No(503, expected.into())));
}
