//! Random lives of the whole operator, in virtual time: nodes are made and deleted while whatever can go wrong does.
//!
//! ```sh
//! cargo run --release -p storm -- --lives 10000 --seed 1
//! ```
//!
//! The last line is the result; the exit code is not zero if a law was broken. Each seed is one world of about eight nodes.
//! The seeds in `tests/storm/seeds`, in whose worlds a law was once broken, come first. A seed that fails is printed:
//! `STORM_TELL=1 … --replay N` tells its story from the beginning, and `RUST_LOG=testnode_operator=debug` adds the
//! operator's own log.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use clap::Parser;
use storm::lab::Guard;
use storm::storm::{Tally, failed_once, live, live_without};

/// Random lives of the whole operator, in virtual time.
#[derive(Parser)]
struct Options {
    /// How many nodes are made and deleted, at least.
    #[arg(long, default_value_t = 1000)]
    lives: usize,
    /// The seed of the first world that is not in tests/storm/seeds; the next world has the next number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the world of this seed.
    #[arg(long, conflicts_with_all = ["lives", "seed"])]
    replay: Option<u64>,
    /// Only the trouble that this guard is there for: version, project, cluster-id or finalizers.
    #[arg(long, value_parser = guard)]
    against: Option<Guard>,
    /// The same trouble, and an operator that lacks the guard: this must find something.
    #[arg(long, value_parser = guard, conflicts_with = "against")]
    without: Option<Guard>,
    /// How many worlds at once [default: as many as there are processors]
    #[arg(long)]
    threads: Option<usize>,
}

fn guard(word: &str) -> Result<Guard, String> {
    Guard::ALL.into_iter().find(|guard| guard.word() == word).ok_or_else(|| "no such guard".into())
}

/// A world that takes this long is in a loop in which its time does not pass.
const ENDLESS: Duration = Duration::from_mins(5);

/// Ends the program if a world does not end. The caller drops what is returned when it has ended.
fn watch(seed: u64) -> Sender<()> {
    let (ended, wait) = channel();
    std::thread::spawn(move || {
        if wait.recv_timeout(ENDLESS) == Err(RecvTimeoutError::Timeout) {
            println!("--replay {seed}: Stuck: its time has not passed for {ENDLESS:?}");
            std::process::exit(2);
        }
    });
    ended
}

fn main() -> ExitCode {
    let options = Options::parse();
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).without_time().init();
    }
    let first = options.replay.map_or_else(failed_once, |seed| vec![seed]);
    let (began, next) = (Instant::now(), AtomicUsize::new(0));
    // The number of a world and its seed. A replay has one world.
    let seed_of = |number: usize| match first.get(number) {
        Some(seed) => Some(*seed),
        None if options.replay.is_some() => None,
        None => Some(options.seed + (number - first.len()) as u64),
    };
    let all = Mutex::new(Tally::default());
    let total = || all.lock().map_or(usize::MAX, |all| all.lifecycles);
    let threads = options.threads.or(std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while total() < options.lives {
                    let Some(seed) = seed_of(next.fetch_add(1, Ordering::SeqCst)) else { break };
                    let ended = watch(seed);
                    let tally = options
                        .without
                        .map_or_else(|| live(seed, options.against), |guard| live_without(guard, seed));
                    drop(ended);
                    for (seed, law, what) in &tally.broken {
                        println!("--replay {seed}: {law:?}: {what}");
                    }
                    if let Ok(mut all) = all.lock() {
                        *all += tally;
                    }
                }
            });
        }
    });
    let Ok(all) = all.into_inner() else { return ExitCode::FAILURE };
    eprintln!("from seed {} on, in {:.1?}", options.replay.unwrap_or(options.seed), began.elapsed());
    println!("{all}");
    if all.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
