//! The authoritative name server of the zone.

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::SOA},
};

use crate::{settings::Backend, world::World};

/// Answers one message. The same bytes go over UDP and TCP.
pub(crate) fn answer(world: &mut World, request: &[u8]) -> Option<Vec<u8>> {
    let question = Message::from_vec(request).ok()?;
    let update = question.metadata.op_code == OpCode::Update;
    match world.settings.nsupdate_backend {
        Backend::Down => return None,
        Backend::Silent => {
            if update {
                world.update_queue.push(request.to_vec());
            }
            return None;
        }
        Backend::Up | Backend::BadKey if update => return crate::update::answer(world, request),
        Backend::Up | Backend::BadKey => {}
    }
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.recursion_desired = question.metadata.recursion_desired;
    reply.add_queries(question.queries.iter().cloned());
    let code = match (question.metadata.op_code, question.queries.first()) {
        (OpCode::Query, Some(query)) => fill(world, query, &mut reply),
        (OpCode::Query, None) => ResponseCode::FormErr,
        _ => ResponseCode::NotImp,
    };
    reply.metadata.response_code = code;
    reply.to_vec().ok()
}

/// What a log says of a message: `QUERY` and the type that is asked for, or `UPDATE` and the zone.
pub(crate) fn kind(request: &[u8]) -> (&'static str, String) {
    let message = Message::from_vec(request).ok();
    let query = message.as_ref().and_then(|message| message.queries.first());
    match (message.as_ref().map(|message| message.metadata.op_code), query) {
        (Some(OpCode::Update), Some(zone)) => ("UPDATE", zone.name().to_ascii()),
        (_, Some(query)) => ("QUERY", query.query_type.to_string()),
        (_, None) => ("QUERY", "?".into()),
    }
}

fn fill(world: &World, query: &Query, reply: &mut Message) -> ResponseCode {
    let Some(zone) = world.zones().into_iter().find(|zone| zone.zone_of(&query.name)) else {
        return ResponseCode::Refused;
    };
    reply.metadata.authoritative = true;
    let Some(soa) = soa(&zone) else { return ResponseCode::ServFail };
    if zone.to_lowercase() == query.name.to_lowercase() {
        if matches!(query.query_type, RecordType::SOA | RecordType::ANY) {
            reply.add_answer(soa);
        } else {
            reply.add_authority(soa);
        }
        return ResponseCode::NoError;
    }
    let name = query.name.to_lowercase().to_ascii();
    let name = name.trim_end_matches('.');
    let mut held = held(world, name);
    if held.is_empty() {
        held = self::held(world, &format!("*.{}", world.settings.zone));
    }
    if held.is_empty() {
        reply.add_authority(soa);
        return ResponseCode::NXDomain;
    }
    let wanted = |data: &RData| {
        let kind = data.record_type();
        query.query_type == RecordType::ANY || kind == query.query_type || kind == RecordType::CNAME
    };
    for data in held.into_iter().filter(wanted) {
        reply.add_answer(Record::from_rdata(query.name.clone(), 60, data));
    }
    if reply.answers.is_empty() {
        reply.add_authority(soa);
    }
    ResponseCode::NoError
}

/// The records of exactly this name.
fn held(world: &World, name: &str) -> Vec<RData> {
    let (addresses, others) = world.shown(name);
    addresses.into_iter().map(RData::from).chain(others).collect()
}

fn soa(zone: &Name) -> Option<Record> {
    let server = Name::from_ascii("ns1").ok()?.append_domain(zone).ok()?;
    let admin = Name::from_ascii("hostmaster").ok()?.append_domain(zone).ok()?;
    let soa = SOA::new(server, admin, 1, 3600, 600, 86_400, 60);
    Some(Record::from_rdata(zone.clone(), 60, RData::SOA(soa)))
}
