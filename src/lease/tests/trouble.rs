//! Whatever happens between the candidates and the server, at most one leads.

use proptest::prelude::*;

use super::*;

/// What befalls a line for some seconds.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Calm,
    Cut,
    LosesReplies,
    Refuses,
    Slow { there: u64, back: u64 },
}

fn troubles() -> impl Strategy<Value = Vec<(Trouble, Trouble, u64)>> {
    let one = prop_oneof![
        3 => Just(Trouble::Calm),
        2 => Just(Trouble::Cut),
        1 => Just(Trouble::LosesReplies),
        1 => Just(Trouble::Refuses),
        3 => (0u64..9_000, 0u64..9_000).prop_map(|(there, back)| Trouble::Slow { there, back }),
    ];
    prop::collection::vec((one.clone(), one, 1u64..40), 1..20)
}

fn befall(line: &Line, trouble: Trouble) {
    line.mend();
    match trouble {
        Trouble::Calm => {}
        Trouble::Cut => line.cut(),
        Trouble::LosesReplies => line.lose_replies(),
        Trouble::Refuses => line.refuse(),
        Trouble::Slow { there, back } => {
            line.set_delay(Duration::from_millis(there), Duration::from_millis(back));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever happens on the way to the API server there is at most one leader, and one again when it is calm.
    /// The margin between deadline and duration is as narrow as it may be.
    #[test]
    fn there_are_never_two_leaders(troubles in troubles()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let server = Server::new();
            let settings = |identity: String| Settings {
                renew_deadline: Duration::from_millis(10_900),
                duration: 11 * SECOND,
                ..Settings::new("kube-system", "testnode-system", identity)
            };
            let mut lives = 0;
            let mut life = || { lives += 1; Candidate::with(&server, settings(format!("life-{lives}"))) };
            let mut both = [life(), life()];
            for (one, other, seconds) in troubles {
                befall(&both[0].line, one);
                befall(&both[1].line, other);
                for _ in 0..seconds * 20 {
                    sleep(SECOND / 20).await;
                    prop_assert!(!(both[0].leads() && both[1].leads()), "two leaders");
                    for candidate in &mut both {
                        if candidate.task.is_finished() {
                            prop_assert!(!candidate.leads(), "lost, and still believes to lead");
                            *candidate = life();
                        }
                    }
                }
            }
            for candidate in &both {
 candidate.line.mend();
}
            sleep(40 * SECOND).await;
            prop_assert!(both[0].leads() != both[1].leads(), "nobody leads");
            Ok(())
        })?;
    }
}
