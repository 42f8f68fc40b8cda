//! What a decoder says: the events of a change stream, borrowed from the message that brought them.
//!
//! Decoders make them, the filter chooses among them, renderers print them. Nothing here owns a
//! row: a [`Tuple`] points into the received message (or into the decoder's own buffer) and its
//! spans are reused from row to row.

#[cfg(test)]
pub mod testing;

use crate::lsn::Lsn;
use crate::time::PgTime;
use std::fmt;
use std::str::FromStr;

/// One thing that happened, with its place in the stream.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Where it lies in the WAL; `None` where only the connection knew it (`walcat decode`).
    pub lsn: Option<Lsn>,
    /// The (top-level) transaction it belongs to; `None` for messages outside transactions.
    pub transaction: Option<&'a Transaction>,
    /// The subtransaction, where it is known and is not the top-level transaction.
    pub subxid: Option<u32>,
    /// The number of the change within its transaction, from 0, as the server sends them. Only
    /// changes and transactional messages have one.
    pub seq: Option<u64>,
    /// What happened.
    pub body: Body<'a>,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// A transaction begins. Sent for every transaction, also for those that turn out empty.
    Begin,
    /// The transaction is committed; `end_lsn` is where the WAL goes on behind its commit record,
    /// `None` where the plugin was told not to send it.
    Commit { end_lsn: Option<Lsn> },
    /// A table is announced: for the first time or with another shape (`changed`), or once more
    /// just the same. It always comes before the first row of that table or shape.
    Relation {
        relation: &'a Relation,
        changed: bool,
    },
    /// A type that is not built in is announced, before a table that has it. The name of a domain
    /// is that of the type it is over; the schema is empty for `pg_catalog`.
    Type {
        oid: u32,
        schema: &'a [u8],
        name: &'a [u8],
    },
    /// A new row.
    Insert {
        relation: &'a Relation,
        new: Tuple<'a>,
    },
    /// A changed row. Unchanged TOAST values of `new` are already filled in from `old` where that
    /// has them.
    Update {
        relation: &'a Relation,
        old: Option<Tuple<'a>>,
        new: Tuple<'a>,
    },
    /// A deleted row: what the server sent of it.
    Delete {
        relation: &'a Relation,
        old: Tuple<'a>,
    },
    /// One emptied table; a TRUNCATE of several tables is several events.
    /// `None` where the plugin does not tell.
    Truncate {
        relation: &'a Relation,
        cascade: Option<bool>,
        restart_identity: Option<bool>,
    },
    /// A logical decoding message (`pg_logical_emit_message`).
    Message {
        transactional: bool,
        prefix: &'a [u8],
        content: &'a [u8],
    },
    /// Begin of a transaction that is prepared (PREPARE TRANSACTION).
    BeginPrepare { gid: &'a [u8] },
    /// The transaction is prepared.
    Prepare { gid: &'a [u8], end_lsn: Lsn },
    /// A prepared transaction is committed now.
    CommitPrepared {
        gid: &'a [u8],
        commit_lsn: Lsn,
        end_lsn: Lsn,
        commit_time: PgTime,
    },
    /// A prepared transaction is rolled back now.
    RollbackPrepared {
        gid: &'a [u8],
        prepare_end_lsn: Lsn,
        end_lsn: Lsn,
        prepare_time: PgTime,
        rollback_time: PgTime,
    },
    /// A block of changes of a transaction still in progress begins; `first` if it is that
    /// transaction's first block.
    StreamStart { first: bool },
    /// The block ends; the transaction may go on in another.
    StreamStop,
    /// The streamed transaction is committed.
    StreamCommit { end_lsn: Lsn },
    /// All of the streamed transaction is void, or just the subtransaction `Event::subxid`.
    /// Position and time are there from protocol 4 on.
    StreamAbort {
        abort_lsn: Option<Lsn>,
        abort_time: Option<PgTime>,
    },
    /// The streamed transaction is prepared.
    StreamPrepare { gid: &'a [u8], end_lsn: Lsn },
    /// What the plugin sent but cannot be decoded.
    Undecodable { reason: &'a str, content: &'a [u8] },
    /// A row that was in its table already: no change, and of no transaction. `Event::lsn` is where
    /// the WAL ended when it was read.
    Snapshot {
        relation: &'a Relation,
        row: Tuple<'a>,
    },
    /// All rows of the table up to this key have come, and all changes that committed before
    /// `Event::lsn`. Only the key's columns are there.
    SnapshotProgress {
        relation: &'a Relation,
        through: Tuple<'a>,
    },
    /// The same of all rows of the table.
    SnapshotDone { relation: &'a Relation },
}

impl<'a> Body<'a> {
    /// Returns `true` for a change of data or a message, decodable or not, and `false` for a mark
    /// in the stream.
    pub fn is_change(&self) -> bool {
        matches!(
            self,
            Body::Insert { .. }
                | Body::Update { .. }
                | Body::Delete { .. }
                | Body::Truncate { .. }
                | Body::Message { .. }
                | Body::Undecodable { .. }
        )
    }

    /// The table that it is about, if it is one's.
    pub fn relation(&self) -> Option<&'a Relation> {
        match *self {
            Body::Relation { relation, .. }
            | Body::Insert { relation, .. }
            | Body::Update { relation, .. }
            | Body::Delete { relation, .. }
            | Body::Truncate { relation, .. }
            | Body::Snapshot { relation, .. }
            | Body::SnapshotProgress { relation, .. }
            | Body::SnapshotDone { relation } => Some(relation),
            _ => None,
        }
    }

    /// What [`name`](Body::name) may return.
    pub const NAMES: [&'static str; 21] = [
        "begin",
        "commit",
        "relation",
        "insert",
        "update",
        "delete",
        "truncate",
        "message",
        "begin_prepare",
        "prepare",
        "commit_prepared",
        "rollback_prepared",
        "stream_start",
        "stream_stop",
        "stream_commit",
        "stream_abort",
        "stream_prepare",
        "undecodable",
        "snapshot",
        "snapshot_progress",
        "snapshot_done",
    ];

    /// What it is called in JSON: its `op`.
    pub fn name(&self) -> &'static str {
        match self {
            Body::Begin => "begin",
            Body::Commit { .. } => "commit",
            Body::Relation { .. } => "relation",
            Body::Type { .. } => "type",
            Body::Insert { .. } => "insert",
            Body::Update { .. } => "update",
            Body::Delete { .. } => "delete",
            Body::Truncate { .. } => "truncate",
            Body::Message { .. } => "message",
            Body::BeginPrepare { .. } => "begin_prepare",
            Body::Prepare { .. } => "prepare",
            Body::CommitPrepared { .. } => "commit_prepared",
            Body::RollbackPrepared { .. } => "rollback_prepared",
            Body::StreamStart { .. } => "stream_start",
            Body::StreamStop => "stream_stop",
            Body::StreamCommit { .. } => "stream_commit",
            Body::StreamAbort { .. } => "stream_abort",
            Body::StreamPrepare { .. } => "stream_prepare",
            Body::Undecodable { .. } => "undecodable",
            Body::Snapshot { .. } => "snapshot",
            Body::SnapshotProgress { .. } => "snapshot_progress",
            Body::SnapshotDone { .. } => "snapshot_done",
        }
    }
}

/// The transaction that changes belong to. The fields stay the same from its begin to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The top-level transaction's number; `None` where the plugin was told not to send it.
    pub xid: Option<u32>,
    /// How it ends, as far as that is known when its changes arrive.
    pub end: End,
    /// Where its changes were made first, if they came by replication: the origin's name (pgoutput)
    /// or number (wal2json).
    pub origin: Option<String>,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Not known yet: its changes are streamed while it runs.
    #[default]
    Open,
    /// By the commit record at `lsn`. Either is `None` where the plugin was told not to send it
    /// (wal2json).
    Commit {
        lsn: Option<Lsn>,
        time: Option<PgTime>,
    },
    /// By the prepare record at `lsn`.
    Prepare { lsn: Lsn, time: PgTime },
}

/// A table as the stream announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// A number that stands for the table as long as the decoder lives, whatever its shape; each
    /// new table has the next.
    pub index: usize,
    /// A small number that stands for the table until it has not been used for long: then another
    /// may have it. What is prepared for a table is kept there, in a [`PerRelation`].
    pub slot: usize,
    /// `pg_class.oid`; 0 if the plugin does not tell (wal2json).
    pub oid: u32,
    /// The schema's name.
    pub schema: String,
    /// The table's name.
    pub table: String,
    /// What the server sends of old rows; `None` if the plugin does not tell (wal2json).
    pub replica_identity: Option<ReplicaIdentity>,
    /// The columns that the stream carries, in the table's order.
    pub columns: Vec<Column>,
}

impl Relation {
    /// The [`slot`](Relation::slot) of the table whose rows are read: decoders leave it free.
    pub const SNAPSHOT_SLOT: usize = 0;
}

/// Something that is kept for each table that is in use. It is gone when another table has its
/// [`Relation::slot`].
#[derive(Debug)]
pub struct PerRelation<T>(Vec<Option<(usize, T)>>);

impl<T> PerRelation<T> {
    /// What is kept for this table, if anything is.
    pub fn get(&self, relation: &Relation) -> Option<&T> {
        let (index, value) = self.0.get(relation.slot)?.as_ref()?;
        (*index == relation.index).then_some(value)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, relation: &Relation) -> Option<&mut T> {
        let (index, value) = self.0.get_mut(relation.slot)?.as_mut()?;
        (*index == relation.index).then_some(value)
    }

    /// Keeps `value` for this table, in place of what was kept.
    pub fn set(&mut self, relation: &Relation, value: T) {
        while self.0.len() <= relation.slot {
            self.0.push(None);
        }
        if let Some(place) = self.0.get_mut(relation.slot) {
            *place = Some((relation.index, value));
        }
    }
}

impl<T> Default for PerRelation<T> {
    fn default() -> PerRelation<T> {
        PerRelation(Vec::new())
    }
}

/// `pg_class.relreplident`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// `d`: the primary key, if there is one.
    Default,
    /// `n`: nothing.
    Nothing,
    /// `f`: the whole row.
    Full,
    /// `i`: the columns of an index.
    Index,
}

/// A column of a [`Relation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `pg_type.oid` of its type; 0 if the plugin does not tell.
    pub type_oid: u32,
    /// The type's name as the plugin wrote it (wal2json), else empty.
    pub type_name: String,
    /// `atttypmod`: length, precision and the like; -1 for none.
    pub type_modifier: i32,
    /// Whether it is part of the replica identity (pgoutput: all columns under FULL) or of the
    /// primary key (wal2json).
    pub key: bool,
}

/// The values of a row, or of a part of one, as the server's text output.
#[derive(Clone, Copy, Debug)]
pub struct Tuple<'a> {
    data: &'a [u8],
    spans: &'a [Span],
}

/// One value of a [`Tuple`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// A TOASTed value that the update left alone and the server did not send.
    Unchanged,
    /// The column is not part of what was sent: a column outside the key in an old row.
    Absent,
    /// The output of the type's output function, in the stream's encoding.
    Text(&'a [u8]),
}

/// Where a [`Cell`] lies in its tuple's data. Decoders keep a `Vec<Span>` and fill it anew for each
/// row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// [`Cell::Null`]
    Null,
    /// [`Cell::Unchanged`]
    Unchanged,
    /// [`Cell::Absent`]
    Absent,
    /// [`Cell::Text`]: from `start` up to `end` of the data.
    Text { start: usize, end: usize },
}

impl<'a> Tuple<'a> {
    /// The row whose values lie at `spans` of `data`: one span for each column of its relation.
    pub fn new(data: &'a [u8], spans: &'a [Span]) -> Tuple<'a> {
        Tuple { data, spans }
    }

    /// The value of the column at `index`; [`Cell::Absent`] beyond the last.
    pub fn cell(&self, index: usize) -> Cell<'a> {
        self.spans
            .get(index)
            .map_or(Cell::Absent, |span| self.resolve(span))
    }

    /// All values in the order of the columns.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> + use<'a> {
        let tuple = *self;
        tuple.spans.iter().map(move |span| tuple.resolve(span))
    }

    fn resolve(&self, span: &Span) -> Cell<'a> {
        match *span {
            Span::Null => Cell::Null,
            Span::Unchanged => Cell::Unchanged,
            Span::Absent => Cell::Absent,
            Span::Text { start, end } => self.data.get(start..end).map_or(Cell::Absent, Cell::Text),
        }
    }
}

/// The name that an event has for ever: where its transaction ends, and its place within it.
/// It only grows along a stream, so a consumer needs no more to drop repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// `commit_lsn`, `prepare_lsn`, or for what happens outside transactions one less than its own
    /// `lsn`: that is where its record ends, and there the commit record of a transaction may
    /// begin.
    pub lsn: Lsn,
    /// The place within the transaction.
    pub place: Place,
}

/// A place within a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before the first change.
    Begin,
    /// At the change of this `seq`.
    Change(u64),
    /// Behind the last change.
    End,
}

/// The numbers of what is not at a change. No transaction has as many changes.
const END: u64 = 999_999_999_998;
const BEGIN: u64 = 999_999_999_999;

impl EventId {
    /// The id of what happens outside transactions: a message, be it decoded or not, or the
    /// rollback of a prepared one.
    pub fn outside(lsn: Lsn) -> EventId {
        EventId {
            lsn: Lsn(lsn.0.saturating_sub(1)),
            place: Place::End,
        }
    }

    /// Appends it as a text of fixed width, which sorts byte for byte as the stream does:
    /// `00000000016B3748-000000000007`, the position in 16 hexadecimal digits and the number of the
    /// change in 12 decimal ones. As there is none before the first, the begin is the last of the
    /// position before.
    pub fn append_key_to(self, out: &mut Vec<u8>) {
        let (lsn, number) = match self.place {
            Place::Begin => (self.lsn.0.saturating_sub(1), BEGIN),
            Place::Change(seq) => (self.lsn.0, seq),
            Place::End => (self.lsn.0, END),
        };
        let digit = |shift: u32| match (lsn >> (4 * shift) & 0xF) as u8 {
            digit @ ..10 => b'0' + digit,
            letter => b'A' - 10 + letter,
        };
        out.extend((0..16).rev().map(digit));
        out.push(b'-');
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        out.extend((digits.len()..12).map(|_| b'0'));
        out.extend_from_slice(digits);
    }

    /// The same as a string.
    pub fn key(self) -> String {
        let mut key = Vec::new();
        self.append_key_to(&mut key);
        String::from_utf8_lossy(&key).into_owned()
    }
}

/// As `0/16B3748 7`, with `begin` or `end` instead of a number before the first and behind the last
/// change.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Begin => write!(f, "{} begin", self.lsn),
            Place::Change(seq) => write!(f, "{} {seq}", self.lsn),
            Place::End => write!(f, "{} end", self.lsn),
        }
    }
}

/// The text is no [`EventId`].
#[derive(Debug, PartialEq, Eq)]
pub struct ParseEventIdError;

impl FromStr for EventId {
    type Err = ParseEventIdError;

    fn from_str(text: &str) -> Result<EventId, ParseEventIdError> {
        let (lsn, place) = text.split_once(' ').ok_or(ParseEventIdError)?;
        let place = match place {
            "begin" => Place::Begin,
            "end" => Place::End,
            seq => Place::Change(seq.parse().map_err(|_| ParseEventIdError)?),
        };
        Ok(EventId {
            lsn: lsn.parse().map_err(|_| ParseEventIdError)?,
            place,
        })
    }
}

impl Event<'_> {
    /// The event's id; `None` for those that repeat in every run (relations), have none yet
    /// (streamed changes) or are no events of the stream (rows that were there already).
    pub fn id(&self) -> Option<EventId> {
        let end = match self.transaction.map(|transaction| transaction.end) {
            Some(End::Commit { lsn, .. }) => lsn,
            Some(End::Prepare { lsn, .. }) => Some(lsn),
            Some(End::Open) | None => None,
        };
        let (lsn, place) = match self.body {
            Body::Relation { .. } | Body::Type { .. } => return None,
            Body::Begin | Body::BeginPrepare { .. } => (end?, Place::Begin),
            Body::Commit { .. } | Body::Prepare { .. } => (end?, Place::End),
            Body::StreamCommit { .. } | Body::StreamPrepare { .. } => (end?, Place::End),
            Body::CommitPrepared { commit_lsn, .. } => (commit_lsn, Place::End),
            Body::RollbackPrepared { .. }
            | Body::Message {
                transactional: false,
                ..
            } => {
                return Some(EventId::outside(self.lsn?));
            }
            Body::Undecodable { .. } if self.transaction.is_none() => {
                return Some(EventId::outside(self.lsn?));
            }
            _ => (end?, Place::Change(self.seq?)),
        };
        Some(EventId { lsn, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_prints_and_reads_the_same() {
        for (text, place) in [
            ("0/16B3748 begin", Place::Begin),
            ("0/16B3748 7", Place::Change(7)),
            ("0/16B3748 end", Place::End),
        ] {
            let position = EventId {
                lsn: Lsn(0x16B_3748),
                place,
            };
            assert_eq!(
                (position.to_string().as_str(), text.parse()),
                (text, Ok(position))
            );
        }
        for text in ["", "0/1", "0/1 ", "0/1 -1", "x 1"] {
            assert_eq!(text.parse::<EventId>(), Err(ParseEventIdError), "{text:?}");
        }
    }

    #[test]
    fn keys_sort_as_the_stream_does() {
        let id = |lsn, place| EventId {
            lsn: Lsn(lsn),
            place,
        };
        let (huge, seq) = (0xFFFF_FF28, Place::Change);
        // A record may end just where the commit record of the next transaction begins.
        let stream = [
            id(0x30, Place::Begin),
            id(0x30, seq(0)),
            id(0x30, seq(9)),
            id(0x30, seq(10)),
            id(0x30, seq(123_456_789_012)),
            id(0x30, Place::End),
            EventId::outside(Lsn(0x48)),
            id(0x48, Place::Begin),
            id(0x48, seq(0)),
            id(0x48, Place::End),
            id(huge, Place::Begin),
            id(huge, Place::End),
            id(0x1_0000_0000, Place::Begin),
            id(0x1_0000_0000, seq(0)),
            id(u64::MAX - 7, Place::End),
        ];
        assert!(stream.is_sorted());
        let keys: Vec<String> = stream.map(EventId::key).into();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        assert!(keys.iter().all(|key| key.len() == 29), "{keys:?}");
        assert_eq!(keys[3], "0000000000000030-000000000010");
        assert_eq!(keys[10], "00000000FFFFFF27-999999999999");
    }
}
