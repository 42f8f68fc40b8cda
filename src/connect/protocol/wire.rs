//! Messages to and from the server, one at a time: what start-up and commands are made of.

use super::buffer::{Buffer, Frame, ImpossibleLength, LONGEST_ROW};
use super::reader::Reader;
use super::report::Report;
use super::socket::{Socket, WaitLimit};
use crate::connect::{plain, tls};
use crate::error::{Error, Kind, Result, ServerError};
use crate::text::readable;
use log::{Level, log};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// The longest row in the answer to a simple query: a few short values.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// So many parameters are kept, and none that is longer; servers report some twenty short ones.
const MOST_PARAMETERS: usize = 1000;
const LONGEST_PARAMETER: usize = 1000;

/// The target of the log messages that are the server's notices.
pub const NOTICE: &str = "walcat::notice";

/// A socket with its receive buffer, and what the server may tell at any time.
pub struct Wire {
    socket: Socket,
    buffer: Buffer,
    /// The values of ParameterStatus.
    pub parameters: BTreeMap<String, String>,
    /// The SQLSTATE of the last warning.
    warning: Option<String>,
    /// Sending failed; what the server said before it went away may still be read.
    send_failed: bool,
    tls_failed: bool,
}

impl Wire {
    /// A wire over this socket.
    pub fn new(socket: Socket) -> Wire {
        Wire {
            socket,
            buffer: Buffer::new(),
            parameters: BTreeMap::new(),
            warning: None,
            send_failed: false,
            tls_failed: false,
        }
    }

    /// How long to wait for the server.
    pub fn limit(&mut self) -> &mut WaitLimit {
        &mut self.socket.limit
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sends a message. If the server has gone, that shows when its last messages are read, which
    /// say why.
    pub fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if self.send_failed {
            return Ok(());
        }
        match self.socket.send(message) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                self.send_failed = true;
                Ok(())
            }
            result => result,
        }
    }

    /// One read of what the socket has.
    pub fn receive(&mut self) -> io::Result<usize> {
        let received = self.socket.receive(&mut self.buffer);
        self.tls_failed = received
            .as_ref()
            .err()
            .is_some_and(|error| tls::reason(error).is_some());
        received
    }

    /// The SQLSTATE of the last warning since this was asked.
    pub fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }

    /// Returns `true` if receiving failed because of TLS.
    pub fn tls_failed(&self) -> bool {
        self.tls_failed
    }

    /// The next message that has arrived whole; rows may be as long as servers can make them.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        let frame = self.buffer.next_frame(LONGEST_ROW);
        frame.map_err(|error| no_postgresql(&error))
    }

    /// Returns `true` if there is a message for [`Wire::next_frame`].
    pub fn has_frame(&self) -> bool {
        self.buffer.has_frame()
    }

    /// What the message holds after its length.
    pub fn body(&self, frame: &Frame) -> &[u8] {
        self.buffer.body(frame)
    }

    /// Waits for the next message of a short answer. Takes note of what the server may send at any
    /// time; an ErrorResponse is an error.
    pub fn wait_frame(&mut self) -> Result<Frame> {
        loop {
            if let Some(frame) = self.next_reply()? {
                return Ok(frame);
            }
            self.wait().map_err(|error| io_error(&error))?;
        }
    }

    /// The same for a message that has arrived whole, without waiting for one.
    pub fn next_reply(&mut self) -> Result<Option<Frame>> {
        loop {
            let frame = self.buffer.next_frame(LONGEST_ANSWER);
            match frame.map_err(|error| no_postgresql(&error))? {
                Some(frame) if matches!(frame.tag, b'N' | b'S' | b'A') => self.note(&frame)?,
                Some(frame) if frame.tag == b'E' => return Err(self.error_response(&frame)),
                frame => return Ok(frame),
            }
        }
    }

    /// Waits until the server sends something, and takes it.
    pub fn wait(&mut self) -> io::Result<()> {
        self.socket.wait_readable()?;
        self.receive().map(drop)
    }

    /// Logs a NoticeResponse, keeps a ParameterStatus; a NotificationResponse is ignored.
    pub fn note(&mut self, frame: &Frame) -> Result<()> {
        let body = self.buffer.body(frame);
        match frame.tag {
            b'N' => {
                let notice = Report::parse("NoticeResponse", body, frame.cut)?;
                let level = match notice.severity.as_str() {
                    "NOTICE" | "INFO" | "LOG" | "DEBUG" => Level::Info,
                    _ => Level::Warn,
                };
                log_notice(level, &notice.content);
                if level == Level::Warn {
                    self.warning = Some(notice.content.sqlstate);
                }
            }
            b'S' => {
                let (name, value) = parse_parameter_status(body)?;
                let room =
                    self.parameters.len() < MOST_PARAMETERS || self.parameters.contains_key(&name);
                if room && body.len() <= LONGEST_PARAMETER {
                    self.parameters.insert(name, value);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The error for an ErrorResponse.
    pub fn error_response(&self, frame: &Frame) -> Error {
        match self.report(frame) {
            Ok(report) => Error::from_server(report.content),
            Err(error) => error,
        }
    }

    /// What the server says in an ErrorResponse.
    pub fn report(&self, frame: &Frame) -> Result<Report> {
        Report::parse("ErrorResponse", self.body(frame), frame.cut)
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The error for a connection that failed.
pub fn io_error(error: &io::Error) -> Error {
    match tls::reason(error) {
        Some(reason) => Error::because(reason),
        None => Error::because(plain(error)).with_kind(Kind::Transient),
    }
}

/// The error for a message of the server's that has no place here.
pub fn unexpected(frame: &Frame) -> Error {
    Error::because(format!(
        "the server sent the unexpected message \"{}\"",
        frame.tag.escape_ascii()
    ))
}

fn no_postgresql(error: &ImpossibleLength) -> Error {
    Error::because(format!(
        "the server does not speak PostgreSQL's protocol: {error}"
    ))
}

fn log_notice(level: Level, notice: &ServerError) {
    log!(
        target: NOTICE, level,
        detail = notice.detail.as_deref(), hint = notice.hint.as_deref();
        "{}", notice.message
    );
}

// name: cstr | value: cstr
fn parse_parameter_status(body: &[u8]) -> Result<(String, String)> {
    let mut reader = Reader::new("ParameterStatus", body);
    let name = readable(reader.cstr("name")?);
    let value = readable(reader.cstr("value")?);
    reader.finish()?;
    Ok((name, value))
}
