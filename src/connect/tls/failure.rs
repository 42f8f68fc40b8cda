//! Failures of TLS in plain words.

use super::distrust::Distrust;
use rustls::{AlertDescription, CertificateError, Error, OtherError};
use std::io;

/// What went wrong, if it was TLS and not the way to the server.
pub fn reason(error: &io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<Error>().map(describe)
}

fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
            match other.downcast_ref() {
                Some(distrust @ Distrust::WrongHost { .. }) => distrust.to_string(),
                _ => format!("certificate verify failed: {other}"),
            }
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "the server does not have the key of its certificate".to_owned()
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
