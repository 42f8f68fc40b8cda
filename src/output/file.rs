//! Regular files: opened so that no second walcat writes them, synced, and opened anew for log rotation.

use super::{Existing, checkpoint};
use crate::error::{Error, Result};
use crate::event::Position;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, FlockOperation, fdatasync, flock, fstat, fsync};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A regular file that is written to its end.
pub struct OutputFile {
    file: File,
    /// What messages call it.
    name: String,
    /// How to open it again; `None` for the file behind standard output.
    path: Option<(PathBuf, Existing)>,
}

/// What stands behind a path.
pub enum Opened {
    /// A regular file, and where it says to go on.
    File(OutputFile, Option<Position>),
    /// Anything else that can be written.
    Pipe(OwnedFd),
}

/// Is it a regular file?
pub fn is_regular(fd: &impl AsFd) -> bool {
    fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// Opens `path` for appending, readable by the owner only if it is new, as pg_recvlogical does.
pub fn open(path: &Path, existing: Existing) -> Result<Opened> {
    let name = format!("file \"{}\"", path.display());
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(reason) => return Err(Error::new(format!("could not open {name}: {reason}"))),
    };
    if !is_regular(&file) {
        return Ok(Opened::Pipe(file.into()));
    }
    let (file, position) = claim(file, path, existing, &name)?;
    let output = OutputFile { file, name, path: Some((path.to_owned(), existing)) };
    Ok(Opened::File(output, position))
}

fn open_regular(path: &Path) -> io::Result<File> {
    // A FIFO must not be opened for reading too, or its reader's leaving would never be seen.
    let special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let new = !path.exists();
    let file = OpenOptions::new().read(!special).append(true).create(true).mode(0o600).open(path)?;
    if new && is_regular(&file) {
        sync_directory(path)?;
    }
    Ok(file)
}

/// A new name lasts only once its directory is synced too.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fsync(File::open(directory)?) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Locks the file and finds its end.
fn claim(file: File, path: &Path, existing: Existing, name: &str) -> Result<(File, Option<Position>)> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(Error::new(format!("could not lock {name}: another walcat is writing it"))
                .with_remedy("give each walcat a file of its own"));
        }
        Err(error) => return Err(Error::new(format!("could not lock {name}: {}", io::Error::from(error)))),
    }
    let read = |reason: io::Error| Error::new(format!("could not read {name}: {reason}"));
    match existing {
        Existing::AppendBytes => Ok((file, None)),
        Existing::Append => {
            let length = file.metadata().map_err(read)?.len();
            let mut last = [b'\n'];
            if length > 0 {
                file.read_exact_at(&mut last, length - 1).map_err(read)?;
            }
            if last != *b"\n" {
                (&file)
                    .write_all(b"\n")
                    .map_err(|reason| Error::new(format!("could not write to {name}: {reason}")))?;
            }
            Ok((file, None))
        }
        Existing::Resume => {
            let checkpoint = checkpoint::read(&file).map_err(|reason| match reason {
                checkpoint::Unusable::Io(reason) => read(reason),
                checkpoint::Unusable::Foreign(reason) => Error::new(format!("could not go on in {name}: {reason}"))
                    .with_remedy(format!(
                        "another file, or --no-resume to append to {} whatever it holds",
                        path.display()
                    )),
            })?;
            if checkpoint.whole < checkpoint.length {
                file.set_len(checkpoint.whole).map_err(|reason| {
                    Error::new(format!("could not cut off the incomplete last line of {name}: {reason}"))
                })?;
            }
            Ok((file, checkpoint.position))
        }
    }
}

impl OutputFile {
    /// The file that the shell opened as standard output.
    pub fn from_stdout(fd: OwnedFd, name: &str) -> OutputFile {
        OutputFile { file: fd.into(), name: name.to_owned(), path: None }
    }

    /// Writes all of `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.file.write_all(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(reason) => Err(Error::new(format!("could not write to {}: {reason}", self.name))),
        }
    }

    /// Waits until the disk has it. A file system that cannot sync is taken at its word.
    pub fn sync(&mut self) -> Result<()> {
        match fdatasync(&self.file) {
            Ok(()) | Err(Errno::INVAL | Errno::ROFS | Errno::NOTSUP) => Ok(()),
            Err(error) => Err(Error::new(format!("could not fsync {}: {}", self.name, io::Error::from(error)))),
        }
    }

    /// Closes the file and opens its name again. Returns false where there is no name.
    pub fn reopen(&mut self) -> Result<bool> {
        let Some((path, existing)) = self.path.clone() else { return Ok(false) };
        // The name may still stand for the same file, not moved away.
        let _ = flock(&self.file, FlockOperation::Unlock);
        match open(&path, existing)? {
            Opened::File(file, _) => {
                *self = file;
                Ok(true)
            }
            Opened::Pipe(_) => {
                Err(Error::new(format!("could not reopen {}: it is no regular file any more", self.name)))
            }
        }
    }
}
