//! Commands as simple queries (manual section 55.2.3), and their answers.

use super::buffer::Frame;
use super::reader::Reader;
use super::wire::{Wire, io_error, unexpected};
use crate::error::Result;
use crate::text::readable;
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use std::time::Duration;

/// The first row of an answer: text, or NULL.
pub type Row = Vec<Option<String>>;

/// How long a server that has refused a command may take to be ready for the next.
const RECOVERY: Duration = Duration::from_secs(5);

/// Sends a command.
pub fn send(wire: &mut Wire, command: &str) -> Result<()> {
    let mut message = BytesMut::new();
    frontend::query(command, &mut message).map_err(|error| io_error(&error))?;
    wire.send(&message).map_err(|error| io_error(&error))
}

/// Runs a command and waits until the server is ready for the next. Returns its first row.
pub fn query(wire: &mut Wire, command: &str) -> Result<Option<Row>> {
    send(wire, command)?;
    wait_for_answer(wire)
}

/// Waits for the answer to a command and until the server is ready for the next.
pub fn wait_for_answer(wire: &mut Wire) -> Result<Option<Row>> {
    let mut answer = Answer::default();
    while !answer.complete {
        let frame = wait_for_reply(wire)?;
        answer.take(wire, &frame)?;
    }
    Ok(answer.row)
}

/// The answer to a command, as far as it has come.
#[derive(Default)]
pub struct Answer {
    /// Its first row.
    pub row: Option<Row>,
    /// The server is ready for the next command.
    pub complete: bool,
}

impl Answer {
    /// Takes one more message of it.
    pub fn take(&mut self, wire: &Wire, frame: &Frame) -> Result<()> {
        match frame.tag {
            b'D' if self.row.is_none() => self.row = Some(parse_data_row(wire.body(frame))?),
            b'T' | b'D' | b'C' | b'I' => {}
            b'Z' => self.complete = true,
            _ => return Err(unexpected(frame)),
        }
        Ok(())
    }
}

/// Waits for one message of the answer to a command. When it returns an error of the server's, the
/// server is ready for the next command, unless the error ended the session or it fell silent.
pub fn wait_for_reply(wire: &mut Wire) -> Result<Frame> {
    loop {
        if let Some(frame) = next_reply(wire)? {
            return Ok(frame);
        }
        wire.wait().map_err(|error| io_error(&error))?;
    }
}

/// The same for a message that has arrived whole, without waiting for one.
pub fn next_reply(wire: &mut Wire) -> Result<Option<Frame>> {
    let reply = wire.next_reply();
    if reply.as_ref().is_err_and(|error| error.server().is_some()) {
        let limit = wire.limit().clone();
        *wire.limit() = limit.no_longer_than(RECOVERY);
        while wire.wait_frame().is_ok_and(|frame| frame.tag != b'Z') {}
        *wire.limit() = limit;
    }
    reply
}

// count: u16 | { length: i32 | text }*
fn parse_data_row(body: &[u8]) -> Result<Row> {
    let mut reader = Reader::new("DataRow", body);
    let count = reader.u16("number of columns")?;
    let mut row = Row::new();
    for _ in 0..count {
        row.push(match reader.u32("length of a column")? {
            u32::MAX => None,
            length => Some(readable(reader.take("value of a column", length as usize)?)),
        });
    }
    reader.finish()?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_data_row_is_an_error() {
        let body = b"\0\x03\0\0\0\x02ab\xFF\xFF\xFF\xFF\0\0\0\0";
        assert_eq!(
            parse_data_row(body).unwrap(),
            [Some("ab".into()), None, Some(String::new())]
        );
        for cut in 0..body.len() {
            assert!(parse_data_row(&body[..cut]).is_err(), "cut at {cut}");
        }
        assert!(parse_data_row(b"\xFF\xFF\x7F\xFF\xFF\xFF").is_err());
    }
}
