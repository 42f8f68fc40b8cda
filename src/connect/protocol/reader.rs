//! A cursor over the body of one of the server's messages.

use crate::error::{Error, Result};

/// Takes the fields of a message one by one; every error names message, field and offset.
pub struct Reader<'a> {
    message: &'static str,
    bytes: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `body`, all that follows the length of the message.
    pub fn new(message: &'static str, body: &'a [u8]) -> Reader<'a> {
        Reader {
            message,
            bytes: body,
            rest: body,
        }
    }

    /// One byte.
    pub fn u8(&mut self, field: &str) -> Result<u8> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    /// Two bytes.
    pub fn u16(&mut self, field: &str) -> Result<u16> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self, field: &str) -> Result<u32> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self, field: &str) -> Result<u64> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// So many bytes as the array holds.
    pub fn array<const N: usize>(&mut self, field: &str) -> Result<[u8; N]> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.too_short(field))?;
        self.rest = rest;
        Ok(*array)
    }

    /// `count` bytes.
    pub fn take(&mut self, field: &str, count: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.too_short(field))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Everything before the next zero byte, which is taken too.
    pub fn cstr(&mut self, field: &str) -> Result<&'a [u8]> {
        let length = memchr::memchr(0, self.rest).ok_or_else(|| self.too_short(field))?;
        let bytes = self.take(field, length)?;
        self.u8(field)?;
        Ok(bytes)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Nothing may be left.
    pub fn finish(&self) -> Result<()> {
        match self.rest {
            [] => Ok(()),
            _ => Err(self.broken(&format!(
                "it goes on at byte {}, where it should end",
                self.offset()
            ))),
        }
    }

    /// The message cannot be understood.
    pub fn broken(&self, reason: &str) -> Error {
        Error::new(format!(
            "could not read the server's message {}: {reason}",
            self.message
        ))
    }

    /// Everything before the next zero byte, which is taken too, or all that is left of a message
    /// that was cut.
    pub fn cstr_or_rest(&mut self) -> &'a [u8] {
        let length = memchr::memchr(0, self.rest).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest.get(1..).unwrap_or_default();
        text
    }

    /// Returns `true` if nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[cold]
    fn too_short(&self, field: &str) -> Error {
        let (offset, end) = (self.offset(), self.bytes.len());
        self.broken(&format!(
            "its field \"{field}\" at byte {offset} goes beyond the end at byte {end}"
        ))
    }

    fn offset(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }
}
