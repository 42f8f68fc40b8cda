//! A file that is written: locked against a second walcat, synced, cut back when that fails, and
//! opened anew for log rotation.
//!
//! # What is durable
//!
//! What a sync by the descriptor that wrote it has reported as done, and what was read from the
//! disk; nothing else. Linux tells of a failed write-back once: to each descriptor that was open
//! then, or, if there was none left, to the next that is opened and synced. After that the page
//! cache holds, as clean, what the disk does not: it can be read, and every sync succeeds. Even to
//! write it again need not help: ext4 then fills blocks that it goes on to take for unwritten, and
//! says that all is well. So
//!
//! * whatever a sync answers but success is a failure, except EINVAL, by which a special file says
//!   that it cannot be synced at all. An aborted file system answers EROFS;
//! * after a failed sync a file that is to be resumed is cut back to the length that is known to be
//!   on the disk, which frees the blocks too, and nothing more is confirmed;
//! * how much that is stands in the [`Attribute`] of the file, so that it is known also after a
//!   kill. What comes after it is doubtful: the next run writes it once more, syncs it, reads it
//!   past the page cache, and cuts off what is not there. It is not cut off as a whole: after a
//!   power failure the attribute may be older than what was confirmed, but then the file is read
//!   from the disk anyway;
//! * a failed write may damage the disk's block that it begins in, which holds what was durable
//!   before. So what is doubtful begins with that block.
//!
//! A disk that lies itself nobody can help. Where the file system has no extended attributes, a
//! kill between a failed sync and the cut, or a failed write-back after a kill of which another
//! program was told, goes unnoticed. Where it does not read past the page cache (O_DIRECT), it is
//! asked to drop the pages first.
//!
//! # Which file follows which
//!
//! The new file after a log rotation is empty, so its attribute says where the old one ended. If
//! walcat did not see the rotation, the new file has none: then [`rotated`](super::rotated) finds
//! the old one.

use super::attribute::Attribute;
use super::open::{Opened, open};
use super::syncer::Syncer;
use super::{Destination, Existing, checkpoint};
use crate::error::{Error, Result};
use crate::event::EventId;
use crate::lsn::Lsn;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{FlockOperation, flock, fstat, fsync};
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// A regular file that is written to its end.
pub struct OutputFile {
    pub(super) file: File,
    /// What messages call it.
    pub(super) name: String,
    /// `None` for the file behind standard output.
    pub(super) named: Option<Named>,
    pub(super) tail: Tail,
    /// What the file says of itself; `None` where it says nothing.
    pub(super) attribute: Option<Attribute>,
    /// How many of its bytes are on the disk.
    pub(super) synced: u64,
    /// What the sync under way will have made durable.
    pub(super) pending: (u64, Option<EventId>),
    /// The file that was rotated away and that this one follows.
    pub(super) follows: Option<Box<OutputFile>>,
    pub(super) syncer: Option<Syncer>,
    /// A sync has failed: nothing may be appended any more.
    pub(super) broken: bool,
}

/// A file that was named.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) to: Destination,
    /// The name that its attribute has.
    pub(super) file_name: String,
}

/// How the file ends that was found.
#[derive(Clone, Copy)]
pub(super) enum Tail {
    /// It can be appended to.
    Ready,
    /// So much of it is whole; the rest is cut off.
    Whole(u64),
    /// Its last line is ended first.
    Open,
}

impl OutputFile {
    /// The file that the shell opened as standard output.
    pub fn from_stdout(fd: OwnedFd, name: &str) -> OutputFile {
        OutputFile::new(fd.into(), name.to_owned(), None)
    }

    pub(super) fn new(file: File, name: String, named: Option<Named>) -> OutputFile {
        OutputFile {
            file,
            name,
            named,
            tail: Tail::Ready,
            attribute: None,
            synced: 0,
            pending: (0, None),
            follows: None,
            syncer: None,
            broken: false,
        }
    }

    pub(super) fn write_attribute(&mut self) -> Result<()> {
        let Some(attribute) = &self.attribute else {
            return Ok(());
        };
        let written = attribute.write(&self.file).map_err(|reason| {
            Error::new(format!(
                "could not write the attributes of {}: {reason}",
                self.name
            ))
        })?;
        if !written {
            self.attribute = None;
        }
        Ok(())
    }

    /// Writes down that the server may be told that all up to there is durable. Returns `true` if
    /// that was not written down before.
    pub fn confirm(&mut self, position: Lsn) -> Result<bool> {
        match &mut self.attribute {
            Some(attribute) if position.is_valid() && attribute.confirmed < Some(position) => {
                attribute.confirmed = Some(position);
                self.write_attribute()?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The server is on this timeline, if that is known.
    pub fn on_timeline(&mut self, timeline: Option<u32>) {
        if let Some(attribute) = &mut self.attribute {
            attribute.source.timeline = timeline;
        }
    }

    pub(super) fn length(&self) -> Result<u64> {
        let length = self.file.metadata().map(|metadata| metadata.len());
        length.map_err(|reason| Error::new(format!("could not read {}: {reason}", self.name)))
    }

    /// Writes all of `bytes`, and says how many that were if it fails.
    pub fn write(&mut self, bytes: &[u8]) -> (usize, Result<()>) {
        let mut written = 0;
        if let Err(error) = self.require_intact() {
            return (0, Err(error));
        }
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match rustix::io::write(&self.file, rest) {
                Ok(n) => written += n,
                Err(Errno::INTR) => {}
                Err(error) => {
                    let reason = io::Error::from(error);
                    return (
                        written,
                        Err(Error::new(format!(
                            "could not write to {}: {reason}",
                            self.name
                        ))),
                    );
                }
            }
        }
        (written, Ok(()))
    }

    /// Drops all that it holds.
    pub fn start_over(&mut self) -> Result<()> {
        self.require_intact()?;
        self.synced = 0;
        self.distrust(0);
        let cut = self.file.set_len(0);
        cut.map_err(|reason| Error::new(format!("could not cut {}: {reason}", self.name)))
    }

    /// Starts to make durable what is written; that is the output up to `offset`, and ends with the
    /// event `last`. One at a time.
    pub fn begin_sync(&mut self, offset: u64, last: Option<EventId>) -> Result<()> {
        self.require_intact()?;
        if self.is_syncing() {
            return Ok(());
        }
        self.pending = (self.length()?, last);
        if self.syncer.is_none() {
            let started = self.file.try_clone().and_then(Syncer::start);
            self.syncer = Some(started.map_err(|reason| self.unsynced(&reason))?);
        }
        if let Some(syncer) = &mut self.syncer {
            syncer.request(offset);
        }
        Ok(())
    }

    /// Returns `true` while the file is being synced.
    pub fn is_syncing(&self) -> bool {
        self.syncer.as_ref().is_some_and(Syncer::is_under_way)
    }

    /// Becomes readable when a sync has ended.
    pub fn bell(&self) -> Option<BorrowedFd<'_>> {
        self.syncer.as_ref().map(Syncer::bell)
    }

    /// Takes the result of a sync if there is one: up to where the output is durable now.
    pub fn end_sync(&mut self) -> Result<Option<u64>> {
        let Some(syncer) = self.syncer.as_mut().filter(|syncer| syncer.is_under_way()) else {
            return Ok(None);
        };
        let Some(synced) = syncer.take() else {
            return Ok(None);
        };
        if let Err(error) = checked(synced.result) {
            return Err(self.cut_back(self.unsynced(&error.into())));
        }
        self.settle()?;
        Ok(Some(synced.offset))
    }

    /// The sync that was under way has come to its end. A file that was removed meanwhile is an
    /// error, as nobody will find it again.
    pub(super) fn settle(&mut self) -> Result<()> {
        if self.named.is_some() && fstat(&self.file).is_ok_and(|stat| stat.st_nlink == 0) {
            return Err(Error::new(format!(
                "could not go on in {}: it was removed",
                self.name
            )));
        }
        let (length, last) = self.pending;
        self.synced = length;
        if let Some(attribute) = &mut self.attribute {
            (attribute.synced, attribute.last) = (length, last.or(attribute.last));
            self.write_attribute()?;
        }
        Ok(())
    }

    /// After a failed sync: the next run must not find what is in memory only.
    pub(super) fn cut_back(&mut self, error: Error) -> Error {
        self.broken = true;
        let synced = self.synced;
        self.distrust(checkpoint::doubtful_after(synced));
        if !self.resumes() {
            return error;
        }
        let cut = match self.length() {
            Ok(length) if length > synced => self.file.set_len(synced),
            _ => return error,
        };
        // If this fails too, the next run still knows what to write once more.
        let _ = fsync(&self.file);
        error.with_detail(match cut {
            Ok(()) => format!(
                "The file was cut back to the {synced} bytes that are on the disk. What came after \
                 them is not confirmed: the next run gets it again."
            ),
            Err(reason) => format!(
                "What comes after the first {synced} bytes may not be on the disk, and could not \
                 be cut off: {reason}. It is not confirmed: the next run writes it once more."
            ),
        })
    }

    /// Fails after a failed sync: what would be appended now would come after a gap.
    pub(super) fn require_intact(&self) -> Result<()> {
        match self.broken {
            true => Err(Error::new(format!(
                "could not write to {}: a sync failed",
                self.name
            ))),
            false => Ok(()),
        }
    }

    /// No more than this is known to be on the disk: that is for the next run.
    pub(super) fn distrust(&mut self, synced: u64) {
        if let Some(attribute) = &mut self.attribute {
            attribute.synced = synced;
            // There is a failure to report already.
            let _ = self.write_attribute();
        }
    }

    pub(super) fn unsynced(&self, reason: &io::Error) -> Error {
        Error::new(format!("could not fsync {}: {reason}", self.name))
    }

    pub(super) fn failed(&self, action: &str, how: &str, reason: &io::Error) -> Error {
        Error::new(format!("could not {action} {} {how}: {reason}", self.name))
    }

    /// Returns `true` if it can be opened again.
    pub fn has_name(&self) -> bool {
        self.named.is_some()
    }

    /// Returns `true` if its last line says where to go on.
    pub fn resumes(&self) -> bool {
        matches!(&self.named, Some(named) if matches!(named.to.existing, Existing::Resume(_)))
    }

    /// Closes the file and opens its name again. `last` is where the old file ends. Does nothing
    /// where there is no name.
    pub fn reopen(&mut self, last: Option<EventId>) -> Result<()> {
        let Some(Named { to, .. }) = self.named.clone() else {
            return Ok(());
        };
        // The name may still stand for the same file, not moved away.
        let _ = flock(&self.file, FlockOperation::Unlock);
        match open(&to, &|_| true)? {
            Opened::File(opened) => {
                let (mut file, mut resume) = *opened;
                if file.resumes() {
                    resume.last = resume.last.or(last);
                }
                resume.attribute = resume.attribute.or(self.attribute.clone());
                let timeline = self
                    .attribute
                    .as_ref()
                    .and_then(|attribute| attribute.source.timeline);
                file.begin(timeline, None, &resume)?;
                *self = file;
                Ok(())
            }
            Opened::Pipe(_) => Err(Error::new(format!(
                "could not reopen {}: it is no regular file any more",
                self.name
            ))),
        }
    }
}

/// What a sync answers. Only a special file cannot be synced, and says so by EINVAL.
pub(super) fn checked(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(Errno::INVAL) => Ok(()),
        result => result,
    }
}
