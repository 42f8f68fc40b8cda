//! What a consumer has to do, as walcat-events(7) says: keep what has no `commit_lsn` until its
//! transaction is decided.

use crate::support::*;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::process::Command;

/// A consumer that keeps tables whose key is `id`.
#[derive(Debug, Default)]
pub struct Consumer {
    /// Changes of transactions that are not decided, by `xid`.
    open: HashMap<u64, Vec<Value>>,
    tables: HashMap<String, BTreeMap<i64, Map<String, Value>>>,
    /// Decided changes, in the order in which they count.
    pub committed: Vec<Value>,
}

impl Consumer {
    /// One that has read these events. The program of the page must make the same of them.
    pub fn of(events: &[Value]) -> Consumer {
        let mut consumer = Consumer::default();
        events.iter().for_each(|event| consumer.take(event));
        let by_program = by_page(events);
        let differs = |(one, other): (&Value, &Value)| one != other;
        let at = by_program.iter().zip(&consumer.committed).position(differs);
        let lengths = (by_program.len(), consumer.committed.len());
        assert!(
            at.is_none() && lengths.0 == lengths.1,
            "the program of the page differs at {at:?}, {lengths:?} changes"
        );
        consumer
    }

    fn take(&mut self, event: &Value) {
        let xid = event["xid"].as_u64();
        match event["op"].as_str().unwrap() {
            "begin" | "commit" | "begin_prepare" | "prepare" | "stream_prepare" | "stream_stop"
            | "relation" => {}
            "stream_start" => {
                if event["first"] == true {
                    self.open.remove(&xid.unwrap());
                }
            }
            "stream_commit" | "commit_prepared" => {
                let changes = self
                    .open
                    .remove(&xid.unwrap())
                    .expect("a transaction to commit");
                changes.iter().for_each(|change| self.apply(change));
            }
            "stream_abort" if event.get("subxid").is_some() => {
                if let Some(changes) = self.open.get_mut(&xid.unwrap()) {
                    changes.retain(|change| change["subxid"] != event["subxid"]);
                }
            }
            "stream_abort" | "rollback_prepared" => _ = self.open.remove(&xid.unwrap()),
            _ if event.get("commit_lsn").is_some() || event["transactional"] == false => {
                self.apply(event)
            }
            _ => self
                .open
                .entry(xid.unwrap())
                .or_default()
                .push(event.clone()),
        }
    }

    fn apply(&mut self, change: &Value) {
        self.committed.push(change.clone());
        let Some(table) = change["table"].as_str() else {
            return;
        };
        let rows = self.tables.entry(table.to_owned()).or_default();
        let id = |row: &str| change[row]["id"].as_i64();
        match change["op"].as_str().unwrap() {
            "insert" => {
                let row = change["after"].as_object().unwrap().clone();
                assert!(
                    rows.insert(id("after").unwrap(), row).is_none(),
                    "inserted twice: {change}"
                );
            }
            "update" => {
                let old = id("before").or(id("after")).unwrap();
                let mut row = rows
                    .remove(&old)
                    .unwrap_or_else(|| panic!("no row to update: {change}"));
                row.extend(change["after"].as_object().unwrap().clone());
                rows.insert(id("after").unwrap(), row);
            }
            "delete" => {
                assert!(
                    rows.remove(&id("before").unwrap()).is_some(),
                    "no row to delete: {change}"
                );
            }
            "truncate" => rows.clear(),
            op => panic!("{op}"),
        }
    }

    /// The rows of a table, without nulls: a column that was added later has none in older rows.
    pub fn table(&self, name: &str) -> Vec<Value> {
        let rows = self.tables.get(name).into_iter().flat_map(BTreeMap::values);
        rows.map(|row| without_nulls(row.clone())).collect()
    }

    /// The transactions that are not decided.
    pub fn undecided(&self) -> Vec<u64> {
        self.open.keys().copied().collect()
    }
}

/// What the program of walcat-events(7) prints for these events.
fn by_page(events: &[Value]) -> Vec<Value> {
    let page = include_str!("../../../man/walcat-events.7.md");
    let begin = "--streaming on \\\n  | jq -c -n '";
    let (_, rest) = page.split_once(begin).expect("its program");
    let (program, _) = rest.split_once('\'').expect("its end");
    let mut command = Command::new("jq");
    let mut running = spawn(command.args(["-c", "-n", program]));
    let mut stdin = running.take_stdin();
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
        running.wait().succeeded().json()
    })
}

/// The rows of a table as the server tells them, to be compared with [`Consumer::table`].
pub fn rows(held: &Value) -> Vec<Value> {
    held.as_array()
        .unwrap()
        .iter()
        .map(|row| without_nulls(row.as_object().unwrap().clone()))
        .collect()
}

fn without_nulls(row: Map<String, Value>) -> Value {
    row.into_iter()
        .filter(|(_, value)| !value.is_null())
        .collect()
}
