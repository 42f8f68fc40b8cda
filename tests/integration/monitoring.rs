//! What scripts and monitoring rely on: exit statuses, units, quiet commands, JSON.

use crate::support::*;
use serde_json::json;

/// A server of its own, on which nobody else makes WAL.
fn with_slots(server: &Server) -> Database<'_> {
    let db = Database::create_on(server, "monitored");
    db.sql("CREATE TABLE t (id int PRIMARY KEY, filler text); CREATE PUBLICATION p FOR ALL TABLES");
    for slot in ["behind", "ahead"] {
        db.sql(&format!(
            "SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"
        ));
    }
    db.sql("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 1000) AS i");
    db.run(&["slot", "advance", "ahead"]).succeeded();
    db
}

#[test]
fn slots_are_listed_by_name() {
    let server = Server::start(Options::default());
    let db = with_slots(&server);
    let names = |arguments: &[&str]| -> Vec<String> {
        let run = db.run(&[&["slot", "list", "--format", "json"], arguments].concat());
        let list: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        let list = list.as_array().unwrap();
        list.iter()
            .map(|slot| slot["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&[]), ["ahead", "behind"]);
    assert_eq!(names(&["behind"]), ["behind"]);
    assert_eq!(names(&["behind", "ahead"]), ["ahead", "behind"]);
    let run = db.run(&["slot", "list", "behind", "nosuch"]);
    assert!(run.exited(1).text().contains("\nbehind "), "{}", run.text());
    assert!(
        run.stderr.starts_with(
            "walcat: error: could not list slot \"nosuch\": there is no replication slot \
             \"nosuch\"\n"
        ),
        "{}",
        run.stderr
    );
}

#[test]
fn a_lagging_slot_has_a_status_of_its_own() {
    let server = Server::start(Options::default());
    let db = with_slots(&server);
    let list = |limit: &str, names: &[&str]| {
        db.run(&[&["slot", "list", "--max-lag", limit], names].concat())
    };
    let over = "walcat: error: slots retain more than 100 kB of WAL: behind (";
    let run = list("100kB", &["behind"]);
    assert!(run.exited(3).stderr.starts_with(over), "{}", run.stderr);
    list("100GB", &[]).succeeded();
    // What is retained is one number, what is not confirmed another: the first of a slot that was
    // advanced may stay for long.
    let run = list("confirmed:100kB", &[]);
    let over = "walcat: error: slots are more than 100 kB of WAL behind: behind (";
    assert!(run.exited(3).stderr.starts_with(over), "{}", run.stderr);
    assert!(!run.stderr.contains("ahead"), "{}", run.stderr);
    list("confirmed:100kB", &["ahead"]).succeeded();
    assert!(
        list("retained:100kB", &["behind"])
            .exited(3)
            .stderr
            .contains("behind (")
    );
    // Who could not ask does not know.
    list("100kB", &["nosuch"]).exited(1);
    list("100kB", &["behind", "nosuch"]).exited(1);
    let run = run_without_server(&db);
    run.exited(1);
    for wrong in ["flushed:1GB", "confirmed:", ":1GB", "confirmed:1XB", "-1"] {
        list(wrong, &[]).exited(2);
    }
}

fn run_without_server(db: &Database<'_>) -> Finished {
    run(db
        .walcat(&["slot", "list", "--max-lag", "1GB"])
        .env("PGHOST", "/nonexistent"))
}

#[test]
fn check_as_json() {
    let db = Database::create("check_as_json");
    db.sql("CREATE TABLE bare (id int); CREATE PUBLICATION p FOR TABLE bare");
    let run = db.run(&["check", "--format", "json", "--publication", "p,nosuch"]);
    assert_eq!(run.exited(1).stderr.lines().count(), 1, "{}", run.stderr);
    let list: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let list = list.as_array().unwrap();
    assert!(list.contains(&json!({"status": "ok", "message": "wal_level is logical"})));
    assert!(list.contains(&json!({
        "status": "warn",
        "message": "publication \"p\": UPDATE and DELETE fail on table public.bare: it has no \
         replica identity",
        "try": "ALTER TABLE public.bare REPLICA IDENTITY FULL",
    })));
    let failed: Vec<_> = list.iter().filter(|one| one["status"] == "fail").collect();
    assert_eq!(failed.len(), 1, "{list:?}");
    assert_eq!(failed[0]["message"], "there is no publication \"nosuch\"");
    assert_eq!(
        run.stderr,
        format!("walcat: error: 1 of {} checks failed\n", list.len())
    );
    let lines = db.run(&["check", "--publication", "p,nosuch"]);
    assert_eq!(lines.text().lines().count(), list.len());
}

#[test]
fn quiet_commands_say_nothing() {
    let db = Database::create("quiet_commands_say_nothing");
    let name = db.name();
    for arguments in [
        &["-q", "slot", "create", name][..],
        &["-q", "slot", "create", "--if-not-exists", name],
        &["-q", "slot", "advance", name],
        &["-q", "slot", "advance", name],
        &["slot", "drop", "-q", name],
    ] {
        let run = db.run(arguments);
        run.succeeded();
        assert_eq!((run.text(), run.stderr.as_str()), ("", ""), "{arguments:?}");
    }
}

#[test]
fn an_advanced_slot_says_what_it_passed() {
    let server = Server::start(Options::default());
    let db = with_slots(&server);
    let bytes: i64 = db
        .value(
            "SELECT (pg_current_wal_lsn() - confirmed_flush_lsn)::text
             FROM pg_replication_slots WHERE slot_name = 'behind'",
        )
        .parse()
        .unwrap();
    let run = db.run(&["slot", "advance", "behind"]);
    let text = run.succeeded().text();
    let passed = text.split_once(", past ").expect("what it passed").1;
    let passed: i64 = passed.split(' ').next().unwrap().parse().unwrap();
    assert!(
        passed >= bytes && passed < bytes + 100_000,
        "{text} {bytes}"
    );
}

#[test]
fn durations_take_units() {
    let db = Database::create("durations_take_units");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
    for timeout in ["100ms", "0.1s", "0.1", "0.002min", "0.1 s"] {
        db.run(&["stream", "--publication", "p", "--timeout", timeout])
            .succeeded();
    }
    for option in ["--timeout", "--status-interval", "--fsync-interval"] {
        for wrong in ["10x", "s", "", "1h30min", "NaNs", "infh", "1e300d"] {
            let run = db.run(&["stream", "--publication", "p", option, wrong]);
            assert!(
                run.exited(2).stderr.contains(option),
                "{option} {wrong}: {}",
                run.stderr
            );
        }
    }
    db.run(&["slot", "create", "--timeout", "1min", db.name()])
        .succeeded();
}
