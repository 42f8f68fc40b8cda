//! Certificates of every kind, also of kinds that no authority should make.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::NamedTempFile;
use x509_cert::Version;
use x509_cert::certificate::{CertificateInner, Raw, TbsCertificateInner};
use x509_cert::crl::RevokedCert;
use x509_cert::der::asn1::{
    Any, BitString, Ia5String, OctetString, SetOfVec, UtcTime, Utf8StringRef,
};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Decode, Encode, Length};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlNumber, ExtendedKeyUsage, KeyUsage, KeyUsages,
    NameConstraints, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, ObjectIdentifier, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

/// An extension that nobody knows.
const UNKNOWN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.3.4.5.6.7.8");

/// A key and how it signs.
pub struct Key {
    /// PKCS #8 as PEM.
    pub pem: String,
    public: SubjectPublicKeyInfoOwned,
    signature: AlgorithmIdentifierOwned,
    signer: Signer,
}

enum Signer {
    Rcgen(Box<KeyPair>),
    /// The `openssl` program, with this digest.
    Openssl(NamedTempFile, &'static str),
}

impl Key {
    /// One of the most common kind: ECDSA with P-256 and SHA-256.
    pub fn new() -> Rc<Key> {
        let key = KeyPair::generate().unwrap();
        Rc::new(Key {
            pem: key.serialize_pem(),
            public: Decode::from_der(&key.subject_public_key_info()).unwrap(),
            signature: algorithm("1.2.840.10045.4.3.2"),
            signer: Signer::Rcgen(Box::new(key)),
        })
    }

    /// Ed25519.
    pub fn ed25519() -> Rc<Key> {
        // OpenSSL does not read the form that rcgen writes.
        let pem = String::from_utf8(openssl("genpkey -algorithm ED25519", b"")).unwrap();
        let key = KeyPair::from_pem(&pem).unwrap();
        Rc::new(Key {
            pem,
            public: Decode::from_der(&key.subject_public_key_info()).unwrap(),
            signature: algorithm("1.3.101.112"),
            signer: Signer::Rcgen(Box::new(key)),
        })
    }

    /// One that `openssl genpkey` makes with these arguments. It signs with this digest, which
    /// certificates call by this number.
    pub fn openssl(arguments: &str, digest: &'static str, signature: &str) -> Rc<Key> {
        let generated = openssl(&format!("genpkey {arguments}"), b"");
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&generated).unwrap();
        Rc::new(Key {
            public: Decode::from_der(&openssl("pkey -pubout -outform DER", &generated)).unwrap(),
            pem: String::from_utf8(generated).unwrap(),
            signature: algorithm(signature),
            signer: Signer::Openssl(file, digest),
        })
    }

    fn sign(&self, message: &[u8]) -> BitString {
        let signature = match &self.signer {
            Signer::Rcgen(key) => key.sign(message).unwrap(),
            Signer::Openssl(file, digest) => {
                let file = file.path().display();
                openssl(&format!("dgst -{digest} -sign {file}"), message)
            }
        };
        BitString::from_bytes(&signature).unwrap()
    }
}

/// A certificate with its key.
pub struct Certificate {
    pub key: Rc<Key>,
    parsed: CertificateInner<Raw>,
}

impl Certificate {
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.parsed.to_der().unwrap())
    }

    /// The same with a wrong signature.
    pub fn forged(mut self) -> Certificate {
        self.parsed.signature = BitString::from_bytes(&forge(&self.parsed.signature)).unwrap();
        self
    }

    fn name(&self) -> Name {
        self.parsed.tbs_certificate.subject.clone()
    }
}

/// What a certificate is to say.
pub struct Draft {
    name: Name,
    version: Version,
    serial: SerialNumber<Raw>,
    valid: (i64, i64),
    extensions: Vec<Extension>,
    key: Rc<Key>,
}

/// Of a server: without extensions, valid now.
pub fn leaf(common_name: &str) -> Draft {
    Draft {
        name: name(&[common_name]),
        version: Version::V3,
        serial: SerialNumber::new(&[1]).unwrap(),
        valid: (-30, 30),
        extensions: Vec::new(),
        key: Key::new(),
    }
}

/// Of an authority that may sign whatever it likes.
pub fn authority(common_name: &str) -> Draft {
    leaf(common_name)
        .basic_constraints(true, None)
        .usage(&[KeyUsages::KeyCertSign, KeyUsages::CRLSign])
}

impl Draft {
    pub fn common_names(mut self, names: &[&str]) -> Draft {
        self.name = name(names);
        self
    }

    pub fn version_1(mut self) -> Draft {
        self.version = Version::V1;
        self
    }

    pub fn serial(mut self, serial: u64) -> Draft {
        self.serial = SerialNumber::new(&serial.to_be_bytes()).unwrap();
        self
    }

    /// A serial number of more bytes than authorities may give out.
    pub fn long_serial(mut self) -> Draft {
        let number = [&[2, 30][..], &[1; 30]].concat();
        self.serial = SerialNumber::from_der(&number).unwrap();
        self
    }

    /// In days from today.
    pub fn valid(mut self, from: i64, until: i64) -> Draft {
        self.valid = (from, until);
        self
    }

    pub fn key(mut self, key: &Rc<Key>) -> Draft {
        self.key = Rc::clone(key);
        self
    }

    pub fn dns(self, names: &[&str]) -> Draft {
        self.alternative_names(names.iter().map(|name| dns(name)))
    }

    pub fn addresses(self, addresses: &[&str]) -> Draft {
        self.alternative_names(addresses.iter().map(|address| ip(address)))
    }

    pub fn alternative_names(self, names: impl IntoIterator<Item = GeneralName>) -> Draft {
        self.with(SubjectAltName(names.into_iter().collect()), false)
    }

    pub fn basic_constraints(self, ca: bool, path_len_constraint: Option<u8>) -> Draft {
        let constraints = BasicConstraints {
            ca,
            path_len_constraint,
        };
        self.with(constraints, true)
    }

    pub fn usage(self, usages: &[KeyUsages]) -> Draft {
        let flags = usages
            .iter()
            .fold(Default::default(), |all, one| all | *one);
        self.with(KeyUsage(flags), true)
    }

    pub fn purposes(self, purposes: &[ObjectIdentifier]) -> Draft {
        self.with(ExtendedKeyUsage(purposes.to_vec()), false)
    }

    pub fn names_within(self, permitted: Vec<GeneralName>, excluded: Vec<GeneralName>) -> Draft {
        let subtrees = |bases: Vec<GeneralName>| {
            let subtree = |base| GeneralSubtree {
                base,
                minimum: 0,
                maximum: None,
            };
            Some(bases.into_iter().map(subtree).collect()).filter(|all: &Vec<_>| !all.is_empty())
        };
        let constraints = NameConstraints {
            permitted_subtrees: subtrees(permitted),
            excluded_subtrees: subtrees(excluded),
        };
        self.with(constraints, true)
    }

    pub fn own_key_identifier(self, identifier: &[u8]) -> Draft {
        let identifier = OctetString::new(identifier).unwrap();
        self.with(SubjectKeyIdentifier(identifier), false)
    }

    pub fn authority_key_identifier(self, identifier: &[u8]) -> Draft {
        let identifier = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(identifier).unwrap()),
            ..AuthorityKeyIdentifier::default()
        };
        self.with(identifier, false)
    }

    pub fn unknown_extension(self, critical: bool) -> Draft {
        self.raw(UNKNOWN, &[5, 0], critical)
    }

    pub fn with<E: AssociatedOid + Encode>(self, extension: E, critical: bool) -> Draft {
        self.raw(E::OID, &extension.to_der().unwrap(), critical)
    }

    /// Replaces the one of its kind that is there.
    pub fn raw(mut self, kind: ObjectIdentifier, value: &[u8], critical: bool) -> Draft {
        self = self.without(kind);
        self.extensions.push(Extension {
            extn_id: kind,
            critical,
            extn_value: OctetString::new(value).unwrap(),
        });
        self
    }

    pub fn without(mut self, kind: ObjectIdentifier) -> Draft {
        self.extensions.retain(|there| there.extn_id != kind);
        self
    }

    pub fn self_signed(self) -> Certificate {
        let (issuer, key) = (self.name.clone(), Rc::clone(&self.key));
        self.signed(issuer, &key)
    }

    pub fn signed_by(self, authority: &Certificate) -> Certificate {
        self.signed(authority.name(), &authority.key)
    }

    /// By somebody who calls himself by that name.
    pub fn signed(self, issuer: Name, key: &Key) -> Certificate {
        let certificate: TbsCertificateInner<Raw> = TbsCertificateInner {
            version: self.version,
            serial_number: self.serial,
            signature: key.signature.clone(),
            issuer,
            validity: Validity {
                not_before: day(self.valid.0),
                not_after: day(self.valid.1),
            },
            subject: self.name,
            subject_public_key_info: self.key.public.clone(),
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(self.extensions).filter(|extensions| !extensions.is_empty()),
        };
        let signature = key.sign(&certificate.to_der().unwrap());
        Certificate {
            key: self.key,
            parsed: CertificateInner {
                tbs_certificate: certificate,
                signature_algorithm: key.signature.clone(),
                signature,
            },
        }
    }
}

/// A list of revoked certificates.
pub struct Revoked {
    serials: Vec<u64>,
    pub valid: (i64, Option<i64>),
    pub version: Version,
    pub forged: bool,
    pub unknown_extension: bool,
}

/// Of the certificates with these numbers.
pub fn revoked(serials: &[u64]) -> Revoked {
    Revoked {
        serials: serials.to_vec(),
        valid: (-10, Some(10)),
        version: Version::V2,
        forged: false,
        unknown_extension: false,
    }
}

impl Revoked {
    /// The list as PEM.
    pub fn signed_by(self, authority: &Certificate) -> String {
        let mut extensions = vec![Extension {
            extn_id: CrlNumber::OID,
            critical: false,
            extn_value: OctetString::new([2, 1, 1]).unwrap(),
        }];
        if self.unknown_extension {
            extensions.push(Extension {
                extn_id: UNKNOWN,
                critical: true,
                extn_value: OctetString::new([5, 0]).unwrap(),
            });
        }
        let entries = self.serials.iter().map(|serial| RevokedCert {
            serial_number: SerialNumber::from(*serial),
            revocation_date: day(-20),
            crl_entry_extensions: None,
        });
        let list = sequence(&[
            if self.version == Version::V1 {
                Vec::new()
            } else {
                encoded(&self.version)
            },
            encoded(&authority.key.signature),
            encoded(&authority.name()),
            encoded(&day(self.valid.0)),
            self.valid
                .1
                .map(day)
                .as_ref()
                .map(encoded)
                .unwrap_or_default(),
            encoded(&entries.collect::<Vec<_>>()),
            if self.version == Version::V1 {
                Vec::new()
            } else {
                tagged(0xa0, &encoded(&extensions))
            },
        ]);
        let mut signature = authority.key.sign(&list);
        if self.forged {
            signature = BitString::from_bytes(&forge(&signature)).unwrap();
        }
        pem(
            "X509 CRL",
            &sequence(&[list, encoded(&authority.key.signature), encoded(&signature)]),
        )
    }
}

pub fn dns(name: &str) -> GeneralName {
    GeneralName::DnsName(Ia5String::new(name).unwrap())
}

pub fn email(address: &str) -> GeneralName {
    GeneralName::Rfc822Name(Ia5String::new(address).unwrap())
}

pub fn ip(address: &str) -> GeneralName {
    network(address, "")
}

/// Of constraints: an address and its mask; without a mask a single address.
pub fn network(address: &str, mask: &str) -> GeneralName {
    let bytes = |text: &str| match text.parse() {
        Ok(IpAddr::V4(address)) => address.octets().to_vec(),
        Ok(IpAddr::V6(address)) => address.octets().to_vec(),
        Err(_) => Vec::new(),
    };
    GeneralName::IpAddress(OctetString::new([bytes(address), bytes(mask)].concat()).unwrap())
}

/// A name with these common names.
pub fn name(common_names: &[&str]) -> Name {
    let part = |name: &&str| {
        let value = Any::from(Utf8StringRef::new(name).unwrap());
        let attribute = x509_cert::attr::AttributeTypeAndValue {
            oid: COMMON_NAME,
            value,
        };
        RelativeDistinguishedName(SetOfVec::try_from(vec![attribute]).unwrap())
    };
    RdnSequence(common_names.iter().map(part).collect())
}

fn day(from_today: i64) -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seconds = now.as_secs().checked_add_signed(from_today * 24 * 60 * 60);
    Time::UtcTime(UtcTime::from_unix_duration(Duration::from_secs(seconds.unwrap())).unwrap())
}

fn algorithm(number: &str) -> AlgorithmIdentifierOwned {
    let oid = ObjectIdentifier::new(number).unwrap();
    // RSA's have a NULL for parameters, the others none.
    let parameters = number.starts_with("1.2.840.113549").then(Any::null);
    AlgorithmIdentifierOwned { oid, parameters }
}

fn encoded(value: &impl Encode) -> Vec<u8> {
    value.to_der().unwrap()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(encoded(&Length::try_from(content.len()).unwrap()));
    bytes.extend(content);
    bytes
}

fn forge(signature: &BitString) -> Vec<u8> {
    let mut bytes = signature.raw_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| line.escape_ascii().to_string())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn openssl(arguments: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl must be installed: `make test` does that");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
