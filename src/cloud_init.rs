//! User data for cloud-init, combined from several writers' parts. Pure.
//!
//! Parts become one MIME message. cloud-init merges their cloud-configs in order: lists grow, and
//! of what else two parts say the first is kept. So what must hold comes first. Begin with [`user_data`].

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use crate::ssh_key::{NotAKey, PublicKey};

/// The most that Nova takes, counted in base64.
pub const LARGEST: usize = 65_535;

/// Keys append instead of replacing each other; a name once given stays.
const MERGE: &str = "Merge-Type: list(append)+dict(no_replace,recurse_list)+str()\n";

/// How user data may begin, and what it is then. A longer beginning comes before its prefix.
const KINDS: &[(&str, &str)] = &[
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", "text/cloud-config"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#part-handler", "text/part-handler"),
    ("## template: jinja", "text/jinja2"),
    ("#!", "text/x-shellscript"),
];

/// One writer's user data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// Whose it is, for messages: `userData of the TestNode`.
    pub of: String,
    /// As it was written.
    pub content: Vec<u8>,
}

/// What we ourselves tell a guest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OurConfig {
    /// Its hostname.
    pub hostname: Option<String>,
    /// Its whole name.
    pub fqdn: Option<String>,
    /// Who may log in.
    pub ssh_authorized_keys: Vec<PublicKey>,
    /// A word for the final message, by which the console knows this build of the guest.
    pub marker: Option<String>,
}

/// Why there can be no user data.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// cloud-init would not know what to do with it.
    #[error("{of} must begin with one of {accepted}, or be a MIME message, and begins with {found:?}", accepted = accepted())]
    UnknownKind {
        /// Whose it is.
        of: String,
        /// Its first line, bounded.
        found: String,
    },
    /// A MIME message inside another must be plain ASCII.
    #[error("{of} is a MIME message with characters outside ASCII; encode its parts in base64")]
    NotAscii {
        /// Whose it is.
        of: String,
    },
    /// More than Nova takes.
    #[error("user data is {size} bytes in base64, {over} more than the {LARGEST} that Nova takes; shorten it or #include a URL", over = size.saturating_sub(LARGEST))]
    TooLarge {
        /// Its size in base64.
        size: usize,
    },
    /// A key that would let nobody in.
    #[error("SSH key {index} {source}")]
    Key {
        /// Which in the list, from 0.
        index: usize,
        /// What a key must be.
        source: NotAKey,
    },
}

/// Reads public keys as a person pastes them.
///
/// # Errors
/// At the first that is not one whole key of a known type on one line.
pub fn ssh_keys(lines: &[String]) -> Result<Vec<PublicKey>, Error> {
    let read = |(index, line): (usize, &String)| line.parse().map_err(|source| Error::Key { index, source });
    lines.iter().enumerate().map(read).collect()
}

impl OurConfig {
    /// The cloud-config that says this, if there is anything to say. It belongs first.
    #[must_use]
    pub fn part(&self) -> Option<Part> {
        let keys = self.ssh_authorized_keys.iter().map(PublicKey::to_string).collect::<Vec<_>>();
        let config = [
            ("hostname", self.hostname.clone().map(Value::from)),
            ("fqdn", self.fqdn.clone().map(Value::from)),
            ("ssh_authorized_keys", (!keys.is_empty()).then(|| Value::from(keys))),
            ("final_message", self.marker.as_deref().map(final_message)),
        ];
        // JSON is YAML, and nothing in it can end its own quotes.
        let lines = config.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}\n", value?)));
        let lines = lines.collect::<Vec<_>>().concat();
        let of = "testnode-operator's cloud-config".to_owned();
        let content = format!("#cloud-config\n{lines}").into_bytes();
        (!lines.is_empty()).then_some(Part { of, content })
    }
}

/// cloud-init's own final message, and the marker on a line of its own.
fn final_message(marker: &str) -> Value {
    let own = "Cloud-init v. {{version}} finished at {{timestamp}}. Datasource {{datasource}}.  Up {{uptime}} seconds";
    Value::String(format!("## template: jinja\n{own}\n{marker}"))
}

/// Combines parts to what goes into a server's `user_data`, before base64. Blank parts do not count.
///
/// One part alone stays as it is, unless it is MIME: images without cloud-init may know scripts only.
///
/// # Errors
/// If a part is of no kind that cloud-init knows, or all together are larger than Nova takes.
pub fn user_data(parts: &[Part]) -> Result<Option<Vec<u8>>, Error> {
    let parts: Vec<&Part> = parts.iter().filter(|part| !part.content.trim_ascii().is_empty()).collect();
    let sections: Vec<Vec<u8>> = parts.iter().map(|part| section(part)).collect::<Result<_, _>>()?;
    let data = match parts.as_slice() {
        [] => return Ok(None),
        [only] if !mentions_mime(&only.content) => only.content.clone(),
        _ => multipart(&sections),
    };
    let size = data.len().div_ceil(3).saturating_mul(4);
    if size <= LARGEST { Ok(Some(data)) } else { Err(Error::TooLarge { size }) }
}

fn multipart(sections: &[Vec<u8>]) -> Vec<u8> {
    let boundary = boundary(sections);
    let head = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n");
    let mut message = head.into_bytes();
    for section in sections {
        message.extend_from_slice(format!("--{boundary}\n").as_bytes());
        message.extend_from_slice(section);
        // This line break belongs to the boundary: a part keeps its own end, or the lack of one.
        message.push(b'\n');
    }
    message.extend_from_slice(format!("--{boundary}--\n").as_bytes());
    message
}

/// The same for the same parts, or a server's user data would seem to change; and in none of them.
fn boundary(sections: &[Vec<u8>]) -> String {
    let mut number = 0_u32;
    loop {
        let boundary = format!("=====testnode-{number:08}=====");
        let inside =
            |section: &Vec<u8>| section.windows(boundary.len()).any(|part| part == boundary.as_bytes());
        if !sections.iter().any(inside) {
            return boundary;
        }
        number = number.wrapping_add(1);
    }
}

/// A part with its headers.
fn section(part: &Part) -> Result<Vec<u8>, Error> {
    let first = part.content.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end();
    if is_mime(first) {
        // Its headers become the section's own; cloud-init walks into it.
        let plain = part.content.is_ascii();
        return if plain { Ok(part.content.clone()) } else { Err(Error::NotAscii { of: part.of.clone() }) };
    }
    let kind = KINDS.iter().find(|(beginning, _)| first.starts_with(beginning.as_bytes()));
    let Some((_, content_type)) = kind else {
        let found = String::from_utf8_lossy(first).chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(Error::UnknownKind { of: part.of.clone(), found });
    };
    let merge = if matches!(*content_type, "text/cloud-config" | "text/jinja2") { MERGE } else { "" };
    // cloud-init garbles 8-bit text in a MIME message, so what is not plain goes in base64.
    let plain = part.content.iter().all(|b| matches!(b, b'\t' | b'\n' | b' '..=b'~'));
    let (encoding, body) =
        if plain { ("7bit", part.content.clone()) } else { ("base64", base64_lines(&part.content)) };
    let charset = "charset=\"utf-8\"";
    let head = format!(
        "Content-Type: {content_type}; {charset}\nMIME-Version: 1.0\nContent-Transfer-Encoding: {encoding}\n{merge}\n"
    );
    Ok([head.into_bytes(), body].concat())
}

/// Whether a message's headers begin here.
fn is_mime(first: &[u8]) -> bool {
    let first = first.to_ascii_lowercase();
    first.starts_with(b"content-type: multipart/") || first.starts_with(b"mime-version:")
}

/// Whether cloud-init would take it for a MIME message, or should and would not.
fn mentions_mime(content: &[u8]) -> bool {
    let head = content.get(..4096).unwrap_or(content).to_ascii_lowercase();
    is_mime(&head) || head.windows(13).any(|part| part == b"mime-version:")
}

fn base64_lines(content: &[u8]) -> Vec<u8> {
    let encoded = BASE64_STANDARD.encode(content).into_bytes();
    encoded.chunks(76).collect::<Vec<_>>().join(&b'\n')
}

fn accepted() -> String {
    KINDS.iter().map(|(beginning, _)| *beginning).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
