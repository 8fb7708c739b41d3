//! Candidates around a small API server, in virtual time.

mod server;
mod trouble;

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::*;
use server::{Line, Server};

const SECOND: Duration = Duration::from_secs(1);

/// One process that stands for election.
struct Candidate {
    line: Arc<Line>,
    leadership: watch::Receiver<Leadership>,
    release: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Lost>>,
}

impl Candidate {
    fn start(server: &Arc<Server>, identity: &str) -> Self {
        let usual = Settings::new("kube-system", "testnode-system", identity);
        Self::with(server, Settings { renew_deadline: 10 * SECOND, ..usual })
    }

    fn with(server: &Arc<Server>, settings: Settings) -> Self {
        let line = Arc::new(Line::default());
        let (lease, leadership) = Lease::new(server.client(&line), settings).unwrap();
        let (release, released) = oneshot::channel();
        let task = tokio::spawn(lease.hold(async { drop(released.await) }));
        Self { line, leadership, release: Some(release), task }
    }

    fn leads(&self) -> bool {
        self.leadership.borrow().leads(Instant::now())
    }

    fn follows(&self) -> Option<String> {
        match &*self.leadership.borrow() {
            Leadership::Following { holder, .. } => holder.clone(),
            Leadership::Unknown(_) | Leadership::Leading { .. } => None,
        }
    }

    async fn until_leading(&mut self) -> Instant {
        let leading = self.leadership.wait_for(|now| matches!(now, Leadership::Leading { .. }));
        drop(timeout(1000 * SECOND, leading).await.expect("to lead at all").unwrap());
        Instant::now()
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_candidate_leads_and_goes_on_leading() {
    let server = Server::new();

    let mut a = Candidate::start(&server, "a");

    a.until_leading().await;
    sleep(100 * SECOND).await;
    assert!(a.leads());
    let spec = server.spec().unwrap();
    assert_eq!(
        (spec.holder_identity.as_deref(), spec.lease_duration_seconds, spec.lease_transitions),
        (Some("a"), Some(15), Some(0))
    );
    assert!((48..=54).contains(&server.writes()), "a write each 2 s, not {} in 100 s", server.writes());
}

#[tokio::test(start_paused = true)]
async fn of_two_that_start_at_once_one_leads_and_the_other_follows_it() {
    let server = Server::new();
    let (mut a, b) = (Candidate::start(&server, "a"), Candidate::start(&server, "b"));
    b.line.set_delay(Duration::from_millis(1), Duration::ZERO);

    a.until_leading().await;
    sleep(3 * SECOND).await;

    assert!(a.leads() && !b.leads());
    assert_eq!(b.follows().as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stands_down_before_another_takes_over() {
    let server = Server::new();
    let mut a = Candidate::start(&server, "a");
    a.until_leading().await;
    let mut b = Candidate::start(&server, "b");
    sleep(31 * SECOND).await;

    a.line.cut();
    let cut = Instant::now();

    let Err(Lost::Lapsed { within, why }) = (&mut a.task).await.unwrap() else { panic!("not lapsed") };
    assert_eq!(within, 10 * SECOND);
    assert!(why.starts_with("PUT of Lease kube-system/testnode-operator not answered for "), "{why}");
    let stood_down = cut.elapsed();
    assert!(stood_down <= 10 * SECOND && stood_down > 7 * SECOND, "stood down after {stood_down:?}");
    assert!(!a.leads() && !b.leads());
    let took_over = b.until_leading().await - cut;
    assert!(took_over > 13 * SECOND && took_over <= 19 * SECOND, "took over after {took_over:?}");
    assert_eq!(server.spec().unwrap().lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn the_right_to_work_counts_from_before_the_write() {
    let server = Server::new();
    let began = Instant::now();
    let mut a = Candidate::start(&server, "a");
    a.line.set_delay(Duration::ZERO, Duration::from_millis(2400));

    let told = a.until_leading().await;

    assert_eq!(told - began, Duration::from_millis(4800));
    let since = began + Duration::from_millis(2400);
    let until = since + 10 * SECOND;
    assert_eq!(*a.leadership.borrow(), Leadership::Leading { since, until, from: None });
    let leadership = a.leadership.borrow().clone();
    assert!(leadership.leads(until - Duration::from_millis(1)) && !leadership.leads(until));
}

/// An admission webhook that nobody answers, with `failurePolicy: Ignore` and `timeoutSeconds: 5`.
#[tokio::test(start_paused = true)]
async fn writes_that_take_five_seconds_each_neither_keep_a_candidate_from_leading_nor_cost_the_leadership() {
    let server = Server::new();
    let mut a = Candidate::with(&server, Settings::new("kube-system", "testnode-system", "a"));
    a.line.set_delay(5 * SECOND, Duration::ZERO);

    a.until_leading().await;
    sleep(120 * SECOND).await;

    assert!(a.leads() && !a.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_went_silent_does_not_cost_the_leadership() {
    let server = Server::new();
    let mut a = Candidate::start(&server, "a");
    a.until_leading().await;

    a.line.cut();
    sleep(3 * SECOND).await;
    a.line.mend();

    // The first try waits for ever; the second, beside it, is answered.
    sleep(60 * SECOND).await;
    assert!(a.leads() && !a.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_follower_knows_in_which_namespace_the_leader_is_at_home() {
    let server = Server::new();
    let mut a = Candidate::with(&server, Settings::new("kube-system", "first", "a"));
    a.until_leading().await;
    let b = Candidate::with(&server, Settings::new("kube-system", "second", "b"));

    sleep(3 * SECOND).await;

    let following = Leadership::Following { holder: Some("a".into()), home: Some("first".into()) };
    assert_eq!(*b.leadership.borrow(), following);
}

#[tokio::test(start_paused = true)]
async fn a_release_hands_over_within_one_look() {
    let server = Server::new();
    let mut a = Candidate::start(&server, "a");
    a.until_leading().await;
    let mut b = Candidate::start(&server, "b");
    sleep(10 * SECOND).await;

    let released = Instant::now();
    a.release.take().unwrap().send(()).unwrap();

    assert_eq!((&mut a.task).await.unwrap(), Ok(()));
    let spec = server.spec().unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some(""), Some(1)));
    assert!(!a.leads());
    assert!(b.until_leading().await - released <= 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_ends_leaves_the_lease_alone() {
    let server = Server::new();
    let mut a = Candidate::start(&server, "a");
    a.until_leading().await;
    let mut b = Candidate::start(&server, "b");
    sleep(5 * SECOND).await;

    b.release.take().unwrap().send(()).unwrap();

    assert_eq!((&mut b.task).await.unwrap(), Ok(()));
    sleep(30 * SECOND).await;
    assert!(a.leads());
    assert_eq!(server.spec().unwrap().lease_transitions, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_record_names_another_has_lost() {
    let server = Server::new();
    let mut a = Candidate::start(&server, "a");
    a.until_leading().await;

    server.edit(|spec| spec.holder_identity = Some("usurper".to_owned()));
    let usurped = Instant::now();

    assert_eq!((&mut a.task).await.unwrap(), Err(Lost::Taken("usurper".to_owned())));
    assert!(usurped.elapsed() <= 2 * SECOND);
    assert_eq!(server.spec().unwrap().holder_identity.as_deref(), Some("usurper"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_does_not_cost_the_leadership() {
    let server = Server::new();
    let mut a = Candidate::start(&server, "a");
    a.until_leading().await;
    sleep(SECOND).await;

    a.line.lose_replies();
    sleep(3 * SECOND).await;
    a.line.mend();

    sleep(60 * SECOND).await;
    assert!(a.leads());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_frees_nobody_while_its_holder_may_work() {
    let server = Server::new();
    let mut a = Candidate::start(&server, "a");
    a.until_leading().await;
    let mut b = Candidate::start(&server, "b");
    sleep(30 * SECOND).await;

    a.line.cut();
    server.delete();

    sleep(7 * SECOND).await;
    assert!(a.leads() && !b.leads());
    b.until_leading().await;
    assert!(!a.leads());
}

#[tokio::test(start_paused = true)]
async fn a_leader_makes_a_deleted_lease_again() {
    let server = Server::new();
    let mut a = Candidate::start(&server, "a");
    a.until_leading().await;
    let b = Candidate::start(&server, "b");
    sleep(5 * SECOND).await;

    server.delete();

    sleep(60 * SECOND).await;
    assert!(a.leads() && !b.leads());
    assert_eq!(server.spec().unwrap().holder_identity.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_holder_is_stale_by_our_clock_whatever_its_own_said() {
    let server = Server::new();
    let mut old = Candidate::start(&server, "old");
    old.until_leading().await;
    old.line.cut();
    server.edit(|spec| {
        spec.lease_duration_seconds = Some(40);
        spec.renew_time = Some("2001-01-01T00:00:00Z".parse().map(MicroTime).unwrap());
    });

    let began = Instant::now();
    let mut b = Candidate::start(&server, "b");

    let waited = b.until_leading().await - began;
    assert!(waited >= 40 * SECOND && waited <= 42 * SECOND, "took over after {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_known_until_the_lease_was_read() {
    let server = Server::new();
    let mut a = Candidate::start(&server, "a");
    a.line.cut();

    sleep(60 * SECOND).await;

    assert!(!a.leadership.borrow().is_known() && !a.task.is_finished());
    a.line.mend();
    a.until_leading().await;
    assert!(a.leadership.borrow().is_known());
}

#[test]
fn times_that_allow_two_leaders_are_refused() {
    let usual = Settings::new("kube-system", "ns", "a");

    assert!(usual.check().is_ok());
    let equal = Settings { renew_deadline: usual.duration, ..usual.clone() };
    assert!(matches!(equal.check(), Err(Invalid::Deadline { .. })));
    let slow = Settings { retry: usual.renew_deadline, ..usual.clone() };
    assert!(matches!(slow.check(), Err(Invalid::Retry { .. })));
    let hasty = Settings { retry: Duration::ZERO, ..usual.clone() };
    assert!(matches!(hasty.check(), Err(Invalid::Retry { .. })));
    let nobody = Settings { identity: String::new(), ..usual };
    assert!(matches!(nobody.check(), Err(Invalid::Anonymous)));
}
