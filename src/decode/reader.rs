//! A cursor over one message that cannot be read beyond its end, nor left before it.
//!
//! [`whole`] and [`prefix`] are the only ways to a [`Reader`]; the first fails on bytes that are
//! left over. Every failure names the message, the field and the offset. A length on the wire is a
//! claim: it is compared with the bytes at hand before anything is done with it. Used by
//! [`pgoutput`](super::pgoutput).

use crate::lsn::Lsn;
use crate::time::PgTime;
use std::fmt;

/// Why a message could not be decoded, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub struct DecodeError(Box<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    message: &'static str,
    field: &'static str,
    offset: u64,
    /// At least how long the message must be, if it is just too short.
    needed: Option<usize>,
    reason: String,
}

impl DecodeError {
    /// The `field` of the `message`, at byte `offset`, is wrong.
    pub(super) fn new(
        message: &'static str,
        field: &'static str,
        offset: usize,
        reason: impl Into<String>,
    ) -> Self {
        DecodeError(Box::new(Parts {
            message,
            field,
            offset: offset as u64,
            needed: None,
            reason: reason.into(),
        }))
    }

    /// The byte offset of the field: in the message, or where [`shifted`](Self::shifted) says so in
    /// the whole input.
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// The same error of a message that begins at byte `base` of a longer input.
    pub fn shifted(mut self, base: u64) -> Self {
        self.0.offset = self.0.offset.saturating_add(base);
        self
    }

    /// At least how many bytes the message must have, if nothing but its end is missing.
    pub(super) fn needed(&self) -> Option<usize> {
        self.0.needed
    }
}

/// `could not decode Insert message: field "value" at byte 17: 9 bytes expected, 3 left`
impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            message,
            field,
            offset,
            reason,
            ..
        } = &*self.0;
        write!(
            f,
            "could not decode {message} message: field \"{field}\" at byte {offset}: {reason}"
        )
    }
}

impl std::error::Error for DecodeError {}

/// What reading yields.
pub(super) type Result<T> = std::result::Result<T, DecodeError>;

/// A cursor over a message. Each method reads one field, whose name is for the error.
pub(super) struct Reader<'a> {
    message: &'static str,
    bytes: &'a [u8],
    rest: &'a [u8],
}

/// Reads a message that must take up all of `bytes`.
pub(super) fn whole<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T>,
) -> Result<T> {
    let mut reader = Reader {
        message: "unknown",
        bytes,
        rest: bytes,
    };
    let value = read(&mut reader)?;
    match reader.rest.len() {
        0 => Ok(value),
        1 => Err(reader.error("end", "1 byte too many")),
        count => Err(reader.error("end", format!("{count} bytes too many"))),
    }
}

/// Reads a message from the front of `bytes` and says how many bytes it takes up.
pub(super) fn prefix<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T>,
) -> Result<(T, usize)> {
    let mut reader = Reader {
        message: "unknown",
        bytes,
        rest: bytes,
    };
    let value = read(&mut reader)?;
    Ok((value, reader.offset()))
}

impl<'a> Reader<'a> {
    /// Names the message, once its tag is known.
    pub fn set_message(&mut self, message: &'static str) {
        self.message = message;
    }

    /// How many bytes are read.
    pub fn offset(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    /// The bytes that are not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn u8(&mut self, field: &'static str) -> Result<u8> {
        self.array(field).map(u8::from_be_bytes)
    }

    pub fn u16(&mut self, field: &'static str) -> Result<u16> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub fn u32(&mut self, field: &'static str) -> Result<u32> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub fn i32(&mut self, field: &'static str) -> Result<i32> {
        self.array(field).map(i32::from_be_bytes)
    }

    pub fn lsn(&mut self, field: &'static str) -> Result<Lsn> {
        self.array(field)
            .map(|bytes| Lsn(u64::from_be_bytes(bytes)))
    }

    pub fn time(&mut self, field: &'static str) -> Result<PgTime> {
        self.array(field)
            .map(|bytes| PgTime(i64::from_be_bytes(bytes)))
    }

    /// As many bytes as another field claims.
    pub fn bytes(&mut self, field: &'static str, length: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(length) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.too_short(field, length)),
        }
    }

    /// A text up to its zero byte, which is left out.
    pub fn string(&mut self, field: &'static str) -> Result<&'a [u8]> {
        match memchr::memchr(0, self.rest).and_then(|end| self.rest.split_at_checked(end)) {
            Some((text, rest)) => {
                self.rest = rest.get(1..).unwrap_or_default();
                Ok(text)
            }
            None => {
                let mut error = self.error(field, "its end is missing");
                error.0.needed = Some(self.bytes.len().saturating_add(1));
                Err(error)
            }
        }
    }

    /// The field that comes next is wrong.
    pub fn error(&self, field: &'static str, reason: impl Into<String>) -> DecodeError {
        DecodeError::new(self.message, field, self.offset(), reason)
    }

    /// The byte just read, the `field`, is not allowed there.
    pub fn unknown_byte(&self, field: &'static str, byte: u8) -> DecodeError {
        DecodeError::new(
            self.message,
            field,
            self.offset().saturating_sub(1),
            format!("'{}' is unknown", byte.escape_ascii()),
        )
    }

    fn array<const LENGTH: usize>(&mut self, field: &'static str) -> Result<[u8; LENGTH]> {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(self.too_short(field, LENGTH)),
        }
    }

    #[cold]
    fn too_short(&self, field: &'static str, length: usize) -> DecodeError {
        let bytes = if length == 1 { "byte" } else { "bytes" };
        let mut error = self.error(
            field,
            format!("{length} {bytes} expected, {} left", self.rest.len()),
        );
        error.0.needed = Some(self.offset().saturating_add(length));
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_message_field_and_offset() {
        let error = whole(b"\x01\x02\x03", |reader| {
            reader.set_message("Insert");
            reader.u8("tag")?;
            reader.u32("relation")
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "could not decode Insert message: field \"relation\" at byte 1: 4 bytes expected, 2 \
             left"
        );
        assert_eq!((error.offset(), error.needed()), (1, Some(5)));
        assert_eq!(error.shifted(1000).offset(), 1001);
    }

    #[test]
    fn what_is_left_over_is_an_error_unless_a_prefix_is_asked_for() {
        let error = whole(b"\x01\x02\x03", |reader| reader.u8("tag")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "could not decode unknown message: field \"end\" at byte 1: 2 bytes too many"
        );
        assert_eq!(error.needed(), None);
        assert_eq!(
            prefix(b"\x01\x02\x03", |reader| reader.u16("x")),
            Ok((0x0102, 2))
        );
    }

    #[test]
    fn a_claimed_length_is_compared_with_what_is_there() {
        let claim =
            |length| move |reader: &mut Reader<'_>| reader.bytes("value", length).map(<[u8]>::len);
        assert_eq!(whole(b"abc", claim(3)), Ok(3));
        assert_eq!(whole(b"abc", claim(4)).unwrap_err().needed(), Some(4));
        assert_eq!(
            whole(b"abc", claim(usize::MAX)).unwrap_err().needed(),
            Some(usize::MAX)
        );
    }

    #[test]
    fn strings_end_with_a_zero_byte() {
        assert_eq!(
            prefix(b"ab\0c", |reader| reader.string("name")),
            Ok((&b"ab"[..], 3))
        );
        assert_eq!(
            prefix(b"\0", |reader| reader.string("name")),
            Ok((&b""[..], 1))
        );
        let error = prefix(b"abc", |reader| reader.string("name")).unwrap_err();
        assert_eq!((error.offset(), error.needed()), (0, Some(4)));
    }
}
