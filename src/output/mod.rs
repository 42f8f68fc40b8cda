//! Bytes out: one buffer in front of stdout, a pipe or a file, that knows how many of its bytes are
//! safe.
//!
//! The stream command appends whole lines to its [`buffer`](Records::buffer), lets
//! [`Output::write`] hand on what is taken without blocking, and confirms to the server what
//! [`Output::durable`] counts. Offsets count all bytes of the process's life, whatever file they
//! went to.

mod attribute;
pub mod checkpoint;
mod disk;
mod file;
mod pipe;
mod rotated;
mod syncer;

use crate::error::{Error, Result};
use crate::event::{Event, Position};
use crate::lsn::Lsn;
use crate::record::Records;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, stat};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use attribute::{Resume, Source};
use file::OutputFile;
use pipe::Pipe;

/// Where the events go.
pub struct Output {
    sink: Sink,
    buffer: Vec<u8>,
    /// How much of the buffer is written.
    written: usize,
    /// The offset of the buffer's first byte.
    base: u64,
    /// The offset up to which all is durable.
    durable: u64,
    /// What is written comes before this position, and ends with this event.
    mark: (Lsn, Option<Position>),
}

/// A file that is to be written.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its path.
    pub path: PathBuf,
    /// What it is to us if it is there already.
    pub existing: Existing,
    /// Where its lines come from.
    pub source: Source,
    /// Will the server forget what it holds?
    pub confirms: bool,
}

enum Sink {
    File(Box<OutputFile>),
    Pipe(Pipe),
}

/// What an existing file is to the new output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// The checkpoint: go on behind its last whole line.
    Resume,
    /// Lines to append to.
    Append,
    /// Bytes to append to, which are not lines of ours.
    AppendBytes,
}

impl Destination {
    /// Returns `true` if the file is to say of itself where it comes from. A mere look at a slot
    /// that stays as it is leaves no trace.
    fn is_described(&self) -> bool {
        self.confirms || self.source.slot.is_none()
    }
}

/// What became of a [`Output::write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// All of it was taken.
    All,
    /// The reader is slow: the rest stays in the buffer until `poll` says that there is room.
    Blocked,
    /// The reader is gone for good.
    Closed,
}

/// What the buffer may hold while idle.
const IDLE_CAPACITY: usize = 512 << 10;

impl Output {
    /// Standard output: a pipe, a terminal, or the file that the shell opened. `confirms` says that
    /// the server will forget what it takes.
    pub fn stdout(confirms: bool) -> Result<Output> {
        let stdout = std::io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| Error::new(format!("could not use standard output: {error}")))?;
        let name = "standard output";
        if confirms && may_be_closed(&stdout) {
            return Err(Error::new(format!(
                "could not write to {name}: it is closed, or the null device"
            ))
            .with_detail("The changes would be confirmed, and nobody would ever have them.")
            .with_remedy("--file /dev/null, if nobody is to have them, or --peek"));
        }
        Ok(Output::new(match file::is_regular(&stdout) {
            true => Sink::File(Box::new(OutputFile::from_stdout(stdout, name))),
            false => Sink::Pipe(Pipe::new(stdout, name)),
        }))
    }

    /// The file, made if it is not there, and what is known of it. A FIFO or a device behaves like
    /// a pipe; a FIFO is waited for until it has a reader: `interrupted` waits for the time it is
    /// given and says whether to give up.
    pub fn open(
        to: &Destination,
        interrupted: &dyn Fn(Duration) -> bool,
    ) -> Result<(Output, Resume)> {
        let name = to.path.to_string_lossy();
        // What stdout stands for, perhaps a socket, is already open.
        if to.path == Path::new("/dev/stdout") {
            return Ok((
                Output::stdout(to.confirms)?,
                Resume::nothing(name.into_owned()),
            ));
        }
        Ok(match file::open(to, interrupted)? {
            file::Opened::File(opened) => {
                let (mut file, mut resume) = *opened;
                file.follow(&mut resume)?;
                (Output::new(Sink::File(Box::new(file))), resume)
            }
            file::Opened::Pipe(fd) => (
                Output::new(Sink::Pipe(Pipe::new(fd, name.clone()))),
                Resume::nothing(name.into_owned()),
            ),
        })
    }

    /// Prepares the file, which was only read so far, for appending: cuts off an incomplete last
    /// line, and makes durable what a killed process may have left unsynced. The server is on this
    /// timeline, and its slot confirmed up to there.
    pub fn begin(&mut self, timeline: u32, confirmed: Option<Lsn>, resume: &Resume) -> Result<()> {
        match &mut self.sink {
            Sink::File(file) => file.begin(Some(timeline), confirmed, resume),
            Sink::Pipe(_) => Ok(()),
        }
    }

    /// The server has changed its timeline.
    pub fn on_timeline(&mut self, timeline: u32) {
        if let Sink::File(file) = &mut self.sink {
            file.on_timeline(timeline);
        }
    }

    fn new(sink: Sink) -> Output {
        Output {
            sink,
            buffer: Vec::new(),
            written: 0,
            base: 0,
            durable: 0,
            mark: (Lsn::INVALID, None),
        }
    }

    /// The offset behind the last byte appended.
    pub fn appended(&self) -> u64 {
        self.base + self.buffer.len() as u64
    }

    /// The offset behind the last byte that the operating system has taken.
    pub fn written(&self) -> u64 {
        self.base + self.written as u64
    }

    /// The offset behind the last durable byte: synced to the disk for a file, taken by the reader
    /// for a pipe.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// How many bytes wait to be written.
    pub fn waiting(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// Is the output a regular file, which never blocks and wants to be synced?
    pub fn is_file(&self) -> bool {
        matches!(self.sink, Sink::File(_))
    }

    /// Is it a file that was named, and can be opened again by its name?
    pub fn has_name(&self) -> bool {
        matches!(&self.sink, Sink::File(file) if file.has_name())
    }

    /// Does what it holds say where to go on, also within a transaction?
    pub fn resumes(&self) -> bool {
        matches!(&self.sink, Sink::File(file) if file.resumes())
    }

    /// What to watch for room or for the reader's leaving; nothing for files.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        match &self.sink {
            Sink::File(_) => None,
            Sink::Pipe(pipe) => Some(pipe.fd()),
        }
    }

    /// Writes what waits: all of it to a file, to a pipe what fits just now.
    pub fn write(&mut self) -> Result<Written> {
        let waiting = self.buffer.get(self.written..).unwrap_or_default();
        let (taken, outcome) = match &mut self.sink {
            Sink::File(file) => {
                let (taken, outcome) = file.write(waiting);
                (taken, outcome.map(|()| Written::All))
            }
            Sink::Pipe(pipe) => pipe.write(waiting),
        };
        // Also after a failure: what was taken must not be written once more.
        self.written += taken;
        if !self.is_file() {
            self.durable = self.written();
        }
        self.compact();
        outcome
    }

    /// How many bytes are written that are not durable.
    pub fn unsynced(&self) -> u64 {
        if self.is_file() {
            self.written() - self.durable
        } else {
            0
        }
    }

    /// Everything appended comes before `position`, and ends with the event `last`.
    pub fn mark(&mut self, position: Lsn, last: Option<Position>) {
        if self.waiting() == 0 {
            self.mark = (position, last);
        }
    }

    /// The server is about to be told that all before `position` is durable.
    pub fn confirm(&mut self, position: Lsn) -> Result<()> {
        if let Sink::File(file) = &mut self.sink
            && file.confirm(position)?
        {
            // Nobody waits for it: it only keeps the next run from a false alarm.
            return self.request_sync();
        }
        Ok(())
    }

    /// Starts making durable all that is written; [`Output::end_sync`] tells when it is. One at a
    /// time.
    pub fn begin_sync(&mut self) -> Result<()> {
        if let Sink::File(file) = &mut self.sink
            && !file.is_syncing()
        {
            // Before the sync, to be durable with what will be confirmed.
            file.confirm(self.mark.0)?;
        }
        self.request_sync()
    }

    fn request_sync(&mut self) -> Result<()> {
        let offset = self.written();
        let last = self.mark.1.filter(|_| self.waiting() == 0);
        match &mut self.sink {
            Sink::File(file) => file.begin_sync(offset, last),
            Sink::Pipe(_) => Ok(()),
        }
    }

    /// Is the file being synced?
    pub fn is_syncing(&self) -> bool {
        matches!(&self.sink, Sink::File(file) if file.is_syncing())
    }

    /// Becomes readable when a sync has ended.
    pub fn bell(&self) -> Option<BorrowedFd<'_>> {
        match &self.sink {
            Sink::File(file) => file.bell(),
            Sink::Pipe(_) => None,
        }
    }

    /// Takes the result of a sync if there is one.
    pub fn end_sync(&mut self) -> Result<()> {
        self.take_synced(false)
    }

    /// Makes all that is written durable, however long it takes.
    pub fn sync(&mut self) -> Result<()> {
        while self.unsynced() > 0 {
            self.begin_sync()?;
            self.take_synced(true)?;
        }
        Ok(())
    }

    fn take_synced(&mut self, wait: bool) -> Result<()> {
        if let Sink::File(file) = &mut self.sink
            && let Some(offset) = file.end_sync(wait)?
        {
            self.durable = offset;
        }
        Ok(())
    }

    /// Opens the file by its name again, after the log rotation that moved the old one away, which
    /// ends at `last`. Everything must be durable. Does nothing for an output without a name of its
    /// own. Returns whether there is a new file.
    pub fn reopen(&mut self, last: Option<Position>) -> Result<bool> {
        match &mut self.sink {
            Sink::File(file) => file.reopen(last),
            Sink::Pipe(_) => Ok(false),
        }
    }

    fn compact(&mut self) {
        if self.written == self.buffer.len() {
            self.base += self.written as u64;
            self.written = 0;
            self.buffer.clear();
            self.buffer.shrink_to(IDLE_CAPACITY);
        } else if self.written > self.buffer.len() / 2 && self.written > pipe::CHUNK {
            self.buffer.drain(..self.written);
            self.base += self.written as u64;
            self.written = 0;
        }
    }
}

impl Records for Output {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn append(&mut self, _: Option<&Event<'_>>) {}
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
