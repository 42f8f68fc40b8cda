//! Bytes of an output plugin to events.
//!
//! [`Decoder`] serves `stream` and `decode`; it knows no socket and no file. It reads pgoutput of
//! protocols 1 to 4 and wal2json of format version 2: one folder a plugin.

pub mod capture;
mod pgoutput;
mod reader;
mod store;
#[cfg(test)]
mod testing;
mod transaction;
mod wal2json;

pub use reader::DecodeError;
pub use wal2json::{CatalogColumn, CatalogTable, NoCatalog, RelationCatalog, Written};

use crate::event::{Event, Span};
use crate::lsn::Lsn;
use pgoutput::Pgoutput;
use std::ops::ControlFlow;
use wal2json::Wal2json;

/// The decoder of one plugin.
trait Decode {
    /// See [`Decoder::reset`].
    fn reset(&mut self);

    /// See [`Decoder::decode`].
    fn decode(
        &mut self,
        lsn: Option<Lsn>,
        message: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>, DecodeError>;

    /// Decodes the message that `input`, a part of a capture, begins with, if all of it and its
    /// line end are there; the last line end may be missing.
    fn decode_first(
        &mut self,
        input: &[u8],
        input_ended: bool,
        sink: &mut Sink<'_>,
    ) -> Result<First, DecodeError>;
}

/// What a plugin's decoder found at the front of a part of a capture.
enum First {
    /// A message of this length, its line end not counted; it is decoded.
    Whole { length: usize },
    /// The beginning of one. At least so many bytes are needed to tell more.
    Partial { needed: usize },
}

/// Turns the messages of one stream into events.
///
/// It keeps the tables that the stream announced and where in which transaction the stream is. Once
/// it knows the tables, it allocates nothing for a row.
pub struct Decoder(Box<dyn Decode>);

impl Decoder {
    /// A decoder for pgoutput. The protocol need not be told: what differs shows in the messages.
    pub fn pgoutput() -> Decoder {
        Decoder(Box::<Pgoutput>::default())
    }

    /// A decoder for wal2json of format version 2. `relations` tells which TOASTed columns a row
    /// lacks; [`NoCatalog`] knows none.
    pub fn wal2json(relations: Box<dyn RelationCatalog>) -> Decoder {
        Decoder(Box::new(Wal2json::new(relations)))
    }

    /// A new session begins, in which the server announces all tables again and sends unfinished
    /// transactions from their begin. [`Relation::index`](crate::event::Relation::index) stays what
    /// it was.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// Decodes one message, which lies at `lsn` (the start of its XLogData), and hands each event
    /// in it to `sink`. Stops, and says so, as soon as `sink` breaks off.
    ///
    /// On an error nothing of the message has reached `sink`. Messages of wal2json that are wrong
    /// are no errors but [`Body::Undecodable`](crate::event::Body::Undecodable).
    pub fn decode<F>(
        &mut self,
        lsn: Option<Lsn>,
        message: &[u8],
        mut sink: F,
    ) -> Result<ControlFlow<()>, DecodeError>
    where
        F: FnMut(&Event<'_>) -> ControlFlow<()>,
    {
        let lsn = lsn.filter(|lsn| lsn.is_valid());
        self.0.decode(lsn, message, &mut sink)
    }
}

type Sink<'s> = dyn FnMut(&Event<'_>) -> ControlFlow<()> + 's;

/// Fills in TOASTed values that an update left alone where the old row has them.
fn fill_unchanged(old: &[Span], new: &mut [Span]) {
    for (new, old) in new.iter_mut().zip(old) {
        if *new == Span::Unchanged && matches!(old, Span::Text { .. }) {
            *new = *old;
        }
    }
}
