//! Streaming from a physical standby.

use crate::support::*;
use serde_json::Value;
use std::process::Command;

fn on(server: &Server, db: &Database<'_>, arguments: &[&str]) -> Command {
    let mut command = db.walcat(arguments);
    command
        .env("PGHOST", server.socket_directory())
        .env("PGPORT", server.port().to_string());
    command
}

#[test]
fn a_standby_streams_what_its_primary_commits() {
    let primary = Server::start(Options::default());
    let db = Database::create_on(&primary, "from_standby");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
    let standby = primary.standby(&[("hot_standby_feedback", "on")]);
    db.reconnect();
    let stream = ["stream", "-S", "s", "--create-slot", "--publication", "p"];
    if primary.version() < 160_000 {
        let run = run(&mut on(&standby, &db, &stream));
        assert!(
            run.exited(1).stderr.contains("needs PostgreSQL 16"),
            "{}",
            run.stderr
        );
        return;
    }
    let mut live = spawn(&mut on(&standby, &db, &stream));
    let mut client = standby.client("from_standby");
    let mut is = |query: &str| client.query_one(query, &[]).unwrap().get::<_, bool>(0);
    // The standby waits for the primary to log what runs there.
    wait_until("the slot", || {
        db.sql("SELECT pg_log_standby_snapshot()");
        is(
            "SELECT count(*) FILTER (WHERE active AND confirmed_flush_lsn IS NOT NULL) = 1 FROM \
            pg_replication_slots",
        )
        .then_some(())
    });
    for id in 1..=3 {
        db.sql(&format!("INSERT INTO t VALUES ({id})"));
        assert_eq!(live.json()["after"]["id"], id);
    }
    live.interrupt().succeeded();
    db.sql("INSERT INTO t VALUES (4)");
    let end = db.wal_position();
    wait_until("the standby to replay", || {
        is(&format!(
            "SELECT pg_last_wal_replay_lsn() >= '{end}'::pg_lsn"
        ))
        .then_some(())
    });
    let until_now = ["stream", "-S", "s", "--publication", "p", "--until-now"];
    let rows = |run: Finished| -> Vec<Value> {
        run.succeeded();
        run.json()
            .iter()
            .map(|event| event["after"]["id"].clone())
            .collect()
    };
    assert_eq!(rows(run(&mut on(&standby, &db, &until_now))), [4]);
    assert_eq!(rows(run(&mut on(&standby, &db, &until_now))), [0; 0]);
    // WAL that is received counts, though it is not replayed yet; what has not come does not.
    client
        .batch_execute("SELECT pg_wal_replay_pause()")
        .unwrap();
    let mut is = |query: &str| client.query_one(query, &[]).unwrap().get::<_, bool>(0);
    wait_until("the pause", || {
        is("SELECT pg_get_wal_replay_pause_state() = 'paused'").then_some(())
    });
    db.sql("INSERT INTO t VALUES (5)");
    let end = db.wal_position();
    wait_until("the WAL", || {
        is(&format!(
            "SELECT pg_last_wal_receive_lsn() >= '{end}'::pg_lsn"
        ))
        .then_some(())
    });
    let from = [
        "stream",
        "-S",
        "s",
        "--publication",
        "p",
        "--peek",
        "--timeout",
        "1",
        "-I",
    ];
    run(&mut on(&standby, &db, &[&from[..], &[&end]].concat())).succeeded();
    let refused = run(&mut on(&standby, &db, &[&from[..], &["FF/0"]].concat()));
    assert!(
        refused
            .exited(1)
            .stderr
            .contains("from FF/0 on: the WAL ends at "),
        "{}",
        refused.stderr
    );
    client
        .batch_execute("SELECT pg_wal_replay_resume()")
        .unwrap();
    let refused = run(&mut on(
        &standby,
        &db,
        &["stream", "-S", "s", "--create-publication", "--until-now"],
    ));
    assert!(
        refused.exited(1).stderr.contains("read-only"),
        "{}",
        refused.stderr
    );
    run(&mut on(&standby, &db, &["slot", "drop", "s"])).succeeded();
}
