//! A test lab in one process: a Kubernetes API server, an OpenStack cloud with nsupdate-web and DNS, and the real
//! operator between them. It applies the manifests in `examples/` and shows how the nodes become Ready.
//!
//! ```sh
//! cargo run -p sandbox            # until Ctrl-C
//! cargo run -p sandbox -- --once  # up, down, and a summary
//! ```
//!
//! Begin with `run`. The lab itself is in `lab.rs`, what is applied in `manifests.rs`, what a person sees in `show.rs`,
//! and what a person is invited to try in `tour.rs`.

mod lab;
mod manifests;
mod node;
mod options;
mod screen;
mod show;
mod summary;
mod table;
mod tour;

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use lab::Lab;
use node::Watch;
use options::Options;
use screen::{Screen, write_line};
use show::Show;

/// How often the nodes are looked at.
const FRAME: Duration = Duration::from_millis(100);
/// All machines must be gone by then.
const GONE_WITHIN: Duration = Duration::from_mins(5);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough, as in `sandbox | head`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn run(options: &Options) -> Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    write_line(
        "A Kubernetes API server, an OpenStack cloud with DNS,\nand testnode-operator, in one process.\n",
    )?;
    let lab = Lab::start(options).await?;
    let told = tokio::select! {
        shown = shown(&lab, options) => shown,
        _ = terminated.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
    };
    // After Ctrl-C too, so that the operator releases its lease.
    let stopped = lab.stop().await;
    told.and(stopped)
}

async fn shown(lab: &Lab, options: &Options) -> Result<()> {
    for line in manifests::apply(lab, options)? {
        write_line(&line)?;
    }
    write_line("")?;
    let mut watch = Watch::default();
    until_ready(lab, options, &mut watch).await?;
    if options.once {
        return once(lab, options, &mut watch).await;
    }
    write_line(&tour::tour(lab))?;
    let mut show = Show::lines();
    loop {
        watch.look(&lab.site.cluster);
        show.draw(&watch, options)?;
        lab.is_alive()?;
        sleep(FRAME).await;
    }
}

async fn until_ready(lab: &Lab, options: &Options, watch: &mut Watch) -> Result<()> {
    let began = Instant::now();
    let mut show = Show::new(Screen::of_this_process());
    loop {
        watch.look(&lab.site.cluster);
        show.draw(watch, options)?;
        if watch.all_ready() {
            return Ok(());
        }
        lab.is_alive()?;
        if options.once && began.elapsed() > options.patience {
            let left = watch.complaints();
            return Err(format!("not Ready within {:?}:\n{left}", options.patience).into());
        }
        sleep(FRAME).await;
    }
}

/// Takes the nodes down again and checks that nothing is left.
async fn once(lab: &Lab, options: &Options, watch: &mut Watch) -> Result<()> {
    write_line("\nDeleting all nodes.\n")?;
    manifests::delete_nodes(lab)?;
    let began = Instant::now();
    let mut show = Show::new(Screen::of_this_process());
    loop {
        watch.look(&lab.site.cluster);
        show.draw(watch, options)?;
        if watch.all_gone() {
            break;
        }
        lab.is_alive()?;
        if began.elapsed() > GONE_WITHIN {
            return Err(format!("not gone within {GONE_WITHIN:?}:\n{}", watch.complaints()).into());
        }
        sleep(FRAME).await;
    }
    drop(show);
    write_line(&format!("\n{}", summary::of(lab, watch)))?;
    let left = summary::left(lab);
    if left.is_empty() {
        Ok(write_line("Nothing is left in the cloud, and every name is parked.")?)
    } else {
        Err(format!("left behind:\n  {}", left.join("\n  ")).into())
    }
}
