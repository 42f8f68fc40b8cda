//! What the publication says holds for the rows that are there, too.

use super::consumer::Consumer;
use crate::support::*;
use serde_json::{Value, json};

fn rows(lines: &[Value], table: &str) -> Vec<Value> {
    let of_table = |line: &&Value| line["op"] == "snapshot" && line["table"] == table;
    let after = |line: &Value| line["after"].clone();
    lines.iter().filter(of_table).map(after).collect()
}

fn snapshot(db: &Database<'_>, more: &[&str]) -> Vec<Value> {
    let common = ["stream", "--publication", "p", "--until-now"];
    let chooses = more
        .iter()
        .any(|argument| argument.starts_with("--snapshot"));
    let all: &[&str] = if chooses { &[] } else { &["--snapshot"] };
    let finished = db.run(&[&common[..], all, more].concat());
    finished.succeeded();
    finished.json()
}

#[test]
fn row_filters_and_column_lists_hold() {
    let db = Database::create("snapshot_filters");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY, kind text, secret text, twice int GENERATED ALWAYS AS \
         (id * 2) STORED);
         INSERT INTO t SELECT i, CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END, 's' FROM \
         generate_series(1, 6) i;
         CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1);
         CREATE TABLE v (id int PRIMARY KEY); INSERT INTO v VALUES (1);",
    );
    let is_new = db.server().version() >= 150_000;
    db.sql(if is_new {
        "CREATE PUBLICATION p FOR TABLE t (id, kind) WHERE (kind = 'even' OR id = 5), u WITH \
         (publish = 'insert')"
    } else {
        "CREATE PUBLICATION p FOR TABLE t, u"
    });
    let lines = snapshot(&db, &[]);
    let expected: Vec<Value> = match is_new {
        true => [2, 4, 5, 6]
            .map(|id| json!({"id": id, "kind": if id == 5 { "odd" } else { "even" }}))
            .to_vec(),
        false => (1..7)
            .map(|id| json!({"id": id, "kind": if id % 2 == 0 { "even" } else { "odd" }, "secret": "s"}))
            .collect(),
    };
    assert_eq!(rows(&lines, "t"), expected);
    assert_eq!((rows(&lines, "u").len(), rows(&lines, "v").len()), (1, 0));
    assert_eq!(
        rows(&snapshot(&db, &["--table", "!t"]), "t"),
        Vec::<Value>::new()
    );
    let only = snapshot(&db, &["--snapshot=public.u"]);
    assert_eq!((rows(&only, "t").len(), rows(&only, "u").len()), (0, 1));
}

#[test]
fn partitions_are_read_as_they_are_streamed() {
    let db = Database::create("snapshot_partitions");
    db.sql(
        "CREATE TABLE measures (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
         CREATE TABLE low PARTITION OF measures FOR VALUES FROM (0) TO (10);
         CREATE TABLE high (v text, id int NOT NULL);
         ALTER TABLE measures ATTACH PARTITION high FOR VALUES FROM (10) TO (20);
         INSERT INTO measures VALUES (1, 'a'), (11, 'b');
         CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (PRIMARY KEY (id)) INHERITS \
         (parent);
         INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1), (2);
         CREATE PUBLICATION p FOR TABLE measures, parent, child WITH (publish_via_partition_root)",
    );
    let lines = snapshot(&db, &[]);
    let of_root = [json!({"id": 1, "v": "a"}), json!({"id": 11, "v": "b"})];
    assert_eq!(rows(&lines, "measures"), of_root);
    assert_eq!(
        (rows(&lines, "parent").len(), rows(&lines, "child").len()),
        (1, 2)
    );
    db.sql("ALTER PUBLICATION p SET (publish_via_partition_root = false)");
    let lines = snapshot(&db, &[]);
    assert_eq!(rows(&lines, "measures").len(), 0);
    assert_eq!(rows(&lines, "high"), [json!({"v": "b", "id": 11})]);
}

#[test]
fn keys_of_all_kinds_are_read_in_order() {
    let db = Database::create("snapshot_keys");
    db.sql(
        "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = \
         false);
         CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
         CREATE TABLE texts (k text COLLATE folded PRIMARY KEY, v int);
         INSERT INTO texts SELECT chr(65 + i % 26) || i || '''\\' || chr(10), i FROM \
         generate_series(1, 2500) i;
         CREATE TABLE bytes (k bytea, m mood, d positive, PRIMARY KEY (d, k, m));
         INSERT INTO bytes SELECT decode(md5(i::text), 'hex'), (ARRAY['sad', 'ok'])[1 + i % \
         2]::mood, 1 + i % 3
           FROM generate_series(1, 2500) i;
         CREATE TABLE numbers (k numeric, t timestamptz, f float8, PRIMARY KEY (k, t, f));
         INSERT INTO numbers SELECT i * 1.10, timestamptz '2026-01-01' + i * interval '1 hour', i \
         / 7.0::float8
           FROM generate_series(1, 2500) i;
         INSERT INTO numbers VALUES ('NaN', 'infinity', '-Infinity');
         CREATE TABLE lists (k int[], j jsonb, PRIMARY KEY (k, j));
         INSERT INTO lists SELECT ARRAY[i % 5, i], jsonb_build_object('i', i) FROM \
         generate_series(1, 2500) i;
         CREATE TABLE other (a int, b uuid NOT NULL UNIQUE, c text COLLATE \"C\"); ALTER TABLE \
         other REPLICA IDENTITY FULL;
         INSERT INTO other SELECT i, md5(i::text)::uuid, NULL FROM generate_series(1, 2500) i;
         CREATE TABLE covered (a int NOT NULL, b text NOT NULL, c int);
         CREATE UNIQUE INDEX covering ON covered (b DESC, a) INCLUDE (c);
         ALTER TABLE covered REPLICA IDENTITY USING INDEX covering;
         INSERT INTO covered SELECT i, 'b' || i % 50, i FROM generate_series(1, 2500) i;
         CREATE TABLE empty (id int PRIMARY KEY); CREATE TABLE \"Odd \"\"name\" (\"a b\" int \
         PRIMARY KEY);
         INSERT INTO \"Odd \"\"name\" VALUES (1);
         CREATE PUBLICATION p FOR ALL TABLES",
    );
    let lines = snapshot(&db, &[]);
    for (table, sql, key) in [
        ("texts", "texts", &["k"][..]),
        ("bytes", "bytes", &["k", "m", "d"]),
        ("numbers", "numbers", &["k", "t", "f"]),
        ("lists", "lists", &["k", "j"]),
        ("other", "other", &["b"]),
        ("covered", "covered", &["a", "b"]),
        ("empty", "empty", &["id"]),
        ("Odd \"name", "\"Odd \"\"name\"", &["a b"]),
    ] {
        let consumer = Consumer::of(&lines, table, key);
        assert_eq!(consumer.repeats, 0, "{table}");
        db.sql("SET timezone TO 'UTC'");
        consumer.assert_has(&db, &format!("SELECT * FROM {sql}"));
        let done = |line: &&Value| line["op"] == "snapshot_done" && line["table"] == table;
        assert_eq!(lines.iter().filter(done).count(), 1, "{table}");
    }
}

#[test]
fn rows_look_as_they_do_in_the_stream() {
    let db = Database::create("snapshot_form");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY, v numeric, j json, a text[]); CREATE PUBLICATION p \
        FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1, 1.50, '{\"a\": [1,  2]}', '{x,NULL}')");
    for more in [
        &[][..],
        &["--values", "text"],
        &["--include", "key,types,columns,relations"],
    ] {
        let slot = ["-S", db.name(), "--peek"];
        let lines = snapshot(&db, &[&slot[..], more].concat());
        let line = |op: &str| {
            lines
                .iter()
                .find(|line| line["op"] == op)
                .unwrap_or(&Value::Null)
        };
        let (change, row) = (line("insert"), line("snapshot"));
        for name in ["schema", "table", "after", "key", "types", "columns"] {
            assert_eq!(change.get(name), row.get(name), "{name}");
        }
        let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert!(
            row["lsn"].is_string() && keys.iter().all(|key| *key != "xid"),
            "{keys:?}"
        );
        let relations = lines.iter().filter(|line| line["op"] == "relation").count();
        assert_eq!(
            relations,
            if more.contains(&"key,types,columns,relations") {
                2
            } else {
                0
            }
        );
    }
    let text = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--snapshot",
        "--until-now",
        "--format",
        "text",
    ]);
    text.succeeded();
    let snapshot = "SNAPSHOT public.t  id=1 v=1.50 j='{\"a\": [1,  2]}' a='{x,NULL}'\nSNAPSHOT \
        DONE public.t\n";
    assert!(text.text().ends_with(snapshot), "{}", text.text());
}
