//! The harness itself: what the other tests rely on.

use crate::support::*;
use std::process::Command;

#[test]
fn a_database_has_its_own_slots() {
    let name = "a_database_has_its_own_slots";
    let db = Database::create(name);
    db.create_slot("pgoutput");
    db.wait_for(&format!(
        "SELECT count(*) = 1 FROM pg_replication_slots WHERE slot_name = '{name}'"
    ));
    drop(db);
    let other = Database::create("after_a_database_has_its_own_slots");
    assert_eq!(
        other.value(&format!(
            "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{name}'"
        )),
        "0"
    );
}

#[test]
fn the_server_has_the_wanted_plugins() {
    let db = Database::create("the_server_has_the_wanted_plugins");
    for plugin in plugins() {
        db.sql(&format!(
            "SELECT pg_create_logical_replication_slot('of_{plugin}', '{plugin}')"
        ));
    }
}

#[test]
fn a_server_survives_kills_and_has_standbys() {
    let server = Server::start(Options {
        settings: &[("work_mem", "1234kB")],
        ..Options::default()
    });
    let db = Database::create_on(&server, "of_its_own");
    assert_eq!(db.value("SHOW work_mem"), "1234kB");
    server.kill();
    server.resume();
    db.reconnect();
    db.sql("CREATE TABLE t AS SELECT 1 AS one");
    let standby = server.standby(&[]);
    assert!(
        standby
            .client("of_its_own")
            .query_one("SELECT pg_is_in_recovery() FROM t", &[])
            .unwrap()
            .get::<_, bool>(0)
    );
}

#[test]
fn a_program_is_read_line_by_line() {
    let mut running = spawn(Command::new("sh").args([
        "-c",
        "echo one; read answer; echo $answer >&2; echo two; exit 3",
    ]));
    assert_eq!(running.line(), "one\n");
    std::io::Write::write_all(&mut running.take_stdin(), b"answer\n").unwrap();
    running.wait_for_stderr("answer\n");
    let finished = running.wait();
    assert_eq!(finished.exited(3).text(), "one\ntwo\n");
}
