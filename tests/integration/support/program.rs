//! The program as a child process that cannot outlive its deadline.

use super::DEADLINE;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// Runs a program to its end; stdin is empty unless the command says otherwise.
pub fn run(command: &mut Command) -> Finished {
    spawn(command).wait()
}

/// Starts a program.
pub fn spawn(command: &mut Command) -> Running {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("could not run {command:?}: {error}"));
    let (sender, lines) = channel();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line).unwrap_or(0) > 0
            && sender.send(std::mem::take(&mut line)).is_ok()
        {}
    });
    let errors = Arc::new(Mutex::new(Vec::new()));
    let (kept, mut stderr) = (Arc::clone(&errors), child.stderr.take().unwrap());
    let error_reader = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stderr.read(&mut buffer) {
            kept.lock().unwrap().extend_from_slice(&buffer[..count]);
        }
    });
    Running {
        child,
        lines,
        errors,
        readers: vec![reader, error_reader],
        taken: Vec::new(),
    }
}

/// A program at work. Dropped, it is killed.
pub struct Running {
    child: Child,
    lines: Receiver<Vec<u8>>,
    errors: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
    taken: Vec<u8>,
}

impl Running {
    /// The next line of its stdout, with its line end. Fails if none comes.
    pub fn line(&mut self) -> String {
        String::from_utf8(self.bytes()).expect("a line in UTF-8")
    }

    /// The same, whatever bytes it has.
    pub fn bytes(&mut self) -> Vec<u8> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => {
                self.taken.extend_from_slice(&line);
                line
            }
            Err(RecvTimeoutError::Timeout) => panic!("no line came; stderr: {}", self.stderr()),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("stdout ended; stderr: {}", self.stderr())
            }
        }
    }

    /// The next line of its stdout, as JSON.
    pub fn json(&mut self) -> serde_json::Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// What it has written to stderr until now.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.errors.lock().unwrap()).into_owned()
    }

    /// Waits until it has written this to stderr.
    pub fn wait_for_stderr(&self, text: &str) {
        super::wait_until(&format!("{text:?} on stderr"), || {
            self.stderr().contains(text).then_some(())
        });
    }

    /// What to write to its stdin; dropped, stdin ends.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("stdin is taken once")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).unwrap();
        kill_process(pid, signal).expect("could not send a signal");
    }

    /// Has it ended?
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ctrl-C, then waits for the end.
    pub fn interrupt(self) -> Finished {
        self.signal(Signal::INT);
        self.wait()
    }

    /// Waits for its end; `stdout` holds everything, also the lines already read.
    pub fn wait(mut self) -> Finished {
        drop(self.child.stdin.take());
        let start = Instant::now();
        let mut stdout = std::mem::take(&mut self.taken);
        loop {
            match self
                .lines
                .recv_timeout(DEADLINE.saturating_sub(start.elapsed()))
            {
                Ok(line) => stdout.extend_from_slice(&line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    panic!("the program does not end; stderr: {}", self.stderr());
                }
            }
        }
        super::wait_until("the end of the program", || self.child.try_wait().unwrap());
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Finished {
            status: self.child.wait().unwrap(),
            stdout,
            stderr: self.stderr(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// Fails unless it ended with this exit status. A signal is no exit status.
    #[track_caller]
    pub fn exited(&self, code: i32) -> &Finished {
        assert_eq!(
            self.status.code(),
            Some(code),
            "signal {:?}\nstderr: {}",
            self.status.signal(),
            self.stderr
        );
        self
    }

    /// Fails unless it ended with 0.
    #[track_caller]
    pub fn succeeded(&self) -> &Finished {
        self.exited(0)
    }

    /// Its stdout as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("stdout in UTF-8")
    }

    /// Its stdout as lines of JSON.
    #[track_caller]
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.text().lines().map(parse).collect()
    }
}
