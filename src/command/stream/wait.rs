//! One `poll` on everything that a stream may wait for.

use crate::error::{Error, Result};
use crate::sink::{Sink, Watched};
use crate::stop::Stop;
use crate::walsender::Connection;
use rustix::event::{PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::time::Instant;

/// What a wait brought.
pub struct Ready {
    /// The server sent something, or hung up.
    pub socket: bool,
    /// A signal came.
    pub signal: bool,
    /// What came of the sink's file descriptors.
    pub sink: PollFlags,
}

/// Waits for whatever comes first: the server (if a connection is given), rows that are read beside
/// it, what the sink waits for, a signal, or the moment `until`.
pub fn wait_for(
    connection: Option<&Connection>,
    reader: Option<BorrowedFd<'_>>,
    sink: &dyn Sink,
    stop: &Stop,
    until: Option<Instant>,
) -> Result<Ready> {
    let mut watched = Watched::default();
    watched.fd(stop.wake_up(), PollFlags::IN);
    if let Some(connection) = connection {
        watched.fd(connection.as_fd(), PollFlags::IN);
    }
    if let Some(reader) = reader {
        watched.fd(reader, PollFlags::IN);
    }
    watched.due(until);
    sink.watch(&mut watched);
    let (mut fds, due) = watched.into_parts();
    let timeout = due.map(|due| {
        let left = due.saturating_duration_since(Instant::now());
        Timespec {
            tv_sec: left.as_secs().min(i32::MAX as u64) as i64,
            tv_nsec: left.subsec_nanos().into(),
        }
    });
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => {
            return Err(Error::new(format!(
                "could not wait for the server: {}",
                std::io::Error::from(error)
            )));
        }
    }
    let mut ready = fds.iter().map(|fd| fd.revents());
    let signal = ready.next().unwrap_or(PollFlags::empty());
    let socket = connection.and_then(|_| ready.next());
    if reader.is_some() {
        ready.next();
    }
    if signal.contains(PollFlags::IN) {
        stop.drain();
    }
    Ok(Ready {
        socket: socket.is_some_and(|socket| !socket.is_empty()),
        signal: !signal.is_empty(),
        sink: ready.fold(PollFlags::empty(), |all, one| all | one),
    })
}
