//! Two that publish, each from a server of its own: one from the primary, one from its standby,
//! which takes the primary's place.

use super::payloads;
use crate::support::*;
use std::process::Command;

/// Streams a slot of this server into the log.
fn publish(db: &Database<'_>, server: &Server, slot: &str, url: &str) -> Command {
    let mut command = db.walcat(&["stream", "-S", slot, "--create-slot", "--publication", "p"]);
    command
        .args([
            "-s",
            "1",
            "--to",
            url,
            "--create-stream",
            "--confirm-delay",
            "0",
        ])
        .args(["--standby", "--standby-after", "1"])
        .env("PGHOST", server.socket_directory())
        .env("PGPORT", server.port().to_string());
    command
}

#[test]
fn a_log_outlives_the_fail_over_to_a_standby() {
    let primary = Server::start(Options::default());
    let db = Database::create_on(&primary, "failover");
    db.sql("CREATE TABLE t (id bigint PRIMARY KEY, v text); CREATE PUBLICATION p FOR ALL TABLES");
    let standby = primary.standby(&[("hot_standby_feedback", "on")]);
    db.reconnect();
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    if primary.version() < 160_000 {
        // Nothing but a primary can have the slot, and it is gone with it.
        let run = run(&mut publish(&db, &standby, "second", &url));
        let reason = "needs PostgreSQL 16";
        assert!(run.exited(1).stderr.contains(reason), "{}", run.stderr);
        return;
    }
    let first = spawn(&mut publish(&db, &primary, "first", &url));
    let second = spawn(&mut publish(&db, &standby, "second", &url));
    let mut there = standby.client("failover");
    wait_until("both slots", || {
        // The standby waits for the primary to log what runs there.
        db.sql("SELECT pg_log_standby_snapshot()");
        let count = "SELECT count(*) FROM pg_replication_slots WHERE active AND confirmed_flush_lsn \
                     IS NOT NULL";
        let on_standby: i64 = there.query_one(count, &[]).unwrap().get(0);
        (on_standby == 1 && db.value(count) == "1").then_some(())
    });
    let mut n = 0;
    // They race until one of them follows the other.
    wait_until("one to follow", || {
        n += 1;
        db.sql(&format!("INSERT INTO t VALUES ({n}, 'before')"));
        let follows = |running: &Running| running.stderr().contains("following another");
        (follows(&first) || follows(&second)).then_some(())
    });
    let end = db.wal_position();
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{end}'");
    wait_until("the standby to have it all", || {
        there
            .query_one(&replayed, &[])
            .unwrap()
            .get::<_, bool>(0)
            .then_some(())
    });
    primary.kill();
    there.batch_execute("SELECT pg_promote()").unwrap();
    let mut client = nats.client();
    for _ in 0..10 {
        n += 1;
        there
            .batch_execute(&format!("INSERT INTO t VALUES ({n}, 'after')"))
            .unwrap();
        wait_until("the message", || {
            let info = client.request("$JS.API.STREAM.INFO.WAL", b"")?;
            (info["state"]["messages"] == n).then_some(())
        });
    }
    first.interrupt().succeeded();
    second.interrupt().succeeded();
    // The next run goes on where the log is.
    n += 1;
    there
        .batch_execute(&format!("INSERT INTO t VALUES ({n}, 'next')"))
        .unwrap();
    let mut next = publish(&db, &standby, "second", &url);
    run(next.arg("--until-now")).succeeded();
    let messages = client.messages("WAL");
    let ids: Vec<u64> = payloads(&messages)
        .iter()
        .map(|event| event["after"]["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (1..=n).collect::<Vec<u64>>());
    // What a standby has sent names no timeline, as nothing tells when it was promoted.
    for message in &messages {
        let timeline = message.headers["Walcat-Source"].split('/').nth(1).unwrap();
        let told = message.json()["after"]["v"].clone();
        let known: &[&str] = match told.as_str().unwrap() {
            "before" => &["1", ""],
            "after" => &[""],
            _ => &["2"],
        };
        assert!(known.contains(&timeline), "{timeline:?} {told}");
    }
}
