//! User data, combined from several writers' parts. Pure.
//!
//! One part alone goes to Nova as it was written, byte for byte: it may be of a kind that cloud-init does not know, such
//! as Ignition's. Several become one MIME message, which only cloud-init reads. It merges their cloud-configs in order:
//! lists grow, and of what else two parts say the first is kept. So what must hold comes first, and what is only a
//! default comes last. Begin with [`user_data`].
//!
//! No message here quotes a part: it may stand in a Secret.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use crate::ssh_key::{NotAKey, PublicKey};

/// The most that Nova takes, counted in base64.
pub const LARGEST: usize = 65_535;

/// Keys append instead of replacing each other; a name once given stays.
const MERGE: &str = "Merge-Type: list(append)+dict(no_replace,recurse_list)+str()\n";

/// How a part that can be combined may begin, and what it is then. A longer beginning comes before its prefix. As
/// cloud-init does, blanks and blank lines before it are passed over, and upper case is read as lower case.
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

/// How user data may begin that cloud-init cannot combine with other parts, and what it is then.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "compressed with gzip"),
    (b"{", "JSON, as Ignition reads it"),
    (b"#ps1", "a PowerShell script"),
    (b"rem cmd", "a Windows batch file"),
    (b"<powershell>", "a PowerShell script"),
    (b"<script>", "a Windows batch file"),
];

/// One writer's user data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// Whose it is, for messages: `spec.userData`.
    pub of: String,
    /// As it was written.
    pub content: Vec<u8>,
}

/// SSH keys of one writer that are to be let in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Keys {
    /// Whose they are, for messages: `spec.sshAuthorizedKeys`.
    pub of: String,
    /// The keys.
    pub keys: Vec<PublicKey>,
}

/// What we ourselves tell a guest of cloud-init.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OurConfig {
    /// Its hostname.
    pub hostname: Option<String>,
    /// Its whole name.
    pub fqdn: Option<String>,
    /// Who may log in.
    pub ssh_authorized_keys: Vec<Keys>,
    /// A word for the final message, by which the console knows this boot of the guest. A `final_message` of another part
    /// is kept instead.
    pub marker: Option<String>,
}

/// Why there can be no user data.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// Only a part that cloud-init knows can be one of several.
    #[error("{of} is {kind}, which a machine can be given only alone, but {with} would have to be combined with it; remove \
             one or the other, or rewrite {of}: what begins with one of {accepted}, and a MIME message in ASCII, can be \
             combined", with = with.join(", "), accepted = accepted())]
    OnlyAlone {
        /// Whose it is.
        of: String,
        /// What it is.
        kind: &'static str,
        /// What would have to be combined with it.
        with: Vec<String>,
    },
    /// More than Nova takes.
    #[error("user data ({of}) is {size} bytes in base64, {over} more than the {LARGEST} that Nova takes; shorten it, or \
             #include a URL", of = of.join(", "), over = size.saturating_sub(LARGEST))]
    TooLarge {
        /// Whose parts it is made of.
        of: Vec<String>,
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

/// The size of what goes to Nova, which counts base64.
#[must_use]
pub fn size_in_base64(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4)
}

/// Combines our configuration and the others' parts to what goes into a server's `user_data`, before base64. Blank parts
/// do not count.
///
/// A part that is the only one, where no keys are to be let in, stays as it is: then the guest learns its host name from
/// Nova alone. Otherwise our configuration comes first, and the marker last, so that it replaces nothing.
///
/// # Errors
/// If parts would have to be combined of which one is of no kind that cloud-init knows, or all together are larger than
/// Nova takes.
pub fn user_data(ours: &OurConfig, parts: &[Part]) -> Result<Option<Vec<u8>>, Error> {
    let parts: Vec<&Part> = parts.iter().filter(|part| !part.content.trim_ascii().is_empty()).collect();
    let keys: Vec<&Keys> = ours.ssh_authorized_keys.iter().filter(|keys| !keys.keys.is_empty()).collect();
    let data = match (parts.as_slice(), keys.as_slice()) {
        ([], _) => match cloud_config(ours.first().chain(ours.last())) {
            Some(config) => config,
            None => return Ok(None),
        },
        ([only], []) if !is_taken_for_mime(&only.content) => only.content.clone(),
        ([only], []) => multipart(&[section(only, &[])?]),
        _ => {
            let with = |at: usize| {
                let others = parts.iter().enumerate().filter(|(other, _)| *other != at);
                let others = others.map(|(_, part)| &part.of).chain(keys.iter().map(|keys| &keys.of));
                let mut with: Vec<String> = others.cloned().collect();
                with.dedup();
                with
            };
            let own = |content| section(&Part { of: "testnode-operator".to_owned(), content }, &[]);
            let first = cloud_config(ours.first()).map(own);
            let others = parts.iter().enumerate().map(|(at, part)| section(part, &with(at)));
            let last = cloud_config(ours.last()).map(own);
            multipart(&first.into_iter().chain(others).chain(last).collect::<Result<Vec<_>, _>>()?)
        }
    };
    let size = size_in_base64(data.len());
    if size > LARGEST {
        let of = parts.iter().map(|part| part.of.clone()).chain(keys.iter().map(|keys| keys.of.clone()));
        return Err(Error::TooLarge { of: of.collect(), size });
    }
    Ok(Some(data))
}

/// A key of cloud-config with its value, if there is one to say.
type Setting = (&'static str, Option<Value>);

impl OurConfig {
    /// What must hold.
    fn first(&self) -> impl Iterator<Item = Setting> {
        let keys = self.ssh_authorized_keys.iter().flat_map(|keys| &keys.keys);
        let keys = keys.map(PublicKey::to_string).collect::<Vec<_>>();
        [
            ("hostname", self.hostname.clone().map(Value::from)),
            ("fqdn", self.fqdn.clone().map(Value::from)),
            ("ssh_authorized_keys", (!keys.is_empty()).then(|| Value::from(keys))),
        ]
        .into_iter()
    }

    /// What holds where nobody says otherwise.
    fn last(&self) -> impl Iterator<Item = Setting> {
        [("final_message", self.marker.as_deref().map(final_message))].into_iter()
    }
}

/// The cloud-config that says this, if there is anything to say.
fn cloud_config(settings: impl Iterator<Item = Setting>) -> Option<Vec<u8>> {
    // JSON is YAML, and nothing in it can end its own quotes.
    let lines = settings.filter_map(|(key, value)| Some(format!("{key}: {}\n", value?)));
    let lines = lines.collect::<Vec<_>>().concat();
    (!lines.is_empty()).then(|| format!("#cloud-config\n{lines}").into_bytes())
}

/// cloud-init's own final message, and the marker on a line of its own.
fn final_message(marker: &str) -> Value {
    let own = "Cloud-init v. {{version}} finished at {{timestamp}}. Datasource {{datasource}}.  Up {{uptime}} seconds";
    Value::String(format!("## template: jinja\n{own}\n{marker}"))
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

/// What a part is.
enum Kind {
    /// A MIME message: cloud-init walks into it.
    Mime,
    /// Of this content type, where it is one of several.
    Known(&'static str),
    /// What cloud-init does not know, or cannot combine.
    Foreign(&'static str),
}

fn kind(content: &[u8]) -> Kind {
    if is_mime(content) {
        return if content.is_ascii() {
            Kind::Mime
        } else {
            Kind::Foreign("a MIME message with characters outside ASCII")
        };
    }
    let start = content.trim_ascii_start();
    let begins =
        |beginning: &[u8]| start.get(..beginning.len()).is_some_and(|s| s.eq_ignore_ascii_case(beginning));
    if let Some((_, content_type)) = KINDS.iter().find(|(beginning, _)| begins(beginning.as_bytes())) {
        return Kind::Known(content_type);
    }
    let foreign = FOREIGN.iter().find(|(beginning, _)| begins(beginning));
    Kind::Foreign(foreign.map_or("of no kind that cloud-init knows", |(_, words)| words))
}

/// A part with its headers; `with` is what it is to be combined with.
fn section(part: &Part, with: &[String]) -> Result<Vec<u8>, Error> {
    let content_type = match kind(&part.content) {
        // Its headers become the section's own.
        Kind::Mime => return Ok(part.content.clone()),
        Kind::Known(content_type) => content_type,
        Kind::Foreign(kind) => {
            return Err(Error::OnlyAlone { of: part.of.clone(), kind, with: with.to_vec() });
        }
    };
    let merge = if matches!(content_type, "text/cloud-config" | "text/jinja2") { MERGE } else { "" };
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
fn is_mime(content: &[u8]) -> bool {
    let head = content.get(..64).unwrap_or(content).to_ascii_lowercase();
    head.starts_with(b"content-type: multipart/") || head.starts_with(b"mime-version:")
}

/// Whether cloud-init would take a part for a MIME message that is of another kind, because it speaks of one near its
/// beginning.
fn is_taken_for_mime(content: &[u8]) -> bool {
    let head = content.get(..4096).unwrap_or(content).to_ascii_lowercase();
    matches!(kind(content), Kind::Known(_)) && head.windows(13).any(|part| part == b"mime-version:")
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
