//! What certificates may be used for.
//!
//! webpki looks at all extensions of the server's certificate and of intermediate ones but for the
//! key usage, and at none of the root's but for its name constraints. OpenSSL looks at those as
//! well. So does this.

use super::certificate::Certificate;
use super::distrust::Flaw;
use rustls::pki_types::UnixTime;
use x509_cert::Version;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc5280::{
    ID_CE_BASIC_CONSTRAINTS, ID_CE_CERTIFICATE_POLICIES, ID_CE_CRL_DISTRIBUTION_POINTS,
    ID_CE_EXT_KEY_USAGE, ID_CE_INHIBIT_ANY_POLICY, ID_CE_KEY_USAGE, ID_CE_NAME_CONSTRAINTS,
    ID_CE_POLICY_CONSTRAINTS, ID_CE_POLICY_MAPPINGS, ID_CE_SUBJECT_ALT_NAME, ID_KP_SERVER_AUTH,
};
use x509_cert::der::oid::{AssociatedOid, ObjectIdentifier};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

/// Extensions that may be critical in a root. Those about policies say nothing, as nobody asks for
/// a policy.
const KNOWN: [ObjectIdentifier; 10] = [
    ID_CE_BASIC_CONSTRAINTS,
    ID_CE_CERTIFICATE_POLICIES,
    ID_CE_CRL_DISTRIBUTION_POINTS,
    ID_CE_EXT_KEY_USAGE,
    ID_CE_INHIBIT_ANY_POLICY,
    ID_CE_KEY_USAGE,
    ID_CE_NAME_CONSTRAINTS,
    ID_CE_POLICY_CONSTRAINTS,
    ID_CE_POLICY_MAPPINGS,
    ID_CE_SUBJECT_ALT_NAME,
];

impl Certificate<'_> {
    /// Whether a server may have it, as far as webpki does not look.
    pub fn check_server(&self) -> Result<(), Flaw> {
        let fits = |usage: KeyUsage| {
            usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
        };
        match self.extension()? {
            Some(usage) if !fits(usage) => Err(Flaw::NotForServers),
            _ => Ok(()),
        }
    }

    /// Whether it may sign another certificate, as far as webpki does not look.
    pub fn check_authority(&self) -> Result<(), Flaw> {
        match self.extension()? {
            Some(usage) if !KeyUsage::key_cert_sign(&usage) => Err(Flaw::MustNotSign),
            _ => Ok(()),
        }
    }

    /// Whether it may sign a list of revoked certificates, as far as webpki does not look.
    pub fn check_lists(&self) -> Result<(), Flaw> {
        match self.extension()? {
            Some(usage) if !KeyUsage::crl_sign(&usage) => Err(Flaw::MustNotSignLists),
            _ => Ok(()),
        }
    }

    /// Whether it may be the root of a chain with this many intermediate certificates.
    pub fn check_root(&self, intermediates: usize, now: UnixTime) -> Result<(), Flaw> {
        let content = self.content();
        if now.as_secs() > content.validity.not_after.to_unix_duration().as_secs() {
            return Err(Flaw::Expired);
        }
        if now.as_secs() < content.validity.not_before.to_unix_duration().as_secs() {
            return Err(Flaw::NotValidYet);
        }
        let mut extensions = content.extensions.iter().flatten();
        if extensions.any(|extension| extension.critical && !KNOWN.contains(&extension.extn_id)) {
            return Err(Flaw::UnknownExtension);
        }
        self.check_authority()?;
        let may_sign = self.extension::<KeyUsage>()?.is_some();
        let (is_authority, longest) = match self.extension::<BasicConstraints>()? {
            Some(constraints) => (constraints.ca, constraints.path_len_constraint),
            // As in OpenSSL: version 1 has no way to say that it is an authority's.
            None => (content.version == Version::V1 || may_sign, None),
        };
        if !is_authority {
            return Err(Flaw::NoAuthority);
        }
        if longest.is_some_and(|longest| intermediates > longest.into()) {
            return Err(Flaw::PathTooLong);
        }
        match self.extension::<ExtendedKeyUsage>()? {
            Some(purposes) if !purposes.0.contains(&ID_KP_SERVER_AUTH) => Err(Flaw::NotForServers),
            _ => Ok(()),
        }
    }

    fn extension<'a, E: Decode<'a> + AssociatedOid>(&'a self) -> Result<Option<E>, Flaw> {
        match self.content().get::<E>() {
            Ok(extension) => Ok(extension.map(|(_, extension)| extension)),
            Err(_) => Err(Flaw::Damaged),
        }
    }
}
