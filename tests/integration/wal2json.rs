//! What is particular to wal2json, beside what the tests of both plugins cover.

use crate::support::*;
use serde_json::{Value, json};

/// A database with a slot of wal2json, after these statements.
fn with_slot(name: &str, statements: &str) -> Database<'static> {
    let db = Database::create(name);
    db.sql(statements);
    db.create_slot("wal2json");
    db
}

fn until_now(db: &Database<'_>, more: &[&str]) -> Finished {
    let run = db.run(&[&["stream", "-S", db.name(), "--until-now"], more].concat());
    run.succeeded();
    assert_eq!(run.stderr, "");
    run
}

/// The new rows and what they leave open.
fn rows(run: &Finished) -> Vec<(Value, Value)> {
    let row = |event: &Value| (event["after"].clone(), event["unchanged"].clone());
    run.json().iter().map(row).collect()
}

/// Does the plugin know what makes NaN a number that is sent? The server is asked without walcat.
pub fn sends_special_numbers(db: &Database<'_>) -> bool {
    let options = "'0/1', NULL, 'format-version', '2', 'numeric-data-types-as-string', 'true'";
    let peek = format!(
        "SELECT count(*) FROM pg_logical_slot_peek_changes('{}', {options})",
        db.name()
    );
    match db.client().simple_query(&peek) {
        Ok(_) => true,
        Err(error) => {
            let error = error.as_db_error().expect("an answer of the server");
            assert!(error.message().contains("is unknown"), "{error:?}");
            false
        }
    }
}

/// A text that is TOASTed, as it does not compress into a page.
const LONG: &str = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) i)";

#[test]
fn a_column_added_after_a_wal2json_update_is_not_unchanged() {
    let db = with_slot(
        "wal2json_added_columns",
        &format!(
            "CREATE TABLE t (id int PRIMARY KEY, long text, n int);
             CREATE TABLE many (id int PRIMARY KEY, long text);
             INSERT INTO t VALUES (1, {LONG}, 1); INSERT INTO many VALUES (1, {LONG})"
        ),
    );
    // The first that the stream brings of the tables, so that the catalog has to tell their shape.
    db.sql("UPDATE t SET n = 2; UPDATE many SET id = 2");
    db.sql("ALTER TABLE t ADD later text; ALTER TABLE t ADD latest jsonb DEFAULT '{}'");
    db.sql(
        "ALTER TABLE many ADD a text, ADD b text[], ADD c int, ADD d text NOT NULL DEFAULT 'x' \
        || now()",
    );
    db.sql("ALTER TABLE t ALTER long SET STORAGE EXTERNAL");
    db.sql("UPDATE t SET n = 3; UPDATE many SET id = 3");
    db.sql(&format!("UPDATE t SET later = {LONG}"));
    db.sql("UPDATE t SET n = 4");
    let long = db.value(&format!("SELECT {LONG}"));
    assert_eq!(
        rows(&until_now(&db, &["--table", "t", "--peek"])),
        [
            (json!({"id": 1, "n": 2}), json!(["long"])),
            (
                json!({"id": 1, "n": 3, "later": null, "latest": {}}),
                json!(["long"])
            ),
            (
                json!({"id": 1, "n": 3, "later": long, "latest": {}}),
                json!(["long"])
            ),
            (
                json!({"id": 1, "n": 4, "latest": {}}),
                json!(["long", "later"])
            ),
        ]
    );
    let many = rows(&until_now(&db, &["--table", "many"]));
    assert_eq!(many[0], (json!({"id": 2}), json!(["long"])));
    assert_eq!(many[1].1, json!(["long"]));
    assert!(many[1].0["d"].is_string() && many[1].0["a"].is_null());
    // What was altered is not taken for added: it was there.
    db.sql("UPDATE t SET n = 5");
    db.sql("ALTER TABLE t ALTER latest DROP DEFAULT; ALTER TABLE t ALTER later SET STATISTICS 5");
    assert_eq!(
        rows(&until_now(&db, &[])),
        [(
            json!({"id": 1, "n": 5, "latest": {}}),
            json!(["long", "later"])
        )]
    );
}

#[test]
fn numbers_that_are_none_come_from_wal2json_where_it_can_send_them() {
    let db = with_slot(
        "wal2json_special_numbers",
        "CREATE TABLE t (id int, small int2, large int8, r real, d double precision, n numeric, o \
         oid,
                         ns numeric[], b bool)",
    );
    db.sql(
        "INSERT INTO t VALUES
         (1, -1, 9223372036854775807, 'NaN', 'Infinity', 'NaN', 4294967295, '{NaN,1.50}', true),
         (2, NULL, NULL, '-Infinity', 'NaN', '-Infinity', 0, NULL, NULL),
         (3, 0, -5, 1e-45, 5e-324, 0.000, 7, '{}', false)",
    );
    let expected: Value =
        serde_json::from_str(&db.value("SELECT json_agg(row_to_json(t) ORDER BY id) FROM t"))
            .unwrap();
    let mut expected = expected.as_array().unwrap().clone();
    if !sends_special_numbers(&db) {
        for row in &mut expected {
            for (name, value) in row.as_object_mut().unwrap() {
                // As one of an array they come as its text.
                if name != "ns" && value.is_string() && name != "o" {
                    *value = Value::Null;
                }
            }
        }
    }
    let news = |run: &Finished| -> Vec<Value> {
        run.json()
            .iter()
            .map(|event| event["after"].clone())
            .collect()
    };
    assert_eq!(news(&until_now(&db, &["--peek"])), expected);
    // The user may want it otherwise.
    let without = ["--peek", "-o", "numeric-data-types-as-string=false"];
    if sends_special_numbers(&db) {
        assert_eq!(news(&until_now(&db, &without))[0]["n"], Value::Null);
    } else {
        let run = db.run(&[&["stream", "-S", db.name(), "--until-now"], &without[..]].concat());
        assert!(
            run.exited(1)
                .stderr
                .contains("option \"numeric-data-types-as-string\" = \"false\" is unknown"),
            "{}",
            run.stderr
        );
    }
    // On a temporary slot, which the server drops with an error.
    let mut running = spawn(&mut db.walcat(&["stream", "-P", "wal2json", "-v"]));
    running.wait_for_stderr("streaming from slot");
    db.sql("INSERT INTO t (id, n) VALUES (4, 1.50)");
    let line = running.line();
    assert!(line.contains("\"n\":1.50"), "{line}");
    let run = running.interrupt();
    assert!(
        !run.succeeded().stderr.contains("warning"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_raw_capture_of_wal2json_decodes_to_what_is_streamed() {
    let db = with_slot(
        "wal2json_raw",
        "CREATE TYPE pair AS (a int, b text);
         CREATE TABLE t (id int PRIMARY KEY, n numeric, p pair, b bytea, v varchar(5), ts \
         timestamptz(0))",
    );
    db.sql(
        r"INSERT INTO t VALUES (1, 'NaN', '(1,x)', '\x00ff', 'v', '2026-11-20 09:23:34+00');
          UPDATE t SET id = 2; DELETE FROM t;
          SELECT pg_logical_emit_message(true, 'p', 'content'); TRUNCATE t",
    );
    let include = ["--include", "transactions,key,types,columns,changed"];
    // A composite is text where there is no catalog to ask.
    let streamed = db.run(
        &[
            &[
                "-q",
                "stream",
                "-S",
                db.name(),
                "--until-now",
                "--peek",
                "--messages",
            ],
            &include[..],
            &["--values", "text"],
        ]
        .concat(),
    );
    let directory = tempfile::tempdir().unwrap();
    let capture = |more: &[&str]| {
        let path = directory.path().join(format!("capture{}", more.len()));
        let raw = until_now(&db, &[&["--peek", "--format", "raw"], more].concat());
        std::fs::write(&path, &raw.stdout).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let decoded = db.run(
        &[
            &["-q", "decode", &capture(&[])],
            &include[..],
            &["--values", "text"],
        ]
        .concat(),
    );
    assert_eq!(streamed.succeeded().json().len(), 7);
    assert_eq!(decoded.succeeded().text(), streamed.text());
    // The user's own format is left alone, and no event can be made of it.
    let old = capture(&["-o", "format-version=1"]);
    let text = std::fs::read_to_string(&old).unwrap();
    assert!(text.starts_with("{\"change\":["), "{text}");
    let run = db.run(&["decode", &old]);
    assert_eq!(run.exited(1).json()[0]["op"], "undecodable");
    assert!(
        run.stderr.ends_with(
            "walcat: error: could not decode the capture: its only message is not of pgoutput or \
             of wal2json \
             with format-version 2\ntry: a capture by walcat stream --format raw, or by \
             pg_recvlogical -o \
             format-version=2\n"
        ),
        "{}",
        run.stderr
    );
}

#[test]
fn wal2json_sends_the_rows_of_materialized_views() {
    for plugin in ["pgoutput", "wal2json"] {
        let db = Database::create(&format!("materialized_view_{plugin}"));
        db.sql(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
             CREATE UNIQUE INDEX ON m (id); CREATE PUBLICATION p FOR ALL TABLES",
        );
        db.create_slot(plugin);
        db.sql("INSERT INTO t VALUES (1), (2)");
        db.sql("REFRESH MATERIALIZED VIEW m");
        db.sql("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (3)");
        db.sql("REFRESH MATERIALIZED VIEW CONCURRENTLY m");
        let publication: &[&str] = match plugin {
            "pgoutput" => &["--publication", "p"],
            _ => &[],
        };
        let run = db.run(&[&["stream", "-S", db.name(), "--until-now"], publication].concat());
        let events: Vec<Value> = run
            .succeeded()
            .json()
            .iter()
            .filter(|event| event["table"] != "t")
            .map(|event| json!([event["op"], event["table"]]))
            .collect();
        // Without a replica identity none is deleted, as the plugin says.
        let (expected, said) = match plugin {
            "pgoutput" => (json!([]), ""),
            _ => (
                json!([["insert", "m"]]),
                "walcat: warning: no tuple identifier for DELETE in table \"public\".\"m\"\n",
            ),
        };
        assert_eq!((Value::from(events), &*run.stderr), (expected, said));
    }
}
