//! Finds the messages in a capture: what `pg_recvlogical` or `stream --format raw` wrote, each message and a line end behind it.
//!
//! Messages of pgoutput are binary and may hold line ends, so they have to be read to know where they end. Used by `decode`.

use super::pgoutput::message::{AbortForm, Envelope, Rows};
use super::reader::{self, DecodeError};
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
    match is_closed(pending) {
        true => Ok(Located::Whole(pending.len())),
        false => Err(DecodeError::new("wal2json", "line", pending.len(), "the input ends in the middle of it")),
    }
}

/// Is there a line, and every bracket of it closed? No JSON parser is asked, as wal2json's own mistakes are not to be taken for a cut.
fn is_closed(line: &[u8]) -> bool {
    let (mut depth, mut quoted) = (0_usize, false);
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if quoted => _ = bytes.next(),
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth == 0 && !quoted && !line.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captures from real servers: `tests/captures/record.sh` makes them.
    const CAPTURES: [(&str, &[u8]); 6] = [
        ("pgoutput-1", include_bytes!("../../tests/captures/pgoutput-1.bin")),
        ("pgoutput-2", include_bytes!("../../tests/captures/pgoutput-2.bin")),
        ("pgoutput-3", include_bytes!("../../tests/captures/pgoutput-3.bin")),
        ("pgoutput-4", include_bytes!("../../tests/captures/pgoutput-4.bin")),
        ("wal2json", include_bytes!("../../tests/captures/wal2json.bin")),
        ("wal2json-plain", include_bytes!("../../tests/captures/wal2json-plain.bin")),
    ];

    /// Hands out at most so many bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(self.1);
            self.0.read(&mut buffer[..count])
        }
    }

    /// All messages with their offsets, and the error that ends them.
    fn messages(input: impl Read) -> (Vec<(u64, Vec<u8>)>, Option<String>) {
        let mut capture = Capture::new(input);
        let mut messages = Vec::new();
        loop {
            match capture.next_message() {
                Ok(Some(message)) => {
                    let message = message.to_vec();
                    messages.push((capture.message_offset(), message));
                }
                Ok(None) => return (messages, None),
                Err(error) => return (messages, Some(error.to_string())),
            }
        }
    }

    fn binary(bytes: &[u8]) -> (Vec<Vec<u8>>, Option<String>) {
        let (found, error) = messages(bytes);
        (found.into_iter().map(|(_, message)| message).collect(), error)
    }

    #[test]
    fn the_messages_are_the_capture() {
        for (name, capture) in CAPTURES {
            let (found, error) = messages(capture);
            assert_eq!(error, None, "{name}");
            let mut whole = Vec::new();
            for (offset, message) in &found {
                assert_eq!(*offset, whole.len() as u64, "{name}");
                whole.extend_from_slice(message);
                whole.push(b'\n');
            }
            assert_eq!(whole, capture, "{name}");
            assert!(found.len() > 50, "{name}");
            for step in [1, 7, 1000] {
                assert_eq!(messages(Drip(capture, step)).0, found, "{name}");
            }
        }
    }

    #[test]
    fn the_first_byte_tells_the_plugin() {
        for (name, capture) in CAPTURES {
            let expected = if name.starts_with("wal2json") { Plugin::Wal2json } else { Plugin::Pgoutput };
            assert_eq!(Capture::new(capture).plugin().unwrap(), Some(expected), "{name}");
        }
        assert_eq!(Capture::new(&b""[..]).plugin().unwrap(), None);
        assert_eq!(messages(&b""[..]), (Vec::new(), None));
    }

    #[test]
    fn a_capture_cut_anywhere_yields_what_is_before_the_cut() {
        for (name, capture) in CAPTURES {
            let (whole, _) = messages(capture);
            for length in 0..capture.len() {
                let (mut found, error) = messages(&capture[..length]);
                // A Stream Abort cut where its other form ends is one of that form.
                let count = found.len();
                if let Some((_, last)) = found.last_mut().filter(|(_, last)| last[0] == b'A' && last.len() == 9) {
                    last.clone_from(&whole[count - 1].1);
                }
                assert_eq!(found, whole[..found.len()], "{name} cut at {length}");
                // Only the last line end may be missing without an error.
                let end = found.last().map_or(0, |(offset, message)| *offset as usize + message.len() + 1);
                assert_eq!(error.is_none(), length <= end, "{name} cut at {length}: {error:?}");
            }
        }
    }

    #[test]
    fn offsets_of_errors_count_from_the_begin() {
        let mut damaged = CAPTURES[0].1.to_vec();
        let (found, _) = messages(&damaged[..]);
        let (offset, _) = found[10];
        damaged[offset as usize] = b'?';
        let (before, error) = messages(&damaged[..]);
        assert_eq!(before, found[..10]);
        let expected = format!("could not decode unknown message: field \"tag\" at byte {offset}: '?' is unknown");
        assert_eq!(error, Some(expected));
    }

    #[test]
    fn a_line_end_stands_behind_each_message() {
        let (found, error) = binary(b"E\nE\nEE\n");
        assert_eq!(found, [b"E", b"E"]);
        let expected =
            "could not decode Stream Stop message: field \"end\" at byte 5: a line end expected behind the message";
        assert_eq!(error.as_deref(), Some(expected));
    }

    #[test]
    fn both_forms_of_stream_abort_are_told_apart() {
        let short = [b"A".as_slice(), &[0, 0, 0, 10, 0, 0, 0, 11]].concat();
        let long = [short.as_slice(), &[0, 0, 0, 0, 10, 10, 10, 10], &[10; 8]].concat();
        let capture = [&short, &long, &short, &long].map(|message| [message, &b"\n"[..]].concat()).concat();
        assert_eq!(binary(&capture), (vec![short.clone(), long.clone(), short.clone(), long.clone()], None));
        assert_eq!(binary(&capture[..capture.len() - 1]).0.len(), 4);
        assert_eq!(binary(&short), (vec![short.clone()], None));
        let (found, error) = messages(Drip(&capture, 1));
        assert_eq!((found.len(), error), (4, None));
    }

    #[test]
    fn line_ends_in_values_end_no_message() {
        let message = b"M\0\0\0\0\0\0\0\x0a\x0aa\nb\0\0\0\0\x03\n\n\n";
        let capture = [message, &b"\n"[..], message, b"\n"].concat();
        assert_eq!(binary(&capture), (vec![message.to_vec(), message.to_vec()], None));
    }

    #[test]
    fn the_last_line_must_be_whole() {
        let (found, error) = binary(b"{\"action\":\"B\"}\n{\"action\":\"C\"}");
        assert_eq!((found.len(), error), (2, None));
        let (found, error) = binary(b"{\"action\":\"B\"}\n{\"action\":\"C\"");
        assert_eq!(found.len(), 1);
        let expected =
            "could not decode wal2json message: field \"line\" at byte 28: the input ends in the middle of it";
        assert_eq!(error.as_deref(), Some(expected));
        // What is wrong within a line is the decoder's business.
        assert_eq!(binary(b"{\n\n}x\n{]").0.len(), 4);
    }

    #[test]
    fn memory_follows_what_comes_not_what_is_claimed() {
        let claim = b"I\0\0\0\x01N\0\x01t\xff\xff\xff\xff".chain(io::repeat(7).take(3 << 20));
        let mut capture = Capture::new(claim);
        let error = capture.next_message().unwrap_err().to_string();
        assert!(error.contains("4294967295 bytes expected, 3145728 left"), "{error}");
        assert!(capture.buffer.capacity() <= CHUNK + 2 * (3 << 20), "{}", capture.buffer.capacity());
        let mut capture = Capture::new(b"{".chain(io::repeat(b'x').take(3 << 20)));
        assert!(capture.next_message().is_err());
        assert!(capture.buffer.capacity() <= CHUNK + 2 * (3 << 20));
        let many = b"E\n".repeat(1 << 20);
        let mut capture = Capture::new(&many[..]);
        while capture.next_message().unwrap().is_some() {}
        assert_eq!(capture.buffer.capacity(), CHUNK);
    }

    #[test]
    fn it_says_when_it_has_to_wait() {
        let mut capture = Capture::new(Drip(b"E\nE\nM\0", 4));
        assert!(capture.must_read());
        capture.next_message().unwrap();
        assert!(!capture.must_read());
        capture.next_message().unwrap();
        assert!(capture.must_read());
        assert!(capture.next_message().is_err());
    }

    #[test]
    fn an_unreadable_input_is_an_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let (found, error) = messages((&b"E\n"[..]).chain(Broken));
        assert_eq!(found, [(0, b"E".to_vec())]);
        assert_eq!(error.as_deref(), Some("could not read the capture: the disk is gone"));
    }
}
