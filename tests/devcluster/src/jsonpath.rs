//! The part of kubectl's `JSONPath` that printer columns use: `.a.b`, `['a.b']`, `[0]`, `[*]`,
//! `[?(@.type=="Ready")]`.

use serde_json::Value;

/// One step of a path.
enum Step {
    Field(String),
    Index(i64),
    All,
    Where { path: Vec<String>, is: Option<String> },
}

/// All values a path leads to.
pub(crate) fn find<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    for step in steps(path) {
        found = found.into_iter().flat_map(|value| follow(value, &step)).collect();
    }
    found.retain(|value| !value.is_null());
    found
}

fn follow<'a>(value: &'a Value, step: &Step) -> Vec<&'a Value> {
    let list = || value.as_array().map(Vec::as_slice).unwrap_or_default();
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::All => match value.as_object() {
            Some(map) => map.values().collect(),
            None => list().iter().collect(),
        },
        Step::Index(index) => {
            let count = i64::try_from(list().len()).unwrap_or_default();
            let at = if *index < 0 { count + index } else { *index };
            usize::try_from(at).ok().and_then(|at| list().get(at)).into_iter().collect()
        }
        Step::Where { path, is } => {
            let fits = |item: &&Value| {
                let found = path.iter().try_fold(*item, |value, name| value.get(name));
                match is {
                    Some(wanted) => found.is_some_and(|found| plain(found) == *wanted),
                    None => found.is_some(),
                }
            };
            list().iter().filter(fits).collect()
        }
    }
}

/// A value as text; strings without their quotes.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path.trim().trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix("[?(") {
            let Some((filter, after)) = inner.split_once(")]") else { break };
            steps.push(filtered(filter));
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('[') {
            let Some((index, after)) = inner.split_once(']') else { break };
            steps.push(match index.trim() {
                "*" => Step::All,
                index => match index.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => Step::Field(index.trim_matches(['\'', '"']).to_owned()),
                },
            });
            rest = after;
        } else {
            let (name, after) = name(rest.trim_start_matches('.'));
            if !name.is_empty() {
                steps.push(Step::Field(name));
            } else if after == rest {
                break;
            }
            rest = after;
        }
    }
    steps
}

/// A name up to the next step; a backslash keeps a dot in it.
fn name(rest: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => return (name, rest.get(at..).unwrap_or_default()),
            _ => name.push(c),
        }
    }
    (name, "")
}

fn filtered(filter: &str) -> Step {
    let (path, is) = match filter.split_once("==") {
        Some((path, is)) => (path, Some(is.trim().trim_matches(['\'', '"']).to_owned())),
        None => (filter, None),
    };
    let path = path.trim().trim_start_matches('@').split('.').filter(|name| !name.is_empty());
    Step::Where { path: path.map(str::to_owned).collect(), is }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_columns_are_followed() {
        let object =
            json!({"a": {"b.c": [1, 2]}, "l": [{"type": "Ready", "status": "True"}, {"type": "Other"}]});
        let found = |path| find(&object, path).into_iter().map(plain).collect::<Vec<_>>();

        assert_eq!(found(r#".l[?(@.type=="Ready")].status"#), ["True"]);
        assert_eq!(found(".l[*].type"), ["Ready", "Other"]);
        assert_eq!(found(".l[-1].type"), ["Other"]);
        assert_eq!(found(r".a.b\.c[0]"), ["1"]);
        assert_eq!(found(".a['b.c'][1]"), ["2"]);
        assert!(found(".nope.at.all").is_empty());
    }
}
