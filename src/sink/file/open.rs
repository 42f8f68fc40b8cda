//! Opening a file: waiting for the reader of a FIFO, making the name durable, keeping others out.

use super::Destination;
use super::attribute::Resume;
use super::output::OutputFile;
use crate::error::{Error, Result};
use crate::sink::is_regular;
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, OFlags, flock, fsync};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// What stands behind a path.
pub enum Opened {
    /// A regular file, and where it says to go on.
    File(Box<(OutputFile, Resume)>),
    /// Anything else that can be written.
    Pipe(OwnedFd),
}

/// How often to try whether a FIFO has a reader by now: nothing can wait for that.
const LOOK_UP: Duration = Duration::from_millis(50);

/// How often to open a file that is renamed each time.
const TRIES: u32 = 10;

/// Opens a file for appending, readable by the owner only if it is new, as pg_recvlogical does.
/// Waits for the reader of a FIFO; `interrupted` waits for the time it is given and says whether to
/// give up.
pub fn open(to: &Destination, interrupted: &dyn Fn(Duration) -> bool) -> Result<Opened> {
    let name = name_of(&to.path);
    let failed = |reason: io::Error| Error::new(format!("could not open {name}: {reason}"));
    let mut tries = 0..TRIES;
    let file = loop {
        let file = open_any(&to.path, interrupted).map_err(failed)?;
        // Only opening it should not block.
        rustix::io::ioctl_fionbio(&file, false).map_err(|error| failed(error.into()))?;
        if !is_regular(&file) {
            return Ok(Opened::Pipe(file.into()));
        }
        match sync_directory(&to.path, &file) {
            Ok(()) => break file,
            // It was renamed just now.
            Err(reason) if reason.kind() == io::ErrorKind::NotFound && tries.next().is_some() => {}
            Err(reason) => {
                return Err(Error::new(format!(
                    "could not fsync the directory of {name}: {reason}"
                )));
            }
        }
    };
    let examined = OutputFile::examine(file, to.clone())?;
    Ok(Opened::File(Box::new(examined)))
}

pub(super) fn name_of(path: &Path) -> String {
    format!("file \"{}\"", path.display())
}

fn open_any(path: &Path, interrupted: &dyn Fn(Duration) -> bool) -> io::Result<File> {
    // A FIFO must not be opened for reading too: then nobody could see that its reader has gone.
    let special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let mut options = OpenOptions::new();
    options
        .read(!special)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlags::NONBLOCK.bits() as i32);
    loop {
        match options.open(path) {
            Err(error) if special && error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                if interrupted(LOOK_UP) {
                    return Err(error);
                }
            }
            opened => return opened,
        }
    }
}

/// The name of a file is durable only when its directory is synced too, whoever made it and however
/// recently.
fn sync_directory(path: &Path, file: &File) -> io::Result<()> {
    let path = path.canonicalize()?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let synced = match File::open(directory) {
        Ok(directory) => fsync(directory),
        // It may be open to those only who know the name: all of the file system, then.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => sync_file_system(file),
        Err(error) => return Err(error),
    };
    match synced {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(target_os = "linux")]
fn sync_file_system(file: &File) -> rustix::io::Result<()> {
    rustix::fs::syncfs(file)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_: &File) -> rustix::io::Result<()> {
    Err(Errno::ACCESS)
}

pub(super) fn lock(file: &File, name: &str) -> Result<()> {
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
