use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn limiter(burst: u32) -> Arc<Limiter> {
    Limiter::new(RateOptions { requests_per_second: 10, burst })
}

/// How many a lane gets at once.
fn drain(limiter: &Arc<Limiter>, lane: Lane) -> u32 {
    let mut taken = 0;
    while limiter.try_take(Service::Compute, lane, None).is_ok() {
        taken += 1;
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn polling_leaves_some_creating_leaves_fewer_and_deleting_none() {
    let limiter = limiter(10);

    assert_eq!(drain(&limiter, Lane::Poll), 7);
    assert_eq!(drain(&limiter, Lane::Create), 2);
    assert_eq!(drain(&limiter, Lane::Delete), 1);
}

#[tokio::test(start_paused = true)]
async fn every_lane_moves_even_with_the_smallest_bucket() {
    for burst in 1..5 {
        for lane in [Lane::Delete, Lane::Create, Lane::Poll] {
            assert!(drain(&limiter(burst), lane) > 0, "{lane:?} of {burst}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_is_told_is_exactly_enough() {
    let limiter = limiter(10);
    drain(&limiter, Lane::Poll);

    let wait = limiter.try_take(Service::Compute, Lane::Poll, None).unwrap_err();
    tokio::time::advance(wait).await;

    assert_eq!(wait, SECOND / 10);
    assert!(limiter.try_take(Service::Compute, Lane::Poll, None).is_ok());
    assert!(limiter.try_take(Service::Compute, Lane::Poll, None).is_err());
}

#[tokio::test(start_paused = true)]
async fn services_do_not_share_a_bucket() {
    let limiter = limiter(10);
    drain(&limiter, Lane::Delete);

    assert!(limiter.try_take(Service::Network, Lane::Poll, None).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_poller_waits_out_a_pause() {
    let limiter = limiter(10);
    limiter.stop(Service::Compute, Some(5 * SECOND));
    limiter.stop(Service::Compute, Some(SECOND));
    let begun = Instant::now();

    limiter.ready(Service::Compute, Lane::Poll).await;

    assert_eq!(begun.elapsed(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_are_capped_until_they_end_and_each_lane_by_itself() {
    let limiter = limiter(1000);
    let mut tickets = Vec::new();
    while let Ok(ticket) = limiter.try_take(Service::Compute, Lane::Delete, None) {
        tickets.push(ticket);
    }

    assert_eq!(tickets.len(), at_once(Lane::Delete));
    for lane in [Lane::Create, Lane::Poll] {
        assert!(limiter.try_take(Service::Compute, lane, None).is_ok(), "deletions must not stop {lane:?}");
    }
    assert!(limiter.try_take(Service::Network, Lane::Delete, None).is_ok(), "Nova must not stop Neutron");
    tickets.clear();
    assert!(limiter.try_take(Service::Compute, Lane::Delete, None).is_ok());
}

fn caller(namespace: &str, number: usize) -> Age {
    let node = format!("{namespace}/{number:03}");
    Age { created: None, uid: node.clone(), node }
}

/// Who is served in which order, if each comes back exactly when told, and is then done.
async fn served(limiter: &Arc<Limiter>, callers: Vec<Age>) -> Vec<String> {
    let begun = Instant::now();
    let mut due: Vec<(Instant, Age)> = callers.into_iter().map(|caller| (begun, caller)).collect();
    let mut served = Vec::new();
    while !due.is_empty() {
        due.sort_by_key(|(at, _)| *at);
        let (at, caller) = due.remove(0);
        tokio::time::sleep_until(at).await;
        match limiter.try_take(Service::Compute, Lane::Create, Some(&caller)) {
            Ok(_) => served.push(caller.uid),
            Err(wait) => due.push((Instant::now() + wait, caller)),
        }
    }
    served
}

#[tokio::test(start_paused = true)]
async fn one_call_of_a_namespace_does_not_wait_for_all_calls_of_another() {
    let limiter = limiter(10);
    drain(&limiter, Lane::Create);
    let many = (0..200).map(|number| caller("many", number));
    let few = [caller("few", 0), caller("few", 1), caller("single", 0)];

    let served = served(&limiter, many.chain(few).collect()).await;

    assert_eq!(served.len(), 203);
    for (who, latest) in [("few/000", 3), ("few/001", 6), ("single/000", 3)] {
        let place = served.iter().position(|served| served == who).unwrap();
        assert!(place <= latest, "{who} was served as number {place}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_one_namespace_the_oldest_node_is_served_first_however_late_it_comes() {
    let limiter = limiter(10);
    drain(&limiter, Lane::Create);
    let young = (1..40).rev().map(|number| caller("a", number));

    let served = served(&limiter, young.chain([caller("a", 0)]).collect()).await;

    let place = |number: usize| served.iter().position(|who| *who == format!("a/{number:03}")).unwrap();
    assert!(place(0) <= 1, "{served:?}");
    assert!((2..40).all(|number| place(number - 1) < place(number) + 2), "{served:?}");
}

#[tokio::test(start_paused = true)]
async fn callers_that_wait_get_as_many_calls_as_the_cloud_allows_and_lose_none() {
    let limiter = limiter(10);
    drain(&limiter, Lane::Create);
    let begun = Instant::now();

    served(&limiter, (0..100).map(|number| caller("many", number)).collect()).await;

    assert_eq!(begun.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_come_back_holds_up_the_others_for_two_seconds_at_most() {
    let limiter = limiter(10);
    drain(&limiter, Lane::Create);
    for number in 0..100 {
        limiter.try_take(Service::Compute, Lane::Create, Some(&caller("away", number))).unwrap_err();
    }
    tokio::time::sleep(10 * SECOND + LATE).await;

    assert!(limiter.try_take(Service::Compute, Lane::Create, Some(&caller("here", 0))).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_plans_something_else_leaves_its_place() {
    let limiter = limiter(10);
    drain(&limiter, Lane::Delete);
    let (first, second) = (caller("a", 0), caller("a", 1));
    limiter.try_take(Service::Compute, Lane::Delete, Some(&first)).unwrap_err();
    let wait = limiter.try_take(Service::Compute, Lane::Delete, Some(&second)).unwrap_err();
    assert_eq!(wait, SECOND / 5);

    drop(limiter.try_take(Service::Network, Lane::Delete, Some(&first)));

    assert_eq!(limiter.try_take(Service::Compute, Lane::Delete, Some(&second)).unwrap_err(), SECOND / 10);
}
