//! The replication connection on its own, where the program cannot show what it does.

use crate::support::*;
use rustix::event::{PollFd, PollFlags, poll};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use walcat::connect::protocol::NOTICE;
use walcat::connect::*;
use walcat::error::{Kind, Result};
use walcat::lsn::Lsn;
use walcat::walsender::{Connection, Message, StandbyStatus};

/// Connection settings from a conninfo string alone.
fn resolve(conninfo: &str) -> Settings {
    let environment = Environment {
        variables: HashMap::new(),
        home: None,
        user_name: || None,
        socket_directory: "/nowhere".into(),
        system_directories: Vec::new(),
    };
    let given = Arguments {
        dbname: Some(conninfo.into()),
        prompt: Prompt::Never,
        ..Arguments::default()
    };
    Settings::resolve_in(&given, &environment).unwrap()
}

/// Through the socket, as superuser.
fn settings(db: &Database<'_>) -> Settings {
    let (sockets, port) = (db.server().socket_directory(), db.server().port());
    resolve(&format!(
        "host={} port={port} user=postgres dbname={}",
        sockets.display(),
        db.name()
    ))
}

fn open(db: &Database<'_>) -> Connection {
    Connection::open(&settings(db), "UTC").unwrap()
}

/// Streams from the slot with test_decoding, whose payload is text, until the text is there;
/// returns all of it.
fn stream_until(connection: &mut Connection, end: &str) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        while let Some(message) = connection.next_message()? {
            match message {
                Message::XLogData { payload, .. } => {
                    lines.push(String::from_utf8_lossy(payload).into_owned())
                }
                Message::Keepalive { .. } => {}
                Message::CopyDone => return Ok(lines),
            }
            if lines.last().is_some_and(|line| line.contains(end)) {
                return Ok(lines);
            }
        }
        let mut fds = [PollFd::new(connection, PollFlags::IN)];
        assert_ne!(
            poll(&mut fds, Some(&DEADLINE.try_into().unwrap())).unwrap(),
            0,
            "nothing comes"
        );
        connection.receive()?;
    }
}

#[test]
fn walsender_pins_the_session() {
    let db = Database::create("walsender_pins_the_session");
    db.sql(&format!(
        "ALTER DATABASE {} SET datestyle = 'German'",
        db.name()
    ));
    db.sql(&format!(
        "ALTER DATABASE {} SET search_path = 'pg_catalog'",
        db.name()
    ));
    let mut settings = settings(&db);
    settings.options =
        Some("-c timezone=Asia/Tokyo -c extra_float_digits=0 -c work_mem=123kB".into());
    let mut connection = Connection::open(&settings, "UTC").unwrap();
    for (name, value) in [
        ("datestyle", "ISO, MDY"),
        ("intervalstyle", "postgres"),
        ("extra_float_digits", "3"),
        ("bytea_output", "hex"),
        ("quote_all_identifiers", "off"),
        ("search_path", ""),
        ("timezone", "UTC"),
        ("client_encoding", "UTF8"),
        ("application_name", "walcat"),
        ("work_mem", "123kB"),
    ] {
        assert_eq!(connection.show(name).unwrap(), value, "{name}");
    }
    assert_eq!(connection.server_version(), db.server().version());
    assert_eq!(connection.parameter("server_encoding"), Some("UTF8"));
    let identity = connection.identify_system().unwrap();
    assert_eq!(
        identity.system_id,
        db.value("SELECT system_identifier FROM pg_control_system()")
    );
    assert!(identity.flushed > Lsn(0x10_0000));
    assert_eq!(connection.show("nosuch").unwrap_err().sqlstate(), "42704");
    assert_eq!(connection.show("work_mem").unwrap(), "123kB");
}

#[test]
fn walsender_takes_the_bytes_of_sql_ascii_databases() {
    let options = "ENCODING 'SQL_ASCII' LOCALE 'C'";
    let db = Database::create_with(server(), "walsender_takes_the_bytes_of_sql_ascii", options);
    assert_eq!(open(&db).show("client_encoding").unwrap(), "SQL_ASCII");
}

#[test]
fn walsender_streams_and_confirms() {
    let db = Database::create("walsender_streams_and_confirms");
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)");
    db.create_slot("test_decoding");
    db.sql("INSERT INTO t VALUES (1, 'a'); INSERT INTO t SELECT 2, repeat('long', 1000000)");
    let options = [
        ("include-xids".to_owned(), Some("0".to_owned())),
        ("skip-empty-xacts".to_owned(), None),
    ];
    let mut connection = open(&db);
    connection
        .start_replication(db.name(), Lsn::INVALID, &options)
        .unwrap();
    let lines = stream_until(&mut connection, "COMMIT").unwrap();
    assert_eq!(
        lines[1],
        "table public.t: INSERT: id[integer]:1 v[text]:'a'"
    );
    assert_eq!(
        lines[2].len(),
        4_000_000 + "table public.t: INSERT: id[integer]:2 v[text]:''".len()
    );
    let flushed = db.wal_position().parse().unwrap();
    let status = StandbyStatus {
        written: flushed,
        flushed,
        reply_requested: true,
    };
    connection.send_status(&status).unwrap();
    connection.finish(DEADLINE).unwrap();
    let confirmed = db.value(&format!(
        "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ));
    assert_eq!(confirmed.parse(), Ok(flushed));
}

#[test]
fn walsender_creates_temporary_slots() {
    let db = Database::create("walsender_creates_temporary_slots");
    let mut connection = open(&db);
    let wait = &mut || ControlFlow::Continue(());
    let start = connection
        .create_temporary_slot("te mp", "test_decoding", false, wait)
        .unwrap_err();
    assert_eq!(start.sqlstate(), "42602");
    let start = connection
        .create_temporary_slot("walsender_temporary", "test_decoding", true, wait)
        .unwrap();
    connection
        .start_replication("walsender_temporary", start, &[])
        .unwrap();
    db.sql("CREATE TABLE t (id int)");
    stream_until(&mut connection, "COMMIT").unwrap();
    let slots =
        "SELECT count(*) = 0 FROM pg_replication_slots WHERE slot_name = 'walsender_temporary'";
    assert_eq!(db.value(slots), "f");
    drop(connection);
    db.wait_for(slots);
}

#[test]
fn walsender_gives_up_on_a_slot_and_leaves_nothing() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "busy");
    let mut blocker = db.client();
    blocker.batch_execute("BEGIN; CREATE TABLE t ()").unwrap();
    let mut connection = open(&db);
    let (pid, calls) = (connection.backend_pid(), Cell::new(0));
    let wait = &mut || {
        calls.set(calls.get() + 1);
        if calls.get() < 5 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let error = connection
        .create_temporary_slot("s", "test_decoding", false, wait)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not create the temporary replication slot \"s\": interrupted"
    );
    drop(connection);
    db.wait_for(&format!(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}"
    ));
    assert_eq!(db.value("SELECT count(*) FROM pg_replication_slots"), "0");
}

#[test]
fn walsender_says_why_the_stream_ends() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "ending");
    db.create_slot("test_decoding");
    let mut connection = open(&db);
    let error = connection
        .start_replication("nosuch", Lsn::INVALID, &[])
        .unwrap_err();
    assert_eq!((error.sqlstate(), error.kind()), ("42704", Kind::Permanent));
    let mut connection = open(&db);
    connection
        .start_replication(db.name(), Lsn::INVALID, &[])
        .unwrap();
    let error = open(&db)
        .start_replication(db.name(), Lsn::INVALID, &[])
        .unwrap_err();
    assert_eq!((error.sqlstate(), error.kind()), ("55006", Kind::Transient));
    db.sql(&format!(
        "SELECT pg_terminate_backend({})",
        connection.backend_pid()
    ));
    let error = stream_until(&mut connection, "nothing").unwrap_err();
    assert_eq!((error.sqlstate(), error.kind()), ("57P01", Kind::Transient));
    let mut connection = open(&db);
    connection
        .start_replication(db.name(), Lsn::INVALID, &[])
        .unwrap();
    server.kill();
    let error = stream_until(&mut connection, "nothing").unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    let expected =
        "could not receive data from the WAL stream: server closed the connection unexpectedly";
    assert!(
        [expected, "(SQLSTATE 57P02)"]
            .iter()
            .any(|text| error.to_string().contains(text)),
        "{error}"
    );
}

#[test]
fn walsender_reaches_no_server() {
    let db = Database::create("walsender_reaches_no_server");
    let mut settings = settings(&db);
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = dead.local_addr().unwrap().port();
    settings.hosts[0] = Host {
        address: Address::Tcp {
            name: "127.0.0.1".into(),
            hostaddr: None,
        },
        port,
        password: None,
    };
    // It listens, but says nothing.
    settings.connect_timeout = Some(Duration::from_millis(300));
    let error = Connection::open(&settings, "UTC").map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("could not connect to server at \"127.0.0.1\", port {port}: timeout expired")
    );
    assert_eq!(error.kind(), Kind::Transient);
    settings.connect_timeout = None;
    let stopped = settings.until(|| true);
    let error = Connection::open(&stopped, "UTC").map(drop).unwrap_err();
    assert!(error.to_string().ends_with(": interrupted"), "{error}");
    let refusing = RefusingPort::new();
    settings.hosts[0].port = refusing.number();
    let error = Connection::open(&settings, "UTC").map(drop).unwrap_err();
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert_eq!(error.kind(), Kind::Transient);
}

#[test]
fn walsender_passes_notices_on() {
    let db = Database::create("walsender_passes_notices_on");
    log::set_logger(&Notices).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let mut settings = settings(&db);
    settings.options = Some("-c client_min_messages=debug1".into());
    let mut connection = Connection::open(&settings, "UTC").unwrap();
    let wait = &mut || ControlFlow::Continue(());
    connection
        .create_temporary_slot("walsender_passes_notices_on", "pgoutput", false, wait)
        .unwrap();
    let heard = HEARD.take();
    assert!(
        heard.iter().any(|(level, _)| *level == log::Level::Info),
        "{heard:?}"
    );
}

/// Keeps what each thread hears from its server.
struct Notices;

thread_local! {
    static HEARD: RefCell<Vec<(log::Level, String)>> = const { RefCell::new(Vec::new()) };
}

impl log::Log for Notices {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == NOTICE
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let notice = (record.level(), record.args().to_string());
            HEARD.with_borrow_mut(|heard| heard.push(notice));
        }
    }

    fn flush(&self) {}
}

/// Passwords for each method, over TCP with TLS (`hostssl`) or without; through the socket
/// everybody is let in.
const HBA: &str = "
local    all all trust
host     all clear   127.0.0.1/32 password
host     all digest  127.0.0.1/32 md5
host     all scram   127.0.0.1/32 scram-sha-256
hostssl  all secret  127.0.0.1/32 scram-sha-256
hostnossl all open   127.0.0.1/32 trust
hostssl  all certain 127.0.0.1/32 cert
host     all krb     127.0.0.1/32 ident map=none
";

struct Guarded {
    server: Server,
    /// Where the certificates lie; goes with the server.
    files: PathBuf,
}

/// A server with TLS and a role for each method of authentication.
fn guarded() -> &'static Guarded {
    static GUARDED: LazyLock<Guarded> = LazyLock::new(|| {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let ca = parameters.self_signed(&ca_key).unwrap();
        let issuer = rcgen::Issuer::new(parameters, ca_key);
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        let server = Server::start(Options {
            settings: &[
                ("ssl", "on"),
                ("ssl_ca_file", "ca.crt"),
                ("ssl_cert_file", "server.crt"),
                ("ssl_key_file", "server.key"),
            ],
            hba: Some(HBA),
            files: &[
                ("ca.crt", ca.pem().as_bytes()),
                ("server.crt", certificate.pem().as_bytes()),
                ("server.key", key.serialize_pem().as_bytes()),
            ],
            ..Options::default()
        });
        server
            .client("postgres")
            .batch_execute(
                "SET password_encryption = 'md5'; CREATE ROLE digest LOGIN REPLICATION PASSWORD \
                 'pa ss';
             SET password_encryption = 'scram-sha-256';
             CREATE ROLE clear LOGIN REPLICATION PASSWORD 'pa ss'; CREATE ROLE scram LOGIN \
             REPLICATION PASSWORD 'pa ss';
             CREATE ROLE secret LOGIN SUPERUSER REPLICATION PASSWORD 'pa ss'; CREATE ROLE open \
             LOGIN REPLICATION;
             CREATE ROLE certain LOGIN REPLICATION; CREATE ROLE krb LOGIN REPLICATION",
            )
            .unwrap();
        let files = server.socket_directory();
        let mut client = rcgen::CertificateParams::new(Vec::new()).unwrap();
        client
            .distinguished_name
            .push(rcgen::DnType::CommonName, "certain");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = client.signed_by(&key, &issuer).unwrap();
        std::fs::write(files.join("ca.crt"), ca.pem()).unwrap();
        std::fs::write(files.join("client.crt"), certificate.pem()).unwrap();
        std::fs::write(files.join("client.key"), key.serialize_pem()).unwrap();
        std::fs::set_permissions(files.join("client.key"), PermissionsExt::from_mode(0o600))
            .unwrap();
        Guarded { server, files }
    });
    &GUARDED
}

impl Guarded {
    fn open(&self, user: &str, more: &str) -> Result<Connection> {
        let (port, files) = (self.server.port(), self.files.display());
        let conninfo = format!(
            "host=localhost hostaddr=127.0.0.1 port={port} dbname=postgres user={user} \
             sslrootcert={files}/ca.crt {more}"
        );
        Connection::open(&resolve(&conninfo), "UTC")
    }

    fn encrypted(&self, connection: &Connection) -> bool {
        let query = format!(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = {}",
            connection.backend_pid()
        );
        self.server
            .client("postgres")
            .query_one(&query, &[])
            .unwrap()
            .get(0)
    }

    /// The error of a connection that must not come about.
    fn refused(&self, user: &str, more: &str) -> walcat::error::Error {
        self.open(user, more).map(drop).unwrap_err()
    }
}

#[test]
fn walsender_knows_every_password_method() {
    let guarded = guarded();
    for mode in ["disable", "require", "verify-full"] {
        for user in ["clear", "digest", "scram"] {
            let connection = guarded
                .open(user, &format!("sslmode={mode} password='pa ss'"))
                .unwrap();
            assert_eq!(
                guarded.encrypted(&connection),
                mode != "disable",
                "{user} with {mode}"
            );
            let wrong = guarded.refused(user, &format!("sslmode={mode} password=wrong"));
            assert_eq!(
                (wrong.sqlstate(), wrong.kind()),
                ("28P01", Kind::Permanent),
                "{wrong}"
            );
            let missing = guarded.refused(user, &format!("sslmode={mode}"));
            assert!(missing.to_string().contains("password"), "{missing}");
        }
    }
    let error = guarded.refused("krb", "sslmode=disable");
    assert!(!error.sqlstate().is_empty(), "{error}");
}

#[test]
fn walsender_binds_scram_to_the_channel() {
    let guarded = guarded();
    for mode in ["require", "verify-full"] {
        for binding in ["require", "prefer", "disable"] {
            let more = format!("sslmode={mode} channel_binding={binding} password='pa ss'");
            let connection = guarded.open("scram", &more).unwrap();
            assert!(guarded.encrypted(&connection));
        }
    }
    let error = guarded.refused(
        "scram",
        "sslmode=disable channel_binding=require password='pa ss'",
    );
    assert!(
        error
            .to_string()
            .contains("channel binding is required, but"),
        "{error}"
    );
    let error = guarded.refused(
        "digest",
        "sslmode=require channel_binding=require password='pa ss'",
    );
    assert!(
        error
            .to_string()
            .contains("channel binding is required, but"),
        "{error}"
    );
}

#[test]
fn walsender_encrypts_as_sslmode_says() {
    let guarded = guarded();
    let encrypted = |user: &str, mode: &str| {
        guarded
            .open(user, &format!("sslmode={mode} password='pa ss'"))
            .map(|connection| guarded.encrypted(&connection))
    };
    // What the server lets in at all is found by trying.
    assert!(!encrypted("scram", "allow").unwrap());
    assert!(encrypted("scram", "prefer").unwrap());
    assert!(encrypted("secret", "allow").unwrap());
    assert!(encrypted("secret", "prefer").unwrap());
    assert!(!encrypted("open", "allow").unwrap());
    assert!(!encrypted("open", "prefer").unwrap());
    assert_eq!(
        encrypted("secret", "disable").unwrap_err().sqlstate(),
        "28000"
    );
    assert_eq!(
        encrypted("open", "require").unwrap_err().sqlstate(),
        "28000"
    );
    // The other server has no TLS.
    let plain = |mode: &str| {
        let conninfo = format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode={mode}",
            server().port()
        );
        Connection::open(&resolve(&conninfo), "UTC").map(drop)
    };
    plain("prefer").unwrap();
    let error = plain("require").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the server does not support TLS, but sslmode requires it"),
        "{error}"
    );
}

#[test]
fn walsender_needs_a_certificate_where_the_server_does() {
    let guarded = guarded();
    let error = guarded.refused("certain", "sslmode=require");
    assert_eq!(error.sqlstate(), "28000", "{error}");
    let files = guarded.files.display();
    let own = format!("sslcert={files}/client.crt sslkey={files}/client.key");
    assert!(
        guarded.encrypted(
            &guarded
                .open("certain", &format!("sslmode=verify-full {own}"))
                .unwrap()
        )
    );
}

#[test]
fn walsender_starts_tls_at_once() {
    let guarded = guarded();
    let direct = guarded.open(
        "scram",
        "sslmode=require sslnegotiation=direct password='pa ss'",
    );
    if guarded.server.version() >= 17_00_00 {
        assert!(guarded.encrypted(&direct.unwrap()));
    } else {
        // Older servers take the first bytes of TLS for nonsense.
        assert!(direct.is_err());
    }
}

#[test]
fn walsender_streams_through_tls() {
    let guarded = guarded();
    let db = Database::create_on(&guarded.server, "encrypted");
    db.create_slot("test_decoding");
    db.sql(
        "CREATE TABLE t (v text); INSERT INTO t SELECT repeat(i::text, 1000) FROM \
            generate_series(1, 3000) AS i",
    );
    db.sql("INSERT INTO t SELECT repeat('long', 2000000)");
    let mut connection = guarded
        .open(
            "secret",
            "dbname=encrypted sslmode=verify-full password='pa ss'",
        )
        .unwrap();
    let options = [
        ("include-xids".to_owned(), Some("0".to_owned())),
        ("skip-empty-xacts".to_owned(), None),
    ];
    connection
        .start_replication("encrypted", Lsn::INVALID, &options)
        .unwrap();
    stream_until(&mut connection, "BEGIN").unwrap();
    let lines = stream_until(&mut connection, "COMMIT").unwrap();
    for (i, line) in lines.iter().take(3000).enumerate() {
        assert_eq!(
            *line,
            format!(
                "table public.t: INSERT: v[text]:'{}'",
                (i + 1).to_string().repeat(1000)
            )
        );
    }
    stream_until(&mut connection, "BEGIN").unwrap();
    let lines = stream_until(&mut connection, "COMMIT").unwrap();
    assert_eq!(
        lines[0].len(),
        8_000_000 + "table public.t: INSERT: v[text]:''".len()
    );
    let flushed = db.wal_position().parse().unwrap();
    let status = StandbyStatus {
        written: flushed,
        flushed,
        reply_requested: false,
    };
    connection.send_status(&status).unwrap();
    connection.finish(DEADLINE).unwrap();
    let confirmed = db.value(
        "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'encrypted'",
    );
    assert_eq!(confirmed.parse(), Ok(flushed));
}

#[test]
fn walsender_cancels_through_tls() {
    let guarded = guarded();
    let db = Database::create_on(&guarded.server, "cancelled");
    let mut connection = guarded
        .open(
            "secret",
            "dbname=cancelled sslmode=verify-full password='pa ss'",
        )
        .unwrap();
    let pid = connection.backend_pid();
    let mut blocker = db.client();
    blocker.batch_execute("BEGIN; CREATE TABLE t ()").unwrap();
    // Version 14 does not show what it waits for.
    let waiting = format!(
        "SELECT NOT granted FROM pg_locks WHERE pid = {pid} AND locktype = 'transactionid' AND NOT \
         granted"
    );
    let wait = &mut || match db.maybe_value(&waiting) {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    };
    connection
        .create_temporary_slot("cancelled", "test_decoding", false, wait)
        .unwrap_err();
    drop(blocker);
    db.wait_for("SELECT count(*) = 0 FROM pg_replication_slots WHERE slot_name = 'cancelled'");
    assert!(
        guarded
            .server
            .log()
            .contains("canceling statement due to user request")
    );
}

/// A port that answers the first bytes of each connection with this, and hangs up.
fn answering(answer: &'static [u8]) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(answer);
            // Else unread bytes would make the kernel cut the answer off.
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    port
}

#[test]
fn walsender_recognizes_what_is_no_server() {
    for (answer, mode, reason) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            "require",
            "answered the request for TLS with \"H\": is it a PostgreSQL server?",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n",
            "prefer",
            "answered the request for TLS with \"H\": is it a PostgreSQL server?",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n",
            "disable",
            "the server does not speak PostgreSQL's protocol",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "require",
            "the server does not speak TLS as it should",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "prefer",
            "the server does not speak PostgreSQL's protocol",
        ),
        // Nobody in between may slip in a message before encryption begins.
        (
            b"SR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
            "require",
            "the server does not speak TLS as it should",
        ),
        (
            b"E\0\0\0\x10VFATAL\0Mlie\0\0",
            "require",
            "the server answered the request for TLS with an error",
        ),
        (
            b"N",
            "require",
            "the server does not support TLS, but sslmode requires it",
        ),
    ] {
        let port = answering(answer);
        let conninfo =
            format!("host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode={mode}");
        let error = Connection::open(&resolve(&conninfo), "UTC")
            .map(drop)
            .unwrap_err();
        assert!(error.to_string().contains(reason), "{mode}: {error}");
        assert_eq!(error.kind(), Kind::Permanent, "{error}");
    }
    for mode in ["require", "prefer", "disable"] {
        let conninfo = format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode={mode}",
            answering(b"")
        );
        let error = Connection::open(&resolve(&conninfo), "UTC")
            .map(drop)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("server closed the connection unexpectedly"),
            "{error}"
        );
        assert_eq!(error.kind(), Kind::Transient);
    }
}

#[test]
fn walsender_finds_the_server_that_is_wanted() {
    let primary = Server::start(Options::default());
    let standby = primary.standby(&[]);
    let sockets = |server: &Server| server.socket_directory().display().to_string();
    let to = |hosts: &str, ports: &str, wanted: &str| {
        let conninfo = format!(
            "host={hosts} port={ports} user=postgres dbname=postgres target_session_attrs={wanted}"
        );
        Connection::open(&resolve(&conninfo), "UTC")
    };
    let hosts = format!("/nowhere,{},{}", sockets(&primary), sockets(&standby));
    let ports = format!("1,{},{}", primary.port(), standby.port());
    for (wanted, in_recovery) in [
        ("any", "off"),
        ("read-write", "off"),
        ("primary", "off"),
        ("read-only", "on"),
        ("standby", "on"),
        ("prefer-standby", "on"),
    ] {
        let connection = to(&hosts, &ports, wanted).unwrap();
        assert_eq!(
            connection.parameter("in_hot_standby"),
            Some(in_recovery),
            "{wanted}"
        );
    }
    let alone = (sockets(&primary), primary.port().to_string());
    to(&alone.0, &alone.1, "prefer-standby").unwrap();
    let error = to(&alone.0, &alone.1, "standby").map(drop).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("server is not in hot standby mode"),
        "{error}"
    );
}
