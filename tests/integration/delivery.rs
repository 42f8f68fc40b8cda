//! What is confirmed to the server, and when: after a clean end the next run repeats nothing, and
//! nothing is confirmed that is not safe.

use crate::support::*;
use rustix::process::Signal;
use std::process::Command;

/// Nothing is reported to the server by chance.
fn stream_without_reports(db: &Database<'_>, more: &[&str]) -> Command {
    let mut command = db.stream(&["-F", "1000"]);
    command.args(more);
    if !more.contains(&"-s") {
        command.args(["-s", "1000"]);
    }
    command
}

fn ids(run: &Finished) -> Vec<u64> {
    run.succeeded()
        .json()
        .iter()
        .map(|event| event["after"]["id"].as_u64().unwrap())
        .collect()
}

/// What a further run finds.
fn rest(db: &Database<'_>) -> Vec<u64> {
    ids(&run(&mut stream_without_reports(db, &["--until-now"])))
}

fn confirmed(db: &Database<'_>) -> String {
    db.value(&format!(
        "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ))
}

#[test]
fn whatever_ends_a_run_the_next_repeats_nothing() {
    let db = Database::shop("whatever_ends_a_run_the_next_repeats_nothing");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    let file = ["-f", path.to_str().unwrap()];
    let mut next = 0;
    let mut lines = 0;
    for to_file in [false, true] {
        for how in [
            "--until-now",
            "--limit=2",
            "--timeout=5",
            "--endpos",
            "INT",
            "TERM",
        ] {
            next += 2;
            db.sql(&format!("INSERT INTO t VALUES ({}), ({next})", next - 1));
            let mut command = stream_without_reports(&db, if to_file { &file } else { &[] });
            let finished = match how {
                "INT" | "TERM" => {
                    let mut running = spawn(&mut command);
                    if to_file {
                        wait_until("both rows", || {
                            let text = std::fs::read_to_string(&path).ok()?;
                            (text.lines().count() == lines + 2).then_some(())
                        });
                    } else {
                        for _ in 0..2 {
                            running.line();
                        }
                    }
                    running.signal(if how == "INT" {
                        Signal::INT
                    } else {
                        Signal::TERM
                    });
                    running.wait()
                }
                "--endpos" => run(command.args(["--endpos", &db.wal_position()])),
                _ => run(command.arg(how)),
            };
            finished.succeeded();
            if to_file {
                lines += 2;
                assert_eq!(
                    std::fs::read_to_string(&path).unwrap().lines().count(),
                    lines,
                    "{how}"
                );
            } else {
                assert_eq!(ids(&finished), [next - 1, next], "{how}");
            }
            assert_eq!(rest(&db), [0; 0], "{how} to file: {to_file}");
        }
    }
}

#[test]
fn a_stop_within_a_huge_transaction_confirms_what_came_before() {
    for (name, host) in [("socket", None), ("tcp", Some("127.0.0.1"))] {
        let db = Database::shop(&format!("a_stop_within_a_huge_transaction_{name}"));
        db.sql("INSERT INTO t VALUES (0)");
        db.sql("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 300000) i");
        let interrupted = || {
            let mut command = stream_without_reports(&db, &[]);
            if let Some(host) = host {
                command.env("PGHOST", host);
            }
            let mut running = spawn(&mut command);
            (0..2).for_each(|_| _ = running.line());
            let ids = ids(&running.interrupt());
            (ids[0], ids.len())
        };
        let (first, count) = interrupted();
        assert!(first == 0 && count < 300_000, "{name}: {first} {count}");
        let (first, count) = interrupted();
        assert!(first == 1 && count < 300_000, "{name}: {first} {count}");
        assert_eq!(rest(&db).len(), 300_000, "{name}: a part was confirmed");
    }
}

#[test]
fn a_limit_takes_whole_transactions_unless_the_output_can_go_on_within() {
    let db = Database::shop("a_limit_takes_whole_transactions");
    for id in [10, 20] {
        db.sql(&format!(
            "INSERT INTO t VALUES ({id}), ({id} + 1), ({id} + 2)"
        ));
    }
    let limited = |more: &[&str]| {
        let limit = [&["--limit", "2"], more].concat();
        ids(&run(&mut stream_without_reports(&db, &limit)))
    };
    // What does not move can be cut anywhere.
    assert_eq!(limited(&["--peek"]), [10, 11]);
    let raw = run(&mut stream_without_reports(
        &db,
        &["--limit", "1", "--peek", "--format", "raw"],
    ));
    assert_eq!(decoded(&db, &raw.succeeded().stdout).len(), 1);
    assert_eq!(limited(&[]), [10, 11, 12]);
    // A file that is only appended to can not go on within a transaction.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
    let file = ["-f", path.to_str().unwrap()];
    limited(&[&file[..], &["--no-resume", "--peek"]].concat());
    assert_eq!(lines(), 2);
    std::fs::remove_file(&path).unwrap();
    limited(&file);
    assert_eq!(lines(), 2);
    run(stream_without_reports(&db, &["--until-now"]).args(file)).succeeded();
    assert_eq!(lines(), 3);
    assert_eq!(rest(&db), [0; 0]);
    db.sql("INSERT INTO t VALUES (30), (31), (32)");
    let raw = run(&mut stream_without_reports(
        &db,
        &["--limit", "2", "--format", "raw"],
    ));
    assert_eq!(decoded(&db, &raw.succeeded().stdout).len(), 3);
    db.sql("TRUNCATE t");
    db.sql("TRUNCATE t, u");
    run(&mut stream_without_reports(&db, &["--until-now"])).succeeded();
    db.sql("TRUNCATE t, u");
    let raw = run(&mut stream_without_reports(
        &db,
        &["--limit", "1", "--format", "raw"],
    ));
    assert_eq!(decoded(&db, &raw.succeeded().stdout).len(), 2);
}

/// What `decode` makes of the output of `--format raw`.
fn decoded(db: &Database<'_>, raw: &[u8]) -> Vec<serde_json::Value> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("raw");
    std::fs::write(&path, raw).unwrap();
    db.run(&["decode", path.to_str().unwrap()])
        .succeeded()
        .json()
}

#[test]
fn a_limit_waits_for_streamed_transactions_to_be_decided() {
    let server = Server::start(Options {
        settings: &[("logical_decoding_work_mem", "64kB")],
        ..Options::default()
    });
    let db = Database::shop_on(&server, "limit_streamed");
    db.sql("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 2000) i");
    db.sql("INSERT INTO t VALUES (9000)");
    let limited = stream_without_reports(&db, &["--streaming", "on", "--limit", "2"]);
    let ops = |mut command: Command| -> Vec<String> {
        let run = run(&mut command);
        let op = |event: &serde_json::Value| event["op"].as_str().unwrap().to_owned();
        run.succeeded().json().iter().map(op).collect()
    };
    let ops = ops(limited);
    let inserts = ops.iter().filter(|op| *op == "insert").count();
    assert_eq!(
        (inserts, ops.last().unwrap().as_str()),
        (2000, "stream_commit")
    );
    assert_eq!(rest(&db), [9000]);
}

#[test]
fn until_now_has_what_committed_asynchronously() {
    let server = Server::start(Options {
        settings: &[("wal_writer_delay", "1s")],
        ..Options::default()
    });
    let db = Database::shop_on(&server, "asynchronous");
    let mut open = db.client();
    for id in 1..=5 {
        db.sql(&format!(
            "SET synchronous_commit = off; INSERT INTO t VALUES ({id})"
        ));
        assert_eq!(rest(&db), [id]);
        // What is inserted by a transaction that goes on is not waited for.
        open.batch_execute(&format!("BEGIN; INSERT INTO t VALUES (-{id})"))
            .unwrap();
        assert_eq!(rest(&db), [0; 0]);
        open.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn what_a_reader_has_not_taken_is_not_reported_as_written() {
    let server = Server::start(Options::default());
    let db = Database::shop_on(&server, "written");
    let start = db.wal_position();
    db.sql("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i");
    let end = db.wal_position();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = stream_without_reports(&db, &["-s", "0.1"])
        .stdout(writer)
        .spawn()
        .unwrap();
    let walsender = "FROM pg_stat_replication JOIN pg_stat_activity USING (pid) WHERE pid = \
                     (SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'written')";
    let reported = |condition: &str| db.wait_for(&format!("SELECT {condition} {walsender}"));
    reported("wait_event = 'WalSenderWriteData'");
    let full = db.value(&format!("SELECT clock_timestamp() {walsender}"));
    reported(&format!("reply_time > '{full}'"));
    // The pipe holds 64 kB, and walcat a MiB.
    let little = format!("write_lsn < '{start}'::pg_lsn + 300000");
    assert_eq!(db.value(&format!("SELECT {little} {walsender}")), "t");
    drop(std::thread::spawn(move || {
        std::io::copy(&mut { reader }, &mut std::io::sink())
    }));
    reported(&format!("write_lsn >= '{end}'"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_end_at_a_commit_confirms_it_though_the_server_sends_on() {
    let db = Database::shop("an_end_at_a_commit_confirms_it_though_the_server_sends_on");
    db.sql("INSERT INTO t VALUES (0)");
    db.sql("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 300000) i");
    assert_eq!(
        ids(&run(&mut stream_without_reports(&db, &["--limit", "1"]))),
        [0]
    );
    assert_eq!(rest(&db).first(), Some(&1));
}

#[test]
fn a_message_outside_transactions_is_confirmed_too() {
    let db = Database::shop("a_message_outside_transactions_is_confirmed_too");
    db.sql(
        "SELECT pg_logical_emit_message(false, 'p', 'one'); SELECT \
            pg_logical_emit_message(false, 'p', 'two')",
    );
    for content in ["one", "two"] {
        let run = run(&mut stream_without_reports(
            &db,
            &["--messages", "--limit", "1"],
        ));
        assert_eq!(run.succeeded().json()[0]["content"], content);
    }
}

#[test]
fn an_idle_slot_does_not_hold_wal_back() {
    let db = Database::shop("an_idle_slot_does_not_hold_wal_back");
    db.sql("CREATE TABLE other (v text)");
    let running = spawn(&mut stream_without_reports(&db, &["-s", "0.1"]));
    db.sql("INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 1000)");
    let target = db.wal_position();
    db.wait_for(&format!(
        "SELECT confirmed_flush_lsn >= '{target}' FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ));
    assert_eq!(running.interrupt().succeeded().text(), "");
}

#[test]
fn a_peek_moves_nothing() {
    let db = Database::shop("a_peek_moves_nothing");
    db.sql("INSERT INTO t VALUES (1)");
    let before = confirmed(&db);
    let mut running = spawn(&mut stream_without_reports(&db, &["--peek", "-s", "0.05"]));
    running.line();
    db.sql("INSERT INTO t VALUES (2)");
    running.line();
    // Something to be idle at.
    db.sql("CREATE TABLE other (v text)");
    let target = db.wal_position();
    db.wait_for(&format!(
        "SELECT bool_or(write_lsn >= '{target}') FROM pg_stat_replication WHERE pid = (SELECT
        active_pid FROM pg_replication_slots WHERE slot_name = '{}')",
        db.name()
    ));
    running.interrupt().succeeded();
    assert_eq!(confirmed(&db), before);
    assert_eq!(
        ids(&run(&mut stream_without_reports(
            &db,
            &["--peek", "--until-now"]
        ))),
        [1, 2]
    );
    assert_eq!(confirmed(&db), before);
    assert_eq!(rest(&db), [1, 2]);
}

#[test]
fn the_end_position_is_met_to_the_transaction() {
    let db = Database::shop("the_end_position_is_met_to_the_transaction");
    for id in 1..=3 {
        db.sql(&format!("INSERT INTO t VALUES ({id}0), ({id}1)"));
    }
    let all = run(&mut stream_without_reports(&db, &["--peek", "--until-now"]));
    let events = all.succeeded().json();
    let lsn = |row: usize, key: &str| events[row][key].as_str().unwrap().to_owned();
    let until = |position: &str| {
        ids(&run(&mut stream_without_reports(
            &db,
            &["--peek", "--endpos", position],
        )))
    };
    assert_eq!(
        until(&lsn(3, "lsn")),
        [10, 11],
        "in the middle of the second transaction"
    );
    assert_eq!(
        until(&lsn(3, "commit_lsn")),
        [10, 11, 20, 21],
        "at the commit of the second"
    );
    let next = db.value(&format!("SELECT '{}'::pg_lsn + 1", lsn(3, "commit_lsn")));
    assert_eq!(
        until(&next),
        [10, 11, 20, 21],
        "within the commit record of the second"
    );
    let before = db.value(&format!("SELECT '{}'::pg_lsn - 1", lsn(3, "commit_lsn")));
    assert_eq!(
        until(&before),
        [10, 11],
        "just before the commit of the second"
    );
    assert_eq!(
        until(&db.wal_position()),
        [10, 11, 20, 21, 30, 31],
        "at the end"
    );
    assert_eq!(until("0/1"), [0; 0], "behind the slot");
    // As often as you like: whether the server has sent what starts at the position must not depend
    // on luck.
    for _ in 0..20 {
        assert_eq!(until(&lsn(5, "commit_lsn")).len(), 6);
    }
}

#[test]
fn an_end_position_yet_to_come_is_waited_for() {
    let db = Database::shop("an_end_position_yet_to_come_is_waited_for");
    let target = db.value("SELECT pg_current_wal_lsn() + 1000000");
    let mut running = spawn(&mut stream_without_reports(&db, &["--endpos", &target]));
    db.sql("INSERT INTO t VALUES (1)");
    running.line();
    assert!(!running.has_ended());
    db.sql("CREATE TABLE other AS SELECT repeat('x', 1000) FROM generate_series(1, 1500)");
    assert_eq!(ids(&running.wait()), [1]);
}

#[test]
fn until_now_on_an_idle_server_ends_at_once() {
    // A temporary slot would wait for the transactions of other tests.
    let server = Server::start(Options::default());
    let db = Database::shop_on(&server, "idle");
    assert_eq!(rest(&db), [0; 0]);
    assert_eq!(rest(&db), [0; 0]);
    assert_eq!(
        ids(&db.run(&["stream", "--publication", "p", "--until-now"])),
        [0; 0]
    );
}

#[test]
fn a_reader_that_leaves_an_idle_stream_ends_it() {
    let db = Database::shop("a_reader_that_leaves_an_idle_stream_ends_it");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = stream_without_reports(&db, &[])
        .stdout(writer)
        .spawn()
        .unwrap();
    db.wait_for(&format!(
        "SELECT active FROM pg_replication_slots WHERE slot_name = '{}'",
        db.name()
    ));
    drop(reader);
    let status = wait_until("the end of the program", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_server_that_shuts_down_need_not_wait_for_the_next_fsync() {
    let server = Server::start(Options::default());
    let db = Database::shop_on(&server, "shut");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    let mut running = spawn(&mut stream_without_reports(
        &db,
        &["-n", "-f", path.to_str().unwrap()],
    ));
    db.sql("INSERT INTO t VALUES (1)");
    wait_until("the row", || {
        (std::fs::metadata(&path).ok()?.len() > 0).then_some(())
    });
    server.stop(Stop::Fast);
    wait_until("the end of the program", || {
        running.has_ended().then_some(())
    });
    running.wait().exited(1);
}
