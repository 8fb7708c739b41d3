//! The authoritative name server of the zone.

use std::net::IpAddr;

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::SOA},
};

use crate::{settings::Backend, world::World};

/// Answers one question. The same bytes go over UDP and TCP.
pub(crate) fn answer(world: &World, request: &[u8]) -> Option<Vec<u8>> {
    if matches!(world.settings.nsupdate_backend, Backend::Down | Backend::Silent) {
        return None;
    }
    let question = Message::from_vec(request).ok()?;
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

/// What a log says of a question: its type.
pub(crate) fn kind(request: &[u8]) -> String {
    let question = Message::from_vec(request).ok();
    let query = question.and_then(|question| question.queries.first().map(|query| query.query_type));
    query.map_or_else(|| "?".into(), |kind| kind.to_string())
}

fn fill(world: &World, query: &Query, reply: &mut Message) -> ResponseCode {
    let Ok(zone) = Name::from_ascii(format!("{}.", world.settings.zone)) else {
        return ResponseCode::ServFail;
    };
    if !zone.zone_of(&query.name) {
        return ResponseCode::Refused;
    }
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
    let Some(addresses) =
        world.records.get(name.trim_end_matches('.')).filter(|addresses| !addresses.is_empty())
    else {
        reply.add_authority(soa);
        return ResponseCode::NXDomain;
    };
    for address in addresses {
        let wanted = match address {
            IpAddr::V4(_) => matches!(query.query_type, RecordType::A | RecordType::ANY),
            IpAddr::V6(_) => matches!(query.query_type, RecordType::AAAA | RecordType::ANY),
        };
        if wanted {
            let data = match address {
                IpAddr::V4(address) => RData::from(*address),
                IpAddr::V6(address) => RData::from(*address),
            };
            reply.add_answer(Record::from_rdata(query.name.clone(), 60, data));
        }
    }
    if reply.answers.is_empty() {
        reply.add_authority(soa);
    }
    ResponseCode::NoError
}

fn soa(zone: &Name) -> Option<Record> {
    let server = Name::from_ascii("ns1").ok()?.append_domain(zone).ok()?;
    let admin = Name::from_ascii("hostmaster").ok()?.append_domain(zone).ok()?;
    let soa = SOA::new(server, admin, 1, 3600, 600, 86_400, 60);
    Some(Record::from_rdata(zone.clone(), 60, RData::SOA(soa)))
}
