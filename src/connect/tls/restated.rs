//! The server's certificate as webpki can read it.
//!
//! webpki knows version 3 only, does not let a server have an authority's certificate, and cares
//! for no common name. PostgreSQL's manual (section 19.9.5) makes people create certificates of
//! version 1, and ones that are their own authority; libpq takes the common name for the name of a
//! host. So webpki gets another certificate that says the same in its terms, and the signature is
//! checked over what the authority has really signed. Nothing else of webpki's checks is
//! left out: validity, extensions, chain, name constraints, revocation.

use super::certificate::{AlternativeName, Certificate};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
};
use std::net::IpAddr;
use x509_cert::Version;
use x509_cert::certificate::TbsCertificateInner;
use x509_cert::der::asn1::{Ia5String, OctetString};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Encode, Result};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};

/// A certificate in webpki's terms.
#[derive(Debug)]
pub struct Restated {
    der: CertificateDer<'static>,
    /// What its signature would be for.
    restated: Vec<u8>,
    /// What its signature is for.
    signed: Vec<u8>,
}

/// An algorithm that checks the signature of a restated certificate over the original.
#[derive(Debug)]
pub struct OverOriginal<'a> {
    certificate: &'a Restated,
    algorithm: &'static dyn SignatureVerificationAlgorithm,
}

impl Restated {
    /// Says what the certificate says; `None` if it cannot be read.
    pub fn new(certificate: &Certificate<'_>) -> Option<Restated> {
        let signed = certificate.signed_bytes()?.to_vec();
        let names = names(certificate)?;
        let is_authority = matches!(
            certificate.content().get::<BasicConstraints>(),
            Ok(Some((_, constraints))) if constraints.ca
        );
        if certificate.content().version == Version::V3 && names.is_empty() && !is_authority {
            return Some(Restated {
                der: certificate.der().clone().into_owned(),
                restated: signed.clone(),
                signed,
            });
        }
        let mut restated = certificate.parsed().clone();
        let content = &mut restated.tbs_certificate;
        content.version = Version::V3;
        if is_authority {
            let extensions = content.extensions.iter_mut();
            extensions.for_each(|all| all.retain(|one| one.extn_id != BasicConstraints::OID));
        }
        if !names.is_empty() {
            add_names(content, names).ok()?;
        }
        Some(Restated {
            der: restated.to_der().ok()?.into(),
            restated: restated.tbs_certificate.to_der().ok()?,
            signed,
        })
    }

    /// The certificate to show to webpki.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The algorithms to check signatures with.
    pub fn algorithms<'a>(
        &'a self,
        all: &'static [&'static dyn SignatureVerificationAlgorithm],
    ) -> Vec<OverOriginal<'a>> {
        let over_original =
            |algorithm: &&'static dyn SignatureVerificationAlgorithm| OverOriginal {
                certificate: self,
                algorithm: *algorithm,
            };
        all.iter().map(over_original).collect()
    }
}

impl SignatureVerificationAlgorithm for OverOriginal<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> std::result::Result<(), InvalidSignature> {
        let message = match message == self.certificate.restated {
            true => &self.certificate.signed,
            false => message,
        };
        self.algorithm
            .verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

/// The common name as alternative names, if it may be taken for the name of a host: so that the
/// name constraints of its authorities hold for it. `None` if the alternative names are damaged.
fn names(certificate: &Certificate<'_>) -> Option<Vec<GeneralName>> {
    let there = certificate.alternative_names()?;
    let has_address = there.iter().any(AlternativeName::is_address);
    let has_dns = there.iter().any(|name| !name.is_address());
    let mut names = Vec::new();
    let Some(name) = certificate.common_name() else {
        return Some(names);
    };
    if let (false, Ok(address)) = (has_address, name.parse()) {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        names.extend(OctetString::new(bytes).map(GeneralName::IpAddress));
    }
    let is_host = |name: &str| {
        let mut bytes = name.bytes();
        bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte))
    };
    if !has_dns && is_host(&name) {
        names.extend(Ia5String::new(&name).map(GeneralName::DnsName));
    }
    Some(names)
}

fn add_names(
    content: &mut TbsCertificateInner<x509_cert::certificate::Raw>,
    names: Vec<GeneralName>,
) -> Result<()> {
    let (critical, there) = match content.get::<SubjectAltName>()? {
        Some((critical, names)) => (critical, names.0),
        None => (false, Vec::new()),
    };
    let all = SubjectAltName(there.into_iter().chain(names).collect());
    let extensions = content.extensions.get_or_insert_default();
    extensions.retain(|extension| extension.extn_id != SubjectAltName::OID);
    extensions.push(Extension {
        extn_id: SubjectAltName::OID,
        critical,
        extn_value: OctetString::new(all.to_der()?)?,
    });
    Ok(())
}
