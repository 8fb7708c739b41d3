//! The name: recorded, then published, then checked; withdrawn before its address is free.
//!
//! How a driver publishes and withdraws is its own matter: it may delete a name, or park it. The authority's answer
//! says to whom a name belongs, and only a name that is free or ours is changed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::guest::{blocked_by, no_address_to_name};
use super::pause::is_paused;
use super::{Change, MemoryChange, Question, Step, Waiting};
use crate::api::testnode_status::DnsFacts;
use crate::reason::Reason;
use crate::reconcile::state::{Abandon, Desired, Found, Kind, NameView, Observed, Trouble};

/// The authority is asked again after this time, and a request that may not have been done is sent again.
const LAG: Duration = Duration::from_secs(5);
/// A request that was done is sent again after this time: the authority may be a secondary that is behind.
const BEHIND: Duration = Duration::from_secs(30);
/// A request that was never answered takes effect no later than this.
const SETTLING: Duration = Duration::from_secs(90);

/// The address that the name should have: that of the machine, see [`Machine::address`](crate::reconcile::state::Machine::address).
#[must_use]
pub fn target_address(seen: &Observed) -> Option<IpAddr> {
    seen.machine()?.address()
}

/// The name has the address it should have, as far as can be known.
#[must_use]
pub fn is_published(seen: &Observed) -> bool {
    let (Some(dns), Some(target)) = (&seen.memory.dns, target_address(seen)) else {
        return seen.memory.dns.is_none();
    };
    if seen.name.verifiable {
        return says(&seen.name, target);
    }
    let sent = seen.name.sent.as_ref().and_then(|sent| sent.address);
    // After a restart: a node was closed as Ready only with its name set.
    let known = recorded(dns).contains(&target) && seen.memory.open().is_none();
    sent == Some(target) || (seen.name.sent.is_none() && known)
}

/// The authority says that the name has this address, and no other.
fn says(name: &NameView, address: IpAddr) -> bool {
    name.found == Some(Found::Ours(BTreeSet::from([address])))
}

/// The name may have this address, which is not the one it should have.
pub(super) fn may_have(seen: &Observed, address: Option<IpAddr>) -> bool {
    let was_set = |dns: &DnsFacts| address.is_some_and(|address| recorded(dns).contains(&address));
    seen.memory.dns.as_ref().is_some_and(was_set) && !is_published(seen)
}

fn recorded(dns: &DnsFacts) -> BTreeSet<IpAddr> {
    dns.addresses.iter().filter_map(|address| address.parse().ok()).collect()
}

pub(super) fn publish_name(_: &Desired, seen: &Observed) -> Option<Step> {
    let (dns, target, name) = (seen.memory.dns.as_ref()?, target_address(seen)?, &seen.name);
    if name.holder.is_some() {
        return None;
    }
    let step = if name.verifiable && name.found.is_none() {
        Step::Ask(Question::Name { fqdn: dns.name.clone() })
    } else if matches!(name.found, Some(Found::Taken(_))) {
        return None;
    } else if !recorded(dns).contains(&target) {
        // Even where the name already has this address, which an earlier attempt had: it is withdrawn in the end.
        Step::Do(MemoryChange::RecordAddress { address: target }.into())
    } else if is_published(seen) || !is_due(name, Some(target)) {
        return None;
    } else {
        Step::Do(Change::PublishName { address: target })
    };
    ready_to_send(step, seen)
}

/// Whether a request may be sent: to publish the name at an address, or to withdraw it. The same request is repeated
/// only after a while. Without an authority one that proved nothing would prove nothing again, and only time helps.
fn is_due(name: &NameView, address: Option<IpAddr>) -> bool {
    let same = name.sent.as_ref().filter(|sent| sent.address == address);
    same.is_none_or(|sent| {
        sent.age
            >= match (sent.proved, name.verifiable) {
                (true, _) => BEHIND,
                (false, true) => LAG,
                (false, false) => SETTLING,
            }
    })
}

/// DNS is never a reason to hold up the rest: a request that is not to be repeated yet lets the other rules speak.
fn ready_to_send(step: Step, seen: &Observed) -> Option<Step> {
    let blocked = step.key().is_some_and(|key| is_paused(seen, &key));
    (!blocked).then_some(step)
}

/// Ready means that the name is right. Why it is not yet, in the words of whoever refused.
pub(super) fn await_name(_: &Desired, seen: &Observed) -> Option<Step> {
    let dns = seen.memory.dns.as_ref().filter(|_| seen.memory.is_making() && !is_published(seen))?;
    let waiting = match &seen.name.found {
        Some(Found::Taken(why)) => Waiting::new(Reason::DNSConflict, format!("{}: {why}", dns.name)),
        Some(Found::Free | Found::Ours(_)) | None => match dns_trouble(seen) {
            Some(trouble) => Waiting {
                until: Some(trouble.retry_at),
                ..Waiting::new(Reason::DNSUpdateFailed, format!("{}: {}", dns.name, trouble.message))
            },
            None => match no_address_to_name(seen).zip(seen.machine_under_way()) {
                Some((problem, open)) => blocked_by(problem, &open),
                None => Waiting {
                    until: seen.now.checked_add(LAG).ok(),
                    ..Waiting::new(
                        Reason::SettingName,
                        format!("waiting for {} to have its address", dns.name),
                    )
                },
            },
        },
    };
    Some(Step::Wait(waiting))
}

fn dns_troubles(seen: &Observed) -> impl Iterator<Item = &Trouble> {
    seen.troubles.iter().filter(|trouble| trouble.key.is_for_dns())
}

/// The one that is tried again last: what is told of DNS.
fn dns_trouble(seen: &Observed) -> Option<&Trouble> {
    dns_troubles(seen).max_by_key(|trouble| trouble.retry_at)
}

/// Two tries failed, of whichever request: one to withdraw the name and one to ask for it are two.
fn dns_is_away(seen: &Observed) -> bool {
    dns_troubles(seen).map(|trouble| trouble.failures).sum::<u32>() >= 2
}

/// The name is withdrawn before its address is free: first of all, in the normal case. Only a name that is ours is
/// changed.
pub(super) fn withdraw_name(seen: &Observed, _: &str) -> Option<Step> {
    let (dns, name) = (seen.memory.dns.as_ref()?, &seen.name);
    if recorded(dns).is_empty() {
        return withdraw_again(seen, dns, name);
    }
    // A name that another node holds is not ours to write.
    if name.holder.is_some() {
        return Some(Step::Do(MemoryChange::ForgetName.into()));
    }
    // A request whose reply was lost may take effect after a look that did not show it, but not after a later request
    // that was done. A later request that proves nothing does not help; time does.
    let withdrawn = name.sent.as_ref().filter(|sent| sent.address.is_none());
    let over = withdrawn.is_some_and(|sent| sent.proved || sent.age >= SETTLING);
    let step = match &name.found {
        None if name.verifiable => Step::Ask(Question::Name { fqdn: dns.name.clone() }),
        Some(Found::Taken(_)) => Step::Do(MemoryChange::ForgetName.into()),
        Some(Found::Free) | None if over => Step::Do(MemoryChange::ForgetName.into()),
        Some(Found::Free | Found::Ours(_)) | None if !name.usable => return None,
        Some(Found::Free | Found::Ours(_)) | None if is_due(name, None) => Step::Do(Change::WithdrawName),
        Some(Found::Free | Found::Ours(_)) | None => Step::Wait(Waiting {
            until: seen.now.checked_add(LAG).ok(),
            ..Waiting::new(Reason::WithdrawingName, format!("waiting for {} to be withdrawn", dns.name))
        }),
    };
    // If DNS is away, server and volumes are deleted all the same; ports stay and hold the address (see
    // `await_withdrawal`).
    if dns_is_away(seen) { ready_to_send(step, seen) } else { Some(step) }
}

/// What is abandoned in a lost cloud keeps its addresses: the name is withdrawn first, if DNS can be asked. If it cannot,
/// the name is part of what may be left.
pub(super) fn withdraw_abandoned_name(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = seen.clouds.get(cloud).filter(|_| !dns_is_away(seen))?;
    if view.abandon == Some(Abandon::Honoured) { withdraw_name(seen, cloud) } else { None }
}

/// Before the object is released its name is looked at once more. A request that was sent long ago, or by another
/// operator that knew no better, may have published it again.
fn withdraw_again(seen: &Observed, dns: &DnsFacts, name: &NameView) -> Option<Step> {
    if !may_stand_again(seen, dns, name) {
        return None;
    }
    let step = match &name.found {
        None => Step::Ask(Question::Name { fqdn: dns.name.clone() }),
        Some(Found::Ours(_)) if is_due(name, None) => Step::Do(Change::WithdrawName),
        Some(Found::Ours(_) | Found::Free | Found::Taken(_)) => return None,
    };
    ready_to_send(step, seen)
}

/// The name was withdrawn, and is not known to be nothing of ours. A request to publish it that nobody answered may still
/// be done, until it has settled.
fn may_stand_again(seen: &Observed, dns: &DnsFacts, name: &NameView) -> bool {
    let checkable = seen.deleting && name.verifiable && name.usable && name.holder.is_none();
    let late = name.unanswered.is_some_and(|age| age < SETTLING);
    let over = !late && matches!(name.found, Some(Found::Free | Found::Taken(_)));
    checkable && !dns.withdrawn.is_empty() && !over
}

/// The object is not released before that look: if DNS is away, it waits with nothing but its name.
pub(super) fn await_name_gone(seen: &Observed, _: &str) -> Option<Step> {
    let dns = seen.memory.dns.as_ref().filter(|dns| dns.addresses.is_empty())?;
    if !may_stand_again(seen, dns, &seen.name) {
        return None;
    }
    Some(Step::Wait(match dns_trouble(seen) {
        Some(trouble) => Waiting {
            until: Some(trouble.retry_at),
            ..Waiting::new(
                Reason::DNSUpdateFailed,
                format!("{} was withdrawn, and is looked at once more: {}", dns.name, trouble.message),
            )
        },
        None => Waiting {
            until: seen.now.checked_add(LAG).ok(),
            ..Waiting::new(Reason::WithdrawingName, format!("waiting for {} to be withdrawn again", dns.name))
        },
    }))
}

/// No floating IP and no port is deleted, and no address is free, while the name may still point there.
pub(super) fn await_withdrawal(seen: &Observed, cloud: &str) -> Option<Step> {
    let dns = seen.memory.dns.as_ref().filter(|dns| !dns.addresses.is_empty())?;
    let trouble = dns_trouble(seen);
    let said =
        trouble.map_or_else(|| "its cloud's DNS cannot be asked".into(), |trouble| trouble.message.clone());
    Some(Step::Wait(Waiting {
        until: trouble.map(|trouble| trouble.retry_at),
        looks: vec![(cloud.to_owned(), Kind::Port)],
        ..Waiting::new(
            Reason::DNSUpdateFailed,
            format!("{} is still published; its address is kept until it is withdrawn: {said}", dns.name),
        )
    }))
}
