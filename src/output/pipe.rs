//! Pipes, terminals, sockets: readers that may be slow or leave.

use super::Written;
use crate::error::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::Errno;

/// How much is written at a time to what would block. A pipe that `poll` finds ready takes PIPE_BUF
/// bytes, 4096 on Linux, without blocking.
pub const CHUNK: usize = 4096;

/// The write end of a pipe or the like.
pub struct Pipe {
    fd: OwnedFd,
    /// Does a write always return at once, whatever the reader does?
    nonblocking: bool,
    name: String,
}

impl Pipe {
    /// `name` is for messages.
    pub fn new(fd: OwnedFd, name: impl Into<String>) -> Pipe {
        let name = name.into();
        match open_anew(&fd) {
            Some(fd) => Pipe {
                fd,
                nonblocking: true,
                name,
            },
            None => Pipe {
                fd,
                nonblocking: false,
                name,
            },
        }
    }

    /// What to `poll` on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Writes what the reader takes without blocking, and says how many bytes that were.
    pub fn write(&mut self, bytes: &[u8]) -> (usize, Result<Written>) {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.write_some(rest) {
                Ok(n) => taken += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return (taken, Ok(Written::Blocked)),
                Err(Errno::PIPE | Errno::CONNRESET) => return (taken, Ok(Written::Closed)),
                Err(error) => return (taken, Err(self.failed(error))),
            }
        }
        (taken, Ok(Written::All))
    }

    fn write_some(&self, rest: &[u8]) -> std::result::Result<usize, Errno> {
        if self.nonblocking {
            return rustix::io::write(&self.fd, rest);
        }
        let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
        match poll(
            &mut fds,
            Some(&Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            }),
        )? {
            0 => Err(Errno::AGAIN),
            _ => rustix::io::write(&self.fd, rest.get(..CHUNK).unwrap_or(rest)),
        }
    }

    fn failed(&self, error: Errno) -> Error {
        Error::new(format!(
            "could not write to {}: {}",
            self.name,
            std::io::Error::from(error)
        ))
    }
}

/// The same pipe or terminal, opened once more without blocking: stdout, which other processes may
/// share, stays as it is. Where that cannot be had, as for sockets, `None`.
fn open_anew(fd: &OwnedFd) -> Option<OwnedFd> {
    let kind = FileType::from_raw_mode(fstat(fd).ok()?.st_mode);
    if !matches!(kind, FileType::Fifo | FileType::CharacterDevice) {
        return None;
    }
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(
        format!("/proc/self/fd/{}", fd.as_raw_fd()),
        flags,
        Mode::empty(),
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::read;

    #[test]
    fn a_full_pipe_takes_nothing_and_blocks_nobody() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut pipe = Pipe::new(writer, "the pipe");
        let bytes = vec![7; 1 << 20];
        let (taken, outcome) = pipe.write(&bytes);
        assert_eq!(outcome.unwrap(), Written::Blocked);
        assert!(taken >= CHUNK && taken < bytes.len());
        let mut buffer = vec![0; taken];
        let read = read(&reader, &mut buffer).unwrap();
        assert!(read > 0 && pipe.write(&bytes).0 > 0);
        drop(reader);
        assert_eq!(pipe.write(&bytes).1.unwrap(), Written::Closed);
    }

    #[test]
    fn a_socket_blocks_nobody_either() {
        let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut pipe = Pipe::new(writer.into(), "the socket");
        let bytes = vec![7; 1 << 22];
        let (taken, outcome) = pipe.write(&bytes);
        assert_eq!(outcome.unwrap(), Written::Blocked);
        assert!(taken >= CHUNK && taken < bytes.len());
        drop(reader);
        assert_eq!(pipe.write(&bytes).1.unwrap(), Written::Closed);
    }
}
