//! `--format wal2json`: byte for byte what the plugin prints, from a slot of pgoutput.

use crate::support::*;
use postgres::SimpleQueryMessage;

/// What the plugin prints of the slot, without what pgoutput cannot tell: where the WAL goes on
/// behind a transaction that begins, and transactions without a change.
fn of_the_plugin(db: &Database<'_>, slot: &str) -> Vec<String> {
    let mut client = db.client();
    client
        .batch_execute("SET search_path = ''; SET timezone = 'UTC'")
        .unwrap();
    let query = format!(
        "SELECT data FROM pg_catalog.pg_logical_slot_get_changes('{slot}', NULL, NULL, \
         'format-version', '2',
             'include-xids', 'true', 'include-timestamp', 'true', 'include-lsn', 'true')"
    );
    let mut lines: Vec<String> = Vec::new();
    for message in client.simple_query(&query).unwrap() {
        let SimpleQueryMessage::Row(row) = message else {
            continue;
        };
        let mut line = row.get(0).unwrap().to_owned();
        if line.starts_with("{\"action\":\"B\"") {
            let end = line.find(",\"nextlsn\"").unwrap();
            line.truncate(end);
            line.push('}');
        }
        let ends = line.starts_with("{\"action\":\"C\"");
        match lines.last() {
            Some(last) if ends && last.starts_with("{\"action\":\"B\"") => drop(lines.pop()),
            _ => lines.push(line),
        }
    }
    lines
}

fn compare(db: &Database<'_>, slot: &str) -> usize {
    let expected = of_the_plugin(db, slot);
    let finished = db.run(&[
        "-q",
        "stream",
        "-S",
        db.name(),
        "--publication",
        "everything",
        "--messages",
        "--until-now",
        "--format",
        "wal2json",
    ]);
    finished.succeeded();
    assert_eq!(finished.stderr, "");
    let found: Vec<&str> = finished.text().lines().collect();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
    found.len()
}

#[test]
fn hostile_rows_are_those_of_wal2json() {
    // It prints a quoted name of a type with its quotes, which is no JSON.
    let plain = |script: &str| script.replace("\"a \"\"schema\"\" \\\".\"Odd Type\"", "odd_type");
    for (name, full) in [("as_wal2json_key", false), ("as_wal2json_full", true)] {
        let db = Database::create(name);
        db.sql(&plain(crate::replay::SCHEMA));
        // pgoutput does not send it.
        db.sql("ALTER TABLE always DROP COLUMN twice");
        if full {
            db.sql(crate::replay::ALL_FULL);
        }
        db.sql("CREATE PUBLICATION everything FOR ALL TABLES");
        db.create_slot("pgoutput");
        let slot = format!("{name}_plugin");
        db.sql(&format!(
            "SELECT pg_create_logical_replication_slot('{slot}', 'wal2json')"
        ));
        crate::replay::replay(&db, "", &plain(crate::replay::CHANGES));
        db.sql("TRUNCATE parent, child RESTART IDENTITY; TRUNCATE parts_a CASCADE");
        db.sql("SELECT pg_logical_emit_message(false, 'outside', E'a\\n\"b\"')");
        db.sql(
            "BEGIN; SELECT pg_logical_emit_message(true, 'a\"pp', 'within');
             SELECT pg_logical_emit_message(true, 'app', '\\x610062'::bytea); COMMIT",
        );
        assert!(compare(&db, &slot) > 300);
    }
}

#[test]
fn a_file_of_wal2json_is_resumed_by_whole_transactions() {
    let db = Database::create("resumed_wal2json");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION everything FOR ALL TABLES");
    db.create_slot("pgoutput");
    crate::replay::is_resumed_at_every_cut(&db, "wal2json", 6);
}
