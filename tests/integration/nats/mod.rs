//! `stream --to nats://...`: each event is in the log exactly once and in order, and what the
//! server may say about that.

mod access;
mod chaos;
mod failover;
mod neighbours;
mod refusals;

use crate::support::*;
use serde_json::{Value, json};

/// A table `t`, its publication, and a slot.
fn prepared(name: &str) -> Database<'static> {
    let db = Database::create(name);
    db.sql("CREATE TABLE t (id bigint PRIMARY KEY, v text); CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    db
}

/// The options that stream a database's slot into stream WAL of a server.
fn into<'a>(db: &'a Database<'_>, url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut options = vec!["stream", "-S", db.name(), "--publication", "p", "--to", url];
    options.extend(["-s", "1"]);
    options.extend(more);
    options
}

/// The lines that the slot has.
fn lines(db: &Database<'_>, more: &[&str]) -> Vec<Value> {
    let mut options = vec!["stream", "-S", db.name(), "--publication", "p"];
    options.extend(["--peek", "--until-now"]);
    options.extend(more);
    let run = db.run(&options);
    run.succeeded();
    run.json()
}

fn payloads(messages: &[NatsMessage]) -> Vec<Value> {
    messages.iter().map(NatsMessage::json).collect()
}

#[test]
fn each_event_is_a_message_with_its_place_and_its_names() {
    let db = prepared("each_event_is_a_message_with_its_place_and_its_names");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    db.sql("CREATE TABLE \"a b>.*\" (id int PRIMARY KEY)");
    db.sql("INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 3000) i");
    db.sql("UPDATE t SET v = 'x' WHERE id = 1; DELETE FROM t WHERE id = 2");
    db.sql("INSERT INTO \"a b>.*\" VALUES (1)");
    db.sql("SELECT pg_logical_emit_message(true, 'app.x', 'hello')");
    let more = ["--messages", "--include", "transactions"];
    let expected = lines(&db, &more);
    let once = ["--create-stream", "--until-now", "--confirm-delay", "0"];
    db.run(&into(&db, &url, &[&once[..], &more].concat()))
        .succeeded();
    let messages = nats.client().messages("WAL");
    assert_eq!(payloads(&messages), expected);
    let subjects = |op: &str| -> Vec<&str> {
        let of = messages
            .iter()
            .filter(|message| message.headers["Walcat-Op"] == op);
        of.map(|message| message.subject.as_str()).collect()
    };
    assert_eq!(subjects("begin"), ["wal.@begin"; 4]);
    assert_eq!(subjects("message"), ["wal.@message.app%2Ex"]);
    assert_eq!(subjects("delete"), ["wal.public.t"]);
    assert_eq!(
        subjects("insert").last(),
        Some(&"wal.public.a%20b%3E%2E%2A")
    );
    for (message, event) in messages.iter().zip(&expected) {
        let header = |name: &str| message.headers.get(name).map(String::as_str);
        assert_eq!(header("Walcat-Op"), event["op"].as_str());
        if event["table"] == "t" {
            let id = format!("{} {}", event["commit_lsn"].as_str().unwrap(), event["seq"]);
            assert_eq!(header("Walcat-Event"), Some(id.as_str()));
            assert_eq!(header("Walcat-Schema"), Some("public"));
            assert_eq!(header("Walcat-Table"), Some("t"));
            assert_eq!(header("Walcat-Commit-Time"), event["commit_time"].as_str());
        }
    }
    // The slot has moved, and nothing comes again.
    assert_eq!(lines(&db, &more), Vec::<Value>::new());
    db.sql("INSERT INTO t VALUES (0, 'last')");
    db.run(&into(&db, &url, &["--until-now"])).succeeded();
    let messages = nats.client().messages("WAL");
    assert_eq!(messages.len(), expected.len() + 1);
}

#[test]
fn the_log_says_where_to_go_on_although_the_slot_lags_behind() {
    let db = prepared("the_log_says_where_to_go_on_although_the_slot_lags_behind");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    for n in 0..3 {
        db.sql(&format!(
            "INSERT INTO t SELECT i, 'v' FROM generate_series({n}001, {n}500) i"
        ));
        let before = lines(&db, &[]);
        assert_eq!(
            before.len(),
            (n + 1) * 500,
            "the slot has been confirmed too early"
        );
        db.run(&into(&db, &url, &["--create-stream", "--until-now"]))
            .succeeded();
        assert_eq!(payloads(&nats.client().messages("WAL")), before);
    }
    // A limit within a transaction, as the log is resumed within it.
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(9001, 9100) i");
    db.run(&into(&db, &url, &["--limit", "10"])).succeeded();
    assert_eq!(nats.client().messages("WAL").len(), 1510);
    db.run(&into(&db, &url, &["--until-now"])).succeeded();
    assert_eq!(payloads(&nats.client().messages("WAL")), lines(&db, &[]));
}

#[test]
fn subjects_follow_the_template() {
    let db = prepared("subjects_follow_the_template");
    let nats = NatsServer::start("");
    let url = nats.url("CDC");
    db.sql("INSERT INTO t VALUES (1, 'a'); DELETE FROM t");
    let options = [
        "--create-stream",
        "--until-now",
        "--subject",
        "cdc.{database}.{op}.{table}",
    ];
    db.run(&into(&db, &url, &options)).succeeded();
    let mut client = nats.client();
    let subjects: Vec<String> = client
        .messages("CDC")
        .into_iter()
        .map(|message| message.subject)
        .collect();
    let prefix = format!("cdc.{}", db.name());
    assert_eq!(
        subjects,
        [format!("{prefix}.insert.t"), format!("{prefix}.delete.t")]
    );
    let info = client.api("STREAM.INFO.CDC", &json!({}));
    assert_eq!(info["config"]["subjects"], json!([format!("{prefix}.>")]));
}

#[test]
fn two_that_publish_at_once_make_one_log() {
    let db = prepared("two_that_publish_at_once_make_one_log");
    let second = format!("{}_2", db.name());
    db.sql(&format!(
        "SELECT pg_create_logical_replication_slot('{second}', 'pgoutput')"
    ));
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    let options = into(&db, &url, &["--create-stream"]);
    let first = spawn(&mut db.walcat(&options));
    let mut options = into(&db, &url, &["--create-stream"]);
    options[2] = &second;
    let other = spawn(&mut db.walcat(&options));
    for n in 0..40 {
        db.sql(&format!(
            "INSERT INTO t SELECT {n} * 1000 + i, 'v' FROM generate_series(1, 200) i"
        ));
    }
    let mut client = nats.client();
    let logged = |client: &mut NatsClient| {
        let info = client.request("$JS.API.STREAM.INFO.WAL", b"")?;
        info["state"]["messages"].as_u64()
    };
    wait_until("all messages", || {
        (logged(&mut client)? >= 8000).then_some(())
    });
    for running in [first, other] {
        running.interrupt().succeeded();
    }
    assert_eq!(payloads(&client.messages("WAL")), lines(&db, &[]));
}

#[test]
fn a_server_that_shuts_down_does_not_wait_for_what_is_confirmed_later() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "shuts_down");
    db.sql("CREATE TABLE t (id bigint PRIMARY KEY, v text); CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    let options = ["--create-stream", "--confirm-delay", "3"];
    let running = spawn(&mut db.walcat(&into(&db, &url, &options)));
    let mut client = nats.client();
    let mut logged = |count: u64| {
        wait_until("the messages", || {
            let info = client.request("$JS.API.STREAM.INFO.WAL", b"")?;
            (info["state"]["messages"] == count).then_some(())
        });
    };
    db.sql("INSERT INTO t VALUES (1, 'a')");
    logged(1);
    let here = db.value("SELECT pg_current_wal_lsn()");
    db.wait_for(&format!(
        "SELECT confirmed_flush_lsn >= '{here}' FROM pg_replication_slots"
    ));
    // A server to which something was confirmed over this connection waits for the rest.
    db.sql("INSERT INTO t VALUES (2, 'b')");
    logged(2);
    server.stop(Stop::Fast);
    server.resume();
    db.reconnect();
    db.sql("INSERT INTO t VALUES (3, 'c')");
    logged(3);
    let run = running.interrupt();
    run.succeeded();
    assert!(
        run.stderr.contains("the server shuts down"),
        "{}",
        run.stderr
    );
}

#[test]
fn what_contradicts_a_log_is_refused() {
    let db = prepared("what_contradicts_a_log_is_refused");
    for (more, reason) in [
        (&["--file", "x"][..], "--file"),
        (&["--peek"], "--peek"),
        (&["--format", "text"], "--format text"),
        (&["--format", "raw"], "--format raw"),
        (&["--include", "relations"], "--include relations"),
        (&["--streaming", "on"], "--streaming"),
        (&["--subject", "{table}"], "--subject"),
        (&["--replicas", "3"], "--create-stream"),
    ] {
        let run = db.run(&into(&db, "nats://127.0.0.1:1/WAL", more));
        run.exited(2);
        assert!(run.stderr.contains(reason), "{more:?}: {}", run.stderr);
    }
    for url in [
        "nats://me:s3cret@127.0.0.1:1",
        "http://me:s3cret@127.0.0.1:1/WAL",
    ] {
        let run = db.run(&into(&db, url, &[]));
        run.exited(2);
        assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    }
}

#[test]
fn transactions_arrive_whole_in_atomic_batches() {
    let db = prepared("transactions_arrive_whole_in_atomic_batches");
    let nats = NatsServer::start("");
    let url = nats.url("WAL");
    for n in 0..30 {
        db.sql(&format!(
            "INSERT INTO t SELECT {n} * 10000 + i, 'v' FROM generate_series(1, {n} * 7 + 1) i"
        ));
    }
    let whole = lines(&db, &[]);
    let options = ["--create-stream", "--until-now", "--atomic"];
    let run = db.run(&into(&db, &url, &options));
    run.succeeded();
    assert_eq!(run.stderr, "");
    let mut client = nats.client();
    let messages = client.messages("WAL");
    assert_eq!(payloads(&messages), whole);
    // A transaction never lies in two batches, and a batch has several.
    let batch = |message: &NatsMessage| message.headers.get("Nats-Batch-Id").cloned();
    let lsn = |message: &NatsMessage| message.json()["commit_lsn"].clone();
    for pair in messages.windows(2) {
        assert!(lsn(&pair[0]) != lsn(&pair[1]) || batch(&pair[0]) == batch(&pair[1]));
    }
    let batches: std::collections::BTreeSet<_> = messages.iter().map(batch).collect();
    assert!(batches.len() < 30 && batches.len() >= 4, "{batches:?}");
    // One that is larger than a batch.
    db.sql("INSERT INTO t SELECT 1000000 + i, 'v' FROM generate_series(1, 2500) i");
    let run = db.run(&into(&db, &url, &options));
    run.succeeded();
    assert!(
        run.stderr.contains("is larger than a batch of 1000"),
        "{}",
        run.stderr
    );
    assert_eq!(payloads(&client.messages("WAL")), lines(&db, &[]));
    // A stream that does not take them.
    client.create_stream("PLAIN", &["plain.>"], json!({}));
    let plain = nats.url("PLAIN");
    let subject = ["--until-now", "--atomic", "--subject", "plain.{table}"];
    let run = db.run(&into(&db, &plain, &subject));
    run.exited(1);
    assert!(
        run.stderr.contains("takes no atomic batches"),
        "{}",
        run.stderr
    );
}
