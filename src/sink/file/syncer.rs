//! fsync on a thread of its own: a disk may take seconds, and meanwhile the stream goes on and the
//! server hears from us.

use crate::bell;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::fsync;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Syncs one file whenever it is asked to.
pub struct Syncer {
    requests: Sender<u64>,
    results: Receiver<Synced>,
    bell: OwnedFd,
    under_way: bool,
}

/// What became of a request.
pub struct Synced {
    /// Up to where everything was written when it was asked for.
    pub offset: u64,
    /// Whether it is on the disk.
    pub result: Result<(), Errno>,
}

impl Syncer {
    /// Starts the thread; it ends when the syncer is dropped.
    pub fn start(file: File) -> io::Result<Syncer> {
        let (bell, ring) = bell::pipe()?;
        let (requests, wanted) = channel();
        let (done, results) = channel();
        thread::Builder::new()
            .name("fsync".to_owned())
            .spawn(move || {
                for offset in wanted {
                    // Not fdatasync: the attribute of the file is to be durable, too.
                    let result = rustix::io::retry_on_intr(|| fsync(&file));
                    if done.send(Synced { offset, result }).is_err() {
                        return;
                    }
                    // A full pipe wakes the reader just as well.
                    let _ = rustix::io::write(&ring, b"!");
                }
            })?;
        Ok(Syncer {
            requests,
            results,
            bell,
            under_way: false,
        })
    }

    /// Returns `true` if a request was made and its result was not taken yet.
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// Asks for a sync of all that is written, which reaches up to `offset`. One request at a time.
    pub fn request(&mut self, offset: u64) {
        self.under_way |= self.requests.send(offset).is_ok();
    }

    /// The result, if it is there.
    pub fn take(&mut self) -> Option<Synced> {
        let mut rung = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut rung);
        let synced = self.results.try_recv().ok()?;
        self.under_way = false;
        Some(synced)
    }

    /// Becomes readable when there is a result.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
