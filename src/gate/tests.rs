use super::refusals::TRY_ANYWAY;
use super::*;
use crate::reconcile::state::READ_AGAIN;

fn age(uid: &str) -> Age {
    Age { node: format!("ns/{uid}"), uid: uid.into(), ..Age::default() }
}

fn cores(cores: i64) -> Amounts {
    Amounts::from_fn(|of| match of {
        Quantity::Instances => 1,
        Quantity::Cores => cores,
        Quantity::Ram | Quantity::Volumes | Quantity::Gigabytes | Quantity::FloatingIps | Quantity::Ports => {
            0
        }
    })
}

fn used(uid: &str, need: Amounts) -> Use {
    Use {
        node: format!("ns/{uid}"),
        cloud: "c".into(),
        need,
        made: Amounts::default(),
        stage: Stage::Building,
        fqdn: None,
        existing: BTreeSet::new(),
        rank: Rank { unset: true, age: age(uid) },
    }
}

#[test]
fn what_exists_is_used_by_one_node_at_a_time_and_those_who_wait_are_called_when_it_is_released() {
    let gate = Gate::default();
    read(&gate, 0, 100);
    let with = |uid: &str, id: &str| Use { existing: [id.to_owned()].into(), ..used(uid, cores(1)) };

    assert!(gate.take(with("a", "port-1"), &bounds(None)));
    assert!(!gate.take(with("b", "port-1"), &bounds(None)), "two nodes would have one port");
    assert!(gate.take(with("c", "port-2"), &bounds(None)));
    assert_eq!(gate.user("b", &["port-1".to_owned()].into()), Some(("port-1".into(), "ns/a".into())));
    assert_eq!(gate.user("a", &["port-1".to_owned()].into()), None, "it does not wait for itself");

    gate.wait_for_one("b", &BTreeSet::new(), &["port-1".to_owned()].into());
    gate.wait_for_one("d", &BTreeSet::new(), &["port-2".to_owned()].into());
    assert!(gate.set("a", None));
    assert_eq!(gate.called_for_one(), BTreeSet::from(["b".to_owned()]));
    assert!(gate.take(with("b", "port-1"), &bounds(None)));
}

fn made(uid: &str, need: Amounts) -> Use {
    Use { made: need, stage: Stage::Made, ..used(uid, need) }
}

fn bounds(max_vcpus: Option<i64>) -> Bounds {
    Bounds {
        limits: Limits { max_vcpus, ..Limits::default() },
        // Two are under construction.
        concurrent_creates: Some(1),
        max_concurrent_creates: 100,
    }
}

/// Reads figures of the cores.
fn read(gate: &Gate, used: i64, limit: i64) {
    let ours = gate.count("c", Kind::Server).expect("they are due");
    let quota = Quota { of: Quantity::Cores, used, limit: Some(limit) };
    gate.read("c", Kind::Server, ours, Some(vec![quota]));
}

fn room(gate: &Gate, uid: &str, size: i64) -> Room {
    gate.room(&age(uid), "c", &cores(size), &bounds(None))
}

/// A node that was told that there is no room, and waits.
fn wait(gate: &Gate, uid: &str, size: i64) {
    let wishes = [("c".to_owned(), (cores(size), "full".to_owned()))].into();
    gate.wait(&age(uid), wishes);
}

fn full(figures: &str) -> Room {
    Room::Full(figures.into())
}

#[tokio::test(start_paused = true)]
async fn a_place_and_a_name_are_taken_once() {
    let gate = Gate::default();
    let named = |uid: &str| Use { fqdn: Some("n.z".into()), ..used(uid, cores(2)) };
    read(&gate, 0, 100);

    assert!(gate.take(named("a"), &bounds(None)));
    assert!(!gate.take(named("b"), &bounds(None)), "the name is held");
    assert_eq!(gate.holder("b", "n.z", None).as_deref(), Some("ns/a"));
    assert!(gate.take(named("a"), &bounds(None)), "its own");
    assert!(gate.set("a", None));
    assert!(gate.take(named("b"), &bounds(None)));
}

#[tokio::test(start_paused = true)]
async fn a_full_cloud_says_so_with_figures_and_a_busy_one_says_that() {
    let gate = Gate::default();
    read(&gate, 0, 100);
    gate.set("a", Some(used("a", cores(6))));
    let room = |limit| gate.room(&age("b"), "c", &cores(4), &bounds(Some(limit)));

    assert_eq!(room(8), full("4 cores needed, 6 of 8 in use (the Cloud's limits.maxVCPUs)"));
    assert_eq!(room(3), Room::Never("4 cores needed, 6 of 3 in use (the Cloud's limits.maxVCPUs)".into()));
    assert_eq!(room(16), Room::Free);
    gate.set("d", Some(used("d", cores(1))));
    assert_eq!(room(100), Room::Busy);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_by_figures_that_were_not_read_or_are_old() {
    let gate = Gate::default();
    assert_eq!(room(&gate, "b", 2), Room::Unread(Kind::Server));

    read(&gate, 31, 32);
    assert_eq!(room(&gate, "b", 2), full("2 cores needed, 31 of 32 in use"));
    tokio::time::advance(READ_AGAIN).await;
    assert_eq!(room(&gate, "b", 2), Room::Unread(Kind::Server));
    read(&gate, 30, 32);
    assert_eq!(room(&gate, "b", 2), Room::Free);
}

#[tokio::test(start_paused = true)]
async fn figures_that_leave_half_of_a_quota_free_let_nodes_in_for_a_minute_unless_the_cloud_refuses() {
    let gate = Gate::default();
    gate.set("a", Some(made("a", cores(2))));
    read(&gate, 4, 16);
    gate.set("a", None);
    tokio::time::advance(Duration::from_secs(59)).await;

    assert_eq!(room(&gate, "b", 6), Room::Free);
    assert_eq!(room(&gate, "b", 7), Room::Unread(Kind::Server), "more than half would be in use");
    gate.refused("b", "c", "Quota exceeded".into());
    assert_eq!(room(&gate, "b", 6), Room::Unread(Kind::Server));

    read(&gate, 2, 16);
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(room(&gate, "b", 6), Room::Unread(Kind::Server));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_tell_keeps_nobody_waiting_and_is_not_asked_for_a_minute() {
    let gate = Gate::default();
    gate.read("c", Kind::Server, Count::default(), None);

    assert_eq!(room(&gate, "b", 2), Room::Free);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(room(&gate, "b", 2), Room::Free);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(room(&gate, "b", 2), Room::Unread(Kind::Server));
}

#[tokio::test(start_paused = true)]
async fn as_many_are_let_in_as_the_figures_allow_and_no_more() {
    let gate = Gate::default();
    read(&gate, 27, 32);

    assert!(gate.take(used("a", cores(2)), &bounds(None)));
    gate.set("a", Some(made("a", cores(2))));
    assert!(gate.take(used("b", cores(2)), &bounds(None)));
    assert_eq!(room(&gate, "d", 2), full("2 cores needed, 31 of 32 in use"));
    assert_eq!(room(&gate, "d", 1), Room::Free);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_frees_its_share_without_another_reading() {
    let gate = Gate::default();
    gate.set("a", Some(made("a", cores(2))));
    read(&gate, 32, 32);
    assert_eq!(room(&gate, "b", 2), full("2 cores needed, 32 of 32 in use"));

    let going = Use { made: Amounts::default(), stage: Stage::Ending, ..used("a", cores(2)) };
    assert!(gate.set("a", Some(going)));

    assert_eq!(room(&gate, "b", 2), Room::Free);
}

#[tokio::test(start_paused = true)]
async fn figures_that_were_read_while_a_node_went_are_read_again() {
    let gate = Gate::default();
    gate.set("a", Some(Use { stage: Stage::Ending, ..made("a", cores(2)) }));
    read(&gate, 32, 32);
    assert_eq!(room(&gate, "b", 2), full("2 cores needed, 32 of 32 in use"));

    gate.set("a", None);

    assert_eq!(room(&gate, "b", 2), Room::Unread(Kind::Server));
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_figures_are_read_and_ports_too() {
    let gate = Gate::default();
    let need = cores(2).plus(&Amounts::from_fn(|of| i64::from(of == Quantity::Ports)));
    let room = || gate.room(&age("b"), "c", &need, &bounds(None));
    read(&gate, 0, 32);
    assert_eq!(room(), Room::Free);

    gate.refused("b", "c", "Quota exceeded for resources: ['port'].".into());

    assert_eq!(room(), Room::Unread(Kind::Server));
    read(&gate, 0, 32);
    assert_eq!(room(), Room::Unread(Kind::Port));
    let quota = Quota { of: Quantity::Ports, used: 5, limit: Some(5) };
    gate.read("c", Kind::Port, Count::default(), Some(vec![quota]));
    assert_eq!(room(), full("1 port needed, 5 of 5 in use"));
}

#[tokio::test(start_paused = true)]
async fn figures_that_show_room_where_the_cloud_refuses_again_let_one_a_minute_try() {
    let gate = Gate::default();
    let refuse = |uid: &str| gate.refused(uid, "c", "no".into());
    read(&gate, 0, 32);
    assert!(gate.take(used("a", cores(2)), &bounds(None)));
    assert!(gate.take(used("b", cores(2)), &bounds(None)));
    refuse("a");
    refuse("b");
    gate.set("a", None);
    gate.set("b", None);
    read(&gate, 0, 32);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(gate.take(used("b", cores(2)), &bounds(None)), "both had been let in before it refused");

    refuse("b");
    gate.set("b", None);
    read(&gate, 0, 32);
    assert_eq!(room(&gate, "a", 2), full("no"));
    tokio::time::advance(TRY_ANYWAY).await;
    read(&gate, 0, 32);
    wait(&gate, "a", 2);
    assert_eq!(room(&gate, "b", 2), full("no"), "the oldest tries");
    assert!(gate.take(used("a", cores(2)), &bounds(None)));
    assert_eq!(room(&gate, "b", 2), full("no"), "one a minute");

    gate.set("a", Some(made("a", cores(2))));
    assert_eq!(room(&gate, "b", 2), Room::Free, "a machine was made");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_of_and_holds_its_turn_until_it_leaves_or_looks_no_more() {
    let gate = Gate::default();
    read(&gate, 31, 32);
    wait(&gate, "a", 1);
    wait(&gate, "b", 2);

    assert_eq!(room(&gate, "b", 1), full("other nodes come first: 1 core needed, 31 of 32 in use"));
    assert_eq!(gate.shortage("c").as_deref(), Some("TestNode ns/a waits, and 1 more behind it: full"));
    assert!(gate.leave("a"));
    assert!(!gate.leave("a"));
    assert_eq!(room(&gate, "b", 1), Room::Free);
    wait(&gate, "a", 1);
    assert_eq!(gate.call("c", &bounds(None)), ["a"], "the other leads those of its size, and knows");
    tokio::time::advance(Duration::from_mins(1)).await;
    read(&gate, 31, 32);
    assert_eq!(room(&gate, "b", 1), Room::Free);
}

#[tokio::test(start_paused = true)]
async fn of_many_that_wait_only_those_are_called_that_can_go_and_the_next() {
    let gate = Gate::default();
    read(&gate, 0, 100);
    assert!(gate.take(used("a", cores(1)), &bounds(None)));
    assert!(gate.take(used("b", cores(1)), &bounds(None)));
    for number in 0..50 {
        wait(&gate, &format!("w{number:02}"), 1);
    }
    assert_eq!(gate.call("c", &bounds(None)), Vec::<String>::new(), "the first knows that it is the first");

    gate.set("a", None);

    assert_eq!(gate.call("c", &bounds(None)), ["w00"]);
    assert!(gate.take(used("w00", cores(1)), &bounds(None)));
    assert_eq!(gate.call("c", &bounds(None)), ["w01"], "it is the first now, and looks for the others");
    assert_eq!(gate.call("c", &bounds(None)), Vec::<String>::new());
}

#[test]
fn who_waits_for_a_name_is_called_when_it_is_released() {
    let gate = Gate::default();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    gate.set("a", Some(Use { fqdn: Some("n.z".into()), ..used("a", cores(1)) }));
    gate.wait_for_one("b", &names(&[]), &names(&["n.z"]));
    gate.wait_for_one("d", &names(&[]), &names(&["m.z"]));

    gate.set("a", None);

    assert_eq!(gate.called_for_one(), names(&["b"]));
    assert_eq!(gate.called_for_one(), names(&[]));
}

#[tokio::test(start_paused = true)]
async fn nodes_that_wait_for_two_services_have_each_read_half_as_often() {
    let gate = Gate::default();
    let volume = Amounts::from_fn(|of| i64::from(of == Quantity::Volumes));
    let ask = |uid: &str, need: Amounts, kind: Kind, of: Quantity| {
        if gate.room(&age(uid), "c", &need, &bounds(None)) != Room::Unread(kind) {
            return 0;
        }
        let ours = gate.count("c", kind).unwrap();
        gate.read("c", kind, ours, Some(vec![Quota { of, used: 1, limit: Some(1) }]));
        1
    };

    let mut calls = 0;
    for _ in 0..600 {
        calls += ask("a", cores(2), Kind::Server, Quantity::Cores);
        calls += ask("b", volume, Kind::Volume, Quantity::Volumes);
        tokio::time::advance(Duration::from_secs(1)).await;
    }

    assert!((44..=48).contains(&calls), "{calls} in ten minutes");
}

#[test]
fn a_node_of_another_namespace_is_not_named() {
    assert_eq!(named_in("lab", "lab/a"), "lab/a");
    assert_eq!(named_in("lab", "what is left of lab/a"), "what is left of lab/a");
    assert_eq!(named_in("lab", "other/a"), "of another namespace");
    assert_eq!(named_in("lab", "what is left of other/a"), "what is left of one of another namespace");
}

#[test]
fn of_two_claims_on_one_name_the_one_with_an_address_stays_then_the_older() {
    let gate = Gate::default();
    let mut set = Use { fqdn: Some("n.z".into()), ..used("young", cores(1)) };
    set.rank.unset = false;
    gate.set("young", Some(set.clone()));
    let unset = Rank { unset: true, age: Age { created: Some(jiff::Timestamp::UNIX_EPOCH), ..age("old") } };

    assert_eq!(gate.holder("old", "n.z", Some(&unset)).as_deref(), Some("ns/young"));
    assert_eq!(gate.holder("young", "n.z", Some(&set.rank)), None);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_with_many_nodes_does_not_keep_the_single_node_of_another_waiting() {
    let gate = Gate::default();
    let of = |namespace: &str, uid: &str| Age { node: format!("{namespace}/{uid}"), ..age(uid) };
    let used = |age: &Age| Use {
        node: age.node.clone(),
        rank: Rank { unset: true, age: age.clone() },
        ..used(&age.uid, cores(1))
    };
    let wait = |age: &Age| {
        let wishes = [("c".to_owned(), (cores(1), String::new()))].into();
        gate.wait(age, wishes);
    };
    read(&gate, 0, 100);
    // Two places: many has both, and three nodes that wait; all are older than the one of few.
    let many: Vec<Age> = (0..5).map(|number| of("a-many", &format!("a{number}"))).collect();
    let single = of("few", "z");
    let room = |age: &Age| gate.room(age, "c", &cores(1), &bounds(None));
    for age in &many[..2] {
        assert!(gate.take(used(age), &bounds(None)));
    }
    for age in many[2..].iter().chain([&single]) {
        assert_eq!(room(age), Room::Busy);
        wait(age);
    }

    gate.set("a0", Some(Use { stage: Stage::Made, ..used(&many[0]) }));

    assert_eq!([room(&many[2]), room(&many[4]), room(&single)], [Room::Busy, Room::Busy, Room::Free]);
    assert!(gate.take(used(&single), &bounds(None)));
    gate.set("z", Some(Use { stage: Stage::Made, ..used(&single) }));
    assert_eq!([room(&many[2]), room(&many[3])], [Room::Free, Room::Busy]);
}

#[test]
fn what_nobody_waits_for_goes_behind_all_others_and_only_half_as_much_is_made_at_once() {
    let gate = Gate::default();
    read(&gate, 0, 100);
    let bounds = Bounds { concurrent_creates: Some(2), ..bounds(None) };
    for idle in ["i1", "i2", "i3"] {
        gate.pooled(idle, true);
    }
    let wishes = || BTreeMap::from([("c".to_owned(), (cores(1), String::new()))]);
    gate.wait(&age("i1"), wishes());
    gate.wait(&age("wanted"), wishes());

    assert_eq!(gate.room(&age("i1"), "c", &cores(1), &bounds), Room::Busy, "another waits, though younger");
    assert_eq!(gate.place(&age("i1"), "c"), Turn { place: 2, of: 2 });
    assert_eq!(gate.call("c", &bounds), ["wanted"]);
    assert!(gate.take(used("wanted", cores(1)), &bounds));

    assert!(gate.take(used("i1", cores(1)), &bounds));
    assert!(gate.take(used("i2", cores(1)), &bounds));
    assert!(!gate.take(used("i3", cores(1)), &bounds), "half of four are made for nobody");
    gate.wait(&age("i3"), wishes());
    assert_eq!(
        gate.wants("p", &["i3".to_owned()].into()),
        ["i3"],
        "somebody waits for it now: it looks again"
    );
    assert!(gate.take(used("i3", cores(1)), &bounds));
}

#[tokio::test(start_paused = true)]
async fn how_long_somebody_is_told_that_there_is_too_little_is_known_but_not_of_who_would_never_fit() {
    let gate = Gate::default();
    let told = |size: i64| BTreeMap::from([("c".to_owned(), (cores(size), "too little".to_owned()))]);
    gate.set("made", Some(made("made", cores(6))));
    read(&gate, 8, 8);
    gate.pooled("idle", true);
    gate.wait(&age("idle"), told(1));
    assert_eq!(gate.short("c", &bounds(None)).map(|short| short.lasts), None, "it waits for nobody");
    gate.wait(&age("large"), told(7));
    assert_eq!(
        gate.short("c", &bounds(None)).map(|short| short.lasts),
        None,
        "two cores are not ours, so it has no room anyway"
    );

    gate.wait(&age("wanted"), told(6));
    tokio::time::advance(Duration::from_secs(40)).await;
    assert_eq!(gate.short("c", &bounds(None)).map(|short| short.lasts), Some(Duration::from_secs(40)));
    gate.leave("wanted");
    assert_eq!(gate.short("c", &bounds(None)).map(|short| short.lasts), None);
}
