//! Whether a chain of certificates leads from the server to a root that is trusted.
//!
//! webpki does the work; what it does not look at is looked at here, so that whom OpenSSL does not
//! trust under libpq, walcat does not trust either.

use super::certificate::Certificate;
use super::distrust::{Distrust, Flaw};
use super::restated::Restated;
use super::revocation::RevocationList;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, TrustAnchor,
    UnixTime,
};
use std::cell::Cell;
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationOptionsBuilder,
    VerifiedPath, anchor_from_trusted_cert,
};

/// Whom to trust.
#[derive(Debug)]
pub struct Chain {
    roots: Vec<Certificate<'static>>,
    /// Those of the roots, in the same order.
    anchors: Vec<TrustAnchor<'static>>,
    /// Certificates among the roots that are none: they may stand in the middle of a chain.
    others: Vec<CertificateDer<'static>>,
    revoked: Vec<RevocationList>,
}

impl Chain {
    /// Trusts these roots and what they sign, but for what is revoked. As in OpenSSL only
    /// self-signed certificates are roots.
    pub fn new(
        certificates: Vec<CertificateDer<'static>>,
        revoked: &[CertificateRevocationListDer<'_>],
    ) -> Result<Chain, String> {
        let mut chain = Chain {
            roots: Vec::new(),
            anchors: Vec::new(),
            others: Vec::new(),
            revoked: revoked
                .iter()
                .map(RevocationList::parse)
                .collect::<Result<_, _>>()
                .map_err(|reason| {
                    format!("could not use the certificate revocation list: {reason}")
                })?,
        };
        for certificate in certificates {
            let anchor = anchor_from_trusted_cert(&certificate).map(|anchor| anchor.to_owned());
            // What cannot be read is of no use; the system's store may hold anything.
            if let (Ok(anchor), Some(root)) = (anchor, Certificate::parse(certificate)) {
                if root.is_self_signed() {
                    chain.anchors.push(anchor);
                    chain.roots.push(root);
                } else {
                    chain.others.push(root.der().clone());
                }
            }
        }
        Ok(chain)
    }

    /// Whether the server's certificate is to be trusted.
    pub fn verify(
        &self,
        server: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    ) -> Result<(), Distrust> {
        if self.roots.is_empty() {
            return Err(Distrust::NoRoot);
        }
        server.check_server().map_err(Distrust::Server)?;
        let restated = Restated::new(server).ok_or(Distrust::Unreadable)?;
        let algorithms = restated.algorithms(algorithms);
        let algorithms: Vec<_> = algorithms
            .iter()
            .map(|algorithm| algorithm as &dyn SignatureVerificationAlgorithm)
            .collect();
        let intermediates: Vec<_> = intermediates
            .iter()
            .chain(&self.others)
            .map(|certificate| CertificateDer::from(certificate.as_ref()))
            .collect();
        let lists: Vec<_> = self
            .revoked
            .iter()
            .filter_map(|list| list.as_of(now))
            .collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        if revocation.is_none() && !self.revoked.is_empty() {
            return Err(Distrust::Chain(webpki::Error::UnknownRevocationStatus));
        }
        let objection = Cell::new(None);
        let object = |path: &VerifiedPath<'_>| {
            self.check(path, server, &lists, now).map_err(|distrust| {
                objection.set(Some(distrust));
                webpki::Error::UnknownIssuer
            })
        };
        let path = EndEntityCert::try_from(restated.der()).and_then(|certificate| {
            certificate
                .verify_for_usage(
                    &algorithms,
                    &self.anchors,
                    &intermediates,
                    now,
                    KeyUsage::server_auth(),
                    revocation,
                    Some(&object),
                )
                .map(|_| ())
        });
        // A path that is good but for one thing says more than those that lead nowhere.
        path.map_err(|error| objection.take().unwrap_or(Distrust::Chain(error)))
    }

    /// What webpki does not check of a path that it has found.
    fn check(
        &self,
        path: &VerifiedPath<'_>,
        server: &Certificate<'_>,
        lists: &[&CertRevocationList<'_>],
        now: UnixTime,
    ) -> Result<(), Distrust> {
        let mut count = 0;
        for intermediate in path.intermediate_certificates() {
            let intermediate =
                Certificate::parse(intermediate.der()).ok_or(Distrust::Unreadable)?;
            intermediate
                .check_authority()
                .map_err(Distrust::Intermediate)?;
            count += 1;
        }
        // There may be several of the same name and key, as an old and a new one.
        let mut verdict = Err(Distrust::NoRoot);
        for (root, anchor) in self.roots.iter().zip(&self.anchors) {
            if anchor == path.anchor() {
                verdict =
                    check_root(root, anchor, count, server, lists, now).map_err(Distrust::Root);
            }
            if verdict.is_ok() {
                break;
            }
        }
        verdict
    }
}

fn check_root(
    root: &Certificate<'_>,
    anchor: &TrustAnchor<'_>,
    intermediates: usize,
    server: &Certificate<'_>,
    lists: &[&CertRevocationList<'_>],
    now: UnixTime,
) -> Result<(), Flaw> {
    // What a server must be webpki has checked, and an authority it need not be.
    if root.der() == server.der() {
        return Ok(());
    }
    root.check_root(intermediates, now)?;
    if lists.is_empty() {
        return Ok(());
    }
    root.check_lists()?;
    let serial = root.content().serial_number.as_bytes();
    let revokes = |list: &&&CertRevocationList<'_>| {
        list.issuer() == anchor.subject.as_ref() && !matches!(list.find_serial(serial), Ok(None))
    };
    match lists.iter().find(revokes) {
        Some(_) => Err(Flaw::Revoked),
        None => Ok(()),
    }
}
