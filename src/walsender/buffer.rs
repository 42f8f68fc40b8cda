//! The receive buffer of the replication connection, and the cutting of what arrived into messages.
//!
//! A length on the wire is a claim: the buffer grows only as bytes arrive, at most to twice what is
//! there, never beyond the message that needs it. What was cut out stays where it is until more is
//! received, so that a row is never copied.

use std::fmt;
use std::ops::Range;

/// What one read may bring: large enough that a busy stream costs few system calls, small enough
/// for the cache.
const USUAL: usize = 256 * 1024;
/// An empty buffer larger than this is given back.
const KEPT: usize = 1024 * 1024;
/// Tag and length.
const HEADER: usize = 5;

/// The longest message that the server can make: its own buffers end at 1 GiB (`MaxAllocSize`).
pub const LONGEST_MESSAGE: usize = 1 << 30;

/// Bytes that arrived and were not yet looked at.
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

/// One message in the [`Buffer`]: valid until more is received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type of the message (manual section 55.7).
    pub tag: u8,
    body: Range<usize>,
}

/// A message claims to be shorter than its own length field, or longer than any message can be.
#[derive(Debug)]
pub struct ImpossibleLength {
    tag: u8,
    length: usize,
}

impl fmt::Display for ImpossibleLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImpossibleLength { tag, length } = self;
        write!(
            f,
            "the field \"length\" at byte 1 of its message \"{}\" says {length}",
            tag.escape_ascii()
        )
    }
}

impl Buffer {
    /// An empty buffer.
    pub fn new() -> Buffer {
        Buffer {
            bytes: vec![0; USUAL],
            start: 0,
            end: 0,
        }
    }

    /// Where to put what arrives: never empty. Every [`Frame`] cut before is void.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > KEPT {
                self.bytes = vec![0; USUAL];
            }
        }
        if self.bytes.len() - self.end < USUAL / 2 {
            self.make_room();
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// `count` bytes were put into the [`Buffer::space`].
    pub fn received(&mut self, count: usize) {
        self.end = self.bytes.len().min(self.end + count);
    }

    /// Cuts out the next message if all of it is there. `longest` is what the length may say.
    pub fn next_frame(&mut self, longest: usize) -> Result<Option<Frame>, ImpossibleLength> {
        let Some((tag, length)) = self.header() else {
            return Ok(None);
        };
        if length < HEADER - 1 || length > longest {
            return Err(ImpossibleLength { tag, length });
        }
        let end = self.start + 1 + length;
        if end > self.end {
            return Ok(None);
        }
        let body = self.start + HEADER..end;
        self.start = end;
        Ok(Some(Frame { tag, body }))
    }

    /// What the message holds behind its length.
    pub fn body(&self, frame: &Frame) -> &[u8] {
        self.bytes.get(frame.body.clone()).unwrap_or_default()
    }

    /// Is there a message for [`Buffer::next_frame`]?
    pub fn has_frame(&self) -> bool {
        self.header()
            .is_some_and(|(_, length)| length < self.end - self.start)
    }

    fn header(&self) -> Option<(u8, usize)> {
        let (header, _) = self
            .bytes
            .get(self.start..self.end)?
            .split_first_chunk::<HEADER>()?;
        let [tag, length @ ..] = *header;
        Some((tag, u32::from_be_bytes(length) as usize))
    }

    /// Moves what is left to the front. As the messages before it have been cut out, that is a part
    /// of one message, and it moves once: the whole cost is linear. Then grows, if a message does
    /// not fit.
    fn make_room(&mut self) {
        let left = self.end - self.start;
        let needed = self
            .header()
            .map_or(HEADER, |(_, length)| length.min(LONGEST_MESSAGE) + 1);
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, left);
        }
        // More than one message lies here if the caller did not cut them out: then any room will
        // do.
        let needed = if needed > left { needed } else { left + USUAL };
        if self.bytes.len() < needed && self.bytes.len() - left < USUAL / 2 {
            let size = needed.min(self.bytes.len() * 2);
            self.bytes.reserve_exact(size - self.bytes.len());
            self.bytes.resize(size, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        bytes.extend((body.len() as u32 + 4).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn feed(buffer: &mut Buffer, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = buffer.space();
            let count = bytes.len().min(space.len());
            space[..count].copy_from_slice(&bytes[..count]);
            buffer.received(count);
            bytes = &bytes[count..];
        }
    }

    #[test]
    fn cuts_messages_however_they_arrive() {
        let mut wire = message(b'd', b"abc");
        wire.extend(message(b'c', b""));
        wire.extend(message(b'd', &[7; 300]));
        for step in 1..wire.len() {
            let mut buffer = Buffer::new();
            let mut found = Vec::new();
            for piece in wire.chunks(step) {
                feed(&mut buffer, piece);
                while let Some(frame) = buffer.next_frame(LONGEST_MESSAGE).unwrap() {
                    found.push((frame.tag, buffer.body(&frame).to_vec()));
                }
            }
            assert_eq!(
                found,
                [
                    (b'd', b"abc".to_vec()),
                    (b'c', vec![]),
                    (b'd', vec![7; 300])
                ],
                "step {step}"
            );
        }
    }

    #[test]
    fn a_message_in_part_is_no_message() {
        let wire = message(b'd', &[1; 40]);
        for cut in 0..wire.len() {
            let mut buffer = Buffer::new();
            feed(&mut buffer, &wire[..cut]);
            assert_eq!(
                buffer.next_frame(LONGEST_MESSAGE).unwrap(),
                None,
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn impossible_lengths_are_errors() {
        for length in [
            0u32,
            1,
            2,
            3,
            (1 << 30) + 1,
            0x7FFF_FFFF,
            0x8000_0000,
            u32::MAX,
        ] {
            let mut buffer = Buffer::new();
            feed(&mut buffer, &[&b"d"[..], &length.to_be_bytes()].concat());
            let error = buffer.next_frame(LONGEST_MESSAGE).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("the field \"length\" at byte 1 of its message \"d\" says {length}")
            );
        }
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        let mut buffer = Buffer::new();
        feed(
            &mut buffer,
            &[&b"d"[..], &(1u32 << 30).to_be_bytes()].concat(),
        );
        assert_eq!(buffer.next_frame(LONGEST_MESSAGE).unwrap(), None);
        let mut arrived = HEADER;
        while arrived < 10 << 20 {
            let count = buffer.space().len();
            buffer.received(count);
            arrived += count;
            assert!(
                buffer.bytes.capacity() <= USUAL + 2 * arrived,
                "{} for {arrived}",
                buffer.bytes.capacity()
            );
            assert_eq!(buffer.next_frame(LONGEST_MESSAGE).unwrap(), None);
        }
    }

    #[test]
    fn grows_to_the_message_and_no_further_and_shrinks_again() {
        let mut buffer = Buffer::new();
        let body: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
        feed(&mut buffer, &message(b'd', b"before"));
        assert!(buffer.next_frame(LONGEST_MESSAGE).unwrap().is_some());
        let wire = message(b'd', &body);
        feed(&mut buffer, &wire);
        let frame = buffer.next_frame(LONGEST_MESSAGE).unwrap().unwrap();
        assert_eq!(buffer.body(&frame), body);
        assert_eq!(buffer.bytes.capacity(), wire.len());
        buffer.space();
        assert_eq!(buffer.bytes.capacity(), USUAL);
    }

    #[test]
    fn many_small_messages_need_no_growth() {
        let mut buffer = Buffer::new();
        let wire = message(b'd', &[3; 1000]).repeat(5000);
        let mut count = 0;
        for piece in wire.chunks(77_777) {
            feed(&mut buffer, piece);
            while buffer.next_frame(LONGEST_MESSAGE).unwrap().is_some() {
                count += 1;
            }
        }
        assert_eq!(count, 5000);
        assert_eq!(buffer.bytes.capacity(), USUAL);
    }

    #[test]
    fn holds_messages_that_nobody_cuts_out() {
        let mut buffer = Buffer::new();
        feed(&mut buffer, &message(b'd', &[3; 1000]).repeat(2000));
        let mut count = 0;
        while buffer.next_frame(LONGEST_MESSAGE).unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 2000);
    }
}
