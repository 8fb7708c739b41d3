//! Logs: what they look like and how much of them there is. They go to stderr.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};

use jiff::Timestamp;
use tracing::Subscriber;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
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
        source: Option<ParseError>,
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
    let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing::subscriber::set_global_default(build(format, level, io::stderr, colours)?)?;
    Ok(())
}

/// The same, but the lines go elsewhere, as to a file, and without colours.
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
    build(format, level, lines, false)
}

fn build<W>(
    format: Format,
    level: &str,
    lines: W,
    colours: bool,
) -> Result<Box<dyn Subscriber + Send + Sync>, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter(level)?).with_timer(Milliseconds).with_writer(lines);
    Ok(match format {
        Format::Text => Box::new(builder.with_ansi(colours).with_target(false).finish()),
        Format::Json => Box::new(
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).finish(),
        ),
    })
}

/// A bare level is for our own lines: at `debug` the HTTP stack below would
/// drown them. Of the libraries only warnings pass, unless they are named; of
/// kube's client nothing, which calls each failed request an error although
/// its caller has it and tells it.
fn filter(level: &str) -> Result<EnvFilter, Error> {
    let directives = match level {
        "error" => "error,kube_client=off".to_owned(),
        "trace" | "debug" | "info" | "warn" => format!("warn,kube_client=off,testnode_operator={level}"),
        directives => directives.to_owned(),
    };
    let refused = |source| Error::Filter { level: level.to_owned(), source };
    // A word alone would be taken for the name of a target, and nothing would be logged.
    let is_misspelt = |part: &str| !part.contains(['=', '[']) && part.trim().parse::<LevelFilter>().is_err();
    if directives.split(',').any(is_misspelt) {
        return Err(refused(None));
    }
    EnvFilter::try_new(directives).map_err(|source| refused(Some(source)))
}

/// `2026-11-21T08:00:00.123Z`
struct Milliseconds;

impl FormatTime for Milliseconds {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, error, info, info_span, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(format: Format, level: &str, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, level, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        let text = lines.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    fn one_change() {
        let span = info_span!("reconcile", namespace = "lab", node = "smithi001");
        span.in_scope(|| info!(server = "s1", "create server"));
    }

    #[test]
    fn a_line_of_text_tells_when_who_and_what() {
        let line = log(Format::Text, "info", one_change);

        let (when, what) = line.split_once(' ').unwrap();
        assert_eq!(when.len(), "2026-11-21T08:00:00.123Z".len(), "{when}");
        assert!(when.ends_with('Z'));
        let expected = " INFO reconcile{namespace=\"lab\" node=\"smithi001\"}: create server server=\"s1\"\n";
        assert_eq!(what, expected);
    }

    #[test]
    fn a_line_of_json_is_flat() {
        let line = log(Format::Json, "info", one_change);

        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["level"], "INFO");
        assert_eq!(event["message"], "create server");
        assert_eq!(event["server"], "s1");
        assert_eq!(event["span"]["node"], "smithi001");
    }

    #[test]
    fn a_bare_level_is_for_our_own_lines() {
        let events = || {
            debug!("ours");
            debug!(target: "hyper", "theirs");
            warn!(target: "hyper", "their warning");
            error!(target: "kube_client::client::builder", "failed, and twice told");
        };

        let at_debug = log(Format::Text, "debug", events);
        assert!(at_debug.contains("ours") && at_debug.contains("their warning"), "{at_debug}");
        assert!(!at_debug.contains("theirs") && !at_debug.contains("twice"), "{at_debug}");
        assert_eq!(log(Format::Text, "error", events), "");
        assert!(log(Format::Text, "hyper=debug", events).contains("theirs"));
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_refused() {
        for level in ["a=b=c", "loud", "info,hyper"] {
            let refused = subscriber(Format::Text, level, io::sink).err().unwrap();

            let says = format!("log level `{level}` is neither a level nor a list of target=level");
            assert_eq!(refused.to_string(), says);
        }
        assert!(
            subscriber(Format::Text, "warn,hyper=debug,testnode_operator[reconcile]=trace", io::sink).is_ok()
        );
    }
}
