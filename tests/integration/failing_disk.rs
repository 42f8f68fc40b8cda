//! What does not come to the disk: a failed sync confirms nothing, and what is in memory only is
//! never taken for what is on the disk.

use crate::files::{ids, stream_to, wait_for_lines};
use crate::support::*;
use rustix::process::Signal;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

/// Inserts rows with these ids, each long enough for many blocks.
fn insert(db: &Database<'_>, first: u64, last: u64) {
    db.sql(&format!(
        "INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series({first}, {last}) i"
    ));
}

/// A run that syncs nothing by itself.
fn lazy(db: &Database<'_>, path: &Path) -> Command {
    stream_to(db, path, &["-F", "1000", "-s", "1000"])
}

/// Runs until all is written, and looks at what is on the disk then. A first run may find out that
/// the end of the file is not.
fn mended(disk: &Disk, db: &Database<'_>, path: &Path) -> Vec<u64> {
    let first = run(&mut stream_to(db, path, &["--until-now"]));
    if !first.status.success() {
        let lost = "its end was never on the disk\nDETAIL:  It was cut back to";
        assert!(first.exited(1).stderr.contains(lost), "{}", first.stderr);
        run(&mut stream_to(db, path, &["--until-now"])).succeeded();
    }
    let nothing = run(&mut db.walcat(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ]));
    assert_eq!(nothing.succeeded().text(), "", "not all is confirmed");
    disk.forget();
    ids(path)
}

#[test]
fn failing_disk_a_failed_sync_cuts_the_file_back() {
    let disk = Disk::new();
    let db = Database::shop("failing_disk_a_failed_sync_cuts_the_file_back");
    let path = disk.path().join("out.json");
    let running = spawn(&mut stream_to(&db, &path, &["-F", "0.1", "-s", "0.1"]));
    insert(&db, 1, 100);
    let confirmed = db.wal_position();
    db.wait_for(&format!(
        "SELECT confirmed_flush_lsn >= '{confirmed}' FROM pg_replication_slots WHERE slot_name = \
         '{}'",
        db.name()
    ));
    disk.fail_at_the_end_of(&path);
    // Much more is on its way when the sync fails.
    db.sql("INSERT INTO t SELECT i, 'x' FROM generate_series(101, 20000) i");
    let failed = running.wait();
    failed.exited(1);
    for part in ["could not fsync file", "was cut back to the"] {
        assert!(failed.stderr.contains(part), "{}", failed.stderr);
    }
    assert_eq!(ids(&path), (1..=100).collect::<Vec<u64>>());
    disk.mend();
    assert_eq!(mended(&disk, &db, &path), (1..=20000).collect::<Vec<u64>>());
}

#[test]
fn failing_disk_a_start_trusts_no_memory() {
    let disk = Disk::new();
    let db = Database::shop("failing_disk_a_start_trusts_no_memory");
    let path = disk.path().join("out.json");
    insert(&db, 1, 100);
    run(&mut stream_to(&db, &path, &["--until-now"])).succeeded();
    disk.fail_at_the_end_of(&path);
    let running = spawn(&mut lazy(&db, &path));
    insert(&db, 101, 200);
    wait_for_lines(&path, 200);
    running.signal(Signal::KILL);
    running.wait();
    // The first who asks is told of the failure, and nobody else.
    assert!(File::open(&path).unwrap().sync_all().is_err());
    File::open(&path).unwrap().sync_all().unwrap();
    disk.mend();
    assert_eq!(mended(&disk, &db, &path), (1..=200).collect::<Vec<u64>>());
}

#[test]
fn failing_disk_a_start_that_cannot_sync_fails_each_time() {
    let disk = Disk::new();
    let db = Database::shop("failing_disk_a_start_that_cannot_sync_fails");
    let path = disk.path().join("out.json");
    insert(&db, 1, 100);
    run(&mut stream_to(&db, &path, &["--until-now"])).succeeded();
    disk.fail_at_the_end_of(&path);
    let running = spawn(&mut lazy(&db, &path));
    insert(&db, 101, 200);
    wait_for_lines(&path, 200);
    running.signal(Signal::KILL);
    running.wait();
    for _ in 0..3 {
        let failed = run(&mut stream_to(&db, &path, &["--until-now"]));
        let stderr = &failed.exited(1).stderr;
        // A loop device calls it success when the first block of a write came to the disk.
        let told = stderr.contains("could not fsync file") || stderr.contains("is damaged");
        assert!(told, "{stderr}");
    }
    disk.mend();
    assert_eq!(mended(&disk, &db, &path), (1..=200).collect::<Vec<u64>>());
}

#[test]
fn failing_disk_an_aborted_file_system_confirms_nothing() {
    let disk = Disk::new();
    let db = Database::shop("failing_disk_an_aborted_file_system_confirms");
    let path = disk.path().join("out.json");
    let running = spawn(&mut lazy(&db, &path));
    insert(&db, 1, 100);
    wait_for_lines(&path, 100);
    disk.abort();
    let failed = running.interrupt();
    assert!(
        failed.exited(1).stderr.contains("Read-only file system"),
        "{}",
        failed.stderr
    );
    disk.forget();
    assert!(fs::metadata(&path).map_or(0, |found| found.len()) < 100_000);
    assert_eq!(mended(&disk, &db, &path), (1..=100).collect::<Vec<u64>>());
}
