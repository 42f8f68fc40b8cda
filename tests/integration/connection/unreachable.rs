//! Servers that are not there, not ready or no PostgreSQL; several hosts.

use super::fixture::*;
use crate::support::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use walcat::error::Kind;

/// A port on which every connection is handed to `serve`.
fn fake_server(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    port
}

/// A PostgreSQL server without TLS, as far as the startup packet goes, and what it says then.
fn after_startup(answer: &'static [u8]) -> u16 {
    fake_server(move |mut stream| {
        let mut packet = [0; 4096];
        // 80877103 asks for TLS.
        while let Ok(8) = stream.read(&mut packet) {
            let _ = stream.write_all(b"N");
        }
        let _ = stream.write_all(answer);
        let _ = stream.read(&mut packet);
    })
}

fn at(port: u16) -> String {
    format!("host=127.0.0.1 port={port} user=u dbname=d password=x")
}

#[test]
fn a_refused_port_and_a_missing_socket_are_told_and_may_pass() {
    let refusing = RefusingPort::new();
    let port = refusing.number();
    let message =
        format!("could not connect to server at \"127.0.0.1\", port {port}: connection refused");
    let errors = refused(&at(port), &[&message, "Is the server running on that host"]);
    assert!(errors.iter().all(|error| error.kind() == Kind::Transient));
    let message = "could not connect to server on socket \"/nowhere/.s.PGSQL.5433\": no such file \
                   or directory";
    let errors = refused(
        "host=/nowhere port=5433 user=u",
        &[message, "Is the server running locally"],
    );
    assert!(errors.iter().all(|error| error.kind() == Kind::Transient));
}

#[test]
fn unknown_hosts_are_told() {
    refused(
        "host=no-such-host.invalid user=u",
        &["could not translate host name \"no-such-host.invalid\" to address"],
    );
}

#[test]
fn a_port_that_is_no_postgresql_is_told() {
    let http: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    let ssh: &[u8] = b"SSH-2.0-OpenSSH_9.2p1\r\n";
    let memcached: &[u8] = b"ERROR\r\n";
    for greeting in [http, ssh, memcached] {
        let port = fake_server(move |mut stream| {
            let _ = stream.write_all(greeting);
            // Kept open, as many servers do, until the other side goes.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        for mode in ["disable", "prefer", "require"] {
            refused(
                &format!("{} sslmode={mode} connect_timeout=20", at(port)),
                &[&format!(
                    "could not connect to server at \"127.0.0.1\", port {port}: "
                )],
            );
        }
    }
}

#[test]
fn a_server_that_hangs_up_is_told() {
    let port = fake_server(drop);
    for mode in ["disable", "require"] {
        let errors = refused(
            &format!("{} sslmode={mode}", at(port)),
            &[&format!("\"127.0.0.1\", port {port}: ")],
        );
        assert!(
            errors.iter().all(|error| error.kind() == Kind::Transient),
            "{errors:?}"
        );
    }
}

#[test]
fn a_server_that_says_nothing_costs_no_more_than_the_timeout() {
    let port = fake_server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    for mode in ["disable", "prefer"] {
        let errors = refused(
            &format!("{} sslmode={mode} connect_timeout=1", at(port)),
            &["timeout expired"],
        );
        assert!(errors.iter().all(|error| error.kind() == Kind::Transient));
    }
}

#[test]
fn unsupported_ways_of_authentication_are_named() {
    for (request, name) in [
        (&b"R\0\0\0\x08\0\0\0\x02"[..], "Kerberos V5"),
        (b"R\0\0\0\x08\0\0\0\x07", "GSSAPI"),
        (b"R\0\0\0\x08\0\0\0\x09", "SSPI"),
        (b"R\0\0\0\x15\0\0\0\x0aOAUTHBEARER\0\0", "OAUTHBEARER"),
    ] {
        let errors = refused(&at(after_startup(request)), &[name]);
        assert!(errors.iter().all(|error| error.kind() == Kind::Permanent));
    }
}

#[test]
fn a_server_that_starts_up_may_be_ready_later() {
    let port = after_startup(
        b"E\0\0\0\x3eSFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0",
    );
    let errors = refused(
        &at(port),
        &["the database system is starting up (SQLSTATE 57P03)"],
    );
    assert!(errors.iter().all(|error| error.kind() == Kind::Transient));
    // So the next host is tried.
    connects(&format!(
        "host=127.0.0.1,127.0.0.1 port={port},{} user=trusted dbname=postgres",
        fixture().server.port()
    ));
}

#[test]
fn an_error_in_answer_to_the_request_for_tls_is_not_shown() {
    let port = fake_server(|mut stream| {
        let _ = stream.write_all(b"E\0\0\0\x21SFATAL\0C08P01\0Mforged words\0\0");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    for error in refused(
        &format!("{} sslmode=require", at(port)),
        &["answered the request for TLS with an error"],
    ) {
        assert!(!error.report().contains("forged"), "{}", error.report());
    }
}

#[test]
fn dead_hosts_are_passed_over() {
    let live = fixture().server.port();
    let refusing = (RefusingPort::new(), RefusingPort::new());
    let (first, second) = (refusing.0.number(), refusing.1.number());
    connects(&format!(
        "host=127.0.0.1,no-such-host.invalid,/nowhere,localhost port={first},1,2,{live} \
         user=trusted dbname=postgres"
    ));
    let line = |port| {
        format!("could not connect to server at \"127.0.0.1\", port {port}: connection refused")
    };
    refused(
        &format!("host=127.0.0.1,127.0.0.1 port={first},{second} user=u"),
        &[&line(first), &line(second)],
    );
    connects(&format!(
        "postgresql://trusted@127.0.0.1:{first},127.0.0.1:{live}/postgres?load_balance_hosts=random"
    ));
}

#[test]
fn a_host_that_says_no_ends_the_search() {
    let live = fixture().server.port();
    let conninfo =
        format!("host=localhost,127.0.0.1 port={live} dbname=postgres user=scram password=wrong");
    for error in refused(&conninfo, &["password authentication failed"]) {
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

#[test]
fn the_kind_of_server_is_chosen() {
    let primary = Server::start(Options::default());
    let standby = primary.standby(&[]);
    let on_primary = |attrs: &str| {
        format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres target_session_attrs={attrs}",
            primary.port()
        )
    };
    let on_standby = |attrs: &str| {
        format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres target_session_attrs={attrs}",
            standby.port()
        )
    };
    for (attrs, primary_fits, standby_fits) in [
        ("any", true, true),
        ("read-write", true, false),
        ("read-only", false, true),
        ("primary", true, false),
        ("standby", false, true),
        ("prefer-standby", true, true),
    ] {
        for (conninfo, fits) in [
            (on_primary(attrs), primary_fits),
            (on_standby(attrs), standby_fits),
        ] {
            if fits {
                connects(&conninfo);
            } else {
                let errors = refused(
                    &conninfo,
                    &[if attrs.starts_with("read") {
                        "session is"
                    } else {
                        "hot standby mode"
                    }],
                );
                assert!(errors.iter().all(|error| error.kind() == Kind::Transient));
            }
        }
        let both = format!(
            "host=127.0.0.1,127.0.0.1 port={},{} user=postgres dbname=postgres \
             target_session_attrs={attrs}",
            primary.port(),
            standby.port()
        );
        let mut session = walcat::connect::sql(&resolve(&both)).unwrap();
        let in_recovery: bool = session
            .query_one("SELECT pg_is_in_recovery()", &[])
            .unwrap()
            .get(0);
        assert_eq!(
            in_recovery,
            ["read-only", "standby", "prefer-standby"].contains(&attrs),
            "{attrs}"
        );
    }
}
