//! Finds the messages in a capture: what `pg_recvlogical` or `stream --format raw` wrote, each message and a line end behind it.
//!
//! Messages of pgoutput are binary and may hold line ends, so they have to be read to know where they end. Used by `decode`.

use super::pgoutput::message::{AbortForm, Envelope, Rows};
use super::reader::{self, DecodeError};
use serde::de::IgnoredAny;
use std::fmt;
use std::io::{self, Read};

/// How many bytes to ask the input for at the least.
const CHUNK: usize = 64 * 1024;

/// The messages of a capture, one after the other. It holds no more than the message at hand and what one read brought behind it.
pub struct Capture<R> {
    input: R,
    input_ended: bool,
    /// What is read and not passed yet lies from `start` up to `end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The offset of `start` in the input.
    offset: u64,
    message_offset: u64,
    plugin: Option<Plugin>,
    /// The length of the message at `start`, if it is known to be there as a whole.
    located: Option<usize>,
    /// Does it stand in a stream block?
    in_block: bool,
    /// So many bytes at `start` hold no line end.
    scanned: usize,
    rows: Rows,
}

/// What wrote the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// `pgoutput`
    Pgoutput,
    /// `wal2json`
    Wal2json,
}

/// Why a capture cannot be read on.
#[derive(Debug)]
pub enum CaptureError {
    /// The input could not be read.
    Read(io::Error),
    /// What was read is no message; the offset counts from the begin of the input.
    Damaged(DecodeError),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::Read(error) => write!(f, "could not read the capture: {error}"),
            CaptureError::Damaged(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CaptureError {}

/// Where the message at the front ends.
enum Located {
    /// It is there, this long, with its line end behind it.
    Whole(usize),
    /// At least so many bytes are needed to tell.
    Partial(usize),
}

impl<R: Read> Capture<R> {
    /// The messages of `input`. Nothing is read yet.
    pub fn new(input: R) -> Capture<R> {
        Capture {
            input,
            input_ended: false,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
            message_offset: 0,
            plugin: None,
            located: None,
            in_block: false,
            scanned: 0,
            rows: Rows::default(),
        }
    }

    /// Which plugin wrote it: messages of wal2json begin with a brace. `None` if the capture is empty.
    pub fn plugin(&mut self) -> Result<Option<Plugin>, CaptureError> {
        while self.plugin.is_none() {
            match self.pending().first() {
                Some(b'{') => self.plugin = Some(Plugin::Wal2json),
                Some(_) => self.plugin = Some(Plugin::Pgoutput),
                None if self.input_ended => return Ok(None),
                None => self.read(1)?,
            }
        }
        Ok(self.plugin)
    }

    /// The next message, without the line end behind it; `None` at the end of the capture.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, CaptureError> {
        let Some(plugin) = self.plugin()? else { return Ok(None) };
        let length = loop {
            match self.located.take() {
                Some(length) => break length,
                None if self.input_ended && self.pending().is_empty() => return Ok(None),
                None => match self.locate(plugin).map_err(|error| CaptureError::Damaged(error.shifted(self.offset)))? {
                    Located::Whole(length) => self.located = Some(length),
                    Located::Partial(needed) => self.read(needed)?,
                },
            }
        };
        let begin = self.start;
        self.pass(plugin, length);
        // What is wrong with the message behind this one is told when it is asked for.
        if let Ok(Located::Whole(length)) = self.locate(plugin) {
            self.located = Some(length);
        }
        Ok(self.buffer.get(begin..begin + length))
    }

    /// Where in the input the message begins that was returned last.
    pub fn message_offset(&self) -> u64 {
        self.message_offset
    }

    /// Will [`next_message`](Self::next_message) have to read, and perhaps to wait? Then it is time to show what there is.
    pub fn must_read(&self) -> bool {
        self.located.is_none() && !self.input_ended
    }

    fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn locate(&mut self, plugin: Plugin) -> Result<Located, DecodeError> {
        let pending = self.buffer.get(self.start..self.end).unwrap_or_default();
        match plugin {
            Plugin::Pgoutput => locate_binary(pending, self.input_ended, self.in_block, &mut self.rows),
            Plugin::Wal2json => locate_line(pending, self.input_ended, &mut self.scanned),
        }
    }

    /// Goes behind the message at the front and its line end.
    fn pass(&mut self, plugin: Plugin, length: usize) {
        // As in the decoder, what begins something may come at any time.
        match self.pending().first() {
            Some(b'S') if plugin == Plugin::Pgoutput => self.in_block = true,
            Some(b'E' | b'B' | b'b' | b'K' | b'r') => self.in_block = false,
            _ => {}
        }
        let passed = (length + 1).min(self.pending().len());
        self.message_offset = self.offset;
        self.offset += passed as u64;
        self.start += passed;
        self.scanned = 0;
    }

    /// Reads once, so that after some calls `needed` bytes are there. The buffer grows with what comes, not with what is claimed.
    fn read(&mut self, needed: usize) -> Result<(), CaptureError> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let missing = needed.saturating_sub(self.end).min(self.end);
        let wanted = self.end + missing.max(CHUNK).max(self.end / 8);
        if self.buffer.len() < wanted {
            self.buffer.reserve_exact(wanted - self.buffer.len());
            self.buffer.resize(wanted, 0);
        }
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        let count = loop {
            match self.input.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(CaptureError::Read)?,
            }
        };
        self.end += count;
        self.input_ended = count == 0;
        Ok(())
    }
}

/// Finds the end of a message of pgoutput.
fn locate_binary(pending: &[u8], input_ended: bool, in_block: bool, rows: &mut Rows) -> Result<Located, DecodeError> {
    // Only what comes behind it tells whether a Stream Abort has position and time. No position has that high a first byte.
    const SHORT_ABORT: usize = 9;
    if pending.first() == Some(&b'A') && pending.len() <= SHORT_ABORT && !input_ended {
        return Ok(Located::Partial(SHORT_ABORT + 1));
    }
    let form = AbortForm::WithPosition(pending.get(SHORT_ABORT).is_some_and(|byte| *byte != b'\n'));
    match reader::prefix(pending, |reader| Envelope::read(reader, in_block, form, rows)) {
        Ok((envelope, length)) => match pending.get(length) {
            Some(b'\n') => Ok(Located::Whole(length)),
            None if input_ended => Ok(Located::Whole(length)),
            None => Ok(Located::Partial(length + 1)),
            Some(_) => Err(DecodeError::new(envelope.name, "end", length, "a line end expected behind the message")),
        },
        Err(error) => match error.needed() {
            Some(needed) if !input_ended => Ok(Located::Partial(needed)),
            _ => Err(error),
        },
    }
}

/// Finds the end of a line. The last one may lack its line end, if only it is all there.
fn locate_line(pending: &[u8], input_ended: bool, scanned: &mut usize) -> Result<Located, DecodeError> {
    if let Some(end) = memchr::memchr(b'\n', pending.get(*scanned..).unwrap_or_default()) {
        return Ok(Located::Whole(*scanned + end));
    }
    *scanned = pending.len();
    if !input_ended {
        return Ok(Located::Partial(pending.len() + 1));
    }
    match serde_json::from_slice::<IgnoredAny>(pending) {
        Err(error) if error.is_eof() => {
            Err(DecodeError::new("wal2json", "line", pending.len(), "the input ends in the middle of it"))
        }
        _ => Ok(Located::Whole(pending.len())),
    }
}
