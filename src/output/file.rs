//! Regular files: opened so that no second walcat writes them, synced, and opened anew for log
//! rotation.
//!
//! A JSON file is its own checkpoint, but the new file after a log rotation is empty. If the server
//! then crashes and loses the confirmation of what the old file holds, and walcat is restarted, all
//! of that would come again. So the new file has the position where the old one ended in an
//! extended attribute, `user.walcat.position`, which counts until the file has an event of its own.
//! Where the file system has no extended attributes (tmpfs before Linux 6.6, NFS before 4.2, FAT),
//! or the file is copied without them, such a double crash repeats the rows that the server had not
//! yet safely noted.

use super::syncer::Syncer;
use super::{Existing, checkpoint};
use crate::error::{Error, Result};
use crate::event::Position;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    FileType, FlockOperation, OFlags, XattrFlags, fgetxattr, flock, fsetxattr, fstat, fsync,
};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A regular file that is written to its end.
pub struct OutputFile {
    file: File,
    /// What messages call it.
    name: String,
    /// How to open it again; `None` for the file behind standard output.
    path: Option<(PathBuf, Existing)>,
    tail: Tail,
    syncer: Option<Syncer>,
}

/// What stands behind a path.
pub enum Opened {
    /// A regular file, and where it says to go on.
    File(OutputFile, Option<Position>),
    /// Anything else that can be written.
    Pipe(OwnedFd),
}

/// How the file ends that was found.
#[derive(Clone, Copy)]
enum Tail {
    /// It can be appended to.
    Ready,
    /// It is cut to this length first.
    Cut(u64),
    /// Its last line is ended first.
    Open,
}

/// The extended attribute of a file that follows a log rotation.
const ATTRIBUTE: &str = "user.walcat.position";

/// How often to try whether a FIFO has a reader by now: nothing can wait for that.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Is it a regular file?
pub fn is_regular(fd: &impl AsFd) -> bool {
    fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// Opens `path` for appending, readable by the owner only if it is new, as pg_recvlogical does.
/// Waits for the reader of a FIFO; `interrupted` waits for the time it is given and says whether to
/// give up.
pub fn open(
    path: &Path,
    existing: Existing,
    interrupted: &dyn Fn(Duration) -> bool,
) -> Result<Opened> {
    let name = format!("file \"{}\"", path.display());
    let failed = |reason: io::Error| Error::new(format!("could not open {name}: {reason}"));
    let file = open_any(path, interrupted).map_err(failed)?;
    // Only opening it should not block.
    rustix::io::ioctl_fionbio(&file, false).map_err(|error| failed(error.into()))?;
    if !is_regular(&file) {
        return Ok(Opened::Pipe(file.into()));
    }
    lock(&file, &name)?;
    let (tail, position) = examine(&file, path, existing, &name)?;
    let path = Some((path.to_owned(), existing));
    Ok(Opened::File(
        OutputFile {
            file,
            name,
            path,
            tail,
            syncer: None,
        },
        position,
    ))
}

fn open_any(path: &Path, interrupted: &dyn Fn(Duration) -> bool) -> io::Result<File> {
    // A FIFO must not be opened for reading too: then nobody could see that its reader has gone.
    let special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let new = !path.exists();
    let mut options = OpenOptions::new();
    options
        .read(!special)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlags::NONBLOCK.bits() as i32);
    let file = loop {
        match options.open(path) {
            Err(error) if special && error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                if interrupted(LOOK_UP) {
                    return Err(error);
                }
            }
            opened => break opened?,
        }
    };
    if new && is_regular(&file) {
        sync_directory(path)?;
    }
    Ok(file)
}

/// The name of a new file is durable only when its directory is synced too.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    match fsync(File::open(directory)?) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn lock(file: &File, name: &str) -> Result<()> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(Error::new(format!(
            "could not lock {name}: another walcat is writing it"
        ))
        .with_remedy("give each walcat a file of its own")),
        Err(error) => Err(Error::new(format!(
            "could not lock {name}: {}",
            io::Error::from(error)
        ))),
    }
}

/// Finds out how the file ends and where to go on. Touches nothing.
fn examine(
    file: &File,
    path: &Path,
    existing: Existing,
    name: &str,
) -> Result<(Tail, Option<Position>)> {
    let read = |reason: io::Error| Error::new(format!("could not read {name}: {reason}"));
    match existing {
        Existing::AppendBytes => Ok((Tail::Ready, None)),
        Existing::Append => {
            let length = file.metadata().map_err(read)?.len();
            let mut last = [b'\n'];
            if length > 0 {
                file.read_exact_at(&mut last, length - 1).map_err(read)?;
            }
            Ok((
                if last == *b"\n" {
                    Tail::Ready
                } else {
                    Tail::Open
                },
                None,
            ))
        }
        Existing::Resume => {
            let found = checkpoint::read(file).map_err(|reason| match reason {
                checkpoint::Unusable::Io(reason) => read(reason),
                checkpoint::Unusable::Foreign(reason) => {
                    Error::new(format!("could not go on in {name}: {reason}")).with_remedy(format!(
                        "another file, or --no-resume to append to {} whatever it holds",
                        path.display()
                    ))
                }
            })?;
            let tail = if found.whole < found.length {
                Tail::Cut(found.whole)
            } else {
                Tail::Ready
            };
            Ok((tail, found.position.max(attribute(file))))
        }
    }
}

/// The position that the file was given when it was opened for log rotation.
fn attribute(file: &File) -> Option<Position> {
    let mut buffer = [0; 64];
    let length = fgetxattr(file, ATTRIBUTE, &mut buffer).ok()?;
    std::str::from_utf8(buffer.get(..length)?)
        .ok()?
        .parse()
        .ok()
}

impl OutputFile {
    /// The file that the shell opened as standard output.
    pub fn from_stdout(fd: OwnedFd, name: &str) -> OutputFile {
        OutputFile {
            file: fd.into(),
            name: name.to_owned(),
            path: None,
            tail: Tail::Ready,
            syncer: None,
        }
    }

    /// Makes the end of the file ready to be appended to, and what is there durable: a process that
    /// was killed may have left it written but not synced, and whatever it holds is about to be
    /// confirmed.
    pub fn begin(&mut self) -> Result<()> {
        match self.tail {
            Tail::Ready => {}
            Tail::Cut(length) => self.file.set_len(length).map_err(|reason| {
                Error::new(format!(
                    "could not cut off the incomplete last line of {}: {reason}",
                    self.name
                ))
            })?,
            Tail::Open => self.write(b"\n").1?,
        }
        self.tail = Tail::Ready;
        self.settled(rustix::io::retry_on_intr(|| fsync(&self.file)))
    }

    /// Writes all of `bytes`, and says how many that were if it fails.
    pub fn write(&mut self, bytes: &[u8]) -> (usize, Result<()>) {
        let mut written = 0;
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

    /// The thread that syncs the file.
    pub fn syncer(&mut self) -> Result<&mut Syncer> {
        let syncer = match self.syncer.take() {
            Some(syncer) => syncer,
            None => self
                .file
                .try_clone()
                .and_then(Syncer::start)
                .map_err(|reason| self.unsynced(&reason))?,
        };
        Ok(self.syncer.insert(syncer))
    }

    /// The same, if it was needed yet.
    pub fn syncer_at_work(&self) -> Option<&Syncer> {
        self.syncer.as_ref()
    }

    /// Checks the result of a sync. A file system that cannot sync has to be trusted; a file that
    /// was removed meanwhile is an error, as nobody will find it again.
    pub fn settled(&self, result: std::result::Result<(), Errno>) -> Result<()> {
        match result {
            Ok(()) | Err(Errno::INVAL | Errno::ROFS | Errno::NOTSUP) => {}
            Err(error) => return Err(self.unsynced(&error.into())),
        }
        if self.path.is_some() && fstat(&self.file).is_ok_and(|stat| stat.st_nlink == 0) {
            return Err(Error::new(format!(
                "could not go on in {}: it was removed",
                self.name
            )));
        }
        Ok(())
    }

    fn unsynced(&self, reason: &io::Error) -> Error {
        Error::new(format!("could not fsync {}: {reason}", self.name))
    }

    /// Can it be opened again?
    pub fn has_name(&self) -> bool {
        self.path.is_some()
    }

    /// Does its last line say where to go on?
    pub fn resumes(&self) -> bool {
        matches!(self.path, Some((_, Existing::Resume)))
    }

    /// Closes the file and opens its name again. `last` is where the old file ends. Returns false
    /// where there is no name.
    pub fn reopen(&mut self, last: Option<Position>) -> Result<bool> {
        let Some((path, existing)) = self.path.clone() else {
            return Ok(false);
        };
        // The name may still stand for the same file, not moved away.
        let _ = flock(&self.file, FlockOperation::Unlock);
        match open(&path, existing, &|_| true)? {
            Opened::File(mut file, position) => {
                if let (Existing::Resume, None, Some(last)) = (existing, position, last) {
                    // Not every file system has such attributes: see the head of this module.
                    let _ = fsetxattr(
                        &file.file,
                        ATTRIBUTE,
                        last.to_string().as_bytes(),
                        XattrFlags::empty(),
                    );
                }
                file.begin()?;
                *self = file;
                Ok(true)
            }
            Opened::Pipe(_) => Err(Error::new(format!(
                "could not reopen {}: it is no regular file any more",
                self.name
            ))),
        }
    }
}
