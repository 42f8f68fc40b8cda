//! Signals, turned into one pipe that `poll` can wait on.
//!
//! Every command that may wait for long installs it once, after a password was asked for. SIGINT
//! and SIGTERM ask for a clean stop, a second SIGINT ends the process at once with status 130,
//! SIGHUP asks for the output file to be opened anew, or, where none was named, says that the
//! terminal is gone.

use crate::error::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the signals so far asked for.
#[derive(Clone)]
pub struct Stop {
    flags: Arc<Flags>,
}

struct Flags {
    stop: Arc<AtomicBool>,
    reopen: Arc<AtomicBool>,
    /// Does a signal end the process at once?
    at_once: Arc<AtomicBool>,
    /// Was the process started with SIGHUP ignored, as nohup does?
    immune: bool,
    wake_up: OwnedFd,
}

/// The exit status of a process that a second Ctrl-C ends: 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

impl Stop {
    /// Takes over SIGINT, SIGTERM and SIGHUP for the rest of the process. Once only.
    pub fn install() -> Result<Stop> {
        Stop::try_install()
            .map_err(|reason| Error::new(format!("could not set up signal handling: {reason}")))
    }

    fn try_install() -> std::io::Result<Stop> {
        let (wake_up, ring) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        let stop = Arc::new(AtomicBool::new(false));
        let reopen = Arc::new(AtomicBool::new(false));
        let at_once = Arc::new(AtomicBool::new(false));
        let immune = ignores_hang_up();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 0, Arc::clone(&at_once))?;
        }
        // What is registered first is done first: the first SIGINT finds its flag unset and sets
        // it, the second finds it set.
        let interrupted = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register_conditional_shutdown(
            SIGINT,
            INTERRUPTED,
            Arc::clone(&interrupted),
        )?;
        signal_hook::flag::register(SIGINT, interrupted)?;
        // A flag comes before its pipe: whoever wakes up finds it set.
        for (signal, flag) in [(SIGINT, &stop), (SIGTERM, &stop), (SIGHUP, &reopen)] {
            signal_hook::flag::register(signal, Arc::clone(flag))?;
            signal_hook::low_level::pipe::register(signal, ring.try_clone()?)?;
        }
        Ok(Stop {
            flags: Arc::new(Flags {
                stop,
                reopen,
                at_once,
                immune,
                wake_up,
            }),
        })
    }

    /// Does what may wait for a server for long and leaves nothing to tidy up: meanwhile SIGINT and
    /// SIGTERM end the process at once, with status 0.
    pub fn at_once<T>(&self, work: impl FnOnce() -> T) -> T {
        self.flags.at_once.store(true, Ordering::SeqCst);
        if self.requested() {
            // It came just before.
            std::process::exit(0);
        }
        let done = work();
        self.flags.at_once.store(false, Ordering::SeqCst);
        done
    }

    /// Was a clean stop asked for?
    pub fn requested(&self) -> bool {
        self.flags.stop.load(Ordering::SeqCst)
    }

    /// Was a new file asked for since the last call?
    pub fn take_reopen(&self) -> bool {
        self.flags.reopen.swap(false, Ordering::SeqCst)
    }

    /// Is the terminal gone since the last call, and is that meant to end the program?
    pub fn take_hang_up(&self) -> bool {
        self.take_reopen() && !self.flags.immune
    }

    /// Becomes readable when a signal came.
    pub fn wake_up(&self) -> BorrowedFd<'_> {
        self.flags.wake_up.as_fd()
    }

    /// Empties the pipe, so that the next `poll` waits for the next signal.
    pub fn drain(&self) {
        let mut rung = [0; 64];
        while matches!(rustix::io::read(&self.flags.wake_up, &mut rung), Ok(n) if n > 0) {}
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
        let mut fds = [PollFd::new(&self.flags.wake_up, PollFlags::IN)];
        // An interrupted poll is a signal too: the caller looks at the flags either way.
        let _ = poll(&mut fds, Some(&timeout));
        self.drain();
    }
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
