//! Tables of every shape: wide, empty, changed, partitioned, oddly named, with every replica
//! identity.

use super::compare_rows;
use crate::support::*;
use serde_json::{Value, json};

/// Writes down what `row_to_json` makes of every change of the tables that `watch` is called for.
const WATCH: &str = "
    CREATE TABLE public.expected (
        id bigint GENERATED ALWAYS AS IDENTITY, relation text, operation text, before json, after \
        json
    );
    CREATE FUNCTION public.expect() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO public.expected (relation, operation, before, after)
        VALUES (TG_TABLE_NAME, lower(TG_OP), row_to_json(OLD), row_to_json(NEW));
        RETURN NULL;
    END
    $$;
    CREATE PROCEDURE public.watch(watched regclass) LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('CREATE TRIGGER expect AFTER INSERT OR UPDATE OR DELETE ON %s
                        FOR EACH ROW EXECUTE FUNCTION public.expect()', watched);
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', watched);
    END
    $$;";

/// A database with a slot for each plugin.
fn setup(name: &str, plugin: &str) -> Database<'static> {
    let db = Database::create(&format!("shape_{name}_{plugin}"));
    db.sql(WATCH);
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot(plugin);
    db
}

fn until_now(db: &Database<'_>, plugin: &str, more: &[&str]) -> Finished {
    let publication: &[&str] = if plugin == "pgoutput" {
        &["--publication", "p"]
    } else {
        &[]
    };
    let run = db.run(
        &[
            &[
                "stream",
                "-S",
                db.name(),
                "--until-now",
                "--table",
                "!public.expected",
            ],
            publication,
            more,
        ]
        .concat(),
    );
    run.succeeded();
    assert_eq!(run.stderr, "");
    run
}

/// What was written down and what the program prints are the same.
fn compare(db: &Database<'_>, plugin: &str) {
    let run = until_now(db, plugin, &[]);
    let lines: Vec<String> = String::from_utf8(run.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    compare_rows(db, &lines);
}

fn wide(plugin: &str) {
    let db = setup("wide", plugin);
    let columns: Vec<String> = (1..=1600).map(|n| format!("c{n} int")).collect();
    db.sql(&format!("CREATE TABLE wide ({})", columns.join(",")));
    db.sql("CALL watch('wide'); INSERT INTO wide (c1, c800, c1600) VALUES (1, NULL, 1600)");
    let values: Vec<String> = (1..=1600).map(|n| n.to_string()).collect();
    db.sql(&format!("INSERT INTO wide VALUES ({})", values.join(",")));
    db.sql("UPDATE wide SET c1 = -c1; DELETE FROM wide");
    compare(&db, plugin);
}

#[test]
fn tables_may_have_1600_columns() {
    wide("pgoutput");
}

#[test]
fn tables_may_have_1600_columns_with_wal2json() {
    wide("wal2json");
}

#[test]
fn tables_may_have_no_columns() {
    let db = setup("no_columns", "pgoutput");
    db.sql(
        "CREATE TABLE nothing (); CALL watch('nothing'); INSERT INTO nothing DEFAULT VALUES; \
            DELETE FROM nothing",
    );
    compare(&db, "pgoutput");
}

/// Identifiers with everything that they may hold.
fn odd_names(plugin: &str) {
    let db = setup("odd_names", plugin);
    db.sql(
        "CREATE SCHEMA \"S p.a'ce, \u{1f600}\";
         CREATE TABLE \"S p.a'ce, \u{1f600}\".\"T\u{e4} \"\"b\"\".l\\e\" (
             \"a \"\"b\"\" \\c\" int, \"x.y\" text, \" \" text, \"\u{fc}\u{1f600}\" int, \"ID\" \
             int, \"two\nlines\t\" text, \"select\" int[],
             \"{}\" jsonb, \"012345678901234567890123456789012345678901234567890123456789012\" int
         );
         CALL watch('\"S p.a''ce, \u{1f600}\".\"T\u{e4} \"\"b\"\".l\\e\"');
         INSERT INTO \"S p.a'ce, \u{1f600}\".\"T\u{e4} \"\"b\"\".l\\e\" VALUES (1, 'a', 'b', 2, 3, \
         'c', '{4}', '{}', 5);
         UPDATE \"S p.a'ce, \u{1f600}\".\"T\u{e4} \"\"b\"\".l\\e\" SET \"ID\" = 4;
         DELETE FROM \"S p.a'ce, \u{1f600}\".\"T\u{e4} \"\"b\"\".l\\e\"",
    );
    let run = until_now(&db, plugin, &["--peek"]);
    assert_eq!(run.json()[0]["schema"], "S p.a'ce, \u{1f600}");
    compare(&db, plugin);
}

#[test]
fn names_may_hold_anything() {
    odd_names("pgoutput");
}

#[test]
fn names_may_hold_anything_with_wal2json() {
    odd_names("wal2json");
}

/// One transaction in which a table changes its shape between the rows.
fn altered(plugin: &str) {
    let db = setup("altered", plugin);
    db.sql(
        "CREATE TABLE t (id int, gone text, v int); ALTER TABLE t DROP COLUMN gone; CALL \
            watch('t')",
    );
    db.sql(
        "BEGIN;
         INSERT INTO t VALUES (1, 10);
         ALTER TABLE t ADD COLUMN w text DEFAULT 'x';
         UPDATE t SET v = 11;
         ALTER TABLE t DROP COLUMN v;
         INSERT INTO t VALUES (2, 'y');
         ALTER TABLE t RENAME COLUMN w TO z;
         UPDATE t SET z = z || z;
         ALTER TABLE t ALTER COLUMN id TYPE text USING '#' || id;
         INSERT INTO t VALUES ('#3', 'three');
         ALTER TABLE t RENAME TO t2;
         DELETE FROM t2;
         COMMIT",
    );
    compare(&db, plugin);
}

#[test]
fn tables_may_change_within_a_transaction() {
    altered("pgoutput");
}

#[test]
fn tables_may_change_within_a_transaction_with_wal2json() {
    altered("wal2json");
}

#[test]
fn tables_may_inherit() {
    let db = setup("inheritance", "pgoutput");
    db.sql(
        "CREATE TABLE parent (id int, v text);
         CREATE TABLE child (w numeric) INHERITS (parent);
         CALL watch('parent'); CALL watch('child');
         INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (2, 'b', 1.50);
         UPDATE parent SET v = v || v; DELETE FROM parent",
    );
    compare(&db, "pgoutput");
}

#[test]
fn partitions_are_tables_or_parts_of_their_root() {
    let db = setup("partitions", "pgoutput");
    db.sql(
        "CREATE TABLE root (id int, v text) PARTITION BY LIST (id);
         CREATE TABLE leaf1 (v text, gone int, id int);
         ALTER TABLE leaf1 DROP COLUMN gone;
         ALTER TABLE root ATTACH PARTITION leaf1 FOR VALUES IN (1);
         CREATE TABLE leaf2 PARTITION OF root FOR VALUES IN (2);
         ALTER TABLE root REPLICA IDENTITY FULL; ALTER TABLE leaf1 REPLICA IDENTITY FULL; ALTER \
         TABLE leaf2 REPLICA IDENTITY FULL;
         CREATE PUBLICATION via_root FOR TABLE root WITH (publish_via_partition_root = true);
         INSERT INTO root VALUES (1, 'a'), (2, 'b');
         UPDATE root SET id = 2 WHERE id = 1;
         DELETE FROM root WHERE v = 'b'",
    );
    let tables = |run: &Finished| -> Vec<Value> {
        let row =
            |event: &Value| json!([event["op"], event["table"], event["before"], event["after"]]);
        run.json().iter().map(row).collect()
    };
    let (a1, a2, b2) = (
        json!({"id": 1, "v": "a"}),
        json!({"id": 2, "v": "a"}),
        json!({"id": 2, "v": "b"}),
    );
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--until-now",
        "--peek",
        "--publication",
        "via_root",
    ]);
    run.succeeded();
    assert_eq!(
        tables(&run),
        [
            json!(["insert", "root", null, a1]),
            json!(["insert", "root", null, b2]),
            json!(["delete", "root", a1, null]),
            json!(["insert", "root", null, a2]),
            json!(["delete", "root", b2, null]),
        ]
    );
    // A partition keeps its own order of columns; as JSON objects they are the same.
    assert_eq!(
        tables(&until_now(&db, "pgoutput", &[])),
        [
            json!(["insert", "leaf1", null, a1]),
            json!(["insert", "leaf2", null, b2]),
            json!(["delete", "leaf1", a1, null]),
            json!(["insert", "leaf2", null, a2]),
            json!(["delete", "leaf2", b2, null]),
        ]
    );
}

#[test]
fn generated_columns_are_left_out_unless_published() {
    let db = setup("generated", "pgoutput");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, v \
            text)",
    );
    let published = db.server().version() >= 180_000;
    if published {
        db.sql("ALTER PUBLICATION p SET (publish_generated_columns = stored)");
    }
    db.sql("INSERT INTO t VALUES (1, DEFAULT, 'a')");
    let after = if published {
        json!({"id": 1, "twice": 2, "v": "a"})
    } else {
        json!({"id": 1, "v": "a"})
    };
    assert_eq!(until_now(&db, "pgoutput", &[]).json()[0]["after"], after);
}

#[test]
fn publications_choose_columns_and_rows() {
    let db = Database::create("shape_choice");
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text, secret text)");
    let publication = "CREATE PUBLICATION p FOR TABLE t (v, id) WHERE (id > 1)";
    if db.server().version() < 150_000 {
        let error = db.client().batch_execute(publication).unwrap_err();
        assert_eq!(error.code().map(|code| code.code()), Some("42601"));
        return db.sql("CREATE PUBLICATION p FOR TABLE t");
    }
    db.sql(publication);
    db.create_slot("pgoutput");
    db.sql(
        "INSERT INTO t VALUES (1, 'a', 'x'), (2, 'b', 'y'); UPDATE t SET id = id + 10; DELETE \
            FROM t",
    );
    let run = until_now(&db, "pgoutput", &[]);
    let rows: Vec<Value> = run
        .json()
        .iter()
        .map(|event| json!([event["op"], event["before"], event["after"]]))
        .collect();
    assert_eq!(
        rows,
        [
            json!(["insert", null, {"id": 2, "v": "b"}]),
            // The row enters what is published.
            json!(["insert", null, {"id": 11, "v": "a"}]),
            json!(["update", {"id": 2}, {"id": 12, "v": "b"}]),
            json!(["delete", {"id": 11}, null]),
            json!(["delete", {"id": 12}, null]),
        ]
    );
}

/// The same changes under each replica identity: what the old row has, and what becomes of a
/// TOASTed value.
#[test]
fn replica_identities_say_what_is_known_of_old_rows() {
    let db = Database::create("shape_identities");
    let tables = ["by_key", "by_index", "entire", "nothing"];
    for table in tables {
        db.sql(&format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, k int NOT NULL, v text, big text);
             ALTER TABLE {table} ALTER COLUMN big SET STORAGE EXTERNAL;
             CREATE UNIQUE INDEX {table}_k ON {table} (k)"
        ));
    }
    db.sql(
        "ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_k;
         ALTER TABLE entire REPLICA IDENTITY FULL;
         ALTER TABLE nothing REPLICA IDENTITY NOTHING;
         CREATE PUBLICATION p FOR TABLE by_key, by_index, entire;
         CREATE PUBLICATION inserts FOR TABLE nothing WITH (publish = 'insert')",
    );
    db.create_slot("pgoutput");
    let big = "0123456789".repeat(500);
    for table in tables {
        db.sql(&format!(
            "INSERT INTO {table} VALUES (1, 2, 'a', '{big}');
             UPDATE {table} SET v = 'b';
             UPDATE {table} SET k = 3;
             UPDATE {table} SET id = 4;
             DELETE FROM {table}"
        ));
    }
    let run = until_now(&db, "pgoutput", &["--publication", "inserts"]);
    let events: Vec<Value> = run
        .json()
        .iter()
        .map(|event| {
            json!([
                event["table"],
                event["op"],
                event["before"],
                event["after"],
                event["unchanged"]
            ])
        })
        .collect();
    let whole = |id: i32, k: i32, v: &str| json!({"id": id, "k": k, "v": v, "big": big});
    let part = |id: i32, k: i32, v: &str| json!({"id": id, "k": k, "v": v});
    let unchanged = json!(["big"]);
    assert_eq!(
        events,
        [
            json!(["by_key", "insert", null, whole(1, 2, "a"), null]),
            json!(["by_key", "update", null, part(1, 2, "b"), unchanged]),
            json!(["by_key", "update", null, part(1, 3, "b"), unchanged]),
            json!(["by_key", "update", {"id": 1}, part(4, 3, "b"), unchanged]),
            json!(["by_key", "delete", {"id": 4}, null, null]),
            json!(["by_index", "insert", null, whole(1, 2, "a"), null]),
            json!(["by_index", "update", null, part(1, 2, "b"), unchanged]),
            json!(["by_index", "update", {"k": 2}, part(1, 3, "b"), unchanged]),
            json!(["by_index", "update", null, part(4, 3, "b"), unchanged]),
            json!(["by_index", "delete", {"k": 3}, null, null]),
            json!(["entire", "insert", null, whole(1, 2, "a"), null]),
            json!(["entire", "update", whole(1, 2, "a"), whole(1, 2, "b"), null]),
            json!(["entire", "update", whole(1, 2, "b"), whole(1, 3, "b"), null]),
            json!(["entire", "update", whole(1, 3, "b"), whole(4, 3, "b"), null]),
            json!(["entire", "delete", whole(4, 3, "b"), null, null]),
            json!(["nothing", "insert", null, whole(1, 2, "a"), null]),
        ]
    );
}

#[test]
fn values_may_be_very_large() {
    let db = setup("large", "pgoutput");
    let length = 200 << 20;
    db.sql(&format!(
        "CREATE TABLE t (v text); INSERT INTO t VALUES (repeat(E'0123456\\n', {length} / 8))"
    ));
    let run = until_now(&db, "pgoutput", &[]);
    let line = run.stdout.strip_suffix(b"\n").unwrap();
    let at = memchr::memmem::find(line, b"\"after\":{\"v\":\"").unwrap() + 14;
    let value = line[at..].strip_suffix(b"\"}}").unwrap();
    assert_eq!(value.len(), length / 8 * 9);
    assert!(value.chunks(9).all(|chunk| chunk == b"0123456\\n"));
}
