//! Failures of TLS in plain words.

use super::verifier::WrongHost;
use rustls::{AlertDescription, CertificateError, Error, OtherError};
use std::io;

/// What went wrong, if it was TLS and not the way to the server.
pub fn reason(error: &io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<Error>().map(describe)
}

fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(other)))
            if other.is::<WrongHost>() =>
        {
            other.to_string()
        }
        Error::InvalidCertificate(error) => {
            format!("certificate verify failed: {}", describe_certificate(error))
        }
        Error::InvalidCertRevocationList(error) => {
            format!("could not use the certificate revocation list: {error:?}")
        }
        Error::AlertReceived(alert) => describe_alert(*alert),
        Error::InvalidMessage(_) => {
            "the server does not speak TLS as it should, or is no PostgreSQL server".to_owned()
        }
        Error::PeerIncompatible(reason) => {
            format!("the server and walcat have no way of encryption in common ({reason:?})")
        }
        error => format!("TLS failed: {error}"),
    }
}

fn describe_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet".to_owned()
        }
        CertificateError::Revoked => "the server's certificate is revoked".to_owned(),
        CertificateError::UnknownIssuer => {
            "the server's certificate comes from an unknown certificate authority (see sslrootcert)"
                .to_owned()
        }
        CertificateError::UnknownRevocationStatus => {
            "no certificate revocation list tells whether the server's certificate is revoked"
                .to_owned()
        }
        CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => {
            "the certificate revocation list has expired".to_owned()
        }
        CertificateError::BadSignature => {
            "the signature of the server's certificate is wrong".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate was not made for servers".to_owned()
        }
        error => error.to_string(),
    }
}

/// An alert says what the server did not like, most often about the client's certificate.
fn describe_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "the server demands a client certificate (see sslcert and sslkey)".to_owned()
        }
        AlertDescription::UnknownCA => {
            "the server refused the client certificate: it comes from a certificate authority that \
             the server does not know"
                .to_owned()
        }
        AlertDescription::CertificateExpired => {
            "the server refused the client certificate: it has \
                                                 expired"
                .to_owned()
        }
        AlertDescription::CertificateRevoked => "the server refused the client certificate: it is \
                                                 revoked"
            .to_owned(),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => format!(
            "the server refused the client certificate \
                                                     ({alert:?})"
        ),
        AlertDescription::ProtocolVersion => "the server and walcat have no version of TLS in \
                                              common"
            .to_owned(),
        AlertDescription::HandshakeFailure => "the server and walcat have no way of encryption in \
                                               common"
            .to_owned(),
        alert => format!("the server ended the TLS handshake ({alert:?})"),
    }
}
