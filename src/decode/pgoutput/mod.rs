//! What pgoutput's messages mean: each in its transaction, each row with its table.

pub(super) mod message;
mod relation;

use super::fill_unchanged;
use super::reader::{self, DecodeError, Result};
use super::transaction::{Place, Transactions};
use crate::event::{Body, End, Event, Relation, Transaction, Tuple};
use crate::lsn::Lsn;
use message::{AbortForm, Message, Old, RollbackPrepared, Row, Rows, printable_name};
use relation::{Relations, keep_key_only};
use std::ops::ControlFlow;

/// The state of one pgoutput stream.
#[derive(Default)]
pub(super) struct Pgoutput {
    relations: Relations,
    transactions: Transactions,
    rows: Rows,
}

/// What the events of one message have in common.
struct Context {
    lsn: Option<Lsn>,
    /// The message's name.
    message: &'static str,
    /// Where the field behind the tag and the transaction's number begins.
    body_offset: usize,
}

impl Pgoutput {
    /// See [`Decoder::reset`](super::Decoder::reset).
    pub fn reset(&mut self) {
        self.relations.reset();
        self.transactions = Transactions::default();
    }

    /// See [`Decoder::decode`](super::Decoder::decode).
    pub fn decode<F>(&mut self, lsn: Option<Lsn>, bytes: &[u8], mut sink: F) -> Result<ControlFlow<()>>
    where
        F: FnMut(&Event<'_>) -> ControlFlow<()>,
    {
        let in_block = self.transactions.place() == Place::Block;
        let message =
            reader::whole(bytes, |reader| Message::read(reader, in_block, AbortForm::ByLength, &mut self.rows))?;
        let context = Context { lsn, message: message.name(), body_offset: if in_block { 5 } else { 1 } };
        match message {
            Message::Insert { .. } | Message::Update { .. } | Message::Delete { .. } => {
                self.row(&context, bytes, &message, sink)
            }
            Message::Truncate { .. } | Message::Logical { .. } | Message::Relation { .. } => {
                self.other_change(&context, message, &mut sink)
            }
            Message::Type => Ok(ControlFlow::Continue(())),
            Message::Begin { .. } | Message::Commit { .. } | Message::Origin { .. } => {
                self.transaction(&context, &message, &mut sink)
            }
            Message::BeginPrepare { .. }
            | Message::Prepare { .. }
            | Message::CommitPrepared { .. }
            | Message::RollbackPrepared(_) => self.two_phase(&context, &message, &mut sink),
            _ => self.streaming(&context, &message, &mut sink),
        }
    }

    /// Insert, Update, Delete.
    fn row<F>(&mut self, context: &Context, bytes: &[u8], message: &Message<'_>, mut sink: F) -> Result<ControlFlow<()>>
    where
        F: FnMut(&Event<'_>) -> ControlFlow<()>,
    {
        let (Message::Insert { xid, relation, .. }
        | Message::Update { xid, relation, .. }
        | Message::Delete { xid, relation, .. }) = *message
        else {
            return Ok(ControlFlow::Continue(()));
        };
        self.inside(context)?;
        let relation = known(&mut self.relations, context, relation)?;
        let Rows { old, new } = &mut self.rows;
        let body = match *message {
            Message::Insert { .. } => Body::Insert { relation, new: fitting(context, relation, new, bytes)? },
            Message::Update { old: None, .. } => {
                Body::Update { relation, old: None, new: fitting(context, relation, new, bytes)? }
            }
            Message::Update { old: Some(kind), .. } => {
                fill_unchanged(&old.spans, &mut new.spans);
                let old = fitting_old(context, relation, kind, old, bytes)?;
                Body::Update { relation, old: Some(old), new: fitting(context, relation, new, bytes)? }
            }
            Message::Delete { old: kind, .. } => {
                Body::Delete { relation, old: fitting_old(context, relation, kind, old, bytes)? }
            }
            _ => return Ok(ControlFlow::Continue(())),
        };
        let seq = self.transactions.next_seq();
        let transaction = self.transactions.current();
        Ok(sink(&Event { lsn: context.lsn, transaction, subxid: subtransaction(transaction, xid), seq, body }))
    }

    /// Truncate, Message, Relation.
    fn other_change(
        &mut self,
        context: &Context,
        message: Message<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        match message {
            Message::Truncate { xid, cascade, restart_identity, relations } => {
                self.inside(context)?;
                let oids = || relations.iter().map(|oid| u32::from_be_bytes(*oid));
                for oid in oids() {
                    known(&mut self.relations, context, oid)?;
                }
                let (cascade, restart_identity) = (Some(cascade), Some(restart_identity));
                for oid in oids() {
                    let seq = self.transactions.next_seq();
                    let transaction = self.transactions.current();
                    let relation = known(&mut self.relations, context, oid)?;
                    let body = Body::Truncate { relation, cascade, restart_identity };
                    let subxid = subtransaction(transaction, xid);
                    if sink(&Event { lsn: context.lsn, transaction, subxid, seq, body }).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
            Message::Logical { xid, transactional, lsn, prefix, content } => {
                let body = Body::Message { transactional, prefix, content };
                if !transactional {
                    return Ok(sink(&Event { lsn: Some(lsn), transaction: None, subxid: None, seq: None, body }));
                }
                self.inside(context)?;
                let seq = self.transactions.next_seq();
                let transaction = self.transactions.current();
                let subxid = subtransaction(transaction, xid);
                Ok(sink(&Event { lsn: Some(lsn), transaction, subxid, seq, body }))
            }
            Message::Relation { xid, relation } => {
                self.inside(context)?;
                let (relation, changed) = self.relations.announce(relation);
                let transaction = self.transactions.current();
                let subxid = subtransaction(transaction, xid);
                let body = Body::Relation { relation, changed };
                Ok(sink(&Event { lsn: context.lsn, transaction, subxid, seq: None, body }))
            }
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    /// Begin, Commit, Origin.
    fn transaction(
        &mut self,
        context: &Context,
        message: &Message<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        match *message {
            Message::Begin { final_lsn, commit_time, xid } => {
                let end = End::Commit { lsn: Some(final_lsn), time: Some(commit_time) };
                self.transactions.begin(Place::Committed, Some(xid), end);
                Ok(self.emit(context.lsn, Body::Begin, sink))
            }
            Message::Commit { commit_lsn, end_lsn } => {
                self.expect(context, Place::Committed)?;
                let flow = self.emit(Some(commit_lsn), Body::Commit { end_lsn: Some(end_lsn) }, sink);
                self.transactions.end();
                Ok(flow)
            }
            Message::Origin { name } => {
                self.inside(context)?;
                self.transactions.set_origin(printable_name(name));
                Ok(ControlFlow::Continue(()))
            }
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    /// Begin Prepare, Prepare, Commit Prepared, Rollback Prepared.
    fn two_phase(&mut self, context: &Context, message: &Message<'_>, sink: &mut Sink<'_>) -> Result<ControlFlow<()>> {
        match *message {
            Message::BeginPrepare { prepare_lsn, prepare_time, xid, gid } => {
                let end = End::Prepare { lsn: prepare_lsn, time: prepare_time };
                self.transactions.begin(Place::Prepared, Some(xid), end);
                Ok(self.emit(context.lsn, Body::BeginPrepare { gid }, sink))
            }
            Message::Prepare { prepare_lsn, end_lsn, gid } => {
                self.expect(context, Place::Prepared)?;
                let flow = self.emit(Some(prepare_lsn), Body::Prepare { gid, end_lsn }, sink);
                self.transactions.end();
                Ok(flow)
            }
            Message::CommitPrepared { commit_lsn, end_lsn, commit_time, xid, gid } => {
                self.transactions.abandon();
                let end = End::Commit { lsn: Some(commit_lsn), time: Some(commit_time) };
                let body = Body::CommitPrepared { gid, commit_lsn, end_lsn, commit_time };
                Ok(emit_of(&numbered(xid, end), Some(commit_lsn), body, sink))
            }
            Message::RollbackPrepared(RollbackPrepared {
                prepare_end_lsn,
                end_lsn,
                prepare_time,
                rollback_time,
                xid,
                gid,
            }) => {
                self.transactions.abandon();
                let body = Body::RollbackPrepared { gid, prepare_end_lsn, end_lsn, prepare_time, rollback_time };
                Ok(emit_of(&numbered(xid, End::Open), Some(end_lsn), body, sink))
            }
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    /// Stream Start, Stop, Commit, Abort, Prepare.
    fn streaming(&mut self, context: &Context, message: &Message<'_>, sink: &mut Sink<'_>) -> Result<ControlFlow<()>> {
        match *message {
            Message::StreamStart { .. } => {}
            Message::StreamStop => self.expect(context, Place::Block)?,
            _ => self.expect(context, Place::Outside)?,
        }
        match *message {
            Message::StreamStart { xid, first } => {
                self.transactions.start_block(xid, first);
                Ok(self.emit(context.lsn, Body::StreamStart { first }, sink))
            }
            Message::StreamStop => {
                let flow = self.emit(context.lsn, Body::StreamStop, sink);
                self.transactions.stop_block();
                Ok(flow)
            }
            Message::StreamCommit { xid, commit_lsn, end_lsn, commit_time } => {
                let end = End::Commit { lsn: Some(commit_lsn), time: Some(commit_time) };
                let transaction = self.transactions.end_streamed(xid, end);
                Ok(emit_of(&transaction, Some(commit_lsn), Body::StreamCommit { end_lsn }, sink))
            }
            Message::StreamPrepare { prepare_lsn, end_lsn, prepare_time, xid, gid } => {
                let end = End::Prepare { lsn: prepare_lsn, time: prepare_time };
                let transaction = self.transactions.end_streamed(xid, end);
                Ok(emit_of(&transaction, Some(prepare_lsn), Body::StreamPrepare { gid, end_lsn }, sink))
            }
            Message::StreamAbort { xid, subxid, abort } => {
                let (abort_lsn, abort_time) = abort.unzip();
                let body = Body::StreamAbort { abort_lsn, abort_time };
                let lsn = abort_lsn.or(context.lsn);
                if subxid == xid {
                    return Ok(emit_of(&self.transactions.end_streamed(xid, End::Open), lsn, body, sink));
                }
                let unknown = numbered(xid, End::Open);
                let transaction = Some(self.transactions.streamed(xid).unwrap_or(&unknown));
                Ok(sink(&Event { lsn, transaction, subxid: Some(subxid), seq: None, body }))
            }
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    /// An event that is no change, of the transaction at hand.
    fn emit(&self, lsn: Option<Lsn>, body: Body<'_>, sink: &mut Sink<'_>) -> ControlFlow<()> {
        sink(&Event { lsn, transaction: self.transactions.current(), subxid: None, seq: None, body })
    }

    /// Changes stand in a transaction.
    fn inside(&self, context: &Context) -> Result<()> {
        match self.transactions.place() {
            Place::Outside => Err(context.error("tag", 0, "it stands outside any transaction")),
            _ => Ok(()),
        }
    }

    /// Messages that begin or end something stand only where they can.
    fn expect(&self, context: &Context, place: Place) -> Result<()> {
        if self.transactions.place() == place {
            return Ok(());
        }
        let reason = match self.transactions.place() {
            Place::Outside => "it stands outside any transaction",
            Place::Committed => "it stands between Begin and Commit",
            Place::Prepared => "it stands between Begin Prepare and Prepare",
            Place::Block => "it stands between Stream Start and Stream Stop",
        };
        Err(context.error("tag", 0, reason))
    }
}

type Sink<'s> = dyn FnMut(&Event<'_>) -> ControlFlow<()> + 's;

impl Context {
    #[cold]
    fn error(&self, field: &'static str, offset: usize, reason: impl Into<String>) -> DecodeError {
        DecodeError::new(self.message, field, offset, reason)
    }
}

fn emit_of(transaction: &Transaction, lsn: Option<Lsn>, body: Body<'_>, sink: &mut Sink<'_>) -> ControlFlow<()> {
    sink(&Event { lsn, transaction: Some(transaction), subxid: None, seq: None, body })
}

fn numbered(xid: u32, end: End) -> Transaction {
    Transaction { xid: Some(xid), end, origin: None }
}

/// The number that a change in a stream block bears, where it is not the transaction's own.
fn subtransaction(transaction: Option<&Transaction>, xid: Option<u32>) -> Option<u32> {
    xid.filter(|_| transaction.is_some_and(|transaction| transaction.xid != xid))
}

fn known<'r>(relations: &'r mut Relations, context: &Context, oid: u32) -> Result<&'r Relation> {
    relations.get(oid).ok_or_else(|| {
        context.error("relation", context.body_offset, format!("the table with oid {oid} was never announced"))
    })
}

fn fitting_old<'a>(
    context: &Context,
    relation: &Relation,
    kind: Old,
    row: &'a mut Row,
    bytes: &'a [u8],
) -> Result<Tuple<'a>> {
    if kind == Old::Key {
        keep_key_only(relation, &mut row.spans);
    }
    fitting(context, relation, row, bytes)
}

fn fitting<'a>(context: &Context, relation: &Relation, row: &'a Row, bytes: &'a [u8]) -> Result<Tuple<'a>> {
    let (sent, announced) = (row.spans.len(), relation.columns.len());
    if sent != announced {
        let (schema, table) = (&relation.schema, &relation.table);
        let reason = format!("the row has {sent} columns, but {schema}.{table} was announced with {announced}");
        return Err(context.error("column count", row.offset, reason));
    }
    Ok(Tuple::new(bytes, &row.spans))
}
