//! The receive buffer of a connection, and the cutting of what arrived into messages.
//!
//! A length on the wire is a claim: the buffer grows only as bytes arrive, at most to twice what is
//! there, never beyond the message that needs it. Where that is large, growing copies nothing: the
//! allocator moves pages, and those that nothing was received into are none yet. What was cut out
//! stays where it is until more is received, so that a row is never copied. Only rows may be long;
//! of an error or a notice that is, the beginning is kept and the rest is dropped as it arrives.

use std::fmt;
use std::ops::Range;

/// What one read may bring: large enough that a busy stream costs few system calls, small enough
/// for the cache.
const USUAL: usize = 256 * 1024;
/// An empty buffer larger than this is given back, unless the last message was as large: then the
/// next one may be, too.
const KEPT: usize = 1024 * 1024;
/// Tag and length.
const HEADER: usize = 5;

/// The longest row that the server can make: its own buffers end at 1 GiB (`MaxAllocSize`).
pub const LONGEST_ROW: usize = 1 << 30;
/// The longest message of any other kind; of what the server says to people so much is kept.
const LONGEST_OTHER: usize = 1 << 20;

/// Bytes that arrived and were not yet looked at.
pub struct Buffer {
    bytes: Vec<u8>,
    /// How much of it is cut out.
    start: usize,
    /// What is still to come of a message that was cut.
    unwanted: usize,
    /// How long the last message was.
    last: usize,
}

/// One message in the buffer: valid until more is received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type of the message (manual section 55.7).
    pub tag: u8,
    /// How long the body was if this is only its beginning.
    pub cut: Option<usize>,
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
            bytes: Vec::with_capacity(USUAL),
            start: 0,
            unwanted: 0,
            last: 0,
        }
    }

    /// Lets `read` append what arrives, for which there is room. Every [`Frame`] cut before is
    /// void.
    pub fn receive<T>(&mut self, read: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        if self.start == self.bytes.len() {
            self.start = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT && self.last <= KEPT {
                self.bytes = Vec::with_capacity(USUAL);
            }
        }
        if self.room() < USUAL / 2 {
            self.make_room();
        }
        let result = read(&mut self.bytes);
        self.drop_unwanted();
        result
    }

    /// Cuts out the next message if all of it is there that is wanted. `longest` is what the length
    /// of a row may say.
    pub fn next_frame(&mut self, longest: usize) -> Result<Option<Frame>, ImpossibleLength> {
        let Some((tag, length)) = self.header() else {
            return Ok(None);
        };
        let allowed = match tag {
            b'D' | b'd' => longest,
            b'E' | b'N' => LONGEST_ROW,
            _ => LONGEST_OTHER,
        };
        if length < HEADER - 1 || length > allowed {
            return Err(ImpossibleLength { tag, length });
        }
        let wanted = wanted(tag, length);
        let end = self.start + 1 + wanted;
        if end > self.bytes.len() {
            return Ok(None);
        }
        let body = self.start + HEADER..end;
        self.start = end;
        self.last = wanted;
        self.unwanted = length - wanted;
        self.drop_unwanted();
        let cut = (wanted < length).then(|| length - (HEADER - 1));
        Ok(Some(Frame { tag, cut, body }))
    }

    /// What the message holds after its length.
    pub fn body(&self, frame: &Frame) -> &[u8] {
        self.bytes.get(frame.body.clone()).unwrap_or_default()
    }

    /// Returns `true` if there is a message for [`Buffer::next_frame`].
    pub fn has_frame(&self) -> bool {
        self.header()
            .is_some_and(|(tag, length)| wanted(tag, length) < self.bytes.len() - self.start)
    }

    fn drop_unwanted(&mut self) {
        let count = self.unwanted.min(self.bytes.len() - self.start);
        self.start += count;
        self.unwanted -= count;
    }

    fn room(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    fn header(&self) -> Option<(u8, usize)> {
        let (header, _) = self
            .bytes
            .get(self.start..)?
            .split_first_chunk::<HEADER>()?;
        let [tag, length @ ..] = *header;
        Some((tag, u32::from_be_bytes(length) as usize))
    }

    /// Moves what is left to the front. As the messages before it have been cut out, that is a part
    /// of one message, and it moves once: the whole cost is linear. Then grows, if a message does
    /// not fit.
    fn make_room(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
        let needed = self.header().map_or(HEADER, |(tag, length)| {
            wanted(tag, length.min(LONGEST_ROW)) + 1
        });
        // More than one message lies here if the caller did not cut them out: then any room will
        // do.
        let (left, capacity) = (self.bytes.len(), self.bytes.capacity());
        let needed = if needed > left { needed } else { left + USUAL };
        if capacity < needed && self.room() < USUAL / 2 {
            self.bytes.reserve_exact(needed.min(capacity * 2) - left);
        }
    }
}

/// How much of a message is kept.
fn wanted(tag: u8, length: usize) -> usize {
    match tag {
        b'E' | b'N' => length.min(LONGEST_OTHER),
        _ => length,
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
            let (now, later) = buffer.receive(|space| {
                let room = space.capacity() - space.len();
                let (now, later) = bytes.split_at(bytes.len().min(room));
                space.extend_from_slice(now);
                (now, later)
            });
            assert!(!now.is_empty());
            bytes = later;
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
                while let Some(frame) = buffer.next_frame(LONGEST_ROW).unwrap() {
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
                buffer.next_frame(LONGEST_ROW).unwrap(),
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
            let error = buffer.next_frame(LONGEST_ROW).unwrap_err().to_string();
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
        assert_eq!(buffer.next_frame(LONGEST_ROW).unwrap(), None);
        let mut arrived = HEADER;
        while arrived < 10 << 20 {
            arrived += buffer.receive(|space| {
                let room = space.capacity() - space.len();
                space.resize(space.capacity(), 0);
                room
            });
            assert!(
                buffer.bytes.capacity() <= USUAL + 2 * arrived,
                "{} for {arrived}",
                buffer.bytes.capacity()
            );
            assert_eq!(buffer.next_frame(LONGEST_ROW).unwrap(), None);
        }
    }

    #[test]
    fn only_rows_may_be_long() {
        for tag in [b'S', b'A', b'Z', b'C', b'T', b'R', b'c', b'x'] {
            let mut buffer = Buffer::new();
            feed(&mut buffer, &message(tag, &[]));
            feed(
                &mut buffer,
                &[&[tag][..], &(LONGEST_OTHER as u32 + 1).to_be_bytes()].concat(),
            );
            assert!(buffer.next_frame(LONGEST_ROW).unwrap().is_some());
            assert!(buffer.next_frame(LONGEST_ROW).is_err(), "{tag}");
        }
    }

    #[test]
    fn what_is_said_is_cut() {
        for tag in [b'E', b'N'] {
            let said: Vec<u8> = (0..5 << 20).map(|i: u32| (i >> 8) as u8).collect();
            let wire = [
                message(b'd', b"a"),
                message(tag, &said),
                message(b'd', b"b"),
            ]
            .concat();
            for step in [7777, 100_000, 1 << 20, 10 << 20] {
                let mut buffer = Buffer::new();
                let mut found = Vec::new();
                for piece in wire.chunks(step) {
                    feed(&mut buffer, piece);
                    while let Some(frame) = buffer.next_frame(LONGEST_ROW).unwrap() {
                        found.push((frame.tag, frame.cut, buffer.body(&frame).to_vec()));
                    }
                }
                let kept = said[..LONGEST_OTHER - 4].to_vec();
                assert_eq!(found.len(), 3, "step {step}");
                assert_eq!(found[0], (b'd', None, b"a".to_vec()));
                assert!(found[1] == (tag, Some(said.len()), kept), "step {step}");
                assert_eq!(found[2], (b'd', None, b"b".to_vec()));
                if step <= 1 << 20 {
                    assert!(buffer.bytes.capacity() <= 3 << 20);
                }
            }
        }
    }

    #[test]
    fn grows_to_the_message_and_no_further_and_shrinks_again() {
        let mut buffer = Buffer::new();
        let body: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
        feed(&mut buffer, &message(b'd', b"before"));
        assert!(buffer.next_frame(LONGEST_ROW).unwrap().is_some());
        let wire = message(b'd', &body);
        feed(&mut buffer, &wire);
        let frame = buffer.next_frame(LONGEST_ROW).unwrap().unwrap();
        assert_eq!(buffer.body(&frame), body);
        assert_eq!(buffer.bytes.capacity(), wire.len());
        feed(&mut buffer, &wire);
        assert!(buffer.next_frame(LONGEST_ROW).unwrap().is_some());
        assert_eq!(buffer.bytes.capacity(), wire.len());
        feed(&mut buffer, &message(b'd', b"after"));
        assert!(buffer.next_frame(LONGEST_ROW).unwrap().is_some());
        buffer.receive(|_| ());
        assert_eq!(buffer.bytes.capacity(), USUAL);
    }

    #[test]
    fn many_small_messages_need_no_growth() {
        let mut buffer = Buffer::new();
        let wire = message(b'd', &[3; 1000]).repeat(5000);
        let mut count = 0;
        for piece in wire.chunks(77_777) {
            feed(&mut buffer, piece);
            while buffer.next_frame(LONGEST_ROW).unwrap().is_some() {
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
        while buffer.next_frame(LONGEST_ROW).unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 2000);
    }
}
