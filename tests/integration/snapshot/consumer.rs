//! Whoever applies the lines in their order, as upserts and deletes.

use crate::support::*;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The rows of one table, by the values of their keys.
pub struct Consumer {
    table: String,
    key: Vec<String>,
    pub rows: BTreeMap<String, Map<String, Value>>,
    /// How many rows were told to be there already, and how many of those more than once.
    pub snapshots: usize,
    pub repeats: usize,
    seen: BTreeMap<String, String>,
}

impl Consumer {
    pub fn new(table: &str, key: &[&str]) -> Consumer {
        Consumer {
            table: table.to_owned(),
            key: key.iter().map(|name| (*name).to_owned()).collect(),
            rows: BTreeMap::new(),
            snapshots: 0,
            repeats: 0,
            seen: BTreeMap::new(),
        }
    }

    pub fn of(lines: &[Value], table: &str, key: &[&str]) -> Consumer {
        let mut consumer = Consumer::new(table, key);
        lines.iter().for_each(|line| consumer.take(line));
        consumer
    }

    fn key_of(&self, row: &Map<String, Value>) -> String {
        let values: Vec<&Value> = self.key.iter().map(|name| &row[name]).collect();
        serde_json::to_string(&values).unwrap()
    }

    /// Takes a line. A row that was there already must be no older than what is known of it, if it
    /// has a column `n` that only grows.
    pub fn take(&mut self, line: &Value) {
        if line["table"] != self.table.as_str() {
            return;
        }
        let row = |name: &str| line[name].as_object().cloned();
        match line["op"].as_str().unwrap() {
            "snapshot" => {
                let after = row("after").unwrap();
                let key = self.key_of(&after);
                let known = self.rows.get(&key).and_then(|row| row.get("n")?.as_i64());
                let n = after.get("n").and_then(Value::as_i64);
                assert!(known <= n, "an older row after a newer one: {line}");
                self.snapshots += 1;
                let before = self.seen.insert(key.clone(), line["after"].to_string());
                self.repeats += usize::from(before == Some(line["after"].to_string()));
                self.rows.insert(key, after);
            }
            "insert" => {
                let after = row("after").unwrap();
                self.rows.insert(self.key_of(&after), after);
            }
            "update" => {
                let after = row("after").unwrap();
                let to = self.key_of(&after);
                let from = row("before").map_or(to.clone(), |before| self.key_of(&before));
                let mut whole = self.rows.remove(&from).unwrap_or_default();
                whole.extend(after);
                self.rows.insert(to, whole);
            }
            "delete" => {
                let key = self.key_of(&row("before").unwrap());
                self.rows.remove(&key);
            }
            "truncate" => self.rows.clear(),
            _ => {}
        }
    }

    /// Fails unless this is what the table holds.
    #[track_caller]
    pub fn assert_has(&self, db: &Database<'_>, query: &str) {
        let query = format!(
            "SELECT COALESCE(json_agg(row_to_json(whole)), '[]')::text FROM ({query}) whole"
        );
        let rows: Vec<Map<String, Value>> = serde_json::from_str(&db.value(&query)).unwrap();
        let expected: BTreeMap<String, Map<String, Value>> = rows
            .into_iter()
            .map(|row| (self.key_of(&row), row))
            .collect();
        for (key, row) in &expected {
            assert_eq!(self.rows.get(key), Some(row), "{}: {key}", self.table);
        }
        let more: Vec<&String> = self
            .rows
            .keys()
            .filter(|key| !expected.contains_key(*key))
            .collect();
        assert!(more.is_empty(), "{}: {more:?} are not there", self.table);
    }
}
