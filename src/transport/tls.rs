//! Certificates of laboratories: a certificate that somebody gave us is trusted as it is, and what is wrong with another
//! one is said together with the command that makes a good one.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// Trusts the system's authorities, those in `pem`, and a server that shows a certificate of `pem` itself.
pub(super) fn trusting(pem: &[u8]) -> Result<ClientConfig, String> {
    let given: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if given.is_empty() {
        return Err("holds no certificate in PEM".to_owned());
    }
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let authorities = Verifier::new_with_extra_roots(given.iter().cloned(), Arc::clone(&provider))
        .map_err(|error| error.to_string())?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Given { given, authorities }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Looks at what was given before it refuses a certificate.
#[derive(Debug)]
struct Given {
    given: Vec<CertificateDer<'static>>,
    authorities: Verifier,
}

impl ServerCertVerifier for Given {
    /// A certificate that was given itself needs neither an authority nor a name: it is the one that is meant. That the
    /// server has its key is verified as for any other.
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.authorities.verify_server_cert(certificate, intermediates, name, ocsp, now);
        verified.or_else(|error| {
            let is_given = self.given.iter().any(|given| given == certificate);
            if is_given && !is_out_of_date(&error) { Ok(ServerCertVerified::assertion()) } else { Err(error) }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

fn is_out_of_date(error: &Error) -> bool {
    let Error::InvalidCertificate(error) = error else { return false };
    matches!(
        error,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}

/// What is wrong with a certificate, by the words of the error.
const FLAWS: &[(&str, &str)] = &[
    ("UnsupportedCertVersion", "the certificate is of X.509 version 1"),
    ("not valid for any names", "the certificate has a CN and no subjectAltName"),
];

/// The command that makes a certificate without these flaws.
const COMMAND: &str = "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=HOST -addext \
                       subjectAltName=DNS:HOST -keyout key.pem -out cert.pem";

/// An error of TLS with the cure, where there is one.
pub(super) fn explained(text: String) -> String {
    if let Some((_, flaw)) = FLAWS.iter().find(|(words, _)| text.contains(words)) {
        return format!("{flaw}; make a new one: {COMMAND} (HOST is the name in the address)");
    }
    if text.contains("UnknownIssuer") || text.contains("CaUsedAsEndEntity") {
        return format!(
            "the server's certificate is signed by nobody we trust: put the authority's certificate, or the server's \
             own, into the Secret's key `cacert` ({text})"
        );
    }
    text
}
