//! What each event of a streamed or prepared transaction has, key by key, and where it stands.

use super::Level;
use crate::support::Finished;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// Fails unless all lines have the keys that belong to them, in order, and stand where they may.
pub fn check(level: Level, run: &Finished) {
    let mut block = None;
    for (line, event) in run.text().lines().zip(run.json()) {
        let keys: Keys = serde_json::from_str(line).unwrap();
        let expected = expected(level, &event, block.is_some());
        assert_eq!(keys.0.join(" "), expected, "{}: {line:.300}", level.name);
        let xid = event["xid"].as_u64();
        match event["op"].as_str().unwrap() {
            "stream_start" => {
                assert_eq!(block, None, "blocks do not nest: {line}");
                block = xid;
            }
            "stream_stop" => assert_eq!(block.take(), xid, "{line}"),
            op if op.starts_with("stream_") || op.ends_with("_prepared") => {
                assert_eq!(block, None, "it stands between blocks: {line}");
            }
            _ if event["transactional"] == false => {}
            _ => assert!(
                block.is_none() || block == xid,
                "the block of {block:?} has {line:.300}"
            ),
        }
        assert!(
            event
                .get("subxid")
                .is_none_or(|subxid| *subxid != event["xid"]),
            "{line:.300}"
        );
    }
}

/// The keys of an event, as walcat-events(7) has them.
fn expected(level: Level, event: &Value, in_block: bool) -> String {
    let op = event["op"].as_str().unwrap();
    let subxid = if event.get("subxid").is_some() {
        " subxid"
    } else {
        ""
    };
    let own = match op {
        "insert" => "after",
        "update" if event.get("before").is_some() => "before after",
        "update" if event.get("unchanged").is_some() => "after unchanged",
        "update" => "after",
        "delete" => "before",
        "truncate" => "cascade restart_identity",
        "message" => "transactional prefix content",
        "begin" => return "op xid commit_lsn commit_time".to_owned(),
        "commit" => return "op xid commit_lsn commit_time end_lsn".to_owned(),
        "begin_prepare" => return "op xid prepare_lsn prepare_time gid".to_owned(),
        "prepare" | "stream_prepare" => {
            return "op xid prepare_lsn prepare_time end_lsn gid".to_owned();
        }
        "commit_prepared" => return "op xid commit_lsn commit_time end_lsn gid".to_owned(),
        "rollback_prepared" => {
            return "op xid lsn prepare_end_lsn prepare_time rollback_time end_lsn gid".to_owned();
        }
        "stream_start" => return "op xid first".to_owned(),
        "stream_stop" => return "op xid".to_owned(),
        "stream_commit" => return "op xid commit_lsn commit_time end_lsn".to_owned(),
        // Not of those that a lost connection made void: it is walcat that says so, and no record.
        "stream_abort" if level.parallel && event.get("abort_lsn").is_some() => {
            return format!("op xid{subxid} abort_lsn abort_time");
        }
        "stream_abort" => return format!("op xid{subxid}"),
        op => panic!("{op}"),
    };
    if event["transactional"] == false {
        return "op lsn transactional prefix content".to_owned();
    }
    let place = match event.get("prepare_lsn") {
        _ if in_block => "",
        Some(_) => " prepare_lsn prepare_time",
        None => " commit_lsn commit_time",
    };
    let table = if op == "message" { "" } else { " schema table" };
    format!("op{table} xid{subxid} lsn{place} seq {own}")
}

/// The keys of an object in the order in which they stand.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Keys, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Keys;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Keys, M::Error> {
                let mut keys = Vec::new();
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
