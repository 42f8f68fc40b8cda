//! Decides whether to trust the server's certificate, as OpenSSL does under libpq.
//!
//! webpki does the work. It is stricter than OpenSSL in what PostgreSQL's manual makes people do (section 19.9.5): certificates without
//! extensions (X.509 version 1), a self-signed certificate that is its own root, host names in the common name. Those are
//! judged here.

use super::certificate::Leaf;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// What must be true of the server's certificate.
#[derive(Debug)]
pub enum Verification {
    /// Only that the server has its key.
    Nothing,
    /// It comes from an authority that is trusted.
    Chain(Chain),
    /// And it was made for this host.
    ChainAndName(Chain, String),
}

/// Whom to trust.
#[derive(Debug)]
pub struct Chain {
    webpki: Arc<WebPkiServerVerifier>,
    roots: Vec<CertificateDer<'static>>,
    checks_revocation: bool,
}

/// Decides for rustls.
#[derive(Debug)]
pub struct Verifier {
    verification: Verification,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The certificate is in order, but for another host.
#[derive(Debug)]
pub struct WrongHost {
    /// The host that was asked for.
    pub host: String,
    /// The hosts in the certificate.
    pub names: Vec<String>,
}

impl std::fmt::Display for WrongHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.names.as_slice() {
            [] => write!(f, "server certificate names no host, so it does not match host name \"{}\"", self.host),
            names => write!(
                f,
                "server certificate for \"{}\" does not match host name \"{}\"",
                names.join("\", \""),
                self.host
            ),
        }
    }
}

impl std::error::Error for WrongHost {}

impl Chain {
    /// Trusts these roots and what they sign, but for what is revoked.
    pub fn new(
        roots: Vec<CertificateDer<'static>>,
        revoked: Vec<CertificateRevocationListDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Chain, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let checks_revocation = !revoked.is_empty();
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
            .with_crls(revoked)
            .enforce_revocation_expiration()
            .build()
            .map_err(|error| format!("could not use the root certificates: {error}"))?;
        Ok(Chain { webpki, roots, checks_revocation })
    }

    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        // The name is judged elsewhere; webpki looks at it last, so an error about it means that the chain is good.
        let name = ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
        let error = match self.webpki.verify_server_cert(certificate, intermediates, &name, &[], now) {
            Ok(_) => return Ok(()),
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => return Ok(()),
            Err(error) => error,
        };
        // A version 1 certificate and a root as the server's own are what webpki has no error of its own for.
        if self.checks_revocation || !matches!(error, Error::InvalidCertificate(CertificateError::Other(_))) {
            return Err(error);
        }
        Leaf::parse(certificate).ok_or(error)?.verify_directly(&self.roots, now, algorithms)
    }
}

impl Verifier {
    /// Verifies this much.
    pub fn new(verification: Verification, provider: &CryptoProvider) -> Verifier {
        Verifier { verification, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.verification {
            Verification::Nothing => {}
            Verification::Chain(chain) => chain.verify(end_entity, intermediates, now, &self.algorithms)?,
            Verification::ChainAndName(chain, host) => {
                chain.verify(end_entity, intermediates, now, &self.algorithms)?;
                let leaf = Leaf::parse(end_entity).ok_or(CertificateError::BadEncoding)?;
                if !leaf.is_for(host) {
                    let wrong = WrongHost { host: host.clone(), names: leaf.names() };
                    return Err(CertificateError::Other(OtherError(Arc::new(wrong))).into());
                }
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match verify_tls12_signature(message, certificate, signed, &self.algorithms) {
            Err(Error::InvalidCertificate(CertificateError::Other(_))) => {}
            done => return done,
        }
        let algorithms = self.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let leaf = Leaf::parse(certificate).ok_or(CertificateError::BadEncoding)?;
        match leaf.has_signed(message, signed.signature(), algorithms.flat_map(|(_, algorithms)| *algorithms)) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match verify_tls13_signature(message, certificate, signed, &self.algorithms) {
            Err(Error::InvalidCertificate(CertificateError::Other(_))) => {}
            done => return done,
        }
        let key = Leaf::parse(certificate).and_then(|leaf| leaf.public_key()).ok_or(CertificateError::BadEncoding)?;
        verify_tls13_signature_with_raw_key(message, &SubjectPublicKeyInfoDer::from(key), signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
