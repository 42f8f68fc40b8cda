//! Types that change or go away while their values are on the way.

use crate::support::*;
use serde_json::{Value, json};

/// A database with a table `t (id int, p pair)`, a publication `p` and a slot for it.
fn setup(name: &str) -> Database<'static> {
    let db = Database::create(name);
    db.sql(
        "CREATE TYPE pair AS (n int, t text);
         CREATE TABLE t (id int PRIMARY KEY, p pair);
         CREATE PUBLICATION p FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    db
}

fn stream(db: &Database<'_>) -> Running {
    spawn(&mut db.walcat(&["stream", "-S", db.name(), "--publication", "p"]))
}

fn stream_until_now(db: &Database<'_>) -> Finished {
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ]);
    run.succeeded();
    run
}

fn pairs(run: &Finished) -> Vec<Value> {
    run.json()
        .iter()
        .map(|event| event["after"]["p"].clone())
        .collect()
}

#[test]
fn a_type_that_grew_is_looked_up_again() {
    let db = setup("value_type_grows");
    let mut running = stream(&db);
    db.sql("INSERT INTO t VALUES (1, '(1,a)')");
    assert_eq!(running.json()["after"]["p"], json!({"n": 1, "t": "a"}));
    db.sql("ALTER TYPE pair ADD ATTRIBUTE more jsonb");
    db.sql(r#"INSERT INTO t VALUES (2, '(2,b,"[true]")')"#);
    assert_eq!(
        running.json()["after"]["p"],
        json!({"n": 2, "t": "b", "more": [true]})
    );
    db.sql("ALTER TYPE pair DROP ATTRIBUTE t");
    db.sql("INSERT INTO t VALUES (3, '(3,null)')");
    assert_eq!(running.json()["after"]["p"], json!({"n": 3, "more": null}));
    assert_eq!(running.stderr(), "");
}

#[test]
fn new_names_are_there_once_the_table_is_announced_anew() {
    let db = setup("value_type_renamed");
    let mut running = stream(&db);
    db.sql("INSERT INTO t VALUES (1, '(1,a)')");
    assert_eq!(running.json()["after"]["p"], json!({"n": 1, "t": "a"}));
    db.sql("ALTER TYPE pair RENAME ATTRIBUTE n TO number; ALTER TABLE t ADD COLUMN c int");
    db.sql("INSERT INTO t VALUES (2, '(2,b)', 5)");
    assert_eq!(
        running.json()["after"],
        json!({"id": 2, "p": {"number": 2, "t": "b"}, "c": 5})
    );
    assert_eq!(running.stderr(), "");
}

#[test]
fn rows_older_than_their_type_are_text() {
    let db = setup("value_type_older_rows");
    db.sql("INSERT INTO t SELECT n, row(n, 'a'::text)::pair FROM generate_series(1, 9) n");
    db.sql("ALTER TYPE pair ADD ATTRIBUTE more int");
    db.sql("INSERT INTO t VALUES (10, '(10,b,20)')");
    let run = stream_until_now(&db);
    let mut expected: Vec<Value> = (1..10).map(|n| json!(format!("({n},a)"))).collect();
    expected.push(json!({"n": 10, "t": "b", "more": 20}));
    assert_eq!(pairs(&run), expected);
    assert_eq!(
        run.stderr,
        "walcat: warning: values of type public.pair are shown as text: a value does not have the \
         form of its type\n"
    );
}

#[test]
fn a_type_that_is_gone_is_text() {
    let db = setup("value_type_gone");
    db.sql("INSERT INTO t VALUES (1, '(1,a)'), (2, '(2,b)')");
    db.sql("DROP TABLE t; DROP TYPE pair");
    let run = stream_until_now(&db);
    assert_eq!(pairs(&run), [json!("(1,a)"), json!("(2,b)")]);
    let (before, behind) = run.stderr.split_once("values of type ").expect("a warning");
    assert_eq!(before, "walcat: warning: ");
    assert!(
        behind.ends_with(" are shown as text: the catalog does not have it\n"),
        "{behind}"
    );
    assert_eq!(run.stderr.lines().count(), 1);
}

#[test]
fn what_was_known_of_a_type_outlives_it() {
    let db = setup("value_type_outlived");
    let mut running = stream(&db);
    db.sql("INSERT INTO t VALUES (1, '(1,a)')");
    assert_eq!(running.json()["after"]["p"], json!({"n": 1, "t": "a"}));
    running.signal(rustix::process::Signal::STOP);
    db.sql("ALTER TABLE t ADD COLUMN c int; INSERT INTO t VALUES (2, '(2,b)', 3)");
    db.sql("DROP TABLE t; DROP TYPE pair");
    running.signal(rustix::process::Signal::CONT);
    assert_eq!(
        running.json()["after"],
        json!({"id": 2, "p": {"n": 2, "t": "b"}, "c": 3})
    );
    assert_eq!(running.stderr(), "");
}

#[test]
fn a_catalog_that_cannot_be_had_does_not_end_the_stream() {
    let db = setup("value_no_catalog");
    let mut running = stream(&db);
    db.sql("CREATE TABLE ready (id int); INSERT INTO ready VALUES (1)");
    running.line();
    let mut other = db.server().client("postgres");
    other
        .batch_execute(&format!(
            "ALTER DATABASE \"{}\" ALLOW_CONNECTIONS false",
            db.name()
        ))
        .unwrap();
    db.sql("INSERT INTO t VALUES (1, '(1,a)'), (2, '(2,b)')");
    assert_eq!(running.json()["after"]["p"], json!("(1,a)"));
    assert_eq!(running.json()["after"]["p"], json!("(2,b)"));
    running.wait_for_stderr("not currently accepting connections");
    let stderr = running.stderr();
    assert!(
        stderr.starts_with("walcat: warning: values of type "),
        "{stderr}"
    );
    assert!(
        stderr.contains(" are shown as text: could not connect"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    other
        .batch_execute(&format!(
            "ALTER DATABASE \"{}\" ALLOW_CONNECTIONS true",
            db.name()
        ))
        .unwrap();
}
