//! walcat-troubleshooting(7): what it quotes is what the program says. Every failure that it tells
//! of is provoked here.

use crate::support::*;

const PAGE: &str = include_str!("../../man/walcat-troubleshooting.7.md");

/// What newer servers say in place of what the page quotes; the page has both.
const NEWER: [(&str, &str); 2] = [
    (
        "permission denied to use replication slots",
        "must be superuser or replication role to use replication slots",
    ),
    (
        "may not be used as an output plugin",
        "could not access file \"no_such_plugin\"",
    ),
];

/// What the page quotes as messages: its headings of the third level.
fn quoted() -> Vec<&'static str> {
    PAGE.lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect()
}

/// Returns `true` if the text has the parts of the message, of which `...` are left out, in one
/// line.
fn says(text: &str, message: &str) -> bool {
    text.lines().any(|line| {
        let parts = message.split("...");
        let mut rest = Some(line);
        for part in parts {
            rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
        }
        rest.is_some()
    })
}

/// What the program says when it fails in all these ways.
#[derive(Default)]
struct Failures(String);

impl Failures {
    fn of(&mut self, finished: &Finished) {
        self.0 += &finished.exited(1).stderr;
    }
}

#[test]
fn every_message_of_the_page_is_said() {
    let mut failures = Failures::default();
    connecting(&mut failures);
    lacking(&mut failures);
    slots(&mut failures);
    publications_and_tables(&mut failures);
    files_and_commands(&mut failures);
    for (newer, quoted) in NEWER {
        failures.0 = failures.0.replace(newer, quoted);
    }
    let quoted = quoted();
    assert!(quoted.len() >= 40, "found only {}", quoted.len());
    for (newer, _) in NEWER {
        assert!(PAGE.contains(newer), "{newer}");
    }
    for message in quoted {
        assert!(
            says(&failures.0, message),
            "nobody says {message}, but:\n{}",
            failures.0
        );
    }
}

fn connecting(failures: &mut Failures) {
    let db = Database::create("troubleshooting_connecting");
    let nobody = RefusingPort::new();
    let nobody = nobody.number().to_string();
    for connection in [
        &["-h", "127.0.0.1", "-p", &nobody][..],
        &["-h", "/nowhere"],
        &["-h", "walcat.invalid"],
        &["-d", "nowhere"],
        &["-U", "nobody"],
    ] {
        failures.of(&db.run(&[connection, &["slot", "list"]].concat()));
    }
    let server = Server::start(Options {
        hba: Some("local all all trust\nhost all asked 127.0.0.1/32 scram-sha-256\n"),
        ..Options::default()
    });
    let db = Database::create_on(&server, "locked");
    db.sql("CREATE ROLE asked LOGIN PASSWORD 'secret'");
    let list = |role: &str| db.walcat(&["-h", "127.0.0.1", "-U", role, "-w", "slot", "list"]);
    failures.of(&run(&mut list("asked")));
    failures.of(&run(list("asked").env("PGPASSWORD", "wrong")));
    failures.of(&run(&mut list("postgres")));
}

fn lacking(failures: &mut Failures) {
    // From PostgreSQL 19 on "replica" will do.
    let level = match server().version() {
        ..190_000 => "replica",
        _ => "minimal",
    };
    let low = Server::start(Options {
        settings: &[("wal_level", level), ("max_wal_senders", "0")],
        ..Options::default()
    });
    let refused = Database::create_on(&low, "low").run(&["slot", "create", "s"]);
    failures.0 += &refused.exited(1).stderr.replace(level, "replica");

    let server = Server::start(Options {
        settings: &[
            ("max_replication_slots", "1"),
            ("max_slot_wal_keep_size", "1MB"),
            ("wal_keep_size", "0"),
            ("min_wal_size", "32MB"),
            ("max_wal_size", "32MB"),
        ],
        ..Options::default()
    });
    let db = Database::create_on(&server, "full");
    db.sql("CREATE ROLE plain LOGIN; CREATE TABLE t (id int PRIMARY KEY)");
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    failures.of(&db.run(&["-U", "plain", "slot", "create", "s"]));
    failures.of(&db.run(&["-U", "plain", "pub", "create", "mine", "--table", "t"]));
    failures.of(&db.run(&["slot", "create", "s", "-P", "no_such_plugin"]));
    db.create_slot("pgoutput");
    failures.of(&db.run(&["slot", "create", "another"]));
    for _ in 0..4 {
        db.sql("SELECT pg_logical_emit_message(true, 'test', 'x')");
        db.sql("SELECT pg_switch_wal()");
    }
    db.sql("CHECKPOINT");
    db.wait_for("SELECT wal_status = 'lost' FROM pg_replication_slots");
    failures.of(&run(&mut db.stream(&["--until-now"])));
}

fn slots(failures: &mut Failures) {
    let db = Database::shop("troubleshooting_slots");
    let other = Database::create("troubleshooting_slots_other");
    let name = db.name();
    failures.of(&db.run(&["stream", "-S", "nowhere", "--publication", "p"]));
    failures.of(&db.run(&["slot", "create", name]));
    failures.of(&other.run(&["stream", "-S", name, "--publication", "p"]));
    failures.of(&run(&mut db.stream(&["--plugin", "wal2json"])));
    failures.of(&run(&mut db.stream(&["--two-phase"])));
    db.sql("SELECT pg_create_logical_replication_slot('troubleshooting_raw', 'test_decoding')");
    failures.of(&db.run(&["stream", "-S", "troubleshooting_raw"]));

    db.sql("INSERT INTO t VALUES (1)");
    let mut holder = spawn(&mut db.stream(&[]));
    holder.line();
    failures.of(&run(&mut db.stream(&[])));
    holder.interrupt().succeeded();

    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "waiting");
    let mut blocker = db.client();
    blocker
        .batch_execute("BEGIN; SELECT pg_current_xact_id()")
        .unwrap();
    let waiting = spawn(&mut db.walcat(&["slot", "create", "patient"]));
    waiting.wait_for_stderr(" waits for ");
    waiting.signal(rustix::process::Signal::INT);
    failures.of(&waiting.wait());
}

fn publications_and_tables(failures: &mut Failures) {
    let db = Database::create("troubleshooting_tables");
    db.sql("CREATE TABLE keyless (v text); CREATE TABLE t (id int PRIMARY KEY)");
    db.create_slot("pgoutput");
    failures.of(&db.run(&["stream", "--until-now"]));
    failures.of(&db.run(&["stream", "--publication", "p"]));
    failures.of(&db.run(&["pub", "create", "p", "--table", "keyless"]));
    failures.of(&db.run(&["pub", "create", "p", "--table", "no_such_table"]));
    db.sql("INSERT INTO t VALUES (1); CREATE PUBLICATION p FOR TABLE t, keyless");
    failures.of(&run(&mut db.stream(&["--until-now", "--table", "tt"])));
    let nothing = db.run(&["stream", "--until-now", "--table", "tt*"]);
    failures.0 += &nothing.succeeded().stderr;
    failures.of(&run(&mut db.stream(&["--until-now", "--snapshot"])));
    // What the server tells the application.
    let updated = db.client().batch_execute("UPDATE keyless SET v = ''");
    failures.0 += &updated.unwrap_err().as_db_error().unwrap().to_string();
    failures.0 += "\n";
    // From PostgreSQL 18 on the server skips what it cannot send, and walcat finds out.
    let younger = run(&mut db.stream(&["--until-now"]));
    let stderr = younger.exited(1).stderr.replace(
        "a publication is younger than what waits there",
        "publication \"p\" does not exist",
    );
    failures.0 += &stderr;
}

fn files_and_commands(failures: &mut Failures) {
    let db = Database::shop("troubleshooting_files");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let until_now = |file: &str, more: &[&str]| {
        db.sql("INSERT INTO u SELECT coalesce(max(id), 0) + 1 FROM u");
        run(&mut db.stream(&[&["--until-now", "--file", file], more].concat()))
    };
    let (own, foreign, ahead) = (path("own"), path("foreign"), path("ahead"));
    until_now(&own, &[]).succeeded();
    db.sql(&format!(
        "SELECT pg_create_logical_replication_slot('{}_2', 'pgoutput')",
        db.name()
    ));
    let other_slot = format!("{}_2", db.name());
    failures.of(&db.run(&[
        "stream",
        "-S",
        &other_slot,
        "--publication",
        "p",
        "--until-now",
        "--file",
        &own,
    ]));
    std::fs::write(&foreign, "hello\n").unwrap();
    failures.of(&until_now(&foreign, &[]));
    let lines = std::fs::read_to_string(&own).unwrap();
    std::fs::write(
        &ahead,
        lines.replace("\"commit_lsn\":\"", "\"commit_lsn\":\"FF"),
    )
    .unwrap();
    failures.of(&until_now(&ahead, &[]));
    failures.of(&until_now(&path("nowhere/file"), &[]));
    failures.of(&until_now("/dev/full", &["--format", "text"]));
    failures.of(&run(&mut db.stream(&[
        "--until-now",
        "--exec",
        "./no_such",
    ])));
    failures.of(&run(&mut db.stream(&["--until-now", "--exec", "exit 3"])));

    let writer = spawn(&mut db.stream(&["--file", &own]));
    db.wait_for(&format!(
        "SELECT active FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ));
    let temporary = [
        "stream",
        "--publication",
        "p",
        "--no-resume",
        "--file",
        &own,
    ];
    failures.of(&db.run(&temporary));
    writer.interrupt().succeeded();

    let nobody = RefusingPort::new();
    let url = format!("nats://127.0.0.1:{}/WAL", nobody.number());
    failures.of(&run(&mut db.stream(&["--until-now", "--to", &url])));
}
