//! What the thread that publishes tells the one that streams: behind a lock, and announced by a
//! bell that `poll` can hear.

use super::delay::Count;
use super::queue::End;
use crate::bell;
use crate::error::Error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is known of the log.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Where it ends.
    pub end: End,
    /// The timeline of its last event.
    pub timeline: Option<u32>,
    /// How many bytes a message may have, with its headers.
    pub limit: usize,
    /// What may cause trouble: text and remedy.
    pub warnings: Vec<(String, String)>,
}

/// What has happened since it was last asked for.
#[derive(Debug, Default)]
pub struct News {
    /// The log was looked at for the first time.
    pub opened: Option<Opened>,
    /// So much is in the log.
    pub logged: Count,
    /// How many bytes a message may have, if that has changed.
    pub limit: Option<usize>,
    /// The log has lost what it had, and ends here.
    pub lost: Option<End>,
    /// It cannot go on.
    pub failed: Option<Error>,
}

/// The news, and the bell.
pub struct Shared {
    news: Mutex<(News, bool)>,
    bell: OwnedFd,
    ring: OwnedFd,
}

impl Shared {
    /// No news yet.
    pub fn new() -> io::Result<Shared> {
        let (bell, ring) = bell::pipe()?;
        Ok(Shared {
            news: Mutex::new((News::default(), false)),
            bell,
            ring,
        })
    }

    /// Adds to the news, and rings.
    pub fn tell(&self, add: impl FnOnce(&mut News)) {
        let mut news = self.lock();
        add(&mut news.0);
        if !std::mem::replace(&mut news.1, true) {
            // A full pipe wakes the reader just as well.
            let _ = rustix::io::write(&self.ring, b"!");
        }
    }

    /// Takes the news.
    pub fn take(&self) -> News {
        let mut news = self.lock();
        if std::mem::replace(&mut news.1, false) {
            let mut rung = [0; 8];
            let _ = rustix::io::read(&self.bell, &mut rung);
        }
        let logged = news.0.logged;
        let taken = std::mem::take(&mut news.0);
        news.0.logged = logged;
        taken
    }

    /// Waits until there is news, but less than a second.
    pub fn wait(&self, time: Duration) {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: time.subsec_nanos().into(),
        };
        let mut bell = [PollFd::from_borrowed_fd(self.bell(), PollFlags::IN)];
        // Whatever comes of it, the news is asked for next.
        let _ = poll(&mut bell, Some(&timeout));
    }

    /// Becomes readable when there is news.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn lock(&self) -> MutexGuard<'_, (News, bool)> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
