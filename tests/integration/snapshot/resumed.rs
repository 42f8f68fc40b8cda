//! A file that ends anywhere is gone on with, and no row is told in it twice.

use super::consumer::Consumer;
use crate::support::*;
use serde_json::Value;
use std::fs;

const ROWS: u64 = 12_000;

#[test]
fn a_file_that_was_cut_off_anywhere_gets_each_row_once() {
    let db = Database::create("snapshot_cut");
    // Small rows, so that a chunk has many, and the first of a run has far fewer than the others.
    db.sql(&format!(
        "CREATE SEQUENCE versions;
         CREATE TABLE t (id int PRIMARY KEY, n bigint, body text);
         ALTER TABLE t ALTER body SET STORAGE EXTERNAL;
         INSERT INTO t SELECT i * 10, nextval('versions'), CASE WHEN i % 50 = 0
           THEN repeat(chr(65 + i % 26), 2500) END FROM generate_series(1, {ROWS}) i;
         CREATE TABLE u (id int PRIMARY KEY, n bigint);
         INSERT INTO u SELECT i, nextval('versions') FROM generate_series(1, 3000) i;
         CREATE PUBLICATION p FOR TABLE t, u",
    ));
    db.create_slot("pgoutput");
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("out.json");
    let run = || {
        let mut command = db.walcat(&["stream", "-S", db.name(), "--publication", "p"]);
        // The slot stays where it is: so the file may end anywhere.
        command.args(["--snapshot", "--until-now", "--peek", "-f"]);
        crate::support::run(command.arg(&path)).succeeded();
    };
    run();
    let mut random = Random::new(7);
    for round in 0..12 {
        let bytes = fs::read(&path).unwrap();
        let cut = random.within(0..bytes.len() as u64) as usize;
        // As another file, of which nothing is known but its lines.
        fs::remove_file(&path).unwrap();
        fs::write(&path, &bytes[..cut]).unwrap();
        for _ in 0..20 {
            db.sql(&change(&mut random));
        }
        run();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for (table, least) in [("t", 6000), ("u", 3000)] {
            let consumer = Consumer::of(&lines, table, &["id"]);
            consumer.assert_has(&db, &format!("SELECT * FROM {table}"));
            assert_eq!(consumer.repeats, 0, "round {round}: {table}");
            assert!(consumer.snapshots >= least, "round {round}: {table}");
        }
    }
}

/// Rows that have TOASTed values move to where others were, or stay, or go.
fn change(random: &mut Random) -> String {
    let (id, other) = (random.within(0..ROWS), random.within(0..ROWS));
    let (id, other) = (id - id % 50, other - other % 50);
    match random.within(0..8) {
        0..3 => format!(
            "BEGIN; DELETE FROM t WHERE id = {other} * 10 AND {other} <> {id};
             UPDATE t SET id = {other} * 10, n = nextval('versions') WHERE id = {id} * 10; COMMIT"
        ),
        3..5 => format!(
            "UPDATE t SET id = {other} * 10 + 1 WHERE id = {id} * 10
             AND NOT EXISTS (SELECT FROM t WHERE id = {other} * 10 + 1)"
        ),
        5 => format!(
            "UPDATE t SET n = nextval('versions') WHERE id >= {id} * 10 AND id < {id} * 10 + 500"
        ),
        6 => format!("DELETE FROM t WHERE id >= {id} * 10 AND id < {id} * 10 + 500"),
        _ => format!(
            "INSERT INTO t SELECT i * 10 + 2, nextval('versions'), repeat('i', 2500)
             FROM generate_series({id}, {id} + 5) i ON CONFLICT DO NOTHING"
        ),
    }
}
