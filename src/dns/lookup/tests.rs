use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use hickory_proto::rr::{Record, rdata};
use proptest::prelude::*;

use super::*;
use crate::error::Class;

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

fn name() -> Fqdn {
    Fqdn::new(&"smithi001".parse().unwrap(), &"front.example.test".parse().unwrap()).unwrap()
}

/// What an authority says of a question: an answer to be filled.
fn reply(question: &[u8]) -> Message {
    let question = Message::from_vec(question).unwrap();
    let mut answer = Message::response(question.metadata.id, OpCode::Query);
    answer.metadata.authoritative = true;
    answer.add_queries(question.queries);
    answer
}

/// What an authority says of a name that does not exist.
fn nothing(question: &[u8]) -> Message {
    let mut answer = reply(question);
    answer.metadata.response_code = ResponseCode::NXDomain;
    answer
}

fn text(text: &str) -> RData {
    RData::TXT(rdata::TXT::new(vec![text.to_owned()]))
}

fn mail() -> RData {
    RData::MX(rdata::MX::new(10, Name::from_ascii("mail.example.test.").unwrap()))
}

/// An authority whose answers are made by `say`.
fn authority(say: impl Fn(&mut Message, Protocol) + Send + Sync + 'static) -> Exchange {
    Exchange::new(move |_, question, protocol| {
        let mut answer = reply(&question);
        say(&mut answer, protocol);
        std::future::ready(Ok(answer.to_vec().unwrap()))
    })
}

/// Puts those of the addresses into the answer that the question is about.
fn put(answer: &mut Message, addresses: &[IpAddr]) {
    let query = answer.queries[0].clone();
    for address in addresses {
        let data = RData::from(*address);
        if data.record_type() == query.query_type() {
            answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
        }
    }
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #[test]
    fn every_address_that_the_zone_holds_is_found_once(
        addresses in proptest::collection::vec(any::<IpAddr>(), 0..40), truncated in any::<bool>(),
    ) {
        let held = addresses.clone();
        let exchange = authority(move |answer, protocol| {
            if truncated && protocol == Protocol::Udp {
                answer.metadata.truncation = true;
                put(answer, &held[..held.len() / 2]);
            } else {
                put(answer, &held);
            }
        });

        let found = run(ask(&exchange, SERVER, &name())).unwrap();

        prop_assert_eq!(found.addresses, BTreeSet::from_iter(addresses));
    }

    /// A server, or who speaks in its place, may send anything.
    #[test]
    fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), with_id in any::<bool>()) {
        let exchange = Exchange::new(move |_, question, _| {
            let skip = if with_id { 2 } else { 0 };
            std::future::ready(Ok([&question[..skip], &bytes].concat()))
        });

        let _ = run(ask(&exchange, SERVER, &name()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_question_asks_the_server_itself_with_an_id_of_its_own_each_time() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let exchange = Exchange::new(move |_, question, _| {
        seen.lock().unwrap().push(Message::from_vec(&question).unwrap());
        std::future::ready(Ok(reply(&question).to_vec().unwrap()))
    });

    for _ in 0..8 {
        ask(&exchange, SERVER, &name()).await.unwrap();
    }

    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|question| !question.metadata.recursion_desired));
    let mut ids: Vec<u16> = asked.iter().map(|question| question.metadata.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() > 12, "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_there_and_one_that_is_empty_are_the_same() {
    for code in [ResponseCode::NXDomain, ResponseCode::NoError] {
        let exchange = authority(move |answer, _| answer.metadata.response_code = code);

        assert!(ask(&exchange, SERVER, &name()).await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn hearsay_is_refused_even_of_absence() {
    for code in [ResponseCode::NXDomain, ResponseCode::NoError] {
        let exchange = authority(move |answer, _| {
            answer.metadata.authoritative = false;
            answer.metadata.response_code = code;
        });

        let error = ask(&exchange, SERVER, &name()).await.unwrap_err();

        assert!(
            matches!(error, Error::NotAuthoritative { .. }) && error.class() == Class::Invalid,
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_alias_is_not_nothing() {
    let exchange = authority(|answer, _| {
        let target = rdata::CNAME(Name::from_ascii("www.example.test.").unwrap());
        let owner = answer.queries[0].name().clone();
        answer.add_answer(Record::from_rdata(owner, 60, RData::CNAME(target)));
    });

    let found = ask(&exchange, SERVER, &name()).await.unwrap();

    assert_eq!(found.alias.as_deref(), Some("www.example.test."));
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_other_names_does_not_count() {
    let exchange = authority(|answer, _| {
        let other = Name::from_ascii("other.example.test.").unwrap();
        answer.add_answer(Record::from_rdata(other, 60, RData::from(IpAddr::V4(Ipv4Addr::LOCALHOST))));
    });

    assert!(ask(&exchange, SERVER, &name()).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_servers_own_failure_is_neither_absence_nor_presence() {
    for (code, class) in [
        (ResponseCode::ServFail, Class::Unreachable),
        (ResponseCode::Refused, Class::Invalid),
        (ResponseCode::NotAuth, Class::Invalid),
    ] {
        let exchange = authority(move |answer, _| answer.metadata.response_code = code);

        assert_eq!(ask(&exchange, SERVER, &name()).await.unwrap_err().class(), class);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_another_question_is_no_answer() {
    let disguises: [fn(&mut Message); 4] = [
        |answer| answer.queries.clear(),
        |answer| answer.metadata.id ^= 1,
        |answer| answer.metadata.message_type = MessageType::Query,
        |answer| answer.queries = vec![Query::query(Name::root(), RecordType::A)],
    ];
    for disguise in disguises {
        let exchange = authority(move |answer, _| disguise(answer));

        let error = ask(&exchange, SERVER, &name()).await.unwrap_err();

        assert!(matches!(error, Error::Garbled { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_datagram_is_sent_again_once() {
    let tries = Arc::new(Mutex::new(0));
    let count = tries.clone();
    let exchange = Exchange::new(move |_, question, _| {
        *count.lock().unwrap() += 1;
        let lost = *count.lock().unwrap() == 1;
        async move { if lost { std::future::pending().await } else { Ok(nothing(&question).to_vec().unwrap()) } }
    });
    let before = tokio::time::Instant::now();

    let found = ask(&exchange, SERVER, &name()).await.unwrap();

    assert!(found.is_empty());
    assert_eq!((before.elapsed(), *tries.lock().unwrap()), (Duration::from_secs(5), 2));
}

#[tokio::test(start_paused = true)]
async fn one_question_is_enough_for_a_name_that_does_not_exist() {
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let exchange = Exchange::new(move |_, question, _| {
        *count.lock().unwrap() += 1;
        std::future::ready(Ok(nothing(&question).to_vec().unwrap()))
    });

    assert!(ask(&exchange, SERVER, &name()).await.unwrap().is_empty());
    assert_eq!(*asked.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn texts_and_the_types_of_other_records_are_found() {
    let exchange = authority(|answer, _| {
        let kind = answer.queries[0].query_type();
        for data in [text("v=spf1 -all"), mail()] {
            if matches!(kind, RecordType::ANY) || kind == data.record_type() {
                answer.add_answer(Record::from_rdata(answer.queries[0].name().clone(), 60, data));
            }
        }
    });

    let found = ask(&exchange, SERVER, &name()).await.unwrap();

    assert_eq!(found.texts, BTreeSet::from(["v=spf1 -all".to_owned()]));
    assert_eq!(found.others, BTreeSet::from(["MX".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_any_is_asked_for_mail() {
    let refusals: [fn(&mut Message); 2] = [
        |answer| answer.metadata.response_code = ResponseCode::NotImp,
        |answer| {
            let info = rdata::HINFO::new("RFC8482".into(), String::new());
            let owner = answer.queries[0].name().clone();
            answer.add_answer(Record::from_rdata(owner, 60, RData::HINFO(info)));
        },
    ];
    for refuse in refusals {
        for has_mail in [true, false] {
            let exchange = authority(move |answer, _| {
                let kind = answer.queries[0].query_type();
                if kind == RecordType::ANY {
                    refuse(answer);
                } else if kind == RecordType::MX && has_mail {
                    answer.add_answer(Record::from_rdata(answer.queries[0].name().clone(), 60, mail()));
                }
            });

            let found = ask(&exchange, SERVER, &name()).await.unwrap();

            // The name exists. A server that shows no record of it has one that it does not show.
            let others = BTreeSet::from([if has_mail { "MX" } else { UNSHOWN }.to_owned()]);
            assert_eq!(found, super::Record { others, ..Default::default() });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_after_two_tries() {
    let exchange = Exchange::new(|_, _, _| std::future::pending());
    let before = tokio::time::Instant::now();

    let error = ask(&exchange, SERVER, &name()).await.unwrap_err();

    assert_eq!((error.class(), before.elapsed()), (Class::Unreachable, Duration::from_secs(10)));
}

#[tokio::test]
async fn real_sockets_carry_a_question_and_a_truncated_answer_asks_again_over_tcp() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let tcp = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = tcp.local_addr().unwrap();
    let udp = tokio::net::UdpSocket::bind(server).await.unwrap();
    let datagrams = async {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
            let mut answer = reply(&buffer[..length]);
            answer.metadata.truncation = true;
            udp.send_to(b"\0", from).await.unwrap(); // Somebody else's noise comes first.
            udp.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    };
    let connections = async {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut question).await.unwrap();
            let mut answer = reply(&question);
            put(&mut answer, &[IpAddr::V4(Ipv4Addr::LOCALHOST)]);
            let answer = answer.to_vec().unwrap();
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    };

    let (exchange, name) = (Exchange::sockets(), name());
    let found = tokio::select! {
        found = ask(&exchange, server, &name) => found.unwrap(),
        () = datagrams => unreachable!(),
        () = connections => unreachable!(),
    };

    assert_eq!(found.addresses, BTreeSet::from([IpAddr::V4(Ipv4Addr::LOCALHOST)]));
}
