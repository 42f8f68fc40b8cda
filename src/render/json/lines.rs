//! What the lines of a JSON file say of their events, for the next run.

use crate::event::{Body, EventId, Place};
use crate::lsn::Lsn;
use crate::record::{Line, Part, ReadLines, Said, Unreadable};
use crate::render::lines::{Torn, read_fields, read_torn};
use memchr::memchr;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::io::{self, Read};

/// Reads lines of JSON.
#[derive(Debug)]
pub struct JsonLines;

/// How every line begins.
const START: &[u8] = b"{\"op\":\"";

/// The fields that tell which event it is; serde_json skips all others without recursion and
/// without keeping them.
#[derive(Deserialize)]
struct Fields {
    op: String,
    lsn: Option<String>,
    commit_lsn: Option<String>,
    prepare_lsn: Option<String>,
    seq: Option<u64>,
}

impl ReadLines for JsonLines {
    fn read(&self, line: Line<'_>) -> Result<Said, Unreadable> {
        read_fields::<Fields>(line, may_begin)?
            .said()
            .map_err(|reason| Unreadable::Foreign(Some(reason)))
    }

    fn without_rows(&self, line: &[u8]) -> Option<Vec<u8>> {
        // In front of these are only names and numbers, and in a name each quote is escaped.
        let rows = ["before", "after", "content", "content_base64"];
        let starts = rows
            .iter()
            .filter_map(|key| memchr::memmem::find(line, format!(",\"{key}\":").as_bytes()));
        let mut stub = line.get(..starts.min()?)?.to_vec();
        stub.extend_from_slice(b",\"oversize\":true}\n");
        Some(stub)
    }

    fn torn(&self, line: &mut dyn Read) -> io::Result<Option<Part>> {
        Ok(match read_torn::<Keys>(line, may_begin)? {
            None => None,
            Some(Torn::Cut(_)) => Some(Part::First),
            // Just the line end is missing: then it is as good as a whole line.
            Some(Torn::Whole(keys)) => keys.fields().said().ok().map(|_| Part::First),
        })
    }
}

impl Fields {
    fn said(&self) -> Result<Said, String> {
        let lsn = |text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => text
                .parse::<Lsn>()
                .map(Some)
                .map_err(|error| error.to_string()),
        };
        let end = lsn(&self.commit_lsn)?.or(lsn(&self.prepare_lsn)?);
        let event = |lsn, place| Ok(Said::Event(EventId { lsn, place }));
        match (self.op.as_str(), end, self.seq) {
            ("relation" | "snapshot", ..) | ("undecodable", Some(_), None) => Ok(Said::Nothing),
            // All that committed before its position has come.
            ("snapshot_progress" | "snapshot_done", ..) => {
                let lsn = lsn(&self.lsn)?.ok_or("it names no position")?;
                Ok(Said::Event(EventId::outside(lsn)))
            }
            ("begin" | "begin_prepare", Some(end), _) => event(end, Place::Begin),
            ("commit" | "prepare" | "commit_prepared", Some(end), _) => event(end, Place::End),
            (_, Some(end), Some(seq)) => event(end, Place::Change(seq)),
            ("message" | "undecodable" | "rollback_prepared", None, _) => {
                Ok(lsn(&self.lsn)?.map_or(Said::Nothing, |lsn| Said::Event(EventId::outside(lsn))))
            }
            _ => Err("it names no position".to_owned()),
        }
    }
}

/// Returns `true` if a line may begin with these bytes.
fn may_begin(start: &[u8]) -> bool {
    let Some(op) = start.strip_prefix(START) else {
        return START.starts_with(start);
    };
    let whole = memchr(b'"', op);
    let op = op.get(..whole.unwrap_or(op.len())).unwrap_or_default();
    Body::NAMES.iter().any(|known| match whole {
        Some(_) => known.as_bytes() == op,
        None => known.as_bytes().starts_with(op),
    })
}

/// The keys of events: a line with others is not ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "of most keys only the names matter")]
struct Keys {
    op: String,
    schema: Option<IgnoredAny>,
    table: Option<IgnoredAny>,
    xid: Option<IgnoredAny>,
    subxid: Option<IgnoredAny>,
    lsn: Option<String>,
    commit_lsn: Option<String>,
    commit_time: Option<IgnoredAny>,
    prepare_lsn: Option<String>,
    prepare_time: Option<IgnoredAny>,
    prepare_end_lsn: Option<IgnoredAny>,
    rollback_time: Option<IgnoredAny>,
    abort_lsn: Option<IgnoredAny>,
    abort_time: Option<IgnoredAny>,
    end_lsn: Option<IgnoredAny>,
    gid: Option<IgnoredAny>,
    gid_base64: Option<IgnoredAny>,
    first: Option<IgnoredAny>,
    seq: Option<u64>,
    id: Option<IgnoredAny>,
    origin: Option<IgnoredAny>,
    oid: Option<IgnoredAny>,
    replica_identity: Option<IgnoredAny>,
    key: Option<IgnoredAny>,
    types: Option<IgnoredAny>,
    columns: Option<IgnoredAny>,
    before: Option<IgnoredAny>,
    after: Option<IgnoredAny>,
    unchanged: Option<IgnoredAny>,
    changed: Option<IgnoredAny>,
    cascade: Option<IgnoredAny>,
    restart_identity: Option<IgnoredAny>,
    transactional: Option<IgnoredAny>,
    prefix: Option<IgnoredAny>,
    prefix_base64: Option<IgnoredAny>,
    content: Option<IgnoredAny>,
    content_base64: Option<IgnoredAny>,
    reason: Option<IgnoredAny>,
    through: Option<IgnoredAny>,
}

impl Keys {
    fn fields(self) -> Fields {
        Fields {
            op: self.op,
            lsn: self.lsn,
            commit_lsn: self.commit_lsn,
            prepare_lsn: self.prepare_lsn,
            seq: self.seq,
        }
    }
}
