//! Events to bytes: newline-delimited JSON and text.
//!
//! [`Printer`] decides what is printed and when; [`ndjson`] and [`text`] say how. The streaming loop and `walcat decode` use it.
//! `--format raw` needs none of this: it passes on the plugin's bytes.

pub mod ndjson;
mod piece;
mod printer;
mod repeats;
mod sql;
#[cfg(test)]
mod testing;
pub mod text;

pub use printer::{Format, Include, PrintSettings, Printed, Printer, Values};
pub use repeats::Repeats;

use crate::event::Column;
use crate::value::Types;

/// The name of a column's type as `format_type` prints it; its number if the name is not known.
fn type_name(column: &Column, types: &Types) -> String {
    if !column.type_name.is_empty() {
        return column.type_name.clone();
    }
    types
        .name(column.type_oid, column.type_modifier)
        .unwrap_or_else(|| column.type_oid.to_string())
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use crate::event::{Body, Event, Relation, Transaction};
    use crate::lsn::Lsn;
    use crate::time::PgTime;

    /// A small generator of random numbers (SplitMix64), the same in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut bits = self.0;
            bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            (bits ^ bits >> 31) % bound
        }

        /// Bytes in which all that is special to JSON, SQL, arrays or terminals is frequent.
        fn bytes(&mut self) -> Vec<u8> {
            const PIECES: [&[u8]; 24] = [
                b"\"",
                b"\\",
                b"'",
                b"\n",
                b"\r",
                b"\x1b[2J",
                b"\0",
                b"\x7f",
                b"\xff",
                b"\xc3",
                b"\xed\xa0\x80",
                "\u{9b}".as_bytes(),
                "\u{202e}".as_bytes(),
                "\u{2028}".as_bytes(),
                "ä😀".as_bytes(),
                b"{",
                b"}",
                b"(",
                b",",
                b"[1, 2]",
                b"NULL",
                b"2026-11-20 09:23:34+00",
                b"-1.5e+30",
                b"{\"a\": \"b\nc\"}",
            ];
            let mut bytes = Vec::new();
            for _ in 0..self.below(6) {
                match self.below(3) {
                    0 => bytes.push(self.below(256) as u8),
                    _ => bytes.extend_from_slice(PIECES[self.below(24) as usize]),
                }
            }
            bytes
        }

        fn string(&mut self) -> String {
            String::from_utf8_lossy(&self.bytes()).into_owned()
        }

        fn relation(&mut self) -> Relation {
            const TYPES: [u32; 12] = [
                0, BOOL, INT4, TEXT, JSONB, 114, 1184, 1114, 1007, 1009, 1700, 99_999,
            ];
            let mut relation = relation("", &[]);
            (relation.schema, relation.table) = (self.string(), self.string());
            for number in 0..self.below(8) {
                let mut column = super::Column {
                    name: format!("{}{number}", self.string()),
                    type_oid: TYPES[self.below(12) as usize],
                    type_name: String::new(),
                    type_modifier: self.below(30) as i32 - 1,
                    key: self.below(2) == 0,
                };
                if self.below(4) == 0 {
                    column.type_name = self.string();
                }
                relation.columns.push(column);
            }
            relation
        }

        fn row(&mut self, columns: usize) -> crate::event::Tuple<'static> {
            let values: Vec<Vec<u8>> = (0..columns).map(|_| self.bytes()).collect();
            let cell = |value| match self.below(8) {
                0 => Sent::Null,
                1 => Sent::Unchanged,
                2 => Sent::Absent,
                _ => Sent::Text(value),
            };
            cells_of(
                &values
                    .iter()
                    .map(Vec::as_slice)
                    .map(cell)
                    .collect::<Vec<_>>(),
            )
        }

        fn transaction(&mut self) -> Transaction {
            let xid = self.below(1 << 32) as u32;
            let mut transaction = match self.below(3) {
                0 => open(xid),
                1 => prepared(xid, self.below(u64::MAX)),
                _ => committed(xid, self.below(u64::MAX)),
            };
            transaction.origin = Some(self.string());
            transaction
        }
    }

    /// Feeds both formats every kind of event with random bytes in all places, and hands on each
    /// line.
    fn for_each_line(mut check: impl FnMut(&str, bool)) {
        let mut random = Random(20_261_120);
        for _ in 0..3000 {
            let (relation, transaction) = (random.relation(), random.transaction());
            let columns = random.below(10) as usize;
            let old = (random.below(2) == 0).then(|| random.row(columns));
            let (new, gid, content, reason) = (
                random.row(columns),
                random.bytes(),
                random.bytes(),
                random.string(),
            );
            let (relation, gid, end_lsn) = (&relation, gid.as_slice(), Lsn(random.below(u64::MAX)));
            let (time, other) = (
                PgTime(random.below(u64::MAX) as i64),
                Some(random.below(2) == 0),
            );
            let bodies = [
                Body::Relation {
                    relation,
                    changed: true,
                },
                Body::Begin,
                Body::Insert { relation, new },
                Body::Update { relation, old, new },
                Body::Delete { relation, old: new },
                Body::Truncate {
                    relation,
                    cascade: other,
                    restart_identity: None,
                },
                Body::Message {
                    transactional: true,
                    prefix: gid,
                    content: &content,
                },
                Body::Undecodable {
                    reason: &reason,
                    content: &content,
                },
                Body::Commit {
                    end_lsn: Some(end_lsn),
                },
                Body::BeginPrepare { gid },
                Body::Delete { relation, old: new },
                Body::Prepare { gid, end_lsn },
                Body::CommitPrepared {
                    gid,
                    commit_lsn: end_lsn,
                    end_lsn,
                    commit_time: time,
                },
                Body::RollbackPrepared {
                    gid,
                    prepare_end_lsn: end_lsn,
                    end_lsn,
                    prepare_time: time,
                    rollback_time: time,
                },
                Body::StreamStart { first: true },
                Body::Insert { relation, new },
                Body::StreamStop,
                Body::StreamAbort {
                    abort_lsn: Some(end_lsn),
                    abort_time: Some(time),
                },
                Body::StreamStart { first: false },
                Body::Insert { relation, new },
                Body::StreamStop,
                Body::StreamPrepare { gid, end_lsn },
            ];
            let values = if random.below(2) == 0 {
                Values::Json
            } else {
                Values::Text
            };
            for (format, values) in [
                (Format::Json, values),
                (Format::Text { color: false }, Values::Json),
            ] {
                let mut test = Test::new(format, values, Include::EVERYTHING, &[]);
                let mut lines = String::new();
                for body in bodies {
                    lines += &test
                        .print(&Event {
                            subxid: Some(1),
                            ..event(&transaction, 0, body)
                        })
                        .1;
                }
                assert_eq!(lines.matches('\n').count(), bodies.len(), "{lines}");
                lines
                    .lines()
                    .for_each(|line| check(line, format == Format::Json));
            }
        }
    }

    #[test]
    fn whatever_comes_every_line_is_json_and_no_text_forges_another() {
        for_each_line(|line, json| {
            if json {
                let object: serde_json::Value =
                    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
                assert!(object["op"].is_string(), "{line}");
            } else {
                let harmful = |c: char| c.is_control() || "\u{202e}\u{2028}".contains(c);
                assert!(!line.contains(harmful), "{line:?}");
            }
        });
    }
}
