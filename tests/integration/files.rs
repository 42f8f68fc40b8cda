//! Output files: a JSON file holds every change exactly once, whatever happened to the run that
//! wrote it; other people's files are left alone.

use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// `walcat stream` into this file.
pub fn stream_to(db: &Database<'_>, path: &Path, more: &[&str]) -> Command {
    let mut command = db.stream(&[]);
    command.arg("--file").arg(path).args(more);
    command
}

/// A directory on a disk: not every file system in memory has extended attributes.
pub fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

pub fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "the last line is incomplete"
    );
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

pub fn ids(path: &Path) -> Vec<u64> {
    events(path)
        .iter()
        .map(|event| event["after"]["id"].as_u64().unwrap())
        .collect()
}

pub fn wait_for_lines(path: &Path, count: usize) {
    let lines =
        || fs::read(path).map_or(0, |text| text.iter().filter(|&&byte| byte == b'\n').count());
    wait_until(&format!("{count} lines"), || {
        (lines() >= count).then_some(())
    });
}

#[test]
fn a_new_file_is_the_owners_alone() {
    let db = Database::shop("a_new_file_is_the_owners_alone");
    let directory = directory();
    let path = directory.path().join("out.json");
    run(&mut stream_to(&db, &path, &["--until-now"])).succeeded();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_file_goes_on_wherever_it_was_cut() {
    let db = Database::shop("a_file_goes_on_wherever_it_was_cut");
    let directory = directory();
    for id in 0..3 {
        db.sql(&format!(
            "INSERT INTO t VALUES ({id}, 'a'); INSERT INTO u VALUES ({id}, 'b'); UPDATE t SET v = \
             'c'
            WHERE id = {id}; DELETE FROM u WHERE id = {id}"
        ));
    }
    db.sql(
        "INSERT INTO t SELECT i, repeat('x', 30) FROM generate_series(10, 20000) i; INSERT INTO \
            u VALUES (10, 'y')",
    );
    db.sql("INSERT INTO u VALUES (20, 'z')");
    let mut random = Random::new(4);
    for (round, options) in [
        &[][..],
        &["--include", "transactions,relations"],
        &[
            "--include",
            "transactions",
            "--table",
            "public.t:insert,update",
            "--table",
            "!public.u",
        ],
        &["--op", "delete,update"],
        &["--table", "u", "--include", "relations"],
    ]
    .iter()
    .enumerate()
    {
        let options = [*options, &["--peek", "--until-now"]].concat();
        let whole = directory.path().join(format!("whole{round}.json"));
        run(&mut stream_to(&db, &whole, &options)).succeeded();
        let bytes = fs::read(&whole).unwrap();
        let length = bytes.len() as u64;
        let first_line = bytes.iter().position(|&byte| byte == b'\n').unwrap() as u64 + 1;
        let mut cuts = vec![
            0,
            1,
            first_line - 1,
            first_line,
            first_line + 1,
            length - 1,
            length,
        ];
        cuts.extend((0..5).map(|_| random.within(0..length)));
        // The small transactions are all at the beginning.
        cuts.extend((0..3).map(|_| random.within(0..length.min(4000))));
        for cut in cuts {
            let path = directory.path().join("cut.json");
            fs::write(&path, &bytes[..cut as usize]).unwrap();
            run(&mut stream_to(&db, &path, &options)).succeeded();
            let again = fs::read(&path).unwrap();
            let (again, once) = (without_relations(&again), without_relations(&bytes));
            assert!(
                again == once,
                "{options:?} cut at {cut}: {} and {} bytes",
                again.len(),
                once.len()
            );
        }
    }
}

/// Every run announces the tables that it shows.
fn without_relations(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    lines
        .filter(|line| !line.starts_with(b"{\"op\":\"relation\""))
        .flatten()
        .copied()
        .collect()
}

#[test]
fn a_kill_repeats_and_loses_nothing() {
    let db = Database::shop("a_kill_repeats_and_loses_nothing");
    let directory = directory();
    let path = directory.path().join("out.json");
    db.sql("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 100000) i");
    for lines in [1, 30_000, 60_000] {
        let running = spawn(&mut stream_to(&db, &path, &[]));
        wait_for_lines(&path, lines);
        running.signal(Signal::KILL);
        assert!(!running.wait().status.success());
    }
    db.sql("INSERT INTO t VALUES (100001)");
    run(&mut stream_to(&db, &path, &["--until-now"])).succeeded();
    assert_eq!(ids(&path), (1..=100_001).collect::<Vec<u64>>());
}

#[test]
fn a_file_may_end_with_what_wal2json_could_not_write() {
    let db = Database::shop("a_file_may_end_with_what_wal2json_could_not");
    // Until 2.6 the plugin takes a name of a type that begins with a quote for all in quotes.
    db.sql(r#"CREATE SCHEMA "Odd"; CREATE TYPE "Odd"."Type" AS ENUM ('x'); CREATE TABLE odd (v "Odd"."Type")"#);
    db.sql(&format!("SELECT pg_drop_replication_slot('{}')", db.name()));
    db.create_slot("wal2json");
    // What follows takes the message to the disk, and shows nothing itself.
    db.sql("SELECT pg_logical_emit_message(false, 'test', '\\xff41'::bytea)");
    db.sql("CREATE TABLE w ()");
    let directory = directory();
    let path = directory.path().join("out.json");
    let arguments = [
        "stream",
        "-S",
        db.name(),
        "--peek",
        "--until-now",
        "--messages",
        "--file",
        path.to_str().unwrap(),
    ];
    let ops = || {
        // Once more changes nothing.
        for _ in 0..2 {
            db.run(&arguments).succeeded();
        }
        let events = events(&path);
        events
            .iter()
            .map(|event| event["op"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ops(), ["message"]);
    assert_eq!(events(&path)[0]["content_base64"], "/0E=");
    db.sql("INSERT INTO odd VALUES ('x')");
    let found = ops();
    assert!(
        found == ["message", "undecodable"] || found == ["message", "insert"],
        "{found:?}"
    );
    db.sql("INSERT INTO t VALUES (1)");
    assert_eq!(ops(), [&found[..], &["insert".to_owned()]].concat());
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let db = Database::shop("a_file_that_is_not_ours_is_left_alone");
    db.sql("INSERT INTO t VALUES (1)");
    let directory = directory();
    let path = directory.path().join("notes.txt");
    let ahead = r#"{"op":"insert","commit_lsn":"FFFFFFF/0","seq":0}"#;
    for (content, reason) in [
        ("a shopping list", "is no event of walcat's"),
        ("a shopping list\n", "is no event of walcat's"),
        ("{\"op\":\"sell\"}\n", "is no event of walcat's"),
        ("{\"op\":\"insert\"}\n", "names no position"),
        (
            "{\"op\":\"login\",\"user\":\"ann\"}",
            "is no event of walcat's",
        ),
        (&"\0".repeat(100_000), "is no event of walcat's"),
        (&format!("{ahead}\n"), "the server's WAL already at"),
        (
            &format!("{ahead}\n{{\"op\":\"inse"),
            "the server's WAL already at",
        ),
    ] {
        fs::write(&path, content).unwrap();
        let run = run(&mut stream_to(&db, &path, &["--until-now"]));
        run.exited(1);
        assert!(run.stderr.contains(reason), "{content}: {}", run.stderr);
        assert!(run.stderr.contains("--no-resume"), "{}", run.stderr);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    let mut elsewhere = db.walcat(&[
        "stream",
        "-S",
        "of_nobody",
        "--create-slot",
        "--publication",
        "p",
        "--file",
    ]);
    run(elsewhere.arg(&path)).exited(1);
    assert_eq!(
        db.value("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'of_nobody'"),
        "0"
    );
    fs::write(&path, "a shopping list").unwrap();
    run(&mut stream_to(&db, &path, &["--until-now", "--no-resume"])).succeeded();
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("a shopping list\n{\"op\":\"insert\""),
        "{text}"
    );
}

#[test]
fn a_file_has_one_writer() {
    let db = Database::shop("a_file_has_one_writer");
    db.sql("SELECT pg_create_logical_replication_slot('the_second', 'pgoutput')");
    let directory = directory();
    let path = directory.path().join("out.json");
    let running = spawn(&mut stream_to(&db, &path, &[]));
    db.sql("INSERT INTO t VALUES (1)");
    wait_for_lines(&path, 1);
    let mut second = db.walcat(&[
        "stream",
        "-S",
        "the_second",
        "--publication",
        "p",
        "--until-now",
        "--file",
    ]);
    let second = run(second.arg(&path));
    second.exited(1);
    assert!(
        second.stderr.contains("another walcat is writing it"),
        "{}",
        second.stderr
    );
    running.interrupt().succeeded();
    assert_eq!(ids(&path), [1]);
}

#[test]
fn what_is_no_regular_file_is_a_pipe() {
    let db = Database::shop("what_is_no_regular_file_is_a_pipe");
    let directory = directory();
    let path = directory.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    // Nobody reads it yet: Ctrl-C ends the waiting.
    let running = spawn(&mut stream_to(&db, &path, &["-v"]));
    db.wait_for(&format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = '{}' AND application_name = \
         'walcat'
            AND query LIKE '%pg_control_system%'",
        db.name()
    ));
    running.interrupt().succeeded();
    db.sql("INSERT INTO t VALUES (1), (2)");
    let running = spawn(&mut stream_to(&db, &path, &["--until-now"]));
    let lines = fs::read_to_string(&path).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    running.wait().succeeded();
    db.sql("INSERT INTO t VALUES (3)");
    let out = run(&mut stream_to(
        &db,
        Path::new("/dev/stdout"),
        &["--until-now"],
    ));
    assert_eq!(out.succeeded().json()[0]["after"]["id"], 3);
}

#[test]
fn standard_output_may_be_a_file() {
    let db = Database::shop("standard_output_may_be_a_file");
    let directory = directory();
    for (id, arguments) in [(1, &[][..]), (2, &["--file", "/dev/stdout"])] {
        db.sql(&format!("INSERT INTO t VALUES ({id})"));
        let path = directory.path().join("out.json");
        let mut command = db.walcat(&[
            "stream",
            "-S",
            db.name(),
            "--publication",
            "p",
            "-F",
            "1000",
            "-s",
            "1000",
        ]);
        let file = File::options().append(true).create(true).open(&path);
        let mut child = command
            .args(arguments)
            .stdout(file.unwrap())
            .spawn()
            .unwrap();
        wait_for_lines(&path, id);
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT)
            .unwrap();
        assert_eq!(
            wait_until("the end of the program", || child.try_wait().unwrap()).code(),
            Some(0)
        );
        assert_eq!(ids(&path), (1..=id as u64).collect::<Vec<_>>());
    }
    let rest = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ]);
    assert_eq!(rest.succeeded().text(), "");
}

/// The program where no file may grow beyond 100 blocks of 512 bytes. What it says of a full disk,
/// /dev/full shows elsewhere.
fn on_a_small_disk(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 100; exec \"$@\"", "sh"]);
    shell
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    shell.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    shell
}

#[test]
fn a_full_disk_ends_the_stream_and_the_next_run_mends_the_file() {
    let db = Database::shop("a_full_disk_ends_the_stream_and_the_next_run_mends");
    let directory = directory();
    let path = directory.path().join("out.json");
    for first in [1, 1001] {
        let last = first + 999;
        db.sql(&format!(
            "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series({first}, {last}) i"
        ));
    }
    for _ in 0..2 {
        let full = run(&mut on_a_small_disk(&stream_to(
            &db,
            &path,
            &["--until-now"],
        )));
        full.exited(1);
        assert!(
            full.stderr.contains("could not write to file"),
            "{}",
            full.stderr
        );
        assert!(fs::read_to_string(&path).unwrap().lines().count() < 2000);
    }
    run(&mut stream_to(&db, &path, &["--until-now"])).succeeded();
    assert_eq!(ids(&path), (1..=2000).collect::<Vec<u64>>());
}

#[test]
fn a_file_that_goes_away_ends_the_stream_unconfirmed() {
    let db = Database::shop("a_file_that_goes_away_ends_the_stream_unconfirmed");
    let directory = directory();
    let folder = directory.path().join("folder");
    let path = folder.join("out.json");
    for (id, folder_too) in [(1, false), (3, true)] {
        fs::create_dir_all(&folder).unwrap();
        let running = spawn(&mut stream_to(&db, &path, &["-F", "0.1", "-s", "0.1"]));
        db.sql(&format!("INSERT INTO t VALUES ({id})"));
        let confirmed = db.wal_position();
        db.wait_for(&format!(
            "SELECT confirmed_flush_lsn >= '{confirmed}' FROM pg_replication_slots WHERE slot_name \
             = '{}'",
            db.name()
        ));
        if folder_too {
            fs::remove_dir_all(&folder)
        } else {
            fs::remove_file(&path)
        }
        .unwrap();
        db.sql(&format!("INSERT INTO t VALUES ({id} + 1)"));
        let finished = running.wait();
        finished.exited(1);
        assert!(
            finished.stderr.contains("it was removed"),
            "{}",
            finished.stderr
        );
        fs::create_dir_all(&folder).unwrap();
        run(&mut stream_to(&db, &path, &["--until-now"])).succeeded();
        assert_eq!(
            ids(&path),
            [id + 1],
            "only what was confirmed is gone with the file"
        );
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let db = Database::shop("a_file_that_cannot_be_opened_is_named");
    let directory = directory();
    // Not even root may write there.
    let closed = Path::new("/proc/sys/kernel/osrelease");
    let missing = directory.path().join("missing/out.json");
    for (path, reason) in [
        (closed, "ermission denied"),
        (&missing, "No such file or directory"),
        (directory.path(), "Is a directory"),
    ] {
        let run = run(&mut stream_to(&db, path, &["--until-now"]));
        run.exited(1);
        assert!(
            run.stderr
                .contains(&format!("could not open file \"{}\"", path.display())),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains(reason), "{}", run.stderr);
    }
}

#[test]
fn rotation_waits_for_the_end_of_the_transaction() {
    let db = Database::shop("rotation_waits_for_the_end_of_the_transaction");
    let directory = directory();
    let (path, old) = (
        directory.path().join("out.json"),
        directory.path().join("out.json.1"),
    );
    let running = spawn(&mut stream_to(&db, &path, &["--include", "transactions"]));
    db.sql("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 50000) i");
    wait_for_lines(&path, 1);
    fs::rename(&path, &old).unwrap();
    running.signal(Signal::HUP);
    running.wait_for_stderr("reopened the output file");
    db.sql("INSERT INTO t VALUES (50001)");
    wait_for_lines(&path, 3);
    running.interrupt().succeeded();
    let (before, after) = (events(&old), events(&path));
    assert_eq!((before.len(), after.len()), (50002, 3));
    assert_eq!(
        (&before[50001]["op"], &after[0]["op"]),
        (&"commit".into(), &"begin".into())
    );
    assert_eq!(after[1]["after"]["id"], 50001);
}

#[test]
fn what_the_old_file_holds_never_comes_to_the_new_one() {
    let server = Server::start(Options::default());
    let db = Database::shop_on(&server, "rotated");
    let directory = directory();
    let (path, old) = (
        directory.path().join("out.json"),
        directory.path().join("out.json.1"),
    );
    let running = spawn(&mut stream_to(&db, &path, &[]));
    db.sql("INSERT INTO t SELECT generate_series(1, 10)");
    wait_for_lines(&path, 10);
    fs::rename(&path, &old).unwrap();
    running.signal(Signal::HUP);
    running.wait_for_stderr("reopened the output file");
    running.signal(Signal::KILL);
    running.wait();
    // The server forgets what was confirmed.
    server.kill();
    server.resume();
    db.reconnect();
    let sent_again = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--peek",
        "--until-now",
    ]);
    assert_eq!(sent_again.succeeded().json().len(), 10);
    run(&mut stream_to(&db, &path, &["--until-now"])).succeeded();
    db.sql("INSERT INTO t VALUES (11)");
    run(&mut stream_to(&db, &path, &["--until-now"])).succeeded();
    assert_eq!((ids(&old), ids(&path)), ((1..=10).collect(), vec![11]));
}

#[test]
fn a_file_is_rotated_while_the_server_is_away() {
    let server = Server::start(Options::default());
    let db = Database::shop_on(&server, "away");
    let directory = directory();
    let (path, old) = (
        directory.path().join("out.json"),
        directory.path().join("out.json.1"),
    );
    let running = spawn(&mut stream_to(&db, &path, &[]));
    db.sql("INSERT INTO t VALUES (1)");
    wait_for_lines(&path, 1);
    server.kill();
    running.wait_for_stderr("trying again");
    fs::rename(&path, &old).unwrap();
    running.signal(Signal::HUP);
    running.wait_for_stderr("reopened the output file");
    server.resume();
    db.reconnect();
    db.sql("INSERT INTO t VALUES (2)");
    wait_for_lines(&path, 1);
    running.interrupt().succeeded();
    assert_eq!((ids(&old), ids(&path)), (vec![1], vec![2]));
}

#[test]
fn a_new_slot_cannot_fill_the_gap_behind_an_old_file() {
    let db = Database::shop("a_new_slot_cannot_fill_the_gap_behind_an_old_file");
    let directory = directory();
    let path = directory.path().join("out.json");
    db.sql("INSERT INTO t VALUES (1)");
    run(&mut stream_to(&db, &path, &["--until-now"])).succeeded();
    db.sql(&format!("SELECT pg_drop_replication_slot('{}')", db.name()));
    db.sql("INSERT INTO t VALUES (2)");
    let gap = run(&mut stream_to(
        &db,
        &path,
        &["--until-now", "--create-slot"],
    ));
    assert!(
        gap.succeeded().stderr.contains("warning: the slot is new"),
        "{}",
        gap.stderr
    );
}
