//! What the server's messages say (manual sections 55.4 and 55.7): borrowed views of the bytes in
//! the receive buffer.

use crate::error::{Error, Result, ServerError};
use crate::lsn::Lsn;

/// What comes out of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A piece of the stream: what the output plugin wrote at once.
    XLogData {
        /// Where it lies in the WAL.
        start: Lsn,
        /// The output plugin's bytes.
        payload: &'a [u8],
    },
    /// The server shows that it is alive, and how far it has come.
    Keepalive {
        /// Everything before this has been sent.
        end: Lsn,
        /// The server wants a status update at once.
        reply_requested: bool,
    },
    /// The server ended the stream.
    CopyDone,
}

/// An error, warning or notice of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `ERROR`, `FATAL`, `WARNING`, `NOTICE` and so on, untranslated.
    pub severity: String,
    /// What it says.
    pub content: ServerError,
}

impl<'a> Message<'a> {
    /// Reads what a CopyData message of the stream holds.
    pub fn parse(body: &'a [u8]) -> Result<Message<'a>> {
        match body.first() {
            Some(b'w') => Message::parse_xlog_data(body),
            Some(b'k') => Message::parse_keepalive(body),
            Some(kind) => Err(Error::new(format!(
                "could not read the server's message CopyData: its kind at byte 0 is \"{}\", which \
                 is unknown",
                kind.escape_ascii()
            ))),
            None => Err(Error::new(
                "could not read the server's message CopyData: it is empty",
            )),
        }
    }

    // 'w' | start: u64 | end: u64 | sent_at: i64 | payload
    fn parse_xlog_data(body: &'a [u8]) -> Result<Message<'a>> {
        let mut reader = Reader::new("XLogData", body);
        reader.u8("kind")?;
        let start = Lsn(reader.u64("start of the WAL data")?);
        reader.u64("end of the WAL")?;
        reader.u64("time")?;
        Ok(Message::XLogData {
            start,
            payload: reader.rest(),
        })
    }

    // 'k' | end: u64 | sent_at: i64 | reply_requested: u8
    fn parse_keepalive(body: &'a [u8]) -> Result<Message<'a>> {
        let mut reader = Reader::new("Primary keepalive", body);
        reader.u8("kind")?;
        let end = Lsn(reader.u64("end of the WAL")?);
        reader.u64("time")?;
        let reply_requested = reader.u8("reply requested")? != 0;
        reader.finish()?;
        Ok(Message::Keepalive {
            end,
            reply_requested,
        })
    }
}

/// Reads the fields of ErrorResponse and NoticeResponse.
// { type: u8 | text: cstr }* | 0
pub fn parse_report(message: &'static str, body: &[u8]) -> Result<Report> {
    let mut reader = Reader::new(message, body);
    let mut report = Report::default();
    loop {
        let field = reader.u8("field type")?;
        if field == 0 {
            reader.finish()?;
            return Ok(report);
        }
        // The encoding is not settled before the session starts, and never for SQL_ASCII.
        let text = String::from_utf8_lossy(reader.cstr("field text")?).into_owned();
        let content = &mut report.content;
        match field {
            b'V' => report.severity = text,
            b'C' => content.sqlstate = text,
            b'M' => content.message = text,
            b'D' => content.detail = Some(text),
            b'H' => content.hint = Some(text),
            b'R' => content.routine = Some(text),
            _ => {}
        }
    }
}

/// Takes the fields of a message one by one; every error names message, field and offset.
pub struct Reader<'a> {
    message: &'static str,
    bytes: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `body`, all that lies behind the length of the message.
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

#[cfg(test)]
mod tests {
    use super::*;

    const XLOG_DATA: &[u8] = b"w\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\0\0\0\0\x05payload";
    const KEEPALIVE: &[u8] = b"k\0\0\0\x01\0\0\0\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";
    const ERROR: &[u8] = b"SFEHLER\0VFATAL\0C57P01\0Mgone \xFF\0Dd\0Hh\0Fpostgres.c\0Rf\0\0";

    #[test]
    fn reads_each_message_whole() {
        assert_eq!(
            Message::parse(XLOG_DATA).unwrap(),
            Message::XLogData {
                start: Lsn(0x1_0000_0002),
                payload: b"payload"
            }
        );
        assert_eq!(
            Message::parse(KEEPALIVE).unwrap(),
            Message::Keepalive {
                end: Lsn(0x1_0000_0002),
                reply_requested: true
            }
        );
        let content = ServerError {
            sqlstate: "57P01".into(),
            message: "gone \u{FFFD}".into(),
            detail: Some("d".into()),
            hint: Some("h".into()),
            routine: Some("f".into()),
        };
        assert_eq!(
            parse_report("ErrorResponse", ERROR).unwrap(),
            Report {
                severity: "FATAL".into(),
                content
            }
        );
    }

    #[test]
    fn a_cut_message_is_an_error_that_names_message_field_and_offset() {
        for cut in 0..25 {
            let error = Message::parse(&XLOG_DATA[..cut]).unwrap_err().to_string();
            assert!(cut == 0 || error.contains("XLogData: its field"), "{error}");
        }
        assert!(Message::parse(&XLOG_DATA[..25]).is_ok());
        for cut in 1..KEEPALIVE.len() {
            let error = Message::parse(&KEEPALIVE[..cut]).unwrap_err().to_string();
            assert!(error.contains("Primary keepalive: its field"), "{error}");
        }
        for cut in 0..ERROR.len() {
            let error = parse_report("ErrorResponse", &ERROR[..cut])
                .unwrap_err()
                .to_string();
            assert!(error.contains("ErrorResponse: its field"), "{error}");
        }
        assert_eq!(
            Message::parse(&XLOG_DATA[..12]).unwrap_err().to_string(),
            "could not read the server's message XLogData: its field \"end of the WAL\" at byte 9 \
             goes beyond the end at byte 12"
        );
    }

    #[test]
    fn what_is_too_long_or_unknown_is_an_error() {
        let long = [KEEPALIVE, b"x"].concat();
        assert!(
            Message::parse(&long)
                .unwrap_err()
                .to_string()
                .ends_with("keepalive: it goes on at byte 18, where it should end")
        );
        let error = Message::parse(b"\x1bfoo").unwrap_err().to_string();
        assert!(
            error.ends_with("its kind at byte 0 is \"\\x1b\", which is unknown"),
            "{error}"
        );
        assert!(parse_report("ErrorResponse", b"\0\0").is_err());
    }
}
