//! Looks into the server's certificate: names, validity, key, signature.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use rustls::{CertificateError, Error};
use std::net::IpAddr;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::AlgorithmIdentifierOwned;

/// The certificate that a server shows, of any version.
pub struct Leaf<'a> {
    der: &'a CertificateDer<'a>,
    parsed: CertificateInner<Raw>,
}

impl<'a> Leaf<'a> {
    /// Reads the certificate.
    pub fn parse(der: &'a CertificateDer<'a>) -> Option<Leaf<'a>> {
        CertificateInner::from_der(der)
            .ok()
            .map(|parsed| Leaf { der, parsed })
    }

    /// Is it for this host? As in libpq the common name counts only where no alternative name is of
    /// the host's kind.
    pub fn is_for(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        let mut has_kind = false;
        for name in self.alternative_names() {
            has_kind |= name.is_address() == address.is_some();
            let fits = match (&name, address) {
                (AlternativeName::Dns(pattern), None) => fits_pattern(host, pattern),
                (AlternativeName::Address(own), Some(address)) => *own == address,
                _ => false,
            };
            if fits {
                return true;
            }
        }
        !has_kind
            && self
                .common_name()
                .is_some_and(|name| fits_pattern(host, &name))
    }

    /// The names of hosts in it.
    pub fn names(&self) -> Vec<String> {
        let names: Vec<_> = self
            .alternative_names()
            .iter()
            .map(ToString::to_string)
            .collect();
        if names.is_empty() {
            self.common_name().into_iter().collect()
        } else {
            names
        }
    }

    /// Its public key as DER.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        self.parsed
            .tbs_certificate
            .subject_public_key_info
            .to_der()
            .ok()
    }

    /// Was this signed with its key, by one of these algorithms?
    pub fn has_signed<'b>(
        &self,
        message: &[u8],
        signature: &[u8],
        algorithms: impl IntoIterator<Item = &'b &'b dyn SignatureVerificationAlgorithm>,
    ) -> bool {
        let key = &self.parsed.tbs_certificate.subject_public_key_info;
        let (Some(kind), Some(bits)) = (
            identifier(&key.algorithm),
            key.subject_public_key.as_bytes(),
        ) else {
            return false;
        };
        algorithms.into_iter().any(|algorithm| {
            algorithm.public_key_alg_id().as_ref() == kind
                && algorithm.verify_signature(bits, message, signature).is_ok()
        })
    }

    /// Verifies what webpki refuses to look at and OpenSSL accepts: a certificate that is itself
    /// among the roots, or that one of the roots signed, whatever its version and constraints.
    pub fn verify_directly(
        &self,
        roots: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        let certificate = &self.parsed.tbs_certificate;
        if now.as_secs() > certificate.validity.not_after.to_unix_duration().as_secs() {
            return Err(CertificateError::Expired.into());
        }
        if now.as_secs() < certificate.validity.not_before.to_unix_duration().as_secs() {
            return Err(CertificateError::NotValidYet.into());
        }
        let self_issued = certificate.issuer == certificate.subject;
        let signed: Vec<u8> = certificate
            .to_der()
            .map_err(|_| CertificateError::BadEncoding)?;
        let signature = self
            .parsed
            .signature
            .as_bytes()
            .ok_or(CertificateError::BadEncoding)?;
        let kind =
            identifier(&self.parsed.signature_algorithm).ok_or(CertificateError::BadEncoding)?;
        let trusted = roots.iter().filter_map(Leaf::parse).any(|root| {
            let algorithms = algorithms
                .all
                .iter()
                .filter(|algorithm| algorithm.signature_alg_id().as_ref() == kind);
            let is_root = self_issued && root.der == self.der;
            let by_root = root.parsed.tbs_certificate.subject == certificate.issuer;
            is_root || (by_root && root.has_signed(&signed, signature, algorithms))
        });
        if trusted {
            Ok(())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    fn alternative_names(&self) -> Vec<AlternativeName> {
        let Ok(Some((_, names))) = self.parsed.tbs_certificate.get::<SubjectAltName>() else {
            return Vec::new();
        };
        names
            .0
            .into_iter()
            .filter_map(AlternativeName::new)
            .collect()
    }

    fn common_name(&self) -> Option<String> {
        let attributes = self
            .parsed
            .tbs_certificate
            .subject
            .0
            .iter()
            .flat_map(|part| part.0.iter());
        let value = &attributes
            .into_iter()
            .find(|attribute| attribute.oid == COMMON_NAME)?
            .value;
        let name = match value.tag() {
            Tag::Utf8String => Utf8StringRef::try_from(value).ok()?.as_str().to_owned(),
            Tag::PrintableString => PrintableStringRef::try_from(value)
                .ok()?
                .as_str()
                .to_owned(),
            Tag::TeletexString => TeletexStringRef::try_from(value).ok()?.as_str().to_owned(),
            Tag::Ia5String => Ia5StringRef::try_from(value).ok()?.as_str().to_owned(),
            _ => return None,
        };
        // A name with a zero byte was made to deceive programs that stop reading there.
        (!name.contains('\0')).then_some(name)
    }
}

/// A name of the kinds that can be a host's.
enum AlternativeName {
    Dns(String),
    Address(IpAddr),
}

impl AlternativeName {
    fn new(name: GeneralName) -> Option<AlternativeName> {
        match name {
            GeneralName::DnsName(name) => Some(AlternativeName::Dns(name.as_str().to_owned())),
            GeneralName::IpAddress(bytes) => match *bytes.as_bytes() {
                [a, b, c, d] => Some(AlternativeName::Address([a, b, c, d].into())),
                ref bytes => <[u8; 16]>::try_from(bytes)
                    .ok()
                    .map(|bytes| AlternativeName::Address(bytes.into())),
            },
            _ => None,
        }
    }

    fn is_address(&self) -> bool {
        matches!(self, AlternativeName::Address(_))
    }
}

impl std::fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AlternativeName::Dns(name) => f.write_str(name),
            AlternativeName::Address(address) => address.fmt(f),
        }
    }
}

/// Compares without regard to case; a `*.` in front of the pattern stands for exactly one label.
fn fits_pattern(host: &str, pattern: &str) -> bool {
    if host.eq_ignore_ascii_case(pattern) {
        return true;
    }
    match (pattern.strip_prefix("*."), host.split_once('.')) {
        (Some(domain), Some((label, rest))) => {
            !label.is_empty() && !domain.is_empty() && rest.eq_ignore_ascii_case(domain)
        }
        _ => false,
    }
}

/// The algorithm as webpki names it: the content of the DER sequence, without its two-byte header.
fn identifier(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    algorithm.to_der().ok()?.get(2..).map(<[u8]>::to_vec)
}
