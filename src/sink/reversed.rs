//! Lines from the last to the first: held back until all are there.

use super::{Driven, Held, Moment, Sink, Urge, Watched};
use crate::error::{Error, Result};
use crate::event::{Event, EventId};
use crate::lsn::Lsn;
use crate::record::Records;
use memchr::{memchr, memrchr_iter};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

/// How much is read, or kept in memory, at a time.
const BLOCK: usize = 256 << 10;

/// Lines on the disk, in a file without a name, that are read from the last to the first.
pub struct Spool {
    file: File,
    waiting: Vec<u8>,
    /// Up to where they are not read yet.
    end: u64,
}

impl Spool {
    /// An empty one.
    pub fn new() -> Result<Spool> {
        let file = tempfile::tempfile()
            .map_err(|error| Error::new(format!("could not create a temporary file: {error}")))?;
        Ok(Spool {
            file,
            waiting: Vec::new(),
            end: 0,
        })
    }

    /// Where to append whole lines.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// Keeps what was appended.
    pub fn keep(&mut self) -> Result<()> {
        if self.waiting.len() >= BLOCK {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file
            .write_all(&self.waiting)
            .map_err(|error| failed("write", &error))?;
        self.end += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Appends some of the lines, the last first. Returns `false` once there are no more.
    pub fn read_back(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        self.flush()?;
        let mut size = BLOCK as u64;
        while self.end > 0 {
            let start = self.end.saturating_sub(size);
            let mut block = vec![0; (self.end - start) as usize];
            self.file
                .read_exact_at(&mut block, start)
                .map_err(|error| failed("read", &error))?;
            // Where the first line that is whole begins.
            let first = match start {
                0 => Some(0),
                _ => memchr(b'\n', &block).map(|at| at + 1),
            };
            let lines = first
                .and_then(|first| block.get(first..))
                .unwrap_or_default();
            if lines.is_empty() {
                size *= 2;
                continue;
            }
            append_reversed(lines, out);
            self.end -= lines.len() as u64;
            return Ok(true);
        }
        Ok(false)
    }
}

/// Appends lines, the last first.
fn append_reversed(lines: &[u8], out: &mut Vec<u8>) {
    let mut end = lines.len();
    let ends = memrchr_iter(b'\n', lines).skip(1).map(|at| at + 1);
    for start in ends.chain([0]) {
        out.extend_from_slice(lines.get(start..end).unwrap_or_default());
        end = start;
    }
}

fn failed(act: &str, error: &std::io::Error) -> Error {
    Error::new(format!("could not {act} a temporary file: {error}"))
}

/// A sink that gets the lines in reverse once no more come.
pub struct ReversedSink {
    spool: Spool,
    appended: u64,
    inner: Box<dyn Sink>,
    /// What went wrong when a line was kept.
    failure: Option<Error>,
    ended: bool,
}

impl ReversedSink {
    /// Hands on to `inner`.
    pub fn new(inner: Box<dyn Sink>) -> Result<ReversedSink> {
        Ok(ReversedSink {
            spool: Spool::new()?,
            appended: 0,
            inner,
            failure: None,
            ended: false,
        })
    }
}

impl Records for ReversedSink {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.spool.buffer()
    }

    fn append(&mut self, _: Option<&Event<'_>>) {
        self.appended += 1;
        let kept = self.spool.keep();
        self.failure = self.failure.take().or(kept.err());
    }
}

/// What it is given is safe only when all of it is: it counts records.
impl Sink for ReversedSink {
    fn held(&self) -> Held<'_> {
        self.inner.held()
    }

    fn gaps(&self, confirmed: Option<Lsn>) -> Vec<String> {
        self.inner.gaps(confirmed)
    }

    fn begin(&mut self, timeline: Option<u32>, confirmed: Option<Lsn>) -> Result<()> {
        self.inner.begin(timeline, confirmed)
    }

    fn on_timeline(&mut self, timeline: Option<u32>) {
        self.inner.on_timeline(timeline);
    }

    fn appended(&self) -> u64 {
        self.appended
    }

    fn written(&self) -> u64 {
        0
    }

    fn durable(&self) -> u64 {
        0
    }

    fn has_room(&self) -> bool {
        true
    }

    fn watch<'a>(&'a self, watched: &mut Watched<'a>) {
        self.inner.watch(watched);
    }

    fn drive(&mut self, moment: &Moment) -> Result<Driven> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        self.ended |= moment.urge == Urge::End;
        if !self.ended {
            // Without its end it would take back what others were made upon.
            return Ok(match moment.urge {
                Urge::Stop | Urge::Overdue => Driven::GivenUp,
                _ => Driven::Settled,
            });
        }
        loop {
            let driven = self.inner.drive(moment)?;
            if driven != Driven::Settled || !self.spool.read_back(self.inner.buffer())? {
                return Ok(driven);
            }
            self.inner.append(None);
        }
    }

    fn confirm(&mut self, position: Lsn) -> Result<()> {
        self.inner.confirm(position)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_length_come_back_in_reverse() {
        let lines: Vec<String> = (0..3000)
            .map(|number: usize| format!("{number}{}\n", "x".repeat(number * number % 977)))
            .chain(["y".repeat(3 * BLOCK) + "\n", "last\n".to_owned()])
            .collect();
        let mut spool = Spool::new().unwrap();
        for line in &lines {
            spool.buffer().extend_from_slice(line.as_bytes());
            spool.keep().unwrap();
        }
        let mut found = Vec::new();
        while spool.read_back(&mut found).unwrap() {}
        let expected: String = lines.iter().rev().map(String::as_str).collect();
        assert!(found == expected.as_bytes());
        assert!(!Spool::new().unwrap().read_back(&mut found).unwrap());
    }
}
