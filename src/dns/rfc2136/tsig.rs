//! TSIG (RFC 8945): the signature of a message, and what that of an answer proves.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::tsig::{TSIG, TsigAlgorithm};
use hickory_proto::rr::{TSigVerifier, TSigner};
use secrecy::{ExposeSecret as _, SecretString};

use super::super::{Error, saying};
use super::{absolute, shown};

/// How far the server's clock may be from ours, in seconds. RFC 8945 recommends 300; but what comes later than this the
/// server refuses by itself, and the rules of a node's life wait no longer for a request that nobody answered.
const FUDGE: u16 = 90;

/// A key that we share with a name server.
#[derive(Clone)]
pub struct Key(TSigner);

impl Key {
    /// A key by its name, its algorithm as `hmac-sha256`, and its secret in base64.
    ///
    /// # Errors
    /// If one of them is no such thing. The secret is never shown.
    pub fn new(name: &str, algorithm: &str, secret: &SecretString) -> Result<Self, Error> {
        let unusable =
            |what, given: &str, rule| Error::Unusable { what, given: saying(given.as_bytes()), rule };
        let secret =
            BASE64_STANDARD.decode(secret.expose_secret().trim()).ok().filter(|bytes| !bytes.is_empty());
        let secret = secret.ok_or_else(|| {
            unusable("secret of the key", name, "must be base64, as in the key file that tsig-keygen writes")
        })?;
        let known = absolute(algorithm).map(|mut name| {
            name.set_fqdn(false);
            TsigAlgorithm::from_name(name)
        })?;
        let signer = TSigner::new(secret, known, absolute(name)?, FUDGE);
        let rule = "must be hmac-sha256, hmac-sha384 or hmac-sha512";
        Ok(Self(signer.map_err(|_| unusable("algorithm", algorithm, rule))?))
    }

    /// Its name, without the final dot.
    pub(super) fn name(&self) -> String {
        shown(self.0.signer_name())
    }

    /// Its algorithm.
    pub(super) fn algorithm(&self) -> String {
        saying(self.0.algorithm().to_string().as_bytes())
    }

    /// Signs a message as of now.
    pub(super) fn sign(&self, message: &mut Message, now: u64) -> Result<Verifier, String> {
        let verifier =
            message.finalize(&self.0, now).map_err(|error| saying(error.to_string().as_bytes()))?;
        Ok(Verifier(verifier))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name())
    }
}

/// Knows what an answer must be signed with.
pub(super) struct Verifier(Option<TSigVerifier>);

impl Verifier {
    /// Whether the server itself, which has the key, gave this answer to our message.
    pub(super) fn proves(&mut self, bytes: &[u8], answer: &Message) -> bool {
        let signature = answer.signature().map(|record| &record.data);
        // The library subtracts them.
        let sound = signature.is_some_and(|said| said.time >= u64::from(said.fudge));
        sound && self.0.as_mut().is_some_and(|verifier| verifier.verify(bytes).is_ok())
    }
}

/// What the server's clock says, which it tells where ours is too far from it: six bytes.
pub(super) fn time_of_server(said: &TSIG) -> Option<u64> {
    let bytes: [u8; 6] = said.other.as_slice().try_into().ok()?;
    Some(bytes.iter().fold(0, |time, byte| time << 8 | u64::from(*byte)))
}
