//! Destinations: one file each behind one trait. [`stdout`] and [`file()`] open them.
//!
//! A [`Sink`] takes records in their order and knows up to which of them all is safe. What that
//! means, how records are gathered into blocks or batches, when they are synced, and what becomes
//! of a slow reader is its own business. The stream only waits for what the sink names, drives it
//! without ever being blocked, and confirms to the server what is durable.

mod buffer;
mod exec;
mod file;
#[cfg(feature = "nats")]
pub mod nats;
mod pipe;
mod replayed;
mod reversed;

pub use exec::{Consumer, ExecSink, Group};
pub use file::checkpoint;
pub use file::{Destination, Existing, FileSink, Source};
pub use pipe::PipeSink;
pub use replayed::{ReplayedSink, Target};
pub use reversed::{ReversedSink, Spool};

use crate::error::{Error, Result};
use crate::event::EventId;
use crate::lsn::Lsn;
use crate::record::Records;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, stat};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

/// One destination. How much it was given is counted in units of its own, which only grow.
pub trait Sink: Records {
    /// What it held when it was opened.
    fn held(&self) -> Held<'_>;

    /// The file of records that it goes on with, if it goes on with one.
    fn earlier(&self) -> Option<Earlier<'_>> {
        None
    }

    /// Drops what the file held that it goes on with. It must have been made ready, and nothing
    /// been appended.
    fn start_over(&mut self) -> Result<()> {
        Ok(())
    }

    /// What is missing from it for good, if the slot is confirmed up to there: a sentence each.
    fn gaps(&self, confirmed: Option<Lsn>) -> Vec<String>;

    /// Makes it ready for what comes. Until then it is only looked at. The server is on this
    /// timeline, if that is known, and the slot confirmed up to there.
    fn begin(&mut self, timeline: Option<u32>, confirmed: Option<Lsn>) -> Result<()>;

    /// The server is on this timeline now, if that is known.
    fn on_timeline(&mut self, timeline: Option<u32>);

    /// How much was appended.
    fn appended(&self) -> u64;

    /// How much of it was taken by the destination.
    fn written(&self) -> u64;

    /// How much of it is safe.
    fn durable(&self) -> u64;

    /// Returns `true` if the server is to be told at once what has become durable.
    fn reports_at_once(&self) -> bool {
        false
    }

    /// What was appended until now ends with a whole transaction, which ends at `last` as far as
    /// that is known.
    fn end_transaction(&mut self, last: Option<EventId>) {
        let _ = last;
    }

    /// The stream is to end: returns `true` if the rest of the transaction at hand is needed first.
    fn needs_rest(&mut self) -> bool {
        false
    }

    /// Returns `false` if what it holds is enough for now.
    fn has_room(&self) -> bool;

    /// Names what to wait for.
    fn watch<'a>(&'a self, watched: &mut Watched<'a>);

    /// Hands on what waits, as far as that does not block.
    fn drive(&mut self, moment: &Moment) -> Result<Driven>;

    /// The server is about to be told that all before `position` is durable.
    fn confirm(&mut self, position: Lsn) -> Result<()>;

    /// Returns `true` if the next run can go on within a transaction.
    fn resumes(&self) -> bool;

    /// Returns `true` if it can be opened again by its name.
    fn reopens(&self) -> bool;

    /// Opens it by its name again, after the log rotation that moved the old one away, which ends
    /// at `last`. All of it must be durable.
    fn reopen(&mut self, last: Option<EventId>) -> Result<()>;

    /// After a transient error: what it has dropped, so that it must come again.
    fn take_rewound(&mut self) -> Option<Rewound> {
        None
    }
}

/// Where the stream has to go on after a sink has dropped all that was not durable.
#[derive(Clone, Copy, Debug)]
pub struct Rewound {
    /// After this, which was the last when what is durable ended; `None` if nothing is.
    pub last: Option<EventId>,
}

/// What a sink held when it was opened.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// What messages call the sink.
    pub name: &'a str,
    /// The last event: the stream goes on after it.
    pub last: Option<EventId>,
    /// The timeline that it came from, if that is known.
    pub timeline: Option<u32>,
}

/// A file of records that a sink goes on with.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// The file.
    pub file: &'a File,
    /// Whether it was rotated away, so that what comes goes into another.
    pub rotated: bool,
}

/// When a sink is driven, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now.
    pub now: Instant,
    /// How much is wanted of it.
    pub urge: Urge,
    /// What came of the file descriptors that it watches.
    pub ready: PollFlags,
    /// All that was appended comes before this position.
    pub received: Lsn,
    /// The last event that was appended, or would have been if it were shown.
    pub last: Option<EventId>,
    /// Whether no transaction is appended in part.
    pub at_boundary: bool,
}

/// How much is wanted of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urge {
    /// More is about to come: what makes a good block can go.
    More,
    /// Nothing more comes for now: what is there can go.
    Quiet,
    /// What is there is to be durable soon.
    Durable,
    /// Nothing more comes.
    End,
    /// The same, and the user waits for the program to end.
    Stop,
    /// The same, and the time that it had is over.
    Overdue,
}

/// What came of driving a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driven {
    /// All that was appended is taken, and durable as soon as it can be.
    Settled,
    /// There is more to do.
    Busy,
    /// The reader is gone for good.
    ReaderGone,
    /// Not all of it is taken, and nothing more will be.
    GivenUp,
}

/// What to wait for: file descriptors, and the moment when a sink wants to be driven at the latest.
#[derive(Default)]
pub struct Watched<'a> {
    fds: Vec<PollFd<'a>>,
    due: Option<Instant>,
}

impl<'a> Watched<'a> {
    /// Waits for this of a file descriptor; errors and the other side's leaving are always waited
    /// for.
    pub fn fd(&mut self, fd: BorrowedFd<'a>, flags: PollFlags) {
        self.fds.push(PollFd::from_borrowed_fd(fd, flags));
    }

    /// Waits no longer than until then.
    pub fn due(&mut self, due: Option<Instant>) {
        self.due = self.due.into_iter().chain(due).min();
    }

    /// The file descriptors, and until when to wait at the latest.
    pub fn into_parts(self) -> (Vec<PollFd<'a>>, Option<Instant>) {
        (self.fds, self.due)
    }
}

/// Standard output: a pipe, a terminal, or the file that the shell opened. `confirms` says that the
/// server will forget what it takes.
pub fn stdout(confirms: bool, fsync_interval: Duration) -> Result<Box<dyn Sink>> {
    let stdout = std::io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| Error::new(format!("could not use standard output: {error}")))?;
    let name = "standard output".to_owned();
    if confirms && may_be_closed(&stdout) {
        return Err(Error::new(format!(
            "could not write to {name}: it is closed, or the null device"
        ))
        .with_detail("The changes would be confirmed, and nobody would ever have them.")
        .with_remedy("--file /dev/null, if nobody is to have them, or --peek"));
    }
    Ok(match is_regular(&stdout) {
        true => Box::new(FileSink::from_stdout(stdout, name, fsync_interval)),
        false => Box::new(PipeSink::new(stdout, name)),
    })
}

/// The file, made if it is not there. A FIFO or a device behaves like a pipe; a FIFO is waited for
/// until it has a reader: `interrupted` waits for the time it is given and says whether to give up.
pub fn file(
    to: &Destination,
    fsync_interval: Duration,
    interrupted: &dyn Fn(Duration) -> bool,
) -> Result<Box<dyn Sink>> {
    // What stdout stands for, perhaps a socket, is already open.
    if to.path == Path::new("/dev/stdout") {
        return stdout(to.confirms, fsync_interval);
    }
    Ok(match file::open(to, interrupted)? {
        file::Opened::File(opened) => Box::new(FileSink::opened(*opened, fsync_interval)?),
        file::Opened::Pipe(fd) => {
            Box::new(PipeSink::new(fd, to.path.to_string_lossy().into_owned()))
        }
    })
}

/// Returns `true` for a regular file.
fn is_regular(fd: &impl AsFd) -> bool {
    fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// Returns `true` if standard output may have been closed when the program began. Rust's runtime
/// opens the null device, for reading and writing, in the place of a standard descriptor that is
/// closed. A shell opens it for writing only; some programs open it for their children as the
/// runtime does, and nothing tells that from a closed descriptor.
fn may_be_closed(stdout: &impl AsFd) -> bool {
    let (Ok(opened), Ok(null)) = (fstat(stdout), stat("/dev/null")) else {
        return false;
    };
    let is_null = FileType::from_raw_mode(opened.st_mode) == FileType::CharacterDevice
        && opened.st_rdev == null.st_rdev;
    is_null && fcntl_getfl(stdout).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR)
}
