//! One whole life of a node, from apply to gone, as the operator's own log tells it: `tests/operator/life.txt`.
//!
//! `BLESS=1 cargo test --test operator golden` writes the file anew. A diff of it shows what a change of the rules does
//! to every node.

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;

use tracing::Level;

use crate::harness::{Lab, quick, two_volumes};

thread_local! {
    /// What is logged on this thread, if it is to be kept. A test has a thread of its own, with all its tasks.
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to the log of the thread that it is used on.
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.iter_mut().for_each(|log| log.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The steps of a node: one line each, without what differs from run to run, and without repetitions.
fn steps(log: &str) -> String {
    let id = regex::Regex::new("[0-9a-f]{8}-[0-9a-f-]{27}").unwrap();
    let lines = log.lines().filter_map(|line| line.split_once("reconcile: ").map(|(_, step)| step));
    let mut steps: Vec<String> = lines.map(|step| id.replace_all(step, "<id>").into_owned()).collect();
    steps.dedup();
    steps.join("\n") + "\n"
}

#[tokio::test(start_paused = true)]
async fn the_life_of_a_node_is_the_golden_one() {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::INFO)
        .with_ansi(false)
        .without_time()
        .with_writer(|| Log)
        .finish();
    // For the whole process: of a subscriber of one thread, `tracing` does not know where another thread logs first.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    LOG.set(Some(Vec::new()));
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;

    let told = steps(&String::from_utf8(LOG.take().unwrap()).unwrap());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operator/life.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(&file).unwrap_or_default(), "BLESS=1 writes {}", file.display());
}
