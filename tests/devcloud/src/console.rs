//! What a guest has said on its console by now.

mod keys;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use regex::Regex;
use tokio::time::Instant;

use crate::{clock::Clock, world::server::Server};

/// A line and when it is printed, in parts of a boot.
struct Line {
    at: f64,
    text: String,
}

/// The console so far: of every boot since the disk was made. Lines end in CR LF.
pub(crate) fn read(clock: &Clock, now: Instant, boot: Duration, server: &Server) -> String {
    let mut console = String::new();
    if server.fate.no_console {
        return console;
    }
    if let Some(text) = &server.fate.console {
        let up = server.boots.last().is_some_and(|started| now >= *started + boot);
        return if up { text.clone() } else { console };
    }
    for (nth, started) in server.boots.iter().enumerate() {
        let lines = lines(clock, *started, boot, server, nth == 0);
        for line in lines.iter().filter(|line| now >= *started + boot.mul_f64(line.at)) {
            console.push_str(&line.text);
            console.push_str("\r\n");
        }
    }
    console
}

fn lines(clock: &Clock, started: Instant, boot: Duration, server: &Server, first: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let uptime = |at: f64| boot.as_secs_f64() * at;
    let mut say = |at: f64, text: String| lines.push(Line { at, text });
    let stamped = |at: f64, text: &str| format!("[{:12.6}] {text}", uptime(at));
    let stage = |at: f64, name: &str| {
        let when = clock.cloud_init(started + boot.mul_f64(at));
        let text = format!(
            "cloud-init[412]: Cloud-init v. 22.4.2 running '{name}' at {when}. Up {:.2} seconds.",
            uptime(at)
        );
        stamped(at, &text)
    };
    say(0.0, stamped(0.0, "Linux version 6.1.0-18-cloud-amd64 (debian-kernel@lists.debian.org)"));
    say(0.1, stamped(0.1, "virtio_blk virtio1: [vda] 104857600 512-byte logical blocks (53.7 GB/50.0 GiB)"));
    say(0.2, stamped(0.2, "systemd[1]: Detected virtualization kvm."));
    if server.fate.never_boots {
        return lines;
    }
    say(0.35, stage(0.35, "init-local"));
    say(0.5, stage(0.5, "init"));
    say(0.55, format!("{} login: ", server.hostname));
    say(0.7, stage(0.7, "modules:config"));
    for line in &server.fate.says {
        say(0.8, stamped(0.8, line));
    }
    say(0.85, stage(0.85, "modules:final"));
    if first && !server.fate.no_host_keys {
        let at = 0.95;
        let syslog = clock.syslog(started + boot.mul_f64(at));
        for line in
            keys::block(server, &syslog, &stamped(at, "random: crng reseeded due to virtual machine fork"))
        {
            say(at, line);
        }
    }
    let data_source = if server.fate.no_datasource {
        "DataSourceNone"
    } else if server.config_drive {
        "DataSourceConfigDrive [net,ver=2][source=/dev/sr0]"
    } else {
        "DataSourceOpenStackLocal [net,ver=2]"
    };
    let user_data = if server.fate.no_datasource { None } else { server.user_data.as_deref() };
    let message = final_message(user_data)
        .unwrap_or_else(|| {
            "Cloud-init v. {{version}} finished at {{timestamp}}. Datasource {{datasource}}.  Up {{uptime}} seconds".into()
        })
        .replace("$version", "22.4.2")
        .replace("$timestamp", &clock.cloud_init(started + boot))
        .replace("$datasource", data_source)
        .replace("$uptime", &format!("{:.2}", uptime(1.0)))
        .replace("$UPTIME", &format!("{:.2}", uptime(1.0)));
    let message = [
        ("version", "22.4.2"),
        ("timestamp", &clock.cloud_init(started + boot)),
        ("datasource", data_source),
        ("uptime", &format!("{:.2}", uptime(1.0))),
        ("v1.local_hostname", &server.hostname),
        ("local_hostname", &server.hostname),
        ("v1.instance_id", &server.id),
        ("instance_id", &server.id),
    ]
    .iter()
    .fold(message, |message, (name, value)| {
        message.replace(&format!("{{{{{name}}}}}"), value).replace(&format!("{{{{ {name} }}}}"), value)
    });
    let message = message.strip_prefix("## template: jinja\n").unwrap_or(&message);
    for (at, line) in message.trim_end().lines().enumerate() {
        let prefix = if at == 0 { stamped(1.0, "cloud-init[987]: ") } else { String::new() };
        say(1.0, format!("{prefix}{line}"));
    }
    lines
}

/// The final message that user data asks for: the last one, as later parts win, but the first where parts say that what is
/// there is not replaced. Parts of a MIME message may be base64.
fn final_message(user_data: Option<&str>) -> Option<String> {
    let raw = STANDARD.decode(user_data?.replace(['\n', '\r'], "")).ok()?;
    let text = String::from_utf8_lossy(&raw).replace("\r\n", "\n");
    let mut documents = vec![text.clone()];
    let encoded = Regex::new(
        r"(?m)^(?i:Content-Transfer-Encoding): *base64.*\n(?:[^\n]+\n)*\n((?:[A-Za-z0-9+/=]+\n?)+)",
    )
    .ok()?;
    for part in encoded.captures_iter(&text) {
        let packed: String = part.get(1).map_or("", |body| body.as_str()).split_whitespace().collect();
        if let Ok(part) = STANDARD.decode(packed) {
            documents.push(String::from_utf8_lossy(&part).replace("\r\n", "\n"));
        }
    }
    if text.contains("no_replace") {
        return documents.iter().find_map(|document| from_yaml(document));
    }
    documents.iter().rev().find_map(|document| from_yaml(document))
}

/// The value of a top-level `final_message`, written plain, quoted or as a block.
fn from_yaml(document: &str) -> Option<String> {
    let mut lines = document.lines().skip_while(|line| !line.starts_with("final_message:"));
    let value = lines.next()?.strip_prefix("final_message:")?.trim();
    if value.starts_with(['|', '>']) {
        let block: Vec<_> =
            lines.take_while(|line| line.starts_with(' ') || line.is_empty()).map(str::trim).collect();
        return Some(block.join(if value.starts_with('|') { "\n" } else { " " }));
    }
    if let Some(quoted) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        return Some(quoted.replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\"));
    }
    let single = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    Some(single.map_or_else(|| value.into(), |quoted| quoted.replace("''", "'")))
}
