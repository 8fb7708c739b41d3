//! What is believed of an answer.

use super::*;
use crate::error::Class;

const SECRET: &str = "bm90IGEgc2VjcmV0LCBidXQgYSB0ZXN0J3M=";

fn driver(answer: impl Fn(Vec<u8>) -> io::Result<Vec<u8>> + Send + Sync + 'static) -> Rfc2136 {
    Rfc2136 {
        server: "192.0.2.53".parse().unwrap(),
        zone: "front.example.test".parse().unwrap(),
        reverse: Vec::new(),
        key: Key::new("testnode", "hmac-sha256", &secrecy::SecretString::from(SECRET)).unwrap(),
        ttl: 60,
        exchange: Exchange::new(move |_, message, protocol| {
            assert_eq!(protocol, Protocol::Tcp, "UDP sends again by itself, and cuts off");
            let answer = answer(message);
            async move { answer }
        }),
        clock: Arc::new(|| Timestamp::from_second(1_700_000_000).unwrap()),
    }
}

async fn publish(driver: &Rfc2136) -> Result<Answer, Error> {
    let name = Fqdn::new(&"smithi001".parse().unwrap(), &driver.zone).unwrap();
    let (mark, text) = ("testnode-uid=u1".to_owned(), "testnode-uid=u1 testnode-node=a/b".to_owned());
    let owner = NameOwner { mark, text, addresses: BTreeSet::new(), node: None };
    let address = IpAddr::from([10, 0, 0, 1]);
    driver.publish(&name, &owner, &BTreeSet::from([address]), &Record::default()).await
}

fn reply(request: &[u8], code: ResponseCode) -> Message {
    let request = Message::from_vec(request).unwrap();
    let mut reply = Message::response(request.metadata.id, OpCode::Update);
    reply.metadata.response_code = code;
    reply
}

#[tokio::test]
async fn a_success_that_nobody_signed_is_no_success() {
    let driver = driver(|request| Ok(reply(&request, ResponseCode::NoError).to_vec().unwrap()));

    let error = publish(&driver).await.unwrap_err();

    assert_eq!((error.class(), error.effect()), (Class::Unreachable, Effect::Unknown));
    assert!(error.to_string().contains("without a valid signature"), "{error}");
}

#[tokio::test]
async fn an_answer_to_something_else_is_no_answer() {
    let garbage: [fn(Vec<u8>) -> Vec<u8>; 4] = [
        |_| Vec::new(),
        |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        |request| request,
        |request| {
            let mut reply = reply(&request, ResponseCode::NoError);
            reply.metadata.id = reply.metadata.id.wrapping_add(1);
            reply.to_vec().unwrap()
        },
    ];
    for answer in garbage {
        let error = publish(&driver(move |request| Ok(answer(request)))).await.unwrap_err();

        assert_eq!((error.class(), error.effect()), (Class::Unreachable, Effect::Unknown), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_never_reached_has_changed_nothing() {
    for (kind, effect) in [
        (io::ErrorKind::ConnectionRefused, Effect::None),
        (io::ErrorKind::ConnectionReset, Effect::Unknown),
        (io::ErrorKind::UnexpectedEof, Effect::Unknown),
    ] {
        let error = publish(&driver(move |_| Err(kind.into()))).await.unwrap_err();

        assert_eq!((error.class(), error.effect()), (Class::Unreachable, effect), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_needs_no_signature() {
    for (code, class) in [
        (ResponseCode::Refused, Class::Invalid),
        (ResponseCode::NotAuth, Class::Invalid),
        (ResponseCode::NotZone, Class::Invalid),
        (ResponseCode::ServFail, Class::Unreachable),
        (ResponseCode::NotImp, Class::Unreachable),
    ] {
        let driver = driver(move |request| Ok(reply(&request, code).to_vec().unwrap()));

        let error = publish(&driver).await.unwrap_err();

        assert_eq!((error.class(), error.effect()), (class, Effect::Answered), "{error}");
    }
}

#[test]
fn a_key_that_cannot_be_one_is_refused_without_its_secret() {
    for (name, algorithm, secret) in [
        ("testnode", "hmac-sha256", "not base64!"),
        ("testnode", "hmac-sha256", ""),
        ("testnode", "hmac-md5", SECRET),
        ("a..b", "hmac-sha256", SECRET),
    ] {
        let error = Key::new(name, algorithm, &secrecy::SecretString::from(secret)).unwrap_err().to_string();

        assert!(secret.is_empty() || !error.contains(secret), "{error}");
    }
}

#[test]
fn a_text_of_any_length_is_a_record() {
    for length in [1, 255, 256, 600] {
        let data = message::txt(&"x".repeat(length));
        let message = Update::new(&Name::root(), Name::root()).add(60, data).into_message();

        assert!(Message::from_vec(&message.to_vec().unwrap()).is_ok(), "{length}");
    }
}
