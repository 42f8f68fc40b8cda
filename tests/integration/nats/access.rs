//! Who may publish, and what nobody may see.

use super::{into, lines, prepared};
use crate::support::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::path::Path;

const USERS: &str = r#"
authorization { users: [
    { user: writer, password: "p@ss/word",
      permissions: { publish: ["$JS.API.STREAM.*.WAL", "$JS.API.STREAM.MSG.GET.WAL", "wal.>"], subscribe: ["_INBOX.>"] } },
    { user: reader, password: r, permissions: { publish: ["$JS.API.>"], subscribe: ["_INBOX.>"] } },
    { user: nobody, password: n, permissions: { publish: ["x"], subscribe: ["_INBOX.>"] } },
] }"#;

fn url(nats: &NatsServer, login: &str) -> String {
    format!("nats://{login}@{}/WAL", nats.address())
}

#[test]
fn a_password_lets_in_and_is_never_shown() {
    let db = prepared("a_password_lets_in_and_is_never_shown");
    let nats = NatsServer::start(USERS);
    let url = url(&nats, "writer:p%40ss%2Fword");
    let running = spawn(&mut db.walcat(&into(&db, &url, &["--create-stream", "-v"])));
    db.wait_for(&format!(
        "SELECT active FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ));
    let arguments = Path::new("/proc")
        .join(running.pid().to_string())
        .join("cmdline");
    let arguments = String::from_utf8(std::fs::read(arguments).unwrap()).unwrap();
    assert!(
        arguments.contains(&format!("nats://{}/WAL", nats.address())),
        "{arguments}"
    );
    assert!(!arguments.contains("ss%2Fword"), "{arguments}");
    let ended = running.interrupt();
    ended.succeeded();
    let said = &ended.stderr;
    assert!(!said.contains("p@ss") && !said.contains("%2F"), "{said}");
    // From the environment.
    let own = nats.url("WAL");
    let mut command = db.walcat(&into(&db, &own, &["--until-now"]));
    command
        .env("NATS_USER", "writer")
        .env("NATS_PASSWORD", "p@ss/word");
    run(&mut command).succeeded();
}

#[test]
fn who_is_not_let_in_or_lacks_a_right_is_told_which() {
    let db = prepared("who_is_not_let_in_or_lacks_a_right_is_told_which");
    let nats = NatsServer::start(USERS);
    db.sql("INSERT INTO t VALUES (1, 'a')");
    for (login, reason) in [
        ("writer:s3cret", "does not let user \"writer\" in"),
        (
            "nobody:n",
            "user \"nobody\" may not publish to \"$JS.API.STREAM.INFO.WAL\"",
        ),
    ] {
        let url = url(&nats, login);
        let run = db.run(&into(&db, &url, &["--until-now"]));
        run.exited(1);
        assert!(run.stderr.contains(reason), "{login}: {}", run.stderr);
        assert!(run.stderr.contains("\ntry: "), "{login}: {}", run.stderr);
        assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    }
    let reader = url(&nats, "reader:r");
    let run = db.run(&into(&db, &reader, &["--create-stream", "--until-now"]));
    run.exited(1);
    let reason = "user \"reader\" may not publish to \"wal.public.t\"";
    assert!(run.stderr.contains(reason), "{}", run.stderr);
}

#[test]
fn no_server_is_an_error_at_the_start() {
    let db = prepared("no_server_is_an_error_at_the_start");
    let port = RefusingPort::new();
    let url = format!("nats://127.0.0.1:{}/WAL", port.number());
    let run = db.run(&into(&db, &url, &["--until-now"]));
    run.exited(1);
    assert!(
        run.stderr
            .contains("could not connect to nats://127.0.0.1:"),
        "{}",
        run.stderr
    );
    // JetStream is not enabled.
    let nats = NatsServer::without_jetstream();
    let url = nats.url("WAL");
    let run = db.run(&into(&db, &url, &["--until-now"]));
    run.exited(1);
    assert!(
        run.stderr.contains("JetStream does not answer"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_key_lets_in() {
    let db = prepared("a_key_lets_in");
    let key = nkeys::KeyPair::new_user();
    let nats = NatsServer::start(&format!(
        "authorization {{ users: [ {{ nkey: {} }} ] }}",
        key.public_key()
    ));
    let seed = nats.path().join("seed");
    std::fs::write(&seed, key.seed().unwrap()).unwrap();
    let url = nats.url("WAL");
    let options = [
        "--create-stream",
        "--until-now",
        "--nats-nkey",
        seed.to_str().unwrap(),
    ];
    db.run(&into(&db, &url, &options)).succeeded();
    let run = db.run(&into(&db, &url, &["--until-now"]));
    run.exited(1);
    assert!(
        run.stderr.contains("does not let a user without a name in"),
        "{}",
        run.stderr
    );
}

/// What one key says of another, signed: a JSON Web Token as NATS has it.
fn token(issuer: &nkeys::KeyPair, subject: &nkeys::KeyPair, claims: Value) -> String {
    let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let body = json!({ "jti": subject.public_key(), "iat": 1, "iss": issuer.public_key(),
        "name": "walcat", "sub": subject.public_key(), "nats": claims });
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let signed = format!("{}.{}", encode(header), encode(body));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn credentials_let_in() {
    let db = prepared("credentials_let_in");
    let (operator, system, account) = (
        nkeys::KeyPair::new_operator(),
        nkeys::KeyPair::new_account(),
        nkeys::KeyPair::new_account(),
    );
    let limits = json!({ "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
        "wildcards": true, "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1,
        "streams": -1, "consumer": -1 });
    let own = json!({ "type": "account", "version": 2, "limits": limits });
    let its = json!({ "type": "account", "version": 2, "limits": { "subs": -1, "data": -1,
        "payload": -1, "imports": -1, "exports": -1, "conn": -1, "leaf": -1 } });
    let claims = json!({ "type": "operator", "version": 2 });
    let nats = NatsServer::start(&format!(
        "operator: \"{}\"\nsystem_account: {}\nresolver: MEMORY\n\
         resolver_preload: {{ {}: \"{}\", {}: \"{}\" }}",
        token(&operator, &operator, claims),
        system.public_key(),
        system.public_key(),
        token(&operator, &system, its),
        account.public_key(),
        token(&operator, &account, own),
    ));
    let user = nkeys::KeyPair::new_user();
    let credentials = |name: &str, account: &nkeys::KeyPair| {
        let claims = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            token(account, &user, claims),
            user.seed().unwrap(),
        );
        let path = nats.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (good, foreign) = (
        credentials("good", &account),
        credentials("foreign", &nkeys::KeyPair::new_account()),
    );
    let url = nats.url("WAL");
    let until_now = into(&db, &url, &["--until-now", "--confirm-delay", "0"]);
    let create = [&until_now[..], &["--create-stream", "--nats-creds", &good]].concat();
    db.sql("INSERT INTO t VALUES (1, 'a')");
    db.run(&create).succeeded();
    assert_eq!(lines(&db, &[]), Vec::<Value>::new());
    // From the environment, and into what is there.
    db.sql("INSERT INTO t VALUES (2, 'b')");
    run(db.walcat(&until_now).env("NATS_CREDS", &good)).succeeded();
    assert_eq!(lines(&db, &[]), Vec::<Value>::new());
    let seed = user.seed().unwrap();
    let bad = nats.path().join("bad");
    std::fs::write(&bad, "no credentials").unwrap();
    for (more, reason) in [
        (&["--nats-creds", &foreign][..], "does not let the user of "),
        (&[], "does not let a user without a name in"),
        (
            &["--nats-creds", bad.to_str().unwrap()],
            "it is no credentials file",
        ),
        (&["--nats-creds", "/nowhere"], "could not read /nowhere"),
    ] {
        let run = db.run(&[&until_now[..], more].concat());
        run.exited(1);
        assert!(run.stderr.contains(reason), "{reason}: {}", run.stderr);
        assert!(!run.stderr.contains(&seed), "{}", run.stderr);
    }
}

#[test]
fn the_server_is_verified_and_may_ask_for_a_certificate() {
    let db = prepared("the_server_is_verified_and_may_ask_for_a_certificate");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    std::fs::write(path("ca"), pem).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    for name in ["server", "client"] {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let mut certificate = rcgen::CertificateParams::new(names).unwrap();
        certificate.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let pem = certificate.signed_by(&key, &issuer).unwrap().pem();
        std::fs::write(path(name), pem).unwrap();
        std::fs::write(path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let nats = NatsServer::start(&format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}",
        path("server"),
        path("server.key"),
        path("ca")
    ));
    let (ca, certificate, key) = (path("ca"), path("client"), path("client.key"));
    let trusted = [
        "--nats-ca",
        &ca,
        "--nats-cert",
        &certificate,
        "--nats-key",
        &key,
    ];
    let url = |scheme: &str, host: &str| format!("{scheme}://{host}:{}/WAL", nats.port());
    let run_with = |url: &str, more: &[&str]| {
        let own = ["--until-now", "--create-stream"];
        db.run(&into(&db, url, &[&own[..], more].concat()))
    };
    // As the server asks, or as the user does.
    run_with(&url("nats", "localhost"), &trusted).succeeded();
    run_with(&url("tls", "localhost"), &trusted).succeeded();
    // Another name, an authority that nobody knows, no certificate of our own.
    for (host, options) in [
        ("127.0.0.1", &trusted[..]),
        ("localhost", &trusted[2..]),
        ("localhost", &trusted[..2]),
    ] {
        let run = run_with(&url("tls", host), options);
        run.exited(1);
        assert!(
            run.stderr.contains("could not connect to tls://"),
            "{}",
            run.stderr
        );
    }
    // TLS is wanted, and the server has none.
    let plain = NatsServer::start("");
    let run = run_with(&format!("tls://localhost:{}/WAL", plain.port()), &[]);
    run.exited(1);
}
