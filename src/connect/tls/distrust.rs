//! Why a server is not trusted.

use rustls::{CertificateError, Error, OtherError};
use std::fmt;
use std::sync::Arc;

/// Why a server is not trusted.
#[derive(Debug)]
pub enum Distrust {
    /// Its certificate cannot be read.
    Unreadable,
    /// No chain of certificates leads to a root.
    Chain(webpki::Error),
    /// A chain does, but its own certificate should not be used so.
    Server(Flaw),
    /// A chain does, but an intermediate certificate should not be used so.
    Intermediate(Flaw),
    /// A chain does, but the root should not be used so.
    Root(Flaw),
    /// None of the certificates that are trusted can be a root.
    NoRoot,
    /// Its certificate is in order, but for another host.
    WrongHost {
        /// The host that was asked for.
        host: String,
        /// The hosts in the certificate.
        names: Vec<String>,
    },
    /// Its RSA key is too short for *ring*.
    ShortKey,
}

/// What is wrong with one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// An extension cannot be read.
    Damaged,
    /// It is not valid any more.
    Expired,
    /// It is not valid yet.
    NotValidYet,
    /// Its authority says so.
    Revoked,
    /// It has a critical extension that walcat does not know.
    UnknownExtension,
    /// It is not for servers.
    NotForServers,
    /// It is not an authority's.
    NoAuthority,
    /// Its key must not sign certificates.
    MustNotSign,
    /// Its key must not sign lists of revoked certificates.
    MustNotSignLists,
    /// There must not be as many certificates below.
    PathTooLong,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distrust::Unreadable => f.write_str("the server's certificate cannot be read"),
            Distrust::Chain(error) => describe(error, f),
            Distrust::Server(flaw) => write!(f, "the server's certificate {flaw}"),
            Distrust::Intermediate(flaw) => write!(f, "an intermediate certificate {flaw}"),
            Distrust::Root(flaw) => write!(f, "the root certificate {flaw}"),
            Distrust::NoRoot => f.write_str(
                "there is no root certificate in the root certificate file: none is self-signed",
            ),
            Distrust::WrongHost { host, names } if names.is_empty() => write!(
                f,
                "server certificate names no host, so it does not match host name \"{host}\""
            ),
            Distrust::WrongHost { host, names } => write!(
                f,
                "server certificate for \"{}\" does not match host name \"{host}\"",
                names.join("\", \"")
            ),
            Distrust::ShortKey => {
                f.write_str("the server's RSA key is too short: walcat needs 2048 bits")
            }
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::Damaged => "has an extension that cannot be read",
            Flaw::Expired => "has expired",
            Flaw::NotValidYet => "is not valid yet",
            Flaw::Revoked => "is revoked",
            Flaw::UnknownExtension => "has a critical extension that walcat does not know",
            Flaw::NotForServers => "was not made for servers",
            Flaw::NoAuthority => "is not that of a certificate authority",
            Flaw::MustNotSign => "was not made to sign certificates",
            Flaw::MustNotSignLists => "was not made to sign certificate revocation lists",
            Flaw::PathTooLong => "does not allow as many certificates below it",
        })
    }
}

fn describe(error: &webpki::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use webpki::Error::*;
    f.write_str(match error {
        CertExpired { .. } | InvalidCertValidity => {
            "the server's certificate, or an intermediate one, has expired"
        }
        CertNotValidYet { .. } => {
            "the server's certificate, or an intermediate one, is not valid yet"
        }
        CertRevoked => "the server's certificate, or an intermediate one, is revoked",
        UnknownIssuer => {
            "the server's certificate comes from an unknown certificate authority (see sslrootcert)"
        }
        UnknownRevocationStatus => {
            "no certificate revocation list tells whether the server's certificate is revoked"
        }
        CrlExpired { .. } => "the certificate revocation list has expired",
        InvalidCrlSignatureForPublicKey => {
            "the signature of the certificate revocation list is wrong"
        }
        IssuerNotCrlSigner => {
            "an intermediate certificate was not made to sign certificate revocation lists"
        }
        InvalidSignatureForPublicKey => {
            "the signature of a certificate is wrong, or made with an RSA key of less than 2048 \
             bits"
        }
        UnsupportedSignatureAlgorithmContext(_)
        | UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "a certificate is signed in a way that walcat does not support"
        }
        RequiredEkuNotFoundContext(_) | EmptyEkuExtension => {
            "the server's certificate, or an intermediate one, was not made for servers"
        }
        NameConstraintViolation | MalformedDnsIdentifier | MalformedNameConstraint => {
            "the certificate authority must not make certificates for these names"
        }
        PathLenConstraintViolated => {
            "an intermediate certificate does not allow as many certificates below it"
        }
        EndEntityUsedAsCa => "an intermediate certificate is not that of a certificate authority",
        UnsupportedCriticalExtension => {
            "the server's certificate, or an intermediate one, has a critical extension that \
             walcat does not know"
        }
        MaximumPathDepthExceeded => "there are more than six intermediate certificates",
        error => return write!(f, "{error}"),
    })
}

impl std::error::Error for Distrust {}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Error {
        CertificateError::Other(OtherError(Arc::new(distrust))).into()
    }
}
