//! Real sockets on loopback, for what only they can prove.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn trusting(authority: &Authority) -> TlsOptions {
    TlsOptions { ca_pem: Some(authority.pem().into_bytes()), verify: Verify::Full }
}

/// Answers every request on loopback with `ok` and closes.
async fn serve(authority: &Authority) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, authority).unwrap();
    serve_with(certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into())).await
}

/// What a laboratory made with openssl, and how it is read.
fn made_by_openssl(name: &str) -> (Vec<u8>, CertificateDer<'static>, PrivateKeyDer<'static>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/tls");
    let pem = std::fs::read(folder.join(format!("{name}.pem"))).unwrap();
    let certificate = CertificateDer::from_pem_slice(&pem).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    (pem, certificate, key)
}

/// Shows one certificate, whatever is wrong with it.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

async fn serve_with(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> String {
    let key = ring::sign::any_supported_type(&key).unwrap();
    let shows = Shows(Arc::new(CertifiedKey::new(vec![certificate], key)));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shows));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    format!("https://localhost:{port}/")
}

async fn ask(tls: &TlsOptions, url: &str) -> Result<http::Response<Vec<u8>>, Failure> {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let transport = Transport::reqwest(tls).unwrap();
    let request = http::Request::get(url).body(Vec::new()).unwrap();
    transport.send(request.clone()).await?;
    // Once more, on a connection that is closed by now.
    transport.send(request).await
}

#[tokio::test]
async fn a_cloud_with_its_own_authority_is_trusted_by_that_authority() {
    let authority = authority();
    let url = serve(&authority).await;

    let answer = ask(&trusting(&authority), &url).await.unwrap();

    assert_eq!((answer.status().as_u16(), answer.body().as_slice()), (200, b"ok".as_slice()));
}

#[tokio::test]
async fn another_authority_is_refused_before_anything_is_sent() {
    let url = serve(&authority()).await;

    let failure = ask(&trusting(&authority()), &url).await.unwrap_err();

    assert_eq!(failure.effect, Effect::None);
    assert!(failure.text.contains("certificate"), "{failure}");
}

#[tokio::test]
async fn verify_false_takes_any_certificate() {
    let url = serve(&authority()).await;

    let answer = ask(&TlsOptions { ca_pem: None, verify: Verify::Nothing }, &url).await;

    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test]
async fn nobody_listening_means_that_nothing_happened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);

    let failure = ask(&TlsOptions::default(), &url).await.unwrap_err();

    assert_eq!(failure.effect, Effect::None);
}

#[tokio::test]
async fn a_connection_that_closes_instead_of_answering_leaves_us_in_the_dark() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = socket.read(&mut request).await;
    });

    let failure = ask(&TlsOptions::default(), &url).await.unwrap_err();

    assert_eq!(failure.effect, Effect::Unknown, "{failure}");
}

#[tokio::test]
async fn a_text_that_is_no_certificate_is_refused_by_its_key() {
    let _ = rustls::crypto::ring::default_provider().install_default();

    let failure = Transport::reqwest(&TlsOptions { ca_pem: Some(b"junk".to_vec()), verify: Verify::Full });

    assert!(failure.unwrap_err().text.starts_with("cacert: "));
}

/// Answers one request with a status and an endless body.
async fn endless(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = socket.read(&mut request).await;
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n");
        let _ = socket.write_all(head.as_bytes()).await;
        while socket.write_all(&[b'x'; 8192]).await.is_ok() {}
    });
    url
}

async fn read(url: String, keep: Keep) -> Result<usize, Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let transport = Transport::reqwest(&TlsOptions::default()).unwrap();
    let mut request = http::Request::get(url).body(Vec::new()).unwrap();
    request.extensions_mut().insert(keep);
    transport.send(request).await.map(|answer| answer.body().len())
}

#[tokio::test]
async fn of_an_endless_refusal_only_the_beginning_is_read() {
    for keep in [Keep::All(8 << 20), Keep::Last(8 << 20), Keep::First(8 << 20)] {
        assert_eq!(read(endless("400 Bad Request").await, keep).await.unwrap(), SMALL);
    }
}

#[tokio::test]
async fn an_endless_success_is_read_as_far_as_its_request_says() {
    assert_eq!(read(endless("200 OK").await, Keep::First(1000)).await.unwrap(), 1000);
    assert_eq!(read(endless("200 OK").await, Keep::First(0)).await.unwrap(), 0);

    let failure = read(endless("200 OK").await, Keep::All(1 << 20)).await.unwrap_err();

    assert_eq!((&*failure.text, failure.effect), ("the answer is larger than 1 MiB", Effect::Unknown));
}

#[test]
fn of_a_long_console_the_end_is_kept() {
    let mut body = Body { keep: Keep::Last(4), bytes: Vec::new(), beheaded: false };

    for chunk in [b"abc", b"def", b"ghi"] {
        assert!(body.take(chunk).unwrap() == Reading::More);
    }

    assert_eq!((body.bytes.as_slice(), body.beheaded), (b"fghi".as_slice(), true));
}

#[tokio::test]
async fn a_certificate_that_was_given_itself_is_trusted_as_it_is() {
    // Self-signed with CA:TRUE, as `openssl req -x509` makes it, and with no name but a CN.
    let (pem, certificate, key) = made_by_openssl("cn-only");
    let url = serve_with(certificate, key).await;

    let answer = ask(&TlsOptions { ca_pem: Some(pem), verify: Verify::Full }, &url).await;

    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test]
async fn of_a_certificate_that_was_given_the_server_must_have_the_key() {
    let (pem, certificate, _) = made_by_openssl("cn-only");
    let another = KeyPair::generate().unwrap();
    let url = serve_with(certificate, PrivateKeyDer::Pkcs8(another.serialize_der().into())).await;

    let failure = ask(&TlsOptions { ca_pem: Some(pem), verify: Verify::Full }, &url).await.unwrap_err();

    assert_eq!(failure.effect, Effect::None, "{failure}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named_with_the_command_that_makes_a_good_one() {
    let (old, certificate, key) = made_by_openssl("version-1");
    let old_url = serve_with(certificate, key).await;
    let (_, certificate, key) = made_by_openssl("cn-only");
    let other_url = serve_with(certificate, key).await;

    let version = ask(&TlsOptions { ca_pem: Some(old), verify: Verify::Full }, &old_url).await.unwrap_err();
    let stranger = ask(&TlsOptions::default(), &other_url).await.unwrap_err();

    assert!(
        version.text.starts_with("the certificate is of X.509 version 1; make a new one: openssl"),
        "{version}"
    );
    assert!(version.text.contains("-addext subjectAltName=DNS:HOST"), "{version}");
    assert!(stranger.text.contains("Secret's key `cacert`"), "{stranger}");
}

#[tokio::test]
async fn a_certificate_without_a_name_that_an_authority_signed_is_named_with_its_flaw() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().signed_by(&key, &authority).unwrap();
    let url = serve_with(certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into())).await;

    let failure = ask(&trusting(&authority), &url).await.unwrap_err();

    assert!(failure.text.starts_with("the certificate has a CN and no subjectAltName"), "{failure}");
}

#[tokio::test]
async fn a_proxy_that_is_set_does_not_keep_the_operator_from_starting() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = kube::Config::new("https://192.0.2.1:6443".parse().unwrap());
    config.proxy_url = Some("http://192.0.2.2:3128".parse().unwrap());

    assert!(kube::Client::try_from(config).is_ok());
}

#[tokio::test]
async fn a_kubeconfig_with_a_certificate_of_version_1_is_named_with_the_command_that_makes_a_good_one() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/tls");
    let mut config = kube::Config::new("https://192.0.2.1:6443".parse().unwrap());
    config.auth_info.client_certificate = Some(folder.join("version-1.pem").display().to_string());
    config.auth_info.client_key = Some(folder.join("version-1.key").display().to_string());

    let error = kube::Client::try_from(config).err().unwrap();

    let told = crate::error::chain(&error);
    assert!(
        told.contains("a certificate is of X.509 version 1; issue it again as version 3: openssl"),
        "{told}"
    );
}

/// What a server gets of a body that is made while it is sent.
async fn streamed(pieces: Vec<std::io::Result<&'static str>>, length: Option<u64>) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    drop(rustls::crypto::ring::default_provider().install_default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match tokio::time::timeout(Duration::from_millis(500), stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(length)) => got.extend_from_slice(&buffer[..length]),
                Err(_) => {
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                    break;
                }
            }
        }
        String::from_utf8_lossy(&got).into_owned()
    });
    let (into, body) = tokio::sync::mpsc::channel(1);
    let fed = tokio::spawn(async move {
        for piece in pieces {
            drop(into.send(piece.map(|text| text.as_bytes().into())).await);
        }
    });
    let transport = Transport::reqwest(&TlsOptions::default()).unwrap();
    let request =
        http::Request::put(format!("http://{address}/file")).body(Upload::new(body, length)).unwrap();
    drop(transport.send_streamed(request).await);
    fed.await.unwrap();
    let got = server.await.unwrap();
    got.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_body_that_is_whole_has_an_end_and_one_that_failed_has_none() {
    let broken = || Err(std::io::ErrorKind::ConnectionAborted.into());

    assert_eq!(streamed(vec![Ok("abc"), Ok("de"), Ok("")], None).await, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(streamed(vec![Ok("abc"), Ok("de")], Some(5)).await, "abcde");
    let cut = streamed(vec![Ok("abc"), broken()], None).await;
    assert!(!cut.contains("0\r\n"), "{cut:?}");
    let lost = streamed(vec![Ok("abc")], None).await;
    assert!(!lost.contains("0\r\n"), "{lost:?}");
    let cut = streamed(vec![Ok("abc"), broken()], Some(5)).await;
    assert!(cut.len() < 5, "{cut:?}");
}

#[tokio::test]
async fn an_answer_that_is_opened_comes_piece_by_piece_and_of_an_endless_refusal_the_beginning() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let transport = Transport::reqwest(&TlsOptions::default()).unwrap();
    let open = async |status| {
        let request = http::Request::get(endless(status).await).body(Vec::new()).unwrap();
        transport.open(request).await.unwrap()
    };

    let mut body = open("200 OK").await.into_body();
    let mut read = 0;
    while read < 4 << 20 {
        read += body.next().await.unwrap().unwrap().len();
    }
    let refused = open("403 Forbidden").await;
    assert_eq!(refused.status().as_u16(), 403);
    assert_eq!(beginning(refused.into_body()).await.len(), SMALL);
}
