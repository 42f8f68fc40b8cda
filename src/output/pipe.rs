//! Pipes, terminals, sockets: readers that may be slow or leave.

use super::Written;
use crate::error::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

/// How much is written at a time once `poll` says that there is room. A pipe with room takes PIPE_BUF bytes, 4096 on Linux,
/// without blocking; that way stdout, which other processes may share, need not be switched to non-blocking.
pub const CHUNK: usize = 4096;

/// The write end of a pipe or the like.
pub struct Pipe {
    fd: OwnedFd,
    name: String,
}

impl Pipe {
    /// `name` is for messages.
    pub fn new(fd: OwnedFd, name: impl Into<String>) -> Pipe {
        Pipe { fd, name: name.into() }
    }

    /// What to `poll` on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Writes what the reader takes without blocking, and says how many bytes that were.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(usize, Written)> {
        let mut taken = 0;
        for chunk in bytes.chunks(CHUNK) {
            let mut rest = chunk;
            while !rest.is_empty() {
                if !self.has_room()? {
                    return Ok((taken, Written::Blocked));
                }
                match rustix::io::write(&self.fd, rest) {
                    Ok(n) => {
                        taken += n;
                        rest = rest.get(n..).unwrap_or_default();
                    }
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(Errno::PIPE) => return Ok((taken, Written::Closed)),
                    Err(error) => return Err(self.failed(error)),
                }
            }
        }
        Ok((taken, Written::All))
    }

    fn has_room(&self) -> Result<bool> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: Errno) -> Error {
        Error::new(format!("could not write to {}: {}", self.name, std::io::Error::from(error)))
    }
}
