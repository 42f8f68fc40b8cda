//! One `poll` on everything that a stream may wait for.

use crate::error::{Error, Result};
use crate::output::Output;
use crate::stop::Stop;
use crate::walsender::Connection;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::time::Duration;

/// How long a reader that takes nothing holds up a stop that a signal asked for.
pub const STALLED_READER_LIMIT: Duration = Duration::from_secs(1);

/// What a wait brought.
#[derive(Default)]
pub struct Ready {
    /// The server sent something, or hung up.
    pub socket: bool,
    /// A signal came.
    pub signal: bool,
    /// The reader of the output is gone.
    pub reader_gone: bool,
}

/// Waits for whatever comes first: the server (if a connection is given), room for waiting output,
/// the end of a sync, a signal, the timeout.
pub fn wait_for(
    connection: Option<&Connection>,
    output: &Output,
    stop: &Stop,
    timeout: Option<Duration>,
) -> Result<Ready> {
    let wake_up = stop.wake_up();
    let socket = connection.map(|connection| connection.as_fd());
    let room = if output.waiting() > 0 {
        PollFlags::OUT
    } else {
        PollFlags::empty()
    };
    let mut fds = [(); 4].map(|()| PollFd::from_borrowed_fd(wake_up, PollFlags::IN));
    let [_, socket_place, output_place, bell_place] = &mut fds;
    if let Some(socket) = socket {
        *socket_place = PollFd::from_borrowed_fd(socket, PollFlags::IN);
    }
    if let Some(watched) = output.watched() {
        *output_place = PollFd::from_borrowed_fd(watched, room);
    }
    if let Some(bell) = output.bell() {
        *bell_place = PollFd::from_borrowed_fd(bell, PollFlags::IN);
    }
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as i64,
        tv_nsec: timeout.subsec_nanos().into(),
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
    let [signal, from_socket, from_output, _] = fds.map(|fd| fd.revents());
    if signal.contains(PollFlags::IN) {
        stop.drain();
    }
    Ok(Ready {
        socket: socket.is_some() && !from_socket.is_empty(),
        signal: !signal.is_empty(),
        reader_gone: output.watched().is_some()
            && from_output.intersects(PollFlags::ERR | PollFlags::HUP),
    })
}
