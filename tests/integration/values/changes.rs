//! Types that change or go away while their values are on the way.

use crate::support::*;
use serde_json::{Value, json};

/// A database with a table `t (id int, p pair)`, a publication `p` and a slot for it.
fn setup(name: &str) -> Database<'static> {
    let db = Database::create(name);
    db.sql(
        "CREATE TYPE pair AS (n int, t text);
         CREATE TABLE t (id int PRIMARY KEY, p pair);
         CREATE PUBLICATION p FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    db
}

fn stream_until_now(db: &Database<'_>) -> Finished {
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ]);
    run.succeeded();
    run
}

fn pairs(run: &Finished) -> Vec<Value> {
    run.json()
        .iter()
        .map(|event| event["after"]["p"].clone())
        .collect()
}

#[test]
fn a_type_that_grew_is_looked_up_again() {
    let db = setup("value_type_grows");
    let mut running = spawn(&mut db.stream(&[]));
    db.sql("INSERT INTO t VALUES (1, '(1,a)')");
    assert_eq!(running.json()["after"]["p"], json!({"n": 1, "t": "a"}));
    db.sql("ALTER TYPE pair ADD ATTRIBUTE more jsonb");
    db.sql(r#"INSERT INTO t VALUES (2, '(2,b,"[true]")')"#);
    assert_eq!(
        running.json()["after"]["p"],
        json!({"n": 2, "t": "b", "more": [true]})
    );
    db.sql("ALTER TYPE pair DROP ATTRIBUTE t");
    db.sql("INSERT INTO t VALUES (3, '(3,null)')");
    assert_eq!(running.json()["after"]["p"], json!({"n": 3, "more": null}));
    assert_eq!(running.stderr(), "");
}

#[test]
fn new_names_are_there_once_the_table_is_announced_anew() {
    let db = setup("value_type_renamed");
    let mut running = spawn(&mut db.stream(&[]));
    db.sql("INSERT INTO t VALUES (1, '(1,a)')");
    assert_eq!(running.json()["after"]["p"], json!({"n": 1, "t": "a"}));
    db.sql("ALTER TYPE pair RENAME ATTRIBUTE n TO number; ALTER TABLE t ADD COLUMN c int");
    db.sql("INSERT INTO t VALUES (2, '(2,b)', 5)");
    assert_eq!(
        running.json()["after"],
        json!({"id": 2, "p": {"number": 2, "t": "b"}, "c": 5})
    );
    assert_eq!(running.stderr(), "");
}

#[test]
fn rows_older_than_their_type_are_text() {
    let db = setup("value_type_older_rows");
    db.sql("INSERT INTO t SELECT n, row(n, 'a'::text)::pair FROM generate_series(1, 9) n");
    db.sql("ALTER TYPE pair ADD ATTRIBUTE more int");
    db.sql("INSERT INTO t VALUES (10, '(10,b,20)')");
    let run = stream_until_now(&db);
    let mut expected: Vec<Value> = (1..10).map(|n| json!(format!("({n},a)"))).collect();
    expected.push(json!({"n": 10, "t": "b", "more": 20}));
    assert_eq!(pairs(&run), expected);
    assert_eq!(
        run.stderr,
        "walcat: warning: values of type public.pair are shown as text: a value does not have the \
         form of its type\n"
    );
}

#[test]
fn a_type_that_is_gone_is_text() {
    let db = setup("value_type_gone");
    db.sql("INSERT INTO t VALUES (1, '(1,a)'), (2, '(2,b)')");
    db.sql("DROP TABLE t; DROP TYPE pair");
    let run = stream_until_now(&db);
    assert_eq!(pairs(&run), [json!("(1,a)"), json!("(2,b)")]);
    assert_eq!(
        run.stderr,
        "walcat: warning: values of type public.pair are shown as text: no longer in the catalog\n"
    );
}

#[test]
fn the_stream_names_types_that_the_catalog_does_not() {
    let db = Database::create("value_type_names");
    db.sql(
        "CREATE SCHEMA \"S\"; CREATE TYPE \"S\".\"odd \"\"type\" AS ENUM ('x'); CREATE TYPE pair \
         AS (n int, t text);
         CREATE DOMAIN big AS numeric(20, 2); CREATE DOMAIN pairs AS pair; CREATE DOMAIN bits AS \
         bit(3)[];
         CREATE TABLE t (e \"S\".\"odd \"\"type\", p pair, b big, d pairs, a pair[], v varchar(3), \
         i bits);
         CREATE PUBLICATION p FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES ('x', '(1,a)', 7.50, '(2,b)', '{\"(3,c)\"}', 'v', '{101}')");
    let stream = [
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--until-now",
    ];
    let types = [&stream[..], &["--peek", "--include", "types"]].concat();
    let run = db.run(&types);
    assert_eq!(run.succeeded().stderr, "");
    assert_eq!(
        run.json()[0]["types"],
        json!({
            "e": "\"S\".\"odd \
             \"\"type\"", "p": "public.pair", "b": "public.big", "d": "public.pairs",
            "a": "public.pair[]", "v": "character varying(3)", "i": "public.bits"
        })
    );
    db.sql("DROP TABLE t; DROP DOMAIN big, pairs, bits; DROP TYPE pair, \"S\".\"odd \"\"type\"");
    // What a domain is over, by the name that pg_type has, is all that the stream says of it. That
    // is enough for its values if it is a type of the system's.
    let named = json!({
        "e": "\"S\".\"odd \"\"type\"", "p": "public.pair", "b": "numeric", "d": "public.pair",
        "a": "public._pair", "v": "character varying(3)", "i": "\"bit\"[]"
    });
    let values = json!({
        "e": "x", "p": "(1,a)", "b": 7.5, "d": "(2,b)", "a": "{\"(3,c)\"}", "v": "v", "i": ["101"]
    });
    let texts = json!({
        "e": "x", "p": "(1,a)", "b": "7.50", "d": "(2,b)", "a": "{\"(3,c)\"}", "v": "v", "i": "{101}"
    });
    let warning = "walcat: warning: values of types \"S\".\"odd \"\"type\", public.pair, \
                   public._pair are shown as text: ";
    let sorted = |text: &str| {
        let mut words: Vec<String> = text.split([' ', ',']).map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    let said = |run: &Finished, reason: &str| {
        assert_eq!(sorted(&run.stderr), sorted(&format!("{warning}{reason}\n")));
    };
    let row = |run: &Finished| {
        let event = &run.succeeded().json()[0];
        (event["types"].clone(), event["after"].clone())
    };
    let run = db.run(&types);
    assert_eq!(row(&run), (named.clone(), values.clone()));
    said(&run, "no longer in the catalog");
    let run = db.run(&[&types[..], &["--values", "text"]].concat());
    assert_eq!(row(&run), (named.clone(), texts.clone()));
    assert_eq!(run.stderr, "");
    let run = db.run(
        &[
            &stream[..],
            &["--peek", "--format", "text", "--include", "relations"],
        ]
        .concat(),
    );
    assert!(
        run.succeeded().text().contains("p public.pair"),
        "{}",
        run.text()
    );
    assert_eq!(run.stderr, "");

    let raw = db.run(&[&stream[..], &["--format", "raw"]].concat());
    let capture = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(capture.path(), &raw.succeeded().stdout).unwrap();
    let decode = [
        "decode",
        capture.path().to_str().unwrap(),
        "--include",
        "types",
    ];
    let run = db.run(&decode);
    assert_eq!(row(&run), (named.clone(), values));
    said(&run, "there is no server to ask");
    let run = db.run(&[&decode[..], &["--values", "text"]].concat());
    assert_eq!(row(&run), (named, texts));
    assert_eq!(run.stderr, "");
}

#[test]
fn a_cast_to_json_is_told() {
    for plugin in plugins() {
        let db = Database::create(&format!("value_type_with_cast_{plugin}"));
        db.sql(
            "CREATE TYPE mood AS ENUM ('calm');
             CREATE FUNCTION to_json(mood) RETURNS json LANGUAGE sql RETURN \
             json_build_object('mood', $1::text);
             CREATE CAST (mood AS json) WITH FUNCTION to_json(mood);
             CREATE TABLE t (id int, m mood, ms mood[]);
             CREATE PUBLICATION p FOR ALL TABLES",
        );
        db.create_slot(plugin);
        db.sql("INSERT INTO t VALUES (1, 'calm', '{calm}'), (2, 'calm', NULL)");
        let json: Value =
            serde_json::from_str(&db.value("SELECT row_to_json(t) FROM t LIMIT 1")).unwrap();
        assert_eq!(
            json,
            json!({"id": 1, "m": {"mood": "calm"}, "ms": [{"mood": "calm"}]})
        );
        let publication: &[&str] = match *plugin {
            "pgoutput" => &["--publication", "p"],
            _ => &[],
        };
        let stream = ["stream", "-S", db.name(), "--until-now", "--peek"];
        let run = db.run(&[&stream, publication].concat());
        let rows: Vec<Value> = run
            .succeeded()
            .json()
            .iter()
            .map(|event| event["after"].clone())
            .collect();
        assert_eq!(
            rows,
            [
                json!({"id": 1, "m": "calm", "ms": ["calm"]}),
                json!({"id": 2, "m": "calm", "ms": null})
            ]
        );
        assert_eq!(
            run.stderr,
            "walcat: warning: values of type public.mood are shown as text: only the server can \
             run \
             the cast to json\n"
        );
        let run = db.run(&[&stream, publication, &["--values", "text"]].concat());
        assert_eq!(run.succeeded().stderr, "");
    }
}

#[test]
fn what_was_known_of_a_type_outlives_it() {
    let db = setup("value_type_outlived");
    let mut running = spawn(&mut db.stream(&[]));
    db.sql("INSERT INTO t VALUES (1, '(1,a)')");
    assert_eq!(running.json()["after"]["p"], json!({"n": 1, "t": "a"}));
    running.signal(rustix::process::Signal::STOP);
    db.sql("ALTER TABLE t ADD COLUMN c int; INSERT INTO t VALUES (2, '(2,b)', 3)");
    db.sql("DROP TABLE t; DROP TYPE pair");
    running.signal(rustix::process::Signal::CONT);
    assert_eq!(
        running.json()["after"],
        json!({"id": 2, "p": {"n": 2, "t": "b"}, "c": 3})
    );
    assert_eq!(running.stderr(), "");
}

#[test]
fn a_catalog_that_cannot_be_had_does_not_end_the_stream() {
    let db = setup("value_no_catalog");
    let mut running = spawn(&mut db.stream(&[]));
    db.sql("CREATE TABLE ready (id int); INSERT INTO ready VALUES (1)");
    running.line();
    let mut other = db.server().client("postgres");
    other
        .batch_execute(&format!(
            "ALTER DATABASE \"{}\" ALLOW_CONNECTIONS false",
            db.name()
        ))
        .unwrap();
    db.sql("INSERT INTO t VALUES (1, '(1,a)'), (2, '(2,b)')");
    assert_eq!(running.json()["after"]["p"], json!("(1,a)"));
    assert_eq!(running.json()["after"]["p"], json!("(2,b)"));
    running.wait_for_stderr("not currently accepting connections");
    let stderr = running.stderr();
    assert!(
        stderr.starts_with("walcat: warning: values of type "),
        "{stderr}"
    );
    assert!(
        stderr.contains(" are shown as text: could not connect"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    other
        .batch_execute(&format!(
            "ALTER DATABASE \"{}\" ALLOW_CONNECTIONS true",
            db.name()
        ))
        .unwrap();
}
