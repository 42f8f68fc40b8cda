//! A reader that stops reading: the connection lives, memory stays bounded, and everything arrives
//! in order when it goes on.

use crate::support::*;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const ROWS: u64 = 300_000;

/// A program that nobody waits for. Dropped, it is killed.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kilobytes(pid: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn patience(name: &str, host: Option<&str>, output: &[&str]) {
    let server = Server::start(Options {
        settings: &[("wal_sender_timeout", "3s")],
        ..Options::default()
    });
    let db = Database::create_on(&server, name);
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION p FOR TABLE t");
    db.create_slot("pgoutput");
    db.sql(&format!(
        "INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, {ROWS}) i"
    ));
    db.sql("INSERT INTO t VALUES (0)");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command: Command = db.walcat(&[
        "stream",
        "-n",
        "-S",
        name,
        "--publication",
        "p",
        "--until-now",
    ]);
    if let Some(host) = host {
        command.env("PGHOST", host);
    }
    let mut child = Killed(
        command
            .args(output)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    drop(command);
    let walsender = || {
        db.maybe_value(&format!(
            "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{name}'"
        ))
    };
    let before = wait_until("the stream", walsender);
    // The point is that time passes, several times wal_sender_timeout, and that the server goes on
    // hearing from a program whose output nobody reads.
    let since = db.value("SELECT clock_timestamp()");
    db.wait_for(&format!(
        "SELECT reply_time > '{since}'::timestamptz + interval '9 s' FROM pg_stat_replication"
    ));
    assert_eq!(walsender(), Some(before), "the connection was lost");
    let mut expected = (1..=ROWS).chain([0]);
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap();
        let id = expected
            .next()
            .unwrap_or_else(|| panic!("one too many: {line}"));
        assert!(
            line.contains(&format!("\"after\":{{\"id\":{id},")),
            "{id}: {line}"
        );
        if id == ROWS - 10_000 {
            // More is to come than a pipe holds: the process still lives.
            let peak = kilobytes(child.0.id(), "VmHWM");
            // 10 MiB is what is promised of the release build; the code of this one is larger.
            assert!(peak < 12 << 10, "{peak} kB");
        }
    }
    assert_eq!(expected.next(), None);
    let status = wait_until("the end of the program", || child.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_stopped_reader_costs_neither_the_connection_nor_memory() {
    patience("stopped_socket", None, &[]);
}

#[test]
fn a_stopped_reader_costs_nothing_over_tcp() {
    patience("stopped_tcp", Some("127.0.0.1"), &["-f", "/dev/stdout"]);
}
