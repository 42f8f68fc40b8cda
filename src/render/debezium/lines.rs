//! What the lines of a file say of their events, for the next run.

use crate::event::{EventId, Place};
use crate::lsn::Lsn;
use crate::record::{Line, Part, ReadLines, Said, Unreadable};
use crate::render::lines::{Torn, read_fields, read_torn};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::io::{self, Read};

/// Reads lines of Debezium's events.
#[derive(Debug)]
pub(super) struct DebeziumLines;

/// How every line begins.
const START: &[u8] = b"{\"before\":";

/// The fields that tell which event it is.
#[derive(Deserialize)]
struct Fields {
    source: Source,
    op: String,
}

#[derive(Deserialize)]
struct Source {
    name: String,
    lsn: Option<u64>,
    commit_lsn: Option<String>,
    seq: Option<u64>,
    part: Option<u64>,
}

/// The keys of lines: one with others is not ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "of most keys only the names matter")]
struct Keys {
    before: Option<IgnoredAny>,
    after: Option<IgnoredAny>,
    source: Source,
    transaction: Option<IgnoredAny>,
    op: Option<IgnoredAny>,
    ts_ms: Option<IgnoredAny>,
    ts_us: Option<IgnoredAny>,
    ts_ns: Option<IgnoredAny>,
    message: Option<IgnoredAny>,
}

impl ReadLines for DebeziumLines {
    fn read(&self, line: Line<'_>) -> Result<Said, Unreadable> {
        let fields: Fields = read_fields(line, may_begin)?;
        let said = fields.source.said();
        Ok(
            match said.map_err(|reason| Unreadable::Foreign(Some(reason)))? {
                // A row that was there already is no event of the stream.
                _ if fields.op == "r" => Said::Nothing,
                said => said,
            },
        )
    }

    fn torn(&self, line: &mut dyn Read) -> io::Result<Option<Part>> {
        Ok(match read_torn::<Keys>(line, may_begin)? {
            None => None,
            Some(Torn::Cut(_)) => Some(Part::First),
            Some(Torn::Whole(keys)) => keys.source.said().ok().map(|_| Part::First),
        })
    }
}

impl Source {
    fn said(&self) -> Result<Said, String> {
        if self.name != "walcat" {
            return Err("it is another connector's".to_owned());
        }
        let id = match (&self.commit_lsn, self.seq, self.lsn) {
            (Some(lsn), Some(seq), _) => EventId {
                lsn: lsn.parse::<Lsn>().map_err(|error| error.to_string())?,
                place: Place::Change(seq),
            },
            (None, None, Some(lsn)) => EventId::outside(Lsn(lsn)),
            _ => return Err("it names no position".to_owned()),
        };
        Ok(match self.part {
            Some(_) => Said::Unfinished(Part::First),
            None => Said::Event(id),
        })
    }
}

/// Returns `true` if a line may begin with these bytes.
fn may_begin(start: &[u8]) -> bool {
    start.starts_with(START) || START.starts_with(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_names_the_event() {
        let line = |source: &str| {
            let line = format!(
                "{{\"before\":{{\"source\":1}},\"source\":{{\"name\":\"walcat\",{source}}},\"op\":\"c\"}}"
            );
            DebeziumLines.read(Line::Bytes(line.as_bytes())).ok()
        };
        let id = EventId {
            lsn: Lsn(0x20),
            place: Place::Change(7),
        };
        for (source, said) in [
            (
                "\"lsn\":16,\"commit_lsn\":\"0/20\",\"seq\":7",
                Some(Said::Event(id)),
            ),
            (
                "\"lsn\":16,\"commit_lsn\":\"0/20\",\"seq\":7,\"part\":0",
                Some(Said::Unfinished(Part::First)),
            ),
            ("\"lsn\":16", Some(Said::Event(EventId::outside(Lsn(16))))),
            ("\"lsn\":null", None),
            ("\"lsn\":16,\"commit_lsn\":\"x\",\"seq\":7", None),
        ] {
            assert_eq!(line(source), said, "{source}");
        }
        let row = b"{\"before\":null,\"source\":{\"name\":\"walcat\",\"lsn\":16},\"op\":\"r\"}";
        assert_eq!(
            DebeziumLines.read(Line::Bytes(row)).ok(),
            Some(Said::Nothing)
        );
        let foreign = b"{\"before\":null,\"source\":{\"name\":\"shop\",\"lsn\":1},\"op\":\"c\"}";
        assert!(DebeziumLines.read(Line::Bytes(foreign)).is_err());
    }
}
