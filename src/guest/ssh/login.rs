//! A login with a key (RFC 4252), and one command (RFC 4254).

use super::packet::{Wire, garbage};
use super::private_key::{self, PrivateKey};
use super::wire::{Reader, Writer};
use super::words::{Login, Trouble};

const IGNORE: u8 = 2;
const UNIMPLEMENTED: u8 = 3;
const DEBUG: u8 = 4;
const SERVICE_REQUEST: u8 = 5;
const SERVICE_ACCEPT: u8 = 6;
const EXT_INFO: u8 = 7;
const USERAUTH_REQUEST: u8 = 50;
const USERAUTH_FAILURE: u8 = 51;
const USERAUTH_SUCCESS: u8 = 52;
const USERAUTH_BANNER: u8 = 53;
const GLOBAL_REQUEST: u8 = 80;
const REQUEST_FAILURE: u8 = 82;
const CHANNEL_OPEN: u8 = 90;
const CHANNEL_OPEN_CONFIRMATION: u8 = 91;
const CHANNEL_OPEN_FAILURE: u8 = 92;
const CHANNEL_WINDOW_ADJUST: u8 = 93;
const CHANNEL_DATA: u8 = 94;
const CHANNEL_EXTENDED_DATA: u8 = 95;
const CHANNEL_EOF: u8 = 96;
const CHANNEL_CLOSE: u8 = 97;
const CHANNEL_REQUEST: u8 = 98;
const CHANNEL_SUCCESS: u8 = 99;
const CHANNEL_FAILURE: u8 = 100;

/// What the command may say before we want no more of it.
const WINDOW: u32 = 4096;

/// Logs in, and sees whether the file is there.
pub(super) async fn log_in(wire: &mut Wire, session: &[u8], login: &Login) -> Result<(), Trouble> {
    wire.send(&Writer::default().byte(SERVICE_REQUEST).string("ssh-userauth").0).await?;
    expect(wire, SERVICE_ACCEPT).await?;
    wire.send(&request(session, login, &login.key)).await?;
    let answer = heard(wire).await?;
    match answer.first() {
        Some(&USERAUTH_SUCCESS) => {}
        Some(&USERAUTH_FAILURE) => return Err(Trouble::Refused),
        Some(_) | None => return Err(garbage("it answers the login with something else")),
    }
    match &login.sentinel {
        Some(path) => find(wire, path).await,
        None => Ok(()),
    }
}

/// The request to let us in. What is signed begins with the hash of this conversation: it is good for no other.
fn request(session: &[u8], login: &Login, key: &PrivateKey) -> Vec<u8> {
    let asked = Writer::default()
        .byte(USERAUTH_REQUEST)
        .string(&login.user)
        .string("ssh-connection")
        .string("publickey")
        .byte(1)
        .string(private_key::KIND)
        .string(key.public());
    let signed = Writer::default().string(session).bytes(&asked.0);
    asked.string(key.sign(&signed.0)).0
}

/// Whether a file is there, as the exit status of `test` says.
async fn find(wire: &mut Wire, path: &str) -> Result<(), Trouble> {
    let open = Writer::default().byte(CHANNEL_OPEN).string("session").number(0).number(WINDOW).number(WINDOW);
    wire.send(&open.0).await?;
    let answer = heard(wire).await?;
    let mut reader = Reader(&answer);
    let confirmed = reader.byte() == Some(CHANNEL_OPEN_CONFIRMATION) && reader.number() == Some(0);
    let channel = reader.number().filter(|_| confirmed);
    let channel = channel.ok_or_else(|| match answer.first() {
        Some(&CHANNEL_OPEN_FAILURE) => garbage("it lets us in, and opens no session"),
        Some(_) | None => garbage("it answers with something else when a session is asked for"),
    })?;
    let command = format!("test -e {path}");
    let run = Writer::default().byte(CHANNEL_REQUEST).number(channel).string("exec").byte(1).string(command);
    wire.send(&run.0).await?;
    loop {
        let said = heard(wire).await?;
        match said.first() {
            Some(&CHANNEL_FAILURE) => return Err(garbage("it lets us in, and runs no command")),
            Some(&CHANNEL_REQUEST) => match ended(&said) {
                Some(0) => return Ok(()),
                Some(1) => return Err(Trouble::NoFile),
                Some(_) => return Err(garbage("the command that looks for the file fails there")),
                None => {}
            },
            Some(&CHANNEL_CLOSE) => return Err(garbage("it does not say how the command ended")),
            Some(
                &(CHANNEL_WINDOW_ADJUST
                | CHANNEL_DATA
                | CHANNEL_EXTENDED_DATA
                | CHANNEL_EOF
                | CHANNEL_SUCCESS),
            ) => {}
            Some(_) | None => return Err(garbage("it answers the command with something else")),
        }
    }
}

/// How the command ended, if that is what was said: its status, or a number that is none for a signal.
fn ended(said: &[u8]) -> Option<u32> {
    let mut reader = Reader(said.get(1..)?);
    reader.number()?;
    let what = reader.string()?;
    reader.byte()?;
    match what {
        b"exit-status" => reader.number(),
        b"exit-signal" => Some(u32::MAX),
        _ => None,
    }
}

async fn expect(wire: &mut Wire, kind: u8) -> Result<(), Trouble> {
    let said = heard(wire).await?;
    if said.first() == Some(&kind) { Ok(()) } else { Err(garbage("it offers no login")) }
}

/// The next packet that says something. All others count for what may be read at most.
async fn heard(wire: &mut Wire) -> Result<Vec<u8>, Trouble> {
    loop {
        let said = wire.receive().await?;
        match said.first() {
            Some(&(IGNORE | UNIMPLEMENTED | DEBUG | EXT_INFO | USERAUTH_BANNER)) => {}
            Some(&GLOBAL_REQUEST) => {
                let mut reader = Reader(said.get(1..).unwrap_or_default());
                if reader.string().is_some() && reader.byte().is_some_and(|wants| wants != 0) {
                    wire.send(&[REQUEST_FAILURE]).await?;
                }
            }
            Some(_) | None => return Ok(said),
        }
    }
}
