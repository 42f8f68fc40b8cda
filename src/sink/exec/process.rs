//! One run of the command: a process with a pipe to its standard input.

use crate::bell;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, ioctl_fionbio, retry_on_intr};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The process group of the command that runs, for whoever has to end it.
#[derive(Clone, Debug, Default)]
pub struct Group(Arc<Mutex<Option<Pid>>>);

impl Group {
    /// Kills the command that runs, if one does, and all that it started and left in its group.
    pub fn kill(&self) {
        if let Some(pid) = *self.lock() {
            // A group that is gone is what is wanted.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// Meanwhile nobody else kills, and no other process gets the number.
    fn lock(&self) -> MutexGuard<'_, Option<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process at work. Dropped, it is killed.
pub struct Process {
    child: Child,
    group: Group,
    /// The end of its standard input that is written to, never blocking; `None` once it has all, or
    /// reads no more.
    stdin: Option<OwnedFd>,
    /// Hangs up when the process ends.
    bell: OwnedFd,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// So much was taken; the rest waits until there is room.
    Taken(usize),
    /// It reads no more.
    Closed,
}

impl Process {
    /// Starts the command. It gets a process group of its own: Ctrl-C at the terminal is for us,
    /// who let it finish.
    pub fn start(mut command: Command, group: &Group) -> io::Result<Process> {
        use std::os::unix::process::CommandExt;
        let (bell, ring) = bell::pipe()?;
        command.stdin(Stdio::piped()).process_group(0);
        let mut held = group.lock();
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        *held = Some(pid);
        drop(held);
        let stdin = child.stdin.take().map(OwnedFd::from);
        let process = Process {
            child,
            group: group.clone(),
            stdin,
            bell,
        };
        if let Some(stdin) = &process.stdin {
            ioctl_fionbio(stdin, true)?;
        }
        thread::Builder::new()
            .name("exec".to_owned())
            .spawn(move || {
                // Whose status is not taken here keeps its number, so that nobody else is killed in
                // its place.
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                let _ = retry_on_intr(|| waitid(WaitId::Pid(pid), options));
                drop(ring);
            })?;
        Ok(process)
    }

    /// Writes what it takes without blocking.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Written> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let Some(stdin) = &self.stdin else {
                return Ok(Written::Closed);
            };
            match rustix::io::write(stdin, rest) {
                Ok(count) => taken += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(Errno::PIPE) => self.stdin = None,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Written::Taken(taken))
    }

    /// Nothing more comes.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    /// How it ended, if it has. What it left behind stays if it succeeded, else it is killed.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut held = self.group.lock();
        let status = self.child.try_wait()?;
        if let (Some(status), Some(pid)) = (status, held.take_if(|_| status.is_some()))
            && !status.success()
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        Ok(status)
    }

    /// Kills it, with all that it started and left in its group.
    pub fn kill(&self) {
        self.group.kill();
    }

    /// Becomes writable when it reads.
    pub fn stdin(&self) -> Option<BorrowedFd<'_>> {
        self.stdin.as_ref().map(AsFd::as_fd)
    }

    /// Hangs up when it ends.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.ended() {
            // Before its standard input ends: it is not to take a part for the whole.
            self.group.kill();
            let mut held = self.group.lock();
            let _ = self.child.wait();
            *held = None;
        }
    }
}
