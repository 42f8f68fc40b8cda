//! The messages of pgoutput, as the manual's chapter "Logical Replication Message Formats" has
//! them.
//!
//! Only their form is read here; what they mean in the stream is the parent module's business.
//! [`capture`](crate::decode::capture) reads them just to find their ends.
//!
//! In the layouts `xid?` stands only inside a stream block, `x*` is repeated as a count says, text
//! ends with a zero byte and `bytes` with the length before it.

use crate::decode::reader::{DecodeError, Reader, Result};
use crate::event::{Column, Relation, ReplicaIdentity, Span};
use crate::lsn::Lsn;
use crate::text::readable;
use crate::time::PgTime;

/// One message, with what many have in common.
#[derive(Debug)]
pub(in crate::decode) struct Envelope<'a> {
    /// The manual's name of the message.
    pub name: &'static str,
    /// The (sub)transaction of a change in a stream block.
    pub xid: Option<u32>,
    /// Where the field behind `xid` lies.
    pub offset: usize,
    pub message: Message<'a>,
}

/// The rest of a message.
#[derive(Debug)]
pub(in crate::decode) enum Message<'a> {
    Change(Change<'a>),
    Boundary(Boundary<'a>),
    Relation(Relation),
    Origin {
        name: &'a [u8],
    },
    Type {
        oid: u32,
        schema: &'a [u8],
        name: &'a [u8],
    },
}

/// A change, or a logical decoding message. The values of rows go to the [`Rows`] that the caller
/// lends.
#[derive(Debug)]
pub(in crate::decode) enum Change<'a> {
    Insert {
        relation: u32,
    },
    Update {
        relation: u32,
        old: Option<Old>,
    },
    Delete {
        relation: u32,
        old: Old,
    },
    Truncate {
        cascade: bool,
        restart_identity: bool,
        relations: &'a [[u8; 4]],
    },
    Message {
        transactional: bool,
        lsn: Lsn,
        prefix: &'a [u8],
        content: &'a [u8],
    },
}

/// Where a transaction, or a part of one, begins or ends.
#[derive(Debug)]
pub(in crate::decode) enum Boundary<'a> {
    Begin {
        final_lsn: Lsn,
        commit_time: PgTime,
        xid: u32,
    },
    Commit {
        commit_lsn: Lsn,
        end_lsn: Lsn,
    },
    BeginPrepare {
        prepare_lsn: Lsn,
        prepare_time: PgTime,
        xid: u32,
        gid: &'a [u8],
    },
    Prepare {
        prepare_lsn: Lsn,
        end_lsn: Lsn,
        gid: &'a [u8],
    },
    CommitPrepared {
        commit_lsn: Lsn,
        end_lsn: Lsn,
        commit_time: PgTime,
        xid: u32,
        gid: &'a [u8],
    },
    RollbackPrepared(RollbackPrepared<'a>),
    StreamStart {
        xid: u32,
        first: bool,
    },
    StreamStop,
    StreamCommit {
        xid: u32,
        commit_lsn: Lsn,
        end_lsn: Lsn,
        commit_time: PgTime,
    },
    StreamAbort {
        xid: u32,
        subxid: u32,
        abort: Option<(Lsn, PgTime)>,
    },
    StreamPrepare {
        prepare_lsn: Lsn,
        end_lsn: Lsn,
        prepare_time: PgTime,
        xid: u32,
        gid: &'a [u8],
    },
}

/// The fields of a Rollback Prepared message.
#[derive(Debug)]
pub(in crate::decode) struct RollbackPrepared<'a> {
    pub prepare_end_lsn: Lsn,
    pub end_lsn: Lsn,
    pub prepare_time: PgTime,
    pub rollback_time: PgTime,
    pub xid: u32,
    pub gid: &'a [u8],
}

/// What an old row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Old {
    /// `K`: the columns of the replica identity; the others are sent as NULL.
    Key,
    /// `O`: all columns.
    Full,
}

/// The values of a row. Reused from row to row.
#[derive(Debug, Default)]
pub(in crate::decode) struct Row {
    /// Where the number of columns lies in the message.
    pub offset: usize,
    /// Where the values do.
    pub spans: Vec<Span>,
}

/// The rows of a message, of which only those count that it has.
#[derive(Debug, Default)]
pub(in crate::decode) struct Rows {
    pub old: Row,
    pub new: Row,
}

/// Which form a Stream Abort has.
#[derive(Clone, Copy, Debug)]
pub(in crate::decode) enum AbortForm {
    /// The message's length tells: with position and time if there is anything behind the numbers.
    ByLength,
    /// The caller found out.
    WithPosition(bool),
}

impl<'a> Envelope<'a> {
    /// Reads one message. `in_block` tells whether it stands between Stream Start and Stream Stop.
    pub fn read(
        reader: &mut Reader<'a>,
        in_block: bool,
        form: AbortForm,
        rows: &mut Rows,
    ) -> Result<Envelope<'a>> {
        let tag = reader.u8("tag")?;
        let name = name(tag).ok_or_else(|| reader.unknown_byte("tag", tag))?;
        reader.set_message(name);
        let xid = match in_block && matches!(tag, b'R' | b'Y' | b'I' | b'U' | b'D' | b'T' | b'M') {
            true => Some(reader.u32("transaction number")?),
            false => None,
        };
        let offset = reader.offset();
        let message = match tag {
            b'I' => insert(reader, &mut rows.new).map(Message::Change),
            b'U' => update(reader, rows).map(Message::Change),
            b'D' => delete(reader, &mut rows.old).map(Message::Change),
            b'T' => truncate(reader).map(Message::Change),
            b'M' => logical_message(reader).map(Message::Change),
            b'R' => relation(reader),
            b'O' => origin(reader),
            b'Y' => type_(reader),
            _ => boundary(reader, tag, form).map(Message::Boundary),
        }?;
        Ok(Envelope {
            name,
            xid,
            offset,
            message,
        })
    }
}

/// The manual's name of the message with this tag; `None` if there is none.
fn name(tag: u8) -> Option<&'static str> {
    Some(match tag {
        b'B' => "Begin",
        b'C' => "Commit",
        b'O' => "Origin",
        b'R' => "Relation",
        b'Y' => "Type",
        b'I' => "Insert",
        b'U' => "Update",
        b'D' => "Delete",
        b'T' => "Truncate",
        b'M' => "Message",
        b'b' => "Begin Prepare",
        b'P' => "Prepare",
        b'K' => "Commit Prepared",
        b'r' => "Rollback Prepared",
        b'S' => "Stream Start",
        b'E' => "Stream Stop",
        b'c' => "Stream Commit",
        b'A' => "Stream Abort",
        b'p' => "Stream Prepare",
        _ => return None,
    })
}

fn boundary<'a>(reader: &mut Reader<'a>, tag: u8, form: AbortForm) -> Result<Boundary<'a>> {
    match tag {
        b'B' => begin(reader),
        b'C' => commit(reader),
        b'b' => begin_prepare(reader),
        b'P' => prepare(reader),
        b'K' => commit_prepared(reader),
        b'r' => rollback_prepared(reader),
        b'S' => stream_start(reader),
        b'E' => Ok(Boundary::StreamStop),
        b'c' => stream_commit(reader),
        b'A' => stream_abort(reader, form),
        b'p' => stream_prepare(reader),
        _ => Err(reader.unknown_byte("tag", tag)),
    }
}

// B  final_lsn:8 commit_time:8 xid:4
fn begin<'a>(reader: &mut Reader<'a>) -> Result<Boundary<'a>> {
    Ok(Boundary::Begin {
        final_lsn: reader.lsn("final LSN")?,
        commit_time: reader.time("commit time")?,
        xid: reader.u32("transaction number")?,
    })
}

// C  flags:1 commit_lsn:8 end_lsn:8 commit_time:8
fn commit<'a>(reader: &mut Reader<'a>) -> Result<Boundary<'a>> {
    reader.u8("flags")?;
    let (commit_lsn, end_lsn) = (reader.lsn("commit LSN")?, reader.lsn("end LSN")?);
    reader.time("commit time")?;
    Ok(Boundary::Commit {
        commit_lsn,
        end_lsn,
    })
}

// O  origin_lsn:8 name:text
fn origin<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>> {
    reader.lsn("origin LSN")?;
    Ok(Message::Origin {
        name: reader.string("name")?,
    })
}

// R  xid?:4 relation:4 schema:text table:text replica_identity:1 columns:2 (key:1 name:text type:4
// modifier:4)*
fn relation<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>> {
    let oid = reader.u32("relation")?;
    let schema = match reader.string("schema")? {
        b"" => "pg_catalog".to_owned(),
        schema => readable(schema),
    };
    let table = readable(reader.string("table")?);
    let replica_identity = match reader.u8("replica identity")? {
        b'd' => ReplicaIdentity::Default,
        b'n' => ReplicaIdentity::Nothing,
        b'f' => ReplicaIdentity::Full,
        b'i' => ReplicaIdentity::Index,
        other => return Err(reader.unknown_byte("replica identity", other)),
    };
    let mut columns = Vec::new();
    for _ in 0..reader.u16("column count")? {
        columns.push(Column {
            key: reader.u8("column flags")? & 1 != 0,
            name: readable(reader.string("column name")?),
            type_oid: reader.u32("column type")?,
            type_name: String::new(),
            type_modifier: reader.i32("type modifier")?,
        });
    }
    let replica_identity = Some(replica_identity);
    Ok(Message::Relation(Relation {
        index: 0,
        slot: 0,
        oid,
        schema,
        table,
        replica_identity,
        columns,
    }))
}

// Y  xid?:4 type:4 schema:text name:text
fn type_<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>> {
    Ok(Message::Type {
        oid: reader.u32("type")?,
        schema: reader.string("schema")?,
        name: reader.string("name")?,
    })
}

// I  xid?:4 relation:4 'N' new:row
fn insert<'a>(reader: &mut Reader<'a>, new: &mut Row) -> Result<Change<'a>> {
    let relation = reader.u32("relation")?;
    match reader.u8("row kind")? {
        b'N' => row(reader, new)?,
        other => return Err(reader.unknown_byte("row kind", other)),
    }
    Ok(Change::Insert { relation })
}

// U  xid?:4 relation:4 ('K' old:row | 'O' old:row)? 'N' new:row
fn update<'a>(reader: &mut Reader<'a>, rows: &mut Rows) -> Result<Change<'a>> {
    let relation = reader.u32("relation")?;
    let mut kind = reader.u8("row kind")?;
    let old = match kind {
        b'K' => Some(Old::Key),
        b'O' => Some(Old::Full),
        _ => None,
    };
    if old.is_some() {
        row(reader, &mut rows.old)?;
        kind = reader.u8("row kind")?;
    }
    match kind {
        b'N' => row(reader, &mut rows.new)?,
        other => return Err(reader.unknown_byte("row kind", other)),
    }
    Ok(Change::Update { relation, old })
}

// D  xid?:4 relation:4 ('K' | 'O') old:row
fn delete<'a>(reader: &mut Reader<'a>, old_row: &mut Row) -> Result<Change<'a>> {
    let relation = reader.u32("relation")?;
    let old = match reader.u8("row kind")? {
        b'K' => Old::Key,
        b'O' => Old::Full,
        other => return Err(reader.unknown_byte("row kind", other)),
    };
    row(reader, old_row)?;
    Ok(Change::Delete { relation, old })
}

// row  columns:2 ('n' | 'u' | 't' value:bytes)*
fn row(reader: &mut Reader<'_>, row: &mut Row) -> Result<()> {
    row.offset = reader.offset();
    row.spans.clear();
    for _ in 0..reader.u16("column count")? {
        let span = match reader.u8("column kind")? {
            b't' => {
                let length = reader.u32("value length")? as usize;
                let start = reader.offset();
                reader.bytes("value", length)?;
                Span::Text {
                    start,
                    end: reader.offset(),
                }
            }
            b'n' => Span::Null,
            b'u' => Span::Unchanged,
            b'b' => return Err(binary_value(reader)),
            other => return Err(reader.unknown_byte("column kind", other)),
        };
        row.spans.push(span);
    }
    Ok(())
}

#[cold]
fn binary_value(reader: &Reader<'_>) -> DecodeError {
    reader.error(
        "value",
        "it is in binary format, which walcat does not read: stream without the option binary",
    )
}

// T  xid?:4 relations:4 flags:1 relation:4*
fn truncate<'a>(reader: &mut Reader<'a>) -> Result<Change<'a>> {
    let count = reader.u32("relation count")? as usize;
    let flags = reader.u8("flags")?;
    let (relations, _) = reader
        .bytes("relations", count.saturating_mul(4))?
        .as_chunks();
    Ok(Change::Truncate {
        cascade: flags & 1 != 0,
        restart_identity: flags & 2 != 0,
        relations,
    })
}

// M  xid?:4 flags:1 lsn:8 prefix:text content:bytes
fn logical_message<'a>(reader: &mut Reader<'a>) -> Result<Change<'a>> {
    let transactional = reader.u8("flags")? & 1 != 0;
    let lsn = reader.lsn("LSN")?;
    let prefix = reader.string("prefix")?;
    let length = reader.u32("content length")? as usize;
    Ok(Change::Message {
        transactional,
        lsn,
        prefix,
        content: reader.bytes("content", length)?,
    })
}

// b  prepare_lsn:8 end_lsn:8 prepare_time:8 xid:4 gid:text
fn begin_prepare<'a>(reader: &mut Reader<'a>) -> Result<Boundary<'a>> {
    let prepare_lsn = reader.lsn("prepare LSN")?;
    reader.lsn("end LSN")?;
    Ok(Boundary::BeginPrepare {
        prepare_lsn,
        prepare_time: reader.time("prepare time")?,
        xid: reader.u32("transaction number")?,
        gid: reader.string("gid")?,
    })
}

// P  flags:1 prepare_lsn:8 end_lsn:8 prepare_time:8 xid:4 gid:text
fn prepare<'a>(reader: &mut Reader<'a>) -> Result<Boundary<'a>> {
    reader.u8("flags")?;
    let (prepare_lsn, end_lsn) = (reader.lsn("prepare LSN")?, reader.lsn("end LSN")?);
    reader.time("prepare time")?;
    reader.u32("transaction number")?;
    Ok(Boundary::Prepare {
        prepare_lsn,
        end_lsn,
        gid: reader.string("gid")?,
    })
}

// K  flags:1 commit_lsn:8 end_lsn:8 commit_time:8 xid:4 gid:text
fn commit_prepared<'a>(reader: &mut Reader<'a>) -> Result<Boundary<'a>> {
    reader.u8("flags")?;
    Ok(Boundary::CommitPrepared {
        commit_lsn: reader.lsn("commit LSN")?,
        end_lsn: reader.lsn("end LSN")?,
        commit_time: reader.time("commit time")?,
        xid: reader.u32("transaction number")?,
        gid: reader.string("gid")?,
    })
}

// r  flags:1 prepare_end_lsn:8 end_lsn:8 prepare_time:8 rollback_time:8 xid:4 gid:text
fn rollback_prepared<'a>(reader: &mut Reader<'a>) -> Result<Boundary<'a>> {
    reader.u8("flags")?;
    Ok(Boundary::RollbackPrepared(RollbackPrepared {
        prepare_end_lsn: reader.lsn("prepare end LSN")?,
        end_lsn: reader.lsn("end LSN")?,
        prepare_time: reader.time("prepare time")?,
        rollback_time: reader.time("rollback time")?,
        xid: reader.u32("transaction number")?,
        gid: reader.string("gid")?,
    }))
}

// S  xid:4 first:1
fn stream_start<'a>(reader: &mut Reader<'a>) -> Result<Boundary<'a>> {
    Ok(Boundary::StreamStart {
        xid: reader.u32("transaction number")?,
        first: reader.u8("first segment")? == 1,
    })
}

// c  xid:4 flags:1 commit_lsn:8 end_lsn:8 commit_time:8
fn stream_commit<'a>(reader: &mut Reader<'a>) -> Result<Boundary<'a>> {
    let xid = reader.u32("transaction number")?;
    reader.u8("flags")?;
    Ok(Boundary::StreamCommit {
        xid,
        commit_lsn: reader.lsn("commit LSN")?,
        end_lsn: reader.lsn("end LSN")?,
        commit_time: reader.time("commit time")?,
    })
}

// A  xid:4 subxid:4 (abort_lsn:8 abort_time:8)?      the latter only with streaming = parallel
fn stream_abort<'a>(reader: &mut Reader<'a>, form: AbortForm) -> Result<Boundary<'a>> {
    let (xid, subxid) = (
        reader.u32("transaction number")?,
        reader.u32("subtransaction number")?,
    );
    let long = match form {
        AbortForm::ByLength => !reader.rest().is_empty(),
        AbortForm::WithPosition(long) => long,
    };
    let abort = match long {
        true => Some((reader.lsn("abort LSN")?, reader.time("abort time")?)),
        false => None,
    };
    Ok(Boundary::StreamAbort { xid, subxid, abort })
}

// p  flags:1 prepare_lsn:8 end_lsn:8 prepare_time:8 xid:4 gid:text
fn stream_prepare<'a>(reader: &mut Reader<'a>) -> Result<Boundary<'a>> {
    reader.u8("flags")?;
    Ok(Boundary::StreamPrepare {
        prepare_lsn: reader.lsn("prepare LSN")?,
        end_lsn: reader.lsn("end LSN")?,
        prepare_time: reader.time("prepare time")?,
        xid: reader.u32("transaction number")?,
        gid: reader.string("gid")?,
    })
}
