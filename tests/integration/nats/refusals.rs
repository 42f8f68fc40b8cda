//! What JetStream may say.

use super::{into, lines, payloads, prepared};
use crate::support::*;
use serde_json::json;

#[test]
fn a_stream_that_cannot_hold_each_event_once_is_refused() {
    let db = prepared("a_stream_that_cannot_hold_each_event_once_is_refused");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    let run = db.run(&into(&db, &url, &["--until-now"]));
    run.exited(1);
    assert!(
        run.stderr.contains("there is no stream \"WAL\""),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr
            .contains("try: walcat stream ... --create-stream"),
        "{}",
        run.stderr
    );
    let mut client = nats.client();
    client.create_stream("ORIGIN", &["origin.>"], json!({}));
    for (subjects, more, reason) in [
        (
            &["wal.>"][..],
            json!({ "retention": "workqueue" }),
            "retention workqueue",
        ),
        (
            &["wal.>"],
            json!({ "retention": "interest" }),
            "retention interest",
        ),
        (&["wal.>"], json!({ "no_ack": true }), "no_ack"),
        (
            &["wal.>"],
            json!({ "sources": [{ "name": "ORIGIN" }] }),
            "from other streams",
        ),
        (&[], json!({ "mirror": { "name": "ORIGIN" } }), "a mirror"),
        (
            &["wal.>", "orders.>"],
            json!({}),
            "others publish to \"orders.>\"",
        ),
        (
            &["wal.public.*"],
            json!({}),
            "does not take all of \"wal.>\"",
        ),
    ] {
        client.create_stream("WAL", subjects, more.clone());
        let run = db.run(&into(&db, &url, &["--until-now"]));
        run.exited(1);
        assert!(run.stderr.contains(reason), "{more}: {}", run.stderr);
        assert!(run.stderr.contains("\ntry: "), "{more}: {}", run.stderr);
        client.api("STREAM.DELETE.WAL", &json!({}));
    }
    client.create_stream("WAL", &["wal.>"], json!({}));
    let sealed = json!({ "name": "WAL", "subjects": ["wal.>"], "storage": "file", "sealed": true });
    client.api("STREAM.UPDATE.WAL", &sealed);
    let run = db.run(&into(&db, &url, &["--until-now"]));
    run.exited(1);
    assert!(run.stderr.contains("sealed"), "{}", run.stderr);
}

#[test]
fn too_large_an_event_ends_the_stream_or_is_sent_without_rows() {
    let db = prepared("too_large_an_event_ends_the_stream_or_is_sent_without_rows");
    let nats = NatsServer::start("max_payload: 20000");
    let url = nats.url("WAL");
    db.sql("INSERT INTO t VALUES (1, 'small')");
    db.sql("INSERT INTO t VALUES (2, repeat('x', 30000)), (3, 'small')");
    let run = db.run(&into(&db, &url, &["--create-stream", "--until-now"]));
    run.exited(1);
    let table = "could not publish the insert of public.t with id=2 at ";
    assert!(run.stderr.contains(table), "{}", run.stderr);
    assert!(
        run.stderr.contains("the 20000 that are allowed"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("try: --oversize stub"),
        "{}",
        run.stderr
    );
    let mut client = nats.client();
    assert_eq!(client.messages("WAL").len(), 1);
    db.run(&into(&db, &url, &["--until-now", "--oversize", "stub"]))
        .succeeded();
    let (messages, mut expected) = (payloads(&client.messages("WAL")), lines(&db, &[]));
    let stub = expected[1].as_object_mut().unwrap();
    stub.remove("after");
    stub.insert("oversize".to_owned(), json!(true));
    assert_eq!(messages, expected);
    // The stream's own limit.
    let update = json!({ "name": "WAL", "subjects": ["wal.>"], "storage": "file", "discard": "new",
                         "duplicate_window": 100_000_000, "max_msg_size": 2000 });
    client.api("STREAM.UPDATE.WAL", &update);
    db.sql("INSERT INTO t VALUES (4, repeat('x', 3000))");
    let run = db.run(&into(&db, &url, &["--until-now"]));
    run.exited(1);
    assert!(
        run.stderr.contains("the 2000 that are allowed"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_full_stream_is_waited_for() {
    let db = prepared("a_full_stream_is_waited_for");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    let mut client = nats.client();
    client.create_stream(
        "WAL",
        &["wal.>"],
        json!({ "max_msgs": 5, "discard": "new" }),
    );
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 20) i");
    let expected = lines(&db, &[]);
    let options = into(&db, &url, &["--until-now", "--confirm-delay", "0"]);
    let running = spawn(&mut db.walcat(&options));
    running.wait_for_stderr("maximum messages exceeded; trying again");
    assert_eq!(client.messages("WAL").len(), 5);
    assert_eq!(lines_while_active(&db), 20);
    let update =
        json!({ "name": "WAL", "subjects": ["wal.>"], "storage": "file", "discard": "new" });
    client.api("STREAM.UPDATE.WAL", &update);
    let run = running.wait();
    run.succeeded();
    assert!(
        run.stderr.contains("publishing to nats://"),
        "{}",
        run.stderr
    );
    assert_eq!(payloads(&client.messages("WAL")), expected);
}

/// How many rows the slot still has, asked of the server: it is in use.
fn lines_while_active(db: &Database<'_>) -> u64 {
    let behind = format!(
        "SELECT pg_current_wal_lsn() > confirmed_flush_lsn FROM pg_replication_slots WHERE \
         slot_name = '{}'",
        db.name()
    );
    if db.value(&behind) == "t" { 20 } else { 0 }
}

#[test]
fn what_a_stream_may_drop_is_warned_of() {
    let db = prepared("what_a_stream_may_drop_is_warned_of");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    let more = json!({ "max_msgs": 5, "discard": "old" });
    nats.client().create_stream("WAL", &["wal.>"], more);
    let run = db.run(&into(&db, &url, &["--until-now"]));
    run.succeeded();
    assert!(
        run.stderr.contains("(discard: old)\ntry: "),
        "{}",
        run.stderr
    );
    let check = db.run(&["check", "--publication", "p", "--to", &url]);
    let found = check
        .text()
        .lines()
        .filter(|line| line.contains("discard: old"));
    assert!(
        found.clone().all(|line| line.starts_with("warn")),
        "{}",
        check.text()
    );
    assert_eq!(found.count(), 1, "{}", check.text());
    assert!(
        check.text().contains("can be published into"),
        "{}",
        check.text()
    );
}

#[test]
fn an_emptied_stream_goes_on_from_the_slot() {
    let db = prepared("an_emptied_stream_goes_on_from_the_slot");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 20) i");
    db.run(&into(&db, &url, &["--create-stream", "--until-now"]))
        .succeeded();
    let mut client = nats.client();
    client.api("STREAM.PURGE.WAL", &json!({}));
    let run = db.run(&into(&db, &url, &["--until-now"]));
    run.succeeded();
    assert!(
        run.stderr.contains("at least once from here on"),
        "{}",
        run.stderr
    );
    assert_eq!(payloads(&client.messages("WAL")), lines(&db, &[]));
}

#[test]
fn a_log_that_lost_what_it_had_acknowledged_gets_it_again() {
    let db = prepared("a_log_that_lost_what_it_had_acknowledged_gets_it_again");
    let mut nats = NatsServer::start("");
    let url = nats.url("WAL");
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) i");
    // What comes again is not counted again.
    let options = ["--create-stream", "--limit", "3100"];
    let running = spawn(&mut db.walcat(&into(&db, &url, &options)));
    let logged = |nats: &NatsServer, count: u64| {
        let mut client = nats.client();
        wait_until("the messages", || {
            let info = client.request("$JS.API.STREAM.INFO.WAL", b"")?;
            (info["state"]["messages"] == count).then_some(())
        });
    };
    logged(&nats, 1000);
    // The store as it is now, and later again.
    nats.kill();
    let (store, copy) = (nats.path().join("store"), nats.path().join("copy"));
    let copied = |from: &std::path::Path, to: &std::path::Path| {
        let status = std::process::Command::new("cp")
            .arg("-a")
            .arg(from)
            .arg(to)
            .status();
        assert!(status.unwrap().success());
    };
    copied(&store, &copy);
    nats.resume();
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1001, 3000) i");
    logged(&nats, 3000);
    nats.kill();
    std::fs::remove_dir_all(&store).unwrap();
    copied(&copy, &store);
    nats.resume();
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(3001, 3100) i");
    logged(&nats, 3100);
    let run = running.wait();
    run.succeeded();
    assert!(
        run.stderr
            .contains("it has lost messages that it had acknowledged"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("gap"), "{}", run.stderr);
    assert_eq!(payloads(&nats.client().messages("WAL")), lines(&db, &[]));
}

#[test]
fn a_stream_that_is_gone_is_not_made_anew_in_silence() {
    let db = prepared("a_stream_that_is_gone_is_not_made_anew_in_silence");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    let mut client = nats.client();
    client.create_stream("WAL", &["wal.>"], json!({}));
    db.sql("INSERT INTO t VALUES (1, 'a')");
    let running = spawn(&mut db.walcat(&into(&db, &url, &[])));
    wait_until("the message", || {
        let info = client.request("$JS.API.STREAM.INFO.WAL", b"")?;
        (info["state"]["messages"] == 1).then_some(())
    });
    client.api("STREAM.DELETE.WAL", &json!({}));
    db.sql("INSERT INTO t VALUES (2, 'b')");
    let run = running.wait();
    run.exited(1);
    assert!(
        run.stderr.contains("there is no stream \"WAL\""),
        "{}",
        run.stderr
    );
}
