//! Looks into a certificate: its names, and for whom it is.

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use std::net::IpAddr;
use x509_cert::certificate::{CertificateInner, Raw, TbsCertificateInner};
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::oid::db::rfc5912::RSA_ENCRYPTION;
use x509_cert::der::{Decode, Encode, Header, Reader, SliceReader, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectAltName, SubjectKeyIdentifier};

/// A certificate of any version.
#[derive(Debug)]
pub struct Certificate<'a> {
    der: CertificateDer<'a>,
    parsed: CertificateInner<Raw>,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate.
    pub fn parse(der: CertificateDer<'a>) -> Option<Certificate<'a>> {
        let parsed = CertificateInner::from_der(&der).ok()?;
        Some(Certificate { der, parsed })
    }

    /// Its bytes.
    pub fn der(&self) -> &CertificateDer<'a> {
        &self.der
    }

    /// All of it, with its signature.
    pub fn parsed(&self) -> &CertificateInner<Raw> {
        &self.parsed
    }

    /// What it says.
    pub fn content(&self) -> &TbsCertificateInner<Raw> {
        &self.parsed.tbs_certificate
    }

    /// What it says, as the bytes that its issuer has signed.
    pub fn signed_bytes(&self) -> Option<&[u8]> {
        // SEQUENCE { content, algorithm, signature }
        let mut reader = SliceReader::new(&self.der).ok()?;
        Header::decode(&mut reader).ok()?;
        reader.tlv_bytes().ok()
    }

    /// Its public key.
    pub fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'static>> {
        let key = &self.content().subject_public_key_info;
        key.to_der().ok().map(SubjectPublicKeyInfoDer::from)
    }

    /// Whether its key is an RSA key of less than 2048 bits, which *ring* does not take.
    pub fn has_short_key(&self) -> bool {
        let key = &self.content().subject_public_key_info;
        // The bits hold the modulus and little else.
        key.algorithm.oid == RSA_ENCRYPTION && key.subject_public_key.raw_bytes().len() < 2048 / 8
    }

    /// Whether it says that it has signed itself. As in OpenSSL key identifiers may deny that.
    pub fn is_self_signed(&self) -> bool {
        let content = self.content();
        let own = content.get::<SubjectKeyIdentifier>();
        let issuers = content.get::<AuthorityKeyIdentifier>();
        let other_key = match (own, issuers) {
            (Ok(Some((_, own))), Ok(Some((_, issuers)))) => issuers
                .key_identifier
                .is_some_and(|identifier| identifier != own.0),
            _ => false,
        };
        content.issuer == content.subject && !other_key
    }

    /// Whether it is for this host. As in libpq the common name counts only where no alternative
    /// name is of the host's kind.
    pub fn is_for(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        let fits_name = |name: &str| match address {
            Some(_) => name.eq_ignore_ascii_case(host),
            None => fits_pattern(host, name),
        };
        let Some(names) = self.alternative_names() else {
            return false;
        };
        let mut has_kind = false;
        for name in &names {
            has_kind |= name.is_address() == address.is_some();
            let fits = match name {
                AlternativeName::Dns(pattern) => fits_name(pattern),
                AlternativeName::Address(own) => Some(*own) == address,
            };
            if fits {
                return true;
            }
        }
        !has_kind && self.common_name().is_some_and(|name| fits_name(&name))
    }

    /// The names of hosts in it.
    pub fn names(&self) -> Vec<String> {
        let names = self.alternative_names().unwrap_or_default();
        if names.is_empty() {
            self.common_name().into_iter().collect()
        } else {
            names.iter().map(ToString::to_string).collect()
        }
    }

    /// Its alternative names of the kinds that can be a host's; `None` if they are damaged.
    pub fn alternative_names(&self) -> Option<Vec<AlternativeName>> {
        let names = self.content().get::<SubjectAltName>().ok()?;
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        Some(names.into_iter().filter_map(AlternativeName::new).collect())
    }

    /// Its first common name.
    pub fn common_name(&self) -> Option<String> {
        let attributes = self.content().subject.0.iter();
        let mut attributes = attributes.flat_map(|part| part.0.iter());
        let value = &attributes
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
pub enum AlternativeName {
    /// Of a host, perhaps with a wildcard.
    Dns(String),
    /// An address.
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

    /// Whether it is an address.
    pub fn is_address(&self) -> bool {
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
