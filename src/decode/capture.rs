//! Decodes a capture: what `pg_recvlogical` or `stream --format raw` wrote, each message with a
//! line end behind it.
//!
//! Messages of pgoutput are binary and may contain line ends, so only decoding them tells where
//! they end. Used by `walcat decode`.

use super::{DecodeError, Decoder, First};
use crate::event::Event;
use std::fmt;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// How many bytes to ask the input for at the least.
const CHUNK: usize = 64 * 1024;

/// The messages of a capture, one after the other. It holds no more than the message at hand and
/// what one read brought behind it.
pub struct Capture<R> {
    input: R,
    input_ended: bool,
    /// What is read and not passed yet lies from `start` up to `end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The offset of `start` in the input.
    offset: u64,
    /// Chooses the decoder by the first byte.
    choose: fn(u8) -> Decoder,
    /// `None` before the first byte is here.
    decoder: Option<Decoder>,
    /// At least so many bytes are needed from `start` on.
    needed: usize,
}

/// What [`Capture::decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A message, whose events have reached the sink.
    Message,
    /// No complete message: [`Capture::read`] is to fetch the rest of it, and may have to wait for
    /// that.
    MustRead,
    /// The end of the capture.
    End,
}

/// Why a capture cannot be read on.
#[derive(Debug)]
pub enum CaptureError {
    /// The input could not be read.
    Read(io::Error),
    /// What was read is no message, or makes no sense where it stands; the offset counts from the
    /// begin of the input.
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

impl<R: Read> Capture<R> {
    /// The messages of `input`, for the decoder that `choose` returns for its first byte. Nothing
    /// is read yet.
    pub fn new(input: R, choose: fn(u8) -> Decoder) -> Capture<R> {
        Capture {
            input,
            input_ended: false,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
            choose,
            decoder: None,
            needed: 1,
        }
    }

    /// Decodes the next message if it is here, and hands each of its events to `sink`; none if
    /// there is something wrong with it.
    pub fn decode(&mut self, mut sink: impl FnMut(&Event<'_>)) -> Result<Step, CaptureError> {
        let pending = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some(first) = pending.first() else {
            return Ok(if self.input_ended {
                Step::End
            } else {
                Step::MustRead
            });
        };
        let mut sink = |event: &Event<'_>| {
            sink(event);
            ControlFlow::Continue(())
        };
        let decoder = self.decoder.get_or_insert_with(|| (self.choose)(*first));
        let found = decoder.0.decode_first(pending, self.input_ended, &mut sink);
        match found.map_err(|error| CaptureError::Damaged(error.shifted(self.offset)))? {
            First::Whole { length } => {
                self.pass(length);
                Ok(Step::Message)
            }
            First::Partial { needed } => {
                self.needed = needed;
                Ok(Step::MustRead)
            }
        }
    }

    /// Where in the input the next message begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads once. The buffer grows with what comes, not with what is claimed.
    pub fn read(&mut self) -> Result<(), CaptureError> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let missing = self.needed.saturating_sub(self.end).min(self.end);
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

    /// Goes behind a message of this length and its line end, which the last one may lack.
    fn pass(&mut self, length: usize) {
        let passed = (length + 1).min(self.end - self.start);
        self.offset += passed as u64;
        self.start += passed;
        self.needed = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::NoCatalog;

    /// Captures from real servers: `tests/captures/record.sh` makes them.
    const CAPTURES: [(&str, &[u8]); 6] = [
        (
            "pgoutput-1",
            include_bytes!("../../tests/captures/pgoutput-1.bin"),
        ),
        (
            "pgoutput-2",
            include_bytes!("../../tests/captures/pgoutput-2.bin"),
        ),
        (
            "pgoutput-3",
            include_bytes!("../../tests/captures/pgoutput-3.bin"),
        ),
        (
            "pgoutput-4",
            include_bytes!("../../tests/captures/pgoutput-4.bin"),
        ),
        (
            "wal2json",
            include_bytes!("../../tests/captures/wal2json.bin"),
        ),
        (
            "wal2json-plain",
            include_bytes!("../../tests/captures/wal2json-plain.bin"),
        ),
    ];

    fn captured<R: Read>(input: R) -> Capture<R> {
        Capture::new(input, |first| match first {
            b'{' => Decoder::wal2json(Box::new(NoCatalog)),
            _ => Decoder::pgoutput(),
        })
    }

    /// Hands out at most so many bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(self.1);
            self.0.read(&mut buffer[..count])
        }
    }

    /// The lengths of all messages with their line ends, and the error that ends them.
    fn lengths(capture: &mut Capture<impl Read>) -> (Vec<usize>, Option<String>) {
        let mut lengths = Vec::new();
        loop {
            let begin = capture.offset();
            let step = capture.decode(|_| ()).and_then(|step| match step {
                Step::MustRead => capture.read().map(|()| step),
                _ => Ok(step),
            });
            match step {
                Ok(Step::Message) => lengths.push((capture.offset() - begin) as usize),
                Ok(Step::MustRead) => {}
                Ok(Step::End) => return (lengths, None),
                Err(error) => return (lengths, Some(error.to_string())),
            }
        }
    }

    /// All messages with their line ends, which arrive at most so many bytes at a time.
    fn messages_in_steps(mut capture: &[u8], step: usize) -> (Vec<&[u8]>, Option<String>) {
        let (lengths, error) = lengths(&mut captured(Drip(capture, step)));
        let next = |length| {
            let (message, rest) = capture.split_at(length);
            capture = rest;
            message
        };
        (lengths.into_iter().map(next).collect(), error)
    }

    fn messages(capture: &[u8]) -> (Vec<&[u8]>, Option<String>) {
        messages_in_steps(capture, usize::MAX)
    }

    /// A message that may stand anywhere and has no event: a Type.
    const TYPE: &[u8] = b"Y\0\0\0\x01s\0t\0";

    #[test]
    fn the_messages_are_the_capture() {
        for (name, capture) in CAPTURES {
            let (found, error) = messages(capture);
            assert_eq!(error, None, "{name}");
            assert_eq!(found.concat(), capture, "{name}");
            assert!(found.len() > 50, "{name}");
            assert!(
                found.iter().all(|message| message.ends_with(b"\n")),
                "{name}"
            );
            for step in [1, 7, 1000] {
                assert_eq!(messages_in_steps(capture, step).0, found, "{name}");
            }
        }
    }

    #[test]
    fn an_empty_capture_ends_at_once() {
        assert_eq!(messages(b""), (Vec::new(), None));
    }

    #[test]
    fn a_capture_cut_anywhere_yields_what_is_before_the_cut() {
        for (name, capture) in CAPTURES {
            let (whole, _) = messages(capture);
            for length in 0..capture.len() {
                let (found, error) = messages(&capture[..length]);
                if let Some((last, before)) = found.split_last() {
                    assert_eq!(before, &whole[..before.len()], "{name} cut at {length}");
                    // Only the last line end may be missing. A Stream Abort cut where its other
                    // form ends is one of that form.
                    let (message, line_end) = whole[before.len()].split_at(last.len());
                    assert_eq!(*last, message, "{name} cut at {length}");
                    let form = last.len() == 9 && last[0] == b'A';
                    assert!(
                        line_end.is_empty() || line_end == b"\n" || form,
                        "{name} cut at {length}"
                    );
                }
                assert_eq!(
                    error.is_none(),
                    length == found.concat().len(),
                    "{name} cut at {length}: {error:?}"
                );
            }
        }
    }

    #[test]
    fn offsets_of_errors_count_from_the_begin() {
        let (found, _) = messages(CAPTURES[0].1);
        let mut damaged = CAPTURES[0].1.to_vec();
        let offset = found[..10].concat().len();
        damaged[offset] = b'?';
        let (before, error) = messages(&damaged);
        assert_eq!(before.concat(), CAPTURES[0].1[..offset]);
        let expected = format!(
            "could not decode unknown message: field \"tag\" at byte {offset}: '?' is unknown"
        );
        assert_eq!(error, Some(expected));
    }

    #[test]
    fn a_line_end_stands_behind_each_message() {
        let message = [TYPE, b"\n"].concat();
        let damaged = [&message, &message, TYPE, TYPE].concat();
        let (found, error) = messages(&damaged);
        assert_eq!(found, [&message, &message]);
        let expected = "could not decode Type message: field \"end\" at byte 29: a line end \
                        expected behind the message";
        assert_eq!(error.as_deref(), Some(expected));
    }

    #[test]
    fn both_forms_of_stream_abort_are_told_apart() {
        let short = [b"A".as_slice(), &[0, 0, 0, 10, 0, 0, 0, 11]].concat();
        let long = [short.as_slice(), &[0, 0, 0, 0, 10, 10, 10, 10], &[10; 8]].concat();
        let capture = [&short, &long, &short, &long]
            .map(|message| [message, &b"\n"[..]].concat())
            .concat();
        for step in [1, usize::MAX] {
            let (found, error) = messages_in_steps(&capture, step);
            let lengths: Vec<usize> = found.iter().map(|message| message.len()).collect();
            assert_eq!((lengths, error), (vec![10, 26, 10, 26], None));
        }
        assert_eq!(messages(&capture[..capture.len() - 1]).0.len(), 4);
        assert_eq!(messages(&short), (vec![short.as_slice()], None));
    }

    #[test]
    fn line_ends_in_values_end_no_message() {
        let message = b"M\0\0\0\0\0\0\0\x0a\x0aa\nb\0\0\0\0\x03\n\n\n\n";
        assert_eq!(
            messages(&message.repeat(2)),
            (vec![&message[..], message], None)
        );
    }

    #[test]
    fn the_last_line_must_be_whole() {
        let (found, error) = messages(b"{\"action\":\"B\"}\n{\"action\":\"C\"}");
        assert_eq!((found.len(), error), (2, None));
        let (found, error) = messages(b"{\"action\":\"B\"}\n{\"action\":\"C\"");
        assert_eq!(found.len(), 1);
        let expected = "could not decode wal2json message: field \"line\" at byte 28: the input \
                        ends in the middle of it";
        assert_eq!(error.as_deref(), Some(expected));
        // What is wrong within a line is the decoder's business.
        assert_eq!(messages(b"{\n\n}x\n{]").0.len(), 4);
    }

    #[test]
    fn memory_follows_what_comes_not_what_is_claimed() {
        let claim = b"I\0\0\0\x01N\0\x01t\xff\xff\xff\xff".chain(io::repeat(7).take(3 << 20));
        let mut capture = captured(claim);
        let error = lengths(&mut capture).1.unwrap();
        assert!(
            error.contains("4294967295 bytes expected, 3145728 left"),
            "{error}"
        );
        assert!(
            capture.buffer.capacity() <= CHUNK + 2 * (3 << 20),
            "{}",
            capture.buffer.capacity()
        );
        let mut capture = captured(b"{".chain(io::repeat(b'x').take(3 << 20)));
        let error = lengths(&mut capture).1.unwrap();
        assert!(
            error.contains("the input ends in the middle of it"),
            "{error}"
        );
        assert!(capture.buffer.capacity() <= CHUNK + 2 * (3 << 20));
        let many = [TYPE, b"\n"].concat().repeat(1 << 18);
        let mut capture = captured(&many[..]);
        assert_eq!(lengths(&mut capture).1, None);
        assert!(
            capture.buffer.capacity() <= CHUNK + TYPE.len(),
            "{}",
            capture.buffer.capacity()
        );
    }

    #[test]
    fn it_says_when_it_has_to_wait() {
        let twice = [TYPE, b"\n", TYPE, b"\n"].concat();
        let mut capture = captured(Drip(&twice, TYPE.len() + 3));
        let mut step = || capture.decode(|_| ()).unwrap();
        assert_eq!(step(), Step::MustRead);
        capture.read().unwrap();
        let mut step = || capture.decode(|_| ()).unwrap();
        assert_eq!(
            (step(), step(), step()),
            (Step::Message, Step::MustRead, Step::MustRead)
        );
        capture.read().unwrap();
        let mut step = || capture.decode(|_| ()).unwrap();
        assert_eq!((step(), step()), (Step::Message, Step::MustRead));
        capture.read().unwrap();
        assert_eq!(capture.decode(|_| ()).unwrap(), Step::End);
    }

    #[test]
    fn an_unreadable_input_is_an_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let message = [TYPE, b"\n"].concat();
        let (found, error) = lengths(&mut captured(message.chain(Broken)));
        assert_eq!(found, [TYPE.len() + 1]);
        assert_eq!(
            error.as_deref(),
            Some("could not read the capture: the disk is gone")
        );
    }
}
