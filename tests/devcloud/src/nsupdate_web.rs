//! nsupdate-web: sets names, can never remove one, and believes its memory.

use std::{collections::BTreeSet, net::IpAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use regex::Regex;

use crate::{
    settings::Backend,
    wire::{Answer, Ask, Content, Reply},
    world::World,
};

const TIMEOUT: &str = "timeout";

/// Whether this reply is the one that takes nsupdate 3 s to give up.
pub(crate) fn timed_out(reply: &Reply) -> bool {
    reply.status == 500 && matches!(&reply.body, Content::Text(text) if text == TIMEOUT)
}

pub(crate) fn answer(world: &mut World, ask: &Ask) -> Answer {
    if ask.method != "GET" {
        return Reply::text(501, format!("Unsupported method ('{}')", ask.method)).err();
    }
    if let Some(auth) = &world.settings.nsupdate_auth {
        let wanted = format!("Basic {}", STANDARD.encode(auth));
        if ask.header("authorization") != Some(&wanted) {
            let refusal = Reply::text(401, "401 Authorization Required");
            return refusal.with("www-authenticate", "Basic realm=\"nsupdate\"").err();
        }
    }
    let Some(name) = ask.param("name") else { return Reply::text(400, "no name").err() };
    check_name(&world.settings.allow_hosts, name)?;
    let addresses = addresses(ask)?;
    let fqdn = format!("{name}.{}", world.settings.zone).to_lowercase();
    if world.nsupdate_cache.get(&fqdn) == Some(&addresses) {
        return Ok(Reply::text(200, "no-change"));
    }
    match world.settings.nsupdate_backend {
        Backend::Up => {
            world.set_name(&fqdn, addresses.clone());
            world.nsupdate_cache.insert(fqdn, addresses);
            Ok(Reply::text(200, "success"))
        }
        Backend::Down => {
            Reply::text(500, "; Communication with 127.0.0.1#53 failed: connection refused").err()
        }
        Backend::Silent => {
            world.nsupdate_queue.push((fqdn, addresses));
            Reply::text(500, TIMEOUT).err()
        }
        Backend::BadKey => {
            Reply::text(500, "; TSIG error with server: tsig indicates error\nupdate failed: NOTAUTH(BADSIG)")
                .err()
        }
    }
}

/// Python's `re.match`: from the start, case matters, the end is free unless the regex has `$`.
fn check_name(allow_hosts: &str, name: &str) -> Result<(), Reply> {
    let Ok(regex) = Regex::new(&format!("^(?:{allow_hosts})")) else {
        return Reply::text(500, "allow_hosts is not a regex").err();
    };
    if !regex.is_match(name) {
        // Python's `$` also fits before a newline at the very end; nsupdate then chokes on it.
        if name.strip_suffix('\n').is_some_and(|name| regex.is_match(name)) {
            return Reply::text(500, "incorrect section name").err();
        }
        return Reply::text(403, format!("{name} does not match the allow_hosts regex")).err();
    }
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Reply::text(500, "incorrect section name").err();
    }
    Ok(())
}

fn addresses(ask: &Ask) -> Result<BTreeSet<IpAddr>, Reply> {
    let mut given: Vec<&str> = ask
        .query
        .iter()
        .filter(|(key, value)| key == "ip" && !value.is_empty())
        .map(|(_, ip)| ip.as_str())
        .collect();
    if given.is_empty() {
        given.extend(ask.header("x-real-ip"));
    }
    if given.is_empty() {
        return Reply::text(400, "no address").err();
    }
    if given.len() > 32 {
        return Reply::text(400, "too many addresses").err();
    }
    let mut addresses = BTreeSet::new();
    for ip in given {
        match ip.parse() {
            Ok(address) => addresses.insert(address),
            Err(_) => {
                return Reply::text(400, format!("'{ip}' does not appear to be an IPv4 or IPv6 address"))
                    .err();
            }
        };
    }
    Ok(addresses)
}
