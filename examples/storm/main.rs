//! Random lives of the whole operator, in virtual time: nodes come and go while whatever can go wrong does.
//!
//! ```sh
//! cargo run --release --example storm -- --lives 10000 --seed 1
//! ```
//!
//! The last line tells what came of it; the exit code is not zero if a law was broken. Each seed is one world of about
//! eight nodes. One that failed is printed, and is told from its beginning with `STORM_TELL=1 … --lives 1
//! --seed N`, and with the operator's own log with `RUST_LOG=testnode_operator=debug`.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use clap::Parser;
use storm::lab::Guard;
use storm::storm::{Tally, live, live_without};

/// Random lives of the whole operator, in virtual time.
#[derive(Parser)]
struct Options {
    /// At least so many nodes come and go.
    #[arg(long, default_value_t = 1000)]
    lives: usize,
    /// The seed of the first world; the next world has the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the weather that a guard is there for: version, project, cluster-id or finalizers.
    #[arg(long, value_parser = guard)]
    against: Option<Guard>,
    /// The same weather, and an operator that lacks the guard: this must find something.
    #[arg(long, value_parser = guard, conflicts_with = "against")]
    without: Option<Guard>,
    /// So many worlds at once; as many as there are processors, if not given.
    #[arg(long)]
    threads: Option<usize>,
}

fn guard(word: &str) -> Result<Guard, String> {
    Guard::ALL.into_iter().find(|guard| guard.word() == word).ok_or_else(|| "no such guard".into())
}

/// A world that takes this long goes round in circles without its time passing.
const ENDLESS: Duration = Duration::from_mins(5);

/// Ends the program if a world does not end; what is returned is dropped when it has.
fn watch(seed: u64) -> Sender<()> {
    let (ended, wait) = channel();
    std::thread::spawn(move || {
        if wait.recv_timeout(ENDLESS) == Err(RecvTimeoutError::Timeout) {
            println!("--seed {seed}: Stuck: its time has not passed for {ENDLESS:?}");
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
    let (began, next) = (Instant::now(), AtomicU64::new(options.seed));
    let all = Mutex::new(Tally::default());
    let total = || all.lock().map_or(usize::MAX, |all| all.lifecycles);
    let threads = options.threads.or(std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while total() < options.lives {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    let ended = watch(seed);
                    let tally = options
                        .without
                        .map_or_else(|| live(seed, options.against), |guard| live_without(guard, seed));
                    drop(ended);
                    for (seed, law, what) in &tally.broken {
                        println!("--seed {seed}: {law:?}: {what}");
                    }
                    if let Ok(mut all) = all.lock() {
                        *all += tally;
                    }
                }
            });
        }
    });
    let Ok(all) = all.into_inner() else { return ExitCode::FAILURE };
    let worlds = next.into_inner() - options.seed;
    eprintln!("{worlds} worlds from seed {}, in {:.1?}", options.seed, began.elapsed());
    println!("{all}");
    if all.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
