//! Bytes of an output plugin to events.
//!
//! [`Decoder`] serves `stream` and `decode`; it knows no socket and no file. It reads pgoutput of protocols 1 to 4 and wal2json of
//! format version 2.

pub mod capture;
mod message;
mod pgoutput;
mod reader;
mod relation;
mod transaction;

pub use reader::DecodeError;

use crate::event::Event;
use crate::lsn::Lsn;
use pgoutput::Pgoutput;
use std::ops::ControlFlow;

/// Turns the messages of one stream into events.
///
/// It keeps the tables that the stream announced and where in which transaction the stream is. Once it knows the tables, it
/// allocates nothing for a row.
pub struct Decoder {
    plugin: Plugin,
}

enum Plugin {
    Pgoutput(Pgoutput),
}

impl Decoder {
    /// A decoder for pgoutput. The protocol need not be told: what differs shows in the messages.
    pub fn pgoutput() -> Decoder {
        Decoder { plugin: Plugin::Pgoutput(Pgoutput::default()) }
    }

    /// A new session begins, in which the server announces all tables again and sends unfinished transactions from their begin.
    /// [`Relation::index`](crate::event::Relation::index) stays what it was.
    pub fn reset(&mut self) {
        match &mut self.plugin {
            Plugin::Pgoutput(pgoutput) => pgoutput.reset(),
        }
    }

    /// Decodes one message, which lies at `lsn` (the start of its XLogData), and hands each event in it to `sink`.
    /// Stops, and says so, as soon as `sink` breaks off.
    ///
    /// On an error nothing of the message has reached `sink`, except for the first tables of a Truncate.
    pub fn decode<F>(&mut self, lsn: Option<Lsn>, message: &[u8], sink: F) -> Result<ControlFlow<()>, DecodeError>
    where
        F: FnMut(&Event<'_>) -> ControlFlow<()>,
    {
        let lsn = lsn.filter(|lsn| lsn.is_valid());
        match &mut self.plugin {
            Plugin::Pgoutput(pgoutput) => pgoutput.decode(lsn, message, sink),
        }
    }
}
