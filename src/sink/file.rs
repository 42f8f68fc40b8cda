//! Regular files: written in blocks, synced at intervals by a thread of their own. What an existing
//! file is and how it goes on, what is durable, and log rotation are in the files below.

mod attribute;
pub mod checkpoint;
mod disk;
mod open;
mod output;
mod rotated;
mod start;
mod syncer;

pub use attribute::Source;
pub use open::{Opened, open};

use super::buffer::Buffer;
use super::{Driven, Earlier, Held, Moment, Sink, Urge, Watched};
use crate::error::Result;
use crate::event::{Event, EventId};
use crate::lsn::Lsn;
use crate::record::{ReadLines, Records};
use attribute::Resume;
use output::OutputFile;
use rustix::event::PollFlags;
use rustix::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A file is written in blocks of at least this size while the server has more to send.
const BLOCK: usize = 256 << 10;

/// A file that is to be written.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its path.
    pub path: PathBuf,
    /// What it is to us if it is there already.
    pub existing: Existing,
    /// Where its lines come from.
    pub source: Source,
    /// Whether the server will forget what it holds.
    pub confirms: bool,
}

/// What an existing file is to the new output.
#[derive(Clone, Copy, Debug)]
pub enum Existing {
    /// The checkpoint: go on after the last whole one of these lines.
    Resume(&'static dyn ReadLines),
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

/// A regular file. Its units are bytes.
pub struct FileSink {
    file: OutputFile,
    resume: Resume,
    buffer: Buffer,
    durable: u64,
    /// What is written comes before this position, and ends with this event.
    mark: (Lsn, Option<EventId>),
    fsync_interval: Duration,
    /// When the last sync began.
    synced: Instant,
}

impl FileSink {
    /// The file that the shell opened as standard output.
    pub fn from_stdout(fd: OwnedFd, name: String, fsync_interval: Duration) -> FileSink {
        let resume = Resume::nothing(name.clone());
        FileSink::new(OutputFile::from_stdout(fd, &name), resume, fsync_interval)
    }

    /// A file that was opened, perhaps one that follows another.
    pub fn opened(opened: (OutputFile, Resume), fsync_interval: Duration) -> Result<FileSink> {
        let (mut file, mut resume) = opened;
        file.follow(&mut resume)?;
        Ok(FileSink::new(file, resume, fsync_interval))
    }

    fn new(file: OutputFile, resume: Resume, fsync_interval: Duration) -> FileSink {
        FileSink {
            file,
            resume,
            buffer: Buffer::default(),
            durable: 0,
            mark: (Lsn::INVALID, None),
            fsync_interval,
            synced: Instant::now(),
        }
    }

    fn write(&mut self, moment: &Moment) -> Result<()> {
        let (taken, outcome) = self.file.write(self.buffer.waiting());
        // Also after a failure: what was taken must not be written once more.
        self.buffer.take(taken);
        outcome?;
        self.mark = (moment.received, moment.last);
        Ok(())
    }

    /// Starts to make durable all that is written. One at a time.
    fn begin_sync(&mut self, now: Instant) -> Result<()> {
        // Before the sync, to be durable with what will be confirmed.
        self.file.confirm(self.mark.0)?;
        self.synced = now;
        self.request_sync()
    }

    fn request_sync(&mut self) -> Result<()> {
        let last = self.mark.1.filter(|_| self.buffer.waiting().is_empty());
        self.file.begin_sync(self.buffer.taken(), last)
    }

    fn sync_due(&self) -> Option<Instant> {
        let wanted = self.buffer.taken() > self.durable && !self.file.is_syncing();
        wanted.then(|| self.synced + self.fsync_interval)
    }
}

impl Records for FileSink {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer.bytes()
    }

    fn append(&mut self, _: Option<&Event<'_>>) {}
}

impl Sink for FileSink {
    fn held(&self) -> Held<'_> {
        Held {
            name: &self.resume.name,
            last: self.resume.last,
            timeline: self.resume.timeline(),
        }
    }

    fn earlier(&self) -> Option<Earlier<'_>> {
        let follows = self.file.follows.as_deref();
        self.file.resumes().then_some(Earlier {
            file: &follows.unwrap_or(&self.file).file,
            rotated: follows.is_some(),
        })
    }

    fn start_over(&mut self) -> Result<()> {
        self.file.start_over()
    }

    fn gaps(&self, confirmed: Option<Lsn>) -> Vec<String> {
        self.resume.gaps(confirmed)
    }

    fn begin(&mut self, timeline: Option<u32>, confirmed: Option<Lsn>) -> Result<()> {
        self.file.begin(timeline, confirmed, &self.resume)
    }

    fn on_timeline(&mut self, timeline: Option<u32>) {
        self.file.on_timeline(timeline);
    }

    fn appended(&self) -> u64 {
        self.buffer.appended()
    }

    fn written(&self) -> u64 {
        self.buffer.taken()
    }

    fn durable(&self) -> u64 {
        self.durable
    }

    fn has_room(&self) -> bool {
        self.buffer.waiting().len() < BLOCK
    }

    fn watch<'a>(&'a self, watched: &mut Watched<'a>) {
        if let Some(bell) = self.file.bell() {
            watched.fd(bell, PollFlags::IN);
        }
        watched.due(self.sync_due());
    }

    fn drive(&mut self, moment: &Moment) -> Result<Driven> {
        let waiting = self.buffer.waiting().len();
        if waiting >= BLOCK || moment.urge > Urge::More {
            self.write(moment)?;
        }
        if let Some(offset) = self.file.end_sync()? {
            self.durable = offset;
        }
        let due = self.sync_due();
        if due.is_some_and(|due| moment.urge >= Urge::Durable || due <= moment.now) {
            self.begin_sync(moment.now)?;
        }
        let settled = self.durable == self.buffer.appended();
        Ok(if settled {
            Driven::Settled
        } else {
            Driven::Busy
        })
    }

    fn confirm(&mut self, position: Lsn) -> Result<()> {
        if self.file.confirm(position)? {
            // Nobody waits for it: it only keeps the next run from a false alarm.
            return self.request_sync();
        }
        Ok(())
    }

    fn resumes(&self) -> bool {
        self.file.resumes()
    }

    fn reopens(&self) -> bool {
        self.file.has_name()
    }

    fn reopen(&mut self, last: Option<EventId>) -> Result<()> {
        self.file.reopen(last)
    }
}
