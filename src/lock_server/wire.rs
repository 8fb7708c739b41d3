//! What teuthology sends and what it expects to read, byte for byte as paddles has it. No other module knows these words.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

mod filter;
mod path;
#[cfg(test)]
mod tests;

pub use filter::{Filter, parameters};
pub use path::{Place, place};

/// The longest body that is read.
pub const LONGEST_BODY: usize = 64 * 1024;
/// The longest path with its query.
pub const LONGEST_PATH: usize = 2048;
/// The longest name of a node.
pub const LONGEST_NAME: usize = 256;
/// The longest owner, as in a claim.
pub const LONGEST_OWNER: usize = 64;
/// The longest description, as in a claim.
pub const LONGEST_DESCRIPTION: usize = 1024;
/// The most nodes in one request, as in a claim.
pub const MOST_NODES: i64 = 100;

/// One row of the list of nodes, with every key in the order of paddles.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// The full name.
    pub name: String,
    /// What it is used for, or why it cannot be.
    pub description: Option<String>,
    /// Whether it may be used.
    pub up: bool,
    /// teuthology's word for this kind of machine.
    pub machine_type: String,
    /// Always false: teuthology then neither makes nor destroys it.
    pub is_vm: bool,
    /// Always null.
    pub vm_host: Option<String>,
    /// Its operating system, where there is a machine.
    pub os_type: Option<String>,
    /// The version of that.
    pub os_version: Option<String>,
    /// Its architecture.
    pub arch: Option<String>,
    /// Whether somebody has it.
    pub locked: bool,
    /// Since when.
    pub locked_since: Option<String>,
    /// Who.
    pub locked_by: Option<String>,
    /// Always null.
    pub mac_address: Option<String>,
    /// Type and base64 of one host key.
    pub ssh_pub_key: Option<String>,
}

/// A date as Python prints one without a zone, always with six digits of fraction.
#[must_use]
pub fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// What a lock or an unlock of one node is answered with.
#[must_use]
pub fn lock_state(name: &str, machine_type: &str, locked_by: Option<&str>) -> Value {
    json!({
        "name": name, "locked": locked_by.is_some(), "locked_by": locked_by, "machine_type": machine_type, "is_vm": false,
    })
}

/// A refusal, as teuthology prints it.
#[must_use]
pub fn message(text: &str) -> Value {
    json!({"message": text})
}

/// How many jobs a node had, where nobody counts.
#[must_use]
pub fn no_job_stats() -> Value {
    json!({"pass": 0, "fail": 0, "queued": 0, "running": 0, "dead": 0, "unknown": 0, "waiting": 0})
}

/// Which system is asked for. What is `None` is left to us.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// `ubuntu`.
    pub os_type: Option<String>,
    /// `22.04`.
    pub os_version: Option<String>,
    /// `x86_64`.
    pub arch: Option<String>,
}

/// A request for some nodes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LockMany {
    /// Who.
    pub owner: String,
    /// How many.
    pub count: i64,
    /// Of one of these machine types.
    pub machine_types: Vec<String>,
    /// What for.
    pub description: Option<String>,
    /// With this system.
    pub wanted: Wanted,
}

/// A request to lock or unlock one node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LockOne {
    /// To lock it, to unlock it, or only to say how it stands.
    pub locked: Option<bool>,
    /// Who.
    pub owner: Option<String>,
    /// What for.
    pub description: Option<String>,
}

/// A request to unlock some nodes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnlockMany {
    /// Which.
    pub names: Vec<String>,
    /// Who.
    pub owner: String,
}

/// What somebody says of a node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Update {
    /// Whether it may be used.
    pub up: Option<bool>,
    /// Another description; `Some("")` for none.
    pub description: Option<String>,
    /// The host key that the client saw.
    pub ssh_pub_key: Option<String>,
}

/// Reads the body of `lock_many`.
///
/// # Errors
/// What is wrong with it, in the words of paddles where it has some.
pub fn lock_many(body: &[u8]) -> Result<LockMany, String> {
    let fields = object(body)?;
    if ["description", "locked_by", "machine_type", "count"].iter().any(|key| !fields.contains_key(*key)) {
        return Err("must pass these fields: description, locked_by, machine_type, count".into());
    }
    let count = fields.get("count").and_then(whole).ok_or("count must be an integer")?;
    if count < 1 {
        return Err("cannot lock less than 1 node".into());
    }
    if count > MOST_NODES {
        return Err(format!("cannot lock more than {MOST_NODES} nodes at once"));
    }
    let machine_types = types(&text(&fields, "machine_type")?.unwrap_or_default());
    if machine_types.is_empty() {
        return Err("must specify machine_type".into());
    }
    let owner = owner(&fields)?.ok_or("Cannot lock without specifying locked_by")?;
    let wanted = Wanted {
        os_type: text(&fields, "os_type")?,
        os_version: text(&fields, "os_version")?,
        arch: text(&fields, "arch")?,
    };
    Ok(LockMany { owner, count, machine_types, description: description(&fields)?, wanted })
}

/// Reads the body of `lock`.
///
/// # Errors
/// What is wrong with it.
pub fn lock_one(body: &[u8]) -> Result<LockOne, String> {
    let fields = object(body)?;
    Ok(LockOne {
        locked: truth(&fields, "locked")?,
        owner: owner(&fields)?,
        description: description(&fields)?,
    })
}

/// Reads the body of `unlock_many`.
///
/// # Errors
/// What is wrong with it, in the words of paddles where it has some.
pub fn unlock_many(body: &[u8]) -> Result<UnlockMany, String> {
    let fields = object(body)?;
    let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
    if keys.len() != 2 || !fields.contains_key("names") || !fields.contains_key("locked_by") {
        return Err("must pass these fields: names, locked_by".into());
    }
    let names = fields.get("names").and_then(Value::as_array).ok_or("'names' must be a list")?;
    if names.len() > usize::try_from(MOST_NODES).unwrap_or(usize::MAX) {
        return Err(format!("cannot unlock more than {MOST_NODES} nodes at once"));
    }
    let names = names.iter().map(|name| name.as_str().map(str::to_owned));
    let names = names.collect::<Option<Vec<_>>>().ok_or("'names' must be a list of names")?;
    let owner = owner(&fields)?.ok_or("Cannot unlock without specifying locked_by")?;
    Ok(UnlockMany { names, owner })
}

/// Reads the body of an update of a node. Keys that say nothing to us are ignored, as in paddles.
///
/// # Errors
/// What is wrong with it.
pub fn update(body: &[u8]) -> Result<Update, String> {
    let fields = object(body)?;
    if fields.contains_key("locked") || fields.contains_key("locked_by") {
        return Err("a node is locked and unlocked by PUT /nodes/NAME/lock/".into());
    }
    let description = match fields.get("description") {
        None => None,
        Some(_) => Some(description(&fields)?.unwrap_or_default()),
    };
    Ok(Update { up: truth(&fields, "up")?, description, ssh_pub_key: text(&fields, "ssh_pub_key")? })
}

/// What a request for a new row names: the node and its machine type.
#[must_use]
pub fn created(body: &[u8]) -> (Option<String>, Option<String>) {
    let fields = object(body).unwrap_or_default();
    let word = |key: &str| text(&fields, key).ok().flatten();
    (word("name"), word("machine_type"))
}

/// The machine types of `a|b`.
#[must_use]
pub fn types(text: &str) -> Vec<String> {
    text.split('|').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The names and machine types of a list that another server answered, each with its row.
///
/// # Errors
/// If it is no list of rows.
pub fn rows_of_others(body: &[u8]) -> Result<Vec<(String, String, Value)>, String> {
    let rows: Value = serde_json::from_slice(body).map_err(|_| "it did not answer with JSON".to_owned())?;
    let rows = rows.as_array().ok_or("it did not answer with a list")?;
    let word = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    let named = rows.iter().filter_map(|row| {
        Some((word(row, "name")?, word(row, "machine_type").unwrap_or_default(), row.clone()))
    });
    Ok(named.collect())
}

/// A list of words that another server answered.
#[must_use]
pub fn words_of_others(body: &[u8]) -> Vec<String> {
    serde_json::from_slice::<Vec<Value>>(body)
        .unwrap_or_default()
        .iter()
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

fn object(body: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("the body must be a JSON object".into()),
        Err(_) => Err("could not decode JSON body".into()),
    }
}

/// A text, or a number that somebody forgot to quote; what is empty is absent.
fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    let text = match fields.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(format!("{key} must be a string"));
        }
    };
    if text.len() > LONGEST_BODY {
        return Err(format!("{key} is too long"));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn owner(fields: &Map<String, Value>) -> Result<Option<String>, String> {
    let Some(owner) = text(fields, "locked_by")? else { return Ok(None) };
    if owner.chars().count() > LONGEST_OWNER || owner.chars().any(char::is_control) {
        return Err(format!("locked_by has at most {LONGEST_OWNER} characters, and no control characters"));
    }
    Ok(Some(owner))
}

fn description(fields: &Map<String, Value>) -> Result<Option<String>, String> {
    let text = text(fields, "description")?;
    if text.as_ref().is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION) {
        return Err(format!("description has at most {LONGEST_DESCRIPTION} characters"));
    }
    Ok(text)
}

fn truth(fields: &Map<String, Value>, key: &str) -> Result<Option<bool>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(Value::Number(number)) if number.as_i64().is_some() => Ok(Some(number.as_i64() != Some(0))),
        Some(_) => Err(format!("{key} must be true or false")),
    }
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}
