//! Tables without a key: read as a whole when the slot is created, and only then.

use crate::support::*;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

const TABLES: &str = "CREATE TABLE keyed (id int PRIMARY KEY); INSERT INTO keyed VALUES (1), (2);
    CREATE TABLE loose (a int, b text); ALTER TABLE loose REPLICA IDENTITY FULL;
    INSERT INTO loose SELECT i % 10, 'x' FROM generate_series(1, 40) i;
    CREATE PUBLICATION p FOR ALL TABLES";

fn arguments<'a>(db: &'a Database<'_>, path: &'a str) -> Vec<&'a str> {
    let common = [
        "stream",
        "--publication",
        "p",
        "--snapshot",
        "-f",
        path,
        "-S",
    ];
    [&common[..], &[db.name()]].concat()
}

fn lines(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text[..whole]
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn count(path: &str, op: &str, table: &str) -> usize {
    let is = |line: &&Value| line["op"] == op && line["table"] == table;
    lines(path).iter().filter(is).count()
}

fn file(directory: &Path) -> String {
    directory.join("out.json").to_str().unwrap().to_owned()
}

#[test]
fn tables_without_a_key_come_first_when_the_slot_is_created() {
    let db = Database::create("snapshot_whole");
    db.sql(TABLES);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = file(directory.path());
    let run = [
        &arguments(&db, &path)[..],
        &["--until-now", "--create-slot"],
    ]
    .concat();
    let finished = db.run(&run);
    finished.succeeded();
    for part in [
        "created slot \"snapshot_whole\"",
        "complete: 42 rows of 2 tables",
    ] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
    let tables: Vec<Value> = lines(&path)
        .iter()
        .map(|line| line["table"].clone())
        .collect();
    assert!(
        tables[..41].iter().all(|table| table == "loose"),
        "{tables:?}"
    );
    assert!(
        tables[41..].iter().all(|table| table == "keyed"),
        "{tables:?}"
    );
    let slots = "SELECT string_agg(slot_name || ' ' || temporary, ',') FROM pg_replication_slots
        WHERE database = 'snapshot_whole'";
    assert_eq!(db.value(slots), "snapshot_whole false");
    // The stream goes on where the rows end, and what is done is done.
    db.sql("UPDATE loose SET b = 'y' WHERE a = 3; INSERT INTO keyed VALUES (3)");
    db.run(&run).succeeded();
    assert_eq!(count(&path, "update", "loose"), 4);
    assert_eq!(count(&path, "insert", "keyed"), 1);
    assert_eq!(count(&path, "snapshot", "loose"), 40);
    // Without that file nobody knows what was read.
    let other = path.replace("out.json", "other.json");
    let finished = db.run(&[&arguments(&db, &other)[..], &["--until-now"]].concat());
    finished.exited(1);
    for part in [
        "could not read the rows of public.loose: no key tells them apart, and the slot is there \
         already",
        "try: ALTER TABLE ... ADD PRIMARY KEY",
    ] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
}

#[test]
fn what_changes_while_they_are_read_is_in_the_stream() {
    let db = Database::create("snapshot_whole_busy");
    db.sql(TABLES);
    db.sql("INSERT INTO loose SELECT 100, repeat('z', 1000) FROM generate_series(1, 20000)");
    // Its output is full: nothing is read on until it is taken.
    let mut running = spawn(&mut db.walcat(&["stream", "--publication", "p", "--snapshot=loose"]));
    assert_eq!(running.json()["op"], "snapshot");
    db.sql("INSERT INTO loose VALUES (-1, 'new'); DELETE FROM loose WHERE a = 5");
    let (mut rows, mut line) = (1, running.json());
    while line["op"] == "snapshot" {
        assert_ne!(line["after"]["a"], -1);
        rows += 1;
        line = running.json();
    }
    assert_eq!((rows, &line["op"]), (20_040, &Value::from("snapshot_done")));
    assert_eq!(running.json()["after"]["a"], -1);
    for _ in 0..4 {
        assert_eq!(running.json()["before"]["a"], 5);
    }
    running.interrupt().succeeded();
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE database = 'snapshot_whole_busy'";
    db.wait_for(&format!("SELECT ({slots}) = 0"));
}

#[test]
fn an_interrupted_run_leaves_no_slot() {
    let db = Database::create("snapshot_whole_killed");
    db.sql(TABLES);
    // More than any pipe holds.
    db.sql("INSERT INTO loose SELECT 100, repeat('z', 1000) FROM generate_series(1, 20000)");
    let common = [
        "stream",
        "--publication",
        "p",
        "--snapshot",
        "--create-slot",
        "-S",
    ];
    let run = [&common[..], &[db.name()]].concat();
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE database = \
                 'snapshot_whole_killed'";
    // Of its output no more than the beginning is read.
    let mut command = db.walcat(&run);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"op\":\"snapshot\","), "{line}");
    assert_eq!(db.value(&format!("{slots} AND temporary")), "1");
    child.kill().unwrap();
    child.wait().unwrap();
    db.wait_for(&format!("SELECT ({slots}) = 0"));
}

#[test]
fn what_an_interrupted_run_has_written_is_void() {
    let db = Database::create("snapshot_whole_void");
    db.sql(TABLES);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = file(directory.path());
    let run = [
        &arguments(&db, &path)[..],
        &["--create-slot", "--until-now"],
    ]
    .concat();
    db.run(&run).succeeded();
    db.sql("SELECT pg_drop_replication_slot('snapshot_whole_void')");
    // As if it had been killed in the middle of a row, before there was a slot.
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    db.sql("DELETE FROM loose WHERE a < 5");
    let finished = db.run(&run);
    finished.succeeded();
    let told = "has rows of a run that was interrupted: starting over";
    assert!(finished.stderr.contains(told), "{}", finished.stderr);
    assert_eq!(count(&path, "snapshot", "loose"), 20);
    assert_eq!(count(&path, "snapshot", "keyed"), 2);
    assert_eq!(lines(&path).len(), 24);
}

#[test]
fn a_file_with_changes_of_an_earlier_slot_is_refused() {
    let db = Database::create("snapshot_whole_earlier");
    db.sql(TABLES);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = file(directory.path());
    let run = [
        &arguments(&db, &path)[..],
        &["--until-now", "--create-slot"],
    ]
    .concat();
    db.run(&run).succeeded();
    db.sql("INSERT INTO keyed VALUES (7)");
    db.run(&run).succeeded();
    db.sql("SELECT pg_drop_replication_slot('snapshot_whole_earlier')");
    let before = fs::read(&path).unwrap();
    let finished = db.run(&run);
    finished.exited(1);
    assert!(
        finished.stderr.contains("has changes of an earlier slot"),
        "{}",
        finished.stderr
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    let slots =
        "SELECT count(*) FROM pg_replication_slots WHERE database = 'snapshot_whole_earlier'";
    assert_eq!(db.value(slots), "0");
}
