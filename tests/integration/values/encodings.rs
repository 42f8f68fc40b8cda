//! Databases that are not UTF8.

use crate::support::*;
use serde_json::json;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

fn until_now(db: &Database<'_>, more: &[&str]) -> Finished {
    db.run(&[&["stream", "-S", db.name(), "--until-now"], more].concat())
}

/// Values of every kind with text in them, in the database's own encoding.
fn fill(db: &Database<'_>, text: &str) {
    db.sql(&format!(
        "CREATE EXTENSION hstore;
         CREATE TYPE \"pair {text}\" AS (\"n {text}\" int, t text);
         CREATE TABLE \"t {text}\" (id int, \"c {text}\" text, a text[], p \"pair {text}\", j \
         jsonb, k json, h hstore);
         CREATE PUBLICATION p FOR ALL TABLES"
    ));
    db.create_slot("pgoutput");
    db.sql(&format!(
        "INSERT INTO \"t {text}\" VALUES
         (1, '{text}', '{{\"a {text}\",b}}', '(1,\"x {text}\")', '{{\"{text}\": \"{text}\"}}', \
                            '[\"{text}\"]', '\"{text}\"=>\"{text}\"')"
    ));
}

fn is_utf8(name: &str, encoding: &str, text: &str) {
    let db = Database::create_with(server(), name, &format!("ENCODING '{encoding}' LOCALE 'C'"));
    fill(&db, text);
    let run = until_now(&db, &["--publication", "p"]);
    run.succeeded();
    assert_eq!(run.stderr, "");
    let event = &run.json()[0];
    assert_eq!(event["table"], json!(format!("t {text}")));
    assert_eq!(
        event["after"],
        json!({
            "id": 1, format!("c {text}"): text, "a": [format!("a {text}"), "b"],
            "p": {format!("n {text}"): 1, "t": format!("x \
             {text}")}, "j": {text: text}, "k": [text], "h": {text: text},
        })
    );
}

#[test]
fn latin1_becomes_utf8() {
    is_utf8(
        "value_latin1",
        "LATIN1",
        "Gr\u{fc}\u{df}e \u{a9}\u{bd}\u{ff}",
    );
}

#[test]
fn euc_jp_becomes_utf8() {
    is_utf8("value_euc_jp", "EUC_JP", "\u{65e5}\u{672c}\u{8a9e}\u{ff76}");
}

#[test]
fn bytes_of_sql_ascii_are_kept() {
    for plugin in plugins() {
        bytes_are_kept(plugin);
    }
}

fn bytes_are_kept(plugin: &str) {
    let db = Database::create_with(
        server(),
        &format!("value_sql_ascii_{plugin}"),
        "ENCODING 'SQL_ASCII' LOCALE 'C'",
    );
    db.sql(
        r"CREATE TYPE pair AS (n int, t text);
          CREATE TABLE t (id int, c text, a text[], p pair, k json);
          CREATE FUNCTION raw(bytea) RETURNS text LANGUAGE sql AS $$ SELECT convert_from($1, 'SQL_ASCII') $$;
          CREATE PUBLICATION p FOR ALL TABLES",
    );
    db.create_slot(plugin);
    db.sql(
        r#"INSERT INTO t VALUES
           (1, 'Grüße', '{"ä b"}', '(1,ö)', '["ü"]'),
           (2, raw('\x61e462'), ARRAY['a', raw('\xff'), raw('\x22e4')], row(2, raw('\x20e4')), raw('\x5b22e4225d')::json)"#,
    );
    let publication: &[&str] = match plugin {
        "pgoutput" => &["--publication", "p"],
        _ => &[],
    };
    let run = until_now(&db, publication);
    run.succeeded();
    assert_eq!(run.stderr, "");
    let rows: Vec<_> = run
        .json()
        .iter()
        .map(|event| event["after"].clone())
        .collect();
    assert_eq!(
        rows,
        [
            json!({"id": 1, "c": "Gr\u{fc}\u{df}e", "a": ["\u{e4} \
                b"], "p": {"n": 1, "t": "\u{f6}"}, "k": ["\u{fc}"]}),
            json!({
                "id": 2, "c": {"base64": "YeRi"}, "a": ["a", {"base64": "/w=="}, {"base64": "IuQ="}],
                "p": {"n": 2, "t": {"base64": "IOQ="}}, "k": {"base64": "WyLkIl0="},
            }),
        ]
    );
}

/// Runs statements whose text may be any bytes.
fn psql(server: &Server, database: &[u8], statements: &[u8]) {
    let output = Command::new(server.client_program("psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"])
        .arg(server.socket_directory())
        .args(["-p", &server.port().to_string(), "-d"])
        .arg(OsStr::from_bytes(database))
        .arg("-c")
        .arg(OsStr::from_bytes(statements))
        .env("PGCLIENTENCODING", "SQL_ASCII")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

#[test]
fn names_of_sql_ascii_are_readable_everywhere() {
    let server = Server::start(Options::default());
    let options = "ENCODING 'SQL_ASCII' LOCALE 'C'";
    let db = Database::create_with(&server, "ascii_names", options);
    db.create_slot("pgoutput");
    psql(
        &server,
        b"ascii_names",
        b"CREATE TABLE \"t\xe4\\\" (id int PRIMARY KEY, \"c\xff\" text); CREATE TABLE \"b\xc3\" (x \
            int);
          CREATE TYPE \"y\xfc\" AS (\"n\xfc\" int); CREATE TABLE plain (id int PRIMARY KEY, p \
          \"y\xfc\");
          CREATE PUBLICATION \"p\xe4\\\" FOR TABLE \"t\xe4\\\", \"b\xc3\"; CREATE PUBLICATION p \
          FOR ALL TABLES",
    );
    let list = db.run(&["pub", "list", "--format", "json"]);
    assert_eq!(list.succeeded().stderr, "");
    let list: serde_json::Value = serde_json::from_str(list.text()).unwrap();
    let named = |name: &str| {
        let publications = list.as_array().unwrap();
        publications.iter().find(|one| one["name"] == name).unwrap()
    };
    let tables: Vec<_> = named("p\\xE4\\\\")["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| &table["table"])
        .collect();
    assert_eq!(tables, ["b\\xC3", "t\\xE4\\\\"]);
    assert_eq!(named("p")["all_tables"], true);
    let table = db.run(&["pub", "list"]);
    assert!(
        table.succeeded().text().contains("p\\xE4\\\\"),
        "{}",
        table.text()
    );

    // Each publication has its own tables, however its name is shown.
    let check = db.run(&["check", "--slot", db.name()]);
    for line in [
        "ok    publication \"p\\xE4\\\\\" has 2 tables",
        "ok    publication \"p\" has 3 tables",
        "warn  publication \"p\\xE4\\\\\": UPDATE and DELETE fail on table public.\"b\\xC3\"",
    ] {
        assert!(
            check.text().contains(line),
            "no {line:?} in {}",
            check.text()
        );
    }

    psql(
        &server,
        b"ascii_names",
        b"INSERT INTO \"t\xe4\\\" VALUES (1, 'x'); INSERT INTO plain VALUES (2, '(3)');
          DO $$ BEGIN PERFORM pg_logical_emit_message(true, E'm\\xe4', 'x'); END $$",
    );
    let more = ["--publication", "p", "--peek", "--include", "types"];
    let run = until_now(&db, &more);
    assert_eq!(run.succeeded().stderr, "");
    let events = run.json();
    assert_eq!(events[0]["table"], "t\\xE4\\\\");
    assert_eq!(events[0]["after"], json!({"id": 1, "c\\xFF": "x"}));
    assert_eq!(events[1]["after"], json!({"id": 2, "p": {"n\\xFC": 3}}));
    // What is shown can be chosen.
    let run = until_now(
        &db,
        &[&more[..], &["--table", "public.t\\xE4\\\\"]].concat(),
    );
    assert_eq!(run.succeeded().json().len(), 1);
    let run = until_now(&db, &["--publication", "nothing"]);
    let said = "The publications of the database are: p, p\\xE4\\\\.";
    assert!(run.exited(1).stderr.contains(said), "{}", run.stderr);
}

#[test]
fn names_of_databases_are_readable() {
    let server = Server::start(Options::default());
    psql(
        &server,
        b"postgres",
        b"CREATE DATABASE first TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
    );
    psql(
        &server,
        b"first",
        b"CREATE DATABASE \"d\xe4\" TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
    );
    psql(
        &server,
        b"d\xe4",
        b"SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
    );
    for database in ["postgres", "first"] {
        let db = Database::create_on(&server, &format!("other_{database}"));
        let list = run(db
            .walcat(&["slot", "list", "--format", "json"])
            .env("PGDATABASE", database));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(list.succeeded().text()).unwrap()[0]["database"],
            "d\\xE4"
        );
        let list = run(db.walcat(&["slot", "list"]).env("PGDATABASE", database));
        assert!(
            list.succeeded().text().contains("d\\xE4"),
            "{}",
            list.text()
        );
        let other = run(db
            .walcat(&["stream", "-S", "s"])
            .env("PGDATABASE", database));
        let said = "it belongs to database \"d\\xE4\"";
        assert!(other.exited(1).stderr.contains(said), "{}", other.stderr);
    }
}

#[test]
fn an_encoding_that_cannot_be_converted_is_told() {
    let server = Server::start(Options::default());
    if server.version() >= 190_000 {
        return; // which has no such encoding any more
    }
    let create = "CREATE DATABASE mule TEMPLATE template0 ENCODING 'MULE_INTERNAL' LOCALE 'C'";
    server.client("postgres").batch_execute(create).unwrap();
    let db = Database::create_on(&server, "other");
    for arguments in [&["pub", "list"][..], &["stream", "-S", "s"], &["check"]] {
        let run = run(db.walcat(arguments).env("PGDATABASE", "mule"));
        let stderr = &run.exited(1).stderr;
        assert!(stderr.contains("MULE_INTERNAL"), "{stderr}");
        assert!(stderr.contains("cannot convert to UTF-8"), "{stderr}");
        assert!(
            stderr.contains("\ntry: dump it, and restore it"),
            "{stderr}"
        );
    }
}

#[test]
fn wal2json_is_refused_where_it_cannot_be_read() {
    let db = Database::create_with(
        server(),
        "value_latin1_wal2json",
        "ENCODING 'LATIN1' LOCALE 'C'",
    );
    db.create_slot("wal2json");
    let run = until_now(&db, &[]);
    assert_eq!(run.status.code(), Some(1));
    assert!(
        run.stderr.contains("LATIN1") && run.stderr.contains("pgoutput"),
        "{}",
        run.stderr
    );
}
