//! The replication connection: a session with `replication=database`, the commands of the streaming
//! replication protocol, and the stream itself, whose messages are read in place.
//!
//! `command::stream` drives it: it polls the socket (with its own wake-ups), calls
//! [`Connection::receive`] once, then [`Connection::next_message`] until that returns `None`, and
//! only then polls again. It knows no output plugin. The server's notices are logged.

mod command;
mod message;

pub use command::SystemIdentification;
pub use message::Message;

use crate::connect::protocol::{
    Answer, BackendKey, Opened, Purpose, Reader, Route, Row, WaitLimit, Wire, io_error, next_reply,
    open, query, send, unexpected, wait_for_answer, wait_for_reply,
};
use crate::connect::{Interrupt, Settings};
use crate::error::{CouldNot, Error, Kind, Result};
use crate::lsn::Lsn;
use crate::time::PgTime;
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

const RECEIVE: &str = "receive data from the WAL stream";
/// How often whoever waits for a new slot is asked whether to go on.
const WAIT_INTERVAL: Duration = Duration::from_millis(100);
/// How long the server may take to obey a cancel request.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server may take to answer what it need not wait for anything to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What a status update tells the server (manual section 55.4, Standby status update).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandbyStatus {
    /// Everything before this is written.
    pub written: Lsn,
    /// Everything before this is durable: the server forgets it.
    pub flushed: Lsn,
    /// Ask the server to answer with a keepalive at once.
    pub reply_requested: bool,
}

/// A replication connection.
pub struct Connection {
    wire: Wire,
    key: BackendKey,
    route: Route,
    server_version: u32,
    interrupt: Interrupt,
    /// The server has said that the stream ends.
    ended: bool,
}

impl Connection {
    /// Connects, authenticates and settles the session; values will be printed in this time zone,
    /// the other settings that decide how are always the same. The `interrupt` of the settings ends
    /// any waiting for the server outside the stream. Transient errors may be gone at the next try.
    pub fn open(settings: &Settings, timezone: &str) -> Result<Connection> {
        let Opened {
            wire,
            key,
            route,
            server_version,
        } = open(settings, Purpose::Replication { timezone })?;
        Ok(Connection {
            wire,
            key,
            route,
            server_version,
            interrupt: settings.interrupt.clone(),
            ended: false,
        })
    }

    /// The server's version as `server_version_num` has it: 150018 for 15.18.
    pub fn server_version(&self) -> u32 {
        self.server_version
    }

    /// A setting that the server reports by itself, as `server_encoding`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.wire.parameters.get(name).map(String::as_str)
    }

    /// The process of the server that serves this connection.
    pub fn backend_pid(&self) -> u32 {
        self.key.pid
    }

    /// IDENTIFY_SYSTEM: which cluster this is and how far its WAL goes.
    pub fn identify_system(&mut self) -> Result<SystemIdentification> {
        command::identify_system(self.begin()).could_not("identify the server")
    }

    /// Where the server's WAL left the timeline `from` on its way to `to`, the one that it is on.
    /// `None` if it never was on it.
    pub fn switch_point(&mut self, from: u32, to: u32) -> Result<Option<Lsn>> {
        command::switch_point(self.begin(), from, to)
            .could_not("read the history of the server's timeline")
    }

    /// The value of a setting.
    pub fn show(&mut self, name: &str) -> Result<String> {
        command::show(self.begin(), name).could_not(format!("read the setting \"{name}\""))
    }

    /// The first value of the first row of an SQL query, as text. An error is the reason alone.
    pub fn ask(&mut self, question: &str) -> Result<Option<String>> {
        let row = query(self.begin(), question)?;
        Ok(row.and_then(|row| row.into_iter().next()).flatten())
    }

    /// Creates a slot that is gone with this connection, and returns its consistent point. The
    /// server first waits for every running transaction, perhaps for hours: meanwhile `wait` is
    /// called ten times a second, and may give up; then the command is cancelled and the connection
    /// of no further use.
    pub fn create_temporary_slot(
        &mut self,
        name: &str,
        plugin: &str,
        two_phase: bool,
        wait: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Lsn> {
        let command = command::create_temporary_slot(name, plugin, two_phase, self.server_version)?;
        send(self.begin(), &command)
            .and_then(|()| self.wait_for_slot(wait))
            .and_then(command::consistent_point)
            .could_not(format!("create the temporary replication slot \"{name}\""))
    }

    /// The same, with a snapshot of what was committed before that point: others can read by it
    /// until this connection gets another command.
    pub fn create_exporting_slot(
        &mut self,
        name: &str,
        plugin: &str,
        wait: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<(Lsn, String)> {
        let command = command::create_exporting_slot(name, plugin, self.server_version)?;
        send(self.begin(), &command)
            .and_then(|()| self.wait_for_slot(wait))
            .and_then(command::exported_snapshot)
            .could_not(format!("create the temporary replication slot \"{name}\""))
    }

    /// Makes a slot that stays of the temporary one `from`.
    pub fn keep_slot(&mut self, from: &str, to: &str, failover: bool) -> Result<()> {
        for statement in command::keep_slot(from, to, failover)? {
            query(self.begin(), &statement).could_not(format!("create slot \"{to}\""))?;
        }
        Ok(())
    }

    fn wait_for_slot(&mut self, wait: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Option<Row>> {
        let mut answer = Answer::default();
        while !answer.complete {
            if let Some(frame) = next_reply(self.begin())? {
                answer.take(&self.wire, &frame)?;
                continue;
            }
            *self.wire.limit() = WaitLimit::new(Some(WAIT_INTERVAL), &self.interrupt);
            match self.wire.wait() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut && wait().is_continue() => {}
                Err(error) if error.kind() == ErrorKind::TimedOut || self.interrupt.is_wanted() => {
                    self.cancel();
                    return Err(Error::because("interrupted").with_kind(Kind::Transient));
                }
                Err(error) => return Err(io_error(&error)),
            }
        }
        Ok(answer.row)
    }

    /// Starts the stream of a logical slot. `options` are the output plugin's; `None` is an option
    /// without value.
    pub fn start_replication(
        &mut self,
        slot: &str,
        start: Lsn,
        options: &[(String, Option<String>)],
    ) -> Result<()> {
        let command = command::start_replication(slot, start, options)?;
        let wire = self.begin();
        let started = send(wire, &command).and_then(|()| {
            let frame = wait_for_reply(wire)?;
            match frame.tag {
                b'W' => parse_copy_both_response(wire.body(&frame)),
                _ => Err(unexpected(&frame)),
            }
        });
        started.could_not(format!("start streaming from slot \"{slot}\""))
    }

    /// One read of what the socket has; call it when `poll` says that there is something. Returns
    /// how many bytes came: at least one, for a closed connection is an error. Messages returned
    /// before are no longer valid.
    pub fn receive(&mut self) -> Result<usize> {
        self.wire
            .receive()
            .map_err(|error| io_error(&error).with_kind(Kind::Transient))
            .could_not(RECEIVE)
    }

    /// The next message that has arrived whole; `None`: receive more. Call it before the first
    /// `poll`, too: the beginning of the stream may have come together with the answer to
    /// [`Connection::start_replication`].
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>> {
        loop {
            let Some(frame) = self.wire.next_frame().could_not(RECEIVE)? else {
                return Ok(None);
            };
            match frame.tag {
                b'd' => return Message::parse(self.wire.body(&frame)).map(Some),
                // A server that shuts down sends CommandComplete without CopyDone.
                b'c' | b'C' => {
                    self.ended = true;
                    return Ok(Some(Message::CopyDone));
                }
                b'N' | b'S' | b'A' => self.wire.note(&frame)?,
                b'E' => return Err(self.wire.error_response(&frame).could_not(RECEIVE)),
                b'Z' => {}
                _ => return Err(unexpected(&frame).could_not(RECEIVE)),
            }
        }
    }

    /// The SQLSTATE of the last of the server's warnings, which was logged too, since this was last
    /// called.
    pub fn take_warning(&mut self) -> Option<String> {
        self.wire.take_warning()
    }

    /// Returns `true` if there is a message for [`Connection::next_message`]: then `poll` may wait
    /// in vain.
    pub fn buffered(&self) -> bool {
        self.wire.has_frame()
    }

    /// Tells the server how far we are. If it has gone, [`Connection::receive`] will say so, and
    /// why.
    pub fn send_status(&mut self, status: &StandbyStatus) -> Result<()> {
        let message = encode_status(status, PgTime::now());
        self.wire
            .send(&message)
            .map_err(|error| io_error(&error))
            .could_not("report to the server")
    }

    /// Ends the stream and the session: what was last reported has then arrived. What the server
    /// still sends is dropped; in the middle of a large transaction that may take longer than is
    /// waited for.
    pub fn finish(&mut self, longest: Duration) -> Result<()> {
        *self.wire.limit() = WaitLimit::new(Some(longest), &Interrupt::default());
        self.end_stream().could_not("end the WAL stream")
    }

    fn end_stream(&mut self) -> Result<()> {
        let mut message = BytesMut::new();
        frontend::copy_done(&mut message);
        self.wire.send(&message).map_err(|error| io_error(&error))?;
        self.drain()?;
        message.clear();
        frontend::terminate(&mut message);
        self.wire.send(&message).map_err(|error| io_error(&error))
    }

    /// Waits until the server is ready for another command, or has closed the connection after it
    /// ended the stream.
    fn drain(&mut self) -> Result<()> {
        loop {
            while let Some(frame) = self.wire.next_frame()? {
                match frame.tag {
                    b'Z' => return Ok(()),
                    b'C' => self.ended = true,
                    b'E' => return Err(self.wire.error_response(&frame)),
                    b'N' | b'S' => self.wire.note(&frame)?,
                    _ => {}
                }
            }
            match self.wire.wait() {
                Ok(()) => {}
                Err(error) if self.ended && error.kind() == ErrorKind::UnexpectedEof => {
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(()),
                Err(error) => return Err(io_error(&error)),
            }
        }
    }

    /// Makes the server stop the running command, which would otherwise run on without us. Failures
    /// do not matter: we are giving up anyway.
    fn cancel(&mut self) {
        let limit = WaitLimit::new(Some(CANCEL_TIMEOUT), &Interrupt::default());
        *self.wire.limit() = limit.clone();
        let mut message = BytesMut::new();
        frontend::cancel_request(self.key.pid as i32, self.key.secret, &mut message);
        let sent = self.route.reopen(limit).and_then(|mut socket| {
            socket.send(&message)?;
            // The server closes the connection when it has passed the request on.
            socket.receive_byte()
        });
        drop(sent);
        let _ = wait_for_answer(&mut self.wire);
    }

    /// The wire for a command that the server need not wait for anything to answer.
    fn begin(&mut self) -> &mut Wire {
        *self.wire.limit() = WaitLimit::new(Some(ANSWER_TIMEOUT), &self.interrupt);
        &mut self.wire
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}

// format: u8 | columns: u16 | { format: u16 }*
fn parse_copy_both_response(body: &[u8]) -> Result<()> {
    let mut reader = Reader::new("CopyBothResponse", body);
    reader.u8("format")?;
    for _ in 0..reader.u16("number of columns")? {
        reader.u16("format of a column")?;
    }
    reader.finish()
}

// 'd' | length: u32 | 'r' | written: u64 | flushed: u64 | applied: u64 | time: i64 |
// reply_requested: u8
fn encode_status(status: &StandbyStatus, now: PgTime) -> Vec<u8> {
    let mut message = Vec::with_capacity(39);
    message.push(b'd');
    message.extend(38u32.to_be_bytes());
    message.push(b'r');
    // What is durable here is applied, too: nothing else is ever done with it.
    for position in [status.written, status.flushed, status.flushed] {
        message.extend(position.0.to_be_bytes());
    }
    message.extend(now.0.to_be_bytes());
    message.push(status.reply_requested.into());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Endpoint;
    use crate::connect::protocol::Socket;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    const STATUS: StandbyStatus = StandbyStatus {
        written: Lsn(3),
        flushed: Lsn(2),
        reply_requested: true,
    };

    /// A connection that streams from a server which is the test.
    fn streaming() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let connection = Connection {
            wire: Wire::new(Socket::new(ours.into()).unwrap()),
            key: BackendKey::default(),
            route: Route::plain(Endpoint::Unix(PathBuf::from("/nowhere"))),
            server_version: 15_00_00,
            interrupt: Interrupt::default(),
            ended: false,
        };
        (connection, theirs)
    }

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        [&[tag][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
    }

    fn xlog_data(payload: &[u8]) -> Vec<u8> {
        message(
            b'd',
            &[
                &b"w\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03"[..],
                payload,
            ]
            .concat(),
        )
    }

    fn error_response() -> Vec<u8> {
        message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0")
    }

    /// Takes payloads until something else comes.
    fn payloads(connection: &mut Connection) -> (Vec<Vec<u8>>, Result<()>) {
        let mut payloads = Vec::new();
        loop {
            match connection.next_message() {
                Ok(Some(Message::XLogData { payload, .. })) => payloads.push(payload.to_vec()),
                Ok(Some(Message::Keepalive { .. })) => {}
                Ok(Some(Message::CopyDone)) => return (payloads, Ok(())),
                Ok(None) => {
                    if let Err(error) = connection.receive() {
                        return (payloads, Err(error));
                    }
                }
                Err(error) => return (payloads, Err(error)),
            }
        }
    }

    #[test]
    fn a_stream_may_be_cut_at_every_byte() {
        let wire = [
            xlog_data(b"one"),
            message(b'd', b"k\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0"),
            message(b'S', b"name\0value\0"),
            message(b'N', b"VNOTICE\0C00000\0Mn\0\0"),
            xlog_data(b""),
            xlog_data(b"three"),
        ]
        .concat();
        let ends = [
            xlog_data(b"one").len(),
            wire.len() - xlog_data(b"three").len(),
            wire.len(),
        ];
        for cut in 0..=wire.len() {
            let (mut connection, mut server) = streaming();
            server.write_all(&wire[..cut]).unwrap();
            drop(server);
            let (payloads, end) = payloads(&mut connection);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(
                payloads,
                [&b"one"[..], b"", b"three"][..whole],
                "cut at {cut}"
            );
            let error = end.unwrap_err();
            assert_eq!(error.kind(), Kind::Transient);
            let expected = "could not receive data from the WAL stream: server closed the \
                            connection unexpectedly";
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn hostile_messages_are_errors_that_name_them() {
        let told = |wire: &[u8]| {
            let (mut connection, mut server) = streaming();
            server.write_all(wire).unwrap();
            drop(server);
            payloads(&mut connection).1.unwrap_err().to_string()
        };
        let end = |error: &str| error.split(": ").last().unwrap_or_default().to_owned();
        assert_eq!(
            end(&told(b"d\0\0\0\x03")),
            "the field \"length\" at byte 1 of its message \"d\" says 3"
        );
        assert_eq!(
            end(&told(b"d\xFF\xFF\xFF\xFF")),
            "the field \"length\" at byte 1 of its message \"d\" says 4294967295"
        );
        assert_eq!(
            end(&told(&message(b'\x1b', b""))),
            "the server sent the unexpected message \"\\x1b\""
        );
        assert_eq!(end(&told(&message(b'd', b""))), "it is empty");
        assert_eq!(
            end(&told(&message(b'd', b"r"))),
            "its kind at byte 0 is \"r\", which is unknown"
        );
        assert_eq!(
            told(&message(b'd', b"w12345678")),
            "could not read the server's message XLogData: its field \"end of the WAL\" at byte 9 \
             goes beyond the end at byte 9"
        );
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let good = [
            xlog_data(b"payload"),
            error_response(),
            message(b'c', b""),
            message(b'C', b"COPY 0\0"),
        ]
        .concat();
        for at in 0..good.len() {
            for value in [
                0, 1, 3, 4, 0x7F, 0x80, 0xFF, b'd', b'w', b'k', b'E', b'N', b'S',
            ] {
                let mut bytes = good.clone();
                bytes[at] = value;
                let (mut connection, mut server) = streaming();
                server.write_all(&bytes).unwrap();
                drop(server);
                let _ = payloads(&mut connection);
                let _ = connection.finish(Duration::from_secs(10));
            }
        }
    }

    #[test]
    fn the_servers_last_words_are_heard() {
        let (mut connection, mut server) = streaming();
        server
            .write_all(&[xlog_data(b"x"), error_response()].concat())
            .unwrap();
        drop(server);
        // The server has gone: that shows when we read.
        connection.send_status(&STATUS).unwrap();
        connection.send_status(&STATUS).unwrap();
        let (payloads, end) = payloads(&mut connection);
        assert_eq!(payloads, [b"x"]);
        let error: Error = end.unwrap_err();
        assert_eq!((error.sqlstate(), error.kind()), ("57P01", Kind::Transient));
    }

    #[test]
    fn a_server_that_shuts_down_ends_the_stream() {
        for end in [message(b'c', b""), message(b'C', b"COPY 0\0")] {
            let (mut connection, mut server) = streaming();
            server.write_all(&[xlog_data(b"x"), end].concat()).unwrap();
            drop(server);
            let (payloads, end) = payloads(&mut connection);
            assert_eq!(payloads, [b"x"]);
            end.unwrap();
            connection.finish(Duration::from_secs(10)).unwrap();
        }
    }

    #[test]
    fn tells_how_far_it_is() {
        let (mut connection, mut server) = streaming();
        connection.send_status(&STATUS).unwrap();
        drop(connection);
        let mut sent = Vec::new();
        server.read_to_end(&mut sent).unwrap();
        let positions = b"d\0\0\0\x26r\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x02";
        assert_eq!(
            (sent.len(), sent.starts_with(positions), sent.last()),
            (39, true, Some(&1))
        );
    }

    #[test]
    fn ends_in_good_order_or_says_why_not() {
        let good = [
            xlog_data(b"x"),
            message(b'c', b""),
            message(b'C', b"COPY 0\0"),
            message(b'Z', b"I"),
        ]
        .concat();
        let (mut connection, mut server) = streaming();
        server.write_all(&good).unwrap();
        connection.finish(Duration::from_secs(10)).unwrap();
        drop(connection);
        let mut sent = Vec::new();
        server.read_to_end(&mut sent).unwrap();
        assert_eq!(sent, b"c\0\0\0\x04X\0\0\0\x04");

        let (mut connection, mut server) = streaming();
        server
            .write_all(&[xlog_data(b"x"), error_response()].concat())
            .unwrap();
        assert_eq!(
            connection
                .finish(Duration::from_secs(10))
                .unwrap_err()
                .sqlstate(),
            "57P01"
        );

        let (mut connection, mut server) = streaming();
        server.write_all(&xlog_data(b"x")).unwrap();
        drop(server);
        let error = connection.finish(Duration::from_secs(10)).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("server closed the connection unexpectedly"),
            "{error}"
        );

        // A large transaction may go on for longer than is waited for.
        let (mut connection, _server) = streaming();
        connection.finish(Duration::from_millis(50)).unwrap();
    }

    #[test]
    fn a_server_that_reads_nothing_is_given_up() {
        let (mut connection, _server) = streaming();
        let timeout = Some(Duration::from_millis(20));
        rustix::net::sockopt::set_socket_timeout(
            &connection,
            rustix::net::sockopt::Timeout::Send,
            timeout,
        )
        .unwrap();
        let error = (0..1_000_000)
            .find_map(|_| connection.send_status(&STATUS).err())
            .unwrap();
        let expected =
            "could not report to the server: the server does not read what is sent to it";
        assert_eq!(
            (error.to_string().as_str(), error.kind()),
            (expected, Kind::Transient)
        );
    }

    #[test]
    fn starts_the_stream_or_is_ready_for_the_next_command() {
        let (mut connection, mut server) = streaming();
        server
            .write_all(&[error_response(), message(b'Z', b"I")].concat())
            .unwrap();
        assert_eq!(
            connection
                .start_replication("s", Lsn(1), &[])
                .unwrap_err()
                .sqlstate(),
            "57P01"
        );
        // The beginning of the stream may come together with the answer.
        server
            .write_all(&[message(b'W', b"\0\0\0"), xlog_data(b"x")].concat())
            .unwrap();
        connection.start_replication("s", Lsn(1), &[]).unwrap();
        assert!(connection.buffered());
        assert!(matches!(
            connection.next_message().unwrap(),
            Some(Message::XLogData { payload: b"x", .. })
        ));
        assert!(!connection.buffered());
        for body in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"\0\0\x01",
            b"\0\0\0x",
            b"\0\xFF\xFF",
        ] {
            let (mut connection, mut server) = streaming();
            server.write_all(&message(b'W', body)).unwrap();
            let error = connection.start_replication("s", Lsn(1), &[]).unwrap_err();
            assert!(error.to_string().contains("CopyBothResponse"), "{error}");
        }
    }
}
