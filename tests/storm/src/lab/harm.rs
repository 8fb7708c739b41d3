//! Whether what a hostile cloud says does harm: to the process, or to a reader's terminal.

use std::panic::{set_hook, take_hook};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use regex::Regex;
use serde_json::Value;

use super::Lab;

/// Panics in the operator's own sources, in all labs of this process.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// How many there were since this was asked first.
#[must_use]
pub fn panics() -> usize {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            let ours = panic.location().is_some_and(|place| place.file().starts_with("src/"));
            PANICS.fetch_add(usize::from(ours), Ordering::Relaxed);
            before(panic);
        }));
    });
    PANICS.load(Ordering::Relaxed)
}

impl Lab {
    /// Every text in statuses and events is short, and has no character that a terminal obeys.
    ///
    /// # Panics
    ///
    /// If one is not.
    pub fn assert_harmless(&self) {
        let obeyed = Regex::new(r"[\p{Cc}\p{Cf}--\n]").unwrap();
        let kinds = [
            "testnodes",
            "testnodepools",
            "testnodeclaims",
            "testnodeslots",
            "clouds",
            "machinetypes",
            "events",
        ];
        let objects = kinds.into_iter();
        for object in objects.flat_map(|kind| self.cluster.list(kind, "")) {
            for text in texts(&object) {
                assert!(!obeyed.is_match(text), "{text:?} in {}", object["metadata"]["name"]);
                assert!(text.len() <= 4096, "{} bytes in {}", text.len(), object["metadata"]["name"]);
            }
        }
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
