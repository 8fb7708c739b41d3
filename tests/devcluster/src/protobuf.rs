//! The few messages that kubectl sends as protobuf: those of `kubectl create namespace`, `secret`,
//! `configmap` and `serviceaccount`, and the options of a delete.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What every such body begins with.
pub(crate) const MAGIC: &[u8] = b"k8s\0";

/// What a field holds.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Texts,
    Number,
    Truth,
    Message(&'static [Field]),
    Messages(&'static [Field]),
    TextByName,
    BytesByName,
}

type Field = (u64, &'static str, Holds);

const ENVELOPE: &[Field] = &[(1, "apiVersion", Holds::Text), (2, "kind", Holds::Text)];
const OWNER: &[Field] = &[
    (1, "kind", Holds::Text),
    (3, "name", Holds::Text),
    (4, "uid", Holds::Text),
    (5, "apiVersion", Holds::Text),
    (6, "controller", Holds::Truth),
    (7, "blockOwnerDeletion", Holds::Truth),
];
const METADATA: &[Field] = &[
    (1, "name", Holds::Text),
    (2, "generateName", Holds::Text),
    (3, "namespace", Holds::Text),
    (5, "uid", Holds::Text),
    (6, "resourceVersion", Holds::Text),
    (11, "labels", Holds::TextByName),
    (12, "annotations", Holds::TextByName),
    (13, "ownerReferences", Holds::Messages(OWNER)),
    (14, "finalizers", Holds::Texts),
];
const NAMED: Field = (1, "metadata", Holds::Message(METADATA));
const PRECONDITIONS: &[Field] = &[(1, "uid", Holds::Text), (2, "resourceVersion", Holds::Text)];

/// The fields of a kind; none where it is not known here.
fn fields(kind: &str) -> Option<&'static [Field]> {
    Some(match kind {
        "Namespace" | "ServiceAccount" => &[NAMED],
        "Secret" => &[
            NAMED,
            (2, "data", Holds::BytesByName),
            (3, "type", Holds::Text),
            (4, "stringData", Holds::TextByName),
            (5, "immutable", Holds::Truth),
        ],
        "ConfigMap" => &[
            NAMED,
            (2, "data", Holds::TextByName),
            (3, "binaryData", Holds::BytesByName),
            (4, "immutable", Holds::Truth),
        ],
        "DeleteOptions" => &[
            (1, "gracePeriodSeconds", Holds::Number),
            (2, "preconditions", Holds::Message(PRECONDITIONS)),
            (4, "propagationPolicy", Holds::Text),
            (5, "dryRun", Holds::Texts),
        ],
        _ => return None,
    })
}

/// Reads a body into the JSON it stands for.
pub(crate) fn decode(body: &[u8]) -> Result<Value, String> {
    let cut = || "protobuf: the message is cut short".to_owned();
    let body = body.strip_prefix(MAGIC).ok_or_else(cut)?;
    let (mut what, mut raw) = (Value::Null, Vec::new());
    for (number, part) in parts(body).ok_or_else(cut)? {
        match (number, part) {
            (1, Part::Bytes(bytes)) => what = message(bytes, ENVELOPE).ok_or_else(cut)?,
            (2, Part::Bytes(bytes)) => raw = bytes.to_vec(),
            _ => {}
        }
    }
    let kind = what.get("kind").and_then(Value::as_str).unwrap_or_default();
    let known = fields(kind).ok_or_else(|| format!("protobuf: {kind} is not known here, send JSON"))?;
    let mut object = message(&raw, known).ok_or_else(cut)?;
    if let (Some(object), Value::Object(what)) = (object.as_object_mut(), what) {
        object.extend(what);
    }
    Ok(object)
}

/// A part of a message on the wire.
enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn parts(mut rest: &[u8]) -> Option<Vec<(u64, Part<'_>)>> {
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let part = match tag & 7 {
            0 => Part::Number(varint(&mut rest)?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, after) = rest.split_at_checked(length)?;
                rest = after;
                Part::Bytes(bytes)
            }
            _ => return None,
        };
        parts.push((tag >> 3, part));
    }
    Some(parts)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn message(bytes: &[u8], fields: &[Field]) -> Option<Value> {
    let mut object = Map::new();
    for (number, part) in parts(bytes)? {
        let Some((_, name, holds)) = fields.iter().find(|(known, ..)| *known == number) else { continue };
        add(&mut object, name, *holds, part)?;
    }
    Some(Value::Object(object))
}

fn add(object: &mut Map<String, Value>, name: &str, holds: Holds, part: Part<'_>) -> Option<()> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let value = match (holds, part) {
        // Empty text is how "not given" is written.
        (Holds::Text, Part::Bytes([])) => return Some(()),
        (Holds::Text | Holds::Texts, Part::Bytes(bytes)) => json!(text(bytes)?),
        (Holds::Number, Part::Number(number)) => json!(number),
        (Holds::Truth, Part::Number(number)) => json!(number != 0),
        (Holds::Message(fields) | Holds::Messages(fields), Part::Bytes(bytes)) => message(bytes, fields)?,
        (Holds::TextByName | Holds::BytesByName, Part::Bytes(bytes)) => {
            let (mut key, mut held) = (String::new(), Vec::new());
            for (number, part) in parts(bytes)? {
                match (number, part) {
                    (1, Part::Bytes(bytes)) => key = text(bytes)?,
                    (_, Part::Bytes(bytes)) => held = bytes.to_vec(),
                    (_, Part::Number(_)) => return None,
                }
            }
            let held = match holds {
                Holds::BytesByName => STANDARD.encode(held),
                Holds::TextByName | Holds::Text | Holds::Texts | Holds::Number | Holds::Truth => text(&held)?,
                Holds::Message(_) | Holds::Messages(_) => return None,
            };
            json!({key: held})
        }
        (_, Part::Number(_) | Part::Bytes(_)) => return None,
    };
    match holds {
        Holds::Texts | Holds::Messages(_) => {
            object.entry(name).or_insert_with(|| json!([])).as_array_mut()?.push(value);
        }
        Holds::TextByName | Holds::BytesByName => {
            let all = object.entry(name).or_insert_with(|| json!({})).as_object_mut()?;
            all.extend(value.as_object()?.clone());
        }
        Holds::Text | Holds::Number | Holds::Truth | Holds::Message(_) => {
            object.insert(name.to_owned(), value);
        }
    }
    Some(())
}
