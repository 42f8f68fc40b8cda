//! What the lines of a file say of their events, for the next run: only whole transactions count,
//! as changes do not say where their transaction ends.

use crate::event::{EventId, Place};
use crate::lsn::Lsn;
use crate::record::{Line, Part, ReadLines, Said, Unreadable};
use crate::render::lines::{Torn, read_fields, read_torn};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::io::{self, Read};

/// Reads lines of wal2json.
#[derive(Debug)]
pub(super) struct Wal2jsonLines;

/// How every line begins.
const START: &[u8] = b"{\"action\":\"";

/// What there is between it and the end of the string.
const ACTIONS: &[u8] = b"BCIUDTM";

/// The fields that tell which event it is.
#[derive(Deserialize)]
struct Fields {
    action: String,
    lsn: Option<String>,
    transactional: Option<bool>,
}

/// The keys of lines: one with others is not ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "of most keys only the names matter")]
struct Keys {
    action: String,
    xid: Option<IgnoredAny>,
    timestamp: Option<IgnoredAny>,
    lsn: Option<String>,
    nextlsn: Option<IgnoredAny>,
    schema: Option<IgnoredAny>,
    table: Option<IgnoredAny>,
    columns: Option<IgnoredAny>,
    identity: Option<IgnoredAny>,
    transactional: Option<bool>,
    prefix: Option<IgnoredAny>,
    content: Option<IgnoredAny>,
}

impl ReadLines for Wal2jsonLines {
    fn read(&self, line: Line<'_>) -> Result<Said, Unreadable> {
        let fields: Fields = read_fields(line, may_begin)?;
        fields
            .said()
            .map_err(|reason| Unreadable::Foreign(Some(reason)))
    }

    fn torn(&self, line: &mut dyn Read) -> io::Result<Option<Part>> {
        let action = match read_torn::<Keys>(line, may_begin)? {
            None => return Ok(None),
            Some(Torn::Whole(keys)) => keys.action.bytes().next(),
            Some(Torn::Cut(start)) => start.get(START.len()).copied(),
        };
        // A message may stand outside transactions. Of less than an action nothing is known.
        Ok(Some(match action {
            None | Some(b'B' | b'M') => Part::First,
            Some(_) => Part::Later,
        }))
    }
}

impl Fields {
    fn said(&self) -> Result<Said, String> {
        let lsn = || {
            let lsn = self.lsn.as_ref().ok_or("it names no position")?;
            lsn.parse::<Lsn>().map_err(|error| error.to_string())
        };
        Ok(match (self.action.as_str(), self.transactional) {
            ("B", _) => Said::Unfinished(Part::First),
            ("C", _) => Said::Event(EventId {
                lsn: lsn()?,
                place: Place::End,
            }),
            ("M", Some(false)) => Said::Event(EventId::outside(lsn()?)),
            _ => Said::Unfinished(Part::Later),
        })
    }
}

/// Returns `true` if a line may begin with these bytes.
fn may_begin(start: &[u8]) -> bool {
    match start.strip_prefix(START) {
        None => START.starts_with(start),
        Some([]) => true,
        Some([action, rest @ ..]) => {
            ACTIONS.contains(action) && rest.first().is_none_or(|end| *end == b'"')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_transaction_names_it() {
        let (first, later) = (
            Some(Said::Unfinished(Part::First)),
            Some(Said::Unfinished(Part::Later)),
        );
        let event = |id| Some(Said::Event(id));
        for (line, said) in [
            (r#"{"action":"B","xid":7,"lsn":"0/20"}"#, first),
            (
                r#"{"action":"C","xid":7,"lsn":"0/20","nextlsn":"0/30"}"#,
                event(EventId {
                    lsn: Lsn(0x20),
                    place: Place::End,
                }),
            ),
            (
                r#"{"action":"I","lsn":"0/10","columns":[{"lsn":"0/1"}]}"#,
                later,
            ),
            (r#"{"action":"M","lsn":"0/10","transactional":true}"#, later),
            (
                r#"{"action":"M","xid":null,"lsn":"0/10","transactional":false}"#,
                event(EventId::outside(Lsn(0x10))),
            ),
            (r#"{"action":"C","xid":7}"#, None),
            (r#"{"action":"X","lsn":"0/20"}"#, None),
            (r#"{"op":"commit","lsn":"0/20"}"#, None),
        ] {
            assert_eq!(
                Wal2jsonLines.read(Line::Bytes(line.as_bytes())).ok(),
                said,
                "{line}"
            );
        }
    }

    #[test]
    fn a_torn_line_is_known_by_its_start() {
        let torn = |mut text: &[u8]| Wal2jsonLines.torn(&mut text).unwrap();
        let line =
            br#"{"action":"I","xid":742,"lsn":"0/10","columns":[{"name":"a","value":-1.5}]}"#;
        for end in 1..=line.len() {
            let part = if end > START.len() {
                Part::Later
            } else {
                Part::First
            };
            assert_eq!(torn(&line[..end]), Some(part), "{end}");
        }
        assert_eq!(torn(br#"{"action":"B","xid":742"#), Some(Part::First));
        for foreign in [&br#"{"action":"I","other":1"#[..], b"{\"op\"", b"SELECT"] {
            assert_eq!(torn(foreign), None);
        }
    }
}
