//! What publications choose, compared with the messages themselves: those that the server hands out
//! by SQL, read here once more, in the simplest way.

use crate::support::*;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Reads the fields of a message from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> char {
        self.take(1)[0].into()
    }

    fn number(&mut self, bytes: usize) -> usize {
        let digit = |number, byte: &u8| number << 8 | usize::from(*byte);
        self.take(bytes).iter().fold(0, digit)
    }

    fn text(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap();
        let text = String::from_utf8(self.take(end).to_vec()).unwrap();
        self.take(1);
        text
    }

    /// The values of a row: `None` for what was not sent.
    fn row(&mut self) -> Vec<Option<Value>> {
        let count = self.number(2);
        (0..count)
            .map(|_| match self.byte() {
                'n' => Some(Value::Null),
                'u' => None,
                't' => {
                    let length = self.number(4);
                    Some(str::from_utf8(self.take(length)).unwrap().into())
                }
                other => panic!("a value of kind {other}"),
            })
            .collect()
    }
}

/// A table as a message announced it.
#[derive(Clone)]
struct Table {
    name: String,
    columns: Vec<(String, bool)>,
}

impl Table {
    fn object(&self, row: &[Option<Value>], only_key: bool) -> Value {
        let columns = self.columns.iter().zip(row);
        columns
            .filter(|((_, key), _)| *key || !only_key)
            .filter_map(|((name, _), value)| Some((name.clone(), value.clone()?)))
            .collect::<Map<_, _>>()
            .into()
    }

    fn not_sent(&self, row: &[Option<Value>]) -> Value {
        let columns = self.columns.iter().zip(row);
        let names: Vec<&str> = columns
            .filter(|(_, value)| value.is_none())
            .map(|((name, _), _)| name.as_str())
            .collect();
        if names.is_empty() {
            Value::Null
        } else {
            json!(names)
        }
    }
}

/// The changes in messages of protocol 1: operation, table, old row, new row, what is unchanged.
fn read(messages: &[Vec<u8>]) -> Vec<Value> {
    let mut tables: HashMap<usize, Table> = HashMap::new();
    let mut changes = Vec::new();
    for message in messages {
        let mut fields = Fields(message);
        let kind = fields.byte();
        if kind == 'R' {
            let oid = fields.number(4);
            let name = format!("{}.{}", fields.text(), fields.text());
            fields.byte();
            let count = fields.number(2);
            let columns = (0..count).map(|_| {
                let key = fields.number(1) == 1;
                let name = fields.text();
                fields.take(8);
                (name, key)
            });
            let columns = columns.collect();
            tables.insert(oid, Table { name, columns });
        } else if kind == 'T' {
            let count = fields.number(4);
            fields.byte();
            for _ in 0..count {
                let table = &tables[&fields.number(4)];
                changes.push(json!(["truncate", table.name, null, null, null]));
            }
        } else if matches!(kind, 'I' | 'U' | 'D') {
            let table = &tables[&fields.number(4)];
            let (mut before, mut after, mut unchanged) = (Value::Null, Value::Null, Value::Null);
            let mut old = Vec::new();
            while !fields.0.is_empty() {
                match fields.byte() {
                    'N' => {
                        let mut new = fields.row();
                        for (new, old) in new.iter_mut().zip(&old) {
                            let old: &Option<Value> = old;
                            if new.is_none() && old.as_ref().is_some_and(|old| !old.is_null()) {
                                new.clone_from(old);
                            }
                        }
                        (after, unchanged) = (table.object(&new, false), table.not_sent(&new));
                    }
                    which => {
                        old = fields.row();
                        before = table.object(&old, which == 'K');
                    }
                }
            }
            let op = match kind {
                'I' => "insert",
                'U' => "update",
                _ => "delete",
            };
            changes.push(json!([op, table.name, before, after, unchanged]));
        }
    }
    changes
}

/// The same by walcat.
fn printed(db: &Database<'_>, publications: &str) -> Vec<Value> {
    let run = db.run(&[
        "stream",
        "-S",
        db.name(),
        "--publication",
        publications,
        "--until-now",
        "--peek",
        "--values",
        "text",
    ]);
    let change = |event: &Value| {
        let part = |name: &str| event[name].as_str().unwrap().to_owned();
        let table = format!("{}.{}", part("schema"), part("table"));
        json!([
            event["op"],
            table,
            event["before"],
            event["after"],
            event["unchanged"]
        ])
    };
    run.succeeded().json().iter().map(change).collect()
}

const SCHEMA: &str = "
    CREATE TABLE t (id int PRIMARY KEY, v int, long text, hidden text);
    CREATE TABLE whole (id int, v int, long text); ALTER TABLE whole REPLICA IDENTITY FULL;
    CREATE TABLE nothing (id int, v int); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
    CREATE TABLE root (id int, v int NOT NULL, long text, PRIMARY KEY (v, id)) PARTITION BY RANGE \
    (id);
    CREATE TABLE low (long text, gone int, v int NOT NULL, id int NOT NULL, PRIMARY KEY (v, id));
    ALTER TABLE low DROP COLUMN gone;
    ALTER TABLE root ATTACH PARTITION low FOR VALUES FROM (MINVALUE) TO (20);
    CREATE TABLE high PARTITION OF root FOR VALUES FROM (20) TO (MAXVALUE) PARTITION BY LIST (v);
    CREATE TABLE high_even PARTITION OF high FOR VALUES IN (0, 2, 4, 6, 8);
    CREATE TABLE high_odd PARTITION OF high DEFAULT;
    CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, v int);";

/// Publications by name; the number is the version of the server from which on it can be made.
const PUBLICATIONS: [(u32, &str, &str); 10] = [
    (14, "everything", "FOR ALL TABLES"),
    (
        14,
        "rooted",
        "FOR ALL TABLES WITH (publish_via_partition_root = true)",
    ),
    (
        14,
        "parts",
        "FOR TABLE low, high, nothing WITH (publish = 'insert, truncate')",
    ),
    (
        14,
        "rooted_parts",
        "FOR TABLE root, high WITH (publish_via_partition_root = true)",
    ),
    (15, "lists", "FOR TABLE t (v, id), whole, low (id, v)"),
    (
        15,
        "rooted_lists",
        "FOR TABLE root (v, id), s.t (id) WITH (publish_via_partition_root = true)",
    ),
    (
        15,
        "filters",
        "FOR TABLE t WHERE (id % 3 = 0), whole WHERE (v > 4 AND long IS NOT NULL)",
    ),
    (
        15,
        "rooted_filters",
        "FOR TABLE root WHERE (v % 2 = 0) WITH (publish_via_partition_root = true)",
    ),
    (
        15,
        "narrow",
        "FOR TABLE t (id, long) WHERE (id > 10), low WHERE (id < 5), s.t WHERE (id <> 7)",
    ),
    (15, "schema", "FOR TABLES IN SCHEMA s"),
];

/// A statement with random rows, values and sizes.
fn statement(random: &mut Random) -> String {
    let (id, v) = (random.within(0..40), random.within(0..10));
    let long = match random.within(0..4) {
        0 => "NULL".to_owned(),
        1 => format!("'{v}'"),
        _ => "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) i)".to_owned(),
    };
    let table = ["t", "whole", "root", "root", "s.t", "nothing"][random.within(0..6) as usize];
    let has_long = !matches!(table, "s.t" | "nothing");
    match random.within(0..12) {
        0..5 if table == "nothing" => format!("INSERT INTO nothing VALUES ({id}, {v})"),
        0..3 if !has_long => format!("INSERT INTO s.t VALUES ({id}, {v}) ON CONFLICT DO NOTHING"),
        0..5 if has_long => format!(
            "INSERT INTO {table} (id, v, long) VALUES ({id}, {v}, {long}) ON CONFLICT DO NOTHING"
        ),
        5 if has_long => format!("UPDATE {table} SET long = {long} WHERE v = {v}"),
        5..8 if table != "nothing" => format!(
            "UPDATE {table} SET v = (v + 1) % 10 WHERE id % 5 = {}",
            v % 5
        ),
        8 if table != "nothing" => format!("UPDATE {table} SET id = id + 100 WHERE id = {id}"),
        9 if table != "nothing" => format!("DELETE FROM {table} WHERE id = {id} OR id > 100"),
        10 if random.within(0..8) == 0 => format!("TRUNCATE {table}"),
        _ => format!("UPDATE t SET hidden = '{v}' WHERE id = {id}"),
    }
}

/// Makes the publications that the version has, with random changes, and returns their names.
fn prepared(name: &str, seed: u64) -> (Database<'static>, Vec<&'static str>) {
    let db = Database::create(name);
    db.sql(SCHEMA);
    let version = db.server().version() / 10_000;
    let mut names = Vec::new();
    for (since, name, contents) in PUBLICATIONS {
        if version >= since {
            db.sql(&format!("CREATE PUBLICATION {name} {contents}"));
            names.push(name);
        }
    }
    db.create_slot("pgoutput");
    let mut random = Random::new(seed);
    for _ in 0..150 {
        let statements: Vec<String> = (0..1 + random.within(0..3))
            .map(|_| statement(&mut random))
            .collect();
        db.client()
            .batch_execute(&statements.join(";"))
            .or_else(|error| match error.code() {
                // Rows that are there already roll their transaction back.
                Some(code) if code.code() == "23505" => Ok(()),
                _ => Err(error),
            })
            .unwrap_or_else(|error| panic!("{statements:?}: {error:?}"));
    }
    (db, names)
}

fn compare(db: &Database<'_>, publications: &str) -> usize {
    let query = "SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, \
        'proto_version', '1', \
                 'publication_names', $2)";
    let rows = db.client().query(query, &[&db.name(), &publications]);
    let messages: Vec<Vec<u8>> = rows.unwrap().iter().map(|row| row.get(0)).collect();
    let (sent, printed) = (read(&messages), printed(db, publications));
    for (sent, printed) in sent.iter().zip(&printed) {
        assert_eq!(printed, sent, "{publications}");
    }
    assert_eq!(printed.len(), sent.len(), "{publications}");
    sent.len()
}

#[test]
fn what_publications_choose_is_what_is_printed() {
    let (db, names) = prepared("raw_publications", 20_261_121);
    let counts: Vec<usize> = names.iter().map(|name| compare(&db, name)).collect();
    println!("{:?}", names.iter().zip(&counts).collect::<Vec<_>>());
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    // Several add up.
    for several in ["parts,rooted_parts", "everything,parts"] {
        compare(&db, several);
    }
    if names.contains(&"filters") {
        for several in [
            "filters,schema",
            "lists,schema",
            "rooted_filters,parts",
            "narrow,schema",
        ] {
            compare(&db, several);
        }
    }
}
