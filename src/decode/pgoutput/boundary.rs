//! Begins and ends: of transactions, of prepared ones, and of blocks of those that still run.

use super::message::{Boundary, RollbackPrepared};
use super::{Context, Pgoutput};
use crate::decode::Sink;
use crate::decode::reader::Result;
use crate::decode::transaction::Place;
use crate::event::{Body, End, Event, Transaction};
use crate::lsn::Lsn;
use std::ops::ControlFlow;

impl Pgoutput {
    /// Sends the event of a begin or an end, and keeps in mind where the stream is now.
    pub(super) fn boundary(
        &mut self,
        context: &Context<'_>,
        boundary: &Boundary<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let committed = |lsn, time| End::Commit {
            lsn: Some(lsn),
            time: Some(time),
        };
        match *boundary {
            Boundary::Begin {
                final_lsn,
                commit_time,
                xid,
            } => {
                self.transactions.begin(
                    Place::Committed,
                    Some(xid),
                    committed(final_lsn, commit_time),
                );
                Ok(sink(&self.transactions.event(context.lsn, Body::Begin)))
            }
            Boundary::Commit {
                commit_lsn,
                end_lsn,
            } => self.end(
                context,
                Place::Committed,
                commit_lsn,
                Body::Commit {
                    end_lsn: Some(end_lsn),
                },
                sink,
            ),
            Boundary::BeginPrepare {
                prepare_lsn: lsn,
                prepare_time: time,
                xid,
                gid,
            } => {
                self.transactions
                    .begin(Place::Prepared, Some(xid), End::Prepare { lsn, time });
                Ok(sink(
                    &self
                        .transactions
                        .event(context.lsn, Body::BeginPrepare { gid }),
                ))
            }
            Boundary::Prepare {
                prepare_lsn,
                end_lsn,
                gid,
            } => self.end(
                context,
                Place::Prepared,
                prepare_lsn,
                Body::Prepare { gid, end_lsn },
                sink,
            ),
            Boundary::CommitPrepared {
                commit_lsn,
                end_lsn,
                commit_time,
                xid,
                gid,
            } => {
                let body = Body::CommitPrepared {
                    gid,
                    commit_lsn,
                    end_lsn,
                    commit_time,
                };
                Ok(self.decided(
                    xid,
                    committed(commit_lsn, commit_time),
                    commit_lsn,
                    body,
                    sink,
                ))
            }
            Boundary::RollbackPrepared(RollbackPrepared {
                prepare_end_lsn,
                end_lsn,
                prepare_time,
                rollback_time,
                xid,
                gid,
            }) => {
                let body = Body::RollbackPrepared {
                    gid,
                    prepare_end_lsn,
                    end_lsn,
                    prepare_time,
                    rollback_time,
                };
                Ok(self.decided(xid, End::Open, end_lsn, body, sink))
            }
            Boundary::StreamStart { xid, first } => {
                self.transactions.start_block(xid, first);
                Ok(sink(
                    &self
                        .transactions
                        .event(context.lsn, Body::StreamStart { first }),
                ))
            }
            Boundary::StreamStop => self.stop_block(context, sink),
            Boundary::StreamCommit {
                xid,
                commit_lsn,
                end_lsn,
                commit_time,
            } => {
                let end = committed(commit_lsn, commit_time);
                self.end_streamed(
                    context,
                    xid,
                    end,
                    Some(commit_lsn),
                    Body::StreamCommit { end_lsn },
                    sink,
                )
            }
            Boundary::StreamPrepare {
                prepare_lsn: lsn,
                end_lsn,
                prepare_time: time,
                xid,
                gid,
            } => {
                let body = Body::StreamPrepare { gid, end_lsn };
                self.end_streamed(
                    context,
                    xid,
                    End::Prepare { lsn, time },
                    Some(lsn),
                    body,
                    sink,
                )
            }
            Boundary::StreamAbort { xid, subxid, abort } => {
                let (abort_lsn, abort_time) = abort.unzip();
                let (lsn, body) = (
                    abort_lsn.or(context.lsn),
                    Body::StreamAbort {
                        abort_lsn,
                        abort_time,
                    },
                );
                match xid == subxid {
                    true => self.end_streamed(context, xid, End::Open, lsn, body, sink),
                    false => self.abort_subtransaction(context, xid, subxid, lsn, body, sink),
                }
            }
        }
    }

    /// The end of what came in one piece.
    fn end(
        &mut self,
        context: &Context<'_>,
        place: Place,
        lsn: Lsn,
        body: Body<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        self.expect(context, place)?;
        let flow = sink(&self.transactions.event(Some(lsn), body));
        self.transactions.leave();
        Ok(flow)
    }

    fn stop_block(
        &mut self,
        context: &Context<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        self.expect(context, Place::Block)?;
        let flow = sink(&self.transactions.event(context.lsn, Body::StreamStop));
        self.transactions.stop_block();
        Ok(flow)
    }

    /// A transaction that was prepared long ago is committed or rolled back.
    fn decided(
        &mut self,
        xid: u32,
        end: End,
        lsn: Lsn,
        body: Body<'_>,
        sink: &mut Sink<'_>,
    ) -> ControlFlow<()> {
        self.transactions.leave();
        let transaction = Transaction {
            xid: Some(xid),
            end,
            origin: None,
        };
        sink(&Event {
            lsn: Some(lsn),
            transaction: Some(&transaction),
            subxid: None,
            seq: None,
            body,
        })
    }

    fn end_streamed(
        &mut self,
        context: &Context<'_>,
        xid: u32,
        end: End,
        lsn: Option<Lsn>,
        body: Body<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        self.expect(context, Place::Outside)?;
        let transaction = Transaction {
            end,
            ..self.transactions.end_streamed(xid)
        };
        Ok(sink(&Event {
            lsn,
            transaction: Some(&transaction),
            subxid: None,
            seq: None,
            body,
        }))
    }

    /// Only the subtransaction's changes are void, the transaction goes on.
    fn abort_subtransaction(
        &mut self,
        context: &Context<'_>,
        xid: u32,
        subxid: u32,
        lsn: Option<Lsn>,
        body: Body<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        self.expect(context, Place::Outside)?;
        let transaction = Some(self.transactions.streamed(xid));
        Ok(sink(&Event {
            lsn,
            transaction,
            subxid: Some(subxid),
            seq: None,
            body,
        }))
    }
}
