//! A server with TLS and every way of authentication, and the certificates around it.

use crate::support::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, SigningKey, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use tempfile::TempDir;
use walcat::connect::{Arguments, Environment, Prompt, Settings, sql};
use walcat::error::{Error, Result};
use walcat::walsender::Connection;
use x509_cert::der::asn1::BitString;
use x509_cert::der::{Decode, Encode};
use x509_cert::{Certificate, Version};

/// The password of every role that has one. No output may ever show it.
pub const PASSWORD: &str = "pass word'\\:s3cret";

/// Each role has its own way in.
const ROLES: &str = "
    SET password_encryption = 'scram-sha-256';
    CREATE ROLE trusted LOGIN REPLICATION;
    CREATE ROLE clear LOGIN REPLICATION PASSWORD 'pass word''\\:s3cret';
    CREATE ROLE scram LOGIN REPLICATION PASSWORD 'pass word''\\:s3cret';
    CREATE ROLE twofold LOGIN REPLICATION PASSWORD 'pass word''\\:s3cret';
    CREATE ROLE cert LOGIN REPLICATION;
    CREATE ROLE encrypted LOGIN REPLICATION;
    CREATE ROLE unencrypted LOGIN REPLICATION;
    CREATE ROLE rejected LOGIN REPLICATION;
    SET password_encryption = 'md5';
    CREATE ROLE md5 LOGIN REPLICATION PASSWORD 'pass word''\\:s3cret';";

const HBA: &str = "
    local     all postgres           trust
    local     all scram              scram-sha-256
    hostssl   all encrypted   all    trust
    hostssl   all cert        all    cert
    hostssl   all twofold      all    scram-sha-256 clientcert=verify-ca
    hostnossl all unencrypted all    trust
    host      all trusted     all    trust
    host      all clear       all    password
    host      all md5         all    md5
    host      all scram       all    scram-sha-256
    host      all rejected    all    reject
    host      all postgres    all    trust";

/// The server and the files that its clients use.
pub struct Fixture {
    pub server: Server,
    files: TempDir,
}

/// The one server of these tests; its certificate is for `localhost` alone.
pub fn fixture() -> &'static Fixture {
    static FIXTURE: LazyLock<Fixture> = LazyLock::new(Fixture::new);
    &FIXTURE
}

impl Fixture {
    fn new() -> Fixture {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let server = ours.sign(&["localhost"], "server", 1);
        let client = ours.sign(&[], "cert", 2);
        let strange = theirs.sign(&[], "cert", 3);

        let files = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str, mode: u32| {
            let path = files.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        write("root.crt", &ours.pem, 0o644);
        write("theirs.crt", &theirs.pem, 0o644);
        write("revoked.crl", &ours.revoke(1), 0o644);
        write("clean.crl", &ours.revoke(99), 0o644);
        write("client.crt", &client.0, 0o644);
        write("client.key", &client.1, 0o600);
        write("open.key", &client.1, 0o644);
        write("strange.crt", &strange.0, 0o644);
        write("strange.key", &strange.1, 0o600);
        let server = Server::start(Options {
            settings: &[
                ("ssl", "on"),
                ("ssl_cert_file", "server.crt"),
                ("ssl_key_file", "server.key"),
                ("ssl_ca_file", "ca.crt"),
            ],
            hba: Some(HBA),
            files: &[
                ("server.crt", server.0.as_bytes()),
                ("server.key", server.1.as_bytes()),
                ("ca.crt", ours.pem.as_bytes()),
            ],
            ..Options::default()
        });
        server.client("postgres").batch_execute(ROLES).unwrap();
        Fixture { server, files }
    }

    /// A file that a client uses.
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// A conninfo string for a role over TCP; `{}` in `more` stands for the directory of the files.
    pub fn conninfo(&self, role: &str, more: &str) -> String {
        let more = more.replace("{}", self.files.path().to_str().unwrap());
        format!(
            "host=localhost port={} dbname=postgres user={role} {more}",
            self.server.port()
        )
    }

    /// A conninfo string with the password of the role.
    pub fn with_password(&self, role: &str, more: &str) -> String {
        self.conninfo(
            role,
            &format!(
                "password='{}' {more}",
                PASSWORD.replace('\\', "\\\\").replace('\'', "\\'")
            ),
        )
    }
}

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate and its key.
    fn sign(&self, names: &[&str], common_name: &str, serial: u64) -> (String, String) {
        let mut params = CertificateParams::new(
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        )
        .unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        (
            params.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    /// The same without extensions, as version 1 of certificates has none.
    pub fn sign_version_1(&self, common_name: &str) -> (String, String) {
        let (pem, key) = self.sign(&[], common_name, 1);
        let mut certificate =
            Certificate::from_der(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
                .unwrap();
        certificate.tbs_certificate.version = Version::V1;
        certificate.tbs_certificate.extensions = None;
        let signature = self
            .issuer
            .key()
            .sign(&certificate.tbs_certificate.to_der().unwrap())
            .unwrap();
        certificate.signature = BitString::from_bytes(&signature).unwrap();
        let text = STANDARD.encode(certificate.to_der().unwrap());
        let lines: String = text
            .as_bytes()
            .chunks(64)
            .map(|line| format!("{}\n", line.escape_ascii()))
            .collect();
        (
            format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n"),
            key,
        )
    }

    fn revoke(&self, serial: u64) -> String {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: date_time_ymd(2020, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// Opens both connections, the one for SQL and the one for replication.
pub fn open_both(conninfo: &str) -> [Result<()>; 2] {
    let settings = resolve(conninfo);
    [
        sql(&settings).map(|_| ()),
        Connection::open(&settings, "UTC").map(|_| ()),
    ]
}

/// Settings from a conninfo string alone.
pub fn resolve(conninfo: &str) -> Settings {
    let environment = Environment {
        variables: HashMap::new(),
        home: None,
        user_name: || None,
        socket_directory: "/nowhere".into(),
        system_directories: Vec::new(),
    };
    let given = Arguments {
        dbname: Some(conninfo.to_owned()),
        prompt: Prompt::Never,
        ..Arguments::default()
    };
    Settings::resolve_in(&given, &environment)
        .unwrap_or_else(|error| panic!("{conninfo}: {}", error.report()))
}

/// Fails unless both connections can be opened.
#[track_caller]
pub fn connects(conninfo: &str) {
    for result in open_both(conninfo) {
        result.unwrap_or_else(|error| panic!("{conninfo}: {}", error.report()));
    }
}

/// Fails unless both connections are refused with an error that says all of `reasons`; returns the
/// two errors.
#[track_caller]
pub fn refused(conninfo: &str, reasons: &[&str]) -> [Error; 2] {
    open_both(conninfo).map(|result| {
        let Err(error) = result else {
            panic!("{conninfo}: there is a connection")
        };
        let report = error.report();
        for reason in reasons {
            assert!(
                report.contains(reason),
                "{conninfo}: not {reason:?} but\n{report}"
            );
        }
        assert!(
            !report.contains("s3cret"),
            "{conninfo}: the password is in\n{report}"
        );
        error
    })
}

/// The program with nothing in its environment, in a session without a terminal.
pub fn walcat(arguments: &[&str]) -> Command {
    let mut command = Command::new("setsid");
    command
        .arg("--wait")
        .arg(env!("CARGO_BIN_EXE_walcat"))
        .args(arguments)
        .env_clear();
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent");
    command
}
