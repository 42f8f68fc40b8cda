//! What the server's messages say (manual sections 55.4 and 55.7): borrowed views of the bytes in
//! the receive buffer.

use crate::connect::protocol::Reader;
use crate::error::{Error, Result};
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

#[cfg(test)]
mod tests {
    use super::*;

    const XLOG_DATA: &[u8] = b"w\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\0\0\0\0\x05payload";
    const KEEPALIVE: &[u8] = b"k\0\0\0\x01\0\0\0\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";

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
    }
}
