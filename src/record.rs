//! What travels from the renderers to the sinks: the bytes of one event in one format, and the
//! event that says what they are. And the way back: what the lines of a file say of their events.

use crate::event::{Event, EventId};
use std::fmt;
use std::io::{self, Read};

/// Takes records in the order of the stream.
pub trait Records {
    /// Where the bytes of the next record are to be appended.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// What was appended to the buffer since the last call is a record: that of `event`, or, if
    /// there is none, a message of the plugin as it came.
    fn append(&mut self, event: Option<&Event<'_>>);
}

/// Keeps the bytes.
impl Records for Vec<u8> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }

    fn append(&mut self, _: Option<&Event<'_>>) {}
}

/// What the lines of a format say of their events, so that a file of them can be resumed.
pub trait ReadLines: fmt::Debug + Sync {
    /// Reads a whole line, with or without its end.
    fn read(&self, line: Line<'_>) -> Result<Said, Unreadable>;

    /// What to make of bytes that are a line without its end, or the beginning of one; `None` if
    /// they cannot be that.
    fn torn(&self, line: &mut dyn Read) -> io::Result<Option<Part>>;

    /// A line that says of the same event all but its rows and contents, for where the whole is too
    /// long; `None` if the format has no such lines.
    fn without_rows(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// Where to read a line.
pub enum Line<'a> {
    /// It is here.
    Bytes(&'a [u8]),
    /// It is long.
    Reader(&'a mut dyn Read),
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is the record of this event, or the last of its records.
    Event(EventId),
    /// Nothing that matters: the next run goes on after it.
    Nothing,
    /// More has to follow before it counts: the next run writes it again.
    Unfinished(Part),
}

/// Which part of something that is written again it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It stands by itself, or others follow.
    First,
    /// It means nothing without what stands before it.
    Later,
}

/// Why a line says nothing.
#[derive(Debug)]
pub enum Unreadable {
    /// It cannot be read.
    Io(io::Error),
    /// It is no line of the format, for this reason if there is more to say.
    Foreign(Option<String>),
}
