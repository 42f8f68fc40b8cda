//! How what a publication chooses shows in events.

use crate::support::*;
use serde_json::{Value, json};

/// The changes up to now, as op, table, old row and new row.
fn changes(db: &Database<'_>, more: &[&str]) -> Vec<Value> {
    let run = db.run(
        &[
            &[
                "stream",
                "-S",
                db.name(),
                "--publication",
                "p",
                "--until-now",
            ],
            more,
        ]
        .concat(),
    );
    run.succeeded();
    let shape =
        |event: &Value| json!([event["op"], event["table"], event["before"], event["after"]]);
    run.json().iter().map(shape).collect()
}

#[test]
fn partitions_show_as_themselves_or_as_their_root() {
    for via_root in [false, true] {
        let db = Database::create(&format!("partitions_{via_root}"));
        db.sql(
            "CREATE TABLE root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
             CREATE TABLE low PARTITION OF root FOR VALUES FROM (0) TO (10);
             CREATE TABLE high (v text, dropped int, id int NOT NULL PRIMARY KEY);
             ALTER TABLE high DROP COLUMN dropped;
             ALTER TABLE root ATTACH PARTITION high FOR VALUES FROM (10) TO (20)",
        );
        db.sql(&format!(
            "CREATE PUBLICATION p FOR TABLE root WITH (publish_via_partition_root = {via_root})"
        ));
        db.create_slot("pgoutput");
        db.sql("INSERT INTO root VALUES (1, 'a')");
        db.sql("UPDATE root SET v = 'b' WHERE id = 1");
        db.sql("UPDATE root SET id = 11");
        db.sql("DELETE FROM root");
        db.sql("TRUNCATE root");
        let (low, high) = if via_root {
            ("root", "root")
        } else {
            ("low", "high")
        };
        let mut expected = vec![
            json!(["insert", low, null, {"id": 1, "v": "a"}]),
            json!(["update", low, null, {"id": 1, "v": "b"}]),
            json!(["delete", low, {"id": 1}, null]),
            json!(["insert", high, null, {"id": 11, "v": "b"}]),
            json!(["delete", high, {"id": 11}, null]),
        ];
        let truncated: &[&str] = if via_root {
            &["root"]
        } else {
            &["low", "high"]
        };
        expected.extend(
            truncated
                .iter()
                .map(|table| json!(["truncate", table, null, null])),
        );
        assert_eq!(changes(&db, &[]), expected);
    }
}

#[test]
fn row_filters_turn_updates_into_inserts_and_deletes() {
    let db = Database::create("row_filters");
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)");
    let run = db.run(&["pub", "create", "p", "--table", "public.t WHERE (id > 10)"]);
    if db.server().version() < 150_000 {
        assert!(
            run.exited(1).stderr.contains("PostgreSQL 15"),
            "{}",
            run.stderr
        );
        return;
    }
    run.succeeded();
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1, 'unseen'), (11, 'seen')");
    db.sql("UPDATE t SET id = 12 WHERE id = 1");
    db.sql("UPDATE t SET v = 'changed' WHERE id = 11");
    db.sql("UPDATE t SET id = 2 WHERE id = 11");
    db.sql("DELETE FROM t WHERE id = 2");
    let expected = [
        json!(["insert", "t", null, {"id": 11, "v": "seen"}]),
        json!(["insert", "t", null, {"id": 12, "v": "unseen"}]),
        json!(["update", "t", null, {"id": 11, "v": "changed"}]),
        json!(["delete", "t", {"id": 11}, null]),
    ];
    assert_eq!(changes(&db, &[]), expected);
}

#[test]
fn column_lists_hide_columns_but_not_the_key() {
    let db = Database::create("column_lists");
    db.sql("CREATE TABLE t (hidden text, v text, id int PRIMARY KEY)");
    let run = db.run(&["pub", "create", "p", "--table", "t (id, v)"]);
    if db.server().version() < 150_000 {
        assert!(
            run.exited(1).stderr.contains("PostgreSQL 15"),
            "{}",
            run.stderr
        );
        return;
    }
    run.succeeded();
    db.create_slot("pgoutput");
    db.sql(
        "INSERT INTO t VALUES ('secret', 'a', 1); UPDATE t SET hidden = 'changed'; DELETE FROM t",
    );
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
        "--peek",
        "--include",
        "key,columns",
    ]);
    let events = run.json();
    for event in &events {
        let names: Vec<&Value> = event["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| &column["name"])
            .collect();
        assert_eq!(
            (names, &event["key"]),
            (vec![&json!("v"), &json!("id")], &json!(["id"])),
            "{event}"
        );
    }
    let expected = [
        json!(["insert", "t", null, {"id": 1, "v": "a"}]),
        json!(["update", "t", null, {"id": 1, "v": "a"}]),
        json!(["delete", "t", {"id": 1}, null]),
    ];
    assert_eq!(changes(&db, &[]), expected);
}

#[test]
fn schemas_bring_tables_that_come_later() {
    let db = Database::create("published_schemas");
    db.sql("CREATE SCHEMA s; CREATE TABLE public.t (id int PRIMARY KEY)");
    let run = db.run(&["pub", "create", "p", "--schema", "s"]);
    if db.server().version() < 150_000 {
        assert!(
            run.exited(1).stderr.contains("PostgreSQL 15"),
            "{}",
            run.stderr
        );
        return;
    }
    run.succeeded();
    db.create_slot("pgoutput");
    db.sql(
        "CREATE TABLE s.later (id int PRIMARY KEY); INSERT INTO s.later VALUES (1); INSERT INTO \
            t VALUES (2)",
    );
    assert_eq!(
        changes(&db, &[]),
        [json!(["insert", "later", null, {"id": 1}])]
    );
}

#[test]
fn generated_columns_are_published_on_request() {
    let db = Database::create("generated_columns");
    db.sql("CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)");
    let requested = db.server().version() >= 180_000;
    let option = if requested {
        "WITH (publish_generated_columns = stored)"
    } else {
        ""
    };
    db.sql(&format!("CREATE PUBLICATION p FOR TABLE t {option}"));
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (4)");
    let row = if requested {
        json!({"id": 4, "twice": 8})
    } else {
        json!({"id": 4})
    };
    assert_eq!(changes(&db, &[]), [json!(["insert", "t", null, row])]);
}

#[test]
fn several_publications_add_up() {
    let db = Database::create("several_publications");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE \
            w (id int)",
    );
    db.sql("CREATE PUBLICATION p FOR TABLE t WITH (publish = 'insert')");
    db.sql("CREATE PUBLICATION \"odd, \"\"name\"\"\" FOR TABLE t, u WITH (publish = 'delete')");
    db.create_slot("pgoutput");
    db.sql(
        "INSERT INTO t VALUES (1); UPDATE t SET id = 2; DELETE FROM t; INSERT INTO u VALUES \
            (1); DELETE FROM u",
    );
    let expected = [
        json!(["insert", "t", null, {"id": 1}]),
        json!(["delete", "t", {"id": 2}, null]),
        json!(["delete", "u", {"id": 1}, null]),
    ];
    let names = ["--publication", "odd, \"name\""];
    let split = db.run(
        &[
            &[
                "stream",
                "-S",
                db.name(),
                "--until-now",
                "--peek",
                "--publication",
                "p",
            ],
            &names[..],
        ]
        .concat(),
    );
    if split.status.success() {
        assert_eq!(changes(&db, &names), expected);
    } else {
        // Commas separate names.
        assert!(
            split.stderr.contains("there are no publications \"odd\""),
            "{}",
            split.stderr
        );
    }
}
