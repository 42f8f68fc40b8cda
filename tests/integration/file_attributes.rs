//! What a file says of itself beside its lines: which slot they come from, how far that was
//! confirmed, and which file follows which.

use crate::files::{directory, ids, stream_to, wait_for_lines};
use crate::support::*;
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

fn insert(db: &Database<'_>, id: u64) {
    db.sql(&format!("INSERT INTO t VALUES ({id})"));
}

/// A run of the database's own slot that takes all there is.
fn take(db: &Database<'_>, path: &Path) -> Finished {
    run(&mut stream_to(db, path, &["--until-now"]))
}

fn stdout(db: &Database<'_>, slot: &str) -> Finished {
    db.run(&["stream", "-S", slot, "--publication", "p", "--until-now"])
}

/// A run of another slot that takes all there is.
fn of_slot(db: &Database<'_>, slot: &str, path: &Path) -> Command {
    let mut command = db.walcat(&["stream", "-S", slot, "--publication", "p", "--until-now"]);
    command.arg("--file").arg(path);
    command
}

/// Kills walcat when so many lines are written, of which nothing is synced or confirmed.
fn kill_after(db: &Database<'_>, path: &Path, lines: usize) {
    let running = spawn(&mut stream_to(db, path, &["-F", "1000", "-s", "1000"]));
    wait_for_lines(path, lines);
    running.signal(Signal::KILL);
    running.wait();
}

#[test]
fn a_gap_that_another_reader_left_is_told_before_the_first_new_line() {
    let db = Database::shop("a_gap_that_another_reader_left_is_told");
    let directory = directory();
    let path = directory.path().join("out.json");
    let slot = db.name();
    let others: [&dyn Fn(); 3] = [
        &|| assert_eq!(stdout(&db, slot).succeeded().json().len(), 1),
        &|| {
            db.run(&["slot", "advance", slot]).succeeded();
        },
        &|| {
            db.sql(&format!("SELECT pg_drop_replication_slot('{slot}')"));
            db.create_slot("pgoutput");
        },
    ];
    let mut expected = Vec::new();
    for (round, other) in (0..).zip(others) {
        insert(&db, 10 * round);
        assert_eq!(take(&db, &path).succeeded().stderr, "");
        insert(&db, 10 * round + 1);
        other();
        insert(&db, 10 * round + 2);
        // Also when all that is wanted is a look.
        for more in [&["--peek"][..], &[]] {
            let gap = run(stream_to(&db, &path, &["--until-now"]).args(more));
            let warning = "walcat: warning: there is a gap in file";
            assert!(
                gap.succeeded().stderr.starts_with(warning),
                "{}",
                gap.stderr
            );
        }
        expected.extend([10 * round, 10 * round + 2]);
        assert_eq!(take(&db, &path).succeeded().stderr, "", "told already");
        assert_eq!(ids(&path), expected);
    }
}

#[test]
fn text_files_tell_of_gaps_too() {
    let db = Database::shop("text_files_tell_of_gaps_too");
    let directory = directory();
    for (id, format) in [(10, "text"), (20, "raw")] {
        let path = directory.path().join(format);
        let format = ["--format", format, "--until-now"];
        insert(&db, id);
        assert_eq!(
            run(&mut stream_to(&db, &path, &format)).succeeded().stderr,
            ""
        );
        insert(&db, id + 1);
        db.run(&["slot", "advance", db.name()]).succeeded();
        let gap = run(&mut stream_to(&db, &path, &format));
        assert!(
            gap.succeeded().stderr.contains("there is a gap"),
            "{}",
            gap.stderr
        );
    }
}

#[test]
fn what_is_confirmed_is_written_down_before() {
    let db = Database::shop("what_is_confirmed_is_written_down_before");
    db.sql("CREATE TABLE other (v text)");
    let directory = directory();
    let path = directory.path().join("out.json");
    for round in 0..20 {
        let running = spawn(&mut stream_to(&db, &path, &["-F", "0.02", "-s", "0.02"]));
        if round % 2 == 0 {
            insert(&db, round);
        }
        // Nothing for the file: only the server's position moves.
        db.sql("INSERT INTO other VALUES ('x')");
        let target = db.wal_position();
        db.wait_for(&format!(
            "SELECT confirmed_flush_lsn >= '{target}' FROM pg_replication_slots WHERE slot_name = \
             '{}'",
            db.name()
        ));
        running.signal(Signal::KILL);
        assert_eq!(running.wait().stderr, "");
        assert_eq!(take(&db, &path).succeeded().stderr, "", "a false alarm");
    }
}

#[test]
fn a_file_of_another_slot_is_refused() {
    let db = Database::shop("a_file_of_another_slot_is_refused");
    db.sql("SELECT pg_create_logical_replication_slot('the_other_slot', 'pgoutput')");
    let directory = directory();
    let path = directory.path().join("out.json");
    insert(&db, 1);
    take(&db, &path).succeeded();
    let bytes = fs::read(&path).unwrap();
    for more in [&["--peek"][..], &[]] {
        let refused = run(of_slot(&db, "the_other_slot", &path).args(more));
        let reason = format!(
            "it comes from slot \"{0}\" of database \"{0}\", not from slot \"the_other_slot\" of \
             database \"{0}\"",
            db.name()
        );
        assert!(
            refused.exited(1).stderr.contains(&reason),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains("--no-resume"), "{}", refused.stderr);
    }
    let mut temporary = db.walcat(&["stream", "--publication", "p", "--until-now", "--file"]);
    run(temporary.arg(&path)).exited(1);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    // Nothing of the other slot was dropped, and the way out is one.
    run(of_slot(&db, "the_other_slot", &path).arg("--no-resume")).succeeded();
    assert_eq!(ids(&path), [1, 1]);
    insert(&db, 2);
    run(&mut of_slot(&db, "the_other_slot", &path)).succeeded();
    assert_eq!(ids(&path), [1, 1, 2]);
    take(&db, &path).exited(1);
}

#[test]
fn a_file_of_another_database_is_refused() {
    let here = Database::shop("a_file_of_another_database_is_refused_here");
    let there = Database::shop("a_file_of_another_database_is_refused_there");
    insert(&there, 7);
    insert(&here, 1);
    let directory = directory();
    let path = directory.path().join("out.json");
    take(&here, &path).succeeded();
    take(&there, &path).exited(1);
    assert_eq!(ids(&path), [1]);
    let rest = stdout(&there, there.name());
    assert_eq!(rest.succeeded().json()[0]["after"]["id"], 7);
}

#[test]
fn a_file_of_another_server_is_refused_and_an_emptied_one_begins_anew() {
    let (first, second) = (
        Server::start(Options::default()),
        Server::start(Options::default()),
    );
    let (old, new) = (
        Database::shop_on(&first, "rebuilt"),
        Database::shop_on(&second, "rebuilt"),
    );
    let directory = directory();
    let path = directory.path().join("out.json");
    // The WAL of the old one is far ahead.
    old.sql("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i");
    take(&old, &path).succeeded();
    new.sql("INSERT INTO u SELECT i, repeat('x', 100) FROM generate_series(1, 40000) i");
    insert(&new, 1);
    let length = fs::metadata(&path).unwrap().len();
    let refused = take(&new, &path);
    assert!(
        refused.exited(1).stderr.contains("from another server"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), length);
    // Emptied, it keeps its attributes.
    File::create(&path).unwrap();
    assert_eq!(take(&new, &path).succeeded().stderr, "");
    assert_eq!(ids(&path).len(), 40001);
}

#[test]
fn a_file_that_was_cut_from_outside_is_told() {
    let db = Database::shop("a_file_that_was_cut_from_outside_is_told");
    let directory = directory();
    let path = directory.path().join("out.json");
    db.sql("INSERT INTO t VALUES (1), (2)");
    take(&db, &path).succeeded();
    let first = fs::read_to_string(&path).unwrap().find('\n').unwrap() as u64 + 1;
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(first)
        .unwrap();
    let cut = take(&db, &path);
    assert!(
        cut.succeeded().stderr.contains("are missing from its end"),
        "{}",
        cut.stderr
    );
    assert_eq!(take(&db, &path).succeeded().stderr, "");
}

#[test]
fn an_emptied_file_gets_nothing_twice() {
    let server = Server::start(Options::default());
    let db = Database::shop_on(&server, "emptied");
    let directory = directory();
    let path = directory.path().join("out.json");
    insert(&db, 1);
    take(&db, &path).succeeded();
    File::create(&path).unwrap();
    // The server forgets what was confirmed.
    server.kill();
    server.resume();
    db.reconnect();
    insert(&db, 2);
    take(&db, &path).succeeded();
    assert_eq!(ids(&path), [2]);
}

#[test]
fn a_file_that_was_renamed_unseen_is_followed() {
    let db = Database::shop("a_file_that_was_renamed_unseen_is_followed");
    let directory = directory();
    let path = directory.path().join("out.json");
    let renamed = |round: u64| directory.path().join(format!("out-{round}.json"));
    // `nocreate`, `create`, and twice, so that an empty file is the last.
    for (round, (create, twice)) in (0..).zip([(false, false), (true, false), (true, true)]) {
        let first = round * 100;
        db.sql(&format!(
            "INSERT INTO t SELECT generate_series({first}, {first} + 9)"
        ));
        kill_after(&db, &path, 10);
        // The kill came in the middle of a line.
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"op\":\"ins").unwrap();
        fs::rename(&path, renamed(round)).unwrap();
        if create {
            File::create(&path).unwrap();
        }
        if twice {
            insert(&db, first + 10);
            let empty = stream_to(&db, &path, &["--table", "nothing*", "--until-now"]);
            run(&mut { empty }).succeeded();
            fs::rename(&path, directory.path().join("empty")).unwrap();
        }
        insert(&db, first + 11);
        assert_eq!(take(&db, &path).succeeded().stderr, "");
        assert_eq!(
            ids(&renamed(round)),
            (first..first + 10).collect::<Vec<_>>()
        );
        assert_eq!(ids(&path), [first + 11]);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn only_the_file_that_had_the_name_is_followed() {
    let db = Database::shop("only_the_file_that_had_the_name_is_followed");
    db.sql("SELECT pg_create_logical_replication_slot('of_the_same_name', 'pgoutput')");
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    insert(&db, 1);
    // The same slot, another output.
    kill_after(&db, &at("a.json"), 1);
    run(&mut stream_to(
        &db,
        &at("b.json"),
        &["--until-now", "--peek"],
    ))
    .succeeded();
    assert_eq!(ids(&at("b.json")), [1]);
    take(&db, &at("c.json")).succeeded();
    assert_eq!(ids(&at("c.json")), [1]);
    // The same name, another slot.
    fs::rename(at("c.json"), at("d.json")).unwrap();
    run(&mut of_slot(&db, "of_the_same_name", &at("c.json"))).succeeded();
    assert_eq!(ids(&at("c.json")), [1]);
}

#[test]
fn a_file_from_a_timeline_that_was_left_is_refused() {
    let primary = Server::start(Options::default());
    let db = Database::shop_on(&primary, "left");
    let standby = primary.standby(&[]);
    db.reconnect();
    let directory = directory();
    let path = directory.path().join("out.json");
    insert(&db, 1);
    let target = db.wal_position();
    wait_until("the standby to have it", || {
        let mut client = standby.client("postgres");
        let query = format!("SELECT pg_last_wal_replay_lsn() >= '{target}'");
        let there: bool = client.query_one(&query, &[]).unwrap().get(0);
        there.then_some(())
    });
    let mut client = standby.client("postgres");
    client.batch_execute("SELECT pg_promote()").unwrap();
    // The old one goes on by itself, and then is lost.
    insert(&db, 2);
    take(&db, &path).succeeded();
    primary.kill();
    // Its WAL grows beyond the end of the file.
    let mut client = standby.client("left");
    client
        .batch_execute("INSERT INTO t SELECT i, 'x' FROM generate_series(100, 20000) i")
        .unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(b"{\"op\":\"ins").unwrap();
    let mut command = db.walcat(&[
        "stream",
        "-S",
        "left",
        "--publication",
        "p",
        "--until-now",
        "--file",
        path.to_str().unwrap(),
    ]);
    command
        .env("PGHOST", standby.socket_directory())
        .env("PGPORT", standby.port().to_string());
    let refused = run(&mut command);
    refused.exited(1);
    for part in [
        "could not go on in file",
        "is on timeline 2, and timeline 1",
    ] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    assert_eq!(fs::read(&path).unwrap().len(), bytes.len() + 10, "touched");
}
