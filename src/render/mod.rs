//! Events to bytes: one file a format behind one trait.
//!
//! [`Render`] writes the events that were chosen; [`Format`] is what `--format` names, and
//! [`FORMATS`] lists all that there are. A new format is a file with its `Definition` and a line
//! in that list.

mod debezium;
mod json;
mod lines;
mod piece;
mod raw;
mod sql;
mod terminal;
#[cfg(test)]
pub mod testing;
mod text;
mod wal2json;

use crate::error::Result;
use crate::event::{Column, Event, Relation};
use crate::lsn::Lsn;
use crate::record::ReadLines;
use crate::sql::write_identifier;
use crate::value::Types;
use std::fmt;

pub use terminal::Screen;

/// Writes events in one format.
pub trait Render {
    /// What it knows of types.
    fn types(&mut self) -> &mut Types;

    /// Makes what the rows of this table and shape have in common: called before the first of them,
    /// again where the table was not used for long, and when its shape, or a type of it, may have
    /// changed (`anew`).
    fn prepare(&mut self, relation: &Relation, anew: bool);

    /// Appends the record of `event`: whole lines with their ends. Fails where the format has no
    /// way to tell it; `out` may then hold a part of it.
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()>;

    /// Nothing more comes: appends what has waited for it.
    fn finish(&mut self, _out: &mut Vec<u8>) {}
}

/// What `--format` names.
#[derive(Clone, Copy)]
pub struct Format(&'static Definition);

/// What there is to know of a format.
struct Definition {
    /// As `--format` takes it.
    name: &'static str,
    /// For the help: what a record looks like.
    about: &'static str,
    /// What `--include` may add.
    includes: &'static [Include],
    /// Whether `--values` chooses the form of values.
    values: bool,
    /// Whether transactions are always framed by their begin and commit.
    frames: bool,
    /// Whether a transaction is worth nothing without its end.
    whole: bool,
    /// Whether it can tell the changes of a transaction that is still open, and may be void.
    streamed: bool,
    /// Whether it can tell the changes of a transaction that is only prepared.
    prepared: bool,
    /// Makes what writes it; `None` passes on the bytes of the plugin, and there are no events.
    render: Option<Make>,
    /// Reads what its lines say of their events; `None` if they do not say which they are of, so
    /// that a file of them cannot be resumed.
    lines: Option<&'static dyn ReadLines>,
}

/// Makes what writes a format.
type Make = fn(Settings, Types) -> Box<dyn Render>;

/// All formats; the first is the default.
pub static FORMATS: [Format; 6] = [
    Format(&json::DEFINITION),
    Format(&text::DEFINITION),
    Format(&raw::DEFINITION),
    Format(&sql::DEFINITION),
    Format(&debezium::DEFINITION),
    Format(&wal2json::DEFINITION),
];

/// What a format may be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The form of values.
    pub values: Values,
    /// What is added to events, and which events are added.
    pub includes: Includes,
    /// Whether it is coloured.
    pub color: bool,
    /// The terminal that it is for, if it is for one.
    pub screen: Option<Screen>,
    /// Whether the inverse of the changes is written.
    pub undo: bool,
    /// Where the statements keep up how far their reader is, if they do.
    pub once: Option<Once>,
    /// The database that the changes are of; empty where nobody knows it.
    pub database: String,
}

/// Where the reader of statements is, which they keep up in its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The system identifier of the server that the changes are of.
    pub system: String,
    /// Its slot.
    pub slot: String,
    /// The last transaction that the reader has.
    pub last: Lsn,
}

/// The form of values in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Values {
    /// As `row_to_json` prints them.
    #[default]
    Json,
    /// Strings: the texts that the server sent.
    Text,
}

/// What can be added to events, and which events can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// `begin` and `commit` events.
    Transactions,
    /// The names of the identity columns.
    Key,
    /// The type of each column.
    Types,
    /// The definition of each column.
    Columns,
    /// An event for each table and each new shape of it.
    Relations,
    /// The names of the columns that an update changed.
    Changed,
    /// The replication origin.
    Origin,
    /// The event's id as one string.
    Id,
}

/// A set of [`Include`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Includes(u16);

impl Format {
    /// One JSON object a line.
    pub const JSON: Format = Format(&json::DEFINITION);
    /// One readable line a change.
    pub const TEXT: Format = Format(&text::DEFINITION);
    /// The plugin's bytes.
    pub const RAW: Format = Format(&raw::DEFINITION);
    /// Statements that replay the changes.
    pub const SQL: Format = Format(&sql::DEFINITION);
    /// What Debezium prints.
    pub const DEBEZIUM: Format = Format(&debezium::DEFINITION);
    /// What wal2json prints.
    pub const WAL2JSON: Format = Format(&wal2json::DEFINITION);

    /// As `--format` takes it.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// For the help: what a record looks like.
    pub fn about(self) -> &'static str {
        self.0.about
    }

    /// What `--include` may add.
    pub fn includes(self) -> &'static [Include] {
        self.0.includes
    }

    /// Returns `true` if `--values` chooses the form of values.
    pub fn has_values(self) -> bool {
        self.0.values
    }

    /// Returns `true` if transactions are always framed by their begin and commit.
    pub fn has_frames(self) -> bool {
        self.0.frames
    }

    /// Returns `true` if a transaction is worth nothing without its end: it is not to be broken off
    /// within one.
    pub fn is_whole(self) -> bool {
        self.0.whole
    }

    /// Returns `true` if it can tell the changes of a transaction that is still open, and may turn
    /// out to be void.
    pub fn has_streamed(self) -> bool {
        self.0.streamed
    }

    /// Returns `true` if it can tell the changes of a transaction that is only prepared.
    pub fn has_prepared(self) -> bool {
        self.0.prepared
    }

    /// Returns `true` if it passes on the bytes of the plugin: there are no events to choose from.
    pub fn is_raw(self) -> bool {
        self.0.render.is_none()
    }

    /// Returns `true` if it has a form for rows that are there already.
    pub fn has_snapshots(self) -> bool {
        [Format::JSON, Format::TEXT, Format::DEBEZIUM].contains(&self)
    }

    /// Returns `true` if its lines say how far such rows are, so that a file of them can be gone on
    /// with.
    pub fn has_snapshot_progress(self) -> bool {
        self == Format::JSON
    }

    /// Returns `true` if its lines are JSON.
    pub fn is_json(self) -> bool {
        [Format::JSON, Format::DEBEZIUM, Format::WAL2JSON].contains(&self)
    }

    /// Reads what its lines say of their events; `None` if a file of them cannot be resumed.
    pub fn lines(self) -> Option<&'static dyn ReadLines> {
        self.0.lines
    }

    /// Makes what writes it, which asks `types` what type numbers mean. `None` for what is raw.
    pub fn render(self, settings: Settings, types: Types) -> Option<Box<dyn Render>> {
        let make = self.0.render?;
        let (colored, on_screen) = (settings.color, settings.screen.is_some());
        let render = make(settings, types);
        Some(match on_screen && self.is_json() {
            true => Box::new(terminal::Json::new(render, colored)),
            false => render,
        })
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Values {
    /// Both.
    pub const ALL: [Values; 2] = [Values::Json, Values::Text];

    /// As `--values` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Values::Json => "json",
            Values::Text => "text",
        }
    }

    /// For the help: what they look like.
    pub fn about(self) -> &'static str {
        match self {
            Values::Json => "As row_to_json prints them",
            Values::Text => "As strings",
        }
    }
}

impl Include {
    /// All that there is.
    pub const ALL: [Include; 8] = [
        Include::Transactions,
        Include::Key,
        Include::Types,
        Include::Columns,
        Include::Relations,
        Include::Changed,
        Include::Origin,
        Include::Id,
    ];

    /// As `--include` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Include::Transactions => "transactions",
            Include::Key => "key",
            Include::Types => "types",
            Include::Columns => "columns",
            Include::Relations => "relations",
            Include::Changed => "changed",
            Include::Origin => "origin",
            Include::Id => "id",
        }
    }

    /// For the help: what it adds.
    pub fn about(self) -> &'static str {
        match self {
            Include::Transactions => "Events for the begin and the end of transactions",
            Include::Key => "The names of the identity columns",
            Include::Types => "The type of each column",
            Include::Columns => "The definition of each column",
            Include::Relations => "An event for each table and each new shape of it",
            Include::Changed => "The names of the columns that an update changed",
            Include::Origin => "The replication origin",
            Include::Id => "One string that names the event and sorts as the stream does",
        }
    }
}

impl Includes {
    /// Returns `true` if `include` is in the set.
    pub fn contains(self, include: Include) -> bool {
        self.0 & 1 << include as u16 != 0
    }
}

impl FromIterator<Include> for Includes {
    fn from_iter<T: IntoIterator<Item = Include>>(includes: T) -> Includes {
        let bit = |set, include| set | 1 << include as u16;
        Includes(includes.into_iter().fold(0, bit))
    }
}

/// The types of the columns for which the plugin wrote no name.
fn unnamed_types(relation: &Relation) -> impl Iterator<Item = u32> {
    let unnamed = |column: &&Column| column.type_name.is_empty();
    relation
        .columns
        .iter()
        .filter(unnamed)
        .map(|column| column.type_oid)
}

/// Takes in what the stream says of a type.
pub fn announce_type(types: &mut Types, oid: u32, schema: &[u8], name: &[u8]) {
    let (mut qualified, mut builtin) = (Vec::new(), None);
    match schema {
        b"" | b"pg_catalog" => builtin = str::from_utf8(name).ok(),
        schema => {
            write_identifier(schema, &mut qualified);
            qualified.push(b'.');
        }
    }
    write_identifier(name, &mut qualified);
    let qualified = String::from_utf8_lossy(&qualified).into_owned();
    types.announce(oid, qualified, builtin);
}

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
    use crate::event::{Body, Transaction};
    use crate::text::is_harmful;
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

    /// Feeds all formats every kind of event with random bytes in all places, and hands on each
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
            let values = Values::ALL[random.below(2) as usize];
            let screen = Screen {
                columns: || 80,
                clock: None,
                max_width: None,
                expanded: random.below(2) == 0,
            };
            let on_screen = [None, Some(screen)];
            let formats = [Format::JSON, Format::TEXT].into_iter();
            for (format, screen) in
                formats.flat_map(|format| on_screen.map(|screen| (format, screen)))
            {
                let settings = Settings {
                    values,
                    screen,
                    includes: format.includes().iter().copied().collect(),
                    ..Settings::default()
                };
                let mut test = Test::with(format, settings);
                let event = |body| Event {
                    subxid: Some(1),
                    ..event(&transaction, 0, body)
                };
                let lines = test.feed(&bodies.map(event));
                if screen.is_some() {
                    let harmful = |c| c != '\n' && is_harmful(c);
                    assert!(!lines.contains(harmful), "{lines:?}");
                }
                if screen.is_none() || format == Format::JSON {
                    assert_eq!(lines.matches('\n').count(), bodies.len(), "{lines}");
                }
                lines
                    .lines()
                    .for_each(|line| check(line, format == Format::JSON));
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
                assert!(!line.contains(is_harmful), "{line:?}");
            }
        });
    }
}
