//! values.yaml as helm-docs reads it: a comment that begins with `-- ` is about the key below it.

use serde_json::Value;

/// A value that a person may set.
pub struct Setting {
    /// Its keys, joined by dots.
    pub path: String,
    /// What it is unless it is set.
    pub default: Value,
    /// What its comment says.
    pub about: String,
}

/// All settings, in the order of the file. Below a key with a comment nothing is a setting of its own.
pub fn settings(text: &str) -> Vec<Setting> {
    let values: Value = serde_saphyr::from_str(text).unwrap();
    let mut settings = Vec::new();
    let mut keys: Vec<&str> = Vec::new();
    let mut about: Option<String> = None;
    let mut told: Option<usize> = None;
    for line in text.lines() {
        let bare = line.trim_start();
        let depth = (line.len() - bare.len()) / 2;
        if let Some(begin) = bare.strip_prefix("# -- ") {
            about = Some(begin.to_owned());
        } else if let Some(more) = bare.strip_prefix("# ") {
            about = about.map(|about| format!("{about} {more}"));
        } else if let Some((key, _)) = bare.split_once(':') {
            if told.is_some_and(|above| depth > above) {
                continue;
            }
            keys.truncate(depth);
            keys.push(key);
            told = about.is_some().then_some(depth);
            if let Some(about) = about.take() {
                let pointer = format!("/{}", keys.join("/"));
                let default = values.pointer(&pointer).cloned().unwrap();
                settings.push(Setting { path: keys.join("."), default, about });
            }
        }
    }
    settings
}

/// Each value that is no map with something in it, by path: what the comments must cover.
pub fn leaves(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(&path, value, found);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            found.push(path.to_owned());
        }
    }
}

/// The settings as a table in Markdown.
pub fn table(settings: &[Setting]) -> String {
    let rows = settings.iter().map(|setting| {
        let Setting { path, default, about } = setting;
        format!(
            "| `{path}` | `{}` | {} |\n",
            default.to_string().replace('|', "\\|"),
            about.replace('|', "\\|")
        )
    });
    format!("| value | default | what it is |\n|---|---|---|\n{}", rows.collect::<String>())
}
