//! Databases that are not UTF8.

use crate::support::*;
use serde_json::json;

fn stream(db: &Database<'_>, more: &[&str]) -> Finished {
    db.run(&[&["stream", "-S", db.name(), "--until-now"], more].concat())
}

/// Values of every kind with text in them, in the database's own encoding.
fn fill(db: &Database<'_>, text: &str) {
    db.sql(&format!(
        "CREATE EXTENSION hstore;
         CREATE TYPE \"pair {text}\" AS (\"n {text}\" int, t text);
         CREATE TABLE \"t {text}\" (id int, \"c {text}\" text, a text[], p \"pair {text}\", j jsonb, k json, h hstore);
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
    let run = stream(&db, &["--publication", "p"]);
    run.succeeded();
    assert_eq!(run.stderr, "");
    let event = &run.json()[0];
    assert_eq!(event["table"], json!(format!("t {text}")));
    assert_eq!(
        event["after"],
        json!({
            "id": 1, format!("c {text}"): text, "a": [format!("a {text}"), "b"],
            "p": {format!("n {text}"): 1, "t": format!("x {text}")}, "j": {text: text}, "k": [text], "h": {text: text},
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
    let db = Database::create_with(
        server(),
        "value_sql_ascii",
        "ENCODING 'SQL_ASCII' LOCALE 'C'",
    );
    db.sql(
        r"CREATE TYPE pair AS (n int, t text);
          CREATE TABLE t (id int, c text, a text[], p pair, k json);
          CREATE FUNCTION raw(bytea) RETURNS text LANGUAGE sql AS $$ SELECT convert_from($1, 'SQL_ASCII') $$;
          CREATE PUBLICATION p FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    db.sql(
        r#"INSERT INTO t VALUES
           (1, 'Grüße', '{"ä b"}', '(1,ö)', '["ü"]'),
           (2, raw('\x61e462'), ARRAY['a', raw('\xff'), raw('\x22e4')], row(2, raw('\x20e4')), raw('\x5b22e4225d')::json)"#,
    );
    let run = stream(&db, &["--publication", "p"]);
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
            json!({"id": 1, "c": "Gr\u{fc}\u{df}e", "a": ["\u{e4} b"], "p": {"n": 1, "t": "\u{f6}"}, "k": ["\u{fc}"]}),
            json!({
                "id": 2, "c": {"base64": "YeRi"}, "a": ["a", {"base64": "/w=="}, {"base64": "IuQ="}],
                "p": {"n": 2, "t": {"base64": "IOQ="}}, "k": {"base64": "WyLkIl0="},
            }),
        ]
    );
}

#[test]
fn wal2json_is_refused_where_it_cannot_be_read() {
    let db = Database::create_with(
        server(),
        "value_latin1_wal2json",
        "ENCODING 'LATIN1' LOCALE 'C'",
    );
    db.create_slot("wal2json");
    let run = stream(&db, &[]);
    assert_eq!(run.status.code(), Some(1));
    assert!(
        run.stderr.contains("LATIN1") && run.stderr.contains("pgoutput"),
        "{}",
        run.stderr
    );
}
