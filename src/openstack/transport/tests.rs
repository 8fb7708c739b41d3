//! Real sockets on loopback, for what only they can prove.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

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
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
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
