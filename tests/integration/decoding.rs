//! What the decoders make of real streams.

use crate::support::*;
use serde_json::Value;

/// The name of a second slot of the database.
fn second_slot(db: &Database<'_>, plugin: &str) -> String {
    let slot = format!("{}_{plugin}", db.name());
    db.sql(&format!(
        "SELECT pg_create_logical_replication_slot('{slot}', '{plugin}')"
    ));
    slot
}

fn events(db: &Database<'_>, slot: &str, more: &[&str]) -> Vec<Value> {
    let run = db.run(&[&["stream", "-S", slot, "--until-now"], more].concat());
    run.succeeded();
    run.json()
}

fn without(mut event: Value, keys: &[&str]) -> Value {
    let object = event.as_object_mut().expect("an event is an object");
    keys.iter().for_each(|key| drop(object.remove(*key)));
    event
}

/// Statements on tables of every replica identity, with TOASTed values, in one transaction and in
/// many.
const WORKLOAD: &str = "
    CREATE TABLE users (id int PRIMARY KEY, name text, bio text);
    CREATE TABLE kept (id bigint, note varchar(30), amount numeric(10, 2), ok boolean, long text);
    CREATE TABLE by_index (a int NOT NULL, b text NOT NULL, c date, raw bytea);
    CREATE UNIQUE INDEX by_index_key ON by_index (b);
    CREATE TABLE \"Odd ü\" (\"a \"\"b\" int PRIMARY KEY, \"select\" \"char\", tags text[], doc \
    jsonb);
    ALTER TABLE users ALTER bio SET STORAGE EXTERNAL;
    ALTER TABLE kept ALTER long SET STORAGE EXTERNAL;
    ALTER TABLE kept REPLICA IDENTITY FULL;
    ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_key;
    CREATE PUBLICATION p FOR ALL TABLES;
";

const CHANGES: &[&str] = &[
    "INSERT INTO users SELECT i, 'user ' || i, repeat('x', 5000) FROM generate_series(1, 5) AS i",
    "INSERT INTO kept VALUES (1, E'q\"uo\\\\te\\n', 1.50, true, repeat('y', 5000)), (2, NULL, \
     NULL, NULL, NULL)",
    "INSERT INTO by_index VALUES (1, 'x', 'infinity', '\\x00ff'), (2, repeat('k', 2000), NULL, '')",
    "INSERT INTO \"Odd ü\" VALUES (1, 'c', '{a,NULL,\"b \\\"c\"}', '{\"a\": [1, 2.50]}')",
    "UPDATE users SET name = 'Ada' WHERE id = 1",
    "UPDATE users SET name = 'Grace', bio = 'short' WHERE id = 2",
    "UPDATE users SET id = 30 WHERE id = 3",
    "UPDATE kept SET note = 'uno' WHERE id = 1",
    "UPDATE kept SET note = note",
    "UPDATE by_index SET c = '0044-03-15 BC' WHERE a = 1",
    "UPDATE by_index SET b = 'y' WHERE a = 1",
    "BEGIN; SELECT pg_logical_emit_message(true, 'p', 'within'); DELETE FROM users WHERE id = 4; \
     SAVEPOINT a;
     INSERT INTO users VALUES (6); ROLLBACK TO a; SAVEPOINT b; INSERT INTO users VALUES (7); \
     RELEASE b; COMMIT",
    "SELECT pg_logical_emit_message(false, 'p', 'without')",
    "DELETE FROM kept",
    "DELETE FROM by_index WHERE a = 1",
    "BEGIN; ALTER TABLE users ADD extra int DEFAULT 7; UPDATE users SET name = 'x' WHERE id = 1; \
     COMMIT",
    "BEGIN; ALTER TABLE users RENAME name TO full_name; UPDATE users SET full_name = 'y' WHERE id \
     = 1; COMMIT",
    "BEGIN; ALTER TABLE users DROP extra; UPDATE users SET full_name = 'z' WHERE id = 1; COMMIT",
    "TRUNCATE users, kept",
];

#[test]
fn wal2json_tells_what_pgoutput_tells() {
    let db = Database::create("wal2json_tells_what_pgoutput_tells");
    db.sql(WORKLOAD);
    db.create_slot("pgoutput");
    let slot = second_slot(&db, "wal2json");
    CHANGES.iter().for_each(|statements| db.sql(statements));
    let of_pgoutput = events(&db, db.name(), &["--publication", "p", "--messages"]);
    let of_wal2json = events(&db, &slot, &["--messages"]);
    assert_eq!(of_pgoutput.len(), 30);
    // wal2json does not tell the options of a truncate.
    let comparable = |events: &[Value]| -> Vec<Value> {
        events
            .iter()
            .map(|event| without(event.clone(), &["cascade", "restart_identity"]))
            .collect()
    };
    for (pgoutput, wal2json) in comparable(&of_pgoutput)
        .iter()
        .zip(&comparable(&of_wal2json))
    {
        assert_eq!(pgoutput, wal2json);
    }
    assert_eq!(of_pgoutput.len(), of_wal2json.len());
}

#[test]
fn wal2json_starts_in_the_middle_of_a_table() {
    let db = Database::create("wal2json_starts_in_the_middle");
    db.sql(WORKLOAD);
    db.sql("INSERT INTO users VALUES (1, 'Ada', repeat('x', 5000)), (2, 'Grace', NULL)");
    db.create_slot("pgoutput");
    let slot = second_slot(&db, "wal2json");
    db.sql("UPDATE users SET name = 'Ada L.' WHERE id = 1");
    db.sql("DELETE FROM users WHERE id = 2");
    let keys = &["cascade", "restart_identity"];
    let all = |events: Vec<Value>| -> Vec<Value> {
        events
            .into_iter()
            .map(|event| without(event, keys))
            .collect()
    };
    let of_pgoutput = all(events(&db, db.name(), &["--publication", "p"]));
    assert_eq!(of_pgoutput[0]["unchanged"], serde_json::json!(["bio"]));
    assert_eq!(of_pgoutput, all(events(&db, &slot, &[])));
}
