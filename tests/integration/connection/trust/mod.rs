//! Which servers psql and walcat trust: for every kind of certificate and every `sslmode` both
//! connect to the same server, and psql is right. Where walcat differs the manual says why.
//!
//! The tables are not formatted, so that a case is a line.

mod authorities;
mod chains;
mod constraints;
mod hosts;
mod keys;
mod revocation;
mod self_signed;
mod uses;

use super::certificates::*;
use super::fixture::resolve;
use crate::support::*;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use tempfile::TempDir;
use walcat::connect::sql;
use walcat::walsender::Connection;

/// Each `sslmode`, with a root certificate file.
const WITH_ROOTS: [(&str, bool); 6] = [
    ("disable", true),
    ("allow", true),
    ("prefer", true),
    ("require", true),
    ("verify-ca", true),
    ("verify-full", true),
];
/// The modes that do without a root certificate file.
const WITHOUT_ROOTS: [(&str, bool); 2] = [("prefer", false), ("require", false)];

const HBA: &str = "
    local   all postgres trust
    host    all anyone    all trust
    hostssl all encrypted all trust
    hostssl all bound     all scram-sha-256";

const ROLES: &str = "
    SET password_encryption = 'scram-sha-256';
    CREATE ROLE anyone LOGIN REPLICATION;
    CREATE ROLE encrypted LOGIN REPLICATION;
    CREATE ROLE bound LOGIN REPLICATION PASSWORD 'secret'";

/// What Debian, Ubuntu and OpenSSL from 3.2 on do by default, and what lets a server have any
/// certificate.
const USUAL: &str = "DEFAULT@SECLEVEL=2";
const ANY: &str = "DEFAULT@SECLEVEL=0";

/// What the manual says of differences that occur in several places.
const CRITICAL_POLICIES: &str = "None but the root has critical policies.";
const OWN_SIGNATURE: &str = "Also the signature of a self-signed certificate is right, and not of \
    SHA-1.";
const BY_THE_SIGNATURE: &str = "it sees by the signature who has signed a certificate";

const ASK: &str = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()";

/// A server's certificate and what its clients know.
struct Case {
    what: String,
    chain: String,
    key: Rc<Key>,
    roots: String,
    host: &'static str,
    revoked: Option<String>,
    more: &'static str,
    differs: Option<(Difference, &'static str)>,
}

/// How walcat is not like psql.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Difference {
    Stricter,
    Kinder,
}

/// A server for "localhost".
fn local() -> Draft {
    leaf("x").dns(&["localhost"])
}

/// The server has this chain, its own certificate first; the client has these roots.
fn case(what: &str, chain: &[&Certificate], roots: &[&Certificate]) -> Case {
    let pem = |certificates: &[&Certificate]| {
        certificates
            .iter()
            .map(|certificate| certificate.pem())
            .collect()
    };
    Case {
        what: what.to_owned(),
        chain: pem(chain),
        key: Rc::clone(&chain[0].key),
        roots: pem(roots),
        host: "localhost",
        revoked: None,
        more: "",
        differs: None,
    }
}

impl Case {
    /// The name that the client connects to.
    fn host(mut self, host: &'static str) -> Case {
        self.host = host;
        self
    }

    /// The client has these lists of revoked certificates.
    fn revoked(mut self, lists: &[String]) -> Case {
        self.revoked = Some(lists.concat());
        self
    }

    /// walcat trusts the server less than psql does. The manual gives the reason, with these words.
    fn stricter(mut self, reason: &'static str) -> Case {
        self.differs = Some((Difference::Stricter, reason));
        self
    }

    /// walcat trusts the server more than psql does. The manual gives the reason, with these words.
    fn kinder(mut self, reason: &'static str) -> Case {
        self.differs = Some((Difference::Kinder, reason));
        self
    }

    /// The client proves its password, and demands that this is bound to the server's certificate.
    fn bound(mut self) -> Case {
        self.what += " with channel binding";
        self.more = "user=bound password=secret channel_binding=require";
        self
    }

    /// No newer version of TLS than 1.2 is spoken.
    fn tls_1_2(mut self) -> Case {
        self.what += " with TLS 1.2";
        self.more = "ssl_max_protocol_version=TLSv1.2";
        self
    }
}

/// What becomes of a connection.
#[derive(Debug)]
enum Outcome {
    Encrypted,
    Plain,
    Refused(String),
}

fn difference(psql: &Outcome, walcat: &Outcome) -> Option<Difference> {
    match (psql, walcat) {
        (Outcome::Encrypted, Outcome::Encrypted)
        | (Outcome::Plain, Outcome::Plain)
        | (Outcome::Refused(_), Outcome::Refused(_)) => None,
        (_, Outcome::Encrypted) => Some(Difference::Kinder),
        _ => Some(Difference::Stricter),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Encrypted => f.write_str("encrypted"),
            Outcome::Plain => f.write_str("plain"),
            Outcome::Refused(reason) => write!(f, "refused: {}", reason.trim()),
        }
    }
}

/// Fails unless psql and walcat agree on all of them, but for what the manual explains.
fn agree(cases: impl IntoIterator<Item = Case>) {
    Judges::new().compare(&WITH_ROOTS, cases);
}

/// The same, also for clients without roots.
fn agree_also_without_roots(cases: impl IntoIterator<Item = Case>) {
    Judges::new().compare(&[&WITH_ROOTS[..], &WITHOUT_ROOTS].concat(), cases);
}

/// A server that changes its certificate, and its clients.
struct Judges {
    server: Server,
    files: TempDir,
}

impl Judges {
    fn new() -> Judges {
        let files = tempfile::tempdir().unwrap();
        std::fs::set_permissions(
            files.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let policy = |name: &str, ciphers: &str| {
            let path = files.path().join(name);
            let text = format!(
                "openssl_conf = all\n[all]\nssl_conf = tls\n[tls]\nsystem_default = default\n\
                 [default]\nCipherString = {ciphers}\n"
            );
            std::fs::write(&path, text).unwrap();
            path
        };
        policy("usual.cnf", USUAL);
        let any = policy("any.cnf", ANY);
        let first = leaf("first").self_signed();
        let server = Server::start(Options {
            settings: &[
                ("ssl", "on"),
                ("ssl_cert_file", "server.crt"),
                ("ssl_key_file", "server.key"),
            ],
            hba: Some(HBA),
            files: &[
                ("server.crt", first.pem().as_bytes()),
                ("server.key", first.key.pem.as_bytes()),
            ],
            environment: &[("OPENSSL_CONF", any.to_str().unwrap())],
            ..Options::default()
        });
        let mut client = server.client("postgres");
        let psql = Command::new(server.client_program("psql"))
            .arg("--version")
            .output();
        let version = String::from_utf8(psql.unwrap().stdout).unwrap();
        // `psql (PostgreSQL) 15.18 (Debian ...)`, `psql (PostgreSQL) 19rc1`
        let number = |word: &str| {
            let end = word.find(|c: char| !c.is_ascii_digit());
            word.get(..end.unwrap_or(word.len()))?.parse::<u32>().ok()
        };
        let major = version.split(' ').find_map(number);
        assert!(
            major >= Some(15),
            "older than addresses in certificates: {version}"
        );
        client.batch_execute(ROLES).unwrap();
        Judges { server, files }
    }

    fn compare(&self, modes: &[(&str, bool)], cases: impl IntoIterator<Item = Case>) {
        let manual = manual();
        let mut wrong = Vec::new();
        for case in cases {
            self.serve(&case);
            let mut differs = false;
            for (mode, with_roots) in modes {
                let conninfo = self.conninfo(&case, mode, *with_roots);
                let psql = self.psql(&conninfo);
                for (name, walcat) in ["SQL", "replication"].into_iter().zip(walcat(&conninfo)) {
                    let difference = difference(&psql, &walcat);
                    differs |= difference.is_some();
                    if difference.is_some()
                        && difference != case.differs.map(|(difference, _)| difference)
                    {
                        let roots = if *with_roots { "" } else { " without roots" };
                        wrong.push(format!(
                            "{}, {mode}{roots}, {name}:\n  psql:   {psql}\n  walcat: {walcat}",
                            case.what
                        ));
                    }
                }
            }
            match case.differs {
                Some((_, reason)) if !manual.contains(reason) => {
                    wrong.push(format!("{}: the manual does not say {reason:?}", case.what));
                }
                Some(_) if !differs => wrong.push(format!("{}: no difference any more", case.what)),
                _ => {}
            }
        }
        let wrong = (wrong.len(), wrong.join("\n"));
        assert!(wrong.0 == 0, "{} differences:\n{}", wrong.0, wrong.1);
    }

    fn serve(&self, case: &Case) {
        let loaded = || -> String {
            let mut client = self.server.client("postgres");
            let query = "SELECT pg_conf_load_time()::text";
            client.query_one(query, &[]).unwrap().get(0)
        };
        let (before, logged) = (loaded(), self.server.log().len());
        self.server.write_file("server.crt", case.chain.as_bytes());
        self.server
            .write_file("server.key", case.key.pem.as_bytes());
        self.server.reload();
        wait_until("the new certificate", || (loaded() != before).then_some(()));
        let log = self.server.log().split_off(logged);
        assert!(!log.contains("not reloaded"), "{}: {log}", case.what);
        std::fs::write(self.files.path().join("roots"), &case.roots).unwrap();
        if let Some(lists) = &case.revoked {
            std::fs::write(self.files.path().join("lists"), lists).unwrap();
        }
    }

    fn conninfo(&self, case: &Case, mode: &str, with_roots: bool) -> String {
        let files = self.files.path().display();
        // `allow` tries TLS only if it is refused without.
        let user = if mode == "allow" {
            "encrypted"
        } else {
            "anyone"
        };
        let roots = if with_roots { "roots" } else { "none" };
        let lists = if case.revoked.is_some() {
            "lists"
        } else {
            "none"
        };
        format!(
            "host={} hostaddr=127.0.0.1 port={} user={user} dbname=postgres sslmode={mode} \
             sslrootcert={files}/{roots} sslcrl={files}/{lists} {}",
            case.host,
            self.server.port(),
            case.more
        )
    }

    fn psql(&self, conninfo: &str) -> Outcome {
        let psql = self.server.client_program("psql");
        let mut command = Command::new(psql);
        command.args(["-X", "-A", "-t", "-w", "-d", conninfo, "-c", ASK]);
        command
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("OPENSSL_CONF", self.files.path().join("usual.cnf"));
        let finished = run(&mut command);
        match finished.stdout.as_slice() {
            b"t\n" => Outcome::Encrypted,
            b"f\n" => Outcome::Plain,
            _ => Outcome::Refused(finished.stderr),
        }
    }
}

/// Both connections.
fn walcat(conninfo: &str) -> [Outcome; 2] {
    let settings = resolve(conninfo);
    let sql = sql(&settings).map(|mut session| session.query_one(ASK, &[]).unwrap().get(0));
    let replication = Connection::open(&settings, "UTC")
        .map(|mut connection| connection.ask(ASK).unwrap().unwrap() == "t");
    [sql, replication].map(|result| match result {
        Ok(true) => Outcome::Encrypted,
        Ok(false) => Outcome::Plain,
        Err(error) => Outcome::Refused(error.report()),
    })
}

fn manual() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/sections.txt");
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
