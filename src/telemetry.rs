//! Logs: what they look like and how much of them there is. They go to stderr.

use std::fmt;
use std::io::{self, IsTerminal};

use jiff::Timestamp;
use tracing::Subscriber;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// One readable line per event, coloured on a terminal.
    Text,
    /// One JSON object per event.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error("log level `{level}` is neither a level nor a list of target=level")]
    Filter {
        /// As given.
        level: String,
        /// Where it stops making sense.
        #[source]
        source: ParseError,
    },
    /// Somebody else has set up logs in this process.
    #[error("logs are set up already")]
    Twice(#[from] SetGlobalDefaultError),
}

/// Sends all logs of the process to stderr.
///
/// # Errors
///
/// When `level` cannot be read, or logs are set up already.
pub fn init(format: Format, level: &str) -> Result<(), Error> {
    tracing::subscriber::set_global_default(subscriber(format, level, io::stderr)?)?;
    Ok(())
}

/// The same with another place for the lines to go.
///
/// # Errors
///
/// When `level` cannot be read.
pub fn subscriber<W>(
    format: Format,
    level: &str,
    lines: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter(level)?).with_timer(Milliseconds).with_writer(lines);
    Ok(match format {
        Format::Text => Box::new(builder.with_ansi(io::stderr().is_terminal()).with_target(false).finish()),
        Format::Json => Box::new(
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).finish(),
        ),
    })
}

/// A bare level is for our own lines: at `debug` the HTTP stack below would
/// drown them. Of the libraries only warnings pass, unless they are named.
fn filter(level: &str) -> Result<EnvFilter, Error> {
    let bare = matches!(level, "trace" | "debug" | "info" | "warn" | "error");
    let directives =
        if bare { format!("{},testnode_operator={level}", quieter(level)) } else { level.to_owned() };
    EnvFilter::try_new(directives).map_err(|source| Error::Filter { level: level.to_owned(), source })
}

fn quieter(level: &str) -> &str {
    if level == "error" { "error" } else { "warn" }
}

/// `2026-11-21T08:00:00.123Z`
struct Milliseconds;

impl FormatTime for Milliseconds {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}
