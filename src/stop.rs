//! Signals, turned into one pipe that `poll` can wait on.
//!
//! Installed once, before the first connection. Most commands then end as if nothing were
//! installed, once the terminal is as it was; those that have to tidy up end cleanly: SIGINT and
//! SIGTERM ask for a stop, a second SIGINT ends the process at once with status 130, SIGHUP asks
//! for the output file to be opened anew, or, where none was named, says that the terminal is gone.

use crate::bell;
use crate::error::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How a command ends when a signal asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// By the signal, at once.
    AtOnce,
    /// By itself, soon.
    Cleanly,
    /// The same, and SIGHUP asks for the output file to be opened anew.
    ReopeningFile,
}

/// What the signals so far asked for.
#[derive(Clone)]
pub struct Stop(Arc<Shared>);

type Act = Box<dyn Fn() + Send>;

struct Shared {
    manner: Manner,
    stop: AtomicBool,
    reopen: AtomicBool,
    interrupted: AtomicBool,
    /// Meanwhile a signal ends the process at once, after this.
    tidy: Mutex<Option<Act>>,
    /// What a second SIGINT does before it ends the process.
    last_act: Mutex<Option<Act>>,
    /// Whether the process was started with SIGHUP ignored, as nohup does.
    immune: bool,
    wake_up: OwnedFd,
    ring: OwnedFd,
}

/// The exit status of a process that a second Ctrl-C ends: 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

impl Stop {
    /// Takes over SIGINT, SIGTERM and, where it does not just end the process, SIGHUP, for the rest
    /// of the process. Once only.
    pub fn install(manner: Manner) -> Result<Stop> {
        let failed = |reason: &dyn std::fmt::Display| {
            Error::new(format!("could not set up signal handling: {reason}"))
        };
        let (wake_up, ring) = bell::pipe().map_err(|error| failed(&error))?;
        let stop = Stop(Arc::new(Shared {
            manner,
            stop: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            tidy: Mutex::new(None),
            last_act: Mutex::new(None),
            immune: ignores_hang_up(),
            wake_up,
            ring,
        }));
        let others: &[i32] = match manner {
            Manner::AtOnce => &[SIGTERM],
            Manner::Cleanly | Manner::ReopeningFile => &[SIGTERM, SIGHUP],
        };
        let mut signals = Signals::new(others).map_err(|error| failed(&error))?;
        let shared = Arc::clone(&stop.0);
        thread::spawn(move || signals.forever().for_each(|signal| shared.take(signal)));
        let shared = Arc::clone(&stop.0);
        ctrlc::set_handler(move || shared.take(SIGINT)).map_err(|error| failed(&error))?;
        Ok(stop)
    }

    /// Does what cannot be broken off, as asking the user. Meanwhile SIGINT and SIGTERM end the
    /// process at once, after `tidy`.
    pub fn with_default_signals<T>(
        &self,
        tidy: impl Fn() + Send + 'static,
        work: impl FnOnce() -> T,
    ) -> T {
        *lock(&self.0.tidy) = Some(Box::new(tidy));
        if self.requested() {
            // It came just before.
            self.0.end(SIGTERM);
        }
        let done = work();
        *lock(&self.0.tidy) = None;
        done
    }

    /// Does this, too, before a second SIGINT ends the process.
    pub fn before_exit(&self, act: impl Fn() + Send + 'static) {
        *lock(&self.0.last_act) = Some(Box::new(act));
    }

    /// Returns `true` if a clean stop was asked for.
    pub fn requested(&self) -> bool {
        self.0.stop.load(Ordering::SeqCst)
    }

    /// Returns `true` if a new file was asked for since the last call.
    pub fn take_reopen(&self) -> bool {
        self.0.reopen.swap(false, Ordering::SeqCst)
    }

    /// The same where there is no file that could be opened anew: returns `true` if the terminal is
    /// gone, and that is meant to end the program.
    pub fn take_hang_up(&self) -> bool {
        self.take_reopen() && !self.0.immune
    }

    /// Becomes readable when a signal came.
    pub fn wake_up(&self) -> BorrowedFd<'_> {
        self.0.wake_up.as_fd()
    }

    /// Empties the pipe, so that the next `poll` waits for the next signal.
    pub fn drain(&self) {
        let mut rung = [0; 64];
        while matches!(rustix::io::read(&self.0.wake_up, &mut rung), Ok(n) if n > 0) {}
    }

    /// Waits until a signal comes or the time is over.
    pub fn wait(&self, time: Duration) {
        if self.requested() {
            return;
        }
        let timeout = Timespec {
            tv_sec: time.as_secs().min(i32::MAX as u64) as i64,
            tv_nsec: time.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.0.wake_up, PollFlags::IN)];
        // An interrupted poll is a signal too: the caller looks at the flags either way.
        let _ = poll(&mut fds, Some(&timeout));
        self.drain();
    }
}

impl Shared {
    /// Does what a signal asks for.
    fn take(&self, signal: i32) {
        let again = signal == SIGINT && self.interrupted.swap(true, Ordering::SeqCst);
        if again && self.manner != Manner::AtOnce {
            if let Some(act) = lock(&self.last_act).as_ref() {
                act();
            }
            std::process::exit(INTERRUPTED);
        }
        match (signal, self.manner) {
            (SIGHUP, Manner::ReopeningFile) => self.reopen.store(true, Ordering::SeqCst),
            (SIGHUP, _) if self.immune => return,
            _ => {
                if self.manner == Manner::AtOnce || lock(&self.tidy).is_some() {
                    self.end(signal);
                }
                self.stop.store(true, Ordering::SeqCst);
            }
        }
        // Whoever wakes up finds the flag set. A full pipe wakes up too.
        let _ = rustix::io::write(&self.ring, &[0]);
    }

    /// Ends the process.
    fn end(&self, signal: i32) {
        if let Some(tidy) = lock(&self.tidy).as_ref() {
            tidy();
        }
        if self.manner == Manner::AtOnce {
            // Whoever waits for the process is to see what ended it.
            let _ = emulate_default_handler(signal);
        }
        std::process::exit(0);
    }
}

fn lock(act: &Mutex<Option<Act>>) -> MutexGuard<'_, Option<Act>> {
    act.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a write beyond the limit on the size of files (`ulimit -f`) fails and can be
/// reported, where SIGXFSZ would end the process without a word.
pub fn outlive_file_size_limit() {
    // Handled is enough: only the default action is deadly.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Linux tells which signals are ignored as a mask in hexadecimal; elsewhere nobody does without
/// unsafe code.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    mask & 1 << (SIGHUP - 1) != 0
}
