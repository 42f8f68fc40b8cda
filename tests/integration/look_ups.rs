//! What is asked of the catalog before and while the stream runs: what cannot be had while it runs
//! is text, and nothing holds up reports or signals.

use crate::support::*;
use postgres::Client;
use rustix::process::Signal;
use serde_json::{Value, json};

/// A database with a table `m` of a type that has to be looked up, beside the plain table `t`, and
/// a slot.
fn moods<'s>(server: &'s Server, plugin: &str, name: &str) -> Database<'s> {
    let db = Database::create_on(server, name);
    db.sql(
        "CREATE TYPE mood AS ENUM ('calm', 'merry'); CREATE TABLE m (id int PRIMARY KEY, v mood[]);
         CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES",
    );
    db.create_slot(plugin);
    db
}

fn row(running: &mut Running) -> Value {
    running.json()["after"].clone()
}

/// Nobody can look casts up, as looking for hstore does, until the client is dropped.
fn lock_casts(db: &Database<'_>) -> Client {
    let mut locker = db.client();
    locker
        .batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_cast IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    locker
}

#[test]
fn a_server_without_room_for_look_ups_is_no_outage() {
    let server = Server::start(Options::default());
    for plugin in plugins() {
        let db = moods(&server, plugin, &format!("no_room_{plugin}"));
        db.sql("DROP ROLE IF EXISTS streamer; CREATE ROLE streamer LOGIN REPLICATION");
        let mut running = spawn(db.stream_of(plugin, &[]).env("PGUSER", "streamer"));
        db.sql("INSERT INTO t VALUES (1)");
        assert_eq!(row(&mut running), json!({"id": 1}));
        db.sql("ALTER ROLE streamer CONNECTION LIMIT 0");
        // Shown as text; the second is announced anew, as its table has changed.
        db.sql("INSERT INTO m VALUES (2, '{calm}')");
        assert_eq!(
            row(&mut running),
            json!({"id": 2, "v": "{calm}"}),
            "{plugin}"
        );
        db.sql("ALTER TABLE m ADD w mood; INSERT INTO m VALUES (3, '{merry}')");
        assert_eq!(row(&mut running)["v"], "{merry}", "{plugin}");
        db.sql("INSERT INTO t VALUES (4)");
        assert_eq!(row(&mut running), json!({"id": 4}));
        let finished = running.interrupt();
        let stderr = &finished.succeeded().stderr;
        assert!(!stderr.contains("trying again"), "{plugin}: {stderr}");
        assert!(
            stderr.contains("too many connections for role \"streamer\""),
            "{plugin}: {stderr}"
        );
        // pgoutput tells the name; wal2json is not asked for it where it is not shown.
        let mood = match *plugin {
            "pgoutput" => "public._mood".to_owned(),
            _ => db.value("SELECT 'public.mood[]'::regtype::oid::text"),
        };
        let mood = format!("values of type {mood} are");
        assert_eq!(stderr.matches(&mood).count(), 1, "{plugin}: {stderr}");
        db.sql("DROP TABLE m");
    }
}

#[test]
fn a_session_that_was_ended_meanwhile_is_opened_again() {
    let server = Server::start(Options::default());
    let db = moods(&server, "pgoutput", "ended_session");
    let mut running = spawn(&mut db.stream_of("pgoutput", &[]));
    for number in 1..=3 {
        db.sql(&format!(
            "CREATE TYPE mood{number} AS ENUM ('calm'); CREATE TABLE m{number} (id int PRIMARY KEY, v \
             mood{number}[]); INSERT INTO m{number} VALUES ({number}, '{{calm}}')"
        ));
        assert_eq!(row(&mut running), json!({"id": number, "v": ["calm"]}));
        let sessions = "pg_stat_activity WHERE application_name = 'walcat' AND backend_type = \
                        'client backend'";
        db.sql(&format!("SELECT pg_terminate_backend(pid) FROM {sessions}"));
        db.wait_for(&format!("SELECT count(*) = 0 FROM {sessions}"));
    }
    let finished = running.interrupt();
    let stderr = &finished.succeeded().stderr;
    assert!(!stderr.contains("warning"), "{stderr}");
}

#[test]
fn a_look_up_that_waits_does_not_silence_the_reports() {
    let server = Server::start(Options {
        settings: &[("wal_sender_timeout", "3s")],
        ..Options::default()
    });
    let db = moods(&server, "pgoutput", "reports");
    let mut running = spawn(&mut db.stream(&[]));
    db.sql("INSERT INTO t VALUES (1)");
    assert_eq!(row(&mut running), json!({"id": 1}));
    let locker = lock_casts(&db);
    db.sql("INSERT INTO m VALUES (2, '{calm}')");
    assert_eq!(row(&mut running), json!({"id": 2, "v": "{calm}"}));
    running.wait_for_stderr("shown as text: could not look up types");
    db.sql("INSERT INTO t VALUES (3)");
    assert_eq!(row(&mut running), json!({"id": 3}));
    drop(locker);
    let stderr = running.interrupt().succeeded().stderr.clone();
    assert!(!stderr.contains("trying again"), "{stderr}");
    assert!(
        !server.log().contains("terminating walsender"),
        "{}",
        server.log()
    );
}

#[test]
fn a_signal_ends_a_look_up_that_waits() {
    let server = Server::start(Options::default());
    let db = moods(&server, "pgoutput", "signal");
    let mut running = spawn(&mut db.stream(&[]));
    db.sql("INSERT INTO t VALUES (1)");
    assert_eq!(row(&mut running), json!({"id": 1}));
    let locker = lock_casts(&db);
    db.sql("INSERT INTO m VALUES (2, '{calm}')");
    db.wait_for("SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE NOT granted)");
    running.signal(Signal::TERM);
    let finished = running.wait();
    assert_eq!(finished.succeeded().json().len(), 1);
    drop(locker);
    // What was being looked up comes again, and is no text.
    let again = run(db.stream(&[]).arg("--until-now"));
    let rows: Vec<Value> = again
        .succeeded()
        .json()
        .iter()
        .map(|event| event["after"].clone())
        .collect();
    assert_eq!(rows, [json!({"id": 2, "v": ["calm"]})]);
}

#[test]
fn a_signal_ends_a_preparation_that_waits() {
    let server = Server::start(Options::default());
    let db = moods(&server, "pgoutput", "preparation");
    let watch = ["-S", "preparation", "--publication", "p"];
    let create = |publication| {
        [
            "--publication",
            publication,
            "--create-publication",
            "--table=public.t",
        ]
    };
    for (arguments, locked, signal) in [
        (watch, "pg_catalog.pg_publication", Signal::TERM),
        (watch, "pg_catalog.pg_publication", Signal::INT),
        (create("q"), "t", Signal::TERM),
        (create("r"), "t", Signal::INT),
    ] {
        let mut locker = db.client();
        locker
            .batch_execute(&format!(
                "BEGIN; LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE"
            ))
            .unwrap();
        let running = spawn(db.walcat(&["stream"]).args(arguments));
        db.wait_for("SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE NOT granted)");
        running.signal(signal);
        running.wait().succeeded();
        drop(locker);
        db.wait_for(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE \
                     application_name = 'walcat')",
        );
    }
}
