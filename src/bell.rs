//! A pipe that wakes whoever waits in `poll`.

use rustix::fd::OwnedFd;
use std::io;

/// The end to wait at, and the end to write a byte to. Neither blocks, and no other program
/// inherits them.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (bell, ring) = io::pipe()?;
    let (bell, ring) = (OwnedFd::from(bell), OwnedFd::from(ring));
    rustix::io::ioctl_fionbio(&bell, true)?;
    rustix::io::ioctl_fionbio(&ring, true)?;
    Ok((bell, ring))
}
