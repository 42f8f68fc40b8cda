//! What the lines of a file of SQL say of their events, for the next run: only whole transactions
//! count.

use crate::event::{EventId, Place};
use crate::lsn::Lsn;
use crate::record::{Line, Part, ReadLines, Said, Unreadable};
use std::io::{self, Read};

/// Reads lines of SQL.
#[derive(Debug)]
pub(super) struct SqlLines;

/// How a transaction begins; no other program's does.
pub(super) const BEGIN: &[u8] = b"BEGIN; -- walcat:";

/// What stands before the position of what ends a transaction.
pub(super) const POSITION: &[u8] = b" -- ";

/// How the lines between begin that belong to a transaction.
const WITHIN: [&[u8]; 6] = [
    b"INSERT INTO ",
    b"UPDATE ",
    b"DELETE FROM ",
    b"TRUNCATE ",
    b"SET LOCAL client_encoding = 'UTF8';",
    b"-- UPDATE ",
];

/// How the lines begin that end a transaction, or stand outside of any.
const END: [(&[u8], bool); 4] = [
    (b"COMMIT; ", true),
    (b"PREPARE TRANSACTION ", true),
    (b"COMMIT PREPARED ", true),
    (b"ROLLBACK PREPARED ", false),
];

/// How a logical message begins, in a transaction or outside.
const MESSAGE: &[u8] = b"-- MESSAGE ";

/// More than any beginning of a line.
const LONGEST_START: usize = 64;

/// More than any position at the end of a line.
const LONGEST_POSITION: usize = 32;

impl ReadLines for SqlLines {
    fn read(&self, line: Line<'_>) -> Result<Said, Unreadable> {
        match line {
            Line::Bytes(line) => {
                let end = line.len().saturating_sub(LONGEST_POSITION);
                said(line, line.get(end..).unwrap_or_default())
            }
            Line::Reader(reader) => {
                let (start, end) = read_bounds(reader).map_err(Unreadable::Io)?;
                said(&start, &end)
            }
        }
    }

    fn torn(&self, line: &mut dyn Read) -> io::Result<Option<Part>> {
        let mut start = Vec::new();
        line.take(LONGEST_START as u64).read_to_end(&mut start)?;
        let begins = |known: &[u8]| start.starts_with(known) || known.starts_with(&start);
        if begins(BEGIN) {
            return Ok(Some(Part::First));
        }
        // A message may stand outside, as what ends a prepared transaction does. What is cut off
        // then is the line alone.
        let alone = [MESSAGE, b"COMMIT PREPARED ", b"ROLLBACK PREPARED "];
        let mut within = WITHIN.into_iter().chain(END.map(|(known, _)| known));
        Ok(if alone.into_iter().any(begins) {
            Some(Part::First)
        } else {
            within.any(begins).then_some(Part::Later)
        })
    }
}

/// What a line says that begins and ends with these bytes.
fn said(start: &[u8], end: &[u8]) -> Result<Said, Unreadable> {
    if start.starts_with(BEGIN) {
        return Ok(Said::Unfinished(Part::First));
    }
    if WITHIN.iter().any(|within| start.starts_with(within)) {
        return Ok(Said::Unfinished(Part::Later));
    }
    let position = position(end);
    if start.starts_with(MESSAGE) {
        return Ok(match position {
            Some(lsn) => Said::Event(EventId::outside(lsn)),
            None => Said::Unfinished(Part::Later),
        });
    }
    let found = END.iter().find(|(known, _)| start.starts_with(known));
    match (found, position) {
        (Some((_, true)), Some(lsn)) => Ok(Said::Event(EventId {
            lsn,
            place: Place::End,
        })),
        (Some((_, false)), Some(lsn)) => Ok(Said::Event(EventId::outside(lsn))),
        _ => Err(Unreadable::Foreign(None)),
    }
}

/// The position behind the last statement of a line.
fn position(end: &[u8]) -> Option<Lsn> {
    let end = str::from_utf8(end).ok()?.trim_end_matches('\n');
    let (_, position) = end.rsplit_once("; -- ")?;
    position.parse().ok()
}

/// The first and the last bytes of a line.
fn read_bounds(line: &mut dyn Read) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut start, mut end) = (Vec::new(), Vec::new());
    let mut block = vec![0; 64 << 10];
    loop {
        let count = line.read(&mut block)?;
        let bytes = block.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok((start, end));
        }
        let missing = LONGEST_START.saturating_sub(start.len()).min(count);
        start.extend_from_slice(bytes.get(..missing).unwrap_or_default());
        let kept = count.saturating_sub(LONGEST_POSITION);
        end.extend_from_slice(bytes.get(kept..).unwrap_or_default());
        let surplus = end.len().saturating_sub(LONGEST_POSITION);
        end.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Said> {
        let long = SqlLines.read(Line::Reader(&mut line.as_bytes())).ok();
        assert_eq!(SqlLines.read(Line::Bytes(line.as_bytes())).ok(), long);
        long
    }

    #[test]
    fn the_end_of_a_transaction_names_it() {
        let end = |lsn| {
            Some(Said::Event(EventId {
                lsn: Lsn(lsn),
                place: Place::End,
            }))
        };
        let (first, later) = (
            Some(Said::Unfinished(Part::First)),
            Some(Said::Unfinished(Part::Later)),
        );
        let long = format!(
            "INSERT INTO t VALUES ('{}; -- 0/20');\n",
            "x".repeat(200_000)
        );
        for (line, said) in [
            ("COMMIT; -- 0/20\n", end(0x20)),
            (
                "PREPARE TRANSACTION 'a; -- 0/1'; -- 1/20\n",
                end(0x1_0000_0020),
            ),
            ("COMMIT PREPARED 'a'; -- 0/20\n", end(0x20)),
            ("ROLLBACK PREPARED 'a'; -- 0/20\n", end(0x1f)),
            ("-- MESSAGE a  'b'; -- 0/20\n", end(0x1f)),
            ("-- MESSAGE a  '; -- 0/20'\n", later),
            ("BEGIN; -- walcat: transaction 1\n", first),
            ("UPDATE t SET a = '; -- 0/20';\n", later),
            (&long, later),
            ("COMMIT;\n", None),
            ("BEGIN;\n", None),
            ("SELECT 1; -- 0/20\n", None),
            ("\n", None),
        ] {
            assert_eq!(read(line), said, "{line:.60}");
        }
    }

    #[test]
    fn a_torn_line_is_known_by_its_start() {
        let torn = |mut text: &[u8]| SqlLines.torn(&mut text).unwrap();
        for whole in ["BEGIN; -- walcat: transaction 742", "-- MESSAGE a  'b'"] {
            for end in 3..whole.len() {
                assert_eq!(torn(&whole.as_bytes()[..end]), Some(Part::First), "{end}");
            }
        }
        for whole in [
            "INSERT INTO t VALUES (1);",
            "TRUNCATE a",
            "PREPARE TRANSACTION 'x'",
        ] {
            for end in 1..whole.len() {
                assert_eq!(torn(&whole.as_bytes()[..end]), Some(Part::Later), "{end}");
            }
        }
        for foreign in ["SELECT 1", "{\"op\":", "COMMIT;x"] {
            assert_eq!(torn(foreign.as_bytes()), None, "{foreign}");
        }
    }
}
