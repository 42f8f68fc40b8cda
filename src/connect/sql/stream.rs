//! What the `tokio-postgres` crate reads from and writes to: a session that is there already.
//!
//! The session was opened by `connect::protocol`, as that for replication is. To the crate it is
//! shown as one that begins without a password. From then on every message passes through here, in
//! whole: so what the server says by the way is heard and no message that makes no sense reaches
//! the crate, nor more of them than anything here can be meant to ask for.

use super::Failure;
use crate::connect::protocol::io_error;
use crate::connect::protocol::{Frame, WaitLimit, Wire};
use crate::error::{Error, Result, ServerError};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// No answer may be longer, in bytes: this is the columns of half a million tables.
const LONGEST_ANSWER: usize = 64 << 20;

/// A statement is prepared, run and in time closed, in a round of messages each. Many more rounds
/// would mean that the crate is led to ask about types without end, which no statement here makes
/// it do.
const MOST_ROUNDS: usize = 100;

/// AuthenticationOk, ReadyForQuery.
const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

/// The stream that the crate has; [`Link`] is the other end.
pub struct Stream(Link);

/// What is known of the session beside the crate.
#[derive(Clone)]
pub struct Link(Arc<Mutex<State>>);

struct State {
    wire: Wire,
    /// The crate has not sent its startup packet yet, which goes nowhere.
    greeted: bool,
    /// What the crate has still to read.
    pending: Vec<u8>,
    read: usize,
    /// What may still come.
    bytes_left: usize,
    rounds_left: usize,
    /// The server's last refusal.
    refusal: Option<ServerError>,
    /// Why the session is of no further use.
    failure: Option<Failure>,
}

impl Link {
    /// The session over this wire.
    pub fn new(wire: Wire) -> Link {
        Link(Arc::new(Mutex::new(State {
            wire,
            greeted: false,
            pending: GREETING.to_vec(),
            read: 0,
            bytes_left: 0,
            rounds_left: 0,
            refusal: None,
            failure: None,
        })))
    }

    /// The crate's end.
    pub fn stream(&self) -> Stream {
        Stream(self.clone())
    }

    /// A statement begins, which may wait this long for its answer.
    pub fn begin(&self, limit: WaitLimit) {
        let mut state = self.state();
        *state.wire.limit() = limit;
        state.bytes_left = LONGEST_ANSWER;
        state.rounds_left = MOST_ROUNDS;
        state.refusal = None;
    }

    /// Waits until the server sends something.
    pub fn wait(&self) -> io::Result<()> {
        self.state().wire.socket().wait_readable()
    }

    /// The session is of no further use, for this reason.
    pub fn fail(&self, reason: Failure) {
        self.state().failure.get_or_insert(reason);
    }

    /// Why it is of no further use, if so.
    pub fn failure(&self) -> Option<Failure> {
        self.state().failure.clone()
    }

    /// What the server refused the last statement with.
    pub fn take_refusal(&self) -> Option<ServerError> {
        self.state().refusal.take()
    }

    /// Says goodbye, so that the server logs no lost connection.
    pub fn terminate(&self) {
        let mut state = self.state();
        if state.failure.is_none() {
            let _ = state.wire.send(b"X\0\0\0\x04");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes `pending` the next message for the crate; `false` if there is none yet.
    fn advance(&mut self) -> Result<bool> {
        loop {
            while let Some(frame) = self.wire.next_frame()? {
                self.pending.clear();
                self.read = 0;
                self.take(&frame)?;
                if !self.pending.is_empty() {
                    return Ok(true);
                }
            }
            let readable = self.wire.socket().is_readable();
            if !readable.map_err(|error| io_error(&error))? {
                return Ok(false);
            }
            let count = self.wire.receive().map_err(|error| io_error(&error))?;
            self.bytes_left = self.bytes_left.checked_sub(count).ok_or_else(|| {
                Error::because(format!(
                    "its answer is longer than {} MB",
                    LONGEST_ANSWER >> 20
                ))
            })?;
        }
    }

    fn take(&mut self, frame: &Frame) -> Result<()> {
        match frame.tag {
            b'N' | b'S' | b'A' => return self.wire.note(frame),
            b'E' => {
                // What it says goes past the crate, which takes less of it.
                let refusal = self.wire.report(frame)?.content;
                let code = refusal.sqlstate.replace('\0', "");
                self.refusal = Some(refusal);
                put(
                    b'E',
                    format!("SERROR\0C{code}\0M\0\0").as_bytes(),
                    &mut self.pending,
                );
                return Ok(());
            }
            b'Z' => {
                self.rounds_left = self
                    .rounds_left
                    .checked_sub(1)
                    .ok_or_else(|| Error::because("its answer has no end"))?;
            }
            _ => {}
        }
        put(frame.tag, self.wire.body(frame), &mut self.pending);
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if state.failure.is_some() {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        if state.read >= state.pending.len() {
            match state.advance() {
                Ok(true) => {}
                // Whoever drives the session waits for the socket.
                Ok(false) => return Poll::Pending,
                Err(error) => {
                    state.failure = Some(error.into());
                    return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
                }
            }
        }
        let left = state.pending.get(state.read..).unwrap_or_default();
        let count = left.len().min(out.remaining());
        out.put_slice(left.get(..count).unwrap_or_default());
        state.read += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.state();
        if !std::mem::replace(&mut state.greeted, true) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let sent = state.wire.send(bytes);
        if let Err(error) = &sent {
            state.failure = Some(io_error(error).into());
        }
        Poll::Ready(sent.map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

// tag: u8 | length: u32 | body
fn put(tag: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
}
