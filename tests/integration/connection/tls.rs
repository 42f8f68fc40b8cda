//! `sslmode` and certificates against real servers.

use super::fixture::*;
use crate::support::*;
use walcat::error::Kind;

const MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

#[test]
fn each_sslmode_encrypts_when_it_should() {
    // Roles that the server lets in only with, or only without TLS.
    for (mode, encrypted, unencrypted) in [
        ("disable", false, true),
        ("allow", true, true),
        ("prefer", true, true),
        ("require", true, false),
        ("verify-ca", true, false),
        ("verify-full", true, false),
    ] {
        for (role, works) in [("encrypted", encrypted), ("unencrypted", unencrypted)] {
            let conninfo =
                fixture().conninfo(role, &format!("sslmode={mode} sslrootcert={{}}/root.crt"));
            if works {
                connects(&conninfo);
            } else {
                let words = if role == "encrypted" {
                    "no encryption"
                } else {
                    "SSL encryption"
                };
                refused(
                    &conninfo,
                    &["no pg_hba.conf entry for host", words, "(SQLSTATE 28000)"],
                );
            }
        }
    }
}

#[test]
fn a_server_without_tls_serves_the_modes_that_can_do_without() {
    for mode in MODES {
        let conninfo = format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode={mode} sslrootcert={}",
            server().port(),
            fixture().file("root.crt").display(),
        );
        if ["disable", "allow", "prefer"].contains(&mode) {
            connects(&conninfo);
        } else {
            let errors = refused(
                &conninfo,
                &[
                    "could not connect to server at \"127.0.0.1\", port",
                    "the server does not support TLS",
                ],
            );
            assert!(errors.iter().all(|error| error.kind() == Kind::Permanent));
        }
    }
}

#[test]
fn sslmode_does_not_matter_for_local_sockets() {
    let directory = fixture().server.socket_directory();
    let conninfo = format!(
        "host={} port={} user=postgres dbname=postgres",
        directory.display(),
        fixture().server.port()
    );
    for mode in MODES {
        connects(&format!("{conninfo} sslmode={mode}"));
    }
}

#[test]
fn the_server_must_be_the_one_that_is_meant() {
    let full = "sslmode=verify-full sslrootcert={}/root.crt";
    connects(&fixture().conninfo("trusted", full));
    let errors = refused(
        &fixture().conninfo(
            "trusted",
            &format!("{full} host=db.example.test hostaddr=127.0.0.1"),
        ),
        &["server certificate for \"localhost\" does not match host name \"db.example.test\""],
    );
    assert!(errors.iter().all(|error| error.kind() == Kind::Permanent));
    refused(
        &fixture().conninfo("trusted", &format!("{full} host=127.0.0.1")),
        &["does not match host name \"127.0.0.1\""],
    );
    // Only the last mode looks at the name.
    connects(&fixture().conninfo(
        "trusted",
        "sslmode=verify-ca sslrootcert={}/root.crt host=127.0.0.1",
    ));
    connects(&fixture().conninfo("trusted", "sslmode=require host=127.0.0.1"));
}

#[test]
fn the_certificate_must_come_from_a_known_authority() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let errors = refused(
            &fixture().conninfo(
                "trusted",
                &format!("sslmode={mode} sslrootcert={{}}/theirs.crt"),
            ),
            &["certificate verify failed", "unknown certificate authority"],
        );
        assert!(errors.iter().all(|error| error.kind() == Kind::Permanent));
    }
    refused(
        &fixture().conninfo("trusted", "sslmode=verify-ca"),
        &["no root certificate file"],
    );
    let missing = "root certificate file \"/nonexistent/root.crt\" does not exist";
    refused(
        &fixture().conninfo(
            "trusted",
            "sslmode=verify-full sslrootcert=/nonexistent/root.crt",
        ),
        &[missing],
    );
    connects(&fixture().conninfo(
        "trusted",
        "sslmode=require sslrootcert=/nonexistent/root.crt",
    ));
    refused(
        &fixture().conninfo("trusted", "sslmode=verify-ca sslrootcert={}/client.key"),
        &["holds no certificate"],
    );
    // A failed handshake sends `prefer` back to no encryption.
    connects(&fixture().conninfo("unencrypted", "sslmode=prefer sslrootcert={}/theirs.crt"));
}

#[test]
fn going_on_without_encryption_is_told_once() {
    let prefer = |role: &str, root: &str| {
        let tls = format!("sslmode=prefer sslrootcert={{}}/{root}");
        let arguments = [
            "--create-publication",
            "--publication",
            "prefer",
            "--until-now",
        ];
        let conninfo = fixture().conninfo(role, &tls);
        run(walcat(&["-d", &conninfo, "stream"]).args(arguments))
    };
    let told = prefer("postgres", "theirs.crt");
    let warning = "walcat: warning: the connection is not encrypted, as sslmode is prefer: could \
                   not connect to server at \"localhost\" (127.0.0.1), port ";
    assert_eq!(
        told.succeeded().stderr.matches(warning).count(),
        1,
        "{}",
        told.stderr
    );
    assert!(
        told.stderr.contains("unknown certificate authority"),
        "{}",
        told.stderr
    );
    let silent = prefer("postgres", "root.crt");
    assert!(
        !silent.succeeded().stderr.contains("not encrypted"),
        "{}",
        silent.stderr
    );
}

#[test]
fn the_systems_authorities_do_not_know_ours() {
    let conninfo = fixture().conninfo("trusted", "sslrootcert=system");
    for result in open_both(&conninfo) {
        let report = result
            .expect_err("nobody should trust a test certificate")
            .report();
        // A machine may come without any.
        let known = [
            "unknown certificate authority",
            "could not find the system's root certificates",
        ];
        assert!(
            known.iter().any(|reason| report.contains(reason)),
            "{report}"
        );
    }
}

#[test]
fn the_systems_authorities_are_used_when_asked_for() {
    let mut command = walcat(&[
        "-d",
        &fixture().conninfo("trusted", "sslrootcert=system"),
        "slot",
        "list",
    ]);
    run(command.env("SSL_CERT_FILE", fixture().file("root.crt"))).succeeded();
    run(command.env("SSL_CERT_FILE", fixture().file("theirs.crt"))).exited(1);
}

#[test]
fn revoked_certificates_are_refused() {
    let verify = "sslmode=verify-full sslrootcert={}/root.crt";
    refused(
        &fixture().conninfo("trusted", &format!("{verify} sslcrl={{}}/revoked.crl")),
        &["certificate verify failed", "is revoked"],
    );
    connects(&fixture().conninfo("trusted", &format!("{verify} sslcrl={{}}/clean.crl")));
}

#[test]
fn client_certificates_open_doors() {
    let with = |certificate: &str, key: &str| {
        format!("sslmode=require sslcert={{}}/{certificate} sslkey={{}}/{key}")
    };
    connects(&fixture().conninfo("cert", &with("client.crt", "client.key")));
    connects(&fixture().with_password("twofold", &with("client.crt", "client.key")));
    refused(
        &fixture().conninfo("cert", "sslmode=require"),
        &["client certificate"],
    );
    refused(
        &fixture().with_password("twofold", "sslmode=require"),
        &["client certificate"],
    );
    refused(
        &fixture().conninfo("cert", &with("strange.crt", "strange.key")),
        &["refused the client certificate"],
    );
    refused(
        &fixture().conninfo("cert", &with("client.crt", "strange.key")),
        &["with its key"],
    );
    refused(
        &fixture().conninfo("cert", &with("client.crt", "none.key")),
        &["certificate present, but not private key file"],
    );
    refused(
        &fixture().conninfo("cert", &with("client.crt", "open.key")),
        &["private key file", "has group or world access"],
    );
    refused(
        &fixture().conninfo(
            "cert",
            &format!("{} sslcertmode=disable", with("client.crt", "client.key")),
        ),
        &["client certificate"],
    );
    // The certificate is for the role "cert".
    refused(
        &fixture().conninfo("scram", &with("client.crt", "client.key")),
        &["password"],
    );
}

#[test]
fn both_versions_of_tls_work() {
    for version in ["TLSv1.2", "TLSv1.3"] {
        let only = format!("ssl_min_protocol_version={version} ssl_max_protocol_version={version}");
        connects(&fixture().conninfo(
            "trusted",
            &format!("sslmode=verify-full sslrootcert={{}}/root.crt {only}"),
        ));
        connects(&fixture().with_password(
            "scram",
            &format!("sslmode=require channel_binding=require {only}"),
        ));
        refused(
            &fixture().conninfo("cert", &format!("sslmode=require {only}")),
            &["client certificate"],
        );
    }
}

#[test]
fn certificates_of_version_1_work() {
    let authority = Authority::new("old");
    let (certificate, key) = authority.sign_version_1("localhost");
    let server = Server::start(Options {
        settings: &[
            ("ssl", "on"),
            ("ssl_cert_file", "server.crt"),
            ("ssl_key_file", "server.key"),
        ],
        files: &[
            ("server.crt", certificate.as_bytes()),
            ("server.key", key.as_bytes()),
        ],
        ..Options::default()
    });
    let conninfo = format!(
        "host=localhost port={} user=postgres dbname=postgres",
        server.port()
    );
    let file = server.home().join("root.crt");
    std::fs::write(&file, &authority.pem).unwrap();
    let root = file.display();
    for version in ["TLSv1.2", "TLSv1.3"] {
        connects(&format!(
            "{conninfo} sslmode=require ssl_max_protocol_version={version}"
        ));
        connects(&format!(
            "{conninfo} sslmode=verify-full sslrootcert={root} ssl_max_protocol_version={version}"
        ));
    }
}

#[test]
fn direct_negotiation_needs_postgresql_17() {
    let conninfo = fixture().conninfo("trusted", "sslmode=require sslnegotiation=direct");
    if fixture().server.version() >= 170_000 {
        connects(&conninfo);
    } else {
        refused(
            &conninfo,
            &["could not connect to server at \"localhost\" (127.0.0.1)"],
        );
    }
}
