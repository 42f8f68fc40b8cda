//! Pipes, terminals, sockets: readers that may be slow or leave. What they took counts as durable.

use super::buffer::Buffer;
use super::{Driven, Held, Moment, Sink, Urge, Watched};
use crate::error::{Error, Result};
use crate::event::{Event, EventId};
use crate::lsn::Lsn;
use crate::record::Records;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// How much is written at a time to what would block. A pipe that `poll` finds ready takes PIPE_BUF
/// bytes, 4096 on Linux, without blocking.
const CHUNK: usize = 4096;

/// With this much waiting for a slow reader nothing more is taken: the rest waits at the server.
const HIGH_WATER: usize = 1 << 20;

/// How long a reader that takes nothing holds up a stop that the user asked for.
const STALLED_LIMIT: Duration = Duration::from_secs(1);

/// How long a reader that takes little by little does.
const SLOW_LIMIT: Duration = Duration::from_secs(30);

/// A pipe or the like. Its units are bytes.
pub struct PipeSink {
    pipe: Pipe,
    buffer: Buffer,
    stop: Option<Stopping>,
}

/// Since when the user waits for the reader to take the rest.
struct Stopping {
    asked: Instant,
    /// When it took anything last.
    taken: Instant,
}

impl PipeSink {
    /// `name` is for messages.
    pub fn new(fd: OwnedFd, name: String) -> PipeSink {
        PipeSink {
            pipe: Pipe::new(fd, name),
            buffer: Buffer::default(),
            stop: None,
        }
    }

    /// What becomes of what the reader does not take just now.
    fn blocked(&mut self, moment: &Moment, progress: bool) -> Driven {
        if moment.urge < Urge::Stop {
            return Driven::Busy;
        }
        let stop = self.stop.get_or_insert(Stopping {
            asked: moment.now,
            taken: moment.now,
        });
        if progress {
            stop.taken = moment.now;
        }
        match stop.limit() <= moment.now {
            true => Driven::GivenUp,
            false => Driven::Busy,
        }
    }
}

impl Stopping {
    fn limit(&self) -> Instant {
        (self.taken + STALLED_LIMIT).min(self.asked + SLOW_LIMIT)
    }
}

impl Records for PipeSink {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer.bytes()
    }

    fn append(&mut self, _: Option<&Event<'_>>) {}
}

impl Sink for PipeSink {
    fn held(&self) -> Held<'_> {
        Held {
            name: &self.pipe.name,
            last: None,
            timeline: None,
        }
    }

    fn gaps(&self, _: Option<Lsn>) -> Vec<String> {
        Vec::new()
    }

    fn begin(&mut self, _: Option<u32>, _: Option<Lsn>) -> Result<()> {
        Ok(())
    }

    fn on_timeline(&mut self, _: Option<u32>) {}

    fn appended(&self) -> u64 {
        self.buffer.appended()
    }

    fn written(&self) -> u64 {
        self.buffer.taken()
    }

    fn durable(&self) -> u64 {
        self.buffer.taken()
    }

    fn has_room(&self) -> bool {
        self.buffer.waiting().len() < HIGH_WATER
    }

    fn watch<'a>(&'a self, watched: &mut Watched<'a>) {
        let room = match self.buffer.waiting().is_empty() {
            true => PollFlags::empty(),
            false => PollFlags::OUT,
        };
        watched.fd(self.pipe.fd.as_fd(), room);
        watched.due(self.stop.as_ref().map(Stopping::limit));
    }

    fn drive(&mut self, moment: &Moment) -> Result<Driven> {
        if moment.ready.intersects(PollFlags::ERR | PollFlags::HUP) {
            return Ok(Driven::ReaderGone);
        }
        let (taken, outcome) = self.pipe.write(self.buffer.waiting());
        self.buffer.take(taken);
        Ok(match outcome? {
            Written::All => Driven::Settled,
            Written::Blocked => self.blocked(moment, taken > 0),
            Written::Closed => Driven::ReaderGone,
        })
    }

    fn confirm(&mut self, _: Lsn) -> Result<()> {
        Ok(())
    }

    fn resumes(&self) -> bool {
        false
    }

    fn reopens(&self) -> bool {
        false
    }

    fn reopen(&mut self, _: Option<EventId>) -> Result<()> {
        Ok(())
    }
}

/// The write end of a pipe or the like.
struct Pipe {
    fd: OwnedFd,
    /// Returns `true` if a write always returns at once, whatever the reader does.
    nonblocking: bool,
    name: String,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// All of it was taken.
    All,
    /// The reader is slow: the rest waits until there is room.
    Blocked,
    /// The reader is gone for good.
    Closed,
}

impl Pipe {
    fn new(fd: OwnedFd, name: String) -> Pipe {
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

    /// Writes what the reader takes without blocking, and says how many bytes that were.
    fn write(&self, bytes: &[u8]) -> (usize, Result<Written>) {
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
        let pipe = Pipe::new(writer, "the pipe".to_owned());
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
        let pipe = Pipe::new(writer.into(), "the socket".to_owned());
        let bytes = vec![7; 1 << 22];
        let (taken, outcome) = pipe.write(&bytes);
        assert_eq!(outcome.unwrap(), Written::Blocked);
        assert!(taken >= CHUNK && taken < bytes.len());
        drop(reader);
        assert_eq!(pipe.write(&bytes).1.unwrap(), Written::Closed);
    }
}
