//! `walcat stream`: what it prints, where it starts and stops, what it leaves behind.

use crate::support::*;
use serde_json::{Value, json};
use std::fs;

/// A database with a table, a publication for all tables, and a slot of this plugin.
fn prepared(name: &str, plugin: &str) -> Database<'static> {
    let db = Database::create(name);
    db.sql(
        "CREATE TABLE users (id int PRIMARY KEY, name text, bio text); CREATE PUBLICATION p FOR \
            ALL TABLES",
    );
    db.create_slot(plugin);
    db
}

/// The events up to now, without what differs from run to run.
fn events(db: &Database, more: &[&str]) -> Vec<Value> {
    let run = db.run(
        &[
            &[
                "stream",
                "-S",
                db.name(),
                "--publication",
                "p",
                "--until-now",
            ],
            more,
        ]
        .concat(),
    );
    run.succeeded();
    run.json().into_iter().map(stripped).collect()
}

fn stripped(mut event: Value) -> Value {
    let object = event.as_object_mut().expect("an event is an object");
    for key in ["xid", "lsn", "commit_lsn", "end_lsn", "commit_time"] {
        object.remove(key);
    }
    event
}

#[test]
fn each_operation_is_an_event() {
    let db = prepared("each_operation_is_an_event", "pgoutput");
    db.sql("INSERT INTO users VALUES (1, 'Ada', NULL)");
    db.sql("UPDATE users SET name = 'Grace' WHERE id = 1");
    db.sql("UPDATE users SET id = 2 WHERE id = 1");
    db.sql("DELETE FROM users");
    db.sql("TRUNCATE users RESTART IDENTITY CASCADE");
    let table = |op: &str| json!({"op": op, "schema": "public", "table": "users", "seq": 0});
    let with = |op: &str, more: Value| {
        let mut event = table(op);
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        event
    };
    assert_eq!(
        events(&db, &[]),
        [
            with(
                "insert",
                json!({"after": {"id": 1, "name": "Ada", "bio": null}})
            ),
            with(
                "update",
                json!({"after": {"id": 1, "name": "Grace", "bio": null}})
            ),
            with(
                "update",
                json!({"before": {"id": 1}, "after": {"id": 2, "name": "Grace", "bio": null}})
            ),
            with("delete", json!({"before": {"id": 2}})),
            with(
                "truncate",
                json!({"cascade": true, "restart_identity": true})
            ),
        ]
    );
}

#[test]
fn an_event_is_placed_as_the_server_says() {
    let db = prepared("an_event_is_placed_as_the_server_says", "pgoutput");
    let before = db.wal_position();
    let xid = db.value(
        "WITH i AS (INSERT INTO users VALUES (1), (2) RETURNING 1) SELECT \
         pg_current_xact_id()::text FROM i LIMIT 1",
    );
    let after = db.wal_position();
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ]);
    let events = run.json();
    assert_eq!(events.len(), 2);
    for (seq, event) in events.iter().enumerate() {
        assert_eq!(event["xid"].to_string(), xid);
        assert_eq!(event["seq"], seq);
        let ordered = format!(
            "SELECT '{before}'::pg_lsn <= '{lsn}' AND '{lsn}'::pg_lsn < '{commit}' AND \
             '{commit}'::pg_lsn < '{after}'
                AND abs(extract(epoch FROM now() - '{time}'::timestamptz)) < 3600",
            lsn = event["lsn"].as_str().unwrap(),
            commit = event["commit_lsn"].as_str().unwrap(),
            time = event["commit_time"].as_str().unwrap(),
        );
        assert_eq!(db.value(&ordered), "t", "{event}");
    }
    let keys: Vec<&String> = events[0].as_object().unwrap().keys().collect();
    let first_line = run.text().lines().next().unwrap();
    let places: Vec<usize> = [
        "op",
        "schema",
        "table",
        "xid",
        "lsn",
        "commit_lsn",
        "commit_time",
        "seq",
        "after",
    ]
    .iter()
    .map(|key| {
        first_line
            .find(&format!("\"{key}\":"))
            .unwrap_or_else(|| panic!("no {key} in {keys:?}"))
    })
    .collect();
    assert!(places.is_sorted(), "{first_line}");
}

#[test]
fn unchanged_toast_is_named_or_filled_in() {
    let db = prepared("unchanged_toast_is_named_or_filled_in", "pgoutput");
    db.sql("ALTER TABLE users ALTER bio SET STORAGE EXTERNAL");
    db.sql("INSERT INTO users VALUES (1, 'a', repeat('x', 10000))");
    db.sql("UPDATE users SET name = 'b'");
    db.sql("ALTER TABLE users REPLICA IDENTITY FULL");
    db.sql("UPDATE users SET name = 'c'");
    let events = events(&db, &["--include", "changed"]);
    let bio = "x".repeat(10_000);
    assert_eq!(events[1]["after"], json!({"id": 1, "name": "b"}));
    assert_eq!(events[1]["unchanged"], json!(["bio"]));
    assert_eq!(
        events[2]["after"],
        json!({"id": 1, "name": "c", "bio": bio})
    );
    assert_eq!(
        events[2]["before"],
        json!({"id": 1, "name": "b", "bio": bio})
    );
    assert_eq!(events[2].get("unchanged"), None);
    assert_eq!(events[2]["changed"], json!(["name"]));
}

#[test]
fn a_temporary_slot_leaves_nothing_behind() {
    let db = Database::create("a_temporary_slot_leaves_nothing_behind");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
    let slots = format!(
        "SELECT count(*) FROM pg_replication_slots WHERE database = '{}'",
        db.name()
    );
    let mut stream = spawn(&mut db.walcat(&["stream", "--publication", "p"]));
    db.wait_for(&slots.replace(
        "count(*)",
        "count(*) FILTER (WHERE temporary AND confirmed_flush_lsn IS NOT NULL) = 1",
    ));
    db.sql("INSERT INTO t VALUES (1)");
    assert_eq!(stream.json()["after"], json!({"id": 1}));
    stream.interrupt().exited(0);
    db.wait_for(&slots.replace("count(*)", "count(*) = 0"));
}

#[test]
fn a_quiet_stream_shows_each_row_at_once_and_confirms_it_at_the_end() {
    let db = prepared("a_quiet_stream_shows_each_row", "pgoutput");
    let mut stream = spawn(&mut db.walcat(&["stream", "-S", db.name(), "--publication", "p"]));
    for id in 1..=3 {
        db.sql(&format!("INSERT INTO users VALUES ({id})"));
        assert_eq!(stream.json()["after"]["id"], id);
    }
    stream.signal(rustix::process::Signal::TERM);
    stream.wait().exited(0);
    assert_eq!(events(&db, &[]), Vec::<Value>::new());
}

#[test]
fn slot_and_publication_are_created_on_demand() {
    let db = Database::create("slot_and_publication_are_created_on_demand");
    db.sql(
        "CREATE TABLE a_1 (id int PRIMARY KEY); CREATE TABLE a_2 (id int PRIMARY KEY); CREATE \
            TABLE b (id int)",
    );
    let create = [
        "stream",
        "-S",
        db.name(),
        "--create-slot",
        "--create-publication",
        "--table",
        "a_*",
        "--until-now",
    ];
    let run = db.run(&create);
    run.succeeded();
    assert_eq!(
        db.value(
            "SELECT string_agg(pubname || '.' || tablename, ' ' ORDER BY tablename) FROM \
                  pg_publication_tables"
        ),
        "walcat.a_1 walcat.a_2"
    );
    db.sql("INSERT INTO a_1 VALUES (1); INSERT INTO a_2 VALUES (2); INSERT INTO b VALUES (3)");
    let run = db.run(&create);
    run.succeeded();
    let rows: Vec<Value> = run
        .json()
        .iter()
        .map(|event| event["after"]["id"].clone())
        .collect();
    assert_eq!(rows, [1, 2]);
}

#[test]
fn a_publication_that_would_break_updates_is_not_created() {
    let db = Database::create("a_publication_that_would_break_updates");
    db.sql("CREATE TABLE keyless (id int); CREATE TABLE keyed (id int PRIMARY KEY)");
    let run = db.run(&["stream", "--create-publication", "--until-now"]);
    run.exited(1);
    assert!(
        run.stderr.contains("keyless") && !run.stderr.contains("keyed"),
        "{}",
        run.stderr
    );
    assert_eq!(db.value("SELECT count(*)::text FROM pg_publication"), "0");
    db.sql("INSERT INTO keyless VALUES (1); UPDATE keyless SET id = 2");
}

#[test]
fn raw_is_what_pg_recvlogical_writes() {
    for plugin in plugins() {
        let db = prepared(
            &format!("raw_is_what_pg_recvlogical_writes_{plugin}"),
            plugin,
        );
        let other = format!("{}_other", db.name());
        db.value(&format!(
            "SELECT slot_name::text FROM pg_create_logical_replication_slot('{other}', '{plugin}')"
        ));
        db.sql(
            "INSERT INTO users SELECT g, 'name ' || g, E'line\\n' FROM generate_series(1, 500) g",
        );
        db.sql("UPDATE users SET name = NULL; DELETE FROM users WHERE id < 100");
        db.sql("TRUNCATE users");
        let end = db.wal_position();
        let home = db.server().home();
        let (ours, theirs) = (home.join("ours"), home.join("theirs"));
        let options: &[&str] = match *plugin {
            "pgoutput" => &["-o", "proto_version=1", "-o", "publication_names=p"],
            // Any other gets options for what decode needs.
            _ => &["-o", "format-version=1"],
        };
        let file = ours.to_str().unwrap();
        let ours_options = if *plugin == "pgoutput" {
            &["--publication", "p"]
        } else {
            options
        };
        let stream = [
            "stream",
            "-S",
            db.name(),
            "--format",
            "raw",
            "-E",
            &end,
            "-f",
            file,
        ];
        db.run(&[&stream, ours_options].concat()).succeeded();
        let mut recvlogical =
            std::process::Command::new(db.server().client_program("pg_recvlogical"));
        recvlogical
            .args([
                "-d",
                db.name(),
                "-S",
                &other,
                "--start",
                "--no-loop",
                "-E",
                &end,
                "-f",
            ])
            .arg(&theirs);
        recvlogical
            .args(options)
            .env("PGHOST", db.server().socket_directory());
        recvlogical
            .env("PGPORT", db.server().port().to_string())
            .env("PGUSER", "postgres");
        run(&mut recvlogical).succeeded();
        let (ours, theirs) = (fs::read(ours).unwrap(), fs::read(theirs).unwrap());
        assert!(theirs.len() > 10_000);
        assert!(
            ours == theirs,
            "{plugin}: {} bytes, and pg_recvlogical wrote {}",
            ours.len(),
            theirs.len()
        );
        db.value(&format!("SELECT pg_drop_replication_slot('{other}')::text"));
    }
}

#[test]
fn a_foreign_plugin_is_printed_raw() {
    let db = prepared("a_foreign_plugin_is_printed_raw", "test_decoding");
    db.sql("INSERT INTO users VALUES (7)");
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--format",
        "raw",
        "--until-now",
        "-o",
        "include-xids=0",
    ]);
    run.succeeded();
    assert_eq!(
        run.text(),
        "BEGIN\ntable public.users: INSERT: id[integer]:7 name[text]:null bio[text]:null\nCOMMIT\n"
    );
    let again = db.run(&["stream", "-S", db.name(), "--format", "raw", "--until-now"]);
    assert_eq!(again.text(), "");
}

#[test]
fn tables_and_operations_are_chosen() {
    let db = prepared("tables_and_operations_are_chosen", "pgoutput");
    db.sql(
        "CREATE SCHEMA other; CREATE TABLE other.users (id int PRIMARY KEY); CREATE TABLE logs (id \
         int PRIMARY KEY)",
    );
    db.sql(
        "INSERT INTO users VALUES (1); INSERT INTO other.users VALUES (2); INSERT INTO logs \
            VALUES (3)",
    );
    db.sql("UPDATE users SET name = 'x'; UPDATE logs SET id = 4; DELETE FROM users");
    let chosen = |options: &[&str]| -> Vec<String> {
        events(&db, &[&["--peek"], options].concat())
            .iter()
            .map(|event| {
                format!(
                    "{} {}.{} {}",
                    event["op"], event["schema"], event["table"], event["seq"]
                )
                .replace('"', "")
            })
            .collect()
    };
    assert_eq!(
        chosen(&["--table", "public.*", "--op", "insert"]),
        ["insert public.users 0", "insert public.logs 2"]
    );
    assert_eq!(
        chosen(&["--table", "!logs", "--table", "!public.users"]),
        ["insert other.users 1"]
    );
    assert_eq!(
        chosen(&[
            "--table",
            "public.users:insert,delete",
            "--table",
            "lo?s:update"
        ]),
        [
            "insert public.users 0",
            "update public.logs 1",
            "delete public.users 2"
        ]
    );
}

#[test]
fn text_is_made_to_be_read() {
    let db = prepared("text_is_made_to_be_read", "pgoutput");
    db.sql("ALTER TABLE users REPLICA IDENTITY FULL");
    db.sql("INSERT INTO users VALUES (1, 'Ada', NULL)");
    db.sql("UPDATE users SET name = 'Grace'");
    db.sql("DELETE FROM users");
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
        "--format",
        "text",
    ]);
    let lines: Vec<&str> = run
        .text()
        .lines()
        .filter(|line| !line.starts_with("BEGIN") && !line.starts_with("COMMIT"))
        .collect();
    assert_eq!(
        lines,
        [
            "INSERT public.users  id=1 name='Ada' bio=NULL",
            "UPDATE public.users  id=1 name='Ada'→'Grace'",
            "DELETE public.users  id=1 name='Grace' bio=NULL",
        ]
    );
    assert_eq!(run.text().lines().count(), 9);
}

#[test]
fn the_same_change_prints_the_same_whatever_is_set() {
    let db = prepared("the_same_change_prints_the_same", "pgoutput");
    db.sql(
        "CREATE TABLE v (id int PRIMARY KEY, t timestamptz, i interval, f float8, b bytea, r \
            regclass)",
    );
    db.sql(
        "INSERT INTO v VALUES (1, '2026-11-20 12:00+00', '1 day 2 hours', 0.1::float4, \
            '\\x00ff', 'public.v')",
    );
    let database = db.name();
    for setting in [
        "datestyle = 'German'",
        "intervalstyle = 'iso_8601'",
        "extra_float_digits = -5",
        "bytea_output = 'escape'",
        "timezone = 'Asia/Kolkata'",
        "search_path = 'public'",
        "quote_all_identifiers = on",
        "client_encoding = 'LATIN1'",
    ] {
        db.sql(&format!("ALTER DATABASE {database} SET {setting}"));
    }
    let stream = [
        "stream",
        "-S",
        database,
        "--publication",
        "p",
        "--until-now",
        "--peek",
    ];
    let mut command = db.walcat(&stream);
    command
        .env(
            "PGOPTIONS",
            "-c datestyle=SQL -c timezone=America/Lima -c extra_float_digits=0",
        )
        .env("PGTZ", "Asia/Tokyo");
    let after = json!({"id": 1, "t": "2026-11-20T12:00:00+00:00", "i": "1 day \
        02:00:00", "f": 0.10000000149011612,
                       "b": "\\x00ff", "r": "public.v"});
    assert_eq!(run(&mut command).json()[0]["after"], after);
    let local = db.run(&[&stream[..], &["--timezone", "Asia/Kolkata"]].concat());
    assert_eq!(local.json()[0]["after"]["t"], "2026-11-20T17:30:00+05:30");
}

#[test]
fn a_start_behind_the_slot_is_warned_of() {
    let db = prepared("a_start_behind_the_slot_is_warned_of", "pgoutput");
    let behind = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
        "-I",
        "0/1",
    ]);
    behind.succeeded();
    assert!(
        behind
            .stderr
            .contains("walcat: warning: the slot is confirmed up to"),
        "{}",
        behind.stderr
    );
    db.sql("INSERT INTO users VALUES (1)");
    let middle = db.wal_position();
    db.sql("INSERT INTO users VALUES (2)");
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
        "-I",
        &middle,
    ]);
    assert_eq!(run.stderr, "");
    assert_eq!(
        run.json()
            .iter()
            .map(|event| event["after"]["id"].clone())
            .collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn logical_messages_are_shown_on_request() {
    let db = prepared("logical_messages_are_shown_on_request", "pgoutput");
    db.sql(
        "BEGIN; INSERT INTO users VALUES (1); SELECT pg_logical_emit_message(true, 'app', 'héllo');
         INSERT INTO users VALUES (2); COMMIT",
    );
    db.value("SELECT pg_logical_emit_message(false, 'bin', '\\x00ff'::bytea)::text");
    db.sql("CREATE TABLE committed ()"); // which flushes the WAL, as the message does not
    let without = events(&db, &["--peek"]);
    assert_eq!(
        without
            .iter()
            .map(|event| event["seq"].clone())
            .collect::<Vec<_>>(),
        [0, 2],
        "seq counts what is not shown"
    );
    let with = events(&db, &["--messages"]);
    assert_eq!(
        with[1],
        json!({"op": "message", "seq": 1, "transactional": true, "prefix": "app", "content": "héllo"})
    );
    assert_eq!(
        with[3],
        json!({"op": "message", "transactional": false, "prefix": "bin", "content_base64": "AP8="})
    );
}

#[test]
fn statistics_stay_off_stdout() {
    let db = prepared("statistics_stay_off_stdout", "pgoutput");
    db.sql("INSERT INTO users VALUES (1)");
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
        "--stats",
    ]);
    run.succeeded();
    assert_eq!(run.json().len(), 1);
    assert!(
        run.stderr.starts_with("walcat: ") && run.stderr.contains(" rows/s, 1 rows, "),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains(", confirmed ") && run.stderr.contains(", lag "),
        "{}",
        run.stderr
    );
    let peek = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
        "--stats",
        "--peek",
    ]);
    assert!(
        peek.succeeded().stderr.ends_with(", nothing confirmed\n"),
        "{}",
        peek.stderr
    );
    assert!(!peek.stderr.contains("lag"), "{}", peek.stderr);
}

#[test]
fn ids_sort_as_the_stream_does_with_every_plugin_and_from_a_capture() {
    for plugin in plugins() {
        let db = prepared(&format!("ids_sort_as_the_stream_does_{plugin}"), plugin);
        db.sql("INSERT INTO users SELECT generate_series(1, 12)");
        db.sql("SELECT pg_logical_emit_message(false, 'p', 'outside')");
        db.sql("DELETE FROM users WHERE id < 3");
        let publication: &[&str] = match *plugin {
            "pgoutput" => &["--publication", "p"],
            _ => &[],
        };
        let stream = |more: &[&str]| {
            let mut command = db.walcat(&["stream", "-S", db.name(), "--until-now", "--peek"]);
            run(command.args(publication).args(more))
        };
        let include = ["--include", "id,transactions"];
        let events = stream(&[&include[..], &["--messages"]].concat())
            .succeeded()
            .json();
        let ids: Vec<&str> = events.iter().map(|e| e["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 12 + 2 + 1 + 4, "{ids:?}");
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        for event in events.iter().filter(|event| event["after"].is_object()) {
            let lsn: walcat::lsn::Lsn = event["commit_lsn"].as_str().unwrap().parse().unwrap();
            let expected = format!("{:016X}-{:012}", lsn.0, event["seq"].as_u64().unwrap());
            assert_eq!(event["id"], *expected);
        }
        let capture = tempfile::NamedTempFile::new().unwrap();
        let path = capture.path().to_str().unwrap();
        stream(&["--format", "raw", "--messages", "-f", path]).succeeded();
        let mut decode = db.walcat(&["decode", path]);
        let decoded = run(decode.args(include)).succeeded().json();
        let decoded: Vec<&str> = decoded.iter().filter_map(|e| e["id"].as_str()).collect();
        assert_eq!(decoded, ids);
    }
}

#[test]
fn more_is_said_the_more_it_is_asked_for() {
    let db = prepared("more_is_said_the_more_it_is_asked_for", "pgoutput");
    db.sql("INSERT INTO users VALUES (1)");
    let run = |verbose: &str| {
        let arguments = [
            "stream",
            "-S",
            db.name(),
            "--publication",
            "p",
            "--until-now",
            "--peek",
        ];
        db.run(&[&arguments[..], &[verbose]].concat())
    };
    let details = run("-v");
    assert!(
        !details.succeeded().stderr.contains("walcat: received at"),
        "{}",
        details.stderr
    );
    let messages = run("-vv");
    let lsn = messages.succeeded().json()[0]["lsn"]
        .as_str()
        .unwrap()
        .to_owned();
    let insert = format!("walcat: received at {lsn} ");
    let is_insert = |line: &str| line.starts_with(&insert) && line.ends_with(" bytes, kind I");
    assert!(
        messages.stderr.lines().any(is_insert),
        "{}",
        messages.stderr
    );
    assert!(
        messages.stderr.contains("walcat: reported that"),
        "{}",
        messages.stderr
    );
}

/// Runs a script on a terminal of its own; what it prints there is its stdout.
fn on_a_terminal(db: &Database<'_>, script: &str) -> Running {
    let walcat = db.walcat(&[]);
    let mut command = std::process::Command::new("script");
    let script = script.replace("walcat", env!("CARGO_BIN_EXE_walcat"));
    command.args(["--quiet", "--return", "--command", &script, "/dev/null"]);
    for (name, value) in walcat.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    spawn(command.env("SHELL", "/bin/sh"))
}

#[test]
fn on_a_terminal_a_stream_says_what_it_waits_for() {
    let db = prepared("on_a_terminal_a_stream_says_what_it_waits_for", "pgoutput");
    let stream = format!("exec walcat stream -S {} --publication p", db.name());
    let mut waiting = on_a_terminal(&db, &stream);
    let told =
        "walcat: waiting for changes of the tables of publication \"p\" to commit; Ctrl-C ends";
    // In colour.
    let line = waiting.line().replace("\x1b[1m", "").replace("\x1b[0m", "");
    assert_eq!(line.trim_end(), told);
    db.sql("INSERT INTO users VALUES (1)");
    assert!(without_colors(&waiting.line()).starts_with("{\"op\":\"insert\""));
    // What is not looked at is not told.
    let kept = on_a_terminal(&db, "walcat stream -b p --timeout 2 2>&1 | cat");
    assert_eq!(kept.wait().succeeded().text(), "");
}

#[test]
fn on_a_terminal_statistics_make_room_for_lines() {
    let db = prepared("on_a_terminal_statistics_make_room_for_lines", "pgoutput");
    let name = db.name();
    let stream = "exec walcat stream --publication p --stats=0.1 --format text --slot";
    let mut running = on_a_terminal(&db, &format!("{stream} {name}"));
    // The line in place has no end: the next line comes behind it, once it is erased.
    let mut ids = 1..;
    let line = wait_until("statistics before a line", || {
        let id = ids.next()?;
        db.sql(&format!("INSERT INTO users VALUES ({id})"));
        // The first has the day before it.
        let mut line = running.line();
        while !line.contains("INSERT") {
            line = running.line();
        }
        line.contains(" rows/s, ").then_some(line)
    });
    let shown = line.rsplit("\r\x1b[K").next().unwrap();
    assert!(
        shown.contains("INSERT") && !shown.contains("rows/s"),
        "{line:?}"
    );
}
