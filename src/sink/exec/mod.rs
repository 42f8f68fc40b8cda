//! A command that takes batches of whole transactions on its standard input. A batch is safe once
//! the command has ended with status 0, whatever it read of it.
//!
//! A batch is held in memory until it ends, so that it can be given to the command again. One that
//! is too large for that goes to the command as it comes; to repeat it, the stream has to start
//! again before it.

mod batch;
mod process;

pub use process::Group;

use super::buffer::Buffer;
use super::{Driven, Held, Moment, Rewound, Sink, Urge, Watched};
use crate::error::{Error, Result};
use crate::event::{Event, EventId};
use crate::lsn::Lsn;
use crate::record::Records;
use batch::{Batch, Batches};
use log::warn;
use process::{Process, Written};
use rustix::event::PollFlags;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How much is held in memory.
const HELD: usize = 2 << 20;

/// How many batches are held, however small they are: so many that each of them can be confirmed by
/// itself.
const MOST_BATCHES: usize = 200;

/// How long the command may go on after `--timeout`.
const GRACE: Duration = Duration::from_secs(5);

/// The pauses before the command is run again.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What to run, and for how much at a time.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// The program and its arguments.
    pub words: Vec<OsString>,
    /// Whether it is a shell that runs a command line. Then 126 and 127 are its own words.
    pub shell: bool,
    /// The slot, for the command's environment.
    pub slot: Option<String>,
    /// A batch ends with the transaction that brings it so many changes,
    pub rows: u64,
    /// and so long after its first.
    pub interval: Duration,
    /// How often a batch is given to the command again.
    pub retries: u32,
}

/// The command. Its units are batches.
pub struct ExecSink {
    consumer: Consumer,
    group: Group,
    buffer: Buffer,
    batches: Batches,
    state: State,
    /// How often the first batch has failed.
    failures: u32,
    /// The first batch is too large to be held: what the command takes of it is gone.
    streams: bool,
    /// Since when the time of the program is over.
    overdue: Option<Instant>,
    rewound: Option<Rewound>,
}

enum State {
    /// The first batch, if there is one, is to be run.
    Ready,
    /// The same, but not before this.
    Pausing(Instant),
    /// The command has the first batch, and was written up to this offset.
    Running(Process, u64),
    /// The command was content before the batch had come to its end.
    Content,
    /// The command was killed, or has failed once too often.
    Over,
}

impl ExecSink {
    /// `group` tells whoever needs to know what runs.
    pub fn new(consumer: Consumer, group: Group) -> ExecSink {
        ExecSink {
            batches: Batches::new(consumer.rows, consumer.interval),
            consumer,
            group,
            buffer: Buffer::default(),
            state: State::Ready,
            failures: 0,
            streams: false,
            overdue: None,
            rewound: None,
        }
    }

    /// Does what can be done now for the first batch. Returns `false` if there is nothing more.
    fn advance(&mut self, moment: &Moment) -> Result<bool> {
        let Some(batch) = self.batches.first() else {
            return Ok(false);
        };
        let (closed, end) = (batch.closed, batch.end);
        match &mut self.state {
            State::Over => Ok(false),
            State::Pausing(_) => Ok(false),
            State::Ready if moment.urge >= Urge::Stop => Ok(false),
            State::Ready => {
                self.streams |= !closed && self.buffer.waiting().len() >= HELD;
                if closed || self.streams {
                    self.start()?;
                }
                Ok(closed || self.streams)
            }
            State::Content => {
                let count = end.saturating_sub(self.buffer.taken());
                self.buffer.take(count as usize);
                if closed {
                    self.finish();
                }
                Ok(closed)
            }
            State::Running(process, written) => {
                let base = self.buffer.taken();
                let waiting = self.buffer.waiting();
                let from = written.saturating_sub(base) as usize;
                let rest = waiting.get(from..end.saturating_sub(base) as usize);
                let outcome = process.write(rest.unwrap_or_default());
                match outcome.map_err(|error| failed(&error))? {
                    Written::Taken(count) => *written += count as u64,
                    Written::Closed => *written = end,
                }
                if self.streams {
                    self.buffer.take(written.saturating_sub(base) as usize);
                }
                if closed && *written == end {
                    process.close();
                }
                if self
                    .overdue
                    .is_some_and(|since| since + GRACE <= moment.now)
                {
                    process.kill();
                }
                match process.ended().map_err(|error| failed(&error))? {
                    None => Ok(false),
                    Some(status) => self.ended(status, moment).map(|()| true),
                }
            }
        }
    }

    /// Runs the command for the first batch.
    fn start(&mut self) -> Result<()> {
        let Some(batch) = self.batches.first() else {
            return Ok(());
        };
        let command = self.consumer.command(batch);
        let process = Process::start(command, &self.group).map_err(|error| failed(&error))?;
        self.state = State::Running(process, self.buffer.taken());
        Ok(())
    }

    fn ended(&mut self, status: ExitStatus, moment: &Moment) -> Result<()> {
        self.state = State::Ready;
        let closed = self.batches.first().is_some_and(|batch| batch.closed);
        match (status.success(), closed) {
            (true, true) => {
                self.finish();
                Ok(())
            }
            (true, false) => {
                self.state = State::Content;
                self.batches.close_at_boundary();
                Ok(())
            }
            (false, _) => self.failed(status, moment),
        }
    }

    /// The first batch is done.
    fn finish(&mut self) {
        if let Some(batch) = self.batches.first() {
            let count = batch.end.saturating_sub(self.buffer.taken());
            self.buffer.take(count as usize);
        }
        self.batches.finish_first();
        self.state = State::Ready;
        self.failures = 0;
        self.streams = false;
    }

    /// The command has not taken the first batch.
    fn failed(&mut self, status: ExitStatus, moment: &Moment) -> Result<()> {
        let error = self.explain(status, moment);
        if self.failures >= self.consumer.retries || moment.urge >= Urge::Stop {
            self.state = State::Over;
            return Err(error);
        }
        let pause = SHORTEST_PAUSE.saturating_mul(1 << self.failures.min(16));
        let pause = pause.min(LONGEST_PAUSE);
        self.failures += 1;
        self.state = State::Pausing(moment.now + pause);
        warn!(
            "{error}; it gets the batch again in {} s ({} of {})",
            pause.as_secs(),
            self.failures,
            self.consumer.retries
        );
        if !self.streams {
            return Ok(());
        }
        self.streams = false;
        let last = self.batches.forget();
        self.buffer.take(self.buffer.waiting().len());
        self.rewound = Some(Rewound { last });
        Err(Error::transient(
            "could not repeat the batch from memory, which it is too large for",
        ))
    }

    /// Why the command has not taken the first batch.
    fn explain(&self, status: ExitStatus, moment: &Moment) -> Error {
        let how = match (status.code(), status.signal()) {
            _ if self
                .overdue
                .is_some_and(|since| since + GRACE <= moment.now) =>
            {
                "it was still running when the time was over".to_owned()
            }
            (Some(126), _) if self.consumer.shell => {
                "it ended with status 126: the shell could not run it".to_owned()
            }
            (Some(127), _) if self.consumer.shell => {
                "it ended with status 127: the shell did not find it".to_owned()
            }
            (Some(code), _) => format!("it ended with status {code}"),
            (_, Some(signal)) => format!("signal {signal} ended it"),
            _ => status.to_string(),
        };
        let error = Error::new(format!("could not hand a batch to the command: {how}"));
        match self.batches.first() {
            Some(Batch {
                first: Some(first),
                last: Some(last),
                ..
            }) => error.with_detail(format!(
                "Nothing of the batch from {} to {} is confirmed.",
                first.key(),
                last.key()
            )),
            _ => error.with_detail("Nothing of the batch is confirmed."),
        }
    }
}

impl Consumer {
    fn command(&self, batch: &Batch) -> Command {
        let mut command = Command::new(self.words.first().map_or("".as_ref(), OsString::as_os_str));
        command.args(self.words.iter().skip(1));
        let ids = [
            ("WALCAT_BATCH_FIRST", batch.first),
            // Of a batch that is still coming nobody knows yet what the last will be.
            ("WALCAT_BATCH_LAST", batch.last.filter(|_| batch.closed)),
        ];
        let ids = ids.map(|(name, id)| (name, id.map(EventId::key)));
        for (name, value) in ids.into_iter().chain([("WALCAT_SLOT", self.slot.clone())]) {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Asks the shell for the program, and fails if it does not exist. Where a command line begins
    /// with something else than a plain word nobody knows before it runs.
    pub fn look_for_program(&self) -> Result<()> {
        let name = match (self.shell, self.words.as_slice()) {
            (true, [.., line]) => first_word(&line.to_string_lossy()).map(OsString::from),
            (_, words) => words.first().cloned(),
        };
        let Some(name) = name else {
            return Ok(());
        };
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "command -v -- \"$1\"", "sh"]).arg(&name);
        let quiet = shell.stdin(Stdio::null()).stdout(Stdio::null());
        match quiet.stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(Error::new(format!(
                "could not find the command \"{}\"",
                name.to_string_lossy()
            ))),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// The word with which a command line begins, if it is the name of a program or the like.
fn first_word(line: &str) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./+".contains(c);
    let word = line.split_ascii_whitespace().next()?;
    (word.chars().all(is_plain) && !word.starts_with('-')).then_some(word)
}

fn failed(error: &std::io::Error) -> Error {
    Error::new(format!("could not run the command: {error}"))
}

impl Records for ExecSink {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer.bytes()
    }

    fn append(&mut self, event: Option<&Event<'_>>) {
        let id = event.and_then(Event::id);
        let is_change = event.is_none_or(|event| event.body.is_change());
        self.batches.append(id, is_change, self.buffer.appended());
    }
}

impl Sink for ExecSink {
    fn held(&self) -> Held<'_> {
        Held {
            name: "the command",
            last: None,
            timeline: None,
        }
    }

    fn gaps(&self, _: Option<Lsn>) -> Vec<String> {
        Vec::new()
    }

    fn begin(&mut self, _: Option<u32>, _: Option<Lsn>) -> Result<()> {
        Ok(())
    }

    fn on_timeline(&mut self, _: Option<u32>) {}

    fn end_transaction(&mut self, last: Option<EventId>) {
        self.batches.end_transaction(last);
    }

    fn needs_rest(&mut self) -> bool {
        let running = matches!(self.state, State::Running(..) | State::Content);
        self.batches.close_at_boundary();
        running && self.batches.first().is_some_and(|batch| !batch.closed)
    }

    fn appended(&self) -> u64 {
        self.batches.begun()
    }

    fn written(&self) -> u64 {
        self.batches.done()
    }

    fn durable(&self) -> u64 {
        self.batches.done()
    }

    fn reports_at_once(&self) -> bool {
        true
    }

    fn has_room(&self) -> bool {
        self.buffer.waiting().len() < HELD && self.batches.waiting() < MOST_BATCHES
    }

    fn watch<'a>(&'a self, watched: &mut Watched<'a>) {
        watched.due(self.batches.due());
        match &self.state {
            State::Running(process, written) => {
                watched.fd(process.bell(), PollFlags::IN);
                let end = self.batches.first().map_or(0, |batch| batch.end);
                if let Some(stdin) = process.stdin().filter(|_| *written < end) {
                    watched.fd(stdin, PollFlags::OUT);
                }
                watched.due(self.overdue.map(|since| since + GRACE));
            }
            State::Pausing(until) => watched.due(Some(*until)),
            State::Ready | State::Content | State::Over => {}
        }
    }

    fn drive(&mut self, moment: &Moment) -> Result<Driven> {
        self.batches.close_when_due(moment.now);
        if matches!(self.state, State::Pausing(until) if until <= moment.now) {
            self.state = State::Ready;
        }
        match moment.urge {
            Urge::More | Urge::Quiet => {}
            Urge::Durable => self.batches.close_at_boundary(),
            Urge::End => self.batches.close(),
            Urge::Overdue if matches!(self.state, State::Pausing(_)) => {
                self.state = State::Over;
                return Err(Error::new(
                    "could not hand a batch to the command again: the time was over before",
                ));
            }
            // Whatever runs lacks a part of its batch that does not come any more.
            Urge::Stop | Urge::Overdue => {
                if self.batches.first().is_some_and(|batch| !batch.closed) {
                    self.state = State::Over;
                }
            }
        }
        if moment.urge >= Urge::Overdue {
            self.overdue.get_or_insert(moment.now);
        }
        while self.advance(moment)? {}
        Ok(match self.state {
            _ if self.batches.first().is_none() => Driven::Settled,
            State::Over => Driven::GivenUp,
            State::Running(..) => Driven::Busy,
            _ if moment.urge >= Urge::Stop => Driven::GivenUp,
            _ => Driven::Busy,
        })
    }

    fn confirm(&mut self, _: Lsn) -> Result<()> {
        Ok(())
    }

    fn resumes(&self) -> bool {
        false
    }

    fn reopens(&self) -> bool {
        false
    }

    fn reopen(&mut self, _: Option<EventId>) -> Result<()> {
        Ok(())
    }

    fn take_rewound(&mut self) -> Option<Rewound> {
        self.rewound.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_word_is_a_program() {
        for (line, word) in [
            ("cat", Some("cat")),
            ("  ./a-b_c/d.sh -x | y", Some("./a-b_c/d.sh")),
            ("g++ x", Some("g++")),
            ("", None),
            ("A=1 x", None),
            ("'a b' c", None),
            ("$x", None),
            ("(cd x; y)", None),
            ("cd;ls", None),
            ("-x", None),
            ("<in cat", None),
        ] {
            assert_eq!(first_word(line), word, "{line}");
        }
    }
}
