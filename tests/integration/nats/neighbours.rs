//! Others who publish into the same stream.

use super::{into, lines, payloads, prepared};
use crate::support::*;
use serde_json::json;

#[test]
fn what_is_not_ours_is_refused_and_left_alone() {
    let db = prepared("what_is_not_ours_is_refused_and_left_alone");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    let mut client = nats.client();
    client.create_stream("WAL", &["wal.>"], json!({}));
    client.request("wal.public.t", b"{}").unwrap();
    db.sql("INSERT INTO t VALUES (1, 'a')");
    let run = db.run(&into(&db, &url, &["--until-now"]));
    run.exited(1);
    let reason = "its last message, 1 to \"wal.public.t\", is no event of walcat's";
    assert!(run.stderr.contains(reason), "{}", run.stderr);
    assert_eq!(client.messages("WAL").len(), 1);
}

#[test]
fn the_events_of_another_database_are_refused() {
    let one = prepared("the_events_of_another_database_are_refused");
    let other = prepared("the_events_of_another_database_are_refused_2");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    one.sql("INSERT INTO t VALUES (1, 'a')");
    other.sql("INSERT INTO t VALUES (1, 'a')");
    one.run(&into(&one, &url, &["--create-stream", "--until-now"]))
        .succeeded();
    let run = other.run(&into(&other, &url, &["--until-now"]));
    run.exited(1);
    assert!(
        run.stderr.contains("it comes from database \""),
        "{}",
        run.stderr
    );
    assert_eq!(nats.client().messages("WAL").len(), 1);
}

#[test]
fn a_publisher_that_stood_still_for_long_does_no_harm() {
    let db = prepared("a_publisher_that_stood_still_for_long_does_no_harm");
    let second = format!("{}_2", db.name());
    db.sql(&format!(
        "SELECT pg_create_logical_replication_slot('{second}', 'pgoutput')"
    ));
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    let first = spawn(&mut db.walcat(&into(&db, &url, &["--create-stream"])));
    let insert = |from: u64| {
        db.sql(&format!(
            "INSERT INTO t SELECT i, 'v' FROM generate_series({from}, {}) i",
            from + 999
        ));
    };
    let mut client = nats.client();
    let logged = |client: &mut NatsClient, count: u64| {
        wait_until("the messages", || {
            let info = client.request("$JS.API.STREAM.INFO.WAL", b"")?;
            (info["state"]["messages"] == count).then_some(())
        });
    };
    insert(1);
    logged(&mut client, 1000);
    first.signal(rustix::process::Signal::STOP);
    insert(1001);
    let mut options = into(&db, &url, &["--until-now"]);
    options[2] = &second;
    db.run(&options).succeeded();
    logged(&mut client, 2000);
    first.signal(rustix::process::Signal::CONT);
    insert(2001);
    logged(&mut client, 3000);
    first.interrupt().succeeded();
    assert_eq!(payloads(&client.messages("WAL")), lines(&db, &[]));
}

/// The second program and its slot.
fn second(db: &Database<'_>) -> String {
    let slot = format!("{}_2", db.name());
    db.sql(&format!(
        "SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"
    ));
    slot
}

#[test]
fn a_standby_follows_and_takes_over() {
    let db = prepared("a_standby_follows_and_takes_over");
    let second = second(&db);
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    let more = [
        "--create-stream",
        "--standby",
        "--standby-after",
        "1",
        "--confirm-delay",
        "0",
    ];
    let options = into(&db, &url, &more);
    let mut other = options.clone();
    other[2] = &second;
    let mut n = 0;
    let mut insert = || {
        n += 1;
        db.sql(&format!("INSERT INTO t VALUES ({n}, 'v')"));
    };
    let mut running = vec![
        spawn(&mut db.walcat(&options)),
        spawn(&mut db.walcat(&other)),
    ];
    // They race until one of them follows.
    let follower = wait_until("one to follow", || {
        insert();
        let follows = |running: &Running| running.stderr().contains("following another");
        running.iter().position(follows)
    });
    // Its own slot moves along.
    let slot = [db.name(), &second][follower];
    insert();
    let here = db.value("SELECT pg_current_wal_lsn()");
    db.wait_for(&format!(
        "SELECT confirmed_flush_lsn >= '{here}' FROM pg_replication_slots WHERE slot_name = \
         '{slot}'"
    ));
    // Killed, the other says nothing more.
    let leader = running.remove(1 - follower);
    leader.signal(rustix::process::Signal::KILL);
    leader.wait();
    insert();
    running[0].wait_for_stderr("taking over: nothing came into");
    // Back again, it follows, or makes the other follow: then one ends, and the other goes on.
    running.push(spawn(&mut db.walcat(match follower {
        0 => &other,
        _ => &options,
    })));
    let follower = wait_until("one to follow again", || {
        insert();
        let count = |running: &Running| running.stderr().matches("following another").count();
        let counts: Vec<usize> = running.iter().map(count).collect();
        match (counts[0], counts[1]) {
            (1, 0) => None,
            (2.., _) => Some(0),
            _ => Some(1),
        }
    });
    running.remove(1 - follower).interrupt().succeeded();
    running[0].wait_for_stderr("taking over: the other has ended");
    insert();
    let mut client = nats.client();
    wait_until("the last message", || {
        let info = client.request("$JS.API.STREAM.INFO.WAL", b"")?;
        (info["state"]["messages"] == n).then_some(())
    });
    running.remove(0).interrupt().succeeded();
    let ids: Vec<_> = payloads(&client.messages("WAL"))
        .iter()
        .map(|event| event["after"]["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (1..=n).collect::<Vec<u64>>());
}
