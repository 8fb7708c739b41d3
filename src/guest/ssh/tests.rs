//! Against the sshd that devcloud has, and against guests that are up to no good.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use devcloud::sshd::{Sshd, public};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;

use super::wire::Writer;
use super::*;

const SEED: [u8; 32] = [7; 32];
const OURS: [u8; 32] = [9; 32];
const WITHIN: Duration = Duration::from_secs(8);

fn sshd() -> Sshd {
    let authorized = Some(("ubuntu".to_owned(), public(&OURS)));
    Sshd { seed: SEED.into(), authorized, files: vec!["/.teuth_provisioned".into()], ..Sshd::default() }
}

fn key_of(seed: &[u8]) -> PublicKey {
    let blob = Writer::default().string("ssh-ed25519").string(public(seed)).0;
    PublicKey::of_host("ssh-ed25519", &BASE64_STANDARD.encode(blob)).unwrap()
}

/// A private key as `ssh-keygen` writes it.
fn written(cipher: &str, kind: &str, seed: &[u8]) -> String {
    let point = public(seed);
    let blob = Writer::default().string(kind).string(&point).0;
    let pair = [seed, &point].concat();
    let secret = Writer::default().number(5).number(5).string(kind).string(&point).string(pair).string("me");
    let whole =
        Writer::default().bytes(b"openssh-key-v1\0").string(cipher).string("none").string("").number(1);
    let packed = BASE64_STANDARD.encode(whole.string(blob).string(secret.bytes(&[1, 2, 3]).0).0);
    let (first, last) = packed.split_at(70);
    format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{first}\n{last}\n-----END OPENSSH PRIVATE KEY-----\n")
}

fn login(seed: &[u8], user: &str, sentinel: &str) -> Login {
    let key = Arc::new(PrivateKey::read(written("none", "ssh-ed25519", seed).as_bytes()).unwrap());
    Login { user: user.into(), key, sentinel: Some(sentinel.into()).filter(|path: &String| !path.is_empty()) }
}

/// A guest that does with a connection what it likes.
fn guest<A: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(DuplexStream) -> A + Send + Sync + 'static,
) -> Dial {
    Dial::new(move |_| {
        let (ours, theirs) = duplex(8192);
        tokio::spawn(serve(theirs));
        std::future::ready(Ok(ours))
    })
}

fn served_by(sshd: Sshd) -> Dial {
    guest(move |stream| {
        let sshd = sshd.clone();
        async move { drop(sshd.serve(stream).await) }
    })
}

async fn asked(dial: &Dial, known: &[PublicKey], login: Option<&Login>) -> Result<PublicKey, Trouble> {
    probe(dial, (Ipv4Addr::LOCALHOST, 22).into(), known, login, WITHIN).await
}

#[tokio::test(start_paused = true)]
async fn the_host_key_is_the_one_that_the_guest_proves() {
    let dial = served_by(sshd());

    assert_eq!(asked(&dial, &[], None).await, Ok(key_of(&SEED)));
    assert_eq!(asked(&dial, &[key_of(&OURS), key_of(&SEED)], None).await, Ok(key_of(&SEED)));
}

#[tokio::test(start_paused = true)]
async fn another_host_key_than_those_known_is_told_and_gets_no_login() {
    let dial = served_by(sshd());

    let asked = asked(&dial, &[key_of(&OURS)], Some(&login(&OURS, "ubuntu", ""))).await;

    assert_eq!(asked, Err(Trouble::OtherKey(key_of(&SEED))));
}

#[tokio::test(start_paused = true)]
async fn who_shows_a_host_key_of_somebody_else_is_found_out() {
    let dial = served_by(Sshd { forges: true, ..sshd() });

    let asked = asked(&dial, &[key_of(&SEED)], None).await;

    assert!(matches!(asked, Err(Trouble::Garbage(why)) if why.contains("does not prove")), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn who_may_log_in_finds_the_file_that_is_there() {
    let dial = served_by(sshd());
    let try_it = async |login: Login| asked(&dial, &[], Some(&login)).await.map(drop);

    assert_eq!(try_it(login(&OURS, "ubuntu", "")).await, Ok(()));
    assert_eq!(try_it(login(&OURS, "ubuntu", "/.teuth_provisioned")).await, Ok(()));
    assert_eq!(try_it(login(&OURS, "ubuntu", "/.other")).await, Err(Trouble::NoFile));
    assert_eq!(try_it(login(&OURS, "root", "")).await, Err(Trouble::Refused));
    assert_eq!(try_it(login(&SEED, "ubuntu", "")).await, Err(Trouble::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_hangs_up_or_says_nothing_costs_no_more_than_was_allowed() {
    let hangs_up = asked(&guest(|_| async {}), &[], None).await;
    let before = Instant::now();
    let silent = guest(|stream| async {
        let _stream = stream;
        std::future::pending::<()>().await;
    });

    let silent = asked(&silent, &[], None).await;

    assert!(matches!(hangs_up, Err(Trouble::NoAnswer(_))), "{hangs_up:?}");
    assert_eq!(before.elapsed(), WITHIN);
    assert!(matches!(silent, Err(Trouble::NoAnswer(why)) if why == "no answer within 8 s"));
}

/// Says the same again and again, for as long as anybody listens.
fn chatter(before: &'static [u8], again: &'static [u8], pause: Duration) -> Dial {
    guest(move |mut stream| async move {
        let mut said = stream.write_all(before).await;
        while said.is_ok() {
            tokio::time::sleep(pause).await;
            said = stream.write_all(again).await;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_never_ends_is_left_after_what_any_sshd_says() {
    let before = Instant::now();
    let endless = [
        chatter(b"", b"welcome\r\n", Duration::ZERO),
        chatter(b"", b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", Duration::ZERO),
        chatter(b"SSH-2.0-", b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", Duration::ZERO),
        chatter(b"SSH-2.0-x\r\n", b"\xff\xff\xff\xff\x04\x00", Duration::ZERO),
        chatter(b"SSH-2.0-x\r\n", b"\0\0\0\x01\x04\x00", Duration::ZERO),
        chatter(b"SSH-1.5-x\r\n", b"hello", Duration::ZERO),
        chatter(b"SSH-2.0-x\r\n", b"\0\0\0\x0c\x0a\x02hello-world", Duration::ZERO),
    ];
    for dial in endless {
        let asked = asked(&dial, &[], None).await;
        assert!(matches!(asked, Err(Trouble::Garbage(_))), "{asked:?}");
    }
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_drips_is_left_when_the_time_is_over() {
    for before in [&b""[..], b"SSH-2.0-x\r\n\0\0\x30\0"] {
        let began = Instant::now();
        let asked = asked(&chatter(before, b"a", Duration::from_secs(1)), &[], None).await;
        assert!(matches!(asked, Err(Trouble::NoAnswer(_))), "{asked:?}");
        assert_eq!(began.elapsed(), WITHIN);
    }
}

#[tokio::test(start_paused = true)]
async fn packets_that_say_nothing_do_not_go_on_for_ever_once_logged_in() {
    // An sshd whose answers after the login are all ignored: it serves, and then only sends what counts for nothing.
    let sshd = Sshd { chatters: true, ..sshd() };
    let began = Instant::now();

    let asked = asked(&served_by(sshd), &[], Some(&login(&OURS, "ubuntu", "/x"))).await;

    assert!(matches!(asked, Err(Trouble::Garbage(why)) if why.contains("more than any sshd")), "{asked:?}");
    assert!(began.elapsed() < WITHIN);
}

#[test]
fn a_key_that_cannot_be_used_says_why_and_nothing_of_itself() {
    let read = |text: &str| PrivateKey::read(text.as_bytes()).map(drop).map_err(|why| why.to_string());
    let whole = written("none", "ssh-ed25519", &OURS);
    let cut = whole.replace("AAAA", "");

    assert_eq!(read(&whole), Ok(()));
    assert_eq!(read(&format!("\n{}", whole.replace('\n', "\r\n"))), Ok(()));
    assert!(read(&cut).unwrap_err().contains("whole"));
    assert!(read("clouds: {}").unwrap_err().contains("whole"));
    assert!(read(&written("aes256-ctr", "ssh-ed25519", &OURS)).unwrap_err().contains("passphrase"));
    assert!(read(&written("none", "ssh-rsa", &OURS)).unwrap_err().contains("another kind"));
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n";
    assert!(read(pem).unwrap_err().contains("another kind"));
    assert_eq!(format!("{:?}", login(&OURS, "u", "").key), "PrivateKey");
}

proptest! {
    #[test]
    fn no_guest_makes_it_panic_or_wait_for_ever(bytes in proptest::collection::vec(any::<u8>(), 0..600), polite: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let before = Instant::now();
            let dial = guest(move |mut stream| {
                let bytes = if polite { [b"SSH-2.0-x\r\n", bytes.as_slice()].concat() } else { bytes.clone() };
                async move {
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
            });
            assert!(asked(&dial, &[], None).await.is_err());
            assert!(before.elapsed() <= WITHIN);
        });
    }

    /// Whatever is altered on the way: either nothing comes of it, or what was altered does not matter.
    #[test]
    fn whoever_alters_a_byte_on_the_way_is_never_taken_for_the_guest(at in 30usize..700, with in 1u8..) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let altered = runtime.block_on(async move {
            let dial = guest(move |stream| async move { altering(stream, at, with).await });
            asked(&dial, &[], None).await
        });
        prop_assert!(altered.is_err() || altered == Ok(key_of(&SEED)), "{altered:?}");
    }

    #[test]
    fn no_text_in_a_secret_makes_it_panic(text: String, at in 0usize..400, with: u8) {
        let _ = PrivateKey::read(text.as_bytes());
        let mut bytes = written("none", "ssh-ed25519", &OURS).into_bytes();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = with;
        }
        let _ = PrivateKey::read(&bytes);
    }
}

/// Between a client and an sshd: one byte of what the sshd says is another.
async fn altering(stream: DuplexStream, at: usize, with: u8) {
    let (near, far) = duplex(8192);
    tokio::spawn(async move { drop(sshd().serve(far).await) });
    let (mut client_says, mut to_client) = tokio::io::split(stream);
    let (mut server_says, mut to_server) = tokio::io::split(near);
    let back = async {
        let mut count = 0;
        while let Ok(byte) = server_says.read_u8().await {
            let byte = if count == at { byte ^ with } else { byte };
            count += 1;
            if to_client.write_u8(byte).await.is_err() {
                break;
            }
        }
        let _ = to_client.shutdown().await;
    };
    let forth = async {
        let _ = tokio::io::copy(&mut client_says, &mut to_server).await;
    };
    tokio::select! { () = back => {}, () = forth => {} }
}

#[tokio::test]
async fn over_a_real_socket_it_is_the_same() -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { drop(sshd().serve(stream).await) });
        }
    });

    let login = login(&OURS, "ubuntu", "/.teuth_provisioned");
    let asked = probe(&Dial::sockets(), address, &[key_of(&SEED)], Some(&login), WITHIN).await;

    assert_eq!(asked, Ok(key_of(&SEED)));
    Ok(())
}
