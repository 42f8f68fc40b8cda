//! What pgoutput's messages mean: each in its transaction, each row with its table.

mod boundary;
mod change;
pub(super) mod message;
mod relation;
#[cfg(test)]
mod tests;

use super::reader::{self, DecodeError, Result};
use super::transaction::{Place, Transactions};
use super::{Decode, First, Sink};
use crate::event::Body;
use crate::lsn::Lsn;
use crate::text::readable;
use message::{AbortForm, Envelope, Message, Rows};
use relation::Relations;
use std::ops::ControlFlow;

/// The state of one pgoutput stream.
#[derive(Default)]
pub(super) struct Pgoutput {
    relations: Relations,
    transactions: Transactions,
    rows: Rows,
}

/// The message at hand: what its events and errors need to know of it.
struct Context<'m> {
    bytes: &'m [u8],
    lsn: Option<Lsn>,
    name: &'static str,
    /// The (sub)transaction of a change in a stream block.
    xid: Option<u32>,
    /// Where the field behind `xid` lies.
    offset: usize,
}

impl Decode for Pgoutput {
    fn reset(&mut self) {
        self.relations.reset();
        self.transactions = Transactions::default();
    }

    fn decode(
        &mut self,
        lsn: Option<Lsn>,
        bytes: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let in_block = self.transactions.place() == Place::Block;
        let envelope = reader::whole(bytes, |reader| {
            Envelope::read(reader, in_block, AbortForm::ByLength, &mut self.rows)
        })?;
        self.take(lsn, bytes, envelope, sink)
    }

    fn decode_first(
        &mut self,
        input: &[u8],
        input_ended: bool,
        sink: &mut Sink<'_>,
    ) -> Result<First> {
        // Only what comes behind it tells whether a Stream Abort has position and time. No position
        // has that high a first byte.
        const SHORT_ABORT: usize = 9;
        if input.first() == Some(&b'A') && input.len() <= SHORT_ABORT && !input_ended {
            return Ok(First::Partial {
                needed: SHORT_ABORT + 1,
            });
        }
        let form =
            AbortForm::WithPosition(input.get(SHORT_ABORT).is_some_and(|byte| *byte != b'\n'));
        let in_block = self.transactions.place() == Place::Block;
        let read = reader::prefix(input, |reader| {
            Envelope::read(reader, in_block, form, &mut self.rows)
        });
        let (envelope, length) = match read {
            Ok(read) => read,
            Err(error) => match error.needed() {
                Some(needed) if !input_ended => return Ok(First::Partial { needed }),
                _ => return Err(error),
            },
        };
        match input.get(length) {
            None if !input_ended => return Ok(First::Partial { needed: length + 1 }),
            Some(b'\n') | None => (),
            Some(_) => {
                let reason = "a line end expected behind the message";
                return Err(DecodeError::new(envelope.name, "end", length, reason));
            }
        }
        let _: ControlFlow<()> = self.take(None, input, envelope, sink)?;
        Ok(First::Whole { length })
    }
}

impl Pgoutput {
    /// Sends the events of a message that was read from the front of `bytes`.
    fn take(
        &mut self,
        lsn: Option<Lsn>,
        bytes: &[u8],
        envelope: Envelope<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let Envelope {
            name,
            xid,
            offset,
            message,
        } = envelope;
        let context = Context {
            bytes,
            lsn,
            name,
            xid,
            offset,
        };
        match message {
            Message::Change(change) => self.change(&context, &change, sink),
            Message::Boundary(boundary) => self.boundary(&context, &boundary, sink),
            Message::Relation(relation) => {
                self.expect_transaction(&context)?;
                let Some((relation, changed)) = self.relations.announce(relation) else {
                    return Ok(ControlFlow::Continue(()));
                };
                Ok(sink(
                    &self
                        .transactions
                        .event(lsn, Body::Relation { relation, changed }),
                ))
            }
            Message::Origin { name } => {
                self.expect_transaction(&context)?;
                self.transactions.set_origin(readable(name));
                Ok(ControlFlow::Continue(()))
            }
            Message::Type { oid, schema, name } => {
                let body = Body::Type { oid, schema, name };
                Ok(sink(&self.transactions.event(lsn, body)))
            }
        }
    }

    /// Changes stand in a transaction.
    fn expect_transaction(&self, context: &Context<'_>) -> Result<()> {
        match self.transactions.place() {
            Place::Outside => Err(context.misplaced(Place::Outside)),
            _ => Ok(()),
        }
    }

    /// An end is an error where nothing of its kind has begun.
    fn expect(&self, context: &Context<'_>, place: Place) -> Result<()> {
        match self.transactions.place() {
            actual if actual == place => Ok(()),
            actual => Err(context.misplaced(actual)),
        }
    }
}

impl Context<'_> {
    #[cold]
    fn misplaced(&self, place: Place) -> DecodeError {
        let reason = match place {
            Place::Outside => "it stands outside any transaction",
            Place::Committed => "it stands between Begin and Commit",
            Place::Prepared => "it stands between Begin Prepare and Prepare",
            Place::Block => "it stands between Stream Start and Stream Stop",
        };
        DecodeError::new(self.name, "tag", 0, reason)
    }
}
