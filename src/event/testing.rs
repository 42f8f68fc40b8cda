//! Events made by hand, for unit tests.

use super::{Body, Column, End, Event, Relation, ReplicaIdentity, Span, Transaction, Tuple};
use crate::lsn::Lsn;
use crate::time::PgTime;

pub const BOOL: u32 = 16;
pub const INT4: u32 = 23;
pub const TEXT: u32 = 25;
pub const JSONB: u32 = 3802;

/// 2026-11-20 09:23:34.946212+00
pub const TIME: PgTime = PgTime(848_481_814_946_212);

/// A table `public.name` with these columns: name, type, key.
pub fn relation(table: &str, columns: &[(&str, u32, bool)]) -> Relation {
    let column = |&(name, type_oid, key): &(&str, u32, bool)| Column {
        name: name.to_owned(),
        type_oid,
        type_name: String::new(),
        type_modifier: -1,
        key,
    };
    Relation {
        index: 0,
        slot: 0,
        oid: 16385,
        schema: "public".to_owned(),
        table: table.to_owned(),
        replica_identity: Some(ReplicaIdentity::Default),
        columns: columns.iter().map(column).collect(),
    }
}

pub fn committed(xid: u32, commit_lsn: u64) -> Transaction {
    Transaction {
        xid: Some(xid),
        end: End::Commit {
            lsn: Some(Lsn(commit_lsn)),
            time: Some(TIME),
        },
        origin: None,
    }
}

pub fn prepared(xid: u32, prepare_lsn: u64) -> Transaction {
    Transaction {
        xid: Some(xid),
        end: End::Prepare {
            lsn: Lsn(prepare_lsn),
            time: TIME,
        },
        origin: None,
    }
}

pub fn open(xid: u32) -> Transaction {
    Transaction {
        xid: Some(xid),
        end: End::Open,
        origin: None,
    }
}

pub fn event<'a>(transaction: &'a Transaction, seq: u64, body: Body<'a>) -> Event<'a> {
    Event {
        lsn: Some(Lsn(100)),
        transaction: Some(transaction),
        subxid: None,
        seq: Some(seq),
        body,
    }
}

pub fn begin(transaction: &Transaction) -> Event<'_> {
    Event {
        seq: None,
        ..event(transaction, 0, Body::Begin)
    }
}

pub fn commit(transaction: &Transaction) -> Event<'_> {
    Event {
        seq: None,
        ..event(
            transaction,
            0,
            Body::Commit {
                end_lsn: Some(Lsn(0xABC)),
            },
        )
    }
}

pub fn announce(relation: &Relation) -> Event<'_> {
    Event {
        lsn: None,
        transaction: None,
        subxid: None,
        seq: None,
        body: Body::Relation {
            relation,
            changed: true,
        },
    }
}

pub fn insert<'a>(
    transaction: &'a Transaction,
    seq: u64,
    relation: &'a Relation,
    row: &[Option<&str>],
) -> Event<'a> {
    event(
        transaction,
        seq,
        Body::Insert {
            relation,
            new: self::row(row),
        },
    )
}

/// A row of texts and NULLs. It is leaked: tests are short.
pub fn row(values: &[Option<&str>]) -> Tuple<'static> {
    let cells: Vec<Sent> = values
        .iter()
        .map(|value| value.map_or(Sent::Null, |text| Sent::Text(text.as_bytes())))
        .collect();
    cells_of(&cells)
}

/// A value as it is sent.
#[derive(Clone, Copy)]
pub enum Sent<'a> {
    Null,
    Unchanged,
    Absent,
    Text(&'a [u8]),
}

/// A row of any cells.
pub fn cells_of(cells: &[Sent<'_>]) -> Tuple<'static> {
    let mut data = Vec::new();
    let span = |cell: &Sent<'_>| match *cell {
        Sent::Null => Span::Null,
        Sent::Unchanged => Span::Unchanged,
        Sent::Absent => Span::Absent,
        Sent::Text(text) => {
            let start = data.len();
            data.extend_from_slice(text);
            Span::Text {
                start,
                end: data.len(),
            }
        }
    };
    let spans: Vec<Span> = cells.iter().map(span).collect();
    Tuple::new(data.leak(), spans.leak())
}
