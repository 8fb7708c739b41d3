use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn limiter(burst: u32) -> Arc<Limiter> {
    Limiter::new(RateOptions { requests_per_second: 10, burst })
}

/// How many a lane gets at once.
fn drain(limiter: &Arc<Limiter>, lane: Lane) -> u32 {
    let mut taken = 0;
    while limiter.try_take(Service::Compute, lane).is_ok() {
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

    let wait = limiter.try_take(Service::Compute, Lane::Poll).unwrap_err();
    tokio::time::advance(wait).await;

    assert_eq!(wait, SECOND / 10);
    assert!(limiter.try_take(Service::Compute, Lane::Poll).is_ok());
    assert!(limiter.try_take(Service::Compute, Lane::Poll).is_err());
}

#[tokio::test(start_paused = true)]
async fn services_do_not_share_a_bucket() {
    let limiter = limiter(10);
    drain(&limiter, Lane::Delete);

    assert!(limiter.try_take(Service::Network, Lane::Poll).is_ok());
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
async fn calls_in_flight_are_capped_until_they_end() {
    let limiter = limiter(1000);
    let mut tickets = Vec::new();
    while let Ok(ticket) = limiter.try_take(Service::Compute, Lane::Poll) {
        tickets.push(ticket);
    }

    let polls = tickets.len();
    let deletion = limiter.try_take(Service::Compute, Lane::Delete).is_ok();
    tickets.clear();

    assert_eq!(polls, IN_FLIGHT - 8);
    assert!(deletion, "polls must not stop deletions");
    assert!(limiter.try_take(Service::Compute, Lane::Poll).is_ok());
}
