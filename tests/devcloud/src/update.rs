//! Dynamic updates of the name server (RFC 2136), signed by TSIG (RFC 8945), answered as BIND 9.18 answers them.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType, TSigner,
        rdata::tsig::{TSIG, TsigAlgorithm, TsigError, make_tsig_record},
    },
};

use crate::{settings::Backend, world::World};

/// How far the client's clock may be from ours, in seconds, where a message does not say.
const FUDGE: u16 = 300;

/// Answers one update, and does it if it may.
pub(crate) fn answer(world: &mut World, request: &[u8]) -> Option<Vec<u8>> {
    let message = Message::from_vec(request).ok()?;
    let key = signer(world)?;
    let now = u64::try_from(world.wall_clock().as_second()).ok()?;
    let mac = match authenticate(world, &message, request, &key, now) {
        Ok(mac) => mac,
        Err((code, error)) => return refuse(&message, &key, now, code, error),
    };
    let code = perform(world, &message).err().unwrap_or(ResponseCode::NoError);
    signed(
        &reply_to(&message, code),
        &key,
        &mac,
        TSIG::new(key.algorithm().clone(), now, FUDGE, Vec::new(), message.metadata.id, None, Vec::new()),
    )
}

fn signer(world: &World) -> Option<TSigner> {
    let secret = STANDARD.decode(&world.settings.tsig_secret).ok()?;
    let name = Name::from_ascii(&world.settings.tsig_key).ok()?;
    TSigner::new(secret, TsigAlgorithm::HmacSha256, name, FUDGE).ok()
}

/// Why a message is not believed. A wrong time is told with a signature, all else without.
type Doubt = (ResponseCode, Option<(TsigError, Vec<u8>, u64)>);

fn authenticate(
    world: &World,
    message: &Message,
    request: &[u8],
    key: &TSigner,
    now: u64,
) -> Result<Vec<u8>, Doubt> {
    let Some(signature) = message.signature() else { return Err((ResponseCode::Refused, None)) };
    let doubt = |error| (ResponseCode::NotAuth, Some((error, Vec::new(), signature.data.time)));
    if signature.name.to_lowercase() != key.signer_name().to_lowercase()
        || signature.data.algorithm != *key.algorithm()
    {
        return Err(doubt(TsigError::BadKey));
    }
    let verified = key.verify_message_byte(request, None, true);
    let (mac, _, range) = match verified {
        Ok(verified) if world.settings.nsupdate_backend != Backend::BadKey => verified,
        _ => return Err(doubt(TsigError::BadSig)),
    };
    if range.contains(&now) {
        return Ok(mac);
    }
    Err((ResponseCode::NotAuth, Some((TsigError::BadTime, mac, signature.data.time))))
}

fn refuse(
    message: &Message,
    key: &TSigner,
    now: u64,
    code: ResponseCode,
    error: Option<(TsigError, Vec<u8>, u64)>,
) -> Option<Vec<u8>> {
    let mut reply = reply_to(message, code);
    let Some((error, mac, time)) = error else { return reply.to_vec().ok() };
    let stub = |other| {
        TSIG::new(key.algorithm().clone(), time, FUDGE, Vec::new(), message.metadata.id, Some(error), other)
    };
    if error == TsigError::BadTime {
        let clock = now.to_be_bytes().get(2..).unwrap_or_default().to_vec();
        return signed(&reply, key, &mac, stub(clock));
    }
    let name = message.signature().map(|record| record.name.clone()).unwrap_or_default();
    reply.set_signature(Box::new(make_tsig_record(name, stub(Vec::new()))));
    reply.to_vec().ok()
}

fn reply_to(message: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::response(message.metadata.id, OpCode::Update);
    reply.add_queries(message.queries.iter().cloned());
    reply.metadata.response_code = code;
    reply
}

fn signed(reply: &Message, key: &TSigner, mac: &[u8], stub: TSIG) -> Option<Vec<u8>> {
    let bytes = reply.to_vec().ok()?;
    let signature = key.sign(&key.encode_response_tbs(mac, &bytes, &stub).ok()?).ok()?;
    let mut reply = reply.clone();
    reply.set_signature(Box::new(make_tsig_record(key.signer_name().clone(), stub.set_mac(signature))));
    reply.to_vec().ok()
}

/// All or nothing: rights before prerequisites, and these before the first change.
fn perform(world: &mut World, message: &Message) -> Result<(), ResponseCode> {
    let zone = message.queries.first().ok_or(ResponseCode::FormErr)?.name().to_lowercase();
    let ours = world.zones().into_iter().any(|own| own == zone);
    if !ours {
        return Err(ResponseCode::NotAuth);
    }
    let all = || message.answers.iter().chain(&message.authorities);
    if all().any(|record| !zone.zone_of(&record.name.to_lowercase())) {
        return Err(ResponseCode::NotZone);
    }
    let may = |kind: RecordType| {
        let grants = &world.settings.update_grants;
        grants.iter().any(|grant| grant == "ANY" || *grant == kind.to_string())
    };
    for record in &message.authorities {
        // Who deletes all types needs the right to each that is there.
        let kind = record.record_type();
        let asked = if kind == RecordType::ANY { kinds(world, &text(&record.name)) } else { vec![kind] };
        if !asked.into_iter().all(may) {
            return Err(ResponseCode::Refused);
        }
    }
    meets(world, &message.answers)?;
    for record in &message.authorities {
        change(world, record);
    }
    Ok(())
}

fn meets(world: &World, prerequisites: &[Record]) -> Result<(), ResponseCode> {
    for record in prerequisites {
        let (name, kind) = (text(&record.name), record.record_type());
        let held = held(world, &name);
        let there = held.iter().any(|data| kind == RecordType::ANY || data.record_type() == kind);
        match (record.dns_class, kind, there) {
            (DNSClass::NONE, RecordType::ANY, true) => return Err(ResponseCode::YXDomain),
            (DNSClass::NONE, _, true) => return Err(ResponseCode::YXRRSet),
            (DNSClass::ANY, RecordType::ANY, false) => return Err(ResponseCode::NXDomain),
            (DNSClass::ANY, _, false) => return Err(ResponseCode::NXRRSet),
            (DNSClass::IN, _, _) => {
                // All of a type are compared with all that are given.
                let given = prerequisites
                    .iter()
                    .filter(|other| other.dns_class == DNSClass::IN && text(&other.name) == name);
                let given: Vec<&RData> =
                    given.map(|other| &other.data).filter(|data| data.record_type() == kind).collect();
                let real: Vec<&RData> = held.iter().filter(|data| data.record_type() == kind).collect();
                if given.len() != real.len() || !given.iter().all(|data| real.contains(data)) {
                    return Err(ResponseCode::NXRRSet);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn change(world: &mut World, record: &Record) {
    let (name, kind) = (text(&record.name), record.record_type());
    let mut all = held(world, &name);
    let aliased = all.iter().any(|data| data.record_type() == RecordType::CNAME);
    // What cannot be beside an alias is ignored, and so is an alias beside anything.
    let ignored = aliased != (kind == RecordType::CNAME) && !all.is_empty();
    if record.dns_class == DNSClass::ANY {
        all.retain(|data| kind != RecordType::ANY && data.record_type() != kind);
    } else if record.dns_class == DNSClass::NONE {
        all.retain(|data| *data != record.data);
    } else if !ignored && !all.contains(&record.data) {
        all.push(record.data.clone());
    }
    let (addresses, others): (Vec<RData>, Vec<RData>) =
        all.into_iter().partition(|data| data.ip_addr().is_some());
    world.put_name(&name, addresses.iter().filter_map(RData::ip_addr).collect(), others);
}

/// What there is of a name now, whatever the server shows.
fn held(world: &World, name: &str) -> Vec<RData> {
    let addresses = world.records.get(name).into_iter().flatten().copied().map(|ip: IpAddr| RData::from(ip));
    addresses.chain(world.others.get(name).into_iter().flatten().cloned()).collect()
}

fn kinds(world: &World, name: &str) -> Vec<RecordType> {
    held(world, name).iter().map(RData::record_type).collect()
}

fn text(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}
