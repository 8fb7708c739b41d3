//! Whether a guest's sshd is there and is the right one: the key exchange shows which host key it has, and, if wanted, a
//! login shows that a user may come in and that a file is there.
//!
//! This is the client's half of SSH (RFC 4251 to 4254) as far as that takes, with the cryptography of `ring`, which is here
//! for TLS. Nothing is retried, remembered or forwarded, and whatever a guest sends is bounded in size and time.
//! Begin with [`probe`].

mod exchange;
mod login;
mod packet;
mod private_key;
mod wire;
mod words;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use self::exchange::{Aim, agree};
use self::packet::Wire;
use super::dial::Dial;
use crate::ssh_key::PublicKey;

pub use self::private_key::{NotUsable, PrivateKey};
pub use self::words::{Login, Trouble};

/// Sees what host key the sshd at `address` has, and whether the login that is wanted succeeds. One that has none of the
/// `known` keys gets nothing else from us; if none is known, any will do.
///
/// # Errors
/// If anything of it is not so, or not `within` that time.
pub async fn probe(
    dial: &Dial,
    address: SocketAddr,
    known: &[PublicKey],
    login: Option<&Login>,
    within: Duration,
) -> Result<PublicKey, Trouble> {
    let late = |_| Trouble::NoAnswer(format!("no answer within {} s", within.as_secs_f32()));
    timeout(within, converse(dial, address, known, login)).await.map_err(late)?
}

async fn converse(
    dial: &Dial,
    address: SocketAddr,
    known: &[PublicKey],
    login: Option<&Login>,
) -> Result<PublicKey, Trouble> {
    let stream = dial.connect(address).await.map_err(|error| Trouble::NoAnswer(error.to_string()))?;
    let mut wire = Wire::new(stream);
    let aim = if login.is_some() { Aim::Login } else { Aim::HostKey };
    let agreed = agree(&mut wire, known, aim).await?;
    if !known.is_empty() && !known.contains(&agreed.host_key) {
        return Err(Trouble::OtherKey(agreed.host_key));
    }
    if let Some(login) = login {
        agreed.encrypt(&mut wire).await?;
        login::log_in(&mut wire, &agreed.hash, login).await?;
    }
    Ok(agreed.host_key)
}

#[cfg(test)]
mod tests;
