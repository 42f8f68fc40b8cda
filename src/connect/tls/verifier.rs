//! Decides for rustls whether to trust the server.

use super::certificate::Certificate;
use super::chain::Chain;
use super::distrust::Distrust;
use super::ecdsa::ALGORITHMS;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature_with_raw_key;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use webpki::RawPublicKeyEntity;

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

/// Decides for rustls.
#[derive(Debug)]
pub struct Verifier(pub Verification);

impl Verifier {
    fn verify(
        &self,
        server: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Distrust> {
        match &self.0 {
            Verification::Nothing => Ok(()),
            Verification::Chain(chain) => chain.verify(server, intermediates, now, ALGORITHMS.all),
            Verification::ChainAndName(chain, host) => {
                chain.verify(server, intermediates, now, ALGORITHMS.all)?;
                if server.is_for(host) {
                    return Ok(());
                }
                Err(Distrust::WrongHost {
                    host: host.clone(),
                    names: server.names(),
                })
            }
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let server = Certificate::parse(CertificateDer::from(server.as_ref()))
            .ok_or(Distrust::Unreadable)?;
        self.verify(&server, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = public_key(certificate)?;
        let key = RawPublicKeyEntity::try_from(&key).map_err(|_| Distrust::Unreadable)?;
        let algorithms = ALGORITHMS
            .mapping
            .iter()
            .filter(|(scheme, _)| *scheme == signed.scheme)
            .flat_map(|(_, algorithms)| *algorithms);
        for algorithm in algorithms {
            match key.verify_signature(*algorithm, message, signed.signature()) {
                Ok(()) => return Ok(HandshakeSignatureValid::assertion()),
                // The scheme stands for other kinds of keys, too.
                Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
                Err(_) => return Err(CertificateError::BadSignature.into()),
            }
        }
        Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = public_key(certificate)?;
        verify_tls13_signature_with_raw_key(message, &key, signed, &ALGORITHMS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}

/// The server's public key, of a certificate of any version and with any extensions.
fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    let certificate = Certificate::parse(CertificateDer::from(certificate.as_ref()));
    let certificate = certificate.ok_or(Distrust::Unreadable)?;
    if certificate.has_short_key() {
        return Err(Distrust::ShortKey.into());
    }
    let key = certificate.public_key().ok_or(Distrust::Unreadable)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
        KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, SigningKey,
        date_time_ymd,
    };
    use rustls::pki_types::CertificateRevocationListDer;
    use std::time::Duration;
    use x509_cert::der::asn1::BitString;
    use x509_cert::der::{Decode, Encode};
    use x509_cert::{Certificate as X509, Version};

    /// Noon of a day in 2024: certificates are valid from 2020 to 2030 unless a test says
    /// otherwise.
    const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_718_625_600));

    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        certificate: CertificateDer<'static>,
    }

    impl Authority {
        fn new(name: &str) -> Authority {
            let mut params = params(&[], name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let key = KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap().der().clone();
            Authority {
                issuer: Issuer::new(params, key),
                certificate,
            }
        }

        fn sign(&self, params: &CertificateParams) -> CertificateDer<'static> {
            params
                .signed_by(&KeyPair::generate().unwrap(), &self.issuer)
                .unwrap()
                .der()
                .clone()
        }

        fn revoke(&self, serial: u64, until: i32) -> CertificateRevocationListDer<'static> {
            let list = CertificateRevocationListParams {
                this_update: date_time_ymd(2021, 1, 1),
                next_update: date_time_ymd(until, 1, 1),
                crl_number: SerialNumber::from(1),
                issuing_distribution_point: None,
                revoked_certs: vec![RevokedCertParams {
                    serial_number: SerialNumber::from(serial),
                    revocation_time: date_time_ymd(2021, 1, 1),
                    reason_code: None,
                    invalidity_date: None,
                }],
                key_identifier_method: KeyIdMethod::Sha256,
            };
            list.signed_by(&self.issuer).unwrap().der().clone()
        }
    }

    fn params(names: &[&str], common_name: &str) -> CertificateParams {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        params.serial_number = Some(SerialNumber::from(7));
        params
    }

    /// What the verifier says of a certificate for a host; without a host the name does not matter.
    fn judge(
        root: &CertificateDer<'static>,
        revoked: Vec<CertificateRevocationListDer<'static>>,
        certificate: &CertificateDer<'_>,
        host: Option<&str>,
    ) -> Result<(), String> {
        let chain = Chain::new(vec![root.clone()], &revoked).unwrap();
        let verification = match host {
            Some(host) => Verification::ChainAndName(chain, host.to_owned()),
            None => Verification::Chain(chain),
        };
        let ignored = ServerName::try_from("ignored.test").unwrap();
        let verdict =
            Verifier(verification).verify_server_cert(certificate, &[], &ignored, &[], NOW);
        verdict
            .map(|_| ())
            .map_err(|error| super::super::reason(&std::io::Error::other(error)).unwrap())
    }

    #[track_caller]
    fn accepted(verdict: Result<(), String>) {
        assert_eq!(verdict, Ok(()));
    }

    #[track_caller]
    fn refused(verdict: Result<(), String>, reason: &str) {
        let error = verdict.unwrap_err();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn the_chain_must_lead_to_a_root() {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let certificate = ours.sign(&params(&["db.test"], "server"));
        accepted(judge(&ours.certificate, vec![], &certificate, None));
        refused(
            judge(&theirs.certificate, vec![], &certificate, None),
            "unknown certificate authority",
        );
        let namesake = Authority::new("ours");
        assert!(judge(&namesake.certificate, vec![], &certificate, None).is_err());
    }

    #[test]
    fn the_host_must_be_in_the_certificate() {
        let authority = Authority::new("ca");
        let judge = |names: &[&str], common_name: &str, host: &str| {
            judge(
                &authority.certificate,
                vec![],
                &authority.sign(&params(names, common_name)),
                Some(host),
            )
        };
        accepted(judge(&["db.test"], "x", "db.test"));
        accepted(judge(&["db.test"], "x", "DB.Test"));
        accepted(judge(&["other.test", "db.test"], "x", "db.test"));
        accepted(judge(&["*.test"], "x", "db.test"));
        accepted(judge(&["10.0.0.1"], "x", "10.0.0.1"));
        accepted(judge(&["::1"], "x", "0:0:0:0:0:0:0:1"));
        accepted(judge(&[], "db.test", "db.test"));
        accepted(judge(&[], "*.test", "db.test"));
        accepted(judge(&["10.0.0.1"], "db.test", "db.test"));
        accepted(judge(&["under_score.test"], "x", "under_score.test"));
        refused(
            judge(&["db.test"], "x", "localhost"),
            "server certificate for \"db.test\" does not match host name \"localhost\"",
        );
        for (names, common_name, host) in [
            (&["*.test"][..], "x", "a.db.test"),
            (&["*.test"], "x", "test"),
            (&["*.test"], "x", ".test"),
            (&["db.test"], "localhost", "localhost"),
            (&["db.test"], "x", "db.test.evil"),
            (&["10.0.0.1"], "x", "10.0.0.2"),
            (&["10.0.0.1"], "10.0.0.2", "10.0.0.2"),
            (&["d*.test"], "x", "db.test"),
        ] {
            refused(judge(names, common_name, host), "does not match host name");
        }
    }

    #[test]
    fn the_certificate_must_be_valid_today() {
        let authority = Authority::new("ca");
        let mut late = params(&["db.test"], "x");
        late.not_after = date_time_ymd(2023, 1, 1);
        refused(
            judge(&authority.certificate, vec![], &authority.sign(&late), None),
            "has expired",
        );
        let mut early = params(&["db.test"], "x");
        early.not_before = date_time_ymd(2025, 1, 1);
        refused(
            judge(
                &authority.certificate,
                vec![],
                &authority.sign(&early),
                None,
            ),
            "not valid yet",
        );
    }

    #[test]
    fn revoked_certificates_are_refused() {
        let authority = Authority::new("ca");
        let certificate = authority.sign(&params(&["db.test"], "x"));
        let judge = |list| judge(&authority.certificate, vec![list], &certificate, None);
        accepted(judge(authority.revoke(8, 2030)));
        refused(judge(authority.revoke(7, 2030)), "is revoked");
        refused(
            judge(authority.revoke(8, 2022)),
            "revocation list has expired",
        );
        refused(
            judge(Authority::new("other").revoke(8, 2030)),
            "no certificate revocation list tells",
        );
    }

    #[test]
    fn a_self_signed_certificate_can_be_its_own_root() {
        let own = |is_ca: IsCa, until: i32| {
            let mut params = params(&[], "db.test");
            params.is_ca = is_ca;
            params.not_after = date_time_ymd(until, 1, 1);
            params
                .self_signed(&KeyPair::generate().unwrap())
                .unwrap()
                .der()
                .clone()
        };
        for is_ca in [
            IsCa::NoCa,
            IsCa::ExplicitNoCa,
            IsCa::Ca(BasicConstraints::Unconstrained),
        ] {
            let certificate = own(is_ca, 2030);
            accepted(judge(&certificate, vec![], &certificate, Some("db.test")));
            refused(
                judge(&certificate, vec![], &certificate, Some("other.test")),
                "does not match",
            );
            let namesake = own(is_ca, 2030);
            assert!(judge(&certificate, vec![], &namesake, None).is_err());
        }
        let expired = own(IsCa::Ca(BasicConstraints::Unconstrained), 2023);
        refused(judge(&expired, vec![], &expired, None), "has expired");
    }

    /// The same certificate as version 1 has it: without extensions.
    fn version_1(certificate: &CertificateDer<'_>, issuer: &KeyPair) -> CertificateDer<'static> {
        let mut certificate = X509::from_der(certificate).unwrap();
        certificate.tbs_certificate.version = Version::V1;
        certificate.tbs_certificate.extensions = None;
        let signature = issuer
            .sign(&certificate.tbs_certificate.to_der().unwrap())
            .unwrap();
        certificate.signature = BitString::from_bytes(&signature).unwrap();
        CertificateDer::from(certificate.to_der().unwrap())
    }

    #[test]
    fn certificates_of_version_1_are_as_good() {
        let authority = Authority::new("root.test");
        let certificate = version_1(
            &authority.sign(&params(&[], "localhost")),
            authority.issuer.key(),
        );
        let root = authority.certificate;
        accepted(judge(&root, vec![], &certificate, Some("localhost")));
        refused(
            judge(&root, vec![], &certificate, Some("other.test")),
            "does not match",
        );
        refused(
            judge(
                &Authority::new("root.test").certificate,
                vec![],
                &certificate,
                None,
            ),
            "signature of a certificate is wrong",
        );
        let mut forged = certificate.to_vec();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        refused(
            judge(&root, vec![], &CertificateDer::from(forged), None),
            "signature of a certificate is wrong",
        );
    }

    #[test]
    fn damaged_certificates_are_refused_and_nothing_worse() {
        let authority = Authority::new("ca");
        let certificate = authority.sign(&params(&["db.test"], "x"));
        let simple = authority.sign(&params(&[], "db.test"));
        let refused = |bytes: Vec<u8>| {
            let damaged = CertificateDer::from(bytes);
            judge(&authority.certificate, vec![], &damaged, Some("db.test")).is_err()
        };
        for certificate in [certificate, version_1(&simple, authority.issuer.key())] {
            for length in 0..certificate.len() {
                assert!(refused(certificate[..length].to_vec()), "{length}");
            }
            for at in 0..certificate.len() {
                let mut bytes = certificate.to_vec();
                bytes[at] ^= 0x55;
                assert!(refused(bytes), "{at}");
            }
        }
    }
}
