//! The server that is asked: one in this process, or the BIND that the environment names.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use devcloud::{DevCloud, Settings};
use hickory_proto::op::{Message, OpCode, Query};
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{DNSClass, Name, RData, Record as ResourceRecord, RecordType, TSigner};
use jiff::Timestamp;
use secrecy::SecretString;
use testnode_operator::dns::exchange::{Exchange, Protocol};
use testnode_operator::dns::record::{Claim, Found, Record};
use testnode_operator::dns::rfc2136::{Key, Rfc2136};
use testnode_operator::dns::{Answer, Error, Fqdn, NameOwner, lookup};

pub const ZONE: &str = "front.example.test";
pub const REVERSE: &str = "77.10.in-addr.arpa";
const KEY: &str = "testnode";

/// A server and the way there, on which every message is kept.
pub struct Server {
    /// The server, if it is ours to change.
    pub cloud: Option<DevCloud>,
    pub driver: Rfc2136,
    pub exchange: Exchange,
    pub address: SocketAddr,
    secret: String,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    pub fn new() -> Self {
        let Ok(server) = std::env::var("TESTNODE_NAME_SERVER") else { return Self::in_process() };
        let secret = std::env::var("TESTNODE_TSIG_SECRET").unwrap();
        Self::at(None, server.parse().unwrap(), secret, &Exchange::sockets())
    }

    /// One of its own in this process, whatever the environment says.
    pub fn in_process() -> Self {
        let cloud = DevCloud::new(Settings::default());
        let (secret, server) = (cloud.settings().tsig_secret, cloud.clone());
        let way = Exchange::new(move |_, message, _| {
            let server = server.clone();
            async move { Ok(server.dns_reply(&message).await) }
        });
        Self::at(Some(cloud), SocketAddr::from(([127, 0, 0, 1], 53)), secret, &way)
    }

    fn at(cloud: Option<DevCloud>, address: SocketAddr, secret: String, way: &Exchange) -> Self {
        let sent: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let (kept, way) = (sent.clone(), way.clone());
        let exchange = Exchange::new(move |server, message, protocol| {
            kept.lock().unwrap().push(message.clone());
            way.carry(server, message, protocol)
        });
        let driver = Rfc2136 {
            server: address.to_string().parse().unwrap(),
            zone: ZONE.parse().unwrap(),
            reverse: Vec::new(),
            key: key(KEY, "hmac-sha256", &secret),
            ttl: 60,
            exchange: exchange.clone(),
            clock: Arc::new(Timestamp::now),
        };
        Self { cloud, driver, exchange, address, secret, sent }
    }

    pub fn key(&self, name: &str, algorithm: &str) -> Key {
        key(name, algorithm, &self.secret)
    }

    /// The updates so far, and forgets all messages.
    pub fn updates(&self) -> Vec<Vec<u8>> {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        let is_update =
            |bytes: &Vec<u8>| Message::from_vec(bytes).unwrap().metadata.op_code == OpCode::Update;
        sent.into_iter().filter(is_update).collect()
    }

    /// Sends the very same bytes once more.
    pub async fn replay(&self, bytes: &[u8]) -> Message {
        let came = self.exchange.carry(self.address, bytes.to_vec(), Protocol::Tcp).await.unwrap();
        Message::from_vec(&came).unwrap()
    }

    pub async fn ask(&self, name: &Fqdn) -> Record {
        lookup::ask(&self.exchange, self.address, name).await.unwrap()
    }

    pub async fn pointers(&self, address: IpAddr) -> Vec<String> {
        let found = lookup::pointers(&self.exchange, self.address, &Name::from(address)).await.unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    pub async fn publish(
        &self,
        name: &Fqdn,
        owner: &NameOwner,
        addresses: &[IpAddr],
    ) -> Result<Answer, Error> {
        let known = self.ask(name).await;
        self.driver.publish(name, owner, &set(addresses), &known).await
    }

    pub async fn withdraw(&self, name: &Fqdn, owner: &NameOwner) -> Result<Answer, Error> {
        let known = self.ask(name).await;
        self.driver.withdraw(name, owner, &known).await
    }

    /// Somebody else, who has the key too, makes this all that a name says.
    pub async fn put(&self, name: &str, records: impl IntoIterator<Item = RData>) {
        let fqdn = absolute(name);
        let zone = if name.ends_with("arpa") { REVERSE } else { ZONE };
        let mut message = Message::query();
        message.metadata.op_code = OpCode::Update;
        message.queries.push(Query::query(absolute(zone), RecordType::SOA));
        let mut all = ResourceRecord::update0(fqdn.clone(), 0, RecordType::ANY);
        all.dns_class = DNSClass::ANY;
        message.authorities.push(all);
        let records = records.into_iter().map(|data| ResourceRecord::from_rdata(fqdn.clone(), 60, data));
        message.authorities.extend(records);
        let secret = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, &self.secret).unwrap();
        let signer = TSigner::new(secret, TsigAlgorithm::HmacSha256, absolute(KEY), 300).unwrap();
        message.finalize(&signer, u64::try_from(Timestamp::now().as_second()).unwrap()).unwrap();
        let answer = self.replay(&message.to_vec().unwrap()).await;
        assert_eq!(answer.metadata.response_code.to_string(), "No Error");
        self.updates();
    }

    /// How often the zone has changed.
    pub async fn serial(&self) -> u32 {
        let mut question = Message::query();
        question.add_query(Query::query(absolute(ZONE), RecordType::SOA));
        let answer = self.replay(&question.to_vec().unwrap()).await;
        let serial = answer
            .answers
            .iter()
            .find_map(|record| if let RData::SOA(soa) = &record.data { Some(soa.serial) } else { None });
        serial.unwrap()
    }
}

pub fn key(name: &str, algorithm: &str, secret: &str) -> Key {
    Key::new(name, algorithm, &SecretString::from(secret.to_owned())).unwrap()
}

pub fn absolute(name: &str) -> Name {
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    name
}

pub fn fqdn(host: &str) -> Fqdn {
    Fqdn::new(&host.parse().unwrap(), &ZONE.parse().unwrap()).unwrap()
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn set(addresses: &[IpAddr]) -> BTreeSet<IpAddr> {
    addresses.iter().copied().collect()
}

/// The node of a UID, with addresses that are its own.
pub fn owner(uid: &str, addresses: &[&str]) -> NameOwner {
    let mark = format!("testnode-cluster=c1 testnode-uid={uid}");
    let text = format!("{mark} testnode-node=default/{uid}");
    let node = Some(format!("default/{uid}"));
    NameOwner { mark, text, addresses: addresses.iter().map(|text| ip(text)).collect(), node }
}

pub fn judge(record: &Record, owner: &NameOwner) -> Found {
    record.judge(&Claim { mark: &owner.mark, node: owner.node.as_deref(), own: &owner.addresses, park: None })
}

pub fn txt(text: &str) -> RData {
    RData::TXT(hickory_proto::rr::rdata::TXT::new(vec![text.to_owned()]))
}
