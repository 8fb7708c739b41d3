//! Answers that no honest cloud gives: fields gone or of another type, keys twice, numbers that fit nowhere, text that
//! is cut, nested without end or full of control characters.

use serde_json::{Value, json};

use crate::wire::{Content, Reply};

/// Text that must not come through as it is: escape sequences, bidi overrides, ids that leave their path.
pub const HOSTILE_TEXTS: &[&str] = &[
    "\u{1b}]0;owned\u{7}\u{1b}[31mred\u{1b}[2J",
    "a\u{202e}b\u{200b}c\u{feff}\r\nx\u{0}y",
    "../../../v3/users",
    "a/b?c=d#e",
    "%2e%2e%2f",
    ".",
    "",
    "2026-13-45T99:99:99Z",
    "\u{9b}1;31m\u{85}",
];

/// How deep an answer is nested that is nested without end.
const DEEP: usize = 20_000;

/// Twists a reply. The same seed twists the same reply in the same way.
pub(crate) fn twist(reply: &mut Reply, seed: u64) {
    let mut dice = Dice(seed);
    let Content::Json(body) = &mut reply.body else {
        reply.body = Content::Text(HOSTILE_TEXTS.concat().repeat(100));
        return;
    };
    match dice.below(10) {
        0..=5 => {
            let places = count(body);
            for _ in 0..=dice.below(3) {
                let at = dice.below(places);
                alter(body, at, &mut dice);
            }
        }
        6 => {
            let text = body.to_string();
            let cut: String = text.chars().take(dice.below(text.chars().count())).collect();
            reply.body = Content::Text(cut);
        }
        7 => reply.body = Content::Text(doubled(body)),
        8 => reply.body = Content::Text(format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP))),
        _ => {
            if let Some(list) =
                body.as_object_mut().and_then(|o| o.values_mut().find_map(Value::as_array_mut))
            {
                let some = list.clone();
                let times = 1 + dice.below(500);
                list.extend(some.iter().cycle().take(some.len() * times).cloned());
            } else {
                alter(body, 0, &mut dice);
            }
        }
    }
}

/// Values in a body, itself among them.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Alters the value at a place, counted from the top. Returns how many places it has passed, if it is not there.
fn alter(value: &mut Value, at: usize, dice: &mut Dice) -> usize {
    if at == 0 {
        *value = other(value, dice);
        return 0;
    }
    let mut left = at - 1;
    let mut inside: Vec<&mut Value> = match value {
        Value::Array(list) => list.iter_mut().collect(),
        Value::Object(fields) => {
            // A field that is not there at all.
            if left < fields.len() && dice.below(4) == 0 {
                let name = fields.keys().nth(left).cloned().unwrap_or_default();
                fields.remove(&name);
                return 0;
            }
            fields.values_mut().collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return at,
    };
    for inner in &mut inside {
        let places = count(inner);
        if left < places {
            return alter(inner, left, dice);
        }
        left -= places;
    }
    left
}

fn other(value: &Value, dice: &mut Dice) -> Value {
    let hostile = HOSTILE_TEXTS.get(dice.below(HOSTILE_TEXTS.len())).copied().unwrap_or_default();
    match dice.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1e300),
        5 => json!([]),
        6 => json!({}),
        7 => json!([value, value]),
        8 => json!({"x": value}),
        9 => json!("A".repeat(50_000)),
        _ => match value {
            Value::String(text) => json!(format!("{text}{hostile}")),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                json!(hostile)
            }
        },
    }
}

/// The body with each key of its top twice, the second time with another value.
fn doubled(body: &Value) -> String {
    let Value::Object(fields) = body else { return format!("{body}{body}") };
    let twice = fields.iter().map(|(key, value)| format!("{0}:{value},{0}:null", json!(key)));
    format!("{{{}}}", twice.collect::<Vec<_>>().join(","))
}

/// Numbers that look random (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound.max(1) as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers() -> Reply {
        let server = json!({"id": "a", "metadata": {"k": "v"}, "addresses": {"net": [{"addr": "10.0.0.1"}]}});
        Reply::json(200, json!({"servers": [server]}))
    }

    #[test]
    fn every_seed_twists_an_answer_and_most_of_them_each_in_its_own_way() {
        let plain = format!("{:?}", servers());

        let twisted: std::collections::BTreeSet<String> = (0..200)
            .map(|seed| {
                let mut reply = servers();
                twist(&mut reply, seed);
                format!("{reply:?}")
            })
            .collect();

        assert!(twisted.len() > 100, "{}", twisted.len());
        assert!(!twisted.contains(&plain));
    }
}
