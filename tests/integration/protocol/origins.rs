//! Where changes came from, and transactions of which nothing is left.

use crate::support::*;
use serde_json::{Value, json};

/// A database with a row of its own and one that came from elsewhere.
fn with_origins(name: &str, plugin: &str) -> Database<'static> {
    let db = Database::create(name);
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot(plugin);
    db.sql("INSERT INTO t VALUES (1)");
    db.value(&format!(
        "SELECT pg_replication_origin_create('{name}')::text"
    ));
    db.value(&format!(
        "SELECT pg_replication_origin_session_setup('{name}')::text || 'set'"
    ));
    db.sql(
        "BEGIN; SELECT pg_replication_origin_xact_setup('0/1234', '2026-01-01'); INSERT INTO t \
         VALUES (2);
         INSERT INTO t VALUES (3); COMMIT",
    );
    db.sql("SELECT pg_replication_origin_session_reset()");
    db.sql("INSERT INTO t VALUES (4)");
    db
}

fn events(db: &Database<'_>, more: &[&str]) -> Vec<(Value, Value)> {
    let arguments = [
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
        "--peek",
    ];
    let run = db.run(&[&arguments, more].concat());
    run.succeeded();
    run.json()
        .into_iter()
        .map(|event| (event["after"]["id"].clone(), event["origin"].clone()))
        .collect()
}

#[test]
fn origins_are_shown_and_chosen() {
    let db = with_origins("origins", "pgoutput");
    let all = [
        (json!(1), json!(null)),
        (json!(2), json!("origins")),
        (json!(3), json!("origins")),
        (json!(4), json!(null)),
    ];
    assert_eq!(events(&db, &["--include", "origin"]), all);
    let without: Vec<_> = all
        .iter()
        .map(|(id, _)| (id.clone(), Value::Null))
        .collect();
    assert_eq!(events(&db, &[]), without);
    if db.server().version() < 160_000 {
        let run = db.run(&[
            "stream",
            "-S",
            db.name(),
            "--publication",
            "p",
            "--origin",
            "none",
            "--until-now",
        ]);
        assert!(
            run.exited(1)
                .stderr
                .contains("--origin needs PostgreSQL 16, and the server is 1"),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("syntax"), "{}", run.stderr);
    } else {
        assert_eq!(
            events(&db, &["--include", "origin", "--origin", "any"]),
            all
        );
        let own = [all[0].clone(), all[3].clone()];
        assert_eq!(
            events(&db, &["--include", "origin", "--origin", "none"]),
            own
        );
    }
    db.sql("SELECT pg_replication_origin_drop('origins')");
}

#[test]
fn wal2json_cannot_choose_origins_nor_send_what_is_prepared() {
    let db = Database::create("wal2json_cannot_choose_origins");
    db.sql(
        "SELECT pg_create_logical_replication_slot('wal2json_cannot_choose_origins', \
            'wal2json', false, true)",
    );
    for option in [
        &["--origin", "none"][..],
        &["--two-phase"],
        &["--streaming", "on"],
    ] {
        let run = db.run(&[&["stream", "-S", db.name(), "--until-now"], option].concat());
        let expected = format!(
            "walcat: error: could not use {}: wal2json sends ",
            option[0]
        );
        assert!(
            run.exited(2).stderr.starts_with(&expected),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn empty_transactions_are_never_shown() {
    let db = Database::create("empty_transactions");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY); CREATE \
            PUBLICATION p FOR TABLE t",
    );
    db.create_slot("pgoutput");
    db.sql("INSERT INTO other VALUES (1)");
    db.sql("INSERT INTO other SELECT g FROM generate_series(2, 50000) g");
    db.sql("CREATE TABLE more (id int)");
    db.sql("SELECT pg_logical_emit_message(true, 'test', 'not asked for')");
    db.sql("UPDATE t SET id = 1 WHERE id = 0");
    db.sql("BEGIN; INSERT INTO t VALUES (1); ROLLBACK");
    for option in [
        &["--include", "transactions"][..],
        &["--streaming", "on"],
        &["--format", "text"],
        &["--messages", "--op", "insert"],
    ] {
        let arguments = [
            "stream",
            "-S",
            db.name(),
            "--publication",
            "p",
            "--until-now",
            "--peek",
        ];
        assert_eq!(
            db.run(&[&arguments, option].concat()).succeeded().text(),
            "",
            "{option:?}"
        );
    }
}
