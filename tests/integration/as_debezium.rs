//! `--format debezium`: what consumers of Debezium's events find in them.

use crate::support::*;
use serde_json::{Value, json};

/// Streams what the database has, as Debezium would.
fn events(db: &Database<'_>) -> Vec<Value> {
    let arguments = [
        "-q",
        "stream",
        "-S",
        db.name(),
        "--publication",
        "everything",
        "--messages",
    ];
    let format = ["--until-now", "--format", "debezium"];
    let finished = run(db.walcat(&arguments).args(format));
    is_read_by_others(finished.succeeded());
    finished.json()
}

/// Fails unless what others wrote for events of Debezium's reads the lines as what they are.
#[track_caller]
fn is_read_by_others(finished: &Finished) {
    for (line, event) in finished.text().lines().zip(finished.json()) {
        let read = sqlite_diff_rs::debezium::parse::<Value>(line);
        let read = read.unwrap_or_else(|error| panic!("{error}: {line}"));
        let source = serde_json::to_value(&read.source).unwrap();
        assert_eq!(serde_json::to_value(read.op).unwrap(), event["op"]);
        for (field, value) in source.as_object().unwrap() {
            assert_eq!(value, &event["source"][field], "{field}: {line}");
        }
        let rows = [("before", read.before), ("after", read.after)];
        for (side, row) in rows {
            assert_eq!(row.unwrap_or_default(), event[side], "{side}: {line}");
        }
        assert_eq!(read.ts_ms, event["ts_ms"].as_i64());
        assert!(read.transaction.is_none());
    }
}

#[test]
fn rows_have_the_envelope_of_debezium() {
    let db = Database::create("as_debezium");
    db.sql(
        "CREATE TABLE customers (id int PRIMARY KEY, first_name text, long text);
         ALTER TABLE customers ALTER long SET STORAGE external;
         CREATE TABLE kept (id int, v text); ALTER TABLE kept REPLICA IDENTITY FULL;
         CREATE PUBLICATION everything FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    db.sql("INSERT INTO customers VALUES (1, 'Anne', repeat('x', 10000))");
    db.sql("UPDATE customers SET first_name = 'Anne Marie'");
    db.sql("UPDATE customers SET id = 2");
    db.sql("DELETE FROM customers");
    db.sql("INSERT INTO kept VALUES (1, 'a'); UPDATE kept SET v = 'b'; TRUNCATE customers, kept");
    db.sql("SELECT pg_logical_emit_message(false, 'foo', 'bar')");
    let found = events(&db);
    let unavailable = "__debezium_unavailable_value";
    let long = "x".repeat(10_000);
    let told: Vec<Value> = found
        .iter()
        .map(|event| {
            json!([
                event["op"],
                event["source"]["table"],
                event["before"],
                event["after"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!(["c", "customers", null, {"id": 1, "first_name": "Anne", "long": long}]),
            json!(["u", "customers", null, {"id": 1, "first_name": "Anne \
                Marie", "long": unavailable}]),
            json!(["d", "customers", {"id": 1}, null]),
            json!(["c", "customers", null, {"id": 2, "first_name": "Anne \
                Marie", "long": unavailable}]),
            json!(["d", "customers", {"id": 2}, null]),
            json!(["c", "kept", null, {"id": 1, "v": "a"}]),
            json!(["u", "kept", {"id": 1, "v": "a"}, {"id": 1, "v": "b"}]),
            json!(["t", "customers", null, null]),
            json!(["t", "kept", null, null]),
            json!(["m", "", null, null]),
        ]
    );
    // The fields that the documentation lists, and what they hold.
    let mut last = (0, -1);
    for event in &found {
        let fields: Vec<&String> = event.as_object().unwrap().keys().collect();
        let mut known = vec!["before", "after", "source", "transaction", "op"];
        known.extend(["ts_ms", "ts_us", "ts_ns"]);
        known.extend((event["op"] == "m").then_some("message"));
        known.sort_unstable();
        assert_eq!(fields, known);
        let source = event["source"].as_object().unwrap();
        for field in [
            "version",
            "connector",
            "name",
            "ts_ms",
            "ts_us",
            "ts_ns",
            "snapshot",
            "db",
            "sequence",
            "schema",
            "table",
            "txId",
            "lsn",
            "xmin",
        ] {
            assert!(source.contains_key(field), "{field}: {event}");
        }
        assert_eq!(
            (&source["connector"], &source["db"]),
            (&json!("postgresql"), &json!(db.name()))
        );
        assert!(
            event["ts_ms"].as_i64() >= source["ts_ms"].as_i64(),
            "{event}"
        );
        let sequence: Vec<Option<String>> =
            serde_json::from_str(source["sequence"].as_str().unwrap()).unwrap();
        assert_eq!(sequence[1], Some(source["lsn"].to_string()));
        // Ours only grow.
        if let (Some(lsn), Some(seq)) = (&sequence[0], source.get("seq")) {
            let next = (lsn.parse::<u64>().unwrap(), seq.as_i64().unwrap());
            assert!(next >= last, "{next:?} after {last:?}");
            last = next;
        }
    }
    assert_eq!(
        found[9]["message"],
        json!({"prefix": "foo", "content": "YmFy"})
    );
}

#[test]
fn rows_that_are_there_already_are_read() {
    let db = Database::create("snapshot_of_debezium");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM \
         generate_series(1, 2500) i;
         CREATE PUBLICATION everything FOR ALL TABLES",
    );
    let slot = ["stream", "-S", db.name(), "--publication", "everything"];
    let more = ["--create-slot", "--snapshot", "--format", "debezium"];
    let arguments = [&slot[..], &more].concat();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let file = ["--until-now", "-f", path.to_str().unwrap()];
    // A file could not be gone on with.
    let refused = db.run(&[&arguments[..], &file].concat());
    let reason = "its lines do not say how far the tables are";
    assert!(
        refused.exited(2).stderr.contains(reason),
        "{}",
        refused.stderr
    );
    let mut running = spawn(&mut db.walcat(&arguments));
    let rows: Vec<Value> = (0..2500).map(|_| running.json()).collect();
    db.sql("UPDATE t SET v = 'changed' WHERE id = 1");
    assert_eq!(running.json()["op"], "u");
    let finished = running.interrupt();
    is_read_by_others(finished.succeeded());
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(row["op"], "r");
        assert_eq!(
            (&row["before"], &row["source"]["txId"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(row["source"]["snapshot"], "incremental");
        assert_eq!(
            row["after"],
            json!({"id": number + 1, "v": format!("v{}", number + 1)})
        );
    }
    // A file that is only appended to can have them.
    let append = [&file[..], &["--no-resume"]].concat();
    db.run(&[&arguments[..], &append].concat()).succeeded();
    db.sql("DELETE FROM t WHERE id = 2");
    let mut resume = [&slot[..], &["--format", "debezium"], &file].concat();
    resume.push("-q");
    db.run(&resume).succeeded();
    let lines = std::fs::read_to_string(&path).unwrap();
    let ops: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["op"].clone())
        .collect();
    assert_eq!(
        (ops.len(), &ops[2499], &ops[2500]),
        (2501, &json!("r"), &json!("d"))
    );
}

#[test]
fn values_are_those_of_the_settings_that_are_named() {
    let db = Database::create("values_of_debezium");
    db.sql(
        "CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('happy'); CREATE DOMAIN counted AS int;
         CREATE TABLE t (id int PRIMARY KEY, a numeric(8, 2), b date, c timestamp, d timestamp(3), \
         e timestamptz, f time, g time(0), h timetz, z varbit(1),
             i interval, j bytea, k bit(1), l bit(9), m json, n hstore, o point, p mood, q \
             counted, r numeric[], s date[], t bool, u float8, v uuid,
             w mood[], x oid, y inet);
         CREATE PUBLICATION everything FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    db.sql(
        r#"INSERT INTO t VALUES (1, 1.5, '2026-11-20', '2018-06-20 15:13:16.945104', '2018-06-20 15:13:16.945', '2026-11-20 09:23:34.5+02', '09:23:34.5',
             '00:00:01', '09:23:34+02', B'1', '1 year 2 mons 3 days 04:05:06.78', '\x00ff27', B'1', B'100000011', '{"a" : 1}', 'k=>v', '(1.5,2)', 'happy', 5,
             '{1.50,NULL}', '{2026-11-20}', true, 'NaN', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{happy}', 4294967295, '10.0.0.1')"#,
    );
    assert_eq!(
        events(&db)[0]["after"],
        json!({
            "id": 1, "a": "1.50", "b": 20777, "c": 1_529_507_596_945_104_i64, "d": 1_529_507_596_945_i64, "e": "2026-11-20T07:23:34.5Z",
            "f": 33_814_500_000_i64, "g": 1000, "h": "07:23:34Z", "z": true, "i": "P1Y2M3DT4H5M6.78S", "j": "AP8n", "k": true, "l": "AwE=",
            "m": "{\"a\" : \
             1}", "n": "{\"k\":\"v\"}", "o": {"x": 1.5, "y": 2}, "p": "happy", "q": 5, "r": ["1.50", null], "s": [20777],
            "t": true, "u": "NaN", "v": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "w": ["happy"], "x": 4_294_967_295_u32, "y": "10.0.0.1"
        })
    );
}

#[test]
fn a_file_of_debezium_is_resumed_within_transactions() {
    let db = Database::create("resumed_debezium");
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION everything FOR ALL TABLES");
    db.create_slot("pgoutput");
    crate::replay::is_resumed_at_every_cut(&db, "debezium", 5);
}
